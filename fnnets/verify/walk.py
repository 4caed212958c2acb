"""One layer as a subject: its backward pass on a given cotangent, and the names of its rows.

    explicit:   d_params, d_x = backward(params, trace, d_y)
    terms:      y ⊙ d_y, whose sum has the gradient (d_params, d_x)

| symbol | name in code | shape |
|---|---|---|
| θ | `(params, x)`, or `(params,)` where x holds integers | |
| rest | `(x, context, d_y)` | d_y as y |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from fnnets.core import Layer
from fnnets.verify.evidence import Subject, largest


def subject(layer: Layer, params: Any, name: str, has_d_x: bool = True, number: Callable[[str], str] = str) -> Subject:
    """The layer as a subject: a row for each leaf of its parameters, one for d_x; `number` calls their statements."""
    where, found = paths(params, name), statements(layer, params)
    if has_d_x:
        where, found = (*where, f"{name} d_x"), (*found, layer.input_statement)

    def terms(at, rest):
        x, context, d_y = rest
        params, x = at if len(at) == 2 else (*at, x)
        return layer.forward(params, x, context)[0] * d_y

    def pull(at, rest, d_y):
        x, context, _ = rest
        params, x = at if len(at) == 2 else (*at, x)
        found = layer.backward(params, layer.forward(params, x, context)[1], d_y)
        if isinstance(found, tuple) and len(found) == 2:
            return tuple(found)[: len(at)]
        raise TypeError(f"returned {type(found).__name__}, expected the pair (d_params, d_x)")

    return Subject(
        name, where, tuple(map(number, found)), terms, lambda at, rest: pull(at, rest, rest[2]), layer.approximation,
        scale=lambda at, rest: largest(rest[2]), pull=pull, number=number,
    )  # fmt: skip


def point(params: Any, met: tuple[Any, Any, Any], has_d_x: bool = True) -> tuple[Any, Any]:
    """θ and the rest of a layer that meets x, a context and d_y."""
    x, context, d_y = met
    return (params, x) if has_d_x else (params,), (x, context, d_y)


def paths(params: Any, name: str) -> tuple[str, ...]:
    """The name of each leaf: `name` and the leaf's path."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return tuple(f"{name} {jax.tree_util.keystr(path) or 'params'}" for path, _ in leaves)


def statements(layer: Layer, params: Any) -> tuple[str, ...]:
    """The statement number of each leaf of `params`, "" where the layer does not say."""
    known, count = jax.tree.leaves(layer.statements), len(jax.tree.leaves(params))
    return tuple(map(str, known)) if len(known) == count else ("",) * count

"""One layer as evidence: its backward pass on a given cotangent, the terms for the witness, the names of its rows.

    explicit:   d_params, d_x = backward(params, trace, d_y)
    terms:      y ⊙ d_y, whose sum has the gradient (d_params, d_x)

| symbol | name in code | shape |
|---|---|---|
| d_y | `d_y` | as y |
| d_x | `d_x`; left out where x holds integers | as x |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fnnets.core import Layer
from fnnets.verify.evidence import Evidence, Subject, attempt, largest


def evidence(layer: Layer, inputs: Any, passed: Any, d_y: Any, automatic: Any) -> Evidence:
    """The backward pass on `d_y` against `automatic`: (d_params, d_x), or (d_params,) where x holds integers.

    `inputs` are params, x and context, `passed` what the forward pass made of them: y and the trace.
    """
    (params, x, context), (y, trace) = inputs, passed

    def backward():
        found = layer.backward(params, trace, d_y)
        if isinstance(found, tuple) and len(found) == 2:
            return tuple(found)[: len(automatic)]
        raise TypeError(f"returned {type(found).__name__}, expected the pair (d_params, d_x)")

    at = (params, x)[: len(automatic)]
    return Evidence(attempt(backward), automatic, at, (x, context, d_y), largest(d_y), jnp.sum(y * d_y))


def subject(layer: Layer, params: Any, name: str, has_d_x: bool = True) -> Subject:
    """Names for the rows of a layer, and its terms."""
    where, found = paths(params, name), statements(layer, params)
    if has_d_x:
        where, found = (*where, f"{name} d_x"), (*found, "2")
    return Subject(name, where, found, terms(layer), layer.approximation)


def paths(params: Any, name: str) -> tuple[str, ...]:
    """The name of each leaf: `name` and the leaf's path."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return tuple(f"{name} {jax.tree_util.keystr(path) or 'params'}" for path, _ in leaves)


def statements(layer: Layer, params: Any) -> tuple[str, ...]:
    """The statement number of each leaf of `params`, "" where the layer does not say."""
    known, count = jax.tree.leaves(layer.statements), len(jax.tree.leaves(params))
    return tuple(map(str, known)) if len(known) == count else ("",) * count


def terms(layer: Layer) -> Callable[[Any, Any], Any]:
    """The terms of Σ y ⊙ d_y as a function of (params, x), or of (params,)."""

    def of(at, rest):
        x, context, d_y = rest
        params, x = at if len(at) == 2 else (*at, x)
        return layer.forward(params, x, context)[0] * d_y

    return of

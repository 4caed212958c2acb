"""Subjects of a check: a function, the gradient of it that was written by hand, and the names of the rows.

    terms       f(θ, rest): the numbers whose sum is differentiated; it may tap quantities on its way
    explicit    g(θ, rest): the hand-written gradient by θ, which may mark the gradients of those quantities
    automatic   ∂ Σ f/∂θ by `jax.vjp`: the reference, of the type that the gradient should have

A layer is a subject whose terms are y ⊙ d_y, and whose gradient is (d_params, d_x) = backward(params, trace, d_y).

| symbol | name in code | shape |
|---|---|---|
| θ | `at`; of a layer `(params, x)`, or `(params,)` where x holds integers | a pytree |
| rest | `rest`; of a layer `(x, context, d_y)` | |
| g | `subject.explicit(at, rest)` | as θ, if all is well |
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core.types import Context, Layer
from fnnets.verify.reference import raised

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

Point = tuple["PyTree", "PyTree"]
"""θ and the rest."""


class Subject(NamedTuple):
    """One gradient to be proven.

    Attributes:
        name: of the whole; no other subject of a case has it.
        where, statements: of each leaf of θ.
        terms: `(at, rest) -> f`.
        explicit: `(at, rest) -> ∂ Σ f/∂θ`.
        approximation: how `explicit` departs from the gradient on purpose, "" where it does not.
        scale: `(at, rest) -> ` the size of the numbers that the gradient is computed from; None for f and its gradient.
        pull: `(at, rest) -> (cotangent -> ∂ Σ f/∂θ)` where `explicit` is linear in a cotangent, else None.
        explained: `(at, rest) -> g` as it would be if only the faults of earlier subjects were at work, or None.
        marks: names of the marks that are compared, whose rows are called by that name alone. None for all marks, each
            given the true values of those before it, so that each fault is found where it is.
        number: the statement of a mark, as it is called in this subject's network.
        held: `(at, rest) -> terms` that central differences move, where what is declared to have another derivative is
            held at that point; None where nothing is declared.
        expects: the names of what is declared.
    """

    name: str
    where: tuple[str, ...]
    statements: tuple[str, ...]
    terms: Callable[..., Array]
    explicit: Callable[..., PyTree]
    approximation: str = ""
    scale: Callable[..., Float[Array, ""]] | None = None
    pull: Callable[..., PyTree] | None = None
    explained: Callable[..., PyTree] | None = None
    marks: tuple[str, ...] | None = None
    number: Callable[[str], str] = str
    held: Callable[..., Callable[..., Array]] | None = None
    expects: tuple[str, ...] = ()


@jax.tree_util.register_static
@dataclass(frozen=True)
class Failure:
    """A gradient that could not be had, and why; it passes through `jax.jit`, for it holds no array."""

    message: str


def of_layer(layer: Layer, params: PyTree, name: str, has_d_x: bool = True, number: Callable = str) -> Subject:
    """The layer as a subject: a row for each leaf of its parameters, one for d_x; `number` calls their statements."""
    where, found = paths(params, name), statements(layer, params)
    if has_d_x:
        where, found = (*where, f"{name} d_x"), (*found, layer.input_statement)

    def terms(at, rest):
        x, context, d_y = rest
        params, x = at if len(at) == 2 else (*at, x)
        products = jax.tree.leaves(jax.tree.map(jnp.multiply, layer.forward(params, x, context)[0], d_y))
        return products[0] if len(products) == 1 else jnp.concatenate([jnp.ravel(each) for each in products])

    def pull(at, rest):
        x, context, _ = rest
        params, x = at if len(at) == 2 else (*at, x)
        _, trace = layer.forward(params, x, context)
        return lambda d_y: tuple(layer.backward(params, trace, d_y))[: len(at)]

    return Subject(
        name, where, tuple(map(number, found)), terms, lambda at, rest: pull(at, rest)(rest[2]), layer.approximation,
        scale=lambda at, rest: largest(rest[2]), pull=pull, number=number,
    )  # fmt: skip


def point(params: PyTree, rest: tuple[Array, Context, Array], has_d_x: bool = True) -> Point:
    """θ and the rest of a layer, from its parameters and (x, context, d_y)."""
    return ((params, rest[0]) if has_d_x else (params,)), rest


def paths(params: PyTree, name: str) -> tuple[str, ...]:
    """The name of each leaf: `name` and the leaf's path."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return tuple(f"{name} {jax.tree_util.keystr(path) or 'params'}" for path, _ in leaves)


def statements(layer: Layer, params: PyTree) -> tuple[str, ...]:
    """The statement number of each leaf of `params`, "" where the layer does not say."""
    known, count = jax.tree.leaves(layer.statements), len(jax.tree.leaves(params))
    return tuple(map(str, known)) if len(known) == count else ("",) * count


def size(tree: PyTree) -> int:
    """How many numbers the arrays of a tree have together."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree) if hasattr(leaf, "size"))


def largest(*trees: PyTree) -> Float[Array, ""]:
    """The largest magnitude among all leaves."""
    leaves = [jnp.abs(leaf).max(initial=0.0).astype(float) for leaf in jax.tree.leaves(trees)]
    return functools.reduce(jnp.maximum, leaves, jnp.zeros(()))


def reason(error: Exception) -> str:
    """An exception in one line."""
    message, place = " ".join(str(error).split()), "" if getattr(error, "is_located", False) else raised.line(error)
    at = f" at {place}" if place else ""
    return f"raised {type(error).__name__}{at}: {message[:240]}{'…' if len(message) > 240 else ''}"


def problems(explicit: PyTree, expected: PyTree, has_dtype: bool = True) -> str | list[str]:
    """What is wrong with the type of a gradient: a sentence if its structure is, else one for each leaf, "" if none.

    Without `has_dtype` any floating dtype will do.
    """
    if isinstance(explicit, Failure):
        return explicit.message
    structures: list[PyTree] = [jax.tree.structure(tree) for tree in (explicit, expected)]
    if structures[0] != structures[1]:
        return _structure_problem(explicit, expected)
    pairs = zip(jax.tree.leaves(explicit), jax.tree.leaves(expected), strict=True)
    return [_leaf_problem(*pair, has_dtype) for pair in pairs]


def _leaf_problem(came: Array, expected: Array, has_dtype: bool) -> str:
    if came.shape != expected.shape:
        return f"the gradient has shape {came.shape}, expected {expected.shape}, that of what it is the gradient of"
    is_floating = jnp.issubdtype(came.dtype, jnp.floating)
    if came.dtype != expected.dtype and (has_dtype or not is_floating):
        return f"the gradient has dtype {came.dtype}, expected {expected.dtype}, that of what it is the gradient of"
    return ""


def _structure_problem(came: PyTree, expected: PyTree) -> str:
    """The first path at which two trees differ, or their types where the paths are the same."""
    paths = [
        [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(t)] for t in (expected, came)
    ]
    shown = ", ".join(path or "a single array" for path in paths[0][:6]) + (", …" if len(paths[0]) > 6 else "")
    if paths[0] == [""]:
        came_as = f"a {type(came).__name__} of {len(paths[1])} arrays"
        return f"the gradient has another structure: it is {came_as}, expected a single array"
    for path in paths[0]:
        if path not in paths[1]:
            return f"the gradient has another structure: no leaf {path or 'at the root'}, expected {shown}"
    for path in paths[1]:
        if path not in paths[0]:
            return f"the gradient has another structure: an extra leaf {path or 'at the root'}, expected {shown}"
    if type(came) is not type(expected):
        names = type(came).__name__, type(expected).__name__
        return f"the gradient has another structure: it is a {names[0]}, expected a {names[1]}"
    came, expected = jax.tree.structure(came), jax.tree.structure(expected)
    return f"the gradient has another structure: {came}, expected {expected}"

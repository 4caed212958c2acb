"""What a check is about, and where a gradient has another structure, shape or dtype than it should.

    terms       f(θ, rest): the numbers whose sum is differentiated; it may tap quantities on its way
    explicit    g(θ, rest): the hand-written gradient by θ, which may mark the gradients of those quantities
    automatic   ∂ Σ f/∂θ by `jax.vjp`: the oracle, of the type that the gradient should have

| symbol | name in code | shape |
|---|---|---|
| θ | `at` | a pytree |
| g | `subject.explicit(at, rest)` | as θ, if all is well |
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Subject(NamedTuple):
    """One gradient to be proven.

    Attributes:
        name: of the whole.
        where, statements: of each leaf of θ.
        terms: `(at, rest) -> f`.
        explicit: `(at, rest) -> ∂ Σ f/∂θ`.
        approximation: how `explicit` departs from the gradient on purpose, "" where it does not.
        is_forced: whether marked gradients are replaced by the true ones, so that each fault is found where it is.
        scale: `(at, rest) -> ` the size of the numbers that the gradient is computed from; None for f and its gradient.
        pull: `(at, rest, cotangent) -> ∂ Σ f/∂θ` where `explicit` is linear in a cotangent, else None.
        is_near: whether it belongs to the cost, as the first subject does, and not to a layer.
        ahead: names of marks whose rows come before those of layers.
        explained: `(at, rest) -> g` as it would be if only the faults of earlier subjects were at work, or None.
        is_whole: whether only marks in `ahead` are compared, since other subjects have the rest.
        number: the statement of a mark, as it is called in this subject's network.
    """

    name: str
    where: tuple[str, ...]
    statements: tuple[str, ...]
    terms: Callable[[Any, Any], Any]
    explicit: Callable[[Any, Any], Any]
    approximation: str = ""
    is_forced: bool = True
    scale: Callable[[Any, Any], Any] | None = None
    pull: Callable[[Any, Any, Any], Any] | None = None
    is_near: bool = False
    ahead: tuple[str, ...] = ()
    explained: Any = None
    is_whole: bool = False
    number: Callable[[str], str] = str


@jax.tree_util.register_static
@dataclass(frozen=True)
class Failure:
    """A gradient that could not be had, and why; it passes through `jax.jit`, for it holds no array."""

    message: str


def largest(*trees: Any) -> Any:
    """The largest magnitude among all leaves."""
    leaves = [jnp.abs(leaf).max(initial=0.0).astype(float) for leaf in jax.tree.leaves(trees)]
    return functools.reduce(jnp.maximum, leaves, jnp.zeros(()))


def attempt(function: Callable, *args: Any) -> Any:
    """What `function` returns, with arrays for leaves, or a `Failure`."""
    try:
        return jax.tree.map(jnp.asarray, function(*args))
    except Exception as error:  # what the accused may raise, no one knows
        return Failure(reason(error))


def reason(error: Exception) -> str:
    """An exception in one line."""
    message = " ".join(str(error).split())
    return f"raised {type(error).__name__}: {message[:240]}{'…' if len(message) > 240 else ''}"


def problems(explicit: Any, expected: Any) -> str | list[str]:
    """What is wrong with the type of a gradient: a sentence if its structure is, else one for each leaf, "" if none."""
    if isinstance(explicit, Failure):
        return explicit.message
    structures: list[Any] = [jax.tree.structure(tree) for tree in (explicit, expected)]
    if structures[0] != structures[1]:
        return _structure_problem(explicit, expected)
    return [_leaf_problem(*pair) for pair in zip(jax.tree.leaves(explicit), jax.tree.leaves(expected), strict=True)]


def _leaf_problem(came, expected) -> str:
    if came.shape != expected.shape:
        return f"the gradient has shape {came.shape}, expected {expected.shape}, that of what it is the gradient of"
    if came.dtype != expected.dtype:
        return f"the gradient has dtype {came.dtype}, expected {expected.dtype}, that of what it is the gradient of"
    return ""


def _structure_problem(came, expected) -> str:
    """The first path at which two trees differ, or their types where the paths are the same."""
    paths = [
        [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(t)] for t in (expected, came)
    ]
    missing = next((path for path in paths[0] if path not in paths[1]), None)
    extra = next((path for path in paths[1] if path not in paths[0]), None)
    if missing is not None:
        return f"the gradient has another structure: no leaf {missing or 'at the root'}, expected {_shown(paths[0])}"
    if extra is not None:
        return (
            f"the gradient has another structure: an extra leaf {extra or 'at the root'}, expected {_shown(paths[0])}"
        )
    came, expected = jax.tree.structure(came), jax.tree.structure(expected)
    return f"the gradient has another structure: {came}, expected {expected}"


def _shown(paths) -> str:
    return ", ".join(path or "a single array" for path in paths[:6]) + (", …" if len(paths) > 6 else "")

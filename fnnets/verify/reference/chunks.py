"""A large gradient leaf by leaf: so much is held at a time as one leaf needs, on both sides and in both precisions.

    whole    θ = (w₁, …, w_k)           g = explicit(θ, rest)
    chunk i  θ = w_i                    g_i = explicit((w₁, …, w_k), rest)_i, the rest of it never computed

| symbol | name in code | shape |
|---|---|---|
| numbers that make a case large | `LARGE` | |
| the part of a subject that a chunk is | a position among its leaves, `WHOLE`, or `MARKS` | |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.verify.reference.subject import Point, Subject, problems, size
from fnnets.verify.tracing import precision
from fnnets.verify.tracing.precision import LARGE

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

WHOLE, MARKS = -1, -2


def ordered(ats: Sequence[PyTree], nearest: int) -> Iterator[tuple[int, int]]:
    """(subject, part) in the order of the report: the marks of the last subject behind the `nearest` first ones."""
    for i, at in enumerate(ats):
        count = len(jax.tree.leaves(at))
        yield from ((i, part) for part in ([WHOLE] if size(at) <= LARGE else range(count)))
        if i + 1 == nearest:
            yield len(ats) - 1, MARKS


def cut(subject: Subject, part: int, point: Point) -> tuple[Subject, Point]:
    """The subject of one part, and its point: θ is one leaf, the others belong to the rest."""
    if part == WHOLE:
        return subject, point
    leaves = jax.tree.leaves(point[0])
    leaf = part if part != MARKS else min(range(len(leaves)), key=lambda i: leaves[i].size)
    structure = jax.tree.structure(point[0])

    def restored(at, rest):
        others, rest = rest
        if at.dtype == jnp.float64:  # the others come in the parameters' precision, so that nothing wider is held
            others = [each.astype(at.dtype) if precision.is_floating(each) else each for each in others]
        return jax.tree.unflatten(structure, [*others[:leaf], at, *others[leaf:]]), rest

    one = subject._replace(
        where=(subject.where[leaf],), statements=(subject.statements[leaf],),
        terms=lambda at, rest: subject.terms(*restored(at, rest)), explicit=_leaf_of(subject.explicit, restored, leaf),
        scale=None if subject.scale is None else lambda at, rest: subject.scale(*restored(at, rest)),
        explained=None if subject.explained is None else _leaf_of(subject.explained, restored, leaf), pull=None,
    )  # fmt: skip
    at, rest = leaves[leaf], [*leaves[:leaf], *leaves[leaf + 1 :]]
    return one, (at, (rest, point[1]))


def wide(part: int, point: Point) -> Point:
    """A part's point in JAX's float64, the other leaves as they are."""
    at, rest = point
    if part == WHOLE:
        return _wide(at), _wide(rest)
    return _wide(at), (rest[0], _wide(rest[1]))


def _wide(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64 if precision.is_floating(leaf) else None), tree)


def _leaf_of(function: Callable[..., PyTree], restored: Callable[..., Point], leaf: int) -> Callable[..., Array]:
    """The function of one leaf that gives one leaf of the function's result."""

    def of(at, rest):
        whole = restored(at, rest)
        found = function(*whole)
        complaint = problems(found, whole[0])
        if isinstance(complaint, str):
            raise TypeError(complaint)
        return jax.tree.leaves(found)[leaf]

    return of

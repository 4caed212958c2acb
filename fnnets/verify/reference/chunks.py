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

from fnnets.verify.reference.evaluate import LARGE
from fnnets.verify.reference.subject import Point, Subject, problems, size

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


def cut(subject: Subject, part: int, *points: Point) -> tuple[Subject, *tuple[Point, ...]]:
    """The subject of one part, and its points: θ is one leaf, the others belong to the rest."""
    if part == WHOLE:
        return subject, *points
    leaves = jax.tree.leaves(points[0][0])
    leaf = part if part != MARKS else min(range(len(leaves)), key=lambda i: leaves[i].size)
    structure = jax.tree.structure(points[0][0])

    def restored(at, rest):
        others, rest = rest
        return jax.tree.unflatten(structure, [*others[:leaf], at, *others[leaf:]]), rest

    one = subject._replace(
        where=(subject.where[leaf],), statements=(subject.statements[leaf],),
        terms=lambda at, rest: subject.terms(*restored(at, rest)), explicit=_leaf_of(subject.explicit, restored, leaf),
        scale=None if subject.scale is None else lambda at, rest: subject.scale(*restored(at, rest)),
        explained=None if subject.explained is None else _leaf_of(subject.explained, restored, leaf), pull=None,
    )  # fmt: skip
    return one, *(_cut_point(point, leaf) for point in points)


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


def _cut_point(point: Point, leaf: int) -> Point:
    leaves = jax.tree.leaves(point[0])
    return leaves[leaf], ([*leaves[:leaf], *leaves[leaf + 1 :]], point[1])

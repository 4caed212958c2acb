"""A large gradient leaf by leaf: so much is held at a time as one leaf needs, on both sides and in both precisions.

    whole    θ = (w₁, …, w_k)           g = explicit(θ, rest)
    piece i  θ = w_i                    g_i = explicit((w₁, …, w_k), rest)_i, the rest of it never computed

| symbol | name in code | shape |
|---|---|---|
| numbers that make a case large | `LARGE` | |
| the part of a subject that a piece is | a position among its leaves, `WHOLE`, or `MARKS` | |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax

from fnnets.verify.course import LARGE
from fnnets.verify.evidence import Subject, problems

WHOLE, MARKS = -1, -2


def is_large(tree: Any) -> bool:
    """Whether so many numbers are to be held a few at a time."""
    return _size(tree) > LARGE


def ordered(subjects: Sequence[Subject], ats: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """(subject, part) in the order of the report: marks nearest to the cost behind the first subject."""
    for i, at in enumerate(ats):
        count = len(jax.tree.leaves(at))
        yield from ((i, part) for part in ([WHOLE] if _size(at) <= LARGE else range(count)))
        if i == 0 and len(subjects) > 1 and subjects[-1].ahead:
            yield len(subjects) - 1, MARKS


def cut(subject: Subject, part: int, *points: Any) -> tuple[Any, ...]:
    """The subject of one part, and its points: θ is one leaf, the others belong to the rest."""
    if part == WHOLE:
        return subject, *points
    leaf = part if part != MARKS else min(range(len(_leaves(points[0]))), key=lambda i: _leaves(points[0])[i].size)
    structure = jax.tree.structure(points[0][0])

    def restored(at, rest):
        others, rest = rest
        return jax.tree.unflatten(structure, [*others[:leaf], at, *others[leaf:]]), rest

    def piece_of(function):
        def of(at, rest):
            found, (whole, _) = function(*restored(at, rest)), restored(at, rest)
            complaint = problems(found, whole)
            if isinstance(complaint, str):
                raise TypeError(complaint)
            return jax.tree.leaves(found)[leaf]

        return of

    one = subject._replace(
        where=(subject.where[leaf],), statements=(subject.statements[leaf],),
        terms=lambda at, rest: subject.terms(*restored(at, rest)), explicit=piece_of(subject.explicit),
        scale=None if subject.scale is None else lambda at, rest: subject.scale(*restored(at, rest)),
        explained=None if subject.explained is None else piece_of(subject.explained), pull=None,
    )  # fmt: skip
    return one, *(_cut_point(point, leaf) for point in points)


def _cut_point(point, leaf):
    if point is None:
        return None
    leaves = _leaves(point)
    return leaves[leaf], ([*leaves[:leaf], *leaves[leaf + 1 :]], point[1])


def _leaves(point):
    return jax.tree.leaves(point[0])


def _size(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree) if hasattr(leaf, "size"))

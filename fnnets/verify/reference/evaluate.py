"""Both sides of a check in one precision: the reference once, the candidate as often as there are candidates.

    reference   f with zeros added at its taps, `jax.vjp` of Σ f: the gradient by θ and every true δ
    candidate   g with the true δ in place of the marked ones: the explicit gradient, and every explicit δ

Both are traced before they are compiled, and compiled together for all small subjects, one by one for large ones, so
that no more than one large gradient is held at a time.

| symbol | name in code | shape |
|---|---|---|
| θ, rest | `reference.point` | as the subject has them |
| ∂ Σ f/∂θ | `reference.automatic` | as θ |
| true δ | `reference.cotangents`, one for each site forward, None where it is not compared | as the site |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.reference import groups
from fnnets.verify.reference.subject import Failure, Point, Subject, largest, reason
from fnnets.verify.tracing import compiled, interpreter, matching, precision
from fnnets.verify.tracing.compiled import Programs
from fnnets.verify.tracing.interpreter import Site, Traced
from fnnets.verify.tracing.matching import Match

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class Reference(NamedTuple):
    """Automatic differentiation of one subject.

    Attributes:
        point: θ and the rest.
        forward: f, traced.
        automatic: ∂ Σ f/∂θ.
        cotangents, seen: δ and value of each site forward.
        value: Σ f.
        scale: the size of the numbers that the gradient is computed from.
    """

    point: Point
    forward: Traced
    automatic: PyTree
    cotangents: PyTree
    seen: PyTree
    value: Float[Array, ""]
    scale: Float[Array, ""] | np.ndarray


class Candidate(NamedTuple):
    """The hand-written side of one subject.

    Attributes:
        traced: g; a `Failure` where it cannot be traced.
        matches: its marks.
        trouble: what is wrong with them, None if nothing.
        deltas: the explicit δ of each.
        explicit: g(θ, rest); a `Failure` where there is none.
        others: other pairings of its marks that their shapes allow.
    """

    traced: Traced | Failure
    matches: tuple[Match, ...]
    trouble: matching.Trouble | None
    deltas: Sequence[Array] = ()
    explicit: PyTree = None
    others: tuple[tuple[Match, ...], ...] = ()


def references(
    subjects: Sequence[Subject],
    points: Sequence[Point],
    programs: Programs | None = None,
    like: Sequence[Reference] | None = None,
) -> tuple[Reference, ...]:
    """The reference of each subject at its point; those of the same subjects at another point are `like` these."""
    forward = [each.forward for each in like] if like else _forward(subjects, points)
    found = zip(points, forward, groups.called(_of_references(subjects, points, forward, programs)), strict=True)
    made = [Reference(point, traced, *each) for point, traced, each in found]
    return tuple(
        each._replace(scale=np.maximum(each.scale, _greatest(each.automatic))) if subject.scale is None else each
        for subject, each in zip(subjects, made, strict=True)
    )


def begin(subjects: Sequence[Subject], points: Sequence[Point], programs: Programs) -> None:
    """Have the programs of `references` compiled while others are traced."""
    _of_references(subjects, points, _forward(subjects, points), programs)


def _forward(subjects: Sequence[Subject], points: Sequence[Point]) -> list[Traced]:
    return [
        compiled.once(("forward", n), partial(traced, subject.terms, *point), point)
        for n, (subject, point) in enumerate(zip(subjects, points, strict=True))
    ]


def _of_references(
    subjects: Sequence[Subject], points: Sequence[Point], forward: Sequence[Traced], programs: Programs | None
) -> list[groups.Group]:
    def values(i, at, rest):
        return differentiated(subjects[i], forward[i], at, rest)

    return groups.programs("reference", values, points, programs)


def _greatest(tree: PyTree) -> float:
    """The largest magnitude among all leaves, on the host, where nothing is compiled for it."""
    return max((float(np.abs(np.asarray(leaf)).max(initial=0)) for leaf in jax.tree.leaves(tree)), default=0.0)


def traced(function: Callable[..., PyTree], *point: PyTree) -> Traced:
    """A function traced at a point, with the dtype of the scope."""
    with precision.traced():
        return interpreter.trace(function, *precision.like(point))


def differenced(subject: Subject, reference: Reference) -> Traced:
    """The forward pass that central differences move: where something is declared, it is held at the point."""
    return reference.forward if subject.held is None else traced(subject.held(*reference.point), *reference.point)


def candidates(
    subjects: Sequence[Subject],
    known: Sequence[Reference],
    programs: Programs | None = None,
    like: Sequence[Candidate] | None = None,
) -> tuple[Candidate, ...]:
    """The hand-written side of each subject, at the reference's point and with the reference's δ.

    Those of the same functions at another point are `like` these.
    """
    found = list(like) if like else traced_candidates(subjects, known)
    results = zip(found, groups.called(_of_candidates(subjects, known, found, programs)), strict=True)
    made = [each._replace(deltas=deltas, explicit=explicit) for each, (deltas, explicit) in results]
    return tuple(_best_paired(*each) for each in zip(subjects, made, known, strict=True))


def begin_candidates(subjects: Sequence[Subject], known: Sequence[Reference], programs: Programs) -> None:
    """As `begin`, for the programs of `candidates`."""
    _of_candidates(subjects, known, traced_candidates(subjects, known), programs)


def _of_candidates(
    subjects: Sequence[Subject], known: Sequence[Reference], found: Sequence[Candidate], programs: Programs | None
) -> list[groups.Group]:
    def values(i, at, rest, cotangents):
        return evaluated(subjects[i], found[i], known[i].forward, (at, rest), cotangents)

    given = [(*each.point, each.cotangents) for each in known]
    return groups.programs(("candidate", *(each.matches for each in found)), values, given, programs)


def _best_paired(subject: Subject, candidate: Candidate, known: Reference) -> Candidate:
    """The candidate with its marks in the order in which they agree, where their shapes allow several."""
    if not candidate.others:
        return candidate
    tried = [candidate]
    for n, matches in enumerate(candidate.others):
        if len(_agreeing(tried[0], known)) == len(candidate.matches):
            break
        one = candidate._replace(matches=matches)

        def values(at, rest, cotangents, one=one):
            return evaluated(subject, one, known.forward, (at, rest), cotangents)

        found = compiled.call(("pairing", subject.name, n), values, *known.point, known.cotangents)
        tried.append(one._replace(deltas=found[0], explicit=found[1]))
    true = [true_deltas(known.forward, known.cotangents, each.matches) for each in tried]
    best = tried[matching.best([each.matches for each in tried], [each.deltas for each in tried], true)]
    return best._replace(others=())


def _agreeing(candidate: Candidate, known: Reference) -> list[int]:
    """Which marks agree."""
    true = true_deltas(known.forward, known.cotangents, candidate.matches)
    return [n for n, pair in enumerate(zip(candidate.deltas, true, strict=True)) if matching.agree(*pair)]


def traced_candidates(subjects: Sequence[Subject], known: Sequence[Reference]) -> list[Candidate]:
    """The hand-written side of each subject, traced and not run."""
    pairs = enumerate(zip(subjects, known, strict=True))
    return [compiled.once(("explicit", n), partial(candidate, *pair), pair[1].point) for n, pair in pairs]


def evaluated(
    subject: Subject, candidate: Candidate, forward: Traced, point: Point, cotangents: PyTree
) -> tuple[list[Array], PyTree]:
    """Explicit δ of all marks, and the explicit gradient by θ."""
    back = candidate.traced
    if isinstance(back, Failure):
        return [], back
    given: list[Array | None] = [None] * len(back.sites)
    for match in candidate.matches if subject.marks is None else ():
        true = matching.joined(forward.sites, cotangents, match.taps)
        for i, part in zip(match.deltas, matching.given(back.sites, true, match), strict=True):
            given[i] = part
    explicit, seen = interpreter.run(back, point, given, interpreter.replaced)
    return [matching.explicit(back.sites, seen, match) for match in candidate.matches], explicit


def differentiated(subject: Subject, forward: Traced, at: PyTree, rest: PyTree) -> tuple[PyTree, ...]:
    """The last five fields of a `Reference`."""
    zeros = [
        jnp.zeros((*site.lengths, *site.shape), site.dtype) if site.tag.kind == "tap" else None
        for site in _compared(subject, forward.sites)
    ]

    def total(at, zeros):
        terms, seen = interpreter.run(forward, (at, rest), zeros, interpreter.added)
        return jnp.sum(terms), (seen, terms)

    (value, (seen, terms)), (automatic, cotangents) = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(at, zeros)
    seen = [None if zero is None else each for zero, each in zip(zeros, seen, strict=True)]
    scale = largest(terms) if subject.scale is None else subject.scale(at, rest)
    return automatic, cotangents, seen, value, scale


def true_deltas(forward: Traced, cotangents: PyTree, matches: Sequence[Match]) -> list[Array]:
    """The true δ of each mark."""
    return [matching.joined(forward.sites, cotangents, match.taps) for match in matches]


def injected(forward: Traced, matches: Sequence[Match]) -> Callable[..., Array]:
    """f as a function of ((what is added at each mark), θ) and rest: for central differences by a δ's quantity."""

    def terms(at, rest):
        added, at = at
        given: list[Array | None] = [None] * len(forward.sites)
        for match, value in zip(matches, added, strict=True):
            for i, part in zip(match.taps, matching.parted(forward.sites, value, match.taps), strict=True):
                given[i] = part
        return interpreter.run(forward, (at, rest), given, interpreter.added)[0]

    return terms


def explained(subject: Subject, point: Point) -> PyTree:
    """The gradient that earlier faults alone lead to, or a `Failure`."""
    assert subject.explained is not None
    try:
        return jax.tree.map(jnp.asarray, compiled.call((subject.name, "explained"), subject.explained, *point))
    except Exception as error:  # a candidate may raise anything
        return Failure(reason(error))


def _compared(subject: Subject, sites: Sequence[Site]) -> list[Site]:
    """The sites, those that are not compared without a kind."""
    if subject.marks is None:
        return list(sites)
    return [site if site.tag.name in subject.marks else site._replace(tag=site.tag._replace(kind="")) for site in sites]


def candidate(subject: Subject, known: Reference) -> Candidate:
    """The hand-written side of a subject, traced, and its marks."""
    try:
        back = traced(subject.explicit, *known.point)
    except jaxprs.UnknownEquationError:
        raise
    except Exception as error:  # a candidate may raise anything
        return Candidate(Failure(reason(error)), (), None)
    if not back.sites:
        return Candidate(back, (), None)
    ahead, behind = (_compared(subject, each.sites) for each in (known.forward, back))
    (found, *others), trouble = matching.pairings(ahead, behind, known.forward.unfollowed)
    return Candidate(back, tuple(found), trouble, others=tuple(map(tuple, others)))

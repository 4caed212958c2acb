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
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import jaxprs
from fnnets.verify.reference.subject import Failure, Point, Subject, largest, reason, size
from fnnets.verify.tracing import compiled, interpreter, matching, precision
from fnnets.verify.tracing.interpreter import Site, Traced
from fnnets.verify.tracing.matching import Match

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

LARGE = 1 << 20


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
    scale: Float[Array, ""]


class Candidate(NamedTuple):
    """The hand-written side of one subject.

    Attributes:
        traced: g; a `Failure` where it cannot be traced.
        matches: its marks.
        trouble: what is wrong with them, "" if nothing.
        deltas: the explicit δ of each.
        explicit: g(θ, rest); a `Failure` where there is none.
    """

    traced: Traced | Failure
    matches: tuple[Match, ...]
    trouble: str
    deltas: Sequence[Array] = ()
    explicit: PyTree = None


def references(subjects: Sequence[Subject], points: Sequence[Point]) -> tuple[Reference, ...]:
    """The reference of each subject at its point."""
    forward = [interpreter.trace(subject.terms, *point) for subject, point in zip(subjects, points, strict=True)]

    def values(i, at, rest):
        return differentiated(subjects[i], forward[i], at, rest)

    found = zip(points, forward, _in_groups("reference", values, points), strict=True)
    return tuple(Reference(point, traced, *each) for point, traced, each in found)


def candidates(subjects: Sequence[Subject], known: Sequence[Reference]) -> tuple[Candidate, ...]:
    """The hand-written side of each subject, at the reference's point and with the reference's δ."""
    found = [_traced(*pair) for pair in zip(subjects, known, strict=True)]

    def values(i, at, rest, cotangents):
        return evaluated(subjects[i], found[i], known[i].forward, (at, rest), cotangents)

    given = [(*each.point, each.cotangents) for each in known]
    results = zip(found, _in_groups("candidate", values, given), strict=True)
    return tuple(each._replace(deltas=deltas, explicit=explicit) for each, (deltas, explicit) in results)


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
        for i, part in zip(match.deltas, matching.parted(back.sites, true, match.deltas), strict=True):
            given[i] = part
    explicit, seen = interpreter.run(back, point, given, interpreter.replaced)
    return [matching.joined(back.sites, seen, match.deltas) for match in candidate.matches], explicit


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
    scale = largest(terms, automatic) if subject.scale is None else subject.scale(at, rest)
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


def explained(subject: Subject, point: Point, is_double: bool) -> PyTree:
    """The gradient that earlier faults alone lead to, or a `Failure`."""
    assert subject.explained is not None
    with precision.double() if is_double else precision.pinned():
        try:
            return jax.tree.map(jnp.asarray, compiled.call((subject.name, "explained"), subject.explained, *point))
        except Exception as error:  # a candidate may raise anything
            return Failure(reason(error))


def is_narrow(known: Sequence[Reference], found: Sequence[Candidate]) -> bool:
    """Whether float64 is squeezed through fewer digits somewhere."""
    traced = [*(each.forward for each in known), *(each.traced for each in found)]
    return any(
        interpreter.narrows(jaxprs.opened(each.closed).jaxpr) for each in traced if not isinstance(each, Failure)
    )


def _compared(subject: Subject, sites: Sequence[Site]) -> list[Site]:
    """The sites, those that are not compared without a kind."""
    if subject.marks is None:
        return list(sites)
    return [site if site.tag.name in subject.marks else site._replace(tag=site.tag._replace(kind="")) for site in sites]


def _traced(subject: Subject, known: Reference) -> Candidate:
    try:
        back = interpreter.trace(subject.explicit, *known.point)
    except jaxprs.UnknownEquationError:
        raise
    except Exception as error:  # a candidate may raise anything
        return Candidate(Failure(reason(error)), (), "")
    if not back.sites:
        return Candidate(back, (), "")
    found, trouble = matching.matches(*(_compared(subject, each.sites) for each in (known.forward, back)))
    return Candidate(back, tuple(found), trouble)


def _in_groups(name: str, values: Callable[..., PyTree], arguments: Sequence[tuple[PyTree, ...]]) -> list[PyTree]:
    """`values(i, *arguments[i])` for all i, compiled together for the small ones."""
    sizes = [size(each) for each in arguments]
    small = [i for i, numbers in enumerate(sizes) if numbers <= LARGE]
    results: dict[int, PyTree] = {}
    for group in [*([small] if small else []), *([i] for i, numbers in enumerate(sizes) if numbers > LARGE)]:

        def together(given, group=group):
            return [values(i, *each) for i, each in zip(group, given, strict=True)]

        found = compiled.call((name, *group), together, [arguments[i] for i in group])
        results.update(zip(group, found, strict=True))
    return [results[i] for i in range(len(arguments))]

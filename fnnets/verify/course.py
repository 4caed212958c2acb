"""The course of a check in one precision: the oracle's side once, the accused's side as often as there are accused.

    oracle    f with zeros added at its taps, `jax.vjp` of Σ f: the gradient by θ and every true δ
    accused   g with the true δ in place of the marked ones: the explicit gradient, and every explicit δ

Both are traced before they are compiled, and compiled together for all small subjects, one by one for large ones, so
that no more than one large gradient is held at a time.

| symbol | name in code | shape |
|---|---|---|
| θ, rest | `side.points[i]` | as the subject has them |
| ∂ Σ f/∂θ | `found.automatic` | as θ |
| true δ | `found.cotangents`, one for each site forward, None where nobody asks | as the site |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import jaxprs
from fnnets.verify import marks, precision, sites
from fnnets.verify.evidence import Failure, Subject, largest, reason

LARGE = 1 << 20


class Found(NamedTuple):
    """What the oracle says of one subject: gradient, δ and value at each tap, Σ f and the size of its numbers."""

    automatic: Any
    cotangents: Any
    seen: Any
    value: Any
    scale: Any


class Side(NamedTuple):
    """The oracle's side of all subjects in one precision."""

    points: tuple[tuple[Any, Any], ...]
    forward: tuple[sites.Traced, ...]
    found: tuple[Found, ...]


class Accused(NamedTuple):
    """The hand-written side of one subject: traced, its marks, what is wrong with them, and what it gave."""

    traced: Any
    matches: tuple[marks.Match, ...]
    trouble: str
    deltas: Any = ()
    explicit: Any = None


def oracle(subjects: Sequence[Subject], points: Sequence[tuple[Any, Any]]) -> Side:
    """The oracle's side of all subjects at their points."""
    forward = tuple(sites.trace(subject.terms, *point) for subject, point in zip(subjects, points, strict=True))

    def ask(i, at, rest):
        return asked(subjects[i], forward[i], at, rest)

    return Side(tuple(points), forward, tuple(_in_groups("oracle", ask, points)))


def accuse(subjects: Sequence[Subject], side: Side) -> tuple[Accused, ...]:
    """The hand-written side of all subjects, each at the oracle's point and with the oracle's δ."""
    accused = [_traced(*each) for each in zip(subjects, side.points, side.forward, strict=True)]

    def ask(i, at, rest, cotangents):
        if isinstance(accused[i].traced, Failure):
            return (), accused[i].traced
        return answered(accused[i], side.forward[i], subjects[i].is_forced, (at, rest), cotangents)

    given = [(*point, found.cotangents) for point, found in zip(side.points, side.found, strict=True)]
    answers = _in_groups("accused", ask, given)
    return tuple(
        each._replace(deltas=deltas, explicit=explicit)
        for each, (deltas, explicit) in zip(accused, answers, strict=True)
    )


def answered(accused: Accused, forward: sites.Traced, is_forced: bool, point: Any, cotangents: Any) -> tuple[Any, Any]:
    """Explicit δ of all marks, and the explicit gradient by θ."""
    back = accused.traced
    given: list[Any] = [None] * len(back.sites)
    for match in accused.matches if is_forced else ():
        true = marks.joined(forward.sites, cotangents, match.taps)
        for i, part in zip(match.deltas, marks.parted(back.sites, true, match.deltas), strict=True):
            given[i] = part
    explicit, seen = sites.run(back, point, given, sites.replaced)
    return [marks.joined(back.sites, seen, match.deltas) for match in accused.matches], explicit


def injected(subject: Subject, forward: sites.Traced, matches: Sequence[marks.Match]) -> Any:
    """f as a function of ((what is added at each mark), θ) and rest: for central differences by a δ's quantity."""

    def terms(at, rest):
        added, at = at
        given: list[Any] = [None] * len(forward.sites)
        for match, value in zip(matches, added, strict=True):
            for i, part in zip(match.taps, marks.parted(forward.sites, value, match.taps), strict=True):
                given[i] = part
        return sites.run(forward, (at, rest), given, sites.added)[0]

    return terms


def is_narrow(side: Side, accused: Sequence[Accused]) -> bool:
    """Whether float64 is squeezed through fewer digits somewhere."""
    traced = [*side.forward, *(each.traced for each in accused if not isinstance(each.traced, Failure))]
    return any(precision.narrows(jaxprs.opened(each.closed).jaxpr) for each in traced)


def asked(subject: Subject, forward: sites.Traced, at: Any, rest: Any) -> Found:
    """What the oracle says of a subject at a point."""
    zeros = [
        jnp.zeros((*site.lengths, *site.shape), site.dtype) if site.tag.kind == "tap" else None
        for site in _of_interest(subject, forward.sites)
    ]

    def total(at, zeros):
        terms, seen = sites.run(forward, (at, rest), zeros, sites.added)
        return jnp.sum(terms), (seen, terms)

    (value, (seen, terms)), (automatic, cotangents) = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(at, zeros)
    seen = [None if zero is None else each for zero, each in zip(zeros, seen, strict=True)]
    scale = largest(terms, automatic) if subject.scale is None else subject.scale(at, rest)
    return Found(automatic, cotangents, seen, value, scale)


def _of_interest(subject: Subject, found: Sequence[sites.Site]) -> list[sites.Site]:
    """The sites, those that the subject leaves to others without a kind."""
    is_asked = [not subject.is_whole or site.tag.name in subject.ahead for site in found]
    pairs = zip(is_asked, found, strict=True)
    return [site if asked else site._replace(tag=site.tag._replace(kind="")) for asked, site in pairs]


def _traced(subject: Subject, point: Any, forward: sites.Traced) -> Accused:
    try:
        back = sites.trace(subject.explicit, *point)
    except jaxprs.UnknownEquationError:
        raise
    except Exception as error:  # what the accused may raise, no one knows
        return Accused(Failure(reason(error)), (), "")
    found, trouble = marks.matches(*(_of_interest(subject, side.sites) for side in (forward, back)))
    return Accused(back, tuple(found), trouble)


def _in_groups(name: str, ask: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """`ask(i, *arguments[i])` for all i, compiled together for the small ones."""
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(each) if hasattr(leaf, "size")) for each in arguments]
    small = [i for i, size in enumerate(sizes) if size <= LARGE]
    groups = [small] if small else []
    answers: dict[int, Any] = {}
    for group in [*groups, *([i] for i, size in enumerate(sizes) if size > LARGE)]:

        def together(given, group=group):
            return [ask(i, *each) for i, each in zip(group, given, strict=True)]

        answers.update(
            zip(group, precision.compiled((name, *group), together, [arguments[i] for i in group]), strict=True)
        )
    return [answers[i] for i in range(len(arguments))]

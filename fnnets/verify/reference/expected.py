"""Subjects with derivatives that are left out, or replaced, on purpose: the argument `expects=` of checks."""

from __future__ import annotations

from fnnets.verify.reference.subject import Point, Subject
from fnnets.verify.tracing import declared, interpreter


def declaring(subject: Subject, expects: object, where: str, point: Point) -> Subject:
    """The subject as both derivatives of it are taken where `expects` declares that of some places.

    Args:
        subject: as it is without.
        expects: a mapping from places to factors, or None for nothing.
        where: what messages call the argument.
        point: θ and the rest, to trace the function with.

    Raises:
        TypeError, ValueError: as `declared.parse`.
    """
    if expects is None:
        return subject
    found = declared.parse(expects, interpreter.trace(subject.terms, *point), where)
    if not any(found):
        return subject
    return subject._replace(
        terms=declared.differentiated(subject.terms, found), held=declared.held(subject.terms, found),
        expects=tuple(dict(expects)),  # type: ignore[call-overload]
    )  # fmt: skip

"""What a check is of, and what is known of it before the hand-written side is run.

| symbol | name in code | shape |
|---|---|---|
| references in the parameters' precision | `known.native`, None where they are not needed | one for each subject |
| references in float64 | `known.double`, None where it is not to be used | one for each subject |
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import properties
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Point, Subject
from fnnets.verify.tracing import precision
from fnnets.verify.tracing.compiled import Programs

if TYPE_CHECKING:
    from jaxtyping import PyTree


class Case(NamedTuple):
    """What a check is of.

    Attributes:
        name: what is checked.
        subjects: from the output backwards, the whole last.
        place: `(inputs) -> points`, a pair of θ and rest for each subject.
        inputs: whatever `place` starts from, in the caller's precision.
        value_name: what messages call that which is differentiated.
        tests: properties that are checked beside the subjects.
        setting: numbers, padding and terms that diagnoses may speak of.
        nearest: how many of the first subjects belong to the cost itself; the rows of the last one's marks follow them.
        rebuild: makes of the arrays among `inputs` what they were.
        tolerance: relative error of the reference itself, where it is no exact derivative.
        remarks: sentences on what is not compared.
        key: what tells the case's functions from others, so that their programs are kept; None where nothing does.
    """

    name: str
    subjects: tuple[Subject, ...]
    place: Callable[..., Sequence[Point]]
    inputs: PyTree
    value_name: str
    tests: tuple[properties.Property, ...] = ()
    setting: annotate.Setting = annotate.Setting()
    nearest: int = 0
    rebuild: Callable[..., PyTree] | None = None
    tolerance: float = 0.0
    remarks: tuple[str, ...] = ()
    key: Hashable | None = None


class References(NamedTuple):
    """The references of a case.

    Attributes:
        case: with the functions that they were made of.
        native, double: those of each subject, in the parameters' precision and in float64; None where not evaluated.
        near: those at a point near the given one, in the precision that decides; None where the cost is not finite.
        column: the parameters' dtype.
        programs: what is compiled or measured once for all candidates.
        narrow: the dtype that functions are traced with, None where float64 is.
        gap: the distance to the nearest kink, None where it is not measured yet.
    """

    case: Case
    native: tuple[Reference, ...] | None
    double: tuple[Reference, ...] | None
    near: tuple[Reference, ...] | None
    column: str
    programs: Programs
    narrow: str | None = None
    gap: float | None = None

    @property
    def decisive(self) -> tuple[Reference, ...]:
        """Those in the precision that decides."""
        return self.double or self.native or ()

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """The scope in which the decisive references were evaluated."""
        return precision.double(self.narrow) if self.double else contextlib.nullcontext()

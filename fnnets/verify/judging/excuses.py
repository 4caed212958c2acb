"""Both sides of a subject, and what may excuse a row of it whose two sides differ.

Each excuse is computed where a row first needs it, once for all rows.

| symbol | name in code | shape |
|---|---|---|
| e, a | `leaf.native`, `leaf.double` | as the leaf |
"""

from __future__ import annotations

import contextlib
import functools
from typing import NamedTuple

import numpy as np

from fnnets.verify.judging import automatic, conventions, finite_differences, rounding
from fnnets.verify.judging.finite_differences import Estimate, Pair
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import identity, precision
from fnnets.verify.tracing.compiled import Programs

MARKS, LEAVES = 0, 1


class Comparison(NamedTuple):
    """One subject on both sides.

    Attributes:
        subject: what is compared.
        native, double: both sides in the parameters' precision and in float64; None for one that was not run.
        column: the parameters' dtype.
        tolerance: relative error in float64 that passes.
        programs: what is compiled or measured once for all candidates.
        is_smooth: whether it is known that there is no kink.
        narrow: the dtype that functions are traced with, None where it is float64.
        is_sampled: whether central differences are taken where both sides agree as well.
    """

    subject: Subject
    native: tuple[Reference, Candidate] | None
    double: tuple[Reference, Candidate] | None
    column: str
    tolerance: float
    programs: Programs
    is_smooth: bool = False
    narrow: str | None = None
    is_sampled: bool = True

    @property
    def decisive(self) -> tuple[Reference, Candidate]:
        """Both sides in the precision that decides."""
        found = self.double or self.native
        assert found is not None
        return found

    def double_scope(self) -> contextlib.AbstractContextManager[None]:
        """The scope in which the decisive side was computed."""
        return precision.double(self.narrow) if self.double else contextlib.nullcontext()


class Leaf(NamedTuple):
    """One mark or leaf on both sides.

    Attributes:
        native, double: explicit and automatic values, NumPy's float64; None where that precision was not run.
        is_stepped: whether it has an axis of time in front.
        estimate: central differences, None where there are none.
        complaint: what is wrong with shape or dtype, "" if nothing.
    """

    native: Pair | None
    double: Pair | None
    is_stepped: bool = False
    estimate: Estimate | None = None
    complaint: str = ""

    @property
    def decisive(self) -> Pair:
        """The values in the precision that decides."""
        found = self.double or self.native
        assert found is not None
        return found


class Item(NamedTuple):
    """A row to be judged: its values, whether it is a mark or a leaf, and which one."""

    row: Row
    leaf: Leaf
    part: int
    n: int


class Excuses:
    """What may excuse rows of one comparison, each computed where it is first needed."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @functools.cached_property
    def noise(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What both sides round away, in the precision that decides."""
        with self.comparison.double_scope():
            return rounding.noise(self.comparison.subject, *self.comparison.decisive)

    @functools.cached_property
    def native_noise(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What both sides round away in the parameters' precision."""
        assert self.comparison.native is not None
        return rounding.noise(self.comparison.subject, *self.comparison.native)

    @functools.cached_property
    def is_another(self) -> bool:
        """Whether the cost is another function in the parameters' precision, as with an ε of the dtype."""
        native, double = self.comparison.native, self.comparison.double
        assert native is not None
        assert double is not None
        return not identity.same_but_for_dtypes(native[0].forward.closed, double[0].forward.closed)

    @functools.cached_property
    def off(self) -> tuple[list[float], list[float]]:
        """How far both sides are apart where float32 data are rounded coarsely."""
        with self.comparison.double_scope():
            return rounding.off(self.comparison.subject, *self.comparison.decisive, self.comparison.column)

    @functools.cached_property
    def choices(self) -> conventions.Choices | None:
        """The automatic gradients under other rules at kinks."""
        with self.comparison.double_scope():
            return conventions.choices(self.comparison.subject, *self.comparison.decisive)

    @functools.cached_property
    def origin(self) -> str:
        """Where the first NaN of the automatic side begins."""
        with self.comparison.double_scope():
            return automatic.not_finite(self.comparison.subject, self.comparison.decisive[0])

    @functools.cached_property
    def contradicted(self) -> str:
        """What in the cost central differences contradict."""
        with self.comparison.double_scope():
            return automatic.contradicted(self.comparison.decisive[0], self.comparison.subject.expects)

    def note(self, sentence: str) -> str:
        """The sentence, with what in the cost central differences contradict."""
        return f"{sentence}: {self.contradicted or 'a derivative rule inside the cost may be wrong'}"

    @functools.cached_property
    def slopes(self) -> list[tuple[float, float, float]]:
        """Slopes of the cost along (1, …, 1) of each mark and leaf: ahead, behind, and what they may be off by."""
        comparison = self.comparison
        with comparison.double_scope():
            return finite_differences.along_ones(comparison.subject, *comparison.decisive)

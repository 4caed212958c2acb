"""The data of a report: rows, the remainders of the Taylor test, the verdict.

    row verdicts   ok            explicit and automatic agree
                   rounding      they agree in float64, and differ by rounding only
                   wrong         they differ, or one of them is not finite, or of another structure, shape or dtype
                   downstream    wrong, but only because of a row above
                   convention    they differ at kinks alone, where either value is a subgradient
                   inconclusive  undecided: central differences contradict both
                   approximation central differences contradict both, as the layer truncates its gradient on purpose
                   departs       a property that is reported and never a condition, such as a symmetric Hessian
    report         wrong if a row is; else inconclusive if a row is, or if every gradient is zero on both sides
                   everywhere, so that nothing was compared; else pass

| symbol | name in code | shape |
|---|---|---|
| max abs(e − a) / max abs(a) | `row.error`, `row.error_float64` | () |
| e, a | `row.explicit`, `row.automatic` | () |

Errors are relative to the largest element of the leaf, since a small element among large ones carries their
rounding. The worst element is that of the largest difference.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

VALUES = "same values"
"""What the title of a property of values, not of derivatives, has in it."""


class Row(NamedTuple):
    """One leaf of one gradient.

    Attributes:
        statement: number of the statement in the notes (or another source) that the leaf follows from.
        where: the place, as "layer 1 dense .weights" or "gradient [1].weights".
        verdict: "ok", "rounding", "convention", "approximation", "wrong", "downstream", "inconclusive" or, of a
            property, "departs".
        error: largest relative error in the parameters' own precision (float32 where they are float64).
        error_float64: largest relative error in float64, which decides where it is given.
        absolute: largest absolute error in float64.
        worst: index of the worst element in its leaf.
        explicit, automatic: the two values there, in float64.
        numeric: central differences there, in float64; NaN where there are none.
        supports: the values that they support: "both", "explicit", "automatic", "neither", "kink", "undecided" or "".
        note: a plain sentence on the row, or "".
        place: the worst element in words, as "step 4, example 0, unit 3".
        diagnosis: the change that makes the explicit values of the automatic ones, where one is known; else "".
        decided: the number that the verdict rests on, as "float64 error 1.0e-02 > 1e-10".
        profile: relative error at each time step in float64; one number where there is no axis of time.
        largest: the largest magnitude among the automatic values.
    """

    statement: str
    where: str
    verdict: str
    error: float = math.nan
    error_float64: float = math.nan
    absolute: float = math.nan
    worst: tuple[int, ...] = ()
    explicit: float = math.nan
    automatic: float = math.nan
    numeric: float = math.nan
    supports: str = ""
    note: str = ""
    place: str = ""
    diagnosis: str = ""
    decided: str = ""
    profile: tuple[float, ...] = ()
    largest: float = math.nan


class Taylor(NamedTuple):
    """Remainders abs(f(θ + hv) − f(θ) − h⟨g, v⟩) along one direction v, for both gradients g.

    Attributes:
        steps: h, from the largest to the smallest.
        explicit, automatic: the remainders at each h.
        slopes: how fast each falls, d log remainder / d log h: 2 for a gradient, 1 for what is none.
    """

    steps: tuple[float, ...]
    explicit: tuple[float, ...]
    automatic: tuple[float, ...]
    slopes: tuple[float, float]


@dataclass(frozen=True)
class Findings:
    """The rows of one check, and what follows from them.

    Attributes:
        subject: what was checked.
        precision: the dtype of the column of `row.error`.
        rows: the rows, from the output backwards.
        properties: a row for each property that holds for every gradient, such as "linear in its cotangent".
        taylor: the remainders of the whole, where they were taken.
        kink: distance to the nearest kink, such as a ReLU's zero or a tie in max-pooling; infinite where there is none,
            NaN where it was not measured.
        remarks: sentences on what was not compared, and on what the given numbers did not exercise.
    """

    subject: str
    precision: str
    rows: tuple[Row, ...]
    properties: tuple[Row, ...] = ()
    taylor: Taylor | None = None
    kink: float = math.nan
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ok

    @property
    def verdict(self) -> str:
        """One of "pass", "wrong" and "inconclusive"; a report without rows, or of zeros alone, proves nothing."""
        verdicts = {row.verdict for row in (*self.rows, *self.properties)} - {"departs"}
        if verdicts & {"wrong", "downstream"}:
            return "wrong"
        is_proven = verdicts and "inconclusive" not in verdicts and not self.is_zero
        return "pass" if is_proven else "inconclusive"

    @property
    def is_zero(self) -> bool:
        """Whether every gradient is zero on both sides everywhere, so that nothing was compared."""
        compared = [row for row in self.rows if not math.isnan(row.largest)]
        return bool(compared) and not any(row.largest or row.absolute for row in compared)

    @property
    def first_undecided(self) -> Row | None:
        """The first inconclusive row, else the first inconclusive property, or None."""
        return next((row for row in (*self.rows, *self.properties) if row.verdict == "inconclusive"), None)

    def row(self, name: str) -> Row:
        """The row whose place is `name`, or ends with it, or has it as a word of its own; properties included.

        Raises:
            LookupError: no row has that name, or several do.

        >>> rows = Row("", "gradient z_f", "ok"), Row("", "gradient ['w'] via z_f", "ok")
        >>> found = Findings("gradient", "float32", rows)
        >>> found.row("w").where, found.row("z_f").where
        ("gradient ['w'] via z_f", 'gradient z_f')
        """
        rows = (*self.rows, *self.properties)
        ways = (
            lambda where: where == name,
            lambda where: where.endswith(f" {name}") and f" via {name}" not in where,  # a mark's own row first
            lambda where: where.endswith(f" {name}"),
            lambda where: name in re.findall(r"\w+", where),
        )
        found: list[Row] = []
        for fits in ways:
            found = found or [row for row in rows if fits(row.where)]
        if len(found) == 1:
            return found[0]
        shown = ", ".join(repr(row.where) for row in rows[:12]) + (", …" if len(rows) > 12 else "")
        came = "several rows have" if found else "no row has"
        raise LookupError(f"row: {came} the name {name!r}, expected that of one row; choose one of {shown}")

    @property
    def ok(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"

    @property
    def first_wrong(self) -> Row | None:
        """The wrong row nearest to the output, else the first wrong property, or None; values go before derivatives."""
        wrong = [row for row in (*self.rows, *self.properties) if row.verdict == "wrong"]
        return next((row for row in wrong if VALUES in row.where), wrong[0] if wrong else None)

"""The data of a report: rows, the remainders of the Taylor test, the verdict.

    row verdicts   ok            explicit and automatic agree
                   rounding      they agree in float64, and differ by rounding only
                   wrong         they differ, or one of them is not finite, or of another structure, shape or dtype
                   downstream    wrong, but only because of a row above
                   convention    they differ at kinks alone, where either value is a subgradient
                   inconclusive  undecided: central differences contradict both
                   approximation central differences contradict both, as the layer truncates its gradient on purpose
    report         wrong if a row is; else inconclusive if a row is; else pass

| symbol | name in code | shape |
|---|---|---|
| max abs(e − a) / max abs(a) | `row.error`, `row.error_float64` | () |
| e, a | `row.explicit`, `row.automatic` | () |

Errors are relative to the largest element of the leaf, since a small element among large ones carries their
rounding. The worst element is that of the largest difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """One leaf of one gradient.

    Attributes:
        statement: number of the statement in the notes (or another source) that the leaf follows from.
        where: the place, as "layer 1 dense .weights" or "gradient [1].weights".
        verdict: "ok", "rounding", "convention", "approximation", "wrong", "downstream" or "inconclusive".
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
    """

    subject: str
    precision: str
    rows: tuple[Row, ...]
    properties: tuple[Row, ...] = ()
    taylor: Taylor | None = None
    kink: float = math.nan

    def __bool__(self) -> bool:
        return self.ok

    @property
    def verdict(self) -> str:
        """One of "pass", "wrong" and "inconclusive"; a report without rows proves nothing."""
        verdicts = {row.verdict for row in (*self.rows, *self.properties)}
        if verdicts & {"wrong", "downstream"}:
            return "wrong"
        return "pass" if verdicts and "inconclusive" not in verdicts else "inconclusive"

    @property
    def ok(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"

    @property
    def first_wrong(self) -> Row | None:
        """The wrong row nearest to the output, else the first wrong property, or None."""
        return next((row for row in (*self.rows, *self.properties) if row.verdict == "wrong"), None)

"""What a check found: rows, a verdict, a table for the eye and JSON for programs.

    row verdicts   ok            explicit and automatic agree
                   rounding      they agree in float64, and differ by rounding only
                   wrong         they differ, or one of them is not finite, or of another structure, shape or dtype
                   downstream    wrong, but only because of a row above
                   convention    they differ at kinks alone, where either value is a subgradient
                   inconclusive  nothing can be said: the witness contradicts both
                   approximation the witness contradicts both, as it must: the layer truncates its gradient on purpose
    report         wrong if a row is; else inconclusive if a row is; else pass

| symbol | name in code | shape |
|---|---|---|
| max abs(e − a) / max abs(a) | `row.error`, `row.error_float64` | () |
| e, a | `row.explicit`, `row.automatic` | () |

Errors are relative to the largest element of the leaf, since a small element among large ones carries their
rounding. The worst element is that of the largest difference.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from fnnets.verify import table

SCHEMA = 2


class Row(NamedTuple):
    """One leaf of one gradient.

    Attributes:
        statement: number of the statement in the notes (or another source) that the leaf follows from.
        where: the place, as "layer 1 dense .weights" or "gradient [1].weights".
        verdict: "ok", "rounding", "convention", "approximation", "wrong", "downstream" or "inconclusive".
        error: largest relative error in the parameters' own precision (float32 where they are float64).
        error_float64: largest relative error in float64, where derivations are judged.
        absolute: largest absolute error in float64.
        worst: index of the worst element in its leaf.
        explicit, automatic: the two values there, in float64.
        numeric: central differences there, in float64; NaN where there are none.
        supports: whom they support: "both", "explicit", "automatic", "neither", "kink", "undecided" or "".
        note: a plain sentence, where there is more to say.
        place: the worst element in words, as "step 4, example 0, unit 3".
        diagnosis: what the explicit values are, where a known change makes them of the automatic ones; else "".
        decided: the number that decided the verdict, as "float64 error 1.0e-02 > 1e-10".
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
class Report:
    """The rows of one check; `print(report)` gives the table, and a report is true where it passes.

    Attributes:
        subject: what was checked.
        precision: the dtype of the column of `row.error`.
        rows: the rows, from the output backwards.
        properties: a row for each property that holds for every gradient, such as "linear in its cotangent".
        taylor: the remainders of the whole, where they were taken.
        kink: distance to the nearest kink, such as a ReLU's zero or a tie in max-pooling; infinite where there is none,
            NaN where it was not asked for.

    >>> row = Row("4, 6", "layer 0 dense .weights", "wrong", 0.5, 0.5, 1.0, (0, 1), 3.0, 2.0, 2.0, "automatic")
    >>> report = Report("network", "float32", (row,))
    >>> report.ok, report.verdict, report.first_wrong.statement
    (False, 'wrong', '4, 6')
    """

    subject: str
    precision: str
    rows: tuple[Row, ...]
    properties: tuple[Row, ...] = ()
    taylor: Taylor | None = None
    kink: float = math.nan

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.table()

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

    def table(self) -> str:
        """The rows as plain text of at most 110 columns, with the verdict as the last line."""
        return table.of(self)

    def show(self) -> None:
        """Print the table: in colour on a terminal (needs the extra `cli`), else as plain text."""
        from fnnets.verify import console

        console.show(self)

    def plot(self, path: Any = None) -> Any:
        """Errors by statement and step, and the Taylor test, as a matplotlib figure; written to `path` if there is one.

        Needs the extra `plots`.
        """
        from fnnets import plots
        from fnnets.verify import pictures

        figure = pictures.picture(self)
        if path is not None:
            plots.save(figure, path)
        return figure

    def to_json(self) -> str:
        """The report as strict JSON; numbers that are not finite become the strings "nan", "inf" and "-inf"."""
        rows, properties = ([_plain(row._asdict()) for row in part] for part in (self.rows, self.properties))
        taylor = None if self.taylor is None else _plain(self.taylor._asdict())
        content = {
            "schema": SCHEMA, "subject": self.subject, "precision": self.precision, "verdict": self.verdict,
            "ok": self.ok, "rows": rows, "properties": properties, "taylor": taylor, "kink": _plain(self.kink),
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    def assert_ok(self) -> None:
        """Pass silently, or show the table.

        Raises:
            AssertionError: the verdict is not "pass".
        """
        if not self.ok:
            raise AssertionError("\n" + self.table())


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

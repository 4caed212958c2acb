"""The outcome of a self-test: results, their counts, a table and JSON.

| symbol | name in code |
|---|---|
| result of one trial | `Result` |
| all of them | `Outcome.results` |
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

SCHEMA, WIDTH, NAME = 1, 110, 46


class Result(NamedTuple):
    """The result of one trial.

    Attributes:
        family: its name.
        fault: the fault that was planted, or "" for right code.
        seed: of the draw.
        expected: whether the verdict is the one that it must be.
        named: whether the first wrong row is where the fault is; for right code as `expected`.
        verdict: "pass", "wrong", "inconclusive", or "raised" for an exception.
        where: the first row that is not right.
        detail: the report's sentence on it, or the exception's.
        seconds: wall time of drawing and verifying.
    """

    family: str
    fault: str
    seed: int
    expected: bool
    named: bool
    verdict: str
    where: str = ""
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The results of one run; `print(outcome)` gives the table.

    Attributes:
        precision: the precision that decided, "float64" or "float32".
        results: one for each trial.
        seconds: wall time of the whole.

    >>> right = Result("cumulative sum", "", 0, True, True, "pass")
    >>> missed = right._replace(fault="not reversed", expected=False, named=False)
    >>> outcome = Outcome("float64", (right, missed), 1.0)
    >>> len(outcome.false_alarms), len(outcome.survivors), len(outcome.named)
    (0, 1, 0)
    """

    precision: str
    results: tuple[Result, ...]
    seconds: float

    def __str__(self) -> str:
        return self.table()

    @property
    def right(self) -> tuple[Result, ...]:
        """Results of right code."""
        return tuple(result for result in self.results if not result.fault)

    @property
    def faults(self) -> tuple[Result, ...]:
        """Results of faults."""
        return tuple(result for result in self.results if result.fault)

    @property
    def false_alarms(self) -> tuple[Result, ...]:
        """Right code that did not pass."""
        return tuple(result for result in self.right if not result.expected)

    @property
    def survivors(self) -> tuple[Result, ...]:
        """Faults that were not found."""
        return tuple(result for result in self.faults if not result.expected)

    @property
    def named(self) -> tuple[Result, ...]:
        """Faults that were found at the right place."""
        return tuple(result for result in self.faults if result.named)

    @property
    def ok(self) -> bool:
        """Whether all right code passes and every fault is found."""
        return not self.false_alarms and not self.survivors

    def table(self) -> str:
        """A line for each family and each of its faults, then what is not as it must be, then the counts."""
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            groups.setdefault((result.family, result.fault), []).append(result)
        cells = [("family", "seeds", "verdicts", "s"), *map(_cells, groups.values())]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines = [_line(each, widths) for each in cells]
        return "\n".join([lines[0], "-" * (sum(widths) + 3), *lines[1:], *self.complaints(), self.summary()])

    def complaints(self) -> list[str]:
        """A paragraph for each result that is not as it must be."""
        odd = [result for result in self.results if not result.named]
        return [line for result in odd for line in textwrap.wrap(_complaint(result), WIDTH, subsequent_indent="    ")]

    def summary(self) -> str:
        """The counts in one line.

        >>> Outcome("float64", (), 0.0).summary()
        '0 false alarms in 0 verdicts of right code; 0 survivors of 0 faults, 0 named first; in float64, 0.0 s'
        """
        right = f"{len(self.false_alarms)} false alarms in {len(self.right)} verdicts of right code"
        faults = f"{len(self.survivors)} survivors of {len(self.faults)} faults, {len(self.named)} named first"
        return f"{right}; {faults}; in {self.precision}, {self.seconds:.1f} s"

    def to_json(self) -> str:
        """The outcome as strict JSON."""
        content = {
            "schema": SCHEMA, "precision": self.precision, "right": len(self.right),
            "false_alarms": len(self.false_alarms), "faults": len(self.faults), "survivors": len(self.survivors),
            "named": len(self.named), "seconds": self.seconds, "results": [result._asdict() for result in self.results],
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _cells(results: list[Result]) -> tuple[str, ...]:
    """One line of the table: a family, or one of its faults indented below it."""
    first, verdicts = results[0], [_word(result) for result in results]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    name = f"  {first.fault}" if first.fault else first.family
    shown = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
    return shown, str(len(results)), counts, f"{sum(result.seconds for result in results):.1f}"


def _word(result: Result) -> str:
    if not result.fault:
        return result.verdict
    return "named" if result.named else "killed" if result.expected else "survives"


def _complaint(result: Result) -> str:
    what = f"{result.family}, {result.fault}" if result.fault else result.family
    place = f" at {result.where}" if result.where else ""
    said = f": {result.detail}" if result.detail else ""
    return f"{what}, seed {result.seed}: {result.verdict}{place}{said}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

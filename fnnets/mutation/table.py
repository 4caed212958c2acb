"""The outcome of a run: results of mutants, their counts, a table and JSON.

    killed      a fault: the report names a wrong row; a convention: the report passes and has a row "convention"
    named       the first wrong row is one of those where the fault is
    survivor    neither; the reason distinguishes faults that were missed from those that cannot be found

| symbol | name in code | shape |
|---|---|---|
| result of one mutant | `Result` | |
| all of them, in the order of the catalogue | `Outcome.results` | |
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

SCHEMA, WIDTH = 1, 110
NAME, WHERE, LINE = 52, 34, "    "


class Result(NamedTuple):
    """The result of one mutant.

    Attributes:
        family, setting, name: the mutant, and the network at which it was tried.
        kind: "fault", "convention" or "sampler".
        killed: whether a row shows it.
        named: whether the first such row is where the fault is.
        where: that row.
        diagnosis: the report's sentence on it.
        reason: of a survivor, why it survived; of one that was killed and not named, where it was expected.
        seconds: wall time of building, tracing and verifying the changed network.
    """

    family: str
    setting: str
    name: str
    kind: str
    killed: bool
    named: bool
    where: str = ""
    diagnosis: str = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The results of one run; `print(outcome)` gives the table.

    Attributes:
        subject: the family, or the name of the network.
        precision: the precision that decided, "float64" or "float32".
        results: one for each mutant that was tried.
        seconds: wall time of the whole.

    >>> good = Result("dense", "plain", "db zero", "fault", True, True, "layer 0 dense .biases", "is zero")
    >>> outcome = Outcome("dense", "float64", (good, good._replace(name="σ′ omitted", killed=False, named=False)), 1.0)
    >>> len(outcome.killed), len(outcome.named), [result.name for result in outcome.survivors]
    (1, 1, ['σ′ omitted'])
    """

    subject: str
    precision: str
    results: tuple[Result, ...]
    seconds: float

    def __str__(self) -> str:
        return self.table()

    @property
    def killed(self) -> tuple[Result, ...]:
        """Those that were found."""
        return tuple(result for result in self.results if result.killed)

    @property
    def named(self) -> tuple[Result, ...]:
        """Those that were found at the right place."""
        return tuple(result for result in self.results if result.named)

    @property
    def survivors(self) -> tuple[Result, ...]:
        """Those that were not found."""
        return tuple(result for result in self.results if not result.killed)

    def table(self) -> str:
        """A line for each mutant, at most 110 columns wide, and the counts as the last line."""
        cells = [("mutant", "verdict", "first wrong row", "s"), *map(_cells, self.results)]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines = [_line(cells[0], widths), "-" * (sum(widths) + 3)]
        for result, line in zip(self.results, cells[1:], strict=True):
            lines.append(_line(line, widths))
            for note in filter(None, (result.diagnosis if result.killed else "", result.reason)):
                lines += textwrap.wrap(note, WIDTH, initial_indent=LINE, subsequent_indent=LINE)
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """The counts in one line.

        >>> Outcome("dense", "float64", (), 0.0).summary()
        'dense: 0 of 0 mutants killed, 0 named at first hit, in float64, 0.0 s'
        """
        counts = f"{len(self.killed)} of {len(self.results)} mutants killed, {len(self.named)} named at first hit"
        return f"{self.subject}: {counts}, in {self.precision}, {self.seconds:.1f} s"

    def to_json(self) -> str:
        """The outcome as strict JSON."""
        content = {
            "schema": SCHEMA, "subject": self.subject, "precision": self.precision, "mutants": len(self.results),
            "killed": len(self.killed), "named": len(self.named), "seconds": self.seconds,
            "results": [result._asdict() for result in self.results],
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _cells(result: Result) -> tuple[str, ...]:
    verdict = "named" if result.named else "killed" if result.killed else "survives"
    return _cut(result.name, NAME), verdict, _cut(result.where, WHERE), f"{result.seconds:.1f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

"""The report of a check: its findings as a table, a figure and JSON.

| form | written by |
|---|---|
| plain text | `Report.table()`, `fnnets.verify.report.text` |
| colours on a terminal | `Report.show()`, `fnnets.verify.report.terminal` |
| figure | `Report.plot()`, `fnnets.verify.report.figures` |
| JSON | `Report.to_json()` |
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fnnets.verify.report import text
from fnnets.verify.report.data import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 3


@dataclass(frozen=True)
class Report(Findings):
    """The findings of one check; `print(report)` gives the table, and a report is true where it passes.

    Attributes are those of `fnnets.verify.report.data.Findings`.

    >>> from fnnets.verify import Row
    >>> row = Row("4, 6", "layer 0 dense .weights", "wrong", 0.5, 0.5, 1.0, (0, 1), 3.0, 2.0, 2.0, "automatic")
    >>> report = Report("network", "float32", (row,))
    >>> report.ok, report.verdict, report.first_wrong.statement
    (False, 'wrong', '4, 6')
    """

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """The rows as plain text of at most 110 columns, with the verdict as the last line."""
        return text.table(self)

    def show(self) -> None:
        """Print the table: in colour on a terminal (needs the extra `cli`), else as plain text."""
        from fnnets.verify.report import terminal

        terminal.show(self)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Errors by statement and step, and the Taylor test, as a matplotlib figure; written to `path` if there is one.

        Needs the extra `plots`.
        """
        from fnnets import plots
        from fnnets.verify.report import figures

        figure = figures.draw(self)
        if path is not None:
            plots.save(figure, path)
        return figure

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as strict JSON, written to `path` if there is one.

        Numbers that are not finite become the strings "nan", "inf" and "-inf".
        """
        rows, properties = ([row._asdict() for row in part] for part in (self.rows, self.properties))
        content = {
            "schema": SCHEMA, "subject": self.subject, "precision": self.precision, "verdict": self.verdict,
            "ok": self.ok, "rows": rows, "properties": properties,
            "taylor": self.taylor and self.taylor._asdict(), "kink": self.kink, "remarks": self.remarks,
        }  # fmt: skip
        found = json.dumps(strict(content), ensure_ascii=False, allow_nan=False)
        if path is not None:
            Path(path).write_text(found + "\n", encoding="utf-8")
        return found

    def assert_ok(self) -> None:
        """Pass silently, or show the table.

        Raises:
            AssertionError: the verdict is not "pass".
        """
        if not self.ok:
            raise AssertionError("\n" + self.table())


def strict(value: object) -> object:
    """The value in JSON's own types, with strings for numbers that are not finite.

    >>> strict({"a": (1.0, float("nan"))})
    {'a': [1.0, 'nan']}
    """
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [strict(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

"""`fnnets statements [FAMILY]`: every statement with its formula, its line of code and its row of a report.

exit status      0 shown      2 bad input
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fnnets.command import files
from fnnets.core import notes
from fnnets.verify.checks import equations
from fnnets.verify.checks.equations import Statement

Family = Literal[
    "feedforward", "convolutional", "recurrent", "lstm", "lstm_peepholes", "lstm_1997", "gru", "autoencoder", "rbm",
    "objectives", "all",
]  # fmt: skip


@dataclass(frozen=True)
class Options:
    """List the statements of P. E. Rauber's Notes on Neural Networks with their lines of code.

    Numbers in parentheses are those of the notes; other labels stand for statements that the notes leave out. Paths are
    relative to the package's folder, which the first line gives.

    for example
        fnnets statements recurrent
        fnnets statements all --json statements.json

    exit status: 0 shown, 2 bad input

    Attributes:
        family: feedforward, convolutional, recurrent, lstm, lstm_peepholes, lstm_1997, gru, autoencoder, rbm,
            objectives or all.
        json: file for the table.
    """

    family: Annotated[Family, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")] = "all"
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None


def run(options: Options) -> int:
    """Show and write; returns the exit status.

    Raises:
        files.UsageError: a file that cannot be written.
    """
    files.check(options.json, "--json")
    found = equations.statements(None if options.family == "all" else options.family)
    print(table(found))
    if options.json is not None:
        rows = [each._asdict() for each in found]
        files.write_text(options.json, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return 0


def table(found: Iterable[Statement]) -> str:
    r"""The statements by family and number; below each the parameters and the rows of a report that it is for.

    >>> one = Statement("lstm", "4", "∂c/∂W = δ aᵀ", "layers/dense.py", 9, "dense.backward", "[0].weights", "row")
    >>> print(table([one]).split("\n", 1)[1])
    <BLANKLINE>
    lstm
      (4)  ∂c/∂W = δ aᵀ  layers/dense.py:9 dense.backward
           [0].weights: row
    """
    merged: dict[tuple[str, ...], list[Statement]] = {}
    for each in found:
        name = f"({each.statement})" if each.statement in notes.STATEMENTS else each.statement
        code = f"{each.file}:{each.line} {each.function}"
        merged.setdefault((each.family, name, each.formula, code), []).append(each)
    widths = [max((len(key[i]) for key in merged), default=0) for i in (1, 2)]
    lines, shown = [f"The files lie in {equations.HERE}"], ""
    for (family, name, formula, code), same in sorted(merged.items(), key=_order):
        lines += [] if family == shown else ["", family]
        lines.append(f"  {name:{widths[0]}}  {formula:{widths[1]}}  {code}")
        lines.append(f"  {'':{widths[0]}}  {_places(same)}")
        shown = family
    return "\n".join(lines)


def _order(item) -> tuple[int, int]:
    """By family as they come, then the notes' numbers, then labels as they come."""
    (family, name, *_), _ = item
    families, number = (*equations.families(), "objectives"), name.strip("()")
    return families.index(family), int(number) if number in notes.STATEMENTS else len(notes.STATEMENTS) + 1


def _places(same: list[Statement]) -> str:
    """The leaves, then the rows."""
    leaves, rows = (", ".join(filter(None, texts)) for texts in zip(*((s.leaf, s.row) for s in same), strict=True))
    return f"{leaves}: {rows}" if leaves else rows

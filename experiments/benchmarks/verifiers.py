"""Five verifiers before the same faults and the same right code: what each refuses, what it names, what it costs.

    python -m experiments.benchmarks verifiers [--only dense lstm] [--seeds 1]

    fault         a program with one planted fault                       refused: found
    right         the same without one, and code that tends to be blamed refused: a false alarm
    second order  the arguments held constant in the backward pass       refused: found; right code beside it
    named         the message has an argument or equation that is wrong; the element of an array; the change
    seconds       of the first verdict on a program, compilation included, and of the second; medians over programs

Each tool has its own default tolerances and the precision that it asks for. gradgradcheck differentiates the given
backward pass and compares with differences of the same, so that a wrong one agrees with itself: its place is second
order, where gradcheck is not asked. There check_grads and chex take order=2, fnnets its row on second derivatives.
gradcheck names the argument; it prints both Jacobians whole, which is not counted as naming an element.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import (
    command,
    peers,
    report,
    verifiers_blamed,
    verifiers_layers,
    verifiers_losses,
    verifiers_sequences,
)
from experiments.benchmarks.verifiers_programs import FAMILIES, Program, programs
from experiments.benchmarks.verifiers_tools import FIRST_ORDER, TOOLS, TORCH, Answer, quiet, wrong_arguments
from fnnets.core import validate

CATALOGUE = (verifiers_layers, verifiers_sequences, verifiers_losses, verifiers_blamed)
"""The modules that fill FAMILIES."""
KINDS = (
    "dense", "convolution", "pooling", "recurrent", "LSTM", "GRU", "RBM", "normalisation", "attention", "losses",
    "custom rules", verifiers_blamed.KIND,
)  # fmt: skip
WORDS = {kind.lower().replace(" ", "-"): kind for kind in KINDS}
NO_TORCH = "gradcheck, gradgradcheck: PyTorch is not installed; pip install 'fnnets[benchmarks]'"


@dataclass(frozen=True)
class Options:
    """Put the same faults and the same right code before five verifiers.

    Attributes:
        only: which families; all where none is given.
        seeds: draws of the arguments.
        out: folder for the results.
    """

    only: tuple[str, ...] = tuple(WORDS)
    seeds: int = 1
    out: Path = Path("results/benchmarks")


def run(options: Options) -> int:
    """Try every program with every tool, print and write the tables."""
    validate.count(options.seeds, "seeds", "give the number of draws")
    for word in options.only:
        validate.choice(word, tuple(WORDS), "only", "choose some")
    if not peers.has_torch():
        print(NO_TORCH, file=sys.stderr)
    chosen = [WORDS[word] for word in WORDS if word in options.only]
    rows = []
    for each in sorted(FAMILIES, key=lambda each: KINDS.index(each.kind)):
        if each.kind in chosen:
            tried = [program for seed in range(options.seeds) for program in programs(each, seed)]
            rows += [row for program in tried for row in of_program(program)]
            jax.clear_caches()  # the programs of a family are of no use to the next, and fill the memory
            print(f"{each.name} done", file=sys.stderr)
    print(table(rows).rstrip())
    words = "" if len(chosen) == len(KINDS) else f" --only {' '.join(options.only)}"
    seeds = "" if options.seeds == 1 else f" --seeds {options.seeds}"
    content = {"command": f"python -m experiments.benchmarks verifiers{words}{seeds}", "rows": rows}
    return command.finish("verifiers", options.out, content, versions=peers.versions())


def of_program(program: Program) -> list[dict[str, Any]]:
    """A row for each tool that takes the program: its answer twice, with the seconds of each."""
    is_second = program.role in ("second", "smooth")
    wrong = wrong_arguments(program) if program.role == "fault" else ()
    rows = []
    with quiet():
        for name, tool in {**TOOLS, **(TORCH if peers.has_torch() else {})}.items():
            if is_second and name in FIRST_ORDER:
                continue
            trial = tool(program, 1 + is_second)
            answer, first = _timed(trial)
            again, second = _timed(trial)
            rows.append({
                "kind": program.kind, "program": program.name, "role": program.role, "tool": name,
                **answer._asdict(), "is_named": answer.place in (*wrong, *program.places) and answer.refused,
                "is_repeated": again.refused == answer.refused, "seconds": [first, second],
            })  # fmt: skip
    return rows


def _timed(trial: Callable[[], Answer]) -> tuple[Answer, float]:
    begin = time.perf_counter()
    answer = trial()
    return answer, time.perf_counter() - begin


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the tools over all programs, the faults that each finds by family, the programs that are misjudged."""
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    of = {tool: [row for row in rows if row["tool"] == tool] for tool in tools}
    head = (
        "verifier", "faults found", "false alarms", "argument or equation named", "element named", "change named",
        "second order: found", "second order: false alarms", "first verdict s", "second verdict s",
    )  # fmt: skip
    by_kind = [
        (kind, *(_share([row for row in of[tool] if row["kind"] == kind], "fault") for tool in tools))
        for kind in dict.fromkeys(row["kind"] for row in rows if row["role"] == "fault")
    ]
    tables = [[head, *(_line(tool, of[tool]) for tool in tools)]]
    tables += [
        [(title, *tools), *lines] for title, lines in (("faults found", by_kind), ("program", _exceptions(of))) if lines
    ]
    return "".join(map(report.table, tables))


def _line(tool: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """One tool's line."""
    seconds = [row["seconds"] for row in rows if row["role"] in ("fault", "right")]
    faults = [row for row in rows if row["role"] == "fault"]
    named = [row for row in faults if row["is_named"]]
    counts = (len(named), sum(row["element"] for row in named), sum(bool(row["change"]) for row in named))
    return (
        tool, _share(rows, "fault"), _share(rows, "right"), *(f"{count} of {len(faults)}" for count in counts),
        _share(rows, "second"), _share(rows, "smooth"),
        *(f"{statistics.median(pair[i] for pair in seconds):.3f}" for i in range(2)),
    )  # fmt: skip


def _share(rows: Sequence[Mapping[str, Any]], role: str) -> str:
    """How many programs of a role are refused; "" where the tool is given none.

    >>> _share([{"role": "fault", "refused": True}, {"role": "right", "refused": True}], "fault")
    '1 of 1'
    """
    mine = [row for row in rows if row["role"] == role]
    return f"{sum(row['refused'] for row in mine)} of {len(mine)}" if mine else ""


def _exceptions(of: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, ...]]:
    """A line for each program that some tool misjudges; gradgradcheck misses what is wrong to first order alone."""
    judged = {
        tool: {(row["role"], row["program"]): row["refused"] for row in rows if row["role"] in ("fault", "right")}
        for tool, rows in of.items()
    }
    lines = []
    for role, program in dict.fromkeys(key for each in judged.values() for key in each):
        cells = [_judgement(role, each.get((role, program)), tool) for tool, each in judged.items()]
        if any(cells):
            lines.append((program, *cells))
    return lines


def _judgement(role: str, refused: bool | None, tool: str) -> str:
    """What is wrong with an answer, "" where nothing is.

    >>> _judgement("fault", False, "chex, float64"), _judgement("right", True, "chex, float64")
    ('missed', 'false alarm')
    """
    if refused is None or refused == (role == "fault") or (role == "fault" and tool == "gradgradcheck"):
        return ""
    return "missed" if role == "fault" else "false alarm"


def markdown(content: Mapping[str, Any]) -> str:
    """The section of the page."""
    return table(content["rows"])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "verifiers", arguments)

"""The page of the benchmark of a GPU: the contract, a table of training for each precision, paths and memory.

ratio      median over the rounds of t / t(fnnets)
peak       the most bytes that the process has held on the device so far; it only grows from row to row
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks import report
from experiments.benchmarks import training_page as page
from experiments.benchmarks.timing import summary

MEGA = 1e-6
SMALL_TEXT = (
    "This is the small form, on a CPU: a few checks, tiny networks, two rounds. It shows that the command works; its "
    "times tell nothing of a GPU.\n\n"
)


def checks(found: Mapping[str, Any]) -> str:
    """The contract's outcome in one line.

    >>> checks({"selected": 9, "passed": 3, "failed": [], "skipped": 1, "backend": "gpu", "seconds": 2.0})
    'Contract, float32, on gpu: 4 of 9 checks in 2 s: 3 passed, 1 skipped, 0 failed.'
    """
    done = found["passed"] + found["skipped"] + len(found["failed"])
    return (
        f"Contract, float32, on {found['backend']}: {done} of {found['selected']} checks in {found['seconds']:.0f} s: "
        f"{found['passed']} passed, {found['skipped']} skipped, {len(found['failed'])} failed."
    )


def parts(content: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Titles and tables, the header first."""
    found: list[tuple[str, list[tuple[str, ...]]]] = []
    for setting in dict.fromkeys(row["precision"] for row in content["rows"]):
        own = [row for row in content["rows"] if row["precision"] == setting]
        found += [(f"Milliseconds of a step, {setting}", times(own)), (f"Bars, {setting}", page.judged({"rows": own}))]
    first = {row["name"]: row for row in content["rows"]}.values()
    found.append(("Paths of the kernels", decided(list(first))))
    if any(row["memory"] for row in content["rows"]):
        found.append(("Memory of the device", memory(content["rows"])))
    return found


def times(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A line for each row: milliseconds of a step of everyone, the control, and the rate."""
    there = [name for name in page.COLUMNS if any(name in row["samples"] for row in rows)]
    table: list[tuple[str, ...]] = [("row", *there, "PyTorch / fnnets", "control", "GFLOP/s", "steps")]
    for row in rows:
        torch, (low, high) = page.fastest_torch(row), page.control(row)
        median = summary(row["samples"][page.base(row)]).median
        cells = [
            f"{1e3 * summary(row['samples'][name]).median:.3g}" if name in row["samples"] else "" for name in there
        ]
        table.append((
            row["name"], *cells, f"{page.of(row, torch):.2f}" if torch else "", f"{low:.2f} to {high:.2f}",
            f"{1e-9 * row['flops'] / median:.3g}", str(row["steps"]),
        ))  # fmt: skip
    return table


def decided(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """What `fnnets.kernels.paths` answered while each row was traced; an RBM has no kernel of its own.

    >>> decided([{"name": "vgg-32", "paths": {"is_fast": ["True"]}}])
    [('row', 'is_fast'), ('vgg-32', 'True')]
    """
    names = list(dict.fromkeys(name for row in rows for name in row["paths"]))
    lines = [(row["name"], *(", ".join(row["paths"].get(name, ())) for name in names)) for row in rows if row["paths"]]
    return [("row", *names), *lines]


def memory(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Megabytes on the device after each row; PyTorch's are not among them."""
    lines = [
        (row["name"], row["precision"], *(f"{MEGA * row['memory'].get(name, 0):.0f}" for name in _KEPT))
        for row in rows if row["memory"]
    ]  # fmt: skip
    return [("after row", "precision", "peak so far, MB", "in use, MB"), *lines]


_KEPT = ("peak_bytes_in_use", "bytes_in_use")


def notes(content: Mapping[str, Any]) -> list[str]:
    """Remarks on the run."""
    found = [checks(content["contract"])] if content["contract"] else ["The contract was left out."]
    found.append(f"PyTorch ran on {content['torch_device']}; the whole took {content['seconds']} s.")
    if content["left"]:
        found.append(f"The time was over before: {', '.join(content['left'])}.")
    if content["missing"]:
        found.append(f"Not installed: {', '.join(content['missing'])}.")
    return found


def text(content: Mapping[str, Any]) -> str:
    """What is printed at the end."""
    tables = [f"{title}\n{report.aligned(rows)}" for title, rows in parts(content)]
    return "\n\n".join([*tables, *notes(content)]) + "\n"


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table."""
    found = [SMALL_TEXT] if content["is_small"] else []
    found += [" ".join(notes(content)) + "\n\n"]
    found += [f"### {title}\n\n{report.table(rows)}" for title, rows in parts(content)]
    return "".join(found)

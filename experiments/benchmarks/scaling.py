"""Training that outgrows one device, memory and network: what each costs, part by part, outputs compared first.

    python -m experiments.benchmarks scaling [--quick] [--parts devices …] [--rounds 5]

| part | what is measured | bar |
|---|---|---|
| devices | a step on 1, 2, 4, 8 forced host devices, strong and weak; memory; messages | |
| processes | the same in 1 and 2 processes | |
| checkpoint | an epoch with a save and without | at most 1.05 |
| streaming | examples a second from streams, against memory | at least 0.8 from .npy |
| many | 30 networks at once, against one after another | at least 3 |
| memory | the most memory while 20 GB of bytes are trained through | at most 2 GB |

Devices and processes on one machine share its cores: those rows show overhead and right programs, and no speed-up.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from experiments.benchmarks import command, report
from experiments.benchmarks.scaling_checkpoint import CHECKPOINT
from experiments.benchmarks.scaling_devices import DEVICES, IN_PROCESSES
from experiments.benchmarks.scaling_many import MANY
from experiments.benchmarks.scaling_memory import MEMORY
from experiments.benchmarks.scaling_setting import Options, Part
from experiments.benchmarks.scaling_streaming import STREAMING
from experiments.harness import results
from fnnets.core import validate

PARTS: dict[str, Part] = {
    "devices": DEVICES, "processes": IN_PROCESSES, "checkpoint": CHECKPOINT, "streaming": STREAMING, "many": MANY,
    "memory": MEMORY,
}  # fmt: skip
QUICK: dict[str, Any] = {
    "rounds": 1, "epochs": 2, "examples": 2000, "steps": 10, "counts": (1, 2), "networks": 4, "gigabytes": 0.5,
}  # fmt: skip
INDENT: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "  "}
HIDDEN = ("parts", "data_dir", "scratch", "out", "quick")  # not for the results: folders, and what shows by itself


def run(options: Options) -> int:
    """Measure the parts, print each when it is done, and write; 1 if one arrives at other outputs."""
    if options.quick:
        options = replace(options, **QUICK)
    check(options)
    parts: dict[str, Any] = {}
    for name in options.parts:
        parts[name] = PARTS[name].measure(options)
        print(text(name, parts[name]) + "\n", flush=True)
    path = results.save_json(content(options, parts), options.out / "scaling.json")
    print(f"Results: {path}")
    faults = [line for name, part in parts.items() if "skipped" not in part for line in PARTS[name].wrong(part)]
    for line in faults:
        print(f"{line}; its figures are worthless", file=sys.stderr)
    return 1 if faults else 0


def check(options: Options) -> None:
    """Raise for options that cannot be used.

    >>> check(Options(parts=("device",)))
    Traceback (most recent call last):
    ValueError: parts: 'device' came, expected some of devices, processes, checkpoint, streaming, many, memory; name one
    """
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown or not options.parts:
        came = repr(unknown[0]) if unknown else "none"
        raise ValueError(f"parts: {came} came, expected some of {', '.join(PARTS)}; name one")
    for name in ("rounds", "epochs", "examples", "steps", "networks"):
        validate.count(getattr(options, name), name, "give how many")
    if not options.counts or len(set(options.counts)) < len(options.counts):
        raise ValueError(f"counts are {options.counts}, expected at least one and each once; write --counts 1 2 4 8")
    for count in options.counts:
        validate.count(count, "counts: one", "give numbers of devices")
    validate.above(options.gigabytes, 0.0, "gigabytes", "give the size of the file")
    if options.examples < 128:
        raise ValueError(f"examples is {options.examples}, expected at least one minibatch of 128; 50000 is usual")


def content(options: Options, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The written content: settings, versions, device, every sample, and no names of hosts or folders."""
    chosen = {name: value for name, value in asdict(options).items() if name not in HIDDEN}
    return {
        "name": "scaling", "command": "python -m experiments.benchmarks scaling", "settings": chosen,
        **results.environment(), "parts": dict(parts),
    }  # fmt: skip


def text(name: str, part: Mapping[str, Any]) -> str:
    """One part's report.

    >>> print(text("memory", {"skipped": "no room"}))
    A file larger than memory: skipped, no room
    """
    of = PARTS[name]
    if "skipped" in part:
        return f"{of.title}: skipped, {part['skipped']}"
    found = [
        f"  {bar.name}, {bar.net}: {bar.ratio:.3f}, bar {report.bound(bar)}: {bar.verdict}" for bar in of.bars(part)
    ]
    return "\n".join([of.title, report.aligned(of.rows(part)), *textwrap.wrap(of.text, 118, **INDENT), *found])


def markdown(content: Mapping[str, Any]) -> str:
    """The benchmark's part of the table: the bars, then each part's rows."""
    parts = content["parts"]
    found = [bar for name, part in parts.items() if "skipped" not in part for bar in PARTS[name].bars(part)]
    lines = [(bar.name, bar.net, f"{bar.ratio:.2f}", f"{report.bound(bar)}: {bar.verdict}") for bar in found]
    head = report.table([("ratio", "of", "measured", "bar"), *lines]) if lines else ""
    return head + "".join(_section(PARTS[name], part) for name, part in parts.items())


def _section(of: Part, part: Mapping[str, Any]) -> str:
    if "skipped" in part:
        return f"### {of.title}\n\nSkipped: {part['skipped']}.\n\n"
    return f"### {of.title}\n\n{report.table(of.rows(part))}{of.text}\n\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "scaling", arguments)

"""`fnnets verify TARGET`: the thing that TARGET names is loaded, checked once for each draw, and shown.

one draw         its table
N draws          the table of the first that does not pass, and how many do
exit status      1 where one is wrong; else 2 where one is inconclusive; else 0
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fnnets.command import files, loading, subjects
from fnnets.command.files import UsageError
from fnnets.storage.progress import Progress, progress
from fnnets.verify import Report
from fnnets.verify.report import terminal, text

STATUS = {"pass": 0, "wrong": 1, "inconclusive": 2}


@dataclass(frozen=True)
class Options:
    """Prove a hand-written gradient against jax.grad, statement by statement, or name the first that is wrong.

    TARGET names a network or a layer of fnnets, for which parameters and examples are drawn; or a tuple
        (net, params, batch)    (layer, params, x)    (cost, gradient, params, *args)
        (f, reference, *args), where f is a jax.custom_vjp and the reference a plain function of the same values

    or a function of nothing, or of `key` or `seed`, that returns one of these.

    for example
        fnnets verify my_layer.py:layer --shape 5
        fnnets verify package.module:net --seeds 20 --json report.json --plot report.png

    exit status: 0 right, 1 wrong, 2 bad input or inconclusive

    Attributes:
        target: package.module:thing or path/to/file.py:thing.
        x64: compare in float64; --no-x64 compares in float32, up to its rounding.
        seeds: number of draws that are checked, with seeds 0 to N-1: other values with each, other shapes every five.
        shape: shape of one example of a layer, without the batch axis (of one step, where it reads sequences).
        json: file for the report; for several draws a list of reports.
        plot: file (.png, .pdf or .svg) for a figure of the report, the first that does not pass.
        quiet: print the verdict alone.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    x64: bool = True
    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    shape: Annotated[tuple[int, ...], tyro.conf.arg(metavar="SIZE …")] = ()
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def run(options: Options) -> int:
    """Check, show and write; returns the exit status.

    Raises:
        UsageError: bad input.
    """
    if options.seeds < 1:
        raise UsageError(f"--seeds is {options.seeds}, expected at least 1")
    files.check(options.json, "--json")
    files.check_figure(options.plot, "--plot")
    reports = _reports(loading.load(options.target), options)
    _show(reports, options)
    if options.json is not None:
        texts = [report.to_json() for report in reports]
        files.write_text(options.json, texts[0] if options.seeds == 1 else f"[{', '.join(texts)}]")
    if options.plot is not None:
        _draw(_chosen(reports), options.plot)
    return max((STATUS[report.verdict] for report in reports), key=[0, 2, 1].index)


def _reports(thing: object, options: Options) -> list[Report]:
    request = subjects.Request(options.shape, options.x64, options.seeds > 1)
    reports = []
    kind: Progress = False if options.quiet or options.seeds == 1 else "auto"
    with progress(kind, options.seeds, "fnnets verify") as step:  # type: ignore[arg-type]
        for seed in range(options.seeds):
            reports.append(subjects.report(thing, seed, request))
            step(f"seed {seed}: {reports[-1].verdict}")
    return reports


def _show(reports: list[Report], options: Options) -> None:
    chosen = _chosen(reports)
    passed = sum(report.ok for report in reports)
    if not options.quiet and (len(reports) == 1 or not chosen.ok):
        terminal.show(chosen)
    if len(reports) > 1:
        first = "" if chosen.ok else f"; the first that does not is that of seed {reports.index(chosen)}"
        detail = f": {text.summary(chosen)}" if options.quiet and not chosen.ok else ""
        print(f"{options.target}: {passed} of {len(reports)} draws pass{first}{detail}")
    elif options.quiet:
        print(text.summary(chosen))


def _chosen(reports: list[Report]) -> Report:
    """The first that does not pass, else the first."""
    return next((report for report in reports if not report.ok), reports[0])


def _draw(report: Report, path: Path) -> None:
    from fnnets.verify.report import figures

    figure = figures.draw(report)
    files.write(path, lambda temporary: figure.savefig(temporary))

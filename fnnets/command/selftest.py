"""`fnnets selftest`: the verifier is held against right code, which must pass, and against faults, which it must find.

exit status      0 no false alarm and no survivor      1 one of them      2 bad input
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fnnets.command import files
from fnnets.command.files import UsageError, one_line
from fnnets.storage.progress import Progress, progress
from fnnets.verify import selftest
from fnnets.verify.selftest import Outcome, Result
from fnnets.verify.selftest.trying import checked, trials


@dataclass(frozen=True)
class Options:
    """Verify families of code whose verdict is known, at several draws of sizes, values and modes.

    Right code must pass; each fault that is planted in it must be found, and named at the mark or leaf where it is.
    With 20 seeds all families take long: give --family for one of them, or for a kind of them.

    for example
        fnnets selftest
        fnnets selftest --family kinks --seeds 20 --json kinks.json

    exit status: 0 no false alarm and no survivor, 1 one of them, 2 bad input

    Attributes:
        seeds: number of draws of each family, with seeds 0 to N-1.
        family: name of a family, or of a kind: dense, images, sequences, attention, likelihoods, matrices, kinks,
            precision, rules, declared, unusual; without it all.
        x64: compare in float64; --no-x64 compares in float32, up to its rounding.
        json: file for the outcome.
        quiet: print the counts alone.
    """

    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    family: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    x64: bool = True
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def run(options: Options) -> int:
    """Verify, show and write; returns the exit status.

    Raises:
        UsageError: bad input.
    """
    if options.seeds < 1:
        raise UsageError(f"--seeds is {options.seeds}, expected at least 1")
    files.check(options.json, "--json")
    names = None if options.family is None else [options.family]
    try:
        checked(names, "--family")
    except ValueError as error:
        raise UsageError(one_line(str(error))) from error
    outcome = _outcome(names, options)
    print(outcome.summary() if options.quiet else outcome.table())
    if options.json is not None:
        files.write_text(options.json, outcome.to_json())
    return int(not outcome.ok)


def _outcome(names: list[str] | None, options: Options) -> Outcome:
    kind: Progress = False if options.quiet else "auto"
    with progress(kind, len(trials(names, options.seeds)), "fnnets selftest") as step:  # type: ignore[arg-type]
        return selftest.run(
            names, seeds=options.seeds, x64=options.x64, progress=lambda result: step(_line(result))
        )  # fmt: skip


def _line(result: Result) -> str:
    what = f"{result.family}, {result.fault}" if result.fault else result.family
    return f"{what}: {result.verdict}"

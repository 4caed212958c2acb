"""`fnnets mutate FAMILY`: known faults are planted in correct backward passes, and each must be found and named.

exit status      0 every fault is found      1 one survives      2 bad input
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fnnets import mutation
from fnnets.command import files
from fnnets.command.files import UsageError, one_line
from fnnets.mutation import Outcome, Result
from fnnets.storage.progress import Progress, progress

Family = Literal["dense", "convolution", "pooling", "recurrent", "lstm", "autoencoder", "rbm", "all"]


@dataclass(frozen=True)
class Options:
    """Plant the catalogue's faults one by one in a family's backward passes, and verify each.

    A fault is killed where the check finds it, and named where its first wrong row is the faulty equation. A fault
    that survives comes with the reason, such as sizes at which it changes nothing.

    for example
        fnnets mutate dense
        fnnets mutate lstm --steps 5 --sizes 3 4 2 --no-x64

    exit status: 0 every fault is found, 1 one survives, 2 bad input

    Attributes:
        family: dense, convolution, pooling, recurrent, lstm, autoencoder, rbm or all.
        x64: compare in float64; --no-x64 compares in float32, up to its rounding.
        batch: number of examples; without it a few.
        steps: number of time steps; without it a few.
        sizes: units of each layer, features first and outputs last; without them small ones.
        seed: which numbers are drawn, and which shapes where none are given.
        json: file for the outcome.
        quiet: print the counts alone.
    """

    family: Annotated[Family, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
    x64: bool = True
    batch: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    steps: Annotated[int | None, tyro.conf.arg(metavar="T")] = None
    sizes: Annotated[tuple[int, ...], tyro.conf.arg(metavar="SIZE …")] = ()
    seed: int = 0
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def run(options: Options) -> int:
    """Plant, check, show and write; returns the exit status.

    Raises:
        UsageError: bad input.
    """
    files.check(options.json, "--json")
    outcome = _outcome(options)
    print(outcome.summary() if options.quiet else outcome.table())
    if options.json is not None:
        files.write_text(options.json, outcome.to_json())
    return int(bool(outcome.survivors))


def _outcome(options: Options) -> Outcome:
    families = list(mutation.CATALOGUE) if options.family == "all" else [options.family]
    total = sum(len(mutation.CATALOGUE[family]) for family in families)
    kind: Progress = False if options.quiet else "auto"
    with progress(kind, total, "fnnets mutate") as step:  # type: ignore[arg-type]
        try:
            return mutation.run(
                options.family, x64=options.x64, batch=options.batch, steps=options.steps,
                sizes=options.sizes or None, seed=options.seed, progress=lambda result: step(_line(result)),
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise UsageError(one_line(str(error))) from error


def _line(result: Result) -> str:
    verdict = "named" if result.named else "killed" if result.killed else "survives"
    return f"{result.family}: {result.name}: {verdict}"

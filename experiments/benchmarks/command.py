"""The command line of every benchmark: options from a dataclass, and one line for a bad one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any


def main(run: Callable[[Any], int], options: type, name: str, arguments: Sequence[str] | None) -> int:
    """The exit status of `run(options)`; 2, with one line, for a bad option or data that is not there.

    >>> from experiments.benchmarks.import_time import Options
    >>> main(lambda options: options.rounds, Options, "import_time", ["--rounds", "3"])
    3
    """
    import tyro

    try:
        return run(tyro.cli(options, args=arguments, prog=f"python -m experiments.benchmarks.{name}"))
    except ValueError as error:  # DataError among them
        print(f"{name}: {error}", file=sys.stderr)
        return 2

"""The command line of every benchmark, with one line for a bad option, and the file of its results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.harness import results
from fnnets.command import parsing
from fnnets.command.files import UsageError


def main(run: Callable[[Any], int], options: type, name: str, arguments: Sequence[str] | None) -> int:
    """The exit status of `run(options)`; 2, with one line, for a bad option or data that is not there.

    >>> from experiments.benchmarks.import_time import Options
    >>> main(lambda options: options.rounds, Options, "import_time", ["--rounds", "3"])
    3
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return run(parsing.parse(options, words, f"python -m experiments.benchmarks {name}"))
    except (ValueError, UsageError, ImportError, OSError) as error:  # DataError among them
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def finish(
    name: str,
    out: Path,
    content: Mapping[str, Any],
    wrong: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> int:
    """Write NAME.json with command, versions and device; 1, and a line each, for what is wrong, else 0."""
    environment = results.environment()
    environment["versions"] |= versions or {}
    whole = {"name": name, "command": f"python -m experiments.benchmarks {name}", **environment, **content}
    print(f"Results: {results.save_json(whole, out / f'{name}.json')}")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0

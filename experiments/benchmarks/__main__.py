"""The command line: `python -m experiments.benchmarks table|feedforward|import_time [options]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from experiments.benchmarks import feedforward, import_time, table

USAGE = "usage: python -m experiments.benchmarks feedforward|import_time|table [options]; each has --help"


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark, or write their table; returns the exit status.

    >>> main(["--help"])
    usage: python -m experiments.benchmarks feedforward|import_time|table [options]; each has --help
    0
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name == "table":
        import tyro

        return table.run(tyro.cli(table.Options, args=rest, prog="python -m experiments.benchmarks table"))
    if name in ("feedforward", "import_time"):
        return {"feedforward": feedforward, "import_time": import_time}[name].main(rest)
    print(USAGE, file=sys.stdout if name in ("--help", "-h") else sys.stderr)
    return 0 if name in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command line: `python -m experiments.benchmarks NAME [options]`, NAME a benchmark or `table`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks import (
    accelerators,
    against,
    checks,
    class_map,
    convolutional,
    crashes,
    feedforward,
    implementations,
    import_time,
    rbm,
    recurrent,
    recurrent_memory,
    scaling,
    table,
    verification,
)

MODULES: dict[str, Any] = {
    "accelerators": accelerators, "against": against, "checks": checks, "class_map": class_map,
    "convolutional": convolutional, "crashes": crashes,
    "feedforward": feedforward, "implementations": implementations, "import_time": import_time,
    "memory": recurrent_memory, "rbm": rbm, "recurrent": recurrent, "scaling": scaling, "verification": verification,
}  # fmt: skip
USAGE = f"usage: python -m experiments.benchmarks {'|'.join(sorted([*MODULES, 'table']))} [options]; each has --help"


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark, or write their table; returns the exit status.

    >>> main(["--help"])                                                          # doctest: +ELLIPSIS
    usage: python -m experiments.benchmarks accelerators|checks|... [options]; each has --help
    0
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name == "table":
        import tyro

        return table.run(tyro.cli(table.Options, args=rest, prog="python -m experiments.benchmarks table"))
    if name in MODULES:
        return MODULES[name].main(rest)
    print(USAGE, file=sys.stdout if name in ("--help", "-h") else sys.stderr)
    return 0 if name in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

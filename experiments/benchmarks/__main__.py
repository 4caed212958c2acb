"""The command line: `python -m experiments.benchmarks NAME [options]`, NAME a benchmark or `table`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import fnnets as fn
from experiments.benchmarks import (
    accelerators,
    against,
    checks,
    class_map,
    command,
    compilation,
    convolutional,
    crashes,
    feedforward,
    gpu,
    implementations,
    import_time,
    rbm,
    recurrent,
    recurrent_memory,
    scaling,
    table,
    training,
    verdicts,
    verification,
    verifiers,
)
from fnnets.command.parsing import nearest

MODULES: dict[str, Any] = {
    "accelerators": accelerators, "against": against, "checks": checks, "class_map": class_map,
    "compilation": compilation, "convolutional": convolutional, "crashes": crashes,
    "feedforward": feedforward, "gpu": gpu, "implementations": implementations, "import_time": import_time,
    "memory": recurrent_memory, "rbm": rbm, "recurrent": recurrent, "scaling": scaling, "training": training,
    "verdicts": verdicts, "verification": verification, "verifiers": verifiers,
}  # fmt: skip
USAGE = """usage: python -m experiments.benchmarks NAME [options]
       python -m experiments.benchmarks NAME --help     the options of one benchmark

"""


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark, or write their table; returns the exit status.

    >>> main(["--help"])                                                          # doctest: +ELLIPSIS
    usage: python -m experiments.benchmarks NAME [options]
    ...
    0
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name in ("--help", "-h"):
        print(USAGE + listing())
        return 0
    if name == "table":
        return command.main(table.run, table.Options, "table", rest)
    if name in MODULES:
        return MODULES[name].main(rest)
    names = sorted([*MODULES, "table"])
    near = nearest(name, names)
    remedy = f"write python -m experiments.benchmarks {near}" if near else "see python -m experiments.benchmarks --help"
    print(f"there is no benchmark {name!r}, expected one of {', '.join(names)}; {remedy}", file=sys.stderr)
    return 2


def listing() -> str:
    """The benchmarks, a line each: the first of the module's docstring.

    >>> print(listing().splitlines()[0])
    NAME             WHAT
    """
    lines = [
        (name, (module.__doc__ or "").splitlines()[0]) for name, module in sorted([*MODULES.items(), ("table", table)])
    ]
    return "\n".join(f"{name:<17}{what}" for name, what in [("NAME", "WHAT"), *lines])


if __name__ == "__main__":  # without a cache of compiled programs, as several benchmarks time compilation
    fn.use_all_cores()
    sys.exit(main(sys.argv[1:]))

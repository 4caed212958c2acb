"""The command line: `python -m experiments NAME [options]`.

exit status   0  done      1  a claim did not hold      2  a bad option, or data that is not there      130  Ctrl-C
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import fnnets as fn
from experiments.harness import catalogue
from experiments.harness.options import OptionError, parse
from fnnets.command import cache
from fnnets.command.parsing import nearest
from fnnets.data import DataError

USAGE = """usage: python -m experiments NAME [options]
       python -m experiments NAME --help     the options of one experiment
       python -m experiments --list          this list

Trains and measures what the works in REFERENCES.md claim; figures and pictures go to results/NAME/. Compiled programs
are kept in the user's cache directory; FNNETS_COMPILATION_CACHE=0 in the environment keeps none.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one experiment, or say what there is; returns the exit status.

    >>> main(["--list"])
    NAME           DATA             TIME    WHAT
    ...
    0
    """
    if not arguments or arguments[0] in ("--help", "-h"):
        print(USAGE + "\n" + catalogue.listing())
        return 0
    if arguments[0] == "--list":
        print(catalogue.listing())
        return 0
    name, *rest = arguments
    if name not in catalogue.MODULES:
        near = nearest(name, list(catalogue.MODULES))
        remedy = f"write python -m experiments {near}" if near else "see python -m experiments --list"
        return _complain(
            f"there is no experiment {name!r}, expected one of {', '.join(catalogue.MODULES)}; {remedy}", 2
        )
    return _run(name, rest)


def _run(name: str, rest: list[str]) -> int:
    try:
        module = importlib.import_module(f"experiments.{catalogue.MODULES[name]}")
        return int(module.run(parse(module.Options, rest, name)) or 0)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except OptionError as error:
        return _complain(str(error), 2)
    except (DataError, ImportError, OSError) as error:
        return _complain(f"{name}: {error}", 2)
    except KeyboardInterrupt:
        return _complain(f"{name}: interrupted; nothing was written for the unfinished part", 130)


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status


if __name__ == "__main__":
    fn.use_all_cores()
    cache.keep()
    sys.exit(main(sys.argv[1:]))

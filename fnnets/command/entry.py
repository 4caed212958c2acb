"""The choice of a command, and its exit status.

exit status   0  right      1  wrong      2  bad input, or inconclusive      130  Ctrl-C
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Sequence

from fnnets.command import cache
from fnnets.command.files import UsageError
from fnnets.command.parsing import nearest, parse

COMMANDS = ("verify", "audit", "mutate", "selftest", "statements", "show")
EXPERIMENTS = "they are in the repository, not in the package: clone it and run python -m experiments there"
USAGE = """usage: fnnets verify TARGET [options]     prove a hand-written gradient, or name its fault
       fnnets audit TARGET [options]      check every derivative rule inside a JAX function
       fnnets mutate FAMILY [options]     plant known faults; verification must find each
       fnnets selftest [options]          right and wrong code of known verdict; is each judged so?
       fnnets statements [FAMILY]         list the statements of the notes with their lines of code
       fnnets show [TARGET] [options]     one example through a network, with its numbers
       fnnets COMMAND --help              the options of one command

TARGET names the gradient, or the function with its arguments: package.module:thing or path/to/file.py:thing.
FAMILY of mutate is one of dense, convolution, pooling, recurrent, lstm, autoencoder, rbm, all.

    fnnets verify my_layer.py:layer --shape 5           a layer of one's own, for examples of 5 features
    fnnets verify package.module:net --seeds 20         a network, at 20 draws of parameters and examples
    fnnets audit model.py:case --sweep                  a function of any library, at special values too
    fnnets mutate lstm                                  the faults of an LSTM's gradient, each to be found
    fnnets show recurrent --plot passage.png            z, a, δ and gradients of one example, statement by statement

Compiled programs are kept in the user's cache directory; FNNETS_COMPILATION_CACHE=0 in the environment keeps none.

exit status: 0 right, 1 wrong, 2 bad input or inconclusive
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Args:
        arguments: the words after `fnnets`; None for this process's own.

    >>> main(["--help"])                                                          # doctest: +ELLIPSIS
    usage: fnnets verify TARGET [options] ...
    0
    """
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name in ("--help", "-h"):
        print(USAGE, end="")
        return 0
    if name == "experiments":
        return _error(f"fnnets experiments: {EXPERIMENTS}")
    if name not in COMMANDS:
        known, near = f"{', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}", nearest(name, COMMANDS)
        remedy = f"write fnnets {near}" if near else "see fnnets --help"
        return _error(f"fnnets: there is no command {name!r}, expected {known}; {remedy}")
    if arguments is None:  # a program of its own, in which no one else sets JAX up
        cache.keep()
    missing = [package for package in ("tyro", "rich") if importlib.util.find_spec(package) is None]
    if missing:
        needed = " and ".join(missing)
        return _error(f"fnnets {name}: {needed} is not installed; run: pip install 'fnnets[cli]'")
    return _run(name, rest)


def _run(name: str, rest: list[str]) -> int:
    _be_printable()
    try:
        module = importlib.import_module(f"fnnets.command.{name}")
        status = module.run(parse(module.Options, rest, f"fnnets {name}"))
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except UsageError as error:
        return _error(f"fnnets {name}: {error}")
    except KeyboardInterrupt:
        return _error(f"fnnets {name}: interrupted", 130)
    except BrokenPipeError:  # the reader has gone; Python would raise again when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        if error.filename is not None:  # of a file, and not of the standard output
            raise
        return _error(f"fnnets {name}: the output cannot be written ({error.strerror or error}); is the disk full?")


def _be_printable() -> None:
    """Let streams replace δ and ω where their encoding lacks them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _error(text: str, status: int = 2) -> int:
    print(text, file=sys.stderr)
    return status

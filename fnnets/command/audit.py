"""`fnnets audit TARGET`: every derivative rule in the function that TARGET names is checked where it stands.

exit status      0 every rule agrees or is accepted      1 one does not      2 bad input
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fnnets.command import files, loading
from fnnets.command.files import UsageError, one_line, raised
from fnnets.verify import AuditReport, audit

EXPECTED = "expected a tuple (function, argument, …), or a function of nothing that returns one"


@dataclass(frozen=True)
class Options:
    """Check every custom_vjp, custom_jvp and custom_linear_solve inside a JAX function, at the values that reach it.

    TARGET names a tuple (function, argument, …), or a function of nothing that returns one. The function may be of any
    library; its floating arguments are those that it is differentiated by.

    for example
        fnnets audit model.py:case
        fnnets audit model.py:case --sweep --accept straight_through --json audit.json

    exit status: 0 every rule agrees or is accepted, 1 one does not, 2 bad input

    Attributes:
        target: package.module:thing or path/to/file.py:thing.
        sweep: also at 0, infinity, ties, whole numbers, very large and very small values, one or two at a time.
        accept: names of rules that are meant as they are.
        seed: of the cotangents that are drawn.
        eager: run the function as it is, for functions that cannot be traced.
        json: file for the report.
        quiet: print the verdict alone.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    sweep: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    accept: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = ()
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    eager: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def run(options: Options) -> int:
    """Audit, show and write; returns the exit status.

    Raises:
        UsageError: bad input.
    """
    files.check(options.json, "--json")
    function, args = _case(loading.load(options.target), options.target)
    report = _audited(function, args, options)
    print(report.summary() if options.quiet else report.table())
    if options.json is not None:
        files.write_text(options.json, report.to_json())
    return int(not report.ok)


def _case(thing: object, target: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    if callable(thing):
        try:
            thing = thing()
        except Exception as error:
            raise raised(f"calling {target}", error) from error
    if not isinstance(thing, tuple) or not thing or not callable(thing[0]):
        raise UsageError(f"{target} is of type {type(thing).__name__}, {EXPECTED}")
    return thing[0], thing[1:]


def _audited(function: Callable[..., Any], args: tuple[Any, ...], options: Options) -> AuditReport:
    settings = {"sweep": options.sweep, "accept": options.accept, "seed": options.seed, "eager": options.eager}
    try:
        return audit(function, *args, **settings)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise UsageError(one_line(str(error))) from error
    except Exception as error:
        raise raised("the function", error) from error

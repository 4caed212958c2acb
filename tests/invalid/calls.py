"""Valid calls of the public functions, from which calls that are wrong in one argument are made."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import fnnets as fn
from fnnets import mutation, plots
from fnnets.verify import selftest
from tests.invalid.kinds import Kind


class Call(NamedTuple):
    """A public function and a kind for each argument that is varied.

    Attributes:
        name: the function's public name, as "fn.training.fit".
        function: what is called with the arguments by name; the function itself, or one that spreads them out.
        arguments: a kind for each.
        named: for an argument of another name in messages, that name.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Kind]
    named: dict[str, str]


def call(name: str, function: Callable[..., Any], /, named: dict[str, str] | None = None, **arguments: Kind) -> Call:
    """A row of the table."""
    return Call(name, function, arguments, named or {})


def wrong_calls(row: Call) -> list[tuple[str, str, dict[str, Any]]]:
    """(argument, what is wrong, arguments) of every call that this row makes wrong."""
    valid = {name: kind.valid for name, kind in row.arguments.items()}
    return [
        (argument, what, valid | {argument: value})
        for argument, kind in row.arguments.items()
        for what, value in kind.wrong.items()
    ]


def public() -> set[str]:
    """The names of all public functions: those that `fn` and its public modules list, or that their pages define."""
    found = {}
    modules = [(f"fn.{name}", getattr(fn, name)) for name in fn.__all__]
    modules = [(name, module) for name, module in modules if isinstance(module, types.ModuleType)]
    modules += [
        ("fnnets.plots", plots),
        ("fnnets.mutation", mutation),
        ("fnnets.verify.selftest", selftest),
    ]  # imported apart
    for prefix, module in [("fn", fn), *modules]:
        listed = getattr(module, "__all__", None)
        names = [name for name in vars(module) if not name.startswith("_")] if listed is None else listed
        for name in names:
            value = getattr(module, name)
            is_own = listed is not None or getattr(value, "__module__", None) == module.__name__
            if callable(value) and not isinstance(value, type | types.ModuleType) and is_own:
                found.setdefault(id(value), f"{prefix}.{name}")
    return set(found.values())

"""The change of a function's code by a mutant, and its undoing.

    with applied(mutant) as reached:
        net = make()                                whatever is built and traced here has the fault
        …
    reached.count                                   runs of the changed statement

The function stays the same object, so every holder of it, a module, a NamedTuple or a default, gets the change;
its code alone is another, compiled from its own source with `old` replaced by `new`, and with a counter before the
changed statement. Programs that JAX has traced from it are dropped on both ways.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import dataclasses
import functools
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType

import jax

from fnnets.core import calls, construction, validate
from fnnets.mutation.mutant import Mutant

COUNTER = "_mutant_reached"


@dataclasses.dataclass
class Reached:
    """The runs of the changed statement, counted; under `jax.jit` its tracings."""

    count: int = 0

    def __bool__(self) -> bool:
        return self.count > 0


@calls.strict("applied")
@contextlib.contextmanager
def applied(mutant: Mutant) -> Iterator[Reached]:
    """A scope in which the mutant's function has its fault; the code comes back however the scope is left.

    Raises:
        TypeError: no mutant.
        ValueError: a target that does not exist, is changed already or is no plain function; `old` that does not occur
            exactly once; source that does not compile.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fault = Mutant("δ(L) sign", "fnnets.objectives:_cross_entropy_delta", "- y", "+ y", ("delta of",))
    >>> with applied(fault) as reached:
    ...     float(fn.objectives.sigmoid_cross_entropy.delta(jnp.array(0.0), jnp.array(1.0))), bool(reached)
    (1.5, True)
    >>> float(fn.objectives.sigmoid_cross_entropy.delta(jnp.array(0.0), jnp.array(1.0)))
    -0.5
    """
    validate.is_instance(mutant, Mutant, "applied: mutant", "take one from fnnets.mutation.CATALOGUE")
    function = found(mutant)
    changed, own, reached = code(mutant), function.__code__, Reached()

    def count() -> None:
        reached.count += 1

    function.__globals__[COUNTER] = count
    function.__code__ = changed
    try:
        _forget(mutant)
        yield reached
    finally:
        function.__code__ = own
        del function.__globals__[COUNTER]
        _forget(mutant)


def found(mutant: Mutant) -> FunctionType:
    """The mutant's function, without its wrappers.

    Raises:
        ValueError: as `applied`.
    """
    value = _held(mutant)[-1]
    if not isinstance(value, FunctionType) or value.__code__.co_freevars:
        raise _error(mutant, f"target {mutant.target!r} is no plain function; name the outermost one")
    if COUNTER in value.__globals__:
        raise _error(mutant, f"{value.__module__} has a mutant already, expected none; apply one at a time")
    return value


def _held(mutant: Mutant) -> list[object]:
    """The object of the target's name, and the ones that it wraps, down to the function itself."""
    module, _, name = mutant.target.partition(":")
    try:
        held: list[object] = [functools.reduce(getattr, name.split("."), importlib.import_module(module))]
    except (ImportError, AttributeError) as error:
        raise _error(mutant, f"target is {mutant.target!r} ({error}), expected 'module:function'; correct it") from None
    while (inner := getattr(held[-1], "__wrapped__", None)) is not None:
        held.append(inner)
    return held


def code(mutant: Mutant) -> CodeType:
    """The changed function's code, compiled.

    Raises:
        ValueError: as `applied`.
    """
    text = textwrap.dedent(inspect.getsource(found(mutant)))
    count = text.count(mutant.old)
    if count != 1:
        raise _error(mutant, f"old, {mutant.old!r}, occurs {count} times in {mutant.target}, expected once; correct it")
    if mutant.old == mutant.new:
        raise _error(mutant, "new is as old, expected a change; correct it")
    same = next((i for i, pair in enumerate(zip(mutant.old, mutant.new, strict=False)) if pair[0] != pair[1]), 0)
    start, changed = text.index(mutant.old) + same, text.replace(mutant.old, mutant.new)
    try:
        tree = ast.parse(changed)
    except SyntaxError as error:
        raise _error(mutant, f"new does not compile ({error}); correct it") from None
    return _compiled(tree, changed[:start].count("\n") + 1, mutant)


def _compiled(tree: ast.Module, line: int, mutant: Mutant) -> CodeType:
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise _error(mutant, f"target {mutant.target!r} is not defined by def; name the outermost function")
    definition.decorator_list = []  # its wrappers wrap it still
    _count_before(definition.body, line)
    name, flags = f"<mutant: {mutant.name}>", __future__.annotations.compiler_flag
    whole = compile(ast.fix_missing_locations(tree), name, "exec", flags=flags, dont_inherit=True)
    return next(part for part in whole.co_consts if isinstance(part, CodeType) and part.co_name == definition.name)


def _count_before(body: list[ast.stmt], line: int) -> None:
    """Put the counter before the innermost statement that holds the line."""
    ends = [each.end_lineno or each.lineno for each in body]
    position = next((i for i, end in enumerate(ends) if end >= line), len(body) - 1)
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(body[position], field, [])
        if inner and inner[0].lineno <= line <= (inner[-1].end_lineno or inner[-1].lineno):
            return _count_before(inner, line)
    body.insert(position, ast.parse(f"{COUNTER}()").body[0])
    return None


def _forget(mutant: Mutant) -> None:
    """Drop all that was made from the function's code: programs of its own and of its package, which may call it."""
    package = mutant.target.partition(".")[0]
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == package]
    values = [value for module in modules for value in vars(module).values()]
    for each in [*map(jax.jit, filter(callable, _held(mutant))), *values]:
        if hasattr(each, "clear_cache"):
            each.clear_cache()
    construction.forget()


def _error(mutant: Mutant, message: str) -> ValueError:
    return ValueError(f"mutant {mutant.name!r}: {message}")

"""Names of arguments, from the signatures of the caller's own functions.

def cost(w, x, y)      w, x, y
functools.partial      those that are left
jnp.sum, *args, …      none: what JAX and NumPy call their arguments says nothing of the caller's
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

FOREIGN = ("jax", "jaxlib", "numpy", "builtins", "operator", "functools", "equinox", "flax")


def names(functions: Sequence[Callable[..., object]], others: Sequence[str]) -> tuple[str, ...]:
    """The names of the first arguments by the first function that names them, `others` where none does.

    >>> names([lambda *args: 0, lambda w, x: 0], ["params", "args[0]"])
    ('w', 'x')
    """
    for function in functions:
        found = _positional(function)
        if len(found) >= len(others):
            return tuple(found[: len(others)])
    return tuple(others)


def _positional(function: Callable[..., object]) -> list[str]:
    """The names of the arguments by position, none for a function that the caller did not write."""
    own = function
    while isinstance(own, functools.partial):
        own = own.func
    try:
        own = inspect.unwrap(own)
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    module = getattr(own, "__module__", None) or type(own).__module__
    is_python = hasattr(own, "__code__") and module == "builtins"  # written without a module, as by `exec`
    if str(module).partition(".")[0] in FOREIGN and not is_python:
        return []
    by_position = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [each.name for each in signature.parameters.values() if each.kind in by_position]

"""Programs compiled once and run once: the compiler is asked to be quick rather than good.

    call(name, f, *args)         f(*args), by a program
    keeping(programs)            programs kept by their names and the shapes of their arguments, and used again

The options of quick compilation are tried first, since not every compiler knows them.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import PyTree

Programs = dict[object, Any]

QUICK: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
_KEPT: contextvars.ContextVar[Programs | None] = contextvars.ContextVar("programs", default=None)


@contextlib.contextmanager
def keeping(programs: Programs) -> Iterator[None]:
    """A scope in which programs are kept in a dict and used again, for checks of the same functions at other points."""
    token = _KEPT.set(programs)
    try:
        yield
    finally:
        _KEPT.reset(token)


def call(name: object, function: Callable[..., PyTree], *args: PyTree) -> PyTree:
    """What `function(*args)` gives."""
    return program(name, function, *args)(*args)


def program(
    name: object,
    function: Callable[..., PyTree],
    *args: PyTree,
    programs: Programs | None = None,
) -> jax.stages.Compiled:
    """`function` compiled for arguments like these; where programs are kept, `name` says which one it is.

    A check is compiled once and run once, so the compiler is asked to be quick rather than good.
    """
    kept = _KEPT.get() if _KEPT.get() is not None else programs
    if kept is None:
        return _new_program(function, *args)
    leaves, structure = jax.tree.flatten(args)
    key = name, structure, tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
    if key not in kept:
        kept[key] = _new_program(function, *args)
    return kept[key]


def _new_program(function: Callable[..., PyTree], *args: PyTree) -> jax.stages.Compiled:
    return jax.jit(function).lower(*args).compile(_quick())


@functools.cache
def _quick() -> dict[str, str | bool]:
    """Those of the options of quick compilation that this compiler knows, each tried on a program of nothing."""
    known: dict[str, str | bool] = {}
    trial = jax.jit(lambda: ()).lower()
    for option, value in QUICK.items():
        try:
            trial.compile({option: value})
        except jax.errors.JaxRuntimeError as error:
            if "No such compile option" not in str(error):
                raise
        else:
            known[option] = value
    return known

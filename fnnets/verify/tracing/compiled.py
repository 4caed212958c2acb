"""Programs of checks: traced, widened to float64 where they fix fewer digits, compiled once and kept.

    call(name, f, *args)         f(*args), by a program
    keeping(programs)            programs kept by their names and the shapes of their arguments, and used again
    shared(key)                  the same, from one check of a network to the next
    kept for all checks          by the equations that JAX traces: the same code at other numbers is not compiled again

A thread compiles while the next program is traced. The compiler is asked to be quick rather than good; the options of
quick compilation are tried first, since not every compiler knows them. The numbers that a program closes over are its
arguments, so that they may be others.

| symbol | name in code | shape |
|---|---|---|
| programs kept for all checks, least recently used first out | `_COMPILED`, at most `MOST` | |
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.tracing import identity, precision, widening

if TYPE_CHECKING:
    from jax.tree_util import PyTreeDef
    from jaxtyping import Array, PyTree

Programs = dict[object, Any]

QUICK: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
MOST, CASES = 192, 12
_KEPT: contextvars.ContextVar[Programs | None] = contextvars.ContextVar("programs", default=None)
_COMPILED: OrderedDict[object, Future[Any]] = OrderedDict()
_SHARED: OrderedDict[Hashable, Programs] = OrderedDict()
_WORKERS = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "compilation")
T = TypeVar("T")


class Closed(NamedTuple):
    """A traced function of flat arguments: its program, the structure of its result, and whether it is widened."""

    program: jaxprs.Body
    structure: PyTreeDef
    is_widened: bool

    def evaluate(self, args: Sequence[Array]) -> list[Array]:
        """The flat results."""
        if self.is_widened:
            return widening.evaluate(self.program, args)
        return jax.core.eval_jaxpr(self.program.jaxpr, self.program.consts, *args)


class Program(NamedTuple):
    """A function that is compiled, or about to be."""

    run: Future[Any]
    consts: Sequence[Array]
    structure: PyTreeDef
    is_widened: bool

    def __call__(self, *args: PyTree) -> PyTree:
        """What the function gives."""
        return jax.tree.unflatten(self.structure, self.run.result()(list(self.consts), jax.tree.leaves(args)))


@contextlib.contextmanager
def keeping(programs: Programs) -> Iterator[None]:
    """A scope in which programs are kept in a dict and used again, for checks of the same functions at other points."""
    token = _KEPT.set(programs)
    try:
        yield
    finally:
        _KEPT.reset(token)


def shared(key: Hashable) -> contextlib.AbstractContextManager[None]:
    """A scope in which programs are kept from one check to the next of the same key."""
    if key not in _SHARED:
        _SHARED[key] = {}
        while len(_SHARED) > CASES:
            _SHARED.popitem(last=False)
    _SHARED.move_to_end(key)
    return keeping(_SHARED[key])


def once(name: object, make: Callable[[], T], *args: PyTree) -> T:
    """What `make()` gives, once for arguments like these where programs are kept; it holds nothing of their values."""
    kept = _KEPT.get()
    if kept is None:
        return make()
    key = _named(name, *args)
    if key not in kept:
        kept[key] = make()
    return kept[key]


def call(name: object, function: Callable[..., PyTree], *args: PyTree) -> PyTree:
    """What `function(*args)` gives."""
    return program(name, function, *args)(*args)


def program(name: object, function: Callable[..., PyTree], *args: PyTree, programs: Programs | None = None) -> Program:
    """`function` compiled for arguments like these; where programs are kept, `name` says which one it is."""
    kept = _KEPT.get() if _KEPT.get() is not None else programs
    if kept is None:
        return _new_program(function, *args)
    key = _named(name, *args)
    if key not in kept:
        kept[key] = _new_program(function, *args)
    return kept[key]


def closed(function: Callable[..., PyTree], *args: PyTree) -> Closed:
    """`function` traced for arguments like these: in float64, or in the dtype of a scope that is narrower."""
    with precision.traced():
        found, shapes = jax.make_jaxpr(function, return_shape=True)(*precision.like(args))
    is_widened = precision.is_double() and (precision.narrow() is not None or widening.narrows(found))
    jaxpr, consts = jaxprs.opened(found)
    # JAX keeps NumPy's arrays as they came, of a wider dtype than the program has for them
    consts = [_in_dtype(const, variable.aval) for const, variable in zip(consts, jaxpr.constvars, strict=True)]
    return Closed(jaxprs.Body(jaxpr, consts), jax.tree.structure(shapes), bool(is_widened))


def key(traced: Closed) -> object:
    """What tells a traced function from another, the numbers that it closes over apart."""
    return identity.identity(traced.program.jaxpr), traced.is_widened


def fingerprint(function: Callable[..., PyTree], *args: PyTree) -> Hashable:
    """What tells a function from another at arguments like these: its equations and the numbers that it closes over.

    None where it cannot be traced.
    """
    try:
        traced = closed(function, *args)
    except Exception:  # a hand-written side may raise anything; the check itself shows what
        return None
    numbers = [np.asarray(const) for const in traced.program.consts if not _is_key(const)]
    return key(traced), tuple(zlib.crc32(np.ascontiguousarray(each).tobytes()) for each in numbers)


def compile_for(evaluate: Callable[..., Any], key: object, *args: PyTree) -> Future[Any]:
    """`evaluate`, which a thread compiles for arguments like these, once for all that have the same key."""
    leaves, structure = jax.tree.flatten(args)
    key = key, structure, bool(jax.config.read("jax_enable_x64")), tuple(map(_kind, leaves))
    if key in _COMPILED:
        _COMPILED.move_to_end(key)
    else:
        lowered, options = jax.jit(evaluate).lower(*args), _quick()
        _COMPILED[key] = _WORKERS.submit(lowered.compile, options)
        while len(_COMPILED) > MOST:
            _COMPILED.popitem(last=False)
    return _COMPILED[key]


def _new_program(function: Callable[..., PyTree], *args: PyTree) -> Program:
    traced = closed(function, *args)
    (jaxpr, consts), leaves = traced.program, jax.tree.leaves(args)

    def evaluate(consts, args):
        return traced._replace(program=jaxprs.Body(jaxpr, consts)).evaluate(args)

    run = compile_for(evaluate, key(traced), list(consts), leaves)
    return Program(run, consts, traced.structure, traced.is_widened)


def _in_dtype(const: Any, aval: Any) -> Any:
    is_other = isinstance(const, np.ndarray) and const.dtype != getattr(aval, "dtype", const.dtype)
    return const.astype(aval.dtype) if is_other else const


def _named(name: object, *args: PyTree) -> object:
    leaves, structure = jax.tree.flatten(args)
    is_wide = bool(jax.config.read("jax_enable_x64"))
    return name, structure, precision.narrow(), precision.is_double(), is_wide, tuple(map(_kind, leaves))


def _is_key(const: Any) -> bool:
    return bool(jax.dtypes.issubdtype(getattr(const, "dtype", None), jax.dtypes.extended))


def _kind(leaf: Any) -> object:
    return np.shape(leaf), getattr(leaf, "dtype", type(leaf))


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

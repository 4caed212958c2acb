"""In which precision a check runs: as the parameters are, and in float64, without a trace in the caller's process.

    float64 in a scope of its own:  with jax.enable_x64(True): …          left again, whatever happens inside
    matrix products:                pinned to "highest", so that a fast but coarse unit cannot pose as an error
    cast:                           floating leaves only; labels, masks and PRNG keys stay what they are

| dtype | relative error that passes |
|---|---|
| float64 | 1e-10 |
| float32 | 1e-5 |
| float16 | 4e-3 |
| bfloat16 | 3e-2 |
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import jaxprs

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
QUICK: Any = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}  # each where XLA has it
EPSILON = float(np.finfo(np.float64).eps)
_KEPT: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar("programs", default=None)


def tolerance(dtype: Any) -> float:
    """The largest relative error of a leaf that counts as agreement in `dtype`."""
    return TOLERANCE.get(str(dtype)) or 8 * float(jnp.finfo(dtype).eps)


@contextlib.contextmanager
def double() -> Iterator[None]:
    """A scope in which JAX computes in float64; the caller's settings come back however it is left.

    Data that a function closes over stay as they are, so mixed dtypes must be allowed here even to callers who
    forbid them; the run in the parameters' own precision is under the caller's rules.
    """
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


def pinned():
    """A scope in which matrix products are as exact as the hardware gives them."""
    return jax.default_matmul_precision("highest")


@contextlib.contextmanager
def keeping(programs: dict[Any, Any]) -> Iterator[None]:
    """A scope in which programs are kept in a dict and used again, for checks of the same functions at other points."""
    token = _KEPT.set(programs)
    try:
        yield
    finally:
        _KEPT.reset(token)


def compiled(name: Any, function: Callable[..., Any], *args: Any) -> Any:
    """What `function(*args)` gives."""
    return program(name, function, *args)(*args)


def program(name: Any, function: Callable[..., Any], *args: Any, programs: dict[Any, Any] | None = None) -> Any:
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


def _new_program(function, *args):
    return jax.jit(function).lower(*args).compile(_quick())


@functools.cache
def _quick() -> dict[str, Any]:
    """Those of the options of quick compilation that this compiler knows, each tried on a program of nothing."""
    known, trial = {}, jax.jit(lambda: ()).lower()
    for option, value in QUICK.items():
        try:
            trial.compile({option: value})
        except jax.errors.JaxRuntimeError as error:
            if "No such compile option" not in str(error):
                raise
        else:
            known[option] = value
    return known


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array of numbers, of booleans or of PRNG keys."""
    if isinstance(leaf, jax.Array):
        return True
    is_numpy = isinstance(leaf, np.ndarray | np.generic)
    return is_numpy and (leaf.dtype.kind in "biufc" or is_floating(leaf))


def is_floating(leaf: Any) -> bool:
    """Whether a leaf is an array of real floating numbers, bfloat16 among them."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def to_double(tree: Any) -> Any:
    """`tree` with its floating arrays in NumPy's float64, for use inside `double`."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) if is_floating(leaf) else leaf, tree)


def to_single(tree: Any) -> Any:
    """`tree` with its float64 arrays in float32; lower precisions stay, they are judged as they are."""

    def cast(leaf):
        is_double = is_floating(leaf) and leaf.dtype == jnp.float64
        return np.asarray(leaf, np.float32) if is_double else leaf

    return jax.tree.map(cast, tree)


def numbers(array: Any) -> np.ndarray:
    """An array as NumPy's float64; of complex ones the real part."""
    return np.asarray(np.real(np.asarray(array)), np.float64)


def epsilon(dtype: Any) -> float:
    """The distance from 1 to the next number of `dtype`."""
    return float(jnp.finfo(dtype).eps)


def name(tree: Any) -> str:
    """The coarsest floating dtype among the leaves, which names the column of the report."""
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(tree) if is_floating(leaf)}
    return str(max(dtypes, key=lambda dtype: float(jnp.finfo(dtype).eps))) if dtypes else "float32"


def separate(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The arrays of a tree, and a function that puts such arrays back among its other leaves.

    Numbers, strings and functions must not be traced: a cost may branch on them.
    """
    leaves, structure = jax.tree.flatten(tree)
    where = [position for position, leaf in enumerate(leaves) if is_array(leaf)]

    def rebuild(arrays: list[Any]) -> Any:
        filled = list(leaves)
        for position, array in zip(where, arrays, strict=True):
            filled[position] = array
        return jax.tree.unflatten(structure, filled)

    return [leaves[position] for position in where], rebuild


def narrows(jaxpr: Any) -> bool:
    """Whether a computation that was given float64 squeezes some of it through fewer digits on the way."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "convert_element_type":
            before, after = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
            if before == jnp.float64 and jnp.issubdtype(after, jnp.floating) and after != jnp.float64:
                return True
        if any(map(narrows, jaxprs.inner(equation))):
            return True
    return False

"""Checks at the public boundary: each names the argument, what came, what is expected and the remedy.

Shapes and dtypes are static, so they are checked even while JAX traces, before any compilation. Values
(NaN, labels out of range) can be looked at only in concrete arrays; while JAX traces they are unknown.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import remedies
from fnnets.core.keys import is_key as is_key
from fnnets.core.keys import keys as keys
from fnnets.core.looks import finite as finite
from fnnets.core.looks import on_host as on_host

if TYPE_CHECKING:
    from jaxtyping import PyTree

Number = int | float | jax.Array
LONGEST = 120
"""The most that a message shows of a value."""


def is_instance(value: object, kind: type, name: str, remedy: str) -> None:
    """Raise a TypeError unless `value` is a `kind`, whose fields are functions where functions are declared."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {shown(value)}, expected {kind.__name__}; {remedies.instead(value, kind, remedy)}")
    for field, annotation in getattr(kind, "__annotations__", {}).items():
        part, declared = getattr(value, field, None), str(getattr(annotation, "__forward_arg__", annotation))
        is_optional = part is None and declared.endswith("None")
        if declared.startswith("Callable[") and not callable(part) and not is_optional:
            raise TypeError(f"{name}: {field} is {shown(part)}, expected a function; give the {kind.__name__} one")


def is_function(value: object, name: str, remedy: str) -> None:
    """Raise a TypeError unless `value` can be called."""
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}, expected a function; {remedy}")


def shown(value: object) -> str:
    """For messages: a value and its type in one line; the type alone where the value takes more."""
    kind, text = type(value).__name__, repr(value)
    return f"of type {kind}" if "\n" in text or len(text) > LONGEST else f"{text} of type {kind}"


def is_concrete(value: object) -> bool:
    """Whether the values of an array are known, which they are not while JAX traces."""
    return not isinstance(value, jax.core.Tracer)


def number(value: object, name: str, remedy: str = "give a number") -> None:
    """Raise a TypeError unless `value` is one real number, of Python, NumPy or JAX."""
    if isinstance(value, jax.Array | np.ndarray | np.generic) and np.shape(value) == ():
        is_whole = jnp.issubdtype(value.dtype, jnp.integer) and value.dtype.kind != "m"
        is_real = value.dtype != bool and (is_whole or is_float(value.dtype))
    else:
        is_real = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_real:
        raise TypeError(f"{name} is {shown(value)}, expected a number; {remedy}")


def is_float(dtype: np.dtype) -> bool:
    """Whether JAX has such floats; it has none wider than float64."""
    return jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize <= 8


def choice(value: object, options: Sequence[object], name: str, remedy: str = "choose one") -> None:
    """Raise a ValueError unless `value` is one of the options; the remedy for a misspelt one is the nearest option.

    >>> choice("valdi", ("valid", "same"), "convolution: padding")
    Traceback (most recent call last):
    ValueError: convolution: padding is 'valdi', expected 'valid' or 'same'; write 'valid'
    """
    if any(type(value) is type(option) and value == option for option in options):
        return
    texts = {option.lower(): option for option in options if isinstance(option, str)}
    near = difflib.get_close_matches(value.lower(), texts, 1) if isinstance(value, str) else []
    *most, last = map(repr, options)
    remedy = f"write {texts[near[0]]!r}" if near else remedy
    kind = "" if isinstance(value, str) or value is None else f" of type {type(value).__name__}"
    came = "of several values" if "\n" in repr(value) else repr(value)
    raise ValueError(f"{name} is {came}{kind}, expected {', '.join(most)} or {last}; {remedy}")


def flag(value: object, name: str, remedy: str = "choose one", or_none: bool = False) -> None:
    """Raise a TypeError unless `value` is True or False, or None where that is one of the choices."""
    if not (isinstance(value, bool | np.bool_) or (or_none and value is None)):
        choices = "True, False or None" if or_none else "True or False"
        raise TypeError(f"{name} is {shown(value)}, expected {choices}; {remedy}")


def text(value: object, name: str, remedy: str = "write a text") -> None:
    """Raise a TypeError unless `value` is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}, expected a string; {remedy}")


def at_least(value: Number, least: int | float, name: str, remedy: str) -> None:
    """Raise unless `value` is a finite number ≥ `least`; a traced number passes, its value is unknown."""
    number(value, name, remedy)
    if is_concrete(value) and not (value >= least and math.isfinite(value)):
        bound = f" >= {least}" if math.isfinite(least) else ""
        raise ValueError(f"{name} is {value}, expected a finite number{bound}; {remedy}")


def above(value: Number, low: float, name: str, remedy: str) -> None:
    """Raise unless `value` is a finite number > `low`; a traced number passes, its value is unknown."""
    number(value, name, remedy)
    if is_concrete(value) and not (value > low and math.isfinite(value)):
        raise ValueError(f"{name} is {value}, expected a finite number > {low}; {remedy}")


def within(value: Number, low: float, high: float, name: str, remedy: str) -> None:
    """Raise unless `low` < `value` ≤ `high`; a traced number passes, its value is unknown."""
    number(value, name, remedy)
    if is_concrete(value) and not (low < value <= high):
        raise ValueError(f"{name} is {value}, expected a number in ({low}, {high}]; {remedy}")


def rate(value: Number, name: str) -> None:
    """Raise unless `value` is the probability of dropping a unit, in [0, 1); a traced one passes."""
    remedy = "it is the probability that a unit is dropped; 0 drops none"
    at_least(value, 0.0, name, remedy)
    if is_concrete(value) and not value < 1:
        raise ValueError(f"{name} is {value}, expected less than 1; {remedy}")


def count(value: object, name: str, remedy: str = "give a whole number", least: int = 1) -> int:
    """`value` as an int ≥ `least`; it may be an array without axes."""
    if isinstance(value, jax.Array | np.ndarray) and is_concrete(value) and np.shape(value) == ():
        value = np.asarray(value)[()]
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}, expected an int; {remedy}")
    if value < least:
        raise ValueError(f"{name} is {value}, expected at least {least}; {remedy}")
    return int(value)


def shape(value: object, name: str) -> tuple[int, ...]:
    """`value` as the shape of one example: a tuple of ints ≥ 1."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        raise TypeError(f"{name} is the number {value}, expected a tuple; write ({value},)")
    if not isinstance(value, tuple | list):
        remedy = "give the shape of one example, without the batch axis"
        raise TypeError(f"{name} is {shown(value)}, expected a tuple of ints; {remedy}")
    return tuple(count(size, f"{name}[{axis}]") for axis, size in enumerate(value))


def array(value: PyTree, name: str) -> PyTree:
    """`value` as an array of real numbers or bools, without copying one that is an array in the machine's byte order.

    Complex numbers and floats wider than float64 are refused: JAX would drop a part of them.
    """
    if value is None:
        raise TypeError(f"{name} is None, expected an array; give one")
    if np.ma.is_masked(value):
        raise TypeError(
            f"{name} is a masked array, whose masked values would be read, expected plain numbers; drop those "
            "examples, or write values in their place with filled(…)"
        )
    not_deleted(value, name)
    if isinstance(value, dict) or hasattr(value, "inputs"):
        own = f"its inputs, {name.split()[-1]}.inputs" if hasattr(value, "inputs") else "one of its values"
        raise TypeError(f"{name} is of type {type(value).__name__}, expected an array; give {own}")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields, own = " or ".join(f".{field}" for field in value._fields[:2]), type(value).__name__
        raise TypeError(f"{name} is of type {own}, expected an array; give a field of it, such as {fields}")
    if isinstance(value, np.ma.MaskedArray):  # nothing is masked, and JAX takes none
        value = value.filled()
    if not isinstance(value, jax.Array | np.ndarray):
        try:
            value = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise TypeError(
                f"{name} cannot be read as an array ({error}), expected numbers; give a rectangular array, as "
                "fnnets.data.pad makes of sequences"
            ) from None
    is_whole = jnp.issubdtype(value.dtype, jnp.integer) and value.dtype.kind != "m"  # NumPy's time spans are integers
    if value.dtype == bool or is_whole or is_float(value.dtype):
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))  # JAX takes no other
    came = f"{name} has dtype {value.dtype}, expected real numbers"
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise TypeError(f"{came}; give real and imaginary parts as features of their own")
    if jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(f"{came} of at most 64 bits; use astype(np.float64)")
    raise TypeError(f"{came}; {remedies.numbers(value, name)}")


def not_deleted(value: PyTree, name: str) -> None:
    """Raise a ValueError for an array whose memory JAX has given to another, by donation or `delete`."""
    if isinstance(value, jax.Array) and is_concrete(value) and value.is_deleted():
        raise ValueError(
            f"{name} is an array of shape {value.shape} that is deleted, expected one with values; make it anew, or "
            "keep a copy where jax.jit is given donate_argnums"
        )


def finite_leaves(tree: PyTree, name: str) -> None:
    """Raise unless every array of a tree is finite, naming its path; traced ones pass."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        finite(leaf if isinstance(leaf, jax.Array) else np.asarray(leaf), f"{name}{jax.tree_util.keystr(path)}")


def like(
    value: PyTree, expected: PyTree, name: str, remedy: str = "take the parameters from this network's init"
) -> None:
    """Raise unless `value` has the structure, the shapes and floats as `expected`, naming the first path that differs.

    Floats may be of another precision.
    """
    structures: list[PyTree] = [jax.tree.structure(tree) for tree in (value, expected)]
    if structures[0] != structures[1]:
        if _summary(value) == _summary(expected):
            raise ValueError(f"{name}{_other_container(value, expected)}; {remedy}")
        remedy = remedies.parameters(value, expected, remedy)
        raise ValueError(f"{name} has the structure {_summary(value)}, expected {_summary(expected)}; {remedy}")
    pairs = zip(jax.tree_util.tree_leaves_with_path(value), jax.tree.leaves(expected), strict=True)
    for (path, leaf), wanted in pairs:
        not_deleted(leaf, f"{name}{jax.tree_util.keystr(path)}")
        if np.shape(leaf) != wanted.shape:
            raise ValueError(
                f"{name}{jax.tree_util.keystr(path)} has shape {np.shape(leaf)}, expected {wanted.shape}; {remedy}"
            )
        if jnp.issubdtype(wanted.dtype, jnp.floating) and not is_float(jnp.result_type(leaf)):
            raise TypeError(
                f"{name}{jax.tree_util.keystr(path)} has dtype {jnp.result_type(leaf)}, expected floats as "
                f"{wanted.dtype}; convert it to float32"
            )


def is_optimizer(value: object, name: str) -> None:
    """Raise a TypeError unless `value` is an optax transformation."""
    if not (callable(getattr(value, "init", None)) and callable(getattr(value, "update", None))):
        called = callable(value) and str(getattr(value, "__module__", "")).startswith("optax")
        remedy = f"call it: optax.{getattr(value, '__name__', 'adam')}(1e-3)" if called else "write optax.adam(1e-3)"
        raise TypeError(f"{name} is {shown(value)}, expected an optax transformation; {remedy}")


def _other_container(value, expected) -> str:
    """The first place at which two trees with leaves of the same paths differ, and what stands there."""
    if type(value) is not type(expected):
        return f" is of type {type(value).__name__}, expected {type(expected).__name__}"
    if isinstance(value, tuple | list) and len(value) == len(expected):
        for i, (part, other) in enumerate(zip(value, expected, strict=True)):
            if jax.tree.structure(part) != jax.tree.structure(other):  # type: ignore[operator]
                return f"[{i}]{_other_container(part, other)}"
    return " has the structure that is expected but for parts without leaves, expected those too"


def _summary(tree) -> str:
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    shown = ", ".join(paths[:6]) + (", …" if len(paths) > 6 else "")
    return f"[{shown}] ({len(paths)} leaves)"

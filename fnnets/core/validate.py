"""Checks at the public boundary: each names the argument, what came, what is expected and the remedy.

Shapes and dtypes are static, so they are checked even while JAX traces, before any compilation. Values
(NaN, labels out of range) can be looked at only in concrete arrays; while JAX traces they are unknown.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core.types import Batch

if TYPE_CHECKING:
    from jaxtyping import PyTree

Number = int | float | jax.Array


def is_instance(value: object, kind: type, name: str, remedy: str) -> None:
    """Raise a TypeError unless `value` is a `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {_shown(value)}, expected {kind.__name__}; {remedy}")


def is_function(value: object, name: str, remedy: str) -> None:
    """Raise a TypeError unless `value` can be called."""
    if not callable(value):
        raise TypeError(f"{name} is {_shown(value)}, expected a function; {remedy}")


def _shown(value: object) -> str:
    """A value and its type in one line; the type alone where the value takes several."""
    kind, text = type(value).__name__, repr(value)
    return f"of type {kind}" if "\n" in text else f"{text} of type {kind}"


def is_concrete(value: object) -> bool:
    """Whether the values of an array are known, which they are not while JAX traces."""
    return not isinstance(value, jax.core.Tracer)


def _number(value, name):
    if isinstance(value, jax.Array | np.ndarray | np.generic) and np.shape(value) == ():
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}, expected a number")


def at_least(value: Number, least: int | float, name: str, remedy: str) -> None:
    """Raise unless `value` is a finite number ≥ `least`; a traced number passes, its value is unknown."""
    _number(value, name)
    if is_concrete(value) and not (value >= least and math.isfinite(value)):
        raise ValueError(f"{name} is {value}, expected a finite number >= {least}; {remedy}")


def above(value: Number, low: float, name: str, remedy: str) -> None:
    """Raise unless `value` is a finite number > `low`; a traced number passes, its value is unknown."""
    _number(value, name)
    if is_concrete(value) and not (value > low and math.isfinite(value)):
        raise ValueError(f"{name} is {value}, expected a finite number > {low}; {remedy}")


def within(value: Number, low: float, high: float, name: str, remedy: str) -> None:
    """Raise unless `low` < `value` ≤ `high`; a traced number passes, its value is unknown."""
    _number(value, name)
    if is_concrete(value) and not (low < value <= high):
        raise ValueError(f"{name} is {value}, expected a number in ({low}, {high}]; {remedy}")


def count(value: object, name: str, remedy: str = "give a whole number", least: int = 1) -> int:
    """`value` as an int ≥ `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}, expected an int; {remedy}")
    if value < least:
        raise ValueError(f"{name} is {value}, expected at least {least}; {remedy}")
    return int(value)


def shape(value: object, name: str) -> tuple[int, ...]:
    """`value` as the shape of one example: a tuple of ints ≥ 1."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        raise TypeError(f"{name} is the number {value}, expected a tuple; write ({value},)")
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} is {value!r}, expected a tuple of ints: the shape of one example, no batch axis")
    return tuple(count(size, f"{name}[{axis}]") for axis, size in enumerate(value))


def is_key(value: PyTree, name: str) -> None:
    """Raise a TypeError unless `value` is one PRNG key, typed or of the older uint32 kind."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key) and value.shape == ():
        return
    if isinstance(value, jax.Array) and value.dtype == jnp.uint32 and value.ndim == 1:
        return
    came = f"an array of shape {value.shape}, {value.dtype}" if hasattr(value, "dtype") else repr(value)
    raise TypeError(f"{name} is {came}, expected one PRNG key; make one with jax.random.key(0)")


def array(value: PyTree, name: str) -> PyTree:
    """`value` as an array of numbers, without copying one that is already an array."""
    if not isinstance(value, jax.Array | np.ndarray):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise TypeError(f"{name} cannot be read as an array ({error}); give a rectangular array") from None
    if not (jnp.issubdtype(value.dtype, jnp.number) or value.dtype == bool):
        raise TypeError(f"{name} has dtype {value.dtype}, expected numbers; convert it to float32")
    return value


def finite(value: PyTree | np.ndarray, name: str) -> None:
    """Raise unless every element is finite; a traced array passes, its values are unknown."""
    if not (is_concrete(value) and jnp.issubdtype(value.dtype, jnp.inexact)):
        return
    # A concrete array may be a constant of a function that JAX traces just now: look at it, do not trace that.
    # A sum is finite only if all its terms are; it reads a large data set four times as fast as isfinite.
    with jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        if np.isfinite(value.sum()):
            return
    good = np.isfinite(np.asarray(value, np.float64))
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        bad = int(good.size - good.sum())
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite, the first {np.asarray(value)[where]} at {where}, "
            "expected finite numbers; drop or impute those examples"
        )


def inputs(value: PyTree, input_shape: tuple[int, ...], name: str) -> PyTree:
    """`value` as a batch of examples of `input_shape`: rank, sizes and finite values checked."""
    value = array(value, name)
    wanted = "(N, " + ", ".join(map(str, input_shape)) + ")"
    if value.ndim == len(input_shape):
        raise ValueError(
            f"{name} has shape {value.shape}, expected {wanted} with the batch axis first; "
            + _missing_axis(value.shape, input_shape, name.split()[-1])
        )
    if value.ndim != len(input_shape) + 1:
        raise ValueError(
            f"{name} has {value.ndim} axes (shape {value.shape}), expected {len(input_shape) + 1}: {wanted}; "
            "reshape each example to that shape"
        )
    if value.shape[1:] != input_shape:
        raise ValueError(
            f"{name} has examples of shape {value.shape[1:]}, expected {input_shape}; "
            + _reshaping(value.shape[1:], input_shape)
        )
    finite(value, name)
    return value


def _missing_axis(came, wanted, name) -> str:
    if len(wanted) == 3 and came[1:] == wanted[:2] and wanted[2] == 1:
        return f"give each grey image its one channel with {name}[..., None]"
    return f"for a single example write {name}[None]"


def _reshaping(came, wanted) -> str:
    if len(came) == 3 and came == (wanted[-1], *wanted[:-1]):
        return "axis 1 holds the channels, which stand last: use jnp.moveaxis(inputs, 1, -1)"
    return "make the network for these examples, or reshape them"


def batch(
    value: Batch, input_shape: tuple[int, ...], output_shape: tuple[int, ...], labels: bool, name="batch"
) -> Batch:
    """A `Batch` whose inputs and targets fit the network, with both as arrays."""
    is_batch(value, name)
    examples = inputs(value.inputs, input_shape, f"{name}.inputs")
    if examples.shape[0] == 0:
        raise ValueError(f"{name}.inputs holds no examples, expected at least one; the mean cost of none is undefined")
    if value.mask is not None:
        raise ValueError(f"{name}.mask is given, but this network reads no sequences; leave mask=None")
    answers = targets(value.targets, examples.shape[:1], output_shape, labels, f"{name}.targets")
    dataset_size(value.dataset_size, name)
    return value._replace(inputs=examples, targets=answers)


def is_batch(value: object, name: str) -> None:
    """Raise a TypeError unless `value` has the fields of a `Batch`."""
    if not all(hasattr(value, field) for field in ("inputs", "targets", "mask", "dataset_size")):
        raise TypeError(f"{name} is of type {type(value).__name__}, expected fnnets.Batch(inputs, targets)")


def dataset_size(value: Number | None, name: str) -> None:
    """Raise unless a batch's `dataset_size` is None or a number ≥ 1; a traced number passes."""
    if value is not None and is_concrete(value):
        at_least(value, 1, f"{name}.dataset_size", "give the number of examples in the data set, or None")


def targets(value: PyTree, examples: tuple[int, ...], output_shape: tuple[int, ...], labels: bool, name: str) -> PyTree:
    """`value` as targets: (…, d) floats, or (…) labels where they are allowed; … is `examples`, (N,) or (T, N)."""
    value = given(value, name)
    wanted = (*examples, *output_shape)
    if value.ndim and value.shape[0] != examples[0]:
        raise ValueError(
            f"{name} holds {value.shape[0]} targets, expected {examples[0]}, one for each of the inputs; "
            "give both the same examples"
        )
    is_integer = jnp.issubdtype(value.dtype, jnp.integer)
    if labels and is_integer and value.shape == wanted[:-1]:
        in_range(value, output_shape[-1], name)
        return value
    if value.shape == wanted and not (labels and is_integer):
        finite(value, name)
        return value if not is_integer else jnp.asarray(value, jnp.result_type(float))
    raise ValueError(_targets_message(value, wanted, labels, is_integer, name))


def given(value: PyTree, name: str) -> PyTree:
    """`value` as an array, which must not be missing."""
    if value is None:
        raise ValueError(f"{name} is None, expected an answer for each example; this network learns from given targets")
    return array(value, name)


def in_domain(value: PyTree, domain: tuple[float, float], name: str) -> None:
    """Raise unless all numbers lie in `domain`; traced ones pass, their values are unknown."""
    low, high = domain
    if not is_concrete(value) or value.size == 0:
        return
    with jax.ensure_compile_time_eval():
        least, most = float(value.min()), float(value.max())
    if least < low or most > high:
        raise ValueError(
            f"{name} holds values from {least:g} to {most:g}, expected {low:g} to {high:g}: probabilities or states of "
            "binary units; scale the data, or make real-valued units ('gaussian', linear_squared_error)"
        )


def in_range(value: PyTree, classes: int, name: str) -> None:
    """Raise unless integer labels lie in 0 … classes − 1; traced labels pass, their values are unknown."""
    if not is_concrete(value) or value.size == 0:
        return
    with jax.ensure_compile_time_eval():
        low, high = int(value.min()), int(value.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} holds labels from {low} to {high}, expected 0 to {classes - 1}; "
            f"give the network an output for each class, or renumber the labels"
        )


def like(
    value: PyTree, expected: PyTree, name: str, remedy: str = "take the parameters from this network's init"
) -> None:
    """Raise unless `value` has the structure and the shapes of `expected`, naming the first path that differs."""
    structures: list[PyTree] = [jax.tree.structure(tree) for tree in (value, expected)]
    if structures[0] != structures[1]:
        raise ValueError(f"{name} has the structure {_summary(value)}, expected {_summary(expected)}; {remedy}")
    pairs = zip(jax.tree_util.tree_leaves_with_path(value), jax.tree.leaves(expected), strict=True)
    for (path, leaf), wanted in pairs:
        if np.shape(leaf) != wanted.shape:
            raise ValueError(
                f"{name}{jax.tree_util.keystr(path)} has shape {np.shape(leaf)}, expected {wanted.shape}; {remedy}"
            )


def _summary(tree) -> str:
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    shown = ", ".join(paths[:6]) + (", …" if len(paths) > 6 else "")
    return f"[{shown}] ({len(paths)} leaves)"


def _targets_message(value, wanted, labels, is_integer, name) -> str:
    came = f"{name} has shape {value.shape} and dtype {value.dtype}"
    if labels and is_integer and value.shape == wanted:
        return (
            f"{came}: one-hot rows of integers, expected floats of that shape or labels of shape {wanted[:-1]}; "
            "use targets.argmax(-1)"
        )
    if labels and value.shape == wanted[:-1]:
        return f"{came}, expected integers for labels of shape {wanted[:-1]}; use targets.astype(int)"
    if is_integer and value.shape == wanted[:-1]:
        return (
            f"{came}: labels, but this objective takes floats of shape {wanted}; "
            f"use jax.nn.one_hot(targets, {wanted[-1]})"
        )
    also = f" or integer labels of shape {wanted[:-1]}" if labels else ""
    return f"{came}, expected floats of shape {wanted}{also}; give each example one target for each output"

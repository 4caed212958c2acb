"""Checks of examples: the inputs, targets and labels that a network is given, before anything is compiled.

Shapes and dtypes are static, so they are checked even while JAX traces. Values (NaN, labels out of range, targets
outside their objective's domain) can be looked at only in concrete arrays; while JAX traces they are unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import advice, validate
from fnnets.core.types import Batch, Objective
from fnnets.core.validate import array, at_least, finite, is_concrete, is_float, on_host

if TYPE_CHECKING:
    from jaxtyping import PyTree

SUM_ERROR = 0.01  # of the sum of a distribution, as rounded probabilities have it


def inputs(value: PyTree, input_shape: tuple[int, ...], name: str) -> PyTree:
    """`value` as a batch of examples of `input_shape`: rank, sizes and finite values checked."""
    value = array(value, name)
    wanted = "(N, " + ", ".join(map(str, input_shape)) + ")"
    if value.ndim == len(input_shape):
        raise ValueError(
            f"{name} has shape {value.shape}, expected {wanted} with the batch axis first; "
            + advice.examples(value.shape, input_shape, name.split()[-1])
        )
    if value.ndim != len(input_shape) + 1:
        raise ValueError(
            f"{name} has {value.ndim} axes (shape {value.shape}), expected {len(input_shape) + 1}: {wanted}; "
            + advice.examples(value.shape, input_shape, name.split()[-1])
        )
    if value.shape[1:] != input_shape:
        raise ValueError(
            f"{name} has examples of shape {value.shape[1:]}, expected {input_shape}; "
            + advice.examples(value.shape, input_shape, name.split()[-1])
        )
    value = fitting(value, name)
    finite(value, name)
    return value


def batch(
    value: Batch,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    objective: Objective,
    name: str = "batch",
    is_own_target: bool = False,
) -> Batch:
    """A `Batch` whose inputs and targets fit the network, with both as arrays; the inputs may be the targets."""
    is_batch(value, name)
    examples = inputs(value.inputs, input_shape, f"{name}.inputs")
    if examples.shape[0] == 0:
        raise ValueError(
            f"{name}.inputs holds no examples, expected at least one: the mean cost of none is undefined; give some"
        )
    no_mask(value.mask, name)
    given, field = (examples, "inputs") if is_own_target else (value.targets, "targets")
    answers = targets(given, examples.shape[:1], output_shape, objective, f"{name}.{field}")
    dataset_size(value.dataset_size, name)
    return value._replace(inputs=examples, targets=answers, weights=weights(value, [examples.shape[:1]], name))


def is_batch(value: object, name: str) -> None:
    """Raise a TypeError unless `value` has the fields of a `Batch`."""
    if all(hasattr(value, field) for field in Batch._fields):
        return
    own = name.split()[-1]
    remedy = "write fnnets.Batch(inputs, targets)"
    if isinstance(value, tuple | list) and len(value) == 2:
        remedy = f"write fnnets.Batch(*{own})"
    if isinstance(value, dict) and {"inputs"} <= set(value) <= set(Batch._fields):
        remedy = f"write fnnets.Batch(**{own})"
    came = f"{value!r} of type {type(value).__name__}" if np.isscalar(value) else f"of type {type(value).__name__}"
    raise TypeError(f"{name} is {came}, expected a fnnets.Batch; {remedy}")


def no_mask(value: object, name: str) -> None:
    """Raise a ValueError where examples that are no sequences have a mask; `name` is the batch's or the mask's."""
    if value is not None:
        name = name if name.endswith("mask") else f"{name}.mask"
        raise ValueError(f"{name} is given, but this network reads no sequences, expected None; leave mask=None")


def weights(value: Batch, shapes: list[tuple[int, ...]], name: str) -> PyTree:
    """The weights of a batch as floats ≥ 0 of one of the `shapes`, not all of them 0; None where there are none."""
    name, given = f"{name}.weights", value.weights
    if given is None:
        return None
    given, wanted = array(given, name), " or ".join(map(str, shapes))
    if given.shape not in shapes:
        raise ValueError(f"{name} has shape {given.shape}, expected {wanted}; give each example one number")
    given = fitting(given, name) if is_float(given.dtype) else given.astype(jnp.result_type(float))
    finite(given, name)
    if is_concrete(given):
        least, most = _extremes(given)
        if least < 0:
            raise ValueError(f"{name} holds numbers from {least:g} on, expected numbers >= 0; 0 leaves an example out")
        if most == 0 and value.total_weight is None:
            raise ValueError(f"{name} are all 0, expected one above 0: the mean of nothing is undefined; give some")
    return given


def dataset_size(value: validate.Number | None, name: str) -> None:
    """Raise unless a batch's `dataset_size` is None or a number ≥ 1; a traced number passes."""
    if value is not None and is_concrete(value):
        at_least(value, 1, f"{name}.dataset_size", "give the number of examples in the data set, or None")


def targets(
    value: PyTree,
    examples: tuple[int, ...],
    output_shape: tuple[int, ...],
    objective: Objective,
    name: str,
    mask: PyTree = None,
) -> PyTree:
    """`value` as targets: (…, d) floats, or (…) labels where they are allowed; … is `examples`, (N,) or (T, N).

    Their values lie in the objective's domain, but for those of padded steps, which only have to be finite.
    """
    value = given(value, name)
    wanted = (*examples, *output_shape)
    if value.ndim and value.shape[0] != examples[0]:
        raise ValueError(
            f"{name} holds {value.shape[0]} targets, expected {examples[0]}, one for each of the inputs; "
            "give both the same examples"
        )
    is_integer = jnp.issubdtype(value.dtype, jnp.integer)
    if objective.labels and is_integer and value.shape == wanted[:-1]:
        in_range(value, output_shape[-1], name, mask)
        return value
    finite(value, name)
    if value.shape != wanted or (objective.labels and is_integer):
        raise ValueError(advice.targets(value, wanted, objective.labels, is_integer, name))
    value = jnp.asarray(value, jnp.result_type(float)) if is_integer else fitting(value, name)
    in_domain_of(objective, value, name, mask)
    return value


def given(value: PyTree, name: str) -> PyTree:
    """`value` as an array, which must not be missing."""
    if value is None:
        raise ValueError(
            f"{name} is None, expected an answer for each example, as this network learns from given targets; "
            "write fnnets.Batch(inputs, targets)"
        )
    return array(value, name)


def fitting(value: PyTree, name: str) -> PyTree:
    """`value` in floats where its dtype has more bits than JAX gives it now, which would wrap or overflow silently.

    Raises:
        ValueError: finite numbers that are infinite in float32.

    >>> fitting(np.array([2**32 + 3]), "x").tolist()                                         # 3 as an int32
    [4294967296.0]
    """
    if isinstance(value, jax.Array) or jax.dtypes.canonicalize_dtype(value.dtype) == value.dtype:
        return value
    with np.errstate(over="ignore", invalid="ignore"):
        floats = value.astype(jnp.result_type(float))
        is_finite = np.isfinite(floats.sum())
    if not is_finite and not np.isfinite(floats).all() and np.isfinite(value).all():
        raise ValueError(
            f"{name} holds numbers up to {np.abs(value).max():g}, expected at most {np.finfo(floats.dtype).max:g}, as "
            f"{floats.dtype} holds; scale them, or set jax_enable_x64 first"
        )
    return floats


def whole(value: PyTree, name: str, dtype: type | None = None) -> PyTree:
    """Integers in JAX's own, or as `dtype`, with a ValueError for those that would wrap; floats as from `fitting`.

    >>> whole(np.array([2**32 + 3]), "x")
    Traceback (most recent call last):
    ValueError: x holds whole numbers from 4294967299 to 4294967299, expected -2147483648 to 2147483647, as int32 holds;
    renumber them, or set jax_enable_x64 first
    """
    if not jnp.issubdtype(value.dtype, jnp.integer):
        return fitting(value, name)
    wanted = np.dtype(dtype or jax.dtypes.canonicalize_dtype(value.dtype))
    if value.dtype == wanted or value.size == 0 or not is_concrete(value):
        return value.astype(wanted)
    limits, (low, high) = np.iinfo(wanted), _extremes(value)
    if low < limits.min or high > limits.max:
        remedy = "renumber them" if dtype else "renumber them, or set jax_enable_x64 first"
        raise ValueError(
            f"{name} holds whole numbers from {low} to {high}, expected {limits.min} to {limits.max}, as {wanted} "
            f"holds; {remedy}"
        )
    return value.astype(wanted)


def in_domain_of(objective: Objective, value: PyTree, name: str, mask: PyTree = None) -> None:
    """Raise unless targets lie in the objective's domain, and where it has distributions unless each row sums to 1.

    Traced targets pass, their values are unknown. Sums may be wrong by `SUM_ERROR`.
    """
    if objective.domain is None or not is_concrete(value) or value.size == 0:
        return
    value = _real(value, mask)
    in_domain(value, objective.domain, name, objective.is_distribution)
    if not objective.is_distribution:
        return
    with jax.ensure_compile_time_eval():
        sums = np.asarray(value.sum(axis=-1), np.float64)
    wrong = np.abs(sums - 1) > SUM_ERROR
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} holds {int(wrong.sum())} rows that are no distributions, the first at {where} with the sum "
            f"{sums[where]:g}, expected 1 for {objective.name}; {advice.rows(np.asarray(value), sums)}"
        )


def in_domain(value: PyTree, domain: tuple[float, float], name: str, are_rows: bool = False) -> None:
    """Raise unless all numbers lie in `domain`, of which rows may be distributions; traced ones pass, being unknown."""
    low, high = domain
    if not is_concrete(value) or value.size == 0:
        return
    least, most = _extremes(value)
    if least < low or most > high:
        remedy = advice.domain(least, most, domain, name.split(".")[-1].split()[-1], are_rows)
        raise ValueError(
            f"{name} holds values from {least:g} to {most:g}, expected {low:g} to {high:g}: probabilities or states of "
            f"binary units; {remedy}"
        )


def in_range(value: PyTree, classes: int, name: str, mask: PyTree = None) -> None:
    """Raise unless integer labels lie in 0 … classes − 1; traced labels pass, and those of padded steps."""
    if not is_concrete(value) or value.size == 0:
        return
    value = _real(value, mask)
    low, high = map(int, _extremes(value)) if value.size else (0, 0)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} holds labels from {low} to {high}, expected 0 to {classes - 1}; "
            + advice.labels(low, high, classes)
        )


def hold(objective: Objective, y: PyTree, outputs: int, mask: PyTree = None) -> PyTree:
    """Whether targets lie in the objective's domain, as `targets` has it: a traced bool, for programs."""
    if jnp.issubdtype(y.dtype, jnp.integer) and objective.labels:
        good = (y >= 0) & (y < outputs)
    else:
        good = lies_in(objective.domain, y).all(axis=-1)
        if objective.is_distribution:
            good &= jnp.abs(y.astype(jnp.float32).sum(axis=-1) - 1) <= SUM_ERROR
    return (good if mask is None else good | ~mask).all()


def lies_in(domain: tuple[float, float] | None, x: PyTree) -> PyTree:
    """For each number whether it lies in the domain, NaN in none; traced bools, for programs."""
    low, high = (-jnp.inf, jnp.inf) if domain is None else domain
    x = x if is_float(x.dtype) else x.astype(jnp.float32)
    return (x >= low) & (x <= high)


def _real(value: PyTree, mask: PyTree) -> PyTree:
    """The values at real steps."""
    has_steps = mask is not None and is_concrete(mask) and value.shape[:2] == mask.shape
    return np.asarray(value)[np.asarray(mask)] if has_steps else value


def _extremes(value: PyTree) -> tuple[int | float, int | float]:
    with jax.ensure_compile_time_eval():
        near = on_host(value)
        return near.min().item(), near.max().item()

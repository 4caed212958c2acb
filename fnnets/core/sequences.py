"""Sequences: the axis that counts them, masks, and the checks of their batches.

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (T, N, …), time-major |
| y | `batch.targets` | (T, N, d) or (T, N) labels; (N, d) or (N,) for one answer a sequence |
| real steps | `batch.mask` | (T, N) bool; None where nothing is padded |
| w | `batch.weights` | (N,), or (T, N) with answers at every step; None for 1 |
| what a layer does with time | `layer.time` | `fnnets.core.types.Time` |

Their costs are averaged by `fnnets.core.averages`. A chain composes what its layers do with time, and a network reads
from it along which axis its examples lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, validate
from fnnets.core.types import Batch, Context, Layer, Objective, Time

if TYPE_CHECKING:
    from jaxtyping import PyTree


class Axes(NamedTuple):
    """The axes of inputs (and mask) and of targets that count the examples."""

    inputs: int
    targets: int


def axes(time: Time) -> Axes:
    """The axes of examples for a network whose layer does `time` with time.

    >>> axes("pointwise"), axes("sequence to sequence"), axes("sequence to vector")
    (Axes(inputs=0, targets=0), Axes(inputs=1, targets=1), Axes(inputs=1, targets=0))
    """
    return Axes(int(time != "pointwise"), int(time == "sequence to sequence"))


def axes_of_fields(time: Time, weights: PyTree = None) -> tuple[int, int, int, int]:
    """The axes of examples of a batch's inputs, targets, mask and weights, which may be of steps.

    >>> axes_of_fields("sequence to vector")
    (1, 0, 1, 0)
    """
    where = axes(time)
    return where.inputs, where.targets, where.inputs, 0 if weights is None else weights.ndim - 1


def count(time: Time, batch: PyTree) -> int:
    """N, the number of examples in a batch, or in a source of `fnnets.data.stream`.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> count("sequence to sequence", fn.Batch(jnp.ones((7, 3, 2)), jnp.ones((7, 3, 1))))
    3
    """
    return batch.inputs.shape[axes(time).inputs]


def take(time: Time, batch: Batch, indices: PyTree) -> Batch:
    """The examples at `indices` (which lie in range): inputs, targets and mask.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> batch = fn.Batch(jnp.arange(6.0).reshape(2, 3, 1), jnp.array([4, 5, 6]))
    >>> part = take("sequence to vector", batch, jnp.array([2]))
    >>> part.inputs.ravel().tolist(), part.targets.tolist()
    ([2.0, 5.0], [6])
    """
    where = axes(time)

    def chosen(array, axis):
        return (
            None
            if array is None
            else jnp.asarray(array).at[(slice(None),) * axis + (indices,)].get(mode="promise_in_bounds")
        )

    return batch._replace(
        inputs=chosen(batch.inputs, where.inputs),
        targets=chosen(batch.targets, where.targets),
        mask=chosen(batch.mask, where.inputs),
        weights=chosen(batch.weights, 0 if batch.weights is None else batch.weights.ndim - 1),
    )


def span(time: Time, batch: Batch, start: PyTree, size: int) -> Batch:
    """`size` examples from `start` on, a slice: what `take` would gather one by one.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> batch = fn.Batch(jnp.arange(6.0).reshape(2, 3, 1), jnp.array([4, 5, 6]))
    >>> span("sequence to vector", batch, 1, 2).targets.tolist()
    [5, 6]
    """
    where = axes(time)

    def cut(array, axis):
        if array is None:
            return None
        return jax.lax.dynamic_slice_in_dim(jnp.asarray(array), start, size, axis)

    return batch._replace(
        inputs=cut(batch.inputs, where.inputs),
        targets=cut(batch.targets, where.targets),
        mask=cut(batch.mask, where.inputs),
        weights=cut(batch.weights, 0 if batch.weights is None else batch.weights.ndim - 1),
    )


def composed(times: Sequence[Time], names: Sequence[str]) -> Time:
    """The treatment of time by layers one after another.

    Raises:
        ValueError: a layer needs time that one before it has dropped.

    >>> composed(["sequence to sequence", "pointwise", "sequence to vector"], list("abc"))
    'sequence to vector'
    """
    time: Time = "pointwise"
    for position, (each, name) in enumerate(zip(times, names, strict=True)):
        if time == "sequence to vector" and each != "pointwise":
            raise ValueError(
                f"chain: part {position}, {name}, reads sequences, but a part before it gives one answer for each; "
                "put it before that, or let that part answer at every step"
            )
        time = time if each == "pointwise" else each
    return time


def inputs(value: PyTree, input_shape: tuple[int, ...], name: str) -> PyTree:
    """`value` as a batch of sequences (T, N, …): rank, sizes and finite values checked."""
    value = validate.array(value, name)
    wanted = "(T, N, " + ", ".join(map(str, input_shape)) + ")"
    if value.ndim != len(input_shape) + 2:
        own, one = name.split()[-1], ""
        if value.ndim and value.shape[1:] == input_shape:
            one = f"; for a single sequence write {own}[:, None]"
        elif value.ndim == 2 and input_shape == (1,):
            one = f"; give each step its one feature with {own}[..., None]"
        elif value.ndim == 2 and jnp.issubdtype(value.dtype, jnp.integer):
            one = f"; for codes of symbols write fnnets.data.one_hot({own}, {input_shape[-1]})"
        raise ValueError(
            f"{name} has {value.ndim} axes (shape {value.shape}), expected {len(input_shape) + 2}: {wanted}, "
            f"time-major{one or '; reshape each step to that shape'}"
        )
    if value.shape[2:] != input_shape:
        raise ValueError(
            f"{name} has steps of shape {value.shape[2:]}, expected {input_shape}; sequences are time-major {wanted}: "
            "make the network for these steps, or reshape them"
        )
    if value.shape[0] == 0:
        raise ValueError(f"{name} has shape {value.shape}: T = 0 steps, expected at least one; leave those out")
    value = arrays.fitting(value, name)
    validate.finite(value, name)
    return value


def mask(value: PyTree, shape: tuple[int, ...], name: str) -> PyTree:
    """`value` as the (T, N) bool mask of these sequences, none of them all padding; None stays None."""
    if value is None:
        return None
    value = validate.array(value, name)
    if value.shape != shape or value.dtype != bool:
        raise _mask_error(value, shape, name)
    if validate.is_concrete(value) and value.size:
        real = np.asarray(value).any(axis=0)
        if not real.all():
            raise ValueError(
                f"{name} marks every step of sequence {int(np.argmin(real))} as padding, expected at least one real "
                "step in each; leave empty sequences out"
            )
    return value


def _mask_error(value: PyTree, shape: tuple[int, ...], name: str) -> Exception:
    """What is wrong with a mask of another shape or dtype, and the remedy."""
    came = f"{name} has shape {value.shape}, expected {shape}, (T, N) as the inputs"
    if value.shape == shape:
        is_binary = not validate.is_concrete(value) or bool(np.isin(np.asarray(value), (0, 1)).all())
        remedy = "use mask.astype(bool)" if is_binary else "write mask > 0 if its numbers are weights"
        return TypeError(f"{name} has dtype {value.dtype}, expected bool, True at real steps; {remedy}")
    if value.shape == shape[1:] and jnp.issubdtype(value.dtype, jnp.integer):
        return ValueError(f"{came}; write jnp.arange({shape[0]})[:, None] < mask for lengths")
    if value.shape == shape[::-1]:
        return ValueError(f"{came}; it looks batch-major: use mask.T")
    return ValueError(f"{came}; fnnets.data.pad makes both")


def batch(
    value: Batch, input_shape: tuple[int, ...], output_shape: tuple[int, ...], objective: Objective, name, time
) -> Batch:
    """A `Batch` of sequences that fit the network, with inputs, targets and mask as arrays."""
    arrays.is_batch(value, name)
    xs = inputs(value.inputs, input_shape, f"{name}.inputs")
    steps, examples = xs.shape[:2]
    if examples == 0:
        raise ValueError(
            f"{name}.inputs holds no sequences, expected at least one: the mean cost of none is undefined; give some"
        )
    padding = mask(value.mask, xs.shape[:2], f"{name}.mask")
    several = [(examples,), xs.shape[:2]] if time == "sequence to sequence" else [(examples,)]
    weights = arrays.weights(value, several, name)
    wanted = (steps, examples) if time == "sequence to sequence" else (examples,)
    answers = arrays.given(value.targets, f"{name}.targets")
    if answers.shape[: len(wanted)] != wanted:
        raise ValueError(_targets_message(answers.shape, xs.shape, wanted, time, name))
    answers = arrays.targets(answers, wanted, output_shape, objective, f"{name}.targets", padding)
    arrays.dataset_size(value.dataset_size, name)
    return value._replace(
        inputs=jnp.asarray(xs), targets=answers, mask=None if padding is None else jnp.asarray(padding), weights=weights
    )


def _targets_message(came, xs, wanted, time, name) -> str:
    steps, examples = xs[:2]
    every = "one for each step of each sequence" if time == "sequence to sequence" else "one for each sequence"
    text = f"{name}.targets have shape {came} for inputs of shape {xs}, expected {wanted} first: {every}; "
    if time == "sequence to sequence" and came[:2] == (examples, steps):
        return text + "use jnp.swapaxes(targets, 0, 1) if these are batch-major, else of the inputs: (T, N, …)"
    if time == "sequence to vector" and came[:1] == (steps,):
        return text + "the inputs look batch-major: use jnp.swapaxes(inputs, 0, 1) as sequences are (T, N, …)"
    return text + "give targets of the same length and of the same sequences"


def check_layer(
    layer: Layer, params: PyTree, input_shape: tuple[int, ...], output_shape: tuple[int, ...], context: Context
):
    """Raise unless the layer takes (N, …), or (T, N, …), to the shape that its `init` and its `time` announce.

    Layers that read (N, …) alone, such as `flatten` and `convolution`, would take time for the batch.
    """
    steps, examples = 1, 2
    wanted = ((steps,) if layer.time == "sequence to sequence" else ()) + (examples, *output_shape)
    leading: tuple[int, ...] = (steps, examples)
    what, remedy = "sequences (T, N, …)", "one of its parts reads examples without a time axis: leave it out"
    if not layer.is_sequential:
        leading, what = (examples,), "examples (N, …)"
        remedy = "correct the output_shape that its init returns, or its forward"
    x = jax.ShapeDtypeStruct((*leading, *input_shape), jnp.result_type(float))
    try:
        y = jax.eval_shape(lambda params, x: layer.forward(params, x, context)[0], params, x)
    except ValueError as error:
        raise ValueError(f"network: layer does not take {what} = {x.shape} ({error}); {remedy}") from None
    if y.shape != wanted:
        raise ValueError(f"network: layer takes {what} = {x.shape} to {y.shape}, expected {wanted}; {remedy}")

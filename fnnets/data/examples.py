"""Data sets whose examples are taken apart: checks of them, and some of their rows.

Examples lie along the first axis; with `sequences` along the second, as time-major sequences do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, validate
from fnnets.core.types import Batch

if TYPE_CHECKING:
    from jaxtyping import PyTree


def checked(batch: Batch, name: str, sequences: bool | None = False) -> Batch:
    """`batch` as arrays, examples along the first axis, or the second: at least one, each with a target if any has.

    Raises:
        TypeError: it is no `Batch`.
        ValueError: it is empty, inputs and targets differ in number, or it is a padded batch of sequences
            without `sequences`.

    >>> checked(Batch([[1.0], [2.0]], [0, 1]), "batch").inputs.shape
    (2, 1)
    """
    validate.is_instance(batch, Batch, name, "give fnnets.Batch(inputs, targets)")
    if batch.mask is not None and not sequences:
        raise ValueError(
            f"{name}.mask is given, expected None: examples along the first axis; give sequences=True where there "
            "is that argument, or do this before padding"
        )
    inputs = validate.array(batch.inputs, f"{name}.inputs")
    targets = None if batch.targets is None else validate.array(batch.targets, f"{name}.targets")
    mask = None if batch.mask is None else validate.array(batch.mask, f"{name}.mask")
    batch = Batch(inputs, targets, mask, weights=batch.weights)
    if sequences is None and inputs.ndim == 3 and is_timed(batch):
        raise ValueError(
            f"{name} has inputs of shape {inputs.shape} and targets of shape {batch.targets.shape}, as time-major "
            "sequences with a target for each step have; write sequences=True for these, sequences=False for examples "
            "along the first axis"
        )
    sequences = bool(sequences)
    if inputs.ndim <= sequences or 0 in inputs.shape[: 1 + sequences]:
        wanted = "(T, N, …) with T, N >= 1" if sequences else "(N, …) with N >= 1"
        raise ValueError(f"{name}.inputs has shape {inputs.shape}, expected {wanted}; give it examples")
    if targets is not None:
        _check_targets(batch, name, sequences)
    if mask is not None and (mask.shape != inputs.shape[:2] or mask.dtype != bool):
        raise ValueError(
            f"{name}.mask has shape {mask.shape} and dtype {mask.dtype}, expected bool of shape {inputs.shape[:2]}; "
            "give the inputs' own mask"
        )
    shapes = [(number(batch, sequences),), *([inputs.shape[:2]] if sequences else [])]
    return batch._replace(weights=arrays.weights(batch, shapes, name))


def _check_targets(batch: Batch, name: str, sequences: bool) -> None:
    """Raise unless there is a target for each example, or for each step of each sequence."""
    n, shape, came = number(batch, sequences), batch.inputs.shape, batch.targets.shape
    if (sequences and is_timed(batch)) or came[:1] == (n,):
        return
    also = f" or ({shape[0]}, {n}, …)" if sequences else ""
    remedy = "give both the same examples"
    if not sequences and len(shape) >= 3 and came[:1] == shape[1:2]:
        remedy = (
            f"give sequences=True where there is that argument, if inputs of shape {shape} are time-major sequences"
        )
    raise ValueError(f"{name}.targets has shape {came}, expected ({n}, …){also}, one for each of the inputs; {remedy}")


def check_key(key: jax.Array, name: str) -> None:
    """Raise unless `key` is one PRNG key whose numbers are known, from which NumPy chooses.

    Raises:
        TypeError: it is none, or JAX traces it.
    """
    validate.is_key(key, name)
    known(key, name)


def known(drawn: PyTree, name: str) -> PyTree:
    """What was drawn from a key, as NumPy's; a key is left as it is.

    Raises:
        TypeError: JAX traces it, or the function that draws.
    """
    if not validate.is_concrete(drawn):
        raise TypeError(
            f"{name} is used while JAX traces, expected one that is known: data are drawn on the host; call outside jit"
        )
    return drawn if jnp.issubdtype(drawn.dtype, jax.dtypes.prng_key) else np.asarray(drawn)


def rows_of(batch: Batch, rows: np.ndarray, sequences: bool | None = False) -> Batch:
    """The examples of those rows, or those sequences, as a data set of their own.

    >>> rows_of(Batch(np.array([[1.0], [2.0]]), np.array([0, 1])), np.array([1])).targets.tolist()
    [1]
    """
    weights = None if batch.weights is None else batch.weights[..., rows]
    if not sequences:
        return Batch(batch.inputs[rows], None if batch.targets is None else batch.targets[rows], weights=weights)
    targets = batch.targets
    if targets is not None:
        targets = targets[:, rows] if is_timed(batch) else targets[rows]
    mask = None if batch.mask is None else batch.mask[:, rows]
    return Batch(batch.inputs[:, rows], targets, mask, weights=weights)


def number(batch: Batch, sequences: bool | None) -> int:
    """How many examples there are, along the first axis or the second."""
    return batch.inputs.shape[1 if sequences else 0]


def is_timed(batch: Batch) -> bool:
    """Whether the targets of sequences have a time axis."""
    return batch.targets is not None and batch.targets.ndim >= 2 and batch.targets.shape[:2] == batch.inputs.shape[:2]

"""The examples of two batches as one batch, along the axes that count them.

    (T, N, …) and (T', M, …)   to   (max(T, T'), N + M, …), the shorter ones padded with zeros, which a mask tells

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (N, …) or (T, N, …) |
| y | `batch.targets` | (N, …), or (T, N, …) for an answer at each step |
| real steps | `batch.mask` | (T, N) bool |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import sequences
from fnnets.core.types import Batch, Time

if TYPE_CHECKING:
    from jaxtyping import PyTree


def join(time: Time, first: Batch, second: Batch, name: str = "second") -> Batch:
    """The examples of two batches that fit one network, whose layer does `time` with time: first those of `first`.

    Where one of two has a mask, all steps of the other are real. The size of the data set is the sum of both where one
    is given.

    Raises:
        ValueError: targets of two kinds, labels and rows of numbers, or given in one alone; `name` is the second's.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> short, long = (fn.Batch(jnp.ones((steps, 2, 3)), jnp.array([0, 1])) for steps in (4, 5))
    >>> both = join("sequence to vector", short, long)
    >>> both.inputs.shape, both.targets.tolist(), both.mask.sum(axis=0).tolist()
    ((5, 4, 3), [0, 1, 0, 1], [4, 4, 5, 5])
    """
    check(first, second, name)
    where, pair = sequences.axes(time), [first, second]
    if time != "pointwise":
        steps = [batch.inputs.shape[0] for batch in pair]
        if steps[0] != steps[1] or any(batch.mask is not None for batch in pair):
            pair = [_padded(time, batch, max(steps)) for batch in pair]
    sizes = [sequences.count(time, batch) if batch.dataset_size is None else batch.dataset_size for batch in pair]
    return Batch(
        _both([batch.inputs for batch in pair], where.inputs),
        _both([batch.targets for batch in pair], where.targets),
        _both([batch.mask for batch in pair], where.inputs),
        None if first.dataset_size is None and second.dataset_size is None else sum(sizes),
        _weights(time, pair),
    )


def _weights(time: Time, pair: list[Batch]) -> PyTree:
    """The weights of both, 1 where one of them has none; (T, N) if one has them at every step."""
    if all(batch.weights is None for batch in pair):
        return None
    found = [
        jnp.ones(sequences.count(time, batch), jnp.result_type(float)) if batch.weights is None else batch.weights
        for batch in pair
    ]
    if any(weights.ndim == 2 for weights in found):
        found = [
            jnp.broadcast_to(weights, (batch.inputs.shape[0], weights.shape[-1]))
            for weights, batch in zip(found, pair, strict=True)
        ]
    return _both(found, found[0].ndim - 1)


def check(first: Batch, second: Batch, name: str) -> None:
    """Raise a ValueError unless the targets of two batches that fit one network are of one kind."""
    kinds = ["None" if y is None else f"of {np.ndim(y)} axes" for y in (first.targets, second.targets)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"{name}.targets are {kinds[1]}, expected {kinds[0]} as those that they follow; give both labels, or both "
            "rows of numbers"
        )


def _both(parts, axis: int) -> PyTree:
    if parts[0] is None:
        return None
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.promote_types(*(jax.dtypes.canonicalize_dtype(part.dtype) for part in parts))
    return jnp.concatenate([jnp.asarray(part, dtype) for part in parts], axis)


def _padded(time: Time, batch: Batch, steps: int) -> Batch:
    """The batch with a mask, and zeros up to so many steps."""
    mask = jnp.ones(batch.inputs.shape[:2], bool) if batch.mask is None else batch.mask

    def longer(array):
        missing = steps - array.shape[0]
        return jnp.pad(jnp.asarray(array), ((0, missing),) + ((0, 0),) * (array.ndim - 1))

    has_steps = time == "sequence to sequence" and batch.targets is not None
    targets = longer(batch.targets) if has_steps else batch.targets
    weights = batch.weights
    weights = longer(weights) if weights is not None and weights.ndim == 2 else weights
    return batch._replace(inputs=longer(batch.inputs), targets=targets, mask=longer(mask), weights=weights)

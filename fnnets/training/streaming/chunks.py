"""Chunks of a stream: minibatches of one shape, on the device or cut over several.

A minibatch that the devices do not divide is filled up with zeros, which are cut off again on the devices.

| symbol | name in code | shape |
|---|---|---|
| K minibatches | `Chunk.batch` | (K, …), the minibatch's axes after the first |
| minibatches before them in the epoch | `Chunk.first` | () |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from fnnets.core.devices import DATA
from fnnets.core.types import Batch

if TYPE_CHECKING:
    from jaxtyping import Array

CHUNK_BYTES = 2**23  # what stays in the caches of a CPU, and hides a call


class Chunk(NamedTuple):
    """K minibatches on the device.

    Attributes:
        batch: leaves (K, …).
        size: examples in a minibatch, in all processes together.
        dataset_size: n of the penalty, None where it is unknown.
        first: minibatches of the epoch before this chunk.
        rows: (K, B) rows of the source; None of an iterable.
    """

    batch: Batch
    size: int
    dataset_size: int | None
    first: int
    rows: np.ndarray | None = None


def placed(read: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, axis: int, placement) -> Array:
    """The arrays of `read` at `rows`, (K, …, B, …) on the device, or with B filled up and cut over the devices."""
    if placement is None:
        return jax.device_put(read(rows))
    parts = placement.mesh.shape[DATA]
    example = read(rows[:1, :0])  # its shape and dtype
    shape = (len(rows), *example.shape[1 : 1 + axis], -(-rows.shape[1] // parts) * parts, *example.shape[2 + axis :])

    def one(index):
        begin, end, _ = index[1 + axis].indices(shape[1 + axis])
        there = read(rows[:, begin:end])
        filled = np.zeros((*shape[: 1 + axis], end - begin, *shape[2 + axis :]), example.dtype)
        if there.size:
            filled[(slice(None),) * (1 + axis) + (slice(there.shape[1 + axis]),)] = there
        return filled

    spec = PartitionSpec(*[None] * (1 + axis), DATA)
    return jax.make_array_from_callback(shape, NamedSharding(placement.mesh, spec), one)

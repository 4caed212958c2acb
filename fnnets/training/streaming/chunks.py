"""Chunks of a stream: minibatches of one shape, on the device or cut over several.

A minibatch that the devices do not divide is filled up, with a share's own last example, or with zeros where it has
none; what fills it up has no weight there.

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

from fnnets.core import sequences
from fnnets.core.shares import DATA
from fnnets.core.types import Batch, Time
from fnnets.data.sources import FIELDS

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

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


def placed(read: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, axis: int, mesh) -> Array:
    """The arrays of `read` at `rows`, (K, …, B, …) on the device, or with B filled up and cut over the devices."""
    if mesh is None:
        return jax.device_put(read(rows))
    parts = mesh.shape[DATA]
    example = read(rows[:1, :0])  # its shape and dtype
    size = -(-rows.shape[1] // parts) * parts
    shape = (len(rows), *example.shape[1 : 1 + axis], size, *example.shape[2 + axis :])

    def one(index):
        begin, end, _ = index[1 + axis].indices(size)
        there = read(rows[:, begin:end])
        missing = [(0, 0)] * there.ndim
        missing[1 + axis] = (0, end - begin - there.shape[1 + axis])
        return np.pad(there, missing, mode="edge" if there.size else "constant")

    return jax.make_array_from_callback(shape, NamedSharding(mesh, _cut(axis)), one)


def specs(time: Time, batch: Batch) -> Batch:
    """Where the fields of minibatches (K, …) lie on the devices of a mesh: cut along their examples."""
    axes = sequences.axes_of_fields(time, None if batch.weights is None else batch.weights[0])
    cut: dict[str, PyTree] = {name: _cut(axis) for name, axis in zip(FIELDS, axes, strict=True)}
    return Batch(**cut)


def _cut(axis: int) -> PartitionSpec:
    return PartitionSpec(*[None] * (1 + axis), DATA)

"""Iterables as streams: batches as they come, those of one shape together.

In several processes each gives its own part. Each batch is validated as it comes, before it trains.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from fnnets.core import batches, sequences
from fnnets.core.shares import DATA
from fnnets.core.types import Batch, Network
from fnnets.data.sources import FIELDS
from fnnets.storage.errors import DataError
from fnnets.training.distributed import processes
from fnnets.training.streaming import chunks

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


def chunks_of(net, train, placed, epoch, position) -> Generator[chunks.Chunk, None, None]:
    """The chunks of an iterable's epoch from a position on: batches of one kind together, as many as fit."""
    items = _items(train, epoch)
    _skip(items, position, epoch)
    held: list[Batch] = []
    for item in items:
        batch = _known(net, item, f"fit: in epoch {epoch + 1}, train[{position + len(held)}]")
        if held and (_kind(batch) != _kind(held[0]) or _bytes(held) + _bytes([batch]) > chunks.CHUNK_BYTES):
            yield _stacked(net, held, position, placed)
            position, held = position + len(held), []
        held.append(batch)
    if held:
        yield _stacked(net, held, position, placed)
        position += len(held)
    _agree(None, 0)  # else a process that has more would wait for ever
    if position == 0:
        raise DataError(
            f"fit: train gives no batches in epoch {epoch + 1}, expected some in each; what can be read only once, "
            "such as a generator, serves one epoch: give a list, a loader, or a function epoch -> iterable"
        )


def _items(train, epoch: int) -> Iterator[object]:
    given = train(epoch) if callable(train) else train
    if not hasattr(given, "__iter__"):
        raise DataError(
            f"fit: train({epoch}) is of type {type(given).__name__}, expected an iterable of batches; "
            "return a list, a loader or a generator"
        )
    return iter(given)


def _known(net: Network, item: object, name: str) -> Batch:
    """`as_batch`, whose errors are those of the data."""
    try:
        return as_batch(net, item, name)
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None


def _skip(items, position, epoch) -> None:
    """An iterable is read up to the place where training stopped."""
    done = sum(1 for _ in itertools.islice(items, position))
    if done < position:
        raise DataError(f"fit: train gives {done} batches in epoch {epoch + 1}, expected more than the {position} done")


def as_batch(net: Network, item: object, name: str) -> Batch:
    """An item of an iterable, as a validated batch of NumPy arrays: a `Batch`, a dict of its fields, or a tuple.

    Raises:
        TypeError, ValueError: something else, or a batch that the network does not take.

    >>> import numpy as np, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> as_batch(net, (np.ones((4, 2)), np.arange(4) % 3), "train").targets.tolist()
    [0, 1, 2, 0]
    """
    if isinstance(item, Mapping) and "inputs" in item and set(item) <= set(Batch._fields):
        item = Batch(**item)
    elif isinstance(item, tuple | list) and not hasattr(item, "inputs") and 1 <= len(item) <= len(FIELDS):
        item = Batch(*item)
    if not isinstance(item, Batch):
        raise TypeError(
            f"{name} is of type {type(item).__name__}, expected a fnnets.Batch, (inputs, targets) or a dict with "
            "'inputs'; write fnnets.Batch(inputs, targets)"
        )
    batch = batches.checked(net, item, name)
    if net.l2 and batch.dataset_size is None:
        raise ValueError(
            f"{name}.dataset_size is None, but the penalty λ/2n Σ w² needs n; give fnnets.Batch(…, dataset_size=n)"
        )
    given: dict[str, PyTree] = {field: getattr(batch, field) for field in FIELDS}
    return batch._replace(**jax.tree.map(np.asarray, given))


def _stacked(net, held: list[Batch], position, placed) -> chunks.Chunk:
    first, size = held[0], sequences.count(net.layer.time, held[0])
    _agree(_kind(first), len(held))
    size *= jax.process_count()
    fields: dict[str, PyTree] = {}
    for name, axis in zip(FIELDS, sequences.axes_of_fields(net.layer.time, first.weights), strict=True):
        if getattr(first, name) is not None:
            fields[name] = _together(np.stack([getattr(batch, name) for batch in held]), axis, placed)
    return chunks.Chunk(Batch(**fields), size, first.dataset_size, position)


def _agree(kind, count: int) -> None:
    """Raise in every process unless all come with the same number of batches of one kind, or with no more."""
    processes.agree({"the shapes of a batch": kind, "the number of its batches": count})


def _together(stacked: np.ndarray, axis: int, placed) -> Array:
    """Minibatches (K, …, B, …) on the device; each process has its own share of them."""
    if jax.process_count() == 1:
        rows = np.arange(stacked.shape[1 + axis])[None].repeat(len(stacked), 0)
        index = (slice(None),) * (1 + axis)
        return chunks.placed(lambda part: stacked[(slice(len(part)), *index[1:], part[0])], rows, axis, placed)
    local = placed.local_mesh.shape[DATA]
    if stacked.shape[1 + axis] % local:
        raise ValueError(
            f"fit: train gives batches of {stacked.shape[1 + axis]} examples, expected a multiple of the {local} "
            "devices of this process; choose another batch size"
        )
    spec = PartitionSpec(*[None] * (1 + axis), DATA)
    return jax.make_array_from_process_local_data(NamedSharding(placed, spec), stacked)


def _kind(batch: Batch) -> tuple[object, ...]:
    """The common properties of the batches of one chunk: shapes and dtypes, and n of the penalty."""
    arrays = (getattr(batch, name) for name in FIELDS)
    return *(None if array is None else (array.shape, str(array.dtype)) for array in arrays), batch.dataset_size


def _bytes(held: list[Batch]) -> int:
    arrays = (getattr(held[0], name) for name in FIELDS)
    return len(held) * sum(array.nbytes for array in arrays if array is not None)

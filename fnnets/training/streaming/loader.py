"""Loaders of streams: chunks of minibatches, read while the last chunk trains.

    source      rows of arrays or memory maps, in the order of `orders`; a process reads the rows of its own devices
    iterable    batches as they come, those of one shape together; in several processes each gives its own part

| symbol | name in code | shape |
|---|---|---|
| a chunk of K minibatches | `chunk.batch` | (K, …), the minibatch's axes after the first |
| minibatches before it in the epoch | `chunk.first` | () |

A minibatch that the devices do not divide is filled up with zeros, which are cut off again on the devices.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from fnnets.core import batches, sequences
from fnnets.core.devices import DATA
from fnnets.core.types import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import FIELDS, Source, read_rows
from fnnets.storage.errors import DataError
from fnnets.training.distributed import processes
from fnnets.training.distributed.sharding import Placement
from fnnets.training.inputs import Data
from fnnets.training.shuffle import orders

CHUNK_BYTES = 2**23  # what stays in the caches of a CPU, and hides a call

T = TypeVar("T")
if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


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


Loader = Callable[[jax.Array, int, int], Generator[Chunk, None, None]]  # (key of the order, epoch, position) -> chunks


def of(net: Network, train: Data, batch_size: int, placed: Placement | None) -> Loader:
    """The chunks of an epoch from a position on, `(order_key, epoch, position) -> chunks`, read ahead by one."""
    if isinstance(train, Source):
        return lambda key, epoch, position: _by_side(_of_source(net, train, batch_size, placed, key, position))
    if jax.process_count() > 1:  # which compare their batches, in step with the sums that they exchange
        return lambda key, epoch, position: _of_iterable(net, train, placed, epoch, position)
    return lambda key, epoch, position: ahead(_of_iterable(net, train, placed, epoch, position))


def in_file_order(net: Network, source: Source, batch_size: int, placed: Placement | None) -> Iterator[Chunk]:
    """The chunks of a source as it lies on disk, for evaluation."""
    return _by_side(_of_source(net, source, batch_size, placed, None, 0))


def _by_side(chunks: Generator[Chunk, None, None]) -> Generator[Chunk, None, None]:
    """Rows are read in another thread; on a CPU, whose cores train, between two calls, of which none waits.

    Either way they are read while a chunk trains, and what is on disk is fetched ahead by the system.
    """
    return chunks if jax.default_backend() == "cpu" else ahead(chunks)


def ahead(chunks: Iterator[T]) -> Generator[T, None, None]:
    """The same, each read in another thread while the one before is worked on.

    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end, is_double = object(), jax.config.read("jax_enable_x64")

    def read():
        with _precision(is_double):
            return next(chunks, end)

    with ThreadPoolExecutor(1, "fnnets-loader") as reader:
        coming = reader.submit(read)
        while (chunk := coming.result()) is not end:
            coming = reader.submit(read)
            yield chunk


def regrouped(pieces: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Arrays end to end, cut anew into arrays of `size`; the last one is short.

    >>> [part.tolist() for part in regrouped([np.arange(3), np.arange(3, 7)], 2)]
    [[0, 1], [2, 3], [4, 5], [6]]
    """
    held, count = [], 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= size:
            joined = np.concatenate(held)
            whole = count - count % size
            yield from joined[:whole].reshape(-1, size)
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _precision(is_double: bool) -> AbstractContextManager[object]:
    """The calling thread's precision, for another thread: that of a scope holds in one thread alone."""
    return jax.enable_x64(is_double)


def _of_source(net, source, batch_size, placed, key, position) -> Generator[Chunk, None, None]:
    n = sequences.count(net.layer.time, source)
    count = max(1, CHUNK_BYTES // max(1, batch_size * _bytes_of_one(source, n)))
    start = position * batch_size
    pools = _in_turn(source, n, start) if key is None else orders(key, n, source.block, source.pool, start)
    reads_ahead = jax.process_count() == 1 and not net.layer.is_sequential
    for rows in regrouped(_fetched(source, pools, reads_ahead), count * batch_size):
        steps, rest = divmod(len(rows), batch_size)
        for part in (rows[: steps * batch_size].reshape(steps, batch_size), rows[len(rows) - rest :][None]):
            if part.size:
                yield Chunk(_read(net, source, part, placed), part.shape[1], n, position, part)
                position += len(part)


def _in_turn(source: Source, n: int, start: int) -> Iterator[np.ndarray]:
    size = source.block * source.pool
    return (np.arange(begin, min(n, begin + size)) for begin in range(start, n, size))


def _fetched(source: Source, pools, reads_ahead: bool) -> Iterator[np.ndarray]:
    """The pools, each fetched from disk while the one before is used; of memory maps one is held at a time."""
    arrays = [getattr(source, name) for name in FIELDS]
    for number, (pool, coming) in enumerate(itertools.pairwise(itertools.chain([None], pools, [None]))):
        for array in arrays:
            if number > 1:
                sources.let_go(array)
            if reads_ahead and coming is not None:
                sources.read_ahead(array, coming)
        if pool is not None:
            yield pool


def _bytes_of_one(source: Source, n: int) -> int:
    return sum(array.nbytes // n for array in (source.inputs, source.targets, source.mask) if array is not None)


def _read(net, source: Source, rows: np.ndarray, placed) -> Batch:
    """Minibatches of `rows` (K, B), each process reading what its devices hold."""
    fields: dict[str, PyTree] = {}
    for name, axis in zip(FIELDS, sequences.axes_of_fields(net.layer.time), strict=True):
        array = getattr(source, name)
        if array is not None:
            sources.check_whole(array, name)
            read = functools.partial(
                _read_whole, array, axis=axis, floats=name == "inputs" and source.transform is None
            )
            fields[name] = _placed(read, rows, axis, placed)
    return Batch(**fields)


def _read_whole(array: np.ndarray, rows: np.ndarray, axis: int, floats: bool) -> np.ndarray:
    """`read_rows` in a dtype that JAX has now: integers that are wider become floats, or the nearest that it has.

    An integer that JAX would wrap is then a label out of range, which the program notices.
    """
    values = read_rows(array, rows, axis)
    dtype = jax.dtypes.canonicalize_dtype(values.dtype)
    if dtype == values.dtype or values.dtype.kind == "f":
        return values
    if floats:
        return values.astype(jnp.result_type(float))
    return np.clip(values, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def _placed(read: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, axis: int, placed) -> Array:
    """The arrays of `read` at `rows`, (K, …, B, …) on the device, or with B filled up and cut over the devices."""
    if placed is None:
        return jax.device_put(read(rows))
    parts = placed.mesh.shape[DATA]
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
    return jax.make_array_from_callback(shape, NamedSharding(placed.mesh, spec), one)


def _of_iterable(net, train, placed, epoch, position) -> Generator[Chunk, None, None]:
    items = iter(train(epoch) if callable(train) else train)
    _skip(items, position, epoch)
    held: list[Batch] = []
    for item in items:
        batch = as_batch(net, item, f"fit: train, batch {position + len(held)} of epoch {epoch + 1}")
        if held and (_kind(batch) != _kind(held[0]) or _bytes(held) + _bytes([batch]) > CHUNK_BYTES):
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
            f"{name} is of type {type(item).__name__}, expected fnnets.Batch, (inputs, targets) or a dict with 'inputs'"
        )
    batch = batches.checked(net, item, name)
    if net.l2 and batch.dataset_size is None:
        raise ValueError(
            f"{name}.dataset_size is None, but the penalty λ/2n Σ w² needs n; give fnnets.Batch(…, dataset_size=n)"
        )
    given: dict[str, PyTree] = {field: getattr(batch, field) for field in FIELDS}
    return batch._replace(**jax.tree.map(np.asarray, given))


def _stacked(net, held: list[Batch], position, placed) -> Chunk:
    first, size = held[0], sequences.count(net.layer.time, held[0])
    _agree(_kind(first), len(held))
    size *= jax.process_count()
    fields: dict[str, PyTree] = {}
    for name, axis in zip(FIELDS, sequences.axes_of_fields(net.layer.time), strict=True):
        if getattr(first, name) is not None:
            fields[name] = _together(np.stack([getattr(batch, name) for batch in held]), axis, placed)
    return Chunk(Batch(**fields), size, first.dataset_size, position)


def _agree(kind, count: int) -> None:
    """Raise in every process unless all come with the same number of batches of one kind, or with no more."""
    processes.agree({"the shapes of a batch": kind, "the number of its batches": count})


def _together(stacked: np.ndarray, axis: int, placed) -> Array:
    """Minibatches (K, …, B, …) on the device; each process has its own share of them."""
    if jax.process_count() == 1:
        rows = np.arange(stacked.shape[1 + axis])[None].repeat(len(stacked), 0)
        index = (slice(None),) * (1 + axis)
        return _placed(lambda part: stacked[(slice(len(part)), *index[1:], part[0])], rows, axis, placed)
    local = placed.mesh.local_mesh.shape[DATA]
    if stacked.shape[1 + axis] % local:
        raise ValueError(
            f"fit: train gives batches of {stacked.shape[1 + axis]} examples, expected a multiple of the {local} "
            "devices of this process; choose another batch size"
        )
    spec = PartitionSpec(*[None] * (1 + axis), DATA)
    return jax.make_array_from_process_local_data(NamedSharding(placed.mesh, spec), stacked)


def _kind(batch: Batch) -> tuple[object, ...]:
    """The common properties of the batches of one chunk: shapes and dtypes, and n of the penalty."""
    arrays = (batch.inputs, batch.targets, batch.mask)
    return *(None if array is None else (array.shape, str(array.dtype)) for array in arrays), batch.dataset_size


def _bytes(held: list[Batch]) -> int:
    arrays = (held[0].inputs, held[0].targets, held[0].mask)
    return len(held) * sum(array.nbytes for array in arrays if array is not None)

"""Loaders of streams: chunks of minibatches, read while the last chunk trains.

    source      rows of arrays or memory maps, in the order of `orders`; a process reads the rows of its own devices
    iterable    batches as they come, by `fnnets.training.streaming.iterables`

Chunks are those of `fnnets.training.streaming.chunks`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import sequences
from fnnets.core.types import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import FIELDS, Source, read_rows
from fnnets.training.inputs import Data
from fnnets.training.shuffle import orders
from fnnets.training.streaming import chunks, iterables

T = TypeVar("T")
if TYPE_CHECKING:
    from jax.sharding import Mesh
    from jaxtyping import PyTree

Loader = Callable[[jax.Array, int, int], Generator[chunks.Chunk, None, None]]  # (key of the order, epoch, position)


def of(net: Network, train: Data, batch_size: int, placed: Mesh | None) -> Loader:
    """The chunks of an epoch from a position on, `(order_key, epoch, position) -> chunks`, read ahead by one."""
    if isinstance(train, Source):
        return lambda key, epoch, position: _by_side(_of_source(net, train, batch_size, placed, key, position))
    if jax.process_count() > 1:  # which compare their batches, in step with the sums that they exchange
        return lambda key, epoch, position: iterables.chunks_of(net, train, placed, epoch, position)
    return lambda key, epoch, position: ahead(iterables.chunks_of(net, train, placed, epoch, position))


def in_file_order(net: Network, source: Source, batch_size: int, placed: Mesh | None) -> Iterator[chunks.Chunk]:
    """The chunks of a source as it lies on disk, for evaluation."""
    return _by_side(_of_source(net, source, batch_size, placed, None, 0))


def _by_side(read: Generator[chunks.Chunk, None, None]) -> Generator[chunks.Chunk, None, None]:
    """Rows are read in another thread; on a CPU, whose cores train, between two calls, of which none waits.

    Either way they are read while a chunk trains, and what is on disk is fetched ahead by the system.
    """
    return read if jax.default_backend() == "cpu" else ahead(read)


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same, each read in another thread while the one before is worked on.

    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end, is_double = object(), jax.config.read("jax_enable_x64")

    def read():
        with _precision(is_double):
            return next(items, end)

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


def _of_source(net, source, batch_size, placed, key, position) -> Generator[chunks.Chunk, None, None]:
    n = sequences.count(net.layer.time, source)
    count = max(1, chunks.CHUNK_BYTES // max(1, batch_size * _bytes_of_one(source, n)))
    start = position * batch_size
    pools = _in_turn(source, n, start) if key is None else orders(key, n, source.block, source.pool, start)
    reads_ahead = jax.process_count() == 1 and not net.layer.is_sequential
    for rows in regrouped(_fetched(source, pools, reads_ahead), count * batch_size):
        steps, rest = divmod(len(rows), batch_size)
        for part in (rows[: steps * batch_size].reshape(steps, batch_size), rows[len(rows) - rest :][None]):
            if part.size:
                yield chunks.Chunk(_read(net, source, part, placed), part.shape[1], n, position, part)
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
    arrays = (getattr(source, name) for name in FIELDS)
    return sum(array.nbytes // n for array in arrays if array is not None)


def _read(net, source: Source, rows: np.ndarray, placed) -> Batch:
    """Minibatches of `rows` (K, B), each process reading what its devices hold."""
    fields: dict[str, PyTree] = {}
    for name, axis in zip(FIELDS, sequences.axes_of_fields(net.layer.time, source.weights), strict=True):
        array = getattr(source, name)
        if array is not None:
            sources.check_whole(array, name)
            read = functools.partial(
                _read_whole, array, axis=axis, floats=name == "inputs" and source.transform is None
            )
            fields[name] = chunks.placed(read, rows, axis, placed)
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

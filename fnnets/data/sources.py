"""Examples that are read while training goes on: rows of arrays that need not fit into memory, shuffled by blocks.

    blocks    0 … b−1, b … 2b−1, …              b consecutive examples each, the last one short
    pools     p blocks each, in a random order of all blocks
    order     pool after pool, the examples of each in a random order

Two examples of one block thus always come within the same p · b examples of an epoch: it is no uniform permutation
unless one pool holds everything, and then it is the order of an epoch in memory, number for number. Where a file is
sorted by class, take small blocks and large pools, or shuffle the file once. What is read at a time lies in p
places of the file, b examples long.

| symbol | name in code | shape |
|---|---|---|
| n | `n` | () |
| b, p | `source.block`, `source.pool` | () |
| order | `fnnets.training.shuffle.orders`, pool after pool | (n,) |
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from fnnets.core import calls, validate
from fnnets.core.types import Batch
from fnnets.data.idx import map_idx
from fnnets.storage import files
from fnnets.storage.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import PyTree

BLOCK, POOL = 1024, 64
REMEDY = "give the path of a .npy or IDX file"
FIELDS = ("inputs", "targets", "mask", "weights")


class Source(NamedTuple):
    """Source of a stream: arrays or memory-mapped files of examples, and how they are shuffled.

    Attributes:
        inputs, targets, mask, weights: as in `fnnets.Batch`, NumPy arrays or memory maps.
        block: consecutive examples that stay near one another.
        pool: blocks whose examples are mixed.
        transform: `Batch -> Batch` in JAX, applied to each minibatch on the device; None leaves it as it is.
    """

    inputs: np.ndarray
    targets: np.ndarray | None = None
    mask: np.ndarray | None = None
    block: int = BLOCK
    pool: int = POOL
    transform: Callable[[Batch], Batch] | None = None
    weights: np.ndarray | None = None


@calls.strict("stream")
def stream(
    inputs: ArrayLike | Path | str,
    targets: ArrayLike | Path | str | None = None,
    mask: ArrayLike | Path | str | None = None,
    *,
    block: int = BLOCK,
    pool: int = POOL,
    transform: Callable[[Batch], Batch] | None = None,
    weights: ArrayLike | Path | str | None = None,
) -> Source:
    """Examples for `fit` that are read by rows while it trains, and need not fit into memory.

    Args:
        inputs: (N, …) array or memory map, or the path of a .npy or IDX file to map; sequences are (T, N, …).
        targets: the same for the targets; None for networks that need none.
        mask: the same for the (T, N) bool mask of sequences.
        block: consecutive examples that stay near one another in every order.
        pool: blocks that are mixed; block · pool ≥ N is the order of data in memory.
        transform: a function of JAX for each minibatch on the device, such as the scaling of bytes. On several devices
            each has its share of the minibatch: what it makes of an example must not depend on the others.
        weights: the same for (N,) weights of examples, or (T, N) of steps.

    Raises:
        DataError: a file that is not there, damaged, or neither .npy nor IDX.
        TypeError, ValueError: no arrays of real numbers; targets or a mask of other examples than the inputs, as far
            as that shows without a network; a block or pool that is no int ≥ 1; a transform that is no function.

    >>> import numpy as np
    >>> pixels = np.arange(12, dtype=np.uint8).reshape(6, 2)
    >>> stream(pixels, np.arange(6), block=2).inputs.shape
    (6, 2)
    """
    block = validate.count(block, "stream: block", "give the number of consecutive examples that stay together")
    pool = validate.count(pool, "stream: pool", "give the number of blocks that are mixed")
    if transform is not None:
        validate.is_function(
            transform, "stream: transform", "give a function of a fnnets.Batch that gives one, or None"
        )
    if inputs is None:
        raise ValueError("stream: inputs is None, expected an array, or the path of a .npy or IDX file; give one")
    arrays: list[PyTree] = [
        None if value is None else _array(value, f"stream: {name}")
        for name, value in zip(FIELDS, (inputs, targets, mask, weights), strict=True)
    ]
    _check_lengths(*arrays)
    return Source(*arrays[:3], block=block, pool=pool, transform=transform, weights=arrays[3])


def _check_lengths(inputs, targets, mask, weights) -> None:
    """Raise unless there are examples, and as many targets along one of the axes that may count them."""
    if inputs.ndim < 2 or 0 in inputs.shape:
        raise ValueError(
            f"stream: inputs has shape {inputs.shape}, expected (N, …), or (T, N, …) of sequences, with at least one "
            "number in each example; write inputs[:, None] for a single feature"
        )
    if mask is not None and (mask.dtype != bool or mask.shape != inputs.shape[:2]):
        raise ValueError(
            f"stream: mask has shape {mask.shape} and dtype {mask.dtype}, expected bool of shape {inputs.shape[:2]}, "
            "(T, N) as the inputs of sequences; leave it None where nothing is padded"
        )
    if weights is not None and weights.shape not in ((inputs.shape[0],), inputs.shape[1:2], inputs.shape[:2]):
        raise ValueError(
            f"stream: weights has shape {weights.shape} for inputs of shape {inputs.shape}, expected (N,), or (T, N) "
            "of sequences with an answer at each step; give each example one number"
        )
    if targets is None:
        return
    counts = inputs.shape[:1] if inputs.ndim == 2 else inputs.shape[:2]
    if targets.ndim == 0 or targets.shape[0] not in counts:
        expected = " or ".join(f"({count}, …)" for count in dict.fromkeys(counts))
        raise ValueError(
            f"stream: targets has shape {targets.shape} for inputs of shape {inputs.shape}, expected {expected}; "
            "give both the same examples"
        )


@calls.strict("memory_map")
def memory_map(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in a .npy or plain IDX file, mapped and not read; distinguished by the content, not by the name.

    Args:
        path: the file.

    Raises:
        TypeError, ValueError: `path` is no path.
        DataNotFoundError: there is no such file.
        DataError: it is truncated, gzipped, of objects, or neither .npy nor IDX.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/x.npy", np.eye(3))
    ...     float(memory_map(folder + "/x.npy").sum())
    3.0
    """
    return _mapped(path, "memory_map: path")


def _mapped(path, name: str) -> np.ndarray:
    """The array of `memory_map`; `name` is the argument that the path came by."""
    file = files.readable(path, name, REMEDY)
    with files.reading(file, name, REMEDY), file.open("rb") as opened:
        magic = opened.read(6)
    if magic != b"\x93NUMPY":
        return map_idx(file, name)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # whatever a parser raises on a damaged file
        raise DataError(
            f"{name} {file} cannot be mapped ({' '.join(str(error).split())}), expected a whole .npy file of numbers; "
            "get it again, or save numbers with np.save"
        ) from None


def read_rows(array: np.ndarray, rows: np.ndarray, axis: int) -> np.ndarray:
    """Rows (K, b) of `array` along `axis`, as (K, …, b, …) in the machine's byte order.

    >>> read_rows(np.arange(6.0).reshape(2, 3), np.array([[2], [0]]), axis=1).tolist()
    [[[2.0], [5.0]], [[0.0], [3.0]]]
    """
    found = np.take(np.asarray(array), rows.ravel(), axis=axis)
    found = found.reshape(*array.shape[:axis], *rows.shape, *array.shape[axis + 1 :])
    found = np.moveaxis(found, axis, 0)
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def head(source: Source, axes: tuple[int, ...], count: int) -> Batch:
    """The first `count` examples, each field along its axis; None where there is none."""
    return rows(source, axes, np.arange(min(count, source.inputs.shape[axes[0]])))


def rows(source: Source, axes: tuple[int, ...], chosen: np.ndarray) -> Batch:
    """The examples of a source at the `chosen` rows, as they lie there."""
    found: dict[str, PyTree] = {}
    for name, axis in zip(FIELDS, axes, strict=True):
        array = getattr(source, name)
        if array is not None:
            check_whole(array, name)
            array = read_rows(array, chosen[None], axis)[0]
        found[name] = array
    return Batch(**found)


def read_ahead(array: np.ndarray, rows: np.ndarray) -> None:
    """Have the system fetch the blocks that hold `rows` of a memory map, in the order of the file."""
    mapped = _map_of(array)
    if mapped is None or not hasattr(mapped, "madvise"):
        return
    rows = np.sort(rows)
    breaks = np.flatnonzero(np.diff(rows) > 1) + 1
    first = np.asarray(array).ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    for run in np.split(rows, breaks):
        begin = first + int(run[0]) * array.strides[0]
        aligned = begin - begin % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, aligned, begin + len(run) * array.strides[0] - aligned)


def let_go(array: np.ndarray) -> None:
    """Give the pages of a memory map back to the system, so that memory does not grow with what was read."""
    mapped = _map_of(array)
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def check_whole(array: np.ndarray, name: str) -> None:
    """Raise a DataError where the file of a memory map has become shorter: to read on would end the process."""
    mapped, file = _map_of(array), getattr(array, "filename", None)
    if mapped is None or file is None:
        return
    last = np.asarray(array).ctypes.data + array.nbytes - np.frombuffer(mapped, np.uint8).ctypes.data
    offset = getattr(array, "offset", 0)
    begin = offset - offset % mmap.ALLOCATIONGRANULARITY
    try:
        size = os.path.getsize(file)
    except OSError as error:
        raise DataError(f"{name}: {file} cannot be read any more ({error.strerror}); get it again") from None
    if size < begin + last:
        raise DataError(f"{name}: {file} holds {size} bytes, expected {begin + last}: it was cut short; get it again")


def _array(value, name) -> np.ndarray:
    if isinstance(value, str | os.PathLike):
        value = _mapped(value, name)
    elif isinstance(value, bytes):
        raise TypeError(f"{name} is {value!r} of type bytes, expected an array or a path; write os.fsdecode(path)")
    if isinstance(value, np.ndarray):
        validate.array(value[:0] if value.ndim else value, name)  # the dtype alone: a map is read later, row by row
        return value
    return np.asarray(validate.array(value, name))


def _map_of(array: object) -> mmap.mmap | None:
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array

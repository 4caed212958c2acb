"""The IDX file format, in which MNIST is published: a header, then the elements in row-major order.

    magic = 0 0 type rank                 4 bytes
    sizes = n_1 … n_rank                  4 bytes each, big endian
    data  = n_1 · … · n_rank elements     big endian

| symbol | name in code | shape |
|---|---|---|
| type | key of `DTYPES` | one byte |
| n_1 … n_rank | `sizes` | (rank,) |
| data | what `read_idx` gives | (n_1, …, n_rank) |

Source: [MNIST], "the IDX file format".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from fnnets.core import calls
from fnnets.storage import files
from fnnets.storage.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 32  # what any NumPy takes
IDX = "IDX file"
REMEDY = "give the path of an IDX file, plain or .gz"
LONGEST_HEADER = 4 + 4 * MAX_RANK


@calls.strict("read_idx")
def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file, plain or gzipped (distinguished by the content, not by the name).

    Args:
        path: the file.

    Returns:
        A NumPy array in the machine's byte order, with the file's sizes, of dtype uint8, int8, int16, int32,
        float32 or float64.

    Raises:
        TypeError, ValueError: `path` is no path.
        DataNotFoundError: there is no such file.
        DataError: it cannot be read, its gzip stream is damaged, its magic is no IDX magic, or it holds
            fewer or more bytes than its header says.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two-rows-idx2-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    ...     read_idx(path).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    file = files.readable(path, "read_idx: path", REMEDY)
    content, shown = _content(file), f"read_idx: path {file}"
    header, dtype, sizes = _header(shown, content[:LONGEST_HEADER], len(content))
    try:
        return np.frombuffer(content, dtype, offset=header).reshape(sizes).astype(dtype.newbyteorder("="))
    except ValueError as error:  # no elements, but sizes whose product overflows
        raise DataError(
            f"{shown} has sizes {sizes}, expected some that an array can have ({error}); get it again"
        ) from None


def map_idx(path: str | os.PathLike[str], name: str = "map_idx: path") -> np.ndarray:
    """The array in a plain IDX file, memory-mapped: read-only, in the file's byte order.

    Args:
        path: the file.
        name: the argument that it came by, for messages.

    Raises:
        TypeError, ValueError: `path` is no path.
        DataNotFoundError: there is no such file.
        DataError: as for `read_idx`; or it is gzipped, and so cannot be mapped.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two-rows-idx2-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    ...     map_idx(path)[1].tolist()
    [4, 5, 6]
    """
    file = files.readable(path, name, "give the path of a .npy or IDX file")
    shown = f"{name} {file}"
    with files.reading(file, name, "give the path of a .npy or IDX file"):
        with file.open("rb") as opened:
            begin = opened.read(LONGEST_HEADER)
        length = file.stat().st_size
    if begin[:2] == b"\x1f\x8b":
        raise DataError(f"{shown} is gzipped, expected a plain file to map; unpack it with gunzip first")
    header, dtype, sizes = _header(shown, begin, length, ".npy or IDX file")
    if 0 in sizes:
        raise DataError(f"{shown} has sizes {sizes}: no elements, expected at least one; get the file again")
    with files.reading(file, name, "give the path of a regular file"):
        return np.memmap(file, dtype, "r", header, sizes)


def _header(file: str, begin: bytes, length: int, name: str = IDX) -> tuple[int, np.dtype, tuple[int, ...]]:
    """The header's length, the dtype and the sizes, of a file that begins so and has so many bytes."""
    if length < 4:
        raise DataError(_truncated(file, length, "at least 4"))
    kind, rank = begin[2], begin[3]
    if begin[:2] != b"\0\0" or kind not in DTYPES or not 1 <= rank <= MAX_RANK:
        raise DataError(
            f"{file} begins with the magic {begin[:4].hex(' ')}, expected 00 00, a type (08 … 0e) and a rank: "
            f"it is {_named(begin, name)}"
        )
    header, dtype = 4 + 4 * rank, np.dtype(DTYPES[kind])
    if length < header:
        raise DataError(_truncated(file, length, f"at least {header}"))
    sizes = tuple(np.frombuffer(begin[4:header], ">u4").tolist())
    expected = header + math.prod(sizes) * dtype.itemsize
    if length < expected:
        raise DataError(_truncated(file, length, f"{expected} for sizes {sizes} of {dtype.name}"))
    if length > expected:
        raise DataError(
            f"{file} holds {length} bytes, expected {expected} for sizes {sizes} of {dtype.name}: "
            f"{length - expected} too many; get the file again"
        )
    return header, dtype, sizes


def _named(begin: bytes, kind: str) -> str:
    """What a file is that begins so, and what to do with it."""
    if begin.startswith(b"\x93NUMPY"):
        return "a NumPy file; read it with np.load or fnnets.data.memory_map"
    if begin.startswith(b"PK"):
        return "an archive, as .npz files are; take the arrays out with np.load and np.save"
    remedy = "give MNIST's original files" if kind == IDX else "give one, as np.save writes it"
    return f"no {kind}; {remedy}"


def _truncated(file, came, expected):
    return f"{file} is truncated: it holds {came} bytes, expected {expected}; get the file again"


def _content(file: Path) -> bytes:
    """The file's bytes, unpacked if they are gzipped (an IDX file begins with 0, a gzip stream with 1f 8b)."""
    with files.reading(file, "read_idx: path", REMEDY):
        raw = file.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError:
        message = (
            f"read_idx: path {file} is truncated: its gzip stream ends after {len(raw)} bytes, expected its end mark"
        )
    except (gzip.BadGzipFile, zlib.error) as error:
        message = (
            f"read_idx: path {file} is damaged: its gzip stream cannot be unpacked ({error}), expected an intact one"
        )
    raise DataError(f"{message}; get the file again")

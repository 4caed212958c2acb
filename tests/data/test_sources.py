"""Streams: memory maps, rows and their byte order, memory given back, files cut short."""

import gzip
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.data import sources

ROWS = np.arange(60, dtype=np.float32).reshape(12, 5)


def idx(path, array, code):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())
    return path


@pytest.mark.parametrize("code", [0x08, 0x0B, 0x0D, 0x0E])
def test_an_idx_file_is_mapped_and_its_rows_come_in_the_machines_byte_order(tmp_path, code):
    dtype = {0x08: np.uint8, 0x0B: np.int16, 0x0D: np.float32, 0x0E: np.float64}[code]
    mapped = fn.data.memory_map(idx(tmp_path / "rows", ROWS.astype(dtype), code))
    assert isinstance(mapped, np.memmap)
    taken = sources.read_rows(mapped, np.array([[3, 0], [11, 3]]), 0)
    assert taken.dtype == dtype
    assert taken.dtype.isnative
    np.testing.assert_array_equal(taken, ROWS[[[3, 0], [11, 3]]].astype(dtype))


def test_an_npy_file_is_told_by_its_content(tmp_path):
    path = tmp_path / "rows.dat"
    with path.open("wb") as file:
        np.save(file, ROWS)
    source = fn.data.stream(path, np.arange(12))
    assert isinstance(source.inputs, np.memmap)
    np.testing.assert_array_equal(source.inputs, ROWS)


def test_examples_on_another_axis_are_taken_from_there():
    sequences = np.arange(24.0).reshape(2, 4, 3)
    taken = sources.read_rows(sequences, np.array([[1, 3], [0, 0]]), 1)
    np.testing.assert_array_equal(taken, np.stack([sequences[:, [1, 3]], sequences[:, [0, 0]]]))


def test_arrays_of_jax_become_arrays_of_numpy():
    assert type(fn.data.stream(jnp.ones((3, 2))).inputs) is np.ndarray


@pytest.mark.skipif(not pathlib.Path("/proc/self/smaps").exists(), reason="the system gives no account of pages")
def test_pages_that_were_read_are_given_back(tmp_path):
    """Resident pages of the mapping, by the system's own account, before and after."""
    path = tmp_path / "big.npy"
    np.save(path, np.ones((4096, 1024), np.float32))
    mapped = fn.data.memory_map(path)

    def resident():
        text = pathlib.Path("/proc/self/smaps").read_text().split(str(path))[1]
        return int(text.split("Rss:")[1].split()[0])

    sources.read_ahead(mapped, np.arange(100, 2000))
    assert float(np.asarray(mapped).sum()) == mapped.size
    assert resident() > 8000
    sources.let_go(mapped)
    assert resident() == 0
    np.testing.assert_array_equal(mapped[5], np.ones(1024))


def test_reading_ahead_names_the_right_pages(tmp_path, monkeypatch):
    """Two runs of rows, so two calls, which begin at a page and reach the end of the last row."""
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((64, 1024), np.float32))
    calls = []

    class Watched(sources.mmap.mmap):
        def madvise(self, *arguments):
            calls.append(arguments)

    monkeypatch.setattr(sources, "_map_of", lambda array: watched)
    with path.open("rb") as file:
        watched = Watched(file.fileno(), 0, access=sources.mmap.ACCESS_READ)
    array = np.frombuffer(watched, np.float32, offset=128).reshape(64, 1024)
    sources.read_ahead(array, np.array([9, 2, 3, 8]))
    assert [arguments[1:] for arguments in calls] == [(8192, 2 * 4096 + 128), (8 * 4096, 2 * 4096 + 128)]


def test_a_file_that_is_cut_short_while_it_is_read_raises_instead_of_ending_the_process(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, ROWS)
    mapped = fn.data.memory_map(path)
    sources.check_whole(mapped, "inputs")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(fn.data.DataError, match=r"inputs: .*rows.npy holds 364 bytes, expected 368: it was cut short"):
        sources.check_whole(mapped, "inputs")
    path.unlink()
    with pytest.raises(fn.data.DataError, match="cannot be read any more"):
        sources.check_whole(mapped, "inputs")


def bad_files(folder):
    whole = idx(folder / "whole", np.arange(6, dtype=np.uint8).reshape(3, 2), 0x08).read_bytes()
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(folder / "short.npy", ROWS)
    short = (folder / "short.npy").read_bytes()[:-10]
    return {
        "is truncated: it holds 17 bytes, expected 18": whole[:-1],
        "is gzipped, expected a plain file": gzip.compress(whole),
        "begins with the magic": b"hello world",
        "is truncated: it holds 0 bytes": b"",
        "short cannot be mapped": short,
        "objects cannot be mapped": (folder / "objects.npy").read_bytes(),
    }


@pytest.mark.parametrize("number", range(6))
def test_bad_files_are_refused_in_one_line(tmp_path, number):
    text, content = list(bad_files(tmp_path).items())[number]
    path = tmp_path / (text.split()[0] if "mapped" in text else "file")
    path.write_bytes(content)
    with pytest.raises(fn.data.DataError, match=text) as refused:
        fn.data.memory_map(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(fn.data.DataNotFoundError, match=r"stream: inputs is .*nothing.npy, expected a file, but"):
        fn.data.stream(tmp_path / "nothing.npy")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"inputs": None}, ValueError, "inputs is None"),
        ({"inputs": ROWS, "block": 0}, ValueError, "block is 0"),
        ({"inputs": ROWS, "pool": 1.5}, TypeError, "pool is 1.5"),
        ({"inputs": ROWS, "transform": 3}, TypeError, "transform is 3"),
        ({"inputs": ROWS, "targets": np.ones(3)}, ValueError, r"targets has shape \(3,\) for inputs of shape"),
        ({"inputs": ROWS, "mask": np.ones(3, bool)}, ValueError, r"mask has shape \(3,\) and dtype bool, expected"),
        ({"inputs": ROWS[:, 0]}, ValueError, r"write inputs\[:, None\] for a single feature"),
        ({"inputs": ROWS[:0]}, ValueError, r"expected .* with at least one"),
        ({"inputs": np.array([[{}]], object)}, TypeError, "stream: inputs has dtype object"),
        ({"inputs": ROWS * 1j}, TypeError, "stream: inputs has dtype complex"),
        ({"inputs": [["a"]]}, TypeError, "stream: inputs has dtype"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fn.data.stream(**arguments)


def test_nothing_is_read_until_it_is_needed(tmp_path):
    """A sparse file of 20 GB opens at once."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(bytes([0, 0, 8, 2]) + struct.pack(">2I", 25_000_000, 800))
        file.truncate(12 + 25_000_000 * 800)
    source = fn.data.stream(path, np.zeros(25_000_000, np.uint8))
    assert source.inputs.shape == (25_000_000, 800)
    assert jax.tree.leaves(sources.head(source, (0, 0, 0, 0), 3))[0].shape == (3, 800)

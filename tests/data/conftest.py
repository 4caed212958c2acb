"""An IDX writer that shares no code with the reader."""

import gzip
import struct

import numpy as np
import pytest

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    header = struct.pack(">BBBB", 0, 0, CODES[array.dtype.name], array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="session")
def as_idx():
    return idx_bytes


@pytest.fixture
def small_mnist(tmp_path):
    """A folder with four small files in MNIST's format, half of them gzipped: 6 + 4 images of 3 x 2 pixels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 3, 2)).astype(np.uint8)
    labels = np.arange(10).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images[:6]))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels[:6])))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images[6:])))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels[6:]))
    return tmp_path, images, labels

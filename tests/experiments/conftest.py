"""Made-up images in MNIST's files, so that no test needs MNIST: digit k is a bright bar in row 2k + 4, and noise."""

import struct

import numpy as np
import pytest

TRAIN, VALIDATION, TEST = 100, 10_000, 200


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture(scope="session")
def bars(tmp_path_factory):
    """A folder with 100 training, 10 000 validation and 200 test images of 28 x 28 in MNIST's format."""
    folder = tmp_path_factory.mktemp("bars")
    random = np.random.default_rng(0)
    for name, count in (("train", TRAIN + VALIDATION), ("t10k", TEST)):
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 64, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 2 * labels + 4] = 255
        write_idx(folder / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return folder

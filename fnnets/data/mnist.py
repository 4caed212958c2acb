"""MNIST from its IDX files, in Nielsen's split.

    x = pixels / divisor                  pixels are 0 … 255; Nielsen divides by 256, most others by 255
    train       the first 50 000 of the 60 000 training images
    validation  the next 10 000
    test        the 10 000 test images

| symbol | name in code | shape |
|---|---|---|
| x | `mnist().train.inputs` | (50000, 784): 28 x 28 images, row by row |
| y | `mnist().train.targets` | (50000,) labels 0 … 9 |

Nothing is downloaded: the files are found by an argument or by the environment variable FNNETS_DATA.
Source: [LeCun1998]; [MNIST]; [Nielsen2015], chapter 1, for the split.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Batch
from fnnets.data import folders
from fnnets.data.idx import read_idx
from fnnets.storage.errors import DataError, DataNotFoundError

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Mnist(NamedTuple):
    """Three data sets: inputs (N, 784) float32, labels (N,) int32; N is 50 000, 10 000 and 10 000."""

    train: Batch
    validation: Batch
    test: Batch


@calls.strict("mnist")
def mnist(data_dir: str | os.PathLike[str] | None = None, *, divisor: float = 256, validation: int = 10_000) -> Mnist:
    """MNIST's digits, in the order of the files.

    Args:
        data_dir: a directory with the four IDX files, plain or .gz, or with a folder `mnist` that holds
            them; None takes the environment variable FNNETS_DATA.
        divisor: what pixels 0 … 255 are divided by: 256 as in Nielsen's book, or 255 for inputs up to 1.
        validation: how many of the last training images are kept for validation; 0 makes that part empty.

    Returns:
        `.train`, `.validation` and `.test`, each a `Batch` of inputs (N, 784) float32 and labels (N,) int32.

    Raises:
        DataNotFoundError: no directory is given, or it or one of its files does not exist.
        DataError: a file is damaged, or holds something else than digits and their labels.
        TypeError, ValueError: `data_dir` is no path, `divisor` < 1, `validation` is no int that leaves an
            image to train with.

    >>> mnist("nowhere")
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotFoundError: mnist: data_dir nowhere is no directory, expected a directory;
    give one with MNIST's IDX files
    """
    validate.at_least(divisor, 1.0, "mnist: divisor", "give 256 or 255")
    arrays.fitting(np.asarray(float(divisor)), "mnist: divisor")
    validate.count(validation, "mnist: validation", "give the number of images to validate on", least=0)
    folder = folders.folder(data_dir, "mnist", "MNIST's IDX files")
    images, labels = _pair(folder, *TRAIN, divisor)
    test_images, test_labels = _pair(folder, *TEST, divisor)
    train = len(labels) - validation
    if train < 1:
        raise ValueError(
            f"mnist: validation is {validation} of {len(labels)} training images, expected fewer; leave at least one"
        )
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{folder} holds training images of {images.shape[1]} pixels and test images of "
            f"{test_images.shape[1]}, expected the same; get the files again"
        )
    return Mnist(
        _batch(images[:train], labels[:train]),
        _batch(images[train:], labels[train:]),
        _batch(test_images, test_labels),
    )


def _batch(images, labels) -> Batch:
    return Batch(jnp.asarray(images), jnp.asarray(labels))


def _find(folder: Path, name: str) -> Path:
    for place in (folder, folder / "mnist"):
        for suffix in ("", ".gz"):
            if (place / (name + suffix)).is_file():
                return place / (name + suffix)
    raise DataNotFoundError(
        f"mnist: {folder} holds no {name} or {name}.gz, nor does its folder mnist; put MNIST's four IDX files there"
    )


def _pair(folder: Path, images_name: str, labels_name: str, divisor: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (N, H·W) and labels (N,) of one pair of files."""
    images_file, labels_file = _find(folder, images_name), _find(folder, labels_name)
    images, labels = _bytes(images_file, 3, "images (N, H, W)"), _bytes(labels_file, 1, "labels (N,)")
    if len(images) != len(labels):
        raise DataError(
            f"{labels_file} holds {len(labels)} labels and {images_file} {len(images)} images, "
            "expected one label for each image; get both files from the same place"
        )
    if images.size == 0:
        raise DataError(f"{images_file} has sizes {images.shape}: no pixels, expected at least one; get it again")
    if labels.max() > 9:
        raise DataError(
            f"{labels_file} holds labels from {labels.min()} to {labels.max()}, expected 0 to 9; "
            "it is damaged or not MNIST's: get it again"
        )
    # NumPy's division is rounded exactly; XLA's may multiply by a rounded reciprocal.
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(divisor), labels.astype(np.int32)


def _bytes(file: Path, rank: int, expected: str) -> np.ndarray:
    array = read_idx(file)
    if array.ndim != rank or array.dtype != np.uint8:
        raise DataError(
            f"{file} holds an array of sizes {array.shape} and dtype {array.dtype}, expected {expected} of uint8; "
            "give MNIST's own file of that name"
        )
    return array

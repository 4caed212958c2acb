import gzip
import hashlib
import os

import jax
import numpy as np
import pytest

from fnnets.data import DataError, DataNotFoundError, mnist, read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"


def refusal(folder, **options):
    """The one line with which that folder is refused."""
    with pytest.raises(DataError) as caught:
        mnist(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.parametrize("divisor", [256, 255])
def test_the_parts_are_the_files_in_their_order(small_mnist, divisor):
    folder, images, labels = small_mnist
    parts = mnist(folder, validation=2, divisor=divisor)
    inputs = images.reshape(10, 6).astype(np.float32) / np.float32(divisor)
    for part, rows in zip(parts, (slice(4), slice(4, 6), slice(6, 10)), strict=True):
        np.testing.assert_array_equal(part.inputs, inputs[rows])
        np.testing.assert_array_equal(part.targets, labels[rows])
        assert part.inputs.dtype == np.float32
        assert part.targets.dtype == np.int32
        assert isinstance(part.inputs, jax.Array)
    assert parts.train is parts[0]
    assert parts.validation is parts[1]


def test_no_validation_leaves_all_images_for_training(small_mnist):
    parts = mnist(str(small_mnist[0]), validation=0)
    assert parts.train.inputs.shape == (6, 6)
    assert parts.validation.inputs.shape == (0, 6)


def test_the_folder_is_found_by_the_variable_and_below_it(small_mnist, tmp_path_factory, monkeypatch):
    folder = small_mnist[0]
    monkeypatch.setenv("FNNETS_DATA", str(folder))
    assert len(mnist(validation=2).train.inputs) == 4
    parent = tmp_path_factory.mktemp("parent")
    (parent / "mnist").symlink_to(folder)
    assert len(mnist(parent, validation=2).train.inputs) == 4
    monkeypatch.setenv("FNNETS_DATA", str(parent / "nowhere"))
    with pytest.raises(DataNotFoundError, match=r"FNNETS_DATA .*nowhere is no directory"):
        mnist()


def test_missing_things_are_named(small_mnist, monkeypatch):
    folder = small_mnist[0]
    assert "is no directory, expected a directory; give one" in refusal(folder / "nowhere")
    assert "is a file, expected a directory; give one" in refusal(folder / IMAGES)
    (folder / LABELS).unlink()
    assert "holds no train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz" in refusal(folder)
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    with pytest.raises(
        DataNotFoundError, match=r"data_dir is None and FNNETS_DATA gives no directory either, expected one"
    ):
        mnist()
    with pytest.raises(FileNotFoundError):
        mnist("")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (LABELS, np.array([0, 1, 2, 3, 4, 10], np.uint8), "labels from 0 to 10, expected 0 to 9"),
        (LABELS, np.array([0, 1, 2, 3, 4], np.uint8), "5 labels and .* 6 images"),
        (LABELS, np.array([0, 1, 2, 3, 4, -1], np.int8), "dtype int8, expected labels"),
        (LABELS, np.zeros((6, 10), np.uint8), r"sizes \(6, 10\) .* expected labels"),
        (IMAGES, np.zeros((6, 6), np.uint8), r"sizes \(6, 6\) .* expected images"),
        (IMAGES, np.zeros((6, 3, 2), np.float32), "dtype float32, expected images"),
        (IMAGES, np.zeros((6, 3, 3), np.uint8), "training images of 9 pixels and test images of 6"),
        (IMAGES, np.zeros((6, 0, 2), np.uint8), "no pixels"),
    ],
)
def test_files_of_something_else_are_refused(small_mnist, as_idx, name, array, message):
    folder = small_mnist[0]
    content = as_idx(array)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DataError, match=message):
        mnist(folder, validation=2)
    refusal(folder, validation=2)


def test_damaged_files_are_named(small_mnist):
    folder = small_mnist[0]
    content = (folder / IMAGES).read_bytes()
    (folder / IMAGES).write_bytes(content[:-1])
    assert f"{IMAGES} is truncated: it holds {len(content) - 1} bytes, expected {len(content)}" in refusal(folder)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"divisor": 0}, ValueError, "divisor is 0"),
        ({"divisor": "256"}, TypeError, "divisor is '256'"),
        ({"validation": -1}, ValueError, "validation is -1"),
        ({"validation": 0.1}, TypeError, "validation is 0.1"),
        ({"validation": 6}, ValueError, "validation is 6 of 6 training images"),
        ({}, ValueError, "validation is 10000 of 6 training images"),
    ],
)
def test_bad_options_are_refused(small_mnist, options, error, message):
    with pytest.raises(error, match=message):
        mnist(small_mnist[0], **options)


def test_a_data_dir_that_is_no_path_is_refused():
    with pytest.raises(TypeError, match="data_dir is 3 of type int"):
        mnist(3)


@pytest.mark.skipif(not os.environ.get("FNNETS_DATA"), reason="FNNETS_DATA names no directory with MNIST's IDX files")
def test_the_real_files_are_mnist():
    parts = mnist()
    assert [part.inputs.shape for part in parts] == [(50_000, 784), (10_000, 784), (10_000, 784)]
    raw = [np.asarray(part.inputs * 256).astype(np.uint8) for part in parts]
    labels = [np.asarray(part.targets).astype(np.uint8) for part in parts]
    published = {"ba891046": (raw[:2], (60_000, 28, 28)), "0fa7898d": (raw[2:], (10_000, 28, 28))}
    published |= {"65a50cbb": (labels[:2], (60_000,)), "ff7bcfd": (labels[2:], (10_000,))}
    for digest, (pieces, sizes) in published.items():
        header = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">u4").tobytes()
        found = hashlib.sha256(header + np.concatenate(pieces).tobytes()).hexdigest()
        assert found.startswith(digest)


def test_read_idx_and_mnist_agree(small_mnist):
    folder, images, _ = small_mnist
    np.testing.assert_array_equal(read_idx(folder / IMAGES), images[:6])

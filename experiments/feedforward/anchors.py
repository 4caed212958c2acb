"""Figures without training noise: they show that data and splits are what the published experiments used.

    average darkness    d_k = mean over training images of class k of Σ pixels
                        class of an image = argmin_k |Σ pixels − d_k|                2225 of 10 000 right
    support vectors     SVC(gamma = .001) on the raw digits, first half / second half      0.9689 right

Source: [Nielsen2015], chapter 1 (`mnist_average_darkness.py`); scikit-learn, "Recognizing hand-written digits".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common
from experiments.harness.results import Figure, Record

DARKNESS, SVC = 2225, 0.9689


@dataclass(frozen=True)
class Options(Common):
    """Check two published figures that involve no randomness: average darkness on MNIST, support vectors on digits.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: unused, there is nothing to wait for.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    data_dir: Path | None = None


def run(options: Options) -> int:
    """Compute both; MNIST's is passed over where MNIST is absent; 1 where one is missed."""
    begin = time.perf_counter()
    svc = Figure("digits, SVC(gamma=.001), right", (support_vectors(),), "", SVC, SVC - 5e-5, SVC + 5e-5, form=".4f")
    figures = [svc]
    try:
        images = fn.data.mnist(options.data_dir)
    except fn.data.DataNotFoundError as error:
        print(f"anchors: average darkness is left out: {error}")
    else:
        right = darkness(images.train, images.test)
        figures.insert(0, Figure(f"MNIST, average darkness, right of {len(images.test.inputs)}", (float(right),), "",
                                 DARKNESS, DARKNESS, DARKNESS, form=".0f"))  # fmt: skip
    record = Record("anchors", "exact anchors", "python -m experiments anchors", {"pixels": "divided by 256"},
                    tuple(figures), seconds=time.perf_counter() - begin)  # fmt: skip
    return results.finish(record, options.out / "anchors", {})


def darkness(train: fn.Batch, test: fn.Batch) -> int:
    """The number of test images that the nearest class mean of the pixel sum classifies rightly.

    >>> import jax.numpy as jnp
    >>> darkness(fn.Batch(jnp.array([[0.0], [1.0]]), jnp.array([0, 1])), fn.Batch(jnp.array([[0.9]]), jnp.array([1])))
    1
    """
    sums, labels = _sums(train)
    means = np.array([sums[labels == digit].mean() if (labels == digit).any() else np.inf for digit in range(10)])
    test_sums, test_labels = _sums(test)
    nearest = np.abs(test_sums[:, None] - means[None]).argmin(axis=1)
    return int((nearest == test_labels).sum())


def support_vectors() -> float:
    """The fraction of the second half of the digits that the support vectors of the first half get right."""
    from sklearn.svm import SVC as SupportVectors

    digits = fn.data.digits()
    x, y = np.asarray(digits.inputs, np.float64) * 16, np.asarray(digits.targets)
    half = len(x) // 2
    return float(SupportVectors(gamma=0.001).fit(x[:half], y[:half]).score(x[half:], y[half:]))


def _sums(batch: fn.Batch) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(batch.inputs, np.float64).sum(axis=1), np.asarray(batch.targets)

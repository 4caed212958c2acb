"""The rows of Nielsen's book that `python -m experiments nielsen` measures: settings, published figure, bar.

    quadratic        c = ½ Σ (σ(z) − y)²            one-hot y
    cross-entropy    c = Σ softplus(z) − y z        one-hot y
    log-likelihood   c = −log softmax(z)_y          labels y
    large            w ~ N(0, 1)         b ~ N(0, 1)
    default          w ~ N(0, 1/p)       b ~ N(0, 1)        p inputs a unit
    chapter 6        w ~ N(0, 1/q)       b ~ N(0, 1)        q units; the softmax layer begins with zeros
    penalty          λ/2n Σ w²           so that w ← (1 − ηλ/n) w − η ∂C, with n training images

Source: [Nielsen2015]. Its figures come from single runs, most of them their best epoch; `statistic` names what each row
compares with.
"""

from __future__ import annotations

from typing import NamedTuple

BEST_RUN = "test accuracy, best epoch, best of 3 runs"
BEST_EPOCH = "accuracy at the best epoch"
LAST_EPOCH = "accuracy at the last epoch"
SELECTED = "test accuracy at the best validation epoch"


class Row(NamedTuple):
    """One published figure.

    Attributes:
        name: the row's name on the command line.
        sizes: units of each layer.
        cost: "quadratic", "cross-entropy" or "log-likelihood".
        initializer: "large", "default" or "chapter 6".
        learning_rate: η.
        epochs: passes through the training images.
        published: the figure, in per cent.
        statistic: which measured figure stands beside it.
        l2: λ.
        judged: "test" or "validation": the images on which the book reports.
        examples: n, how many of the training images are used.
        low, high: the bar for the measured figure, in per cent.
    """

    name: str
    sizes: tuple[int, ...]
    cost: str
    initializer: str
    learning_rate: float
    epochs: int
    published: float
    statistic: str
    l2: float = 0.0
    judged: str = "test"
    examples: int = 50_000
    low: float | None = None
    high: float | None = None


def _depth(layers: int, published: float) -> Row:
    sizes = (784, *[30] * layers, 10)
    return Row(
        f"chapter-5-depth-{layers}", sizes, "cross-entropy", "default", 0.1, 30, published, BEST_EPOCH, 5.0,
        "validation", low=published - 0.4, high=published + 0.4,
    )  # fmt: skip


SMALL, WIDE = (784, 30, 10), (784, 100, 10)
ROWS = (
    Row("chapter-1-30", SMALL, "quadratic", "large", 3.0, 30, 95.42, BEST_RUN, low=95.02, high=95.82),
    Row("chapter-3-tuned", WIDE, "cross-entropy", "large", 0.1, 60, 98.04, BEST_EPOCH, 5.0, "validation", low=97.8),
    _depth(1, 96.48),
    _depth(2, 96.90),
    _depth(3, 96.57),
    _depth(4, 96.53),
    Row("chapter-3-1000", SMALL, "cross-entropy", "large", 0.5, 400, 82.27, BEST_EPOCH, examples=1000),
    Row("chapter-3-1000-l2", SMALL, "cross-entropy", "large", 0.5, 400, 87.1, BEST_EPOCH, 0.1, examples=1000),
    Row("chapter-3-30", SMALL, "cross-entropy", "large", 0.5, 30, 95.49, BEST_EPOCH),
    Row("chapter-3-l2", SMALL, "cross-entropy", "large", 0.5, 30, 96.49, BEST_EPOCH, 5.0),
    Row("chapter-1-fast", SMALL, "quadratic", "large", 100.0, 30, 10.0, LAST_EPOCH),
    Row("chapter-6-shallow", WIDE, "log-likelihood", "chapter 6", 0.1, 60, 97.80, SELECTED, judged="validation"),
    Row("chapter-1-100", WIDE, "quadratic", "large", 3.0, 30, 96.59, BEST_RUN),
    Row("chapter-3-100", WIDE, "cross-entropy", "large", 0.5, 30, 96.82, BEST_EPOCH),
    Row("chapter-1-slow", WIDE, "quadratic", "large", 0.001, 30, 21.42, LAST_EPOCH),
)

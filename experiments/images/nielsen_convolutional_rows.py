"""The convolutional networks of Nielsen's chapter 6: settings, published figure, bar.

    convolution → pooling → σ       20 or 40 filters of 5 x 5 pixels, the greatest of each 2 x 2
    convolution    w ~ N(0, 4/25K)       b ~ N(0, 1)        K filters: the book counts 25K/4 outputs after pooling
    dense          w ~ N(0, 1/q)         b ~ N(0, 1)        q units
    softmax        w = 0                 b = 0
    penalty        λ/2n Σ w²             the book divides its λ by the n/10 minibatches: its 0.1 is 1.0 here

The row "one-short" is not in the book: a step for 10 epochs, chosen among 0.1, 0.3 and 0.5 by the validation images
with another seed. The book adds b after pooling, which is the same: the greatest of numbers that all grow by b grows by
b. The dropout of its last row is that of the inputs of each fully connected layer, the softmax layer among them.
Source: [Nielsen2015], chapter 6, and its program `network3.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from jax.nn import initializers as jax_initializers

import fnnets as fn

ONE = "conv5-20 maxpool2 | fc-100 fc-10"
TWO = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"
DROPOUT = "conv5-20 maxpool2 | conv5-40 maxpool2 | dropout0.5 fc-1000 dropout0.5 fc-1000 dropout0.5 fc-10"


class Row(NamedTuple):
    """One published figure, the test accuracy at the best validation epoch.

    Attributes:
        name: the row's name on the command line.
        table: the layers, as `fn.convolutional` reads them.
        hidden: "sigmoid" or "relu".
        learning_rate: η.
        published: the figure, in per cent.
        l2: λ of λ/2n Σ w².
        expanded: whether four moved copies of each image are trained on too.
        epochs: passes through the training images in the book.
        low: the bar for the test accuracy at the best validation epoch, in per cent.
    """

    name: str
    table: str
    hidden: str
    learning_rate: float
    published: float
    l2: float = 0.0
    expanded: bool = False
    epochs: int = 60
    low: float | None = None


ROWS = (
    Row("one", ONE, "sigmoid", 0.1, 98.78, low=98.5),
    Row("one-short", ONE, "sigmoid", 0.3, 98.78, epochs=10, low=98.5),
    Row("two", TWO, "sigmoid", 0.1, 99.06),
    Row("rectified", TWO, "relu", 0.03, 99.23, l2=1.0),
    Row("expanded", TWO, "relu", 0.03, 99.37, l2=1.0, expanded=True),
    Row("dropout", DROPOUT, "relu", 0.03, 99.60, expanded=True, epochs=40),
)


def build(row: Row, side: int = 28) -> fn.Network:
    """The row's network, for images of `side` x `side` pixels.

    >>> [part.name for part in build(ROWS[0]).layer.parts]
    ['convolution', 'max_pooling', 'activate', 'flatten', 'dense', 'dense']
    """
    hidden = {"sigmoid": fn.activations.sigmoid, "relu": fn.activations.relu}[row.hidden]
    objective = fn.objectives.softmax_log_likelihood
    net = fn.convolutional(
        (side, side, 1), row.table, hidden, objective=objective, pool_first=True, initializer=CHAPTER_6
    )
    softmax = fn.layers.dense(10, initializer=fn.initializers.zeros)
    return fn.network(fn.chain(*net.layer.parts[:-1], softmax), objective, net.input_shape, row.l2)


def _weights(in_axis: int, out_axis: int):
    """w ~ N(0, 4/25K) for filters (5, 5, C, K), N(0, 1/q) for weights (q, p)."""

    def draw(key, shape, dtype):
        scale = 4.0 if len(shape) == 4 else 1.0
        make = jax_initializers.variance_scaling(scale, "fan_out", "normal", in_axis, out_axis)
        return make(key, shape, dtype)

    return draw


CHAPTER_6 = fn.initializers.Initializer(_weights, jax_initializers.normal(1.0))

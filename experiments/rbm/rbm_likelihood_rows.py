"""The RBMs that `python -m experiments rbm_likelihood` measures: settings, published figures, bars.

    normal     w ← w − η (⟨∂F/∂w⟩ of the data − of the samples)
    centred    the same with the offsets of [Melchior2016], which move with the rate 0.01
    uniform    w ~ U(−r, r),  r = 4 √(6/(p + q));  centred RBMs begin with b − Wᵀω, c − Wμ in place of b, c

cd-1, pcd-1, tempered    PyDeep's small RBM, 784-16, of which pcd-1 is published, from one seed, with one order of
                         the minibatches. Its log Z of the centred RBM is that of energies with offsets, which no
                         other log Z compares with.
cd-20                    784-20 by CD-1, [Salakhutdinov2008], whose settings are not all known.
lisa                     the RBM of the LISA tutorials: 784-500 by PCD-15, grey levels of 50 000 images as
                         probabilities. Its published figures are estimates from one pixel an image along an epoch.

Source: J. Melchior, PyDeep's tutorial "Small centered/normal binary RBM on MNIST"; [Melchior2016]; [Salakhutdinov2008];
deeplearning.net, "Restricted Boltzmann machines".
"""

from __future__ import annotations

from typing import NamedTuple

LIKELIHOOD, LOG_PARTITION = "test log-likelihood", "log Z"
PSEUDO_TRAIN, PSEUDO_TEST = "pseudo-log-likelihood of training images", "pseudo-log-likelihood of test images"
FIRST = f"{PSEUDO_TRAIN} after the first epoch"
AIS_DISTANCE, REVERSE_DISTANCE = "distance of AIS from log Z", "distance of reverse AIS from log Z"
NORMAL, CENTRED = "normal", "centred"


class Row(NamedTuple):
    """An RBM and how it is trained.

    Attributes:
        name: the row's name on the command line.
        sampler: "CD-1", "PCD-1", "PCD-15" or "parallel tempering".
        hidden: hidden units.
        ways: of "normal" and "centred".
        learning_rate, epochs, batch_size: of plain descent.
        chains: persistent chains; with tempering at each temperature.
        every: epochs between the points of the curves.
        deviation: of the initial weights; None for the uniform ones.
        log_odds: whether visible biases begin at the log-odds of the data, else at 0.
        examples: how many of the training images are used; None for all.
        grey: train with grey levels as probabilities.
    """

    name: str
    sampler: str
    hidden: int = 16
    ways: tuple[str, ...] = (NORMAL, CENTRED)
    learning_rate: float = 0.01
    epochs: int = 50
    batch_size: int = 100
    chains: int = 100
    every: int = 10
    deviation: float | None = None
    log_odds: bool = True
    examples: int | None = None
    grey: bool = False


class Bar(NamedTuple):
    """The published figure on MNIST, and the interval in which the measured one should lie."""

    published: float | None = None
    low: float | None = None
    high: float | None = None


ROWS = (
    Row("cd-1", "CD-1"),
    Row("pcd-1", "PCD-1"),
    Row("tempered", "parallel tempering"),
    Row("cd-20", "CD-1", 20, (NORMAL,), deviation=0.01),
    Row(
        "lisa", "PCD-15", 500, (NORMAL,), learning_rate=0.1, epochs=15, batch_size=20, chains=20, every=1,
        log_odds=False, examples=50_000, grey=True,
    ),
)  # fmt: skip
BARS = {
    ("pcd-1", NORMAL, LIKELIHOOD): Bar(-149.05, -150.55, -147.55),
    ("pcd-1", CENTRED, LIKELIHOOD): Bar(-142.56, -144.06, -141.06),
    ("pcd-1", NORMAL, LOG_PARTITION): Bar(190.95),
    ("cd-20", NORMAL, LIKELIHOOD): Bar(-164.50),
    ("lisa", NORMAL, FIRST): Bar(-90.65),
    ("lisa", NORMAL, PSEUDO_TRAIN): Bar(-62.76, low=-66.0),
    ("lisa", NORMAL, PSEUDO_TEST): Bar(low=-66.0),
}


def adapted(row: Row, name: str, epochs: int | None = None) -> Row:
    """The row for MNIST or digits, with `epochs` if given; digits take smaller RBMs and minibatches.

    >>> [adapted(ROWS[1], name).batch_size for name in ("MNIST", "digits")]
    [100, 10]
    """
    if name == "digits":
        row = row._replace(hidden=min(row.hidden, 64), learning_rate=0.05, epochs=min(row.epochs, 30), batch_size=10)
    return row._replace(epochs=epochs or row.epochs)


def bar(row: Row, way: str, figure: str, name: str) -> Bar:
    """The bar of a figure; on digits only the one of annealing.

    >>> bar(ROWS[1], "normal", "test log-likelihood", "MNIST").published
    -149.05
    """
    if figure == AIS_DISTANCE:
        return Bar(high=1.0)
    return BARS.get((row.name, way, figure), Bar()) if name == "MNIST" else Bar()

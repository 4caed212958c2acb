"""The table of experiments behind `python -m experiments --list`."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One experiment: its module below `experiments`, a line about it, the data it needs, its time on two cores."""

    module: str
    summary: str
    data: str
    time: str

    @property
    def name(self) -> str:
        """The module's last name."""
        return self.module.rpartition(".")[2]


ENTRIES = (
    Entry(
        "feedforward.digits", "a classifier trained by the explicit gradient and again by jax.grad", "digits", "20 s"
    ),
    Entry(
        "feedforward.anchors",
        "figures without training noise: average darkness, support vectors",
        "digits, MNIST",
        "5 s",
    ),
    Entry("feedforward.saturation", "a saturated output neuron learns slowly under squared error", "none", "5 s"),
    Entry(
        "feedforward.approximation", "one hidden layer fits a continuous function; error against width", "none", "1 min"
    ),
    Entry(
        "feedforward.vanishing", "the norm of delta in deep networks; the product formula for a chain", "none", "20 s"
    ),
    Entry(
        "feedforward.overfitting",
        "L2, dropout, augmentation, early stopping on 1000 images",
        "MNIST or digits",
        "5 min",
    ),
    Entry("feedforward.nielsen", "the figures of Nielsen's book, chapters 1, 3, 5 and 6 (shallow)", "MNIST", "30 min"),
    Entry(
        "images.nielsen_convolutional",
        "convolutional networks of its chapter 6; with --full for hours",
        "MNIST",
        "10 min",
    ),
    Entry("images.digits_convolutional", "a convolutional classifier of digits, beyond the SVC", "digits", "1 min"),
    Entry(
        "images.filters", "filters and activation maps of a trained convolutional network", "digits or MNIST", "30 s"
    ),
    Entry("images.transfer", "a network of 0-4 re-used for 5-9, against one from scratch", "digits or MNIST", "2 min"),
    Entry("images.augmentation", "moved and turned copies of small training sets, against none", "digits", "1 min"),
    Entry(
        "images.detection",
        "digits found in cluttered scenes by class maps; precision, recall",
        "digits or MNIST",
        "90 s",
    ),
    Entry(
        "sequences.reber", "LSTMs and simple networks learn the embedded Reber grammar, 30 trials each", "none", "5 min"
    ),
    Entry(
        "sequences.adding", "the sum of two numbers 100 steps apart; the norm of delta through time", "none", "3 min"
    ),
    Entry(
        "sequences.sequence_digits", "digits read by rows or by pixels: LSTM, GRU, simple networks", "digits", "3 min"
    ),
    Entry("sequences.characters", "a character model of text, beside n-grams", "topics or text", "10 min"),
    Entry("rbm.rbm_likelihood", "exact log-likelihoods of RBMs, and annealing", "MNIST or digits", "45 min"),
    Entry("rbm.rbm_features", "an RBM's features of digits against pixels, and scikit-learn's", "digits", "20 s"),
    Entry("rbm.rbm_samples", "filters, fantasies and reconstructions of an RBM", "MNIST or digits", "2 min"),
    Entry(
        "autoencoders.autoencoder",
        "a deep autoencoder beside PCA; with --full for longer, resumed",
        "MNIST or digits",
        "6 min",
    ),
    Entry(
        "autoencoders.codes",
        "codes of two numbers scattered by class, beside two components of PCA",
        "MNIST or digits",
        "2 min",
    ),
    Entry(
        "autoencoders.pretraining",
        "deep autoencoders with and without it; SGD, momentum, Nesterov",
        "MNIST or digits",
        "12 min",
    ),
    Entry(
        "auditing.audit", "the derivative rules of public libraries, at ordinary and special points", "none", "60 min"
    ),
    Entry("harness.table", "writes the table of published and measured figures", "none", "1 s"),
)
MODULES = {entry.name: entry.module for entry in ENTRIES}
FOOT = """Data: digits comes with scikit-learn, topics with Python;
MNIST, and the text tinyshakespeare.txt, are found by --data-dir or FNNETS_DATA."""


def listing() -> str:
    """The entries as aligned lines.

    >>> print(listing().splitlines()[0])
    NAME           DATA             TIME    WHAT
    """
    rows = [("NAME", "DATA", "TIME", "WHAT"), *((e.name, e.data, e.time, e.summary) for e in ENTRIES)]
    lines = [f"{name:<23}{data:<17}{time:<8}{summary}" for name, data, time, summary in rows]
    return "\n".join([*lines, "", FOOT])

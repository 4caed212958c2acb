"""What experiments there are: the table behind `python -m experiments --list`."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One experiment: its module below `experiments`, a line about it, the data it needs, its time on two cores."""

    name: str
    summary: str
    data: str
    time: str


ENTRIES = (
    Entry("digits", "a classifier trained by the explicit gradient and again by jax.grad", "digits", "20 s"),
    Entry("anchors", "figures without training noise: average darkness, support vectors", "digits, MNIST", "5 s"),
    Entry("saturation", "a saturated output neuron learns slowly under squared error", "none", "5 s"),
    Entry("approximation", "one hidden layer fits a continuous function; error against width", "none", "1 min"),
    Entry("vanishing", "the norm of delta in deep networks; the product formula for a chain", "none", "20 s"),
    Entry("overfitting", "L2, dropout, augmentation, early stopping on 1000 images", "MNIST or digits", "5 min"),
    Entry("nielsen", "the figures of Nielsen's book, chapters 1, 3, 5 and 6 (shallow)", "MNIST", "30 min"),
    Entry("nielsen_convolutional", "convolutional networks of its chapter 6; with --full for hours", "MNIST", "10 min"),
    Entry("digits_convolutional", "a convolutional classifier of digits, beyond the SVC", "digits", "1 min"),
    Entry("filters", "filters and activation maps of a trained convolutional network", "digits or MNIST", "30 s"),
    Entry("transfer", "a network that knows 0-4 re-used for 5-9, against one from scratch", "digits or MNIST", "2 min"),
    Entry("augmentation", "moved and turned copies of small training sets, against none", "digits", "1 min"),
    Entry("detection", "digits found in cluttered scenes by class maps; precision, recall", "digits or MNIST", "90 s"),
    Entry("reber", "LSTMs and simple networks learn the embedded Reber grammar, 30 trials each", "none", "5 min"),
    Entry("adding", "the sum of two numbers 100 steps apart; the norm of delta through time", "none", "3 min"),
    Entry("sequence_digits", "digits read by rows or by pixels: LSTM, GRU, simple networks", "digits", "3 min"),
    Entry("characters", "a character model of text, beside n-grams", "topics or text", "10 min"),
    Entry("rbm_likelihood", "exact log-likelihoods of Boltzmann machines, and annealing", "MNIST or digits", "45 min"),
    Entry("rbm_features", "a machine's features of digits against pixels, and scikit-learn's", "digits", "20 s"),
    Entry("rbm_samples", "filters, fantasies and reconstructions of a Boltzmann machine", "MNIST or digits", "2 min"),
    Entry("autoencoder", "a deep autoencoder beside PCA; with --full for longer, resumed", "MNIST or digits", "6 min"),
    Entry("codes", "codes of two numbers scattered by class, beside two components of PCA", "MNIST or digits", "2 min"),
    Entry("pretraining", "deep autoencoders with and without it; SGD, momentum, Nesterov", "MNIST or digits", "12 min"),
    Entry("table", "writes the table of published and measured figures", "none", "1 s"),
)
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

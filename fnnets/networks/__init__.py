"""Network families, one file each: how layers are put together and joined to an objective."""

from fnnets.networks import (
    boxes,
    coding,
    detection,
    energies,
    ensemble,
    likelihood,
    partition,
    sampling,
    sliding,
    streaming,
    tempering,
    transfer,
)
from fnnets.networks.autoencoder import autoencoder
from fnnets.networks.boltzmann import boltzmann
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent

__all__ = [
    "autoencoder",
    "boltzmann",
    "boxes",
    "coding",
    "convolutional",
    "detection",
    "energies",
    "ensemble",
    "feedforward",
    "likelihood",
    "partition",
    "recurrent",
    "sampling",
    "sliding",
    "streaming",
    "tempering",
    "transfer",
]

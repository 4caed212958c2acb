"""Network families, one file each: how layers are put together and joined to an objective."""

from fnnets.networks import (
    boxes,
    detection,
    energies,
    sampling,
    sliding,
    streaming,
    tempering,
    transfer,
)
from fnnets.networks.boltzmann import boltzmann
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent

__all__ = [
    "boltzmann",
    "boxes",
    "convolutional",
    "detection",
    "energies",
    "feedforward",
    "recurrent",
    "sampling",
    "sliding",
    "streaming",
    "tempering",
    "transfer",
]

"""Network families, one file each: how layers are put together and joined to an objective."""

from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward

__all__ = ["convolutional", "feedforward"]

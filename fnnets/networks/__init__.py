"""Network families, one file each: how layers are put together and joined to an objective."""

from fnnets.networks import boxes, detection, sliding, transfer
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward

__all__ = ["boxes", "convolutional", "detection", "feedforward", "sliding", "transfer"]

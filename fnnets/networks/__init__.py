"""Network families, one file each: how layers are put together and joined to an objective."""

from fnnets.networks import boxes, detection, sliding, streaming, transfer
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent

__all__ = ["boxes", "convolutional", "detection", "feedforward", "recurrent", "sliding", "streaming", "transfer"]

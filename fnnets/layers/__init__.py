"""Layers, one file each: `init`, `forward`, `backward`, with the derivation in the module's docstring."""

from fnnets.layers.activate import activate
from fnnets.layers.convolution import convolution
from fnnets.layers.dense import dense
from fnnets.layers.dropout import dropout
from fnnets.layers.flatten import flatten
from fnnets.layers.pooling import max_pooling, mean_pooling

__all__ = ["activate", "convolution", "dense", "dropout", "flatten", "max_pooling", "mean_pooling"]

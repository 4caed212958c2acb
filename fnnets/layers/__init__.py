"""Layers, one file each: `init`, `forward`, `backward`, with the derivation in the module's docstring."""

from fnnets.layers.dense import dense
from fnnets.layers.dropout import dropout

__all__ = ["dense", "dropout"]

"""Layers, one file each: `init`, `forward`, `backward`, with the derivation in the module's docstring."""

from fnnets.layers.activate import activate
from fnnets.layers.bidirectional import bidirectional
from fnnets.layers.binary import stochastic, threshold
from fnnets.layers.convolution import convolution
from fnnets.layers.corruption import corruption
from fnnets.layers.dense import dense
from fnnets.layers.dropout import dropout
from fnnets.layers.flatten import flatten
from fnnets.layers.free_energy import free_energy
from fnnets.layers.gru import gru
from fnnets.layers.last_step import last_step
from fnnets.layers.locally_connected import locally_connected
from fnnets.layers.lstm import lstm
from fnnets.layers.lstm_1997 import lstm_1997
from fnnets.layers.lstm_peepholes import lstm_peepholes
from fnnets.layers.pooling import max_pooling, mean_pooling
from fnnets.layers.recurrent import recurrent
from fnnets.layers.tied import tied
from fnnets.layers.unfolding import unfold
from fnnets.layers.with_inputs import with_inputs

__all__ = [
    "activate",
    "bidirectional",
    "convolution",
    "corruption",
    "dense",
    "dropout",
    "flatten",
    "free_energy",
    "gru",
    "last_step",
    "locally_connected",
    "lstm",
    "lstm_1997",
    "lstm_peepholes",
    "max_pooling",
    "mean_pooling",
    "recurrent",
    "stochastic",
    "threshold",
    "tied",
    "unfold",
    "with_inputs",
]

"""fnnets: neural networks in JAX whose backward passes are written by hand.

`import fnnets as fn` gives the modules and the few types and functions that users name. `jax.grad` is the
referee of every gradient here, never the engine.
"""

from fnnets import (
    activations,
    core,
    correlation,
    data,
    initializers,
    layers,
    networks,
    neurons,
    objectives,
    penalty,
    training,
    verify,
    windows,
)
from fnnets.activations import Activation
from fnnets.core import Batch, Context, Layer, Network, Objective, chain, network
from fnnets.networks import convolutional, feedforward

__version__ = "0.1.0"
__all__ = [
    "Activation",
    "Batch",
    "Context",
    "Layer",
    "Network",
    "Objective",
    "activations",
    "chain",
    "convolutional",
    "core",
    "correlation",
    "data",
    "feedforward",
    "initializers",
    "layers",
    "network",
    "networks",
    "neurons",
    "objectives",
    "penalty",
    "training",
    "verify",
    "windows",
]

"""fnnets: neural networks in JAX whose backward passes are written by hand.

`import fnnets as fn` gives the modules and the few types and functions that users name. `jax.grad` is the
referee of every gradient here, never the engine.
"""

from fnnets import (
    activations,
    batches,
    chaining,
    core,
    correlation,
    data,
    initializers,
    layers,
    networks,
    neurons,
    objectives,
    penalty,
    portable,
    recurrence,
    sequences,
    sparsity,
    training,
    units,
    unrolling,
    verify,
    windows,
)
from fnnets.activations import Activation
from fnnets.chaining import chain
from fnnets.core import Batch, Context, Layer, Network, Objective, network
from fnnets.equations import statements
from fnnets.networks import autoencoder, boltzmann, convolutional, feedforward, recurrent

__version__ = "0.1.0"
__all__ = [
    "Activation",
    "Batch",
    "Context",
    "Layer",
    "Network",
    "Objective",
    "activations",
    "autoencoder",
    "batches",
    "boltzmann",
    "chain",
    "chaining",
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
    "portable",
    "recurrence",
    "recurrent",
    "sequences",
    "sparsity",
    "statements",
    "training",
    "units",
    "unrolling",
    "verify",
    "windows",
]

"""fnnets: neural networks in JAX whose backward passes are written by hand.

`import fnnets as fn` gives the modules and the few types and functions that users name. `jax.grad` is the
referee of every gradient here, never the engine.

What is implemented are the families of P. E. Rauber's *Notes on Neural Networks* [Rauber], "the notes" in every
docstring, with their statements (1)-(14) as the numbers beside the equations:

    sections 1-4    neurons, feedforward networks, costs, regularisation     `neurons`, `networks.feedforward`
    section 5       convolutional networks, detection, re-use                `networks.convolutional`
    section 6       recurrent networks, backpropagation through time         `networks.recurrent`
    named there     LSTM, restricted Boltzmann machines, autoencoders        `layers.lstm`, `networks.boltzmann`,
                                                                             `networks.autoencoder`

The last line follows the papers that its modules cite, as do the GRU and all else that the notes leave out. Keys in
brackets stand for works in REFERENCES.md, in the repository.
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

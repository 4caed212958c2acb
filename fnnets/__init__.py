"""fnnets: neural networks in JAX whose backward passes are written by hand.

`import fnnets as fn` gives the modules and the few types and functions that users name. `jax.grad` checks every
gradient and computes none.

What is implemented are the families of P. E. Rauber's *Notes on Neural Networks* [Rauber], "the notes" in every
docstring, with their statements (1)-(14) as the numbers beside the equations:

    sections 1-4    neurons, feedforward networks, costs, regularisation     `neurons`, `networks.feedforward`
    section 5       convolutional networks, detection, re-use                `networks.convolutional`
    section 6       recurrent networks, backpropagation through time         `networks.recurrent`
    named there     LSTM, restricted Boltzmann machines, autoencoders        `layers.lstm`, `boltzmann`,
                                                                             `networks.autoencoder`

The last line follows the papers that its modules cite, as do the GRU and all else that the notes leave out. Keys in
brackets stand for works in REFERENCES.md, in the repository.
"""

from fnnets import (
    activations,
    boltzmann,
    data,
    detection,
    initializers,
    layers,
    neurons,
    objectives,
    storage,
    training,
    verify,
)
from fnnets.activations import Activation
from fnnets.boltzmann.network import rbm
from fnnets.core.chain import chain
from fnnets.core.network import network
from fnnets.core.penalty import weight_mask
from fnnets.core.sparsity import Sparsity
from fnnets.core.types import Batch, Context, Layer, Network, Objective, Sampler
from fnnets.networks import autoencoders, ensembles, transfer
from fnnets.networks.autoencoder import autoencoder
from fnnets.networks.convolutional import convolutional
from fnnets.networks.feedforward import feedforward
from fnnets.networks.recurrent import recurrent
from fnnets.training.distributed.cores import use_all_cores
from fnnets.training.fit import fit
from fnnets.training.metrics import evaluate
from fnnets.verify.checks.equations import statements
from fnnets.verify.checks.intermediates import intermediates

__version__ = "0.1.0"
__all__ = [
    "Activation",
    "Batch",
    "Context",
    "Layer",
    "Network",
    "Objective",
    "Sampler",
    "Sparsity",
    "activations",
    "autoencoder",
    "autoencoders",
    "boltzmann",
    "chain",
    "convolutional",
    "data",
    "detection",
    "ensembles",
    "evaluate",
    "feedforward",
    "fit",
    "initializers",
    "intermediates",
    "layers",
    "network",
    "neurons",
    "objectives",
    "rbm",
    "recurrent",
    "statements",
    "storage",
    "training",
    "transfer",
    "use_all_cores",
    "verify",
    "weight_mask",
]

"""Rows of the contract for Boltzmann machines and autoencoders, and for the layers they are made of."""

import jax.numpy as jnp
import numpy as np

import fnnets as fn
from fnnets.core import units
from tests.contract.rows import LayerRow, NetworkRow

SIGMOID, TANH = fn.activations.sigmoid, fn.activations.tanh
DENSE, CORRUPTION, FREE_ENERGY = fn.layers.dense, fn.layers.corruption, fn.layers.free_energy
ONE_AXIS = {"bad_shape": (2, 5), "message": "expected one axis"}

LAYERS_OF_RBMS = {
    "free energy": LayerRow(FREE_ENERGY(4), (5,), **ONE_AXIS),
    "free energy, gaussian visible": LayerRow(FREE_ENERGY(4, units.gaussian), (5,), **ONE_AXIS),
    "free energy, gaussian hidden, with inputs": LayerRow(
        FREE_ENERGY(4, hidden_units=units.gaussian, with_inputs=True), (5,), **ONE_AXIS
    ),
    "corruption, masking": LayerRow(CORRUPTION(0.4), (9,), True, False),
    "corruption, salt and pepper": LayerRow(CORRUPTION(0.4, "salt and pepper"), (4, 3), True, False),
    "corruption, gaussian": LayerRow(CORRUPTION(0.4, "gaussian"), (9,), True, False),
    "with inputs": LayerRow(
        fn.layers.with_inputs(DENSE(4, TANH)), (3,), **ONE_AXIS
    ),
    "tied, square": LayerRow(  # a transpose that is missing does not show in the shapes
        fn.layers.tied(fn.chain(DENSE(4, TANH), fn.chain(DENSE(4, SIGMOID), DENSE(4, TANH)), DENSE(4))),
        (4,), bad_shape=(5,), message="mirror the encoder's sizes",
    ),
}  # fmt: skip


def unit_interval(size, with_samples=False):
    """A function `(seed, N) -> batch` of inputs in [0, 1] out of 50, without targets or with as many samples.

    Data are brighter than samples: were they alike, little would be left of either phase but rounding.
    """

    def batch(seed, n):
        random, dtype = np.random.default_rng(seed), jnp.result_type(float)
        v, samples = (np.asarray(random.random((n, size)) ** power, dtype) for power in (0.5, 3))
        return fn.Batch(v, samples if with_samples else None, None, 50)

    return batch


BAD_INPUTS = {
    r"inputs has 4 axes": lambda batch: batch._replace(inputs=batch.inputs[:, None, None]),
    "batch axis first": lambda batch: batch._replace(inputs=batch.inputs[0]),
    r"inputs has examples of shape": lambda batch: batch._replace(inputs=batch.inputs[:, 1:]),
    "no examples": lambda batch: batch._replace(inputs=batch.inputs[:0]),
    "inputs holds .* NaN": lambda batch: batch._replace(inputs=batch.inputs * np.nan),
    "no sequences": lambda batch: batch._replace(mask=np.ones((len(batch.inputs), 1), bool)),
}
BAD_EXAMPLES = {
    **BAD_INPUTS,
    "one for each": lambda batch: batch._replace(targets=batch.inputs[1:]),
    "expected floats of shape": lambda batch: batch._replace(targets=batch.inputs[:, 1:]),
}
OUTSIDE = {"inputs holds values from .* expected 0 to 1": lambda batch: batch._replace(inputs=3 * batch.inputs)}
BAD_SAMPLES = {
    **BAD_INPUTS,
    "holds no samples": lambda batch: batch._replace(targets=batch.targets[:0]),
    r"targets has examples of shape": lambda batch: batch._replace(targets=batch.targets[:, 1:]),
}
BAD_STATES = {
    **BAD_SAMPLES,
    "inputs holds values from .* expected 0 to 1": lambda batch: batch._replace(inputs=-batch.inputs),
    "targets holds values from .* expected 0 to 1": lambda batch: batch._replace(targets=3 * batch.targets),
}


def kinds(p, q, bad=BAD_STATES, additive=True, **settings):
    net = fn.rbm(p, q, deviation=0.5, **settings)
    return NetworkRow(net, unit_interval(p, with_samples=True), bad_batches=bad, additive=additive)


def coder(sizes, with_key=False, additive=True, bad=BAD_EXAMPLES | OUTSIDE, **settings):
    return NetworkRow(fn.autoencoder(sizes, **settings), unit_interval(sizes[0]), with_key, bad, additive=additive)


NETWORKS_OF_RBMS = {
    "rbm": kinds(5, 4),
    "RBM, gaussian visible": kinds(5, 4, BAD_SAMPLES, visible_units="gaussian"),
    "RBM, gaussian hidden": kinds(5, 4, hidden_units="gaussian", l2=0.3),
    "RBM, sparse": kinds(5, 4, sparsity=fn.Sparsity(0.2, 0.5), additive=False),
    "autoencoder": coder([6, 4, 3], l2=0.3),
    "autoencoder, tied, square": coder([4, 4, 4], tied=True, l2=0.3, code_activation=SIGMOID),
    "autoencoder, denoising, real data": coder(
        [6, 3], True, bad=BAD_EXAMPLES, corruption=0.4, objective=fn.objectives.linear_squared_error
    ),
    "autoencoder, sparse, tied": coder(
        [6, 4], code_activation=SIGMOID, sparsity=fn.Sparsity(0.2, 0.5), tied=True, additive=False
    ),
}

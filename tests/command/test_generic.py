"""Numbers in general position: each convenience that hides a fault is absent."""

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.command import generic
from fnnets.command.files import UsageError
from fnnets.core import sequences

NETWORKS = {
    "dense": fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=0.1),
    "dropout": fn.feedforward([4, 5, 3], objective=fn.objectives.sigmoid_cross_entropy, dropout=0.5),
    "sequences": fn.recurrent([4, 6, 3], "gru", objective=fn.objectives.softmax_log_likelihood),
    "last step": fn.recurrent([4, 6, 3], objective=fn.objectives.linear_squared_error, return_sequences=False),
    "autoencoder": fn.autoencoder([6, 4], corruption=0.3),
    "sparse autoencoder": fn.autoencoder([6, 4], code_activation=fn.activations.sigmoid, sparsity=0.1),
    "rbm": fn.rbm(4, 3),
    "gaussian rbm": fn.rbm(4, 3, visible_units="gaussian"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_them_and_nothing_is_convenient(name):
    net = NETWORKS[name]
    params, batch, key = generic.of_network(net, 0)
    assert np.isfinite(net.cost(params, batch, key=key))
    for leaf in jax.tree.leaves(params):
        assert np.all(np.asarray(leaf) != 0)
        assert leaf.size < 2 or np.std(leaf) > 0
    count = sequences.count(net.layer.time, batch)
    assert count > 1
    assert count not in (*net.input_shape, *net.output_shape)
    assert batch.dataset_size != count
    assert (key is not None) == (name in ("dropout", "autoencoder"))


def test_padding_differs_between_sequences_and_one_is_whole():
    _, batch, _ = generic.of_network(NETWORKS["sequences"], 0)
    steps, n = batch.mask.shape
    lengths = np.asarray(batch.mask).sum(axis=0)
    assert lengths.max() == steps
    assert len(set(lengths.tolist())) > 1
    assert steps != n


def test_targets_of_a_softmax_do_not_sum_to_one():
    _, batch, _ = generic.of_network(NETWORKS["dense"], 0)
    assert np.all(np.abs(np.asarray(batch.targets).sum(axis=-1) - 1) > 1e-3)


def test_a_seed_says_which_draw_it_is():
    one, same, other = (generic.of_network(NETWORKS["dense"], seed)[0] for seed in (3, 3, 4))
    assert jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), one, same))
    assert not jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).any()), one, other))


def test_wide_layers_are_not_saturated():
    net = fn.feedforward([2000, 30, 3], objective=fn.objectives.sigmoid_cross_entropy)
    params, batch, _ = generic.of_network(net, 0)
    z = batch.inputs @ params[0].weights.T + params[0].biases
    assert np.std(z) < 3


@pytest.mark.parametrize("layer", [fn.layers.convolution(2, (3, 2)), fn.layers.flatten(), fn.layers.lstm(3)])
def test_a_layer_is_tried_at_a_shape_that_it_takes(layer):
    shape = generic.guessed(layer)
    params, x, context, _ = generic.of_layer(layer, shape, 0)
    assert np.isfinite(layer.forward(params, x, context)[0]).all()


def test_a_layer_that_takes_none_of_the_shapes_asks_for_one():
    with pytest.raises(UsageError, match="give --shape, such as --shape 7 5"):
        generic.guessed(fn.layers.convolution(2, 12))

"""Autoencoders: their target, their options, their proof, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import generic

SIGMOID, LINEAR = fn.activations.sigmoid, fn.objectives.linear_squared_error
KEY = jax.random.key(3)
X = np.random.default_rng(0).random((40, 6)).astype(np.float32)


def fit(net, x=X, rate=0.1, **settings):
    settings = {"key": KEY, "epochs": 2, "batch_size": 10, "progress": False, **settings}
    return fn.fit(net, fn.training.momentum(rate, 0.9), fn.Batch(x), **settings)


def test_the_deep_one_of_2006_has_so_many_parameters():
    sizes = [784, 1000, 500, 250, 30]  # 2 837 314: issue's anchor, four weight matrices twice and eight biases
    untied, tied = (jax.eval_shape(fn.autoencoder(sizes, tied=tied).init, KEY) for tied in (False, True))
    counts = [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (untied, tied)]
    assert counts == [2_837_314, 2_837_314 - (784 * 1000 + 1000 * 500 + 500 * 250 + 250 * 30)]


def test_the_target_is_the_input_unless_another_is_given():
    net = fn.autoencoder([6, 4])
    params, cost = generic(1, jax.eval_shape(net.init, KEY)), jax.jit(net.cost)
    np.testing.assert_array_equal(cost(params, fn.Batch(X)), cost(params, fn.Batch(X, X)))
    assert cost(params, fn.Batch(X, 1 - X)) != cost(params, fn.Batch(X))


def test_the_target_of_denoising_is_the_clean_input():
    net = fn.autoencoder([6, 4], corruption=0.5, objective=LINEAR)
    params, plain = generic(1, jax.eval_shape(net.init, KEY)), fn.autoencoder([6, 4], objective=LINEAR)
    damaged = fn.layers.corruption(0.5).forward((), X, fn.Context(jax.random.split(KEY, 3)[0]))[0]
    assert 0.3 < (damaged == 0).mean() < 0.7
    restored = plain.cost(params[1:], fn.Batch(damaged, X))
    np.testing.assert_allclose(net.cost(params, fn.Batch(X), key=KEY), restored, rtol=1e-6)
    assert not np.isclose(restored, plain.cost(params[1:], fn.Batch(damaged)))
    np.testing.assert_array_equal(net.cost(params, fn.Batch(X)), plain.cost(params[1:], fn.Batch(X)))


def test_by_hand_and_by_automatic_differentiation_training_is_the_same():
    net = fn.autoencoder([6, 4], code_activation=SIGMOID, tied=True, sparsity=0.2, corruption=0.3, l2=0.5)
    explicit, automatic = (fit(net, gradient=kind, evaluate_training=False) for kind in ("explicit", "automatic"))
    begun = fn.training.start(net, fn.training.momentum(0.1), key=KEY).params
    leaves = map(jax.tree.leaves, (explicit.params, automatic.params, begun))
    for ours, theirs, before in zip(*leaves, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        assert not np.allclose(ours, before, atol=1e-3)


def test_digits_are_learnt():
    x = np.asarray(fn.data.digits().inputs[:300])
    net = fn.autoencoder([64, 16, 8], tied=True)
    result = fit(net, x, 0.02, epochs=30, batch_size=20)
    blind = np.mean(np.sum(np.square(x - x.mean(axis=0)), axis=1))  # what the mean digit leaves
    error = np.mean(np.sum(np.square(net.predict(result.params, x) - x), axis=1))
    assert result.history.cost[-1] < 0.9 * result.history.cost[0]
    assert error < 0.8 * blind


def test_sparsity_drives_the_mean_activity_of_the_code_to_its_target():
    net = fn.autoencoder([6, 4], code_activation=SIGMOID, sparsity=fn.Sparsity(0.1, 10.0))
    begun = fn.training.start(net, fn.training.momentum(0.1), key=KEY).params
    after = fit(net, rate=0.02, epochs=100, evaluate_training=False).params
    means = [np.asarray(fn.autoencoders.encode(net, params, X)).mean(axis=0) for params in (begun, after)]
    assert np.abs(means[0] - 0.1).max() > 0.2
    np.testing.assert_allclose(means[1], 0.1, atol=0.03)


def test_the_cost_of_a_sparse_code_is_the_sum_of_both():
    target = fn.Sparsity(0.2, 3.0)
    net, plain = (fn.autoencoder([6, 4], code_activation=SIGMOID, sparsity=s) for s in (target, None))
    params = generic(1, jax.eval_shape(net.init, KEY))
    (encoder,), ((), decoder) = params
    q = np.asarray(fn.autoencoders.encode(net, params, X)).mean(axis=0)
    expected = 3.0 * np.sum(0.2 * np.log(0.2 / q) + 0.8 * np.log(0.8 / (1 - q)))
    own = net.cost(params, fn.Batch(X)) - plain.cost(((encoder,), (decoder,)), fn.Batch(X))
    np.testing.assert_allclose(own, expected, rtol=1e-4)


def test_the_verifier_walks_through_both_halves():
    net = fn.autoencoder([3, 2], code_activation=SIGMOID, sparsity=0.2, corruption=0.3)
    params = generic(1, jax.eval_shape(net.init, KEY))
    report = fn.verify.network(net, params, fn.Batch(X[:3, :3], dataset_size=50), key=KEY)
    report.assert_ok()
    places = "; ".join(row.where for row in report.rows)
    for place in ("layer 0 corruption", "layer 1.0 dense .weights", "layer 2 with_inputs", "gradient [1][0].biases"):
        assert place in places


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": [6]}, "expected at least two sizes"),
        ({"sizes": [6, 0]}, r"sizes\[1\] is 0"),
        ({"sparsity": 0.1}, "a code of identity units, expected sigmoid ones"),
        ({"sparsity": 1.5, "code_activation": SIGMOID}, "autoencoder: sparsity target is 1.5"),
        ({"corruption": 1.5}, "level is 1.5"),
        ({"corruption": fn.layers.dense(6)}, "corruption is dense, which has parameters"),
        ({"corruption": fn.layers.unfold(6, steps=2)}, "corruption is unfold"),
        ({"l2": -1.0}, "l2 is -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fn.autoencoder(**{"sizes": [6, 4], **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "squared"}, "objective is 'squared'"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"code_activation": jax.nn.sigmoid}, "expected Activation"),
        ({"corruption": "masking"}, "corruption is 'masking'"),
    ],
)
def test_parts_of_other_types_are_refused(settings, message):
    with pytest.raises(TypeError, match=message):
        fn.autoencoder([6, 4, 3], **settings)


def test_real_data_need_another_objective():
    net, x = fn.autoencoder([6, 4]), 3 * X
    with pytest.raises(ValueError, match=r"fit: train\.inputs holds values from .*linear_squared_error"):
        fit(net, x)
    assert jnp.isfinite(fn.autoencoder([6, 4], objective=LINEAR).cost(net.init(KEY), fn.Batch(x)))


def test_a_tie_of_another_kind_is_refused():
    """A string is true, and would tie the weights."""
    with pytest.raises(TypeError, match="autoencoder: tied is 'no' of type str, expected True or False"):
        fn.autoencoder([4, 3], tied="no")

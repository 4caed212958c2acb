"""Dropout as the notes define it: zeros in training, scaled outgoing weights afterwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn


def test_prediction_equals_the_network_whose_outgoing_weights_were_halved(key):
    objective = fn.objectives.softmax_log_likelihood
    dropped = fn.feedforward([6, 8, 7, 3], objective=objective, dropout=0.5)
    plain = fn.feedforward([6, 8, 7, 3], objective=objective)
    first, _, second, _, last = dropped.init(key)
    halved = (first, *(layer._replace(weights=0.5 * layer.weights) for layer in (second, last)))
    inputs = jax.random.normal(key, (5, 6))
    np.testing.assert_allclose(
        dropped.predict((first, (), second, (), last), inputs), plain.predict(halved, inputs), rtol=1e-6
    )


def test_training_forces_units_to_zero_and_leaves_the_others(key):
    layer = fn.layers.dropout(0.7)
    y, _ = layer.forward((), 1 + jnp.arange(10_000.0).reshape(100, 100), fn.Context(key))
    kept = np.asarray(y != 0)
    np.testing.assert_array_equal(np.asarray(y)[kept], (1 + np.arange(10_000.0).reshape(100, 100))[kept])
    assert abs(kept.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 10_000)
    assert not (kept == kept[:1]).all(), "each example has a mask of its own"


def test_one_mask_serves_the_whole_batch(key):
    y, _ = fn.layers.dropout(0.5, whole_batch=True).forward((), jnp.ones((20, 50)), fn.Context(key))
    assert bool((y == y[:1]).all())
    assert 0 < float(y[0].mean()) < 1


def test_half_of_the_units_are_removed_at_each_iteration(key):
    """Of 100 masks for a minibatch, as training draws them: half on average, each by itself."""
    layer = fn.layers.dropout(0.5, whole_batch=True)
    keys = jax.random.split(key, 100)
    kept = np.asarray(jax.vmap(lambda key: layer.forward((), jnp.ones((3, 200)), fn.Context(key))[0][0])(keys))
    assert abs(kept.mean() - 0.5) < 4 * 0.5 / np.sqrt(kept.size)
    assert np.abs(kept.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(100)
    assert len(np.unique(kept, axis=0)) == 100


def test_a_minibatch_trains_the_network_without_the_removed_neurons(key):
    """The gradient is that of the smaller network, and zero for parameters of removed neurons."""
    hidden, last = fn.layers.dense(8, fn.activations.sigmoid), fn.layers.dense(3)
    dropped = fn.network(
        fn.chain(hidden, fn.layers.dropout(0.5, whole_batch=True), last), fn.objectives.softmax_log_likelihood, (6,)
    )
    batch = fn.Batch(jax.random.normal(key, (5, 6)), jnp.arange(5) % 3)
    (first, _, second), run = dropped.init(key), jax.random.fold_in(key, 1)
    d_first, _, d_second = dropped.gradient((first, (), second), batch, key=run)
    kept = np.asarray(d_first.biases) != 0
    assert 0 < kept.sum() < 8
    smaller = fn.feedforward([6, int(kept.sum()), 3], objective=fn.objectives.softmax_log_likelihood)
    params = (
        first._replace(weights=first.weights[kept], biases=first.biases[kept]),
        second._replace(weights=second.weights[:, kept]),
    )
    below, above = smaller.gradient(params, batch)
    np.testing.assert_allclose(d_first.weights[kept], below.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(d_first.biases[kept], below.biases, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(d_second.weights[:, kept], above.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(d_second.biases, above.biases, rtol=1e-5, atol=1e-7)
    for removed in (d_first.weights[~kept], d_first.biases[~kept], d_second.weights[:, ~kept]):
        assert not removed.any()


def test_another_key_draws_another_mask(key):
    layer, x = fn.layers.dropout(0.5), jnp.ones((4, 50))
    masks = [layer.forward((), x, fn.Context(k))[0] for k in (key, key, jax.random.fold_in(key, 1))]
    assert bool((masks[0] == masks[1]).all())
    assert not bool((masks[0] == masks[2]).all())


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, 1.1, float("nan"), float("inf")])
def test_a_rate_outside_the_unit_interval_is_refused(rate):
    with pytest.raises(
        ValueError, match=r"dropout: rate is .* expected .*; it is the probability that a unit is dropped"
    ):
        fn.layers.dropout(rate)


def test_the_rate_zero_drops_nothing(key):
    x = jnp.ones((4, 50))
    for context in (fn.Context(), fn.Context(key)):
        assert bool((fn.layers.dropout(0).forward((), x, context)[0] == x).all())


def test_a_rate_of_another_type_is_refused():
    with pytest.raises(TypeError, match="expected a number"):
        fn.layers.dropout("half")


def test_the_rate_may_be_traced(key):
    def cost(rate):
        net = fn.feedforward([3, 8, 2], objective=fn.objectives.softmax_log_likelihood, dropout=rate)
        return net.cost(net.init(key), fn.Batch(jnp.ones((4, 3)), jnp.zeros(4, int)), key=key)

    rates = [0.0, 0.3, 0.5]
    np.testing.assert_allclose(jax.vmap(cost)(jnp.array(rates)), [cost(rate) for rate in rates], rtol=1e-6)
    np.testing.assert_allclose(jax.jit(cost)(0.5), cost(0.5), rtol=1e-6)

"""Costs and accuracies in chunks equal those of the whole, and classes are recognised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import metrics


@pytest.mark.parametrize("chunk", [4, 10, 11])
def test_chunks_do_not_change_the_result(chunk, key, dtype, monkeypatch):
    net = fn.feedforward([3, 4, 2], objective=fn.objectives.softmax_log_likelihood, l2=2.0)
    params, x = net.init(key), jax.random.normal(key, (10, 3))
    batch = fn.Batch(x, (x[:, 0] > 0).astype(int), dataset_size=40)
    monkeypatch.setattr(metrics, "CHUNK", chunk)
    measured = fn.training.evaluate(net, params, batch)
    np.testing.assert_allclose(measured.cost, net.cost(params, batch), rtol=1e-6)
    right = net.predict(params, x).argmax(axis=1) == batch.targets
    np.testing.assert_allclose(measured.accuracy, right.mean(), rtol=1e-6)


def test_the_penalty_is_that_of_the_whole_set_not_of_the_chunk(key, monkeypatch):
    net = fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error, l2=7.0)
    params, batch = net.init(key), fn.Batch(jnp.ones((9, 3)), jnp.zeros((9, 2)))
    monkeypatch.setattr(metrics, "CHUNK", 4)
    np.testing.assert_allclose(fn.training.evaluate(net, params, batch).cost, net.cost(params, batch), rtol=1e-6)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (np.array([3, 1]), True),
        (np.eye(3), True),
        (np.array([[0.0], [1.0]]), True),
        (np.array([[1.0, 1.0]]), False),
        (np.array([[0.2], [1.0]]), False),
        (np.zeros((2, 3)), False),
    ],
)
def test_which_targets_are_classes(targets, expected):
    assert metrics.are_classes(targets) is expected


def test_a_single_output_is_compared_with_one_half():
    net = fn.feedforward([1, 1], objective=fn.objectives.sigmoid_cross_entropy)
    params = (net.init(jax.random.key(0))[0]._replace(weights=jnp.ones((1, 1)), biases=jnp.zeros(1)),)
    batch = fn.Batch(jnp.array([[-1.0], [2.0], [3.0], [-4.0]]), jnp.array([[0.0], [1.0], [0.0], [0.0]]))
    assert fn.training.evaluate(net, params, batch).accuracy == 0.75


def test_regression_has_no_accuracy():
    net = fn.feedforward([1, 1], objective=fn.objectives.linear_squared_error)
    batch = fn.Batch(jnp.ones((2, 1)), jnp.array([[0.3], [2.0]]))
    assert fn.training.evaluate(net, net.init(jax.random.key(0)), batch).accuracy is None

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
    measured = fn.evaluate(net, params, batch)
    np.testing.assert_allclose(measured.cost, net.cost(params, batch), rtol=1e-6)
    right = net.predict(params, x).argmax(axis=1) == batch.targets
    np.testing.assert_allclose(measured.accuracy, right.mean(), rtol=1e-6)


def test_the_penalty_is_that_of_the_whole_set_not_of_the_chunk(key, monkeypatch):
    net = fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error, l2=7.0)
    params, batch = net.init(key), fn.Batch(jnp.ones((9, 3)), jnp.zeros((9, 2)))
    monkeypatch.setattr(metrics, "CHUNK", 4)
    np.testing.assert_allclose(fn.evaluate(net, params, batch).cost, net.cost(params, batch), rtol=1e-6)


@pytest.mark.parametrize("steps", [12, 30])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_chunks_of_padded_sequences_do_not_change_the_result(steps, return_sequences, key, monkeypatch):
    """Five sequences of six steps in chunks of 2, 2 and 1, and all at once."""
    net = fn.recurrent(
        [2, 3, 2], "gru", objective=fn.objectives.softmax_log_likelihood, return_sequences=return_sequences, l2=2.0
    )
    params, x = net.init(key), jax.random.normal(key, (6, 5, 2))
    mask = jnp.arange(6)[:, None] < jnp.array([6, 1, 3, 4, 6])
    targets = (x[..., 0] > 0).astype(int) if return_sequences else jnp.array([0, 1, 1, 0, 1])
    batch = fn.Batch(x, targets, mask, dataset_size=40)
    monkeypatch.setattr(metrics, "SEQUENCE_STEPS", steps)
    measured = fn.evaluate(net, params, batch)
    np.testing.assert_allclose(measured.cost, net.cost(params, batch), rtol=1e-6)
    right = np.asarray(net.predict(params, x, mask).argmax(axis=-1) == targets)
    if return_sequences:
        right = [right[real, n].mean() for n, real in enumerate(np.asarray(mask).T)]
    np.testing.assert_allclose(measured.accuracy, np.mean(right), rtol=1e-6)


def test_padded_targets_say_nothing_of_classes():
    one_hot = np.eye(2)[np.array([[0, 1], [1, 0], [0, 0]])]
    mask = np.array([[True, True], [True, True], [True, False]])
    one_hot[2, 1] = np.nan
    assert metrics.are_classes(one_hot, mask)
    assert not metrics.are_classes(one_hot)
    assert not metrics.are_classes(0.5 * one_hot, mask)


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
    assert fn.evaluate(net, params, batch).accuracy == 0.75


def test_regression_has_no_accuracy():
    net = fn.feedforward([1, 1], objective=fn.objectives.linear_squared_error)
    batch = fn.Batch(jnp.ones((2, 1)), jnp.array([[0.3], [2.0]]))
    assert fn.evaluate(net, net.init(jax.random.key(0)), batch).accuracy is None

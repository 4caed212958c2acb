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


@pytest.mark.parametrize("n", [40, 1000, 2000])
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (lambda n: fn.Batch(np.zeros((n, 4)), np.full(n, 7)), "evaluate: batch.targets holds labels from 7 to 7"),
        (lambda n: fn.Batch(np.full((n, 4), np.nan), np.zeros(n, int)), "evaluate: batch.inputs holds"),
        (lambda n: fn.Batch(np.zeros((n, 4)), np.zeros((n, 1), int)), r"targets has shape .*use targets\[\.\.\., 0\]"),
        (lambda n: fn.Batch(np.zeros((n, 4)), np.zeros((n, 2), int)), "expected integer labels"),
    ],
)
def test_values_are_looked_at_in_whole_chunks_too(n, batch, message):
    net = fn.feedforward([4, 2], objective=fn.objectives.softmax_log_likelihood)
    with pytest.raises(ValueError, match=message):
        fn.evaluate(net, net.init(jax.random.key(0)), batch(n))


def test_integer_targets_of_a_regression_are_numbers_and_no_classes(key):
    """0.35 of the columns are right by a > ½; compared by broadcasting they were 0.475, and counts had an accuracy."""
    net = fn.feedforward([1, 1], objective=fn.objectives.linear_squared_error)
    params = (net.init(key)[0]._replace(weights=jnp.ones((1, 1)), biases=jnp.zeros(1)),)
    x, y = np.arange(20.0)[:, None] % 2, np.array([0, 1] * 3 + [1, 0] * 6 + [1, 1])[:, None]
    assert float(fn.evaluate(net, params, fn.Batch(x, y)).accuracy) == pytest.approx(7 / 20)
    assert fn.evaluate(net, params, fn.Batch(x, 3 * y)).accuracy is None


def test_labels_of_a_small_dtype_are_compared_as_numbers(key):
    """The class 263 of 300 is 7 in eight bits."""
    net = fn.network(fn.layers.dense(300), fn.objectives.softmax_log_likelihood, (1,))
    params = net.init(key)._replace(weights=jnp.zeros((300, 1)), biases=jnp.zeros(300).at[263].set(50.0))
    labels = np.full(4, 7, np.uint8)
    found = fn.evaluate(net, params, fn.Batch(np.ones((4, 1)), labels))
    assert float(found.accuracy) == 0
    np.testing.assert_allclose(found.cost, 50, rtol=1e-6)  # log Σ exp z − z₇
    expected = jax.grad(net.cost)(params, fn.Batch(np.ones((4, 1)), labels.astype(int)))
    gradient = net.gradient(params, fn.Batch(np.ones((4, 1)), labels))
    np.testing.assert_allclose(gradient.biases, expected.biases, atol=1e-7)


def test_an_objective_of_ones_own_reads_labels_of_32_bits(key):
    """JAX's one_hot of eight bits takes the class 263 for 7."""

    def cost_gradient(a, y):
        return a - jax.nn.one_hot(y, 300, dtype=a.dtype)

    brier = fn.objectives.custom(
        lambda a, y: 0.5 * jnp.sum(cost_gradient(a, y) ** 2, axis=-1),
        cost_gradient,
        fn.activations.softmax,
        labels=True,
    )
    net = fn.network(fn.layers.dense(300), brier, (1,))
    params, x = net.init(key), np.ones((2, 1))
    costs = [net.cost(params, fn.Batch(x, np.array([7, 7], dtype))) for dtype in (np.uint8, np.int32)]
    assert costs[0] == costs[1]


def test_a_cost_that_is_none_has_an_accuracy_that_is_none(key):
    net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), net.init(key))
    found = fn.evaluate(net, params, fn.Batch(np.ones((3, 2)), np.zeros(3, int)))
    assert np.isnan(found.cost)
    assert np.isnan(found.accuracy)


def test_padded_steps_have_no_class():
    """Labels of −1 at padded steps stand for none, as elsewhere; those of real steps are looked at."""
    net = fn.recurrent([1, 2, 2], objective=fn.objectives.softmax_log_likelihood)
    params, x = net.init(jax.random.key(0)), np.ones((3, 2, 1))
    mask = np.array([[True, True], [True, True], [True, False]])
    padded = [fn.Batch(x, np.where(mask, 1, fill), mask) for fill in (0, -1)]
    np.testing.assert_array_equal(*[fn.evaluate(net, params, batch).cost for batch in padded])
    gradients = [jax.tree.leaves(net.gradient(params, batch)) for batch in padded]
    jax.tree.map(np.testing.assert_array_equal, *gradients)
    with pytest.raises(ValueError, match="labels from -1 to 1"):
        fn.evaluate(net, params, fn.Batch(x, np.array([[1, 1], [-1, 1], [1, 1]]), mask))

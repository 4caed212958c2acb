"""Two batches as one: what a network makes of it is what it makes of each, example by example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core.joining import join

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


def recurrent(**options):
    layers = fn.layers.recurrent(4, **options), fn.layers.dense(2)
    return fn.network(fn.chain(*layers), fn.objectives.softmax_log_likelihood, (3,))


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def sequences(steps, n, targets, mask=None):
    return fn.Batch(normal(steps, n, 3), targets, mask)


def labels(*shape):
    return RANDOM.integers(0, 2, shape)


CASES = {
    "feedforward": (
        fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood),
        fn.Batch(normal(4, 3), labels(4)), fn.Batch(normal(2, 3), labels(2)),
    ),
    "rows of targets": (
        fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error),
        fn.Batch(normal(4, 3), normal(4, 2)), fn.Batch(normal(2, 3), normal(2, 2)),
    ),
    "autoencoder": (fn.autoencoder([3, 2]), fn.Batch(RANDOM.random((4, 3))), fn.Batch(RANDOM.random((2, 3)))),
    "RBM": (fn.rbm(3, 2), fn.Batch(np.ones((4, 3))), fn.Batch(np.zeros((2, 3)))),
    "sequence to sequence": (recurrent(), sequences(5, 4, labels(5, 4)), sequences(5, 2, labels(5, 2))),
    "sequence to vector": (
        recurrent(return_sequences=False), sequences(5, 4, labels(4)), sequences(5, 2, labels(2))
    ),
    "other lengths": (recurrent(), sequences(5, 4, labels(5, 4)), sequences(3, 2, labels(3, 2))),
    "other lengths to vector": (
        recurrent(return_sequences=False), sequences(3, 4, labels(4)), sequences(5, 2, labels(2))
    ),
    "a mask in one": (
        recurrent(), sequences(5, 2, labels(5, 2), np.arange(5)[:, None] < [5, 3]), sequences(5, 2, labels(5, 2))
    ),
    "two masks of other lengths": (
        recurrent(), sequences(5, 2, labels(5, 2), np.arange(5)[:, None] < [5, 3]),
        sequences(3, 2, labels(3, 2), np.arange(3)[:, None] < [1, 3]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_cost_of_both_is_the_mean_of_their_costs(name):
    """Right for every kind of batch, as the cost is a mean over examples, and none is looked at twice or padded in."""
    net, first, second = CASES[name]
    axis = int(net.layer.is_sequential)
    params = net.init(KEY)
    n, m = (batch.inputs.shape[axis] for batch in (first, second))
    both = join(net.layer.time, first, second)
    assert both.inputs.shape[axis] == n + m
    costs = [float(net.cost(params, batch)) for batch in (first, second)]
    np.testing.assert_allclose(net.cost(params, both), (n * costs[0] + m * costs[1]) / (n + m), rtol=1e-5)
    assert (both.mask is not None) == (name in list(CASES)[-4:])
    assert (both.targets is None) == (first.targets is None)


def test_the_size_of_the_data_set_is_that_of_both():
    first, second = (fn.Batch(np.ones((n, 3)), np.ones(n, int)) for n in (4, 2))
    assert join("pointwise", first, second).dataset_size is None
    assert join("pointwise", first._replace(dataset_size=100), second).dataset_size == 102
    assert join("pointwise", first, second._replace(dataset_size=50)).dataset_size == 54


def test_dtypes_are_those_that_hold_both():
    whole, floats = fn.Batch(np.ones((2, 3), np.uint8)), fn.Batch(np.full((2, 3), 0.5))
    assert join("pointwise", whole, floats).inputs.tolist() == jnp.array([[1.0] * 3] * 2 + [[0.5] * 3] * 2).tolist()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.eye(2)[[0, 1]], "search: validation.targets are of 2 axes, expected of 1 axes as those that they follow; "),
        (None, "search: validation.targets are None, expected of 1 axes"),
    ],
)
def test_targets_of_two_kinds_are_refused(targets, message):
    first, second = fn.Batch(np.ones((2, 3)), np.array([0, 1])), fn.Batch(np.ones((2, 3)), targets)
    with pytest.raises(ValueError, match=message):
        join("pointwise", first, second, "search: validation")

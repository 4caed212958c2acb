"""The builder's structure and what it refuses."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn

OBJECTIVE = fn.objectives.softmax_log_likelihood


def test_number_of_parameters():
    net = fn.feedforward([784, 30, 10], objective=OBJECTIVE)
    sizes = [leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0)))]
    assert sum(sizes) == 784 * 30 + 30 + 30 * 10 + 10


def test_the_last_layer_is_linear_and_the_objective_predicts(key):
    net = fn.feedforward([3, 2], objective=fn.objectives.sigmoid_cross_entropy)
    (params,) = net.init(key)
    x = jnp.ones((1, 3))
    assert jnp.allclose(net.predict((params,), x), jax.nn.sigmoid(x @ params.weights.T + params.biases))


@pytest.mark.parametrize("sizes", [[], [3], "34", 5])
def test_too_few_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="expected at least two sizes"):
        fn.feedforward(sizes, objective=OBJECTIVE)


@pytest.mark.parametrize(("sizes", "error"), [([3, 0, 2], ValueError), ([3, 2.5], TypeError)])
def test_wrong_sizes_are_refused(sizes, error):
    with pytest.raises(error, match=r"feedforward: sizes\[1\]"):
        fn.feedforward(sizes, objective=OBJECTIVE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "softmax"}, "objective is 'softmax'.*expected Objective.*fnnets.objectives"),
        ({"objective": OBJECTIVE, "hidden": jax.nn.relu}, "activation is .*expected Activation"),
        ({"objective": OBJECTIVE, "initial": "he"}, "initial is 'he'.*expected Scheme"),
    ],
)
def test_unknown_parts_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        fn.feedforward([3, 4, 2], **arguments)


@pytest.mark.parametrize("l2", [-0.1, float("nan"), float("inf")])
def test_wrong_penalties_are_refused(l2):
    with pytest.raises(ValueError, match=r"l2 is .*expected a finite number >= 0"):
        fn.feedforward([3, 2], objective=OBJECTIVE, l2=l2)

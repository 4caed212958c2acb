"""The builder's structure and what it refuses; the errors of the notes' chain of single neurons."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.layers.dense import DenseParams

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
        ({"objective": OBJECTIVE, "activation": jax.nn.relu}, "activation is .*expected Activation"),
        ({"objective": OBJECTIVE, "initializer": "he"}, "initializer is 'he'.*expected Initializer"),
    ],
)
def test_unknown_parts_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        fn.feedforward([3, 4, 2], **arguments)


@pytest.mark.parametrize("l2", [-0.1, float("nan"), float("inf")])
def test_wrong_penalties_are_refused(l2):
    with pytest.raises(ValueError, match=r"l2 is .*expected a finite number >= 0"):
        fn.feedforward([3, 2], objective=OBJECTIVE, l2=l2)


def slope(z):
    """σ' of the sigmoid in NumPy; the exponential of −|z| cannot overflow."""
    e = np.exp(-np.abs(z))
    return e / (1 + e) ** 2


def chain_of_neurons(weights, biases):
    """The network with one sigmoid neuron a layer and the cross-entropy, and its parameters."""
    net = fn.feedforward([1] * (len(weights) + 1), objective=fn.objectives.sigmoid_cross_entropy)
    return net, tuple(DenseParams(jnp.array([[w]]), jnp.array([b])) for w, b in zip(weights, biases, strict=True))


def errors_by_formula(weights, biases, x, y):
    """δ(l) = (a(L) − y) Π_{i=l}^{L−1} w(i+1) σ'(z(i)) for l = 2 … L, in NumPy; entry 0 of `weights` is w(2)."""
    z, a = [], x
    for w, b in zip(weights, biases, strict=True):
        z.append(w * a + b)
        a = 1 / (1 + np.exp(-z[-1]))
    factors = weights[1:] * slope(np.array(z[:-1]))
    return [(a - y) * np.prod(factors[i:]) for i in range(len(weights))]


def errors_by_hand(weights, biases, x, y):
    """δ(l), which is ∂c/∂b(l) of a single example, from the hand-written gradient."""
    net, params = chain_of_neurons(weights, biases)
    return [part.biases[0] for part in net.gradient(params, fn.Batch(jnp.array([[x]]), jnp.array([[y]])))]


@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("layers", [1, 2, 3, 9])
def test_the_error_of_a_chain_of_neurons_is_the_product_of_the_notes(layers, y):
    """Section 4: every layer of the chain, in float64; a factor left out or moved by a layer is seen."""
    weights, biases = np.random.default_rng(layers).normal(size=(2, layers))
    with jax.enable_x64(True):
        found = errors_by_hand(weights, biases, 0.7, y)
        np.testing.assert_allclose(found, errors_by_formula(weights, biases, 0.7, y), rtol=1e-12)
        if layers > 1:
            moved = errors_by_formula(np.roll(weights, 1), biases, 0.7, y)
            assert not np.allclose(found, moved, rtol=1e-3, atol=0)


def test_one_saturated_neuron_makes_the_errors_below_it_small():
    """z(4) = 30 ± 1, so σ'(z(4)) < 1e-12, and it is a factor of δ(4), δ(3) and δ(2), not of δ(5)."""
    with jax.enable_x64(True):
        found = np.abs(errors_by_hand(np.ones(4), np.array([0.1, 0.2, 30.0, 0.3]), 0.7, 0.0))
    assert (found[:3] < 1e-12).all()
    assert (found[:3] > 0).all()
    assert found[3] > 0.1

"""The L2 penalty of the notes' section 4: its value, its gradient, and that descent on it is weight decay."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from fnnets.core import penalty
from tests.contract.laws import assert_equal_leaves, generic

L2, RATE, N = 3.0, 0.2, 12
SOFTMAX, SQUARED = fn.objectives.softmax_log_likelihood, fn.objectives.linear_squared_error
FAMILIES = {  # (a network of that λ, the shapes of its inputs and targets for N examples, the axes that count them)
    "feedforward": (
        lambda l2: fn.feedforward([4, 5, 3], objective=SOFTMAX, l2=l2),
        ((N, 4), (N, 3), (0, 0)),
    ),
    "convolutional": (
        lambda l2: fn.convolutional((5, 5, 1), ["conv2x3-2", "fc-3"], objective=SOFTMAX, l2=l2),
        ((N, 5, 5, 1), (N, 3), (0, 0)),
    ),
    "lstm": (
        lambda l2: fn.recurrent([2, 3, 2], "lstm_peepholes", objective=SQUARED, learn_initial_state=True, l2=l2),
        ((6, N, 2), (6, N, 2), (1, 1)),
    ),
    "tied": (
        lambda l2: fn.autoencoder([4, 2], tied=True, objective=SQUARED, l2=l2),
        ((N, 4), (N, 4), (0, 0)),
    ),
}


def given(name):
    """(network of λ, network of λ = 0, parameters, the data set, its axes), with numbers that are not special."""
    make, (inputs, targets, axes) = FAMILIES[name]
    net, plain = make(L2), make(0.0)
    params = generic(1, net.init(jax.random.key(0)))
    x, y = generic(2, (jnp.zeros(inputs), jnp.zeros(targets)))
    return net, plain, params, fn.Batch(x, jax.nn.softmax(y)), axes


def minibatch(data, axes, size):
    """The first examples of the data set, whose size travels with them."""
    inputs, targets = (
        jnp.take(array, jnp.arange(size), axis) for array, axis in zip((data.inputs, data.targets), axes, strict=True)
    )
    return fn.Batch(inputs, targets, dataset_size=N)


def decayed(plain, params, batch, factor):
    """w ← (1 − ηλ/n) w − η ∂C₀/∂w for weights, by `jax.grad`; `factor` is λ/n."""
    return jax.tree_util.tree_map_with_path(
        lambda path, w, d: (1 - RATE * factor * penalty.is_weight(path)) * w - RATE * d,
        params,
        jax.grad(plain.cost)(params, batch),
    )


def stepped(optimizer, net, params, batch):
    updates, _ = optimizer.update(net.gradient(params, batch), optimizer.init(params), params)
    return optax.apply_updates(params, updates)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [1, 5, N])
def test_descent_on_the_penalised_cost_is_weight_decay_whatever_the_size_of_the_minibatch(name, size):
    with jax.enable_x64(True):
        net, plain, params, data, axes = given(name)
        batch = minibatch(data, axes, size)
        penalised = stepped(optax.sgd(RATE), net, params, batch)
        decay = optax.add_decayed_weights(L2 / N, penalty.weight_mask)
        assert_equal_leaves(penalised, decayed(plain, params, batch, L2 / N), "float64")
        assert_equal_leaves(stepped(optax.chain(decay, optax.sgd(RATE)), plain, params, batch), penalised, "float64")
        if size < N:  # the test of the test: λ over the minibatch's size is another decay
            with pytest.raises(AssertionError, match="relative error"):
                assert_equal_leaves(penalised, decayed(plain, params, batch, L2 / size), "float64")


def test_decay_of_biases_would_be_seen():
    with jax.enable_x64(True):
        net, plain, params, data, axes = given("feedforward")
        batch = minibatch(data, axes, 5)
        wrong = optax.chain(optax.add_decayed_weights(L2 / N), optax.sgd(RATE))
        with pytest.raises(AssertionError, match=r"\.biases: relative error"):
            assert_equal_leaves(stepped(wrong, plain, params, batch), stepped(optax.sgd(RATE), net, params, batch),
                                "float64")  # fmt: skip


@pytest.mark.parametrize("optimizer", [fn.training.momentum(RATE, 0.9), optax.adam(RATE)], ids=["momentum", "adam"])
def test_training_with_the_mask_is_training_with_l2(optimizer, standard_promotion):
    """Epochs of minibatches of 5, 5 and 2: n is 12 in all of them."""
    net, plain, _, data, _ = given("feedforward")
    masked = optax.chain(optax.add_decayed_weights(L2 / N, penalty.weight_mask), optimizer)
    settings = {"key": jax.random.key(3), "epochs": 4, "batch_size": 5, "progress": False}
    first = fn.fit(net, optimizer, data, **settings)
    second = fn.fit(plain, masked, data, **settings)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), first.params, second.params)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mask_names_the_leaves_that_the_penalty_reads(name):
    """A leaf is masked where ∂/∂leaf of λ/2n Σ w² is λ/n times the leaf, and not where it is zero."""
    _, _, params, _, _ = given(name)
    mask = penalty.weight_mask(params)
    assert jax.tree.structure(mask) == jax.tree.structure(params)
    assert penalty.weight_mask(jax.eval_shape(lambda: params)) == mask
    found = jax.grad(lambda params: penalty.value(0.5, params))(params)
    for is_masked, leaf, d in zip(*map(jax.tree.leaves, (mask, params, found)), strict=True):
        np.testing.assert_allclose(d, 0.5 * leaf if is_masked else jnp.zeros_like(leaf), rtol=1e-6)
    assert len(set(jax.tree.leaves(mask))) == 2

"""momentum(η, μ) is exactly v ← μv − η∂C, w ← w + v, and so is optax.sgd as long as η stays what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn


@pytest.mark.parametrize("make", [fn.training.momentum, optax.sgd])
def test_momentum_is_the_recursion_of_the_notes(make):
    gradients = np.random.default_rng(0).normal(size=(6, 3))
    descent, w = make(0.3, 0.8), jnp.array([1.0, -2.0, 0.5])
    state, v, reference = descent.init(w), np.zeros(3), np.array([1.0, -2.0, 0.5])
    for gradient in gradients:
        updates, state = descent.update(jnp.asarray(gradient, jnp.float32), state, w)
        w = optax.apply_updates(w, updates)
        v = 0.8 * v - 0.3 * gradient
        reference = reference + v
        np.testing.assert_allclose(w, reference, rtol=1e-5)


def test_equal_arguments_give_the_same_optimiser():
    assert fn.training.momentum(0.3, 0.8) is fn.training.momentum(0.3, decay=0.8)
    assert fn.training.momentum(0.3) is not fn.training.momentum(0.4)


@pytest.mark.parametrize("make", [fn.training.momentum, optax.sgd])
def test_a_network_moves_by_the_recursion_of_the_notes(make):
    """Weights and biases alike, with the network's own gradients, full batch; v begins at zero."""
    net = fn.feedforward([3, 4, 2], objective=fn.objectives.softmax_log_likelihood)
    train = fn.Batch(jax.random.normal(jax.random.key(0), (12, 3)), jnp.arange(12) % 2)
    params, derive = net.init(jax.random.key(1)), jax.jit(jax.grad(net.cost))
    result = fn.fit(
        net, make(0.5, 0.9), train, key=jax.random.key(2), params=params, epochs=5, batch_size=12, progress=False
    )
    v = jax.tree.map(jnp.zeros_like, params)
    for _ in range(5):
        v = jax.tree.map(lambda v, d: 0.9 * v - 0.5 * d, v, derive(params, train))
        params = jax.tree.map(jnp.add, params, v)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.params, params)


def test_optax_sgd_with_momentum_is_the_recursion_of_the_notes():
    """v ← μ v − η g, w ← w + v with η = 0.1 and μ = 0.9: the same parameters to rounding, from step to step."""
    w = reference = np.array([1.0, -2.0, 0.5], np.float32)
    descent, v = optax.sgd(0.1, momentum=0.9), np.zeros(3, np.float32)
    state = descent.init(jnp.asarray(w))
    for _ in range(20):
        g = np.sin(reference) + reference
        updates, state = descent.update(jnp.asarray(np.sin(w) + w), state)
        w = np.asarray(optax.apply_updates(jnp.asarray(w), updates))
        v = np.float32(0.9) * v - np.float32(0.1) * g
        reference = reference + v
        np.testing.assert_allclose(w, reference, rtol=1e-5, atol=1e-6)


def test_without_momentum_it_is_plain_descent():
    gradient, w = jnp.array([1.0, -2.0]), jnp.zeros(2)
    for descent in (fn.training.momentum(0.3), fn.training.momentum(0.3, 0.0), optax.sgd(0.3)):
        np.testing.assert_array_equal(descent.update(gradient, descent.init(w), w)[0], -0.3 * gradient)


def test_with_another_rate_optax_scales_old_velocities_and_the_notes_do_not():
    """η = 1, then 1/2, both gradients 1: v = μ(−1) − 1/2 in the notes, −1/2 (μ 1 + 1) in optax."""
    rates, w = (lambda step: jnp.where(step < 1, 1.0, 0.5)), jnp.zeros(())
    for descent, expected in ((fn.training.momentum(rates, 0.5), -1.0), (optax.sgd(rates, 0.5), -0.75)):
        _, state = descent.update(jnp.ones(()), descent.init(w), w)
        assert float(descent.update(jnp.ones(()), state, w)[0]) == expected


def test_a_schedule_sets_the_rate_of_each_step():
    descent = fn.training.momentum(lambda step: jnp.where(step < 1, 1.0, 0.5))
    state = descent.init(jnp.array(0.0))
    first, state = descent.update(jnp.array(1.0), state)
    second, _ = descent.update(jnp.array(1.0), state)
    assert (float(first), float(second)) == (-1.0, -0.5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_schedule_switches_the_momentum(nesterov):
    descent, w = fn.training.momentum(0.3, lambda step: jnp.where(step < 2, 0.5, 0.9), nesterov), jnp.zeros(1)
    state, v = descent.init(w), 0.0
    for step, gradient in enumerate([1.0, -2.0, 0.5, 3.0]):
        found, state = descent.update(jnp.full(1, gradient), state)
        decay = 0.5 if step < 2 else 0.9
        v = decay * v - 0.3 * gradient
        np.testing.assert_allclose(found, [decay * v - 0.3 * gradient if nesterov else v], rtol=1e-5)


@pytest.mark.parametrize(
    ("rate", "decay", "message"),
    [
        (0.0, 0.9, "learning_rate is 0.0"),
        (-1.0, 0.9, "learning_rate is -1.0"),
        (float("nan"), 0.0, "learning_rate is nan"),
        (0.1, 1.0, "decay is 1.0"),
        (0.1, -0.1, "decay is -0.1"),
    ],
)
def test_rates_out_of_range_are_refused(rate, decay, message):
    with pytest.raises(ValueError, match=message):
        fn.training.momentum(rate, decay)


def test_a_rate_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"learning_rate is .0\.1"):
        fn.training.momentum("0.1")

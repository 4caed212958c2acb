"""momentum(η, μ) is exactly v ← μv − η∂C, w ← w + v."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn


def test_momentum_is_the_recursion_of_the_notes():
    gradients = np.random.default_rng(0).normal(size=(6, 3))
    descent, w = fn.training.momentum(0.3, 0.8), jnp.array([1.0, -2.0, 0.5])
    state, v, reference = descent.init(w), np.zeros(3), np.array([1.0, -2.0, 0.5])
    for gradient in gradients:
        updates, state = descent.update(jnp.asarray(gradient, jnp.float32), state, w)
        w = optax.apply_updates(w, updates)
        v = 0.8 * v - 0.3 * gradient
        reference = reference + v
        np.testing.assert_allclose(w, reference, rtol=1e-5)


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

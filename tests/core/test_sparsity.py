"""The cost of a mean activity: its δ, its zero, and units that are always off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import sparsity


def numbers(dtype, shape=(5, 3)):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


def test_delta_is_the_derivative(dtype):
    activity = sparsity.activity(fn.Sparsity(0.1, 2.0), "sparsity")
    t = numbers(dtype)
    derivative = jax.jit(jax.grad(activity.value))(t)
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(activity.delta(t), derivative, rtol=tolerance, atol=tolerance)
    assert not np.allclose(activity.delta(t) * 1.001, derivative, rtol=tolerance, atol=tolerance)


def test_the_cost_is_the_divergence_of_the_means():
    q = np.asarray(jax.nn.sigmoid(numbers("float32"))).mean(axis=0)
    expected = 3.0 * np.sum(0.2 * np.log(0.2 / q) + 0.8 * np.log(0.8 / (1 - q)))
    activity = sparsity.activity(fn.Sparsity(0.2, 3.0), "sparsity")
    np.testing.assert_allclose(activity.value(numbers("float32")), expected, rtol=1e-5)


def test_units_that_are_always_off_or_on_have_a_finite_cost_and_the_right_slope():
    activity = sparsity.activity(0.1, "sparsity")
    t = jnp.asarray([[-200.0, 200.0], [-300.0, 300.0]])
    # log q ≈ t: the first is off by −0.1·(−200 + …), its larger member carries the whole slope −p
    np.testing.assert_allclose(activity.delta(t), [[-0.1, 0.9], [0.0, 0.0]], atol=1e-6)
    assert np.isfinite(activity.value(t))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (0.0, "target is 0.0"),
        (1, "target is 1,"),
        (1.5, "target is 1.5"),
        (fn.Sparsity(0.1, -1), "weight is -1"),
    ],
)
def test_targets_out_of_range_are_refused(target, message):
    with pytest.raises(ValueError, match=f"sparsity {message}"):
        sparsity.activity(target, "sparsity")

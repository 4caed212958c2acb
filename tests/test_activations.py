"""Derivatives against jax.grad at generic points and at the kinks, and known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.table import ACTIVATIONS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_that_of_jax_grad(name, dtype):
    activation = ACTIVATIONS[name]
    z = jnp.asarray(np.linspace(-30, 30, 61) + 0.01, dtype)
    automatic = jax.vmap(jax.grad(activation.value))(z)
    # a saturated unit's slope is a difference of numbers near one, so it is right to their last bit, not to its own
    rtol, atol = {"float32": (1e-5, 2e-7), "float64": (1e-12, 5e-16)}[dtype]
    np.testing.assert_allclose(activation.derivative(z), automatic, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_kinks_have_the_subgradient_of_jax_nn(name):
    at_zero = jnp.zeros(1)
    reference = {"relu": jax.nn.relu, "leaky_relu": lambda z: jax.nn.leaky_relu(z, 0.1)}[name]
    assert ACTIVATIONS[name].derivative(at_zero)[0] == jax.grad(lambda z: reference(z).sum())(at_zero)[0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_inputs_are_finite(name):
    activation, z = ACTIVATIONS[name], jnp.array([-1e30, -100.0, 0.0, 100.0, 1e30])
    assert jnp.isfinite(activation.value(z)).all()
    assert jnp.isfinite(activation.derivative(z)).all()


def test_known_values():
    assert fn.activations.sigmoid.derivative(jnp.array(0.0)) == 0.25  # σ(0)(1 − σ(0)) = ½·½
    assert fn.activations.tanh.derivative(jnp.array(0.0)) == 1
    np.testing.assert_allclose(fn.activations.softplus.value(jnp.array(0.0)), np.log(2), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, each in ACTIVATIONS.items() if each.slope])
def test_slope_is_the_derivative_as_a_function_of_the_value(name, dtype):
    activation, z = ACTIVATIONS[name], jnp.asarray([-30.0, -1.2, 0.0, 0.7, 30.0], dtype)
    slope = activation.slope(activation.value(z))
    assert slope.dtype == dtype
    np.testing.assert_allclose(slope, activation.derivative(z), rtol=1e-6, atol=1e-12)


def test_some_activations_have_a_slope_and_own_pairs_none():
    assert {name for name, each in ACTIVATIONS.items() if each.slope} == {"identity", "sigmoid", "tanh", "relu"}

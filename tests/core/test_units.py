"""Kinds of units: Φ' is the mean, samples have it, and bias undoes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import fnnets as fn

KINDS = pytest.mark.parametrize("units", fn.boltzmann.units.KINDS.values(), ids=fn.boltzmann.units.KINDS)


@KINDS
def test_the_mean_is_the_slope_of_the_potential(units, dtype):
    t = jnp.asarray([-40.0, -3.0, 0.0, 0.7, 40.0], dtype)
    slopes = jax.vmap(jax.grad(units.potential))(t)
    np.testing.assert_allclose(units.mean(t), slopes, rtol=1e-6)
    assert units.mean(t).dtype == dtype


@pytest.mark.parametrize("t", [-1.3, 0.0, 2.0])
def test_the_potential_is_the_logarithm_of_the_integral_over_the_measure(t):
    counted = np.log(sum(np.exp(t * x) for x in (0, 1)))
    np.testing.assert_allclose(fn.boltzmann.units.binary.potential(t), counted, rtol=1e-6)

    def integrand(x):
        return float(
            np.exp(t * x - fn.boltzmann.units.gaussian.curvature * x * x / 2 - fn.boltzmann.units.gaussian.constant)
        )

    np.testing.assert_allclose(
        fn.boltzmann.units.gaussian.potential(t), np.log(integrate.quad(integrand, -30, 30)[0]), 1e-6, 1e-9
    )


@KINDS
def test_samples_have_the_mean_within_five_standard_errors(units, key):
    t = jnp.asarray([-1.0, 0.5])
    drawn = np.asarray(units.sample(key, jnp.broadcast_to(t, (20_000, 2))))
    errors = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - units.mean(t)) < 5 * errors).all()  # fails once in 10⁶ keys
    assert (np.abs(drawn.mean(axis=0) - units.mean(1.2 * t)) > 5 * errors).all()


@KINDS
def test_the_bias_of_a_mean_gives_that_mean(units):
    np.testing.assert_allclose(units.mean(units.bias(jnp.asarray([0.2, 0.9]))), [0.2, 0.9], rtol=1e-6)


def test_pixels_that_are_never_or_always_on_begin_with_finite_biases():
    np.testing.assert_allclose(
        fn.boltzmann.units.binary.bias(jnp.asarray([0.0, 1.0])), [-6.906755, 6.906755], rtol=1e-5
    )  # log 999


def test_bfloat16_probabilities_are_drawn_in_single_precision(key):
    t = jnp.full(4000, -6.0, jnp.bfloat16)  # probability 0.0025, below half of bfloat16's distance at 1
    drawn = fn.boltzmann.units.binary.sample(key, t)
    assert drawn.dtype == jnp.bfloat16
    assert 0 < float(drawn.astype(jnp.float32).sum()) < 30

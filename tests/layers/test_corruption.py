"""Corruption: what is lost and what is put in its place, in training alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.layers.corruption import KINDS

X = np.random.default_rng(0).uniform(0.2, 0.8, (100, 100)).astype(np.float32)
SIGMAS = 5  # a check at five standard errors fails by chance once in 1.7 million keys; the key is fixed


def corrupted(level, kind, key, x=X):
    return np.asarray(fn.layers.corruption(level, kind).forward((), x, fn.Context(key))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_nothing_is_damaged(kind):
    y, trace = fn.layers.corruption(0.7, kind).forward((), X, fn.Context())
    assert y is X
    assert float(trace.scale) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_level_zero_damages_nothing(kind, key):
    np.testing.assert_array_equal(corrupted(0.0, kind, key), X)


@pytest.mark.parametrize(("kind", "values"), [("masking", {0.0}), ("salt and pepper", {0.0, 1.0})])
def test_the_fraction_that_is_lost_is_the_level(kind, values, key):
    y = corrupted(0.3, kind, key)
    lost = y != X
    assert set(y[lost].tolist()) == values
    assert abs(lost.mean() - 0.3) < SIGMAS * np.sqrt(0.3 * 0.7 / X.size)
    assert not (lost == lost[:1]).all(), "each example loses its own"
    if kind == "salt and pepper":
        assert abs(y[lost].mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(lost.sum())


def test_gaussian_noise_has_the_level_for_a_standard_deviation(key):
    noise = corrupted(0.3, "gaussian", key) - X
    assert abs(noise.mean()) < SIGMAS * 0.3 / np.sqrt(X.size)
    assert abs(np.square(noise).mean() - 0.09) < SIGMAS * 0.09 * np.sqrt(2 / X.size)


def test_what_was_lost_takes_no_gradient(key):
    d_y = np.full_like(X, 2.0)
    for kind in KINDS:
        layer = fn.layers.corruption(0.5, kind)
        y, trace = layer.forward((), X, fn.Context(key))
        untouched = np.ones_like(X, bool) if kind == "gaussian" else np.asarray(y) == X
        assert kind == "gaussian" or 0 < untouched.mean() < 1
        np.testing.assert_array_equal(layer.backward((), trace, d_y)[1], 2.0 * untouched)


def test_another_key_damages_something_else(key):
    first, again, other = (corrupted(0.5, "masking", k) for k in (key, key, jax.random.fold_in(key, 1)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_level_may_be_traced(key):
    noise = jax.jit(lambda level: fn.layers.corruption(level, "gaussian").forward((), X, fn.Context(key))[0])
    np.testing.assert_allclose(noise(jnp.float32(0.3)), corrupted(0.3, "gaussian", key), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1,), "level is -0.1, expected a finite number >= 0"),
        ((1.1,), "level is 1.1, expected at most 1"),
        ((float("nan"), "gaussian"), "level is nan"),
        ((0.1, "pepper"), "kind is 'pepper', expected 'masking', 'gaussian' or 'salt and pepper'"),
    ],
)
def test_levels_and_kinds_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"corruption: {message}"):
        fn.layers.corruption(*arguments)
    fn.layers.corruption(3.0, "gaussian")  # a standard deviation has no upper bound


def test_a_level_of_another_type_is_refused():
    with pytest.raises(TypeError, match="corruption: level is 'half'"):
        fn.layers.corruption("half")

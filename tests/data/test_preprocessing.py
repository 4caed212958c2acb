import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fnnets.data import digits, standardisation, whitening

CORRELATED = np.random.default_rng(0).normal(size=(400, 5)) @ np.random.default_rng(1).normal(size=(5, 5)) + 3


def test_standardised_features_have_mean_zero_and_deviation_one():
    x = CORRELATED.astype(np.float32)
    standard = standardisation(x)
    y = np.asarray(standard.apply(x))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-5)
    np.testing.assert_allclose(standard.mean, CORRELATED.mean(0), rtol=1e-5)
    np.testing.assert_allclose(standard.scale, CORRELATED.std(0), rtol=1e-5)
    np.testing.assert_allclose(standard.invert(y), x, rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(value=st.floats(-1e6, 1e6, width=32), n=st.sampled_from([1, 7, 300]))
def test_a_constant_feature_gives_exactly_zero(value, n):
    x = np.full((n, 1), value, np.float32)
    assert (np.asarray(standardisation(x).apply(x)) == 0).all()


@settings(deadline=None, max_examples=50)
@given(x=arrays.arrays(np.float32, (7, 2, 3), elements=st.floats(-1e3, 1e3, width=32)))
def test_standardising_gives_finite_numbers(x):
    y = standardisation(x).apply(x)
    assert y.shape == x.shape
    assert np.isfinite(y).all()


def test_features_whose_variance_underflows_stay_finite():
    x = np.array([[0.0], [1e-30], [2e-30]], np.float32)
    assert np.isfinite(standardisation(x).apply(x)).all()


def test_new_inputs_are_measured_by_the_training_inputs():
    standard = standardisation(np.array([[0.0, 5.0], [2.0, 5.0]], np.float32))
    assert standard.apply(np.array([[4.0, 6.0]])).tolist() == [[3.0, 1.0]]


def test_standardisation_works_under_jit_and_on_integers():
    x = np.arange(12).reshape(4, 3)
    jitted = jax.jit(lambda x: standardisation(x).apply(x))(x)
    np.testing.assert_allclose(jitted, standardisation(x).apply(x), rtol=1e-6)
    assert jnp.issubdtype(jitted.dtype, jnp.floating)


@pytest.mark.parametrize("epsilon", [1e-6, 0.01, 1.0])
def test_whitening_is_the_textbook_formula(epsilon):
    x = CORRELATED.astype(np.float32)
    white = whitening(x, epsilon)
    variances, directions = np.linalg.eigh(np.cov(CORRELATED.T, bias=True))
    expected = directions @ np.diag((variances + epsilon) ** -0.5) @ directions.T
    np.testing.assert_allclose(white.matrix, expected, rtol=1e-3, atol=1e-3)
    y = np.asarray(white.apply(x))
    np.testing.assert_allclose(y, (CORRELATED - CORRELATED.mean(0)) @ expected, atol=1e-2)
    kept = directions @ np.diag(variances / (variances + epsilon)) @ directions.T
    np.testing.assert_allclose(np.cov(y.T, bias=True), kept, atol=2e-3)
    np.testing.assert_allclose(white.invert(y), x, atol=1e-3)


def test_whitening_takes_constant_pixels_and_gives_images_back():
    x = digits().inputs
    white = whitening(x)
    y = white.apply(x)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y[:, 0], 0, atol=1e-5)
    np.testing.assert_allclose(white.invert(y), x, atol=1e-4)
    np.testing.assert_allclose(white.matrix, white.matrix.T, atol=1e-5)


@pytest.mark.parametrize("fit", [standardisation, whitening])
def test_bad_training_inputs_are_refused(fit):
    for bad in (np.ones((0, 3)), np.ones(3), np.ones((3, 0))):
        with pytest.raises(ValueError, match=r"inputs has shape .* expected \(N, …\)"):
            fit(bad)
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit(np.array([[1.0], [np.nan]]))
    with pytest.raises(TypeError, match="rectangular"):
        fit([[1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(3,\)"):
        fit(np.eye(4, 3)).apply(np.ones((5, 2)))
    with pytest.raises(ValueError, match="batch axis"):
        fit(np.eye(4, 3)).invert(np.ones(3))


def test_whitening_takes_no_images_and_no_epsilon_of_zero():
    with pytest.raises(ValueError, match=r"expected \(N, p\); reshape to \(4, -1\)"):
        whitening(np.ones((4, 2, 2)))
    for epsilon in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="epsilon is"):
            whitening(CORRELATED, epsilon)

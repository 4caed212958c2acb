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


DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int32", "uint32", "int64"]


def numbers(dtype, offset, spread):
    """(200, 3) numbers around `offset`, as a dtype has them, and the same in float64."""
    values = offset + spread * CORRELATED[:200, :3]
    values = values.astype(jnp.dtype(dtype))
    return values, values.astype(np.float64)


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


def whitened(x, epsilon):
    variances, directions = np.linalg.eigh(np.cov(x.T, bias=True))
    return (x - x.mean(0)) @ directions @ np.diag((variances + epsilon) ** -0.5) @ directions.T


@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_of_every_dtype_are_those_of_float64(dtype):
    x, exact = numbers(dtype, 60, 8)
    standard, white = standardisation(x), whitening(x, 0.1)
    np.testing.assert_allclose(standard.scale, exact.std(0), rtol=1e-6)
    np.testing.assert_allclose(standard.apply(x), standardised(exact), atol=1e-5)
    np.testing.assert_allclose(white.apply(x), whitened(exact, 0.1), atol=1e-4)
    np.testing.assert_allclose(white.invert(white.apply(x)), exact, rtol=1e-4)
    assert {each.dtype for each in (standard.mean, standard.apply(x), white.matrix, white.apply(x))} == {
        np.dtype("float32")
    }


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from(["float32", "float64", "int64"]), size=st.integers(0, 15), ratio=st.floats(0, 1e5),
    n=st.integers(2, 40), seed=st.integers(0, 99),
)  # fmt: skip
def test_standardising_agrees_with_float64_at_every_size(dtype, size, ratio, n, seed):
    scale = 10.0**size
    ratio = min(ratio, 1e18 / scale)
    x = (scale * (ratio + np.random.default_rng(seed).normal(size=(n, 2)))).astype(dtype)
    exact = x.astype(np.float64)
    if (exact.min(0) == exact.max(0)).any() or (exact.std(0) < 1e-3 * scale).any():
        return
    np.testing.assert_allclose(standardisation(x).apply(x), standardised(exact), atol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        numbers("float16", 0, 2000)[0],  # squares of deviations above 256 are infinite in float16
        numbers("float32", 0, 1e25)[0],  # squares are infinite in float32
        numbers("float64", 0, 1e25)[0],
        numbers("float32", 0, 1e-30)[0],
        numbers("int64", 1.7e18, 1e9)[0],  # nanoseconds
        numbers("float64", 1.7e9, 60)[0],  # seconds
        numbers("uint64", 9e18, 1e12)[0],
        numbers("float32", 1e6, 3)[0],
    ],
    ids=lambda x: f"{x.dtype} {np.abs(x.astype(float)).max():.0e}",
)
def test_standardising_numbers_of_every_size_agrees_with_float64(x):
    standard = standardisation(x)
    np.testing.assert_allclose(standard.apply(x), standardised(x.astype(np.float64)), atol=2e-6)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(standard.invert(standard.apply(x)), exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_traced_statistics_do_not_overflow(dtype):
    x = numbers(dtype, 0, 2000 if dtype == "float16" else 1e25)[0]
    found = jax.jit(lambda x: standardisation(x).apply(x))(x)
    np.testing.assert_allclose(found, standardised(x.astype(np.float64)), atol=1e-5)
    x = numbers(dtype, 3, 2)[0]
    found = jax.jit(lambda x: whitening(x, 0.1).apply(x))(x)
    np.testing.assert_allclose(found, whitened(x.astype(np.float64), 0.1), atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e15])
def test_whitening_numbers_of_every_size_agrees_with_float64(dtype, size):
    x, exact = numbers(dtype, 0, size)
    epsilon = 0.1 * exact.var()
    np.testing.assert_allclose(whitening(x, epsilon).apply(x), whitened(exact, epsilon), atol=1e-5)


def test_blocks_of_examples_give_the_statistics_of_all(monkeypatch):
    monkeypatch.setattr("fnnets.data.preprocessing.BLOCK", 35)
    x = CORRELATED
    np.testing.assert_allclose(standardisation(x).apply(x), standardised(x), atol=1e-5)
    np.testing.assert_allclose(whitening(x, 0.1).apply(x), whitened(x, 0.1), atol=1e-4)


def test_a_feature_that_varies_by_rounding_alone_gives_zero():
    x = np.array([[0.1 + 0.2], [0.3]])
    assert x[0] != x[1]
    np.testing.assert_allclose(standardisation(x).apply(x), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[2**60], [2**60 + 1]]), "deviation that float32 holds beside the mean; subtract the mean"),
        (np.array([[0.0], [1e-60]]), r"at \(0,\), of mean 5e-61 and deviation 5e-61, expected"),
        (np.array([[0.0], [1e300]]), r"numbers up to 1e\+300, expected at most 3.40282e\+38"),
    ],
)
def test_what_float32_does_not_hold_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        standardisation(x)


def test_what_a_transformation_gives_is_never_infinite():
    standard = standardisation(np.array([[0.0], [1e-30]]))
    with pytest.raises(ValueError, match=r"apply: x' holds numbers up to"):
        standard.apply(np.array([[1e20]]))
    with pytest.raises(ValueError, match="inputs holds numbers up to 1e"):
        standard.apply(np.array([[1e300]]))


def test_transformations_of_no_example_give_none():
    standard = standardisation(np.eye(3))
    assert standard.apply(np.zeros((0, 3))).shape == (0, 3)
    assert whitening(np.eye(3)).apply(np.zeros((0, 3), np.int64)).shape == (0, 3)


def test_with_64_bits_the_transformation_has_them():
    with jax.enable_x64(True):
        x, exact = numbers("float64", 3, 2)
        standard = standardisation(x)
        assert standard.apply(x).dtype == np.float64
        np.testing.assert_allclose(standard.apply(x), standardised(exact), atol=1e-14)
        assert standardisation(x.astype(np.float32)).apply(x).dtype == np.float32


def test_inverses_that_overflow_are_refused():
    for made in (standardisation(np.eye(3) * 1e30), whitening(np.eye(3) * 1e15, 1.0)):
        with pytest.raises(ValueError, match=r"invert: x of these outputs holds \d+ values that are NaN or infinite"):
            made.invert(np.full((1, 3), 3e38))


@pytest.mark.parametrize("epsilon", [1e-300, 1e300])
def test_an_epsilon_whose_root_float32_does_not_hold_is_refused(epsilon):
    with pytest.raises(ValueError, match=r"whitening: epsilon is 1e.*, for which P or its inverse holds numbers up to"):
        whitening(np.ones((2, 3)), epsilon)


def test_numbers_in_another_byte_order_are_numbers():
    x = CORRELATED.astype(">f4")
    np.testing.assert_array_equal(standardisation(x).apply(x), standardisation(x.astype("<f4")).apply(x.astype("<f4")))
    np.testing.assert_array_equal(whitening(x).apply(x), whitening(x.astype("<f4")).apply(x.astype("<f4")))


def test_a_batch_in_the_place_of_its_inputs_is_named():
    with pytest.raises(TypeError, match=r"inputs is of type Batch, expected an array; give its inputs, inputs\.inputs"):
        standardisation(digits())

"""The convolutional layer: every invariant for every geometry, the notes' discrete convolution, and what it refuses."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, assert_type_of, scaled_leaves

N = 3
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADDINGS = st.one_of(
    st.sampled_from(["valid", "same"]),
    st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 2)), st.tuples(st.integers(0, 2), st.integers(0, 3))),
)


def drawn(seed, *shapes):
    random = np.random.default_rng(seed)
    return [jnp.asarray(0.1 + random.normal(size=shape)) for shape in shapes]


def everything(layer, params, x, cotangents):
    """The gradients by hand for each cotangent, and the automatic ones for the first: one program, compiled once."""
    y, trace = layer.forward(params, x, fn.Context())
    explicit = jax.vmap(lambda d_y: layer.backward(params, trace, d_y))(cotangents)
    automatic = jax.vjp(lambda p, x: layer.forward(p, x, fn.Context())[0], params, x)[1](cotangents[0])
    return y, explicit, automatic


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(window=PAIRS, stride=PAIRS, dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)), padding=PADDINGS)
def test_every_law_for_every_geometry(window, stride, dilation, padding):
    with jax.enable_x64(True):
        layer = fn.layers.convolution(2, window, stride, padding, fn.activations.tanh, dilation)
        shape = (6, 7, 2)
        params, y_shape = layer.init(jax.random.key(0), shape)
        x, d_y = drawn(1, (N, *shape), (N, *y_shape))
        singles = d_y * np.eye(N).reshape(N, N, 1, 1, 1)
        cotangents = jnp.concatenate([d_y[None], 0 * d_y[None], -3 * d_y[None], singles])
        y, explicit, automatic = jax.jit(everything, static_argnums=0)(layer, params, x, cotangents)
        first, zero, scaled, *parts = [jax.tree.map(lambda leaf, i=i: leaf[i], explicit) for i in range(3 + N)]
        assert y.shape == (N, *y_shape)
        assert_type_of(first[0], params)
        assert_equal_leaves(first, automatic, "float64")
        assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(zero))
        assert_equal_leaves(scaled, jax.tree.map(lambda leaf: -3 * leaf, first), "float64")
        assert_equal_leaves(jax.tree.map(lambda *leaves: sum(leaves), *parts), first, "float64")
        for wrong in scaled_leaves(first):
            with pytest.raises(AssertionError):
                assert_equal_leaves(wrong, automatic, "float64")


def convolved(f, g, positions):
    """(f * g)(n, m) = Σ_i Σ_j f(i, j) · g(i − n, j − m) as section 5 writes it, term by term; zero outside f and g."""
    values = np.zeros((len(positions[0]), len(positions[1])))
    for (row, n), (column, m) in itertools.product(enumerate(positions[0]), enumerate(positions[1])):
        for i, j in np.ndindex(f.shape[:2]):
            if 0 <= i - n < g.shape[0] and 0 <= j - m < g.shape[1]:
                values[row, column] += f[i, j] @ g[i - n, j - m]
    return values


@pytest.mark.parametrize(
    ("padding", "rows", "columns"),
    [("valid", range(4), range(6)), (((2, 2), (1, 1)), range(-2, 6), range(-1, 7))],
    ids=["whole windows", "windows that leave the image"],
)
def test_stride_1_is_the_discrete_convolution_of_the_notes(padding, rows, columns):
    """The filter slides and is not flipped; scipy calls the same sum a correlation."""
    x, weights = (np.asarray(array, np.float32) for array in drawn(2, (2, 6, 7, 3), (3, 2, 3, 4)))
    layer = fn.layers.convolution(4, (3, 2), padding=padding)
    params = layer.init(jax.random.key(0), (6, 7, 3))[0]._replace(weights=jnp.asarray(weights), biases=jnp.zeros(4))
    y, _ = layer.forward(params, jnp.asarray(x), fn.Context())
    mode = "valid" if padding == "valid" else "full"
    for n, k in ((0, 0), (1, 3)):
        correlated = sum(signal.correlate(x[n, :, :, c], weights[:, :, c, k], mode) for c in range(3))
        flipped = convolved(x[n], weights[::-1, ::-1, :, k], (rows, columns))
        np.testing.assert_allclose(y[n, :, :, k], convolved(x[n], weights[..., k], (rows, columns)), atol=1e-5)
        np.testing.assert_allclose(y[n, :, :, k], correlated, atol=1e-5)
        assert np.abs(y[n, :, :, k] - flipped).max() > 0.1


def test_parameters_are_as_many_as_the_notes_say():
    params, _ = fn.layers.convolution(7, (5, 3)).init(jax.random.key(0), (9, 9, 4))
    assert sum(leaf.size for leaf in params) == 7 * (4 * 5 * 3 + 1)


BAD_SETTINGS = {
    "filters is 0": {"filters": 0},
    "window is 0": {"window": 0},
    "window is -1": {"window": (3, -1)},
    "one number or two": {"window": (3, 3, 3)},
    "stride is 0": {"stride": 0},
    "stride is -2": {"stride": -2},
    "dilation is 0": {"dilation": (1, 0)},
    "padding is 'full'": {"padding": "full"},
    "padding is 2": {"padding": 2},
    "expected at least 0": {"padding": ((0, 0), (-1, 0))},
    'convolution: implementation is \'quick\', expected "fast" .* or "plain"': {"implementation": "quick"},
}


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_refused(message):
    with pytest.raises(ValueError, match=message):
        fn.layers.convolution(**{"filters": 2, "window": 3, **BAD_SETTINGS[message]})


def test_settings_of_wrong_types_are_refused():
    for wrong in ({"window": 2.5}, {"filters": "two"}, {"activation": jnp.tanh}, {"initializer": None}):
        with pytest.raises(TypeError, match="convolution"):
            fn.layers.convolution(**{"filters": 2, "window": 3, **wrong})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 9, 9), "three axes"),
        ((2, 9, 9, 3), "3 channels, expected 1, .* made for"),
        ((2, 1, 9, 9), "axis 0 looks like the channels: move it last"),
        ((2, 3, 9, 1), r"5 x 5 pixels finds no place .* expected at least \(5, 5, C\)"),
    ],
)
def test_wrong_images_are_refused(shape, message):
    layer = fn.layers.convolution(2, 5)
    params, _ = layer.init(jax.random.key(0), (9, 9, 1))
    with pytest.raises(ValueError, match=message):
        layer.forward(params, np.zeros(shape, np.float32), fn.Context())

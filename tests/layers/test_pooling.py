"""Pooling: what wins, what ties, overlaps and remainders, against loops in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn


def by_loop(x, d_y, window, stride, is_max):
    """Values and d_x, one window after another; the first of several maxima takes all."""
    (h, w), (s, t) = window, stride
    y, d_x = np.zeros(d_y.shape), np.zeros(x.shape)
    for n, p, q, c in np.ndindex(d_y.shape):
        part = x[n, p * s : p * s + h, q * t : q * t + w, c]
        if is_max:
            i, j = np.unravel_index(part.argmax(), part.shape)
            y[n, p, q, c] = part[i, j]
            d_x[n, p * s + i, q * t + j, c] += d_y[n, p, q, c]
        else:
            y[n, p, q, c] = part.mean()
            d_x[n, p * s : p * s + h, q * t : q * t + w, c] += d_y[n, p, q, c] / (h * w)
    return y, d_x


KINDS = {
    "max": fn.layers.max_pooling,
    "max, plain": partial(fn.layers.max_pooling, implementation="plain"),
    "mean": fn.layers.mean_pooling,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("window", "stride"), [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((2, 3), (3, 4))])
def test_against_a_loop_with_ties_overlaps_and_remainders(kind, window, stride):
    random = np.random.default_rng(0)
    x = random.integers(0, 3, (2, 7, 8, 2)).astype(np.float32)  # three values: many ties
    layer = KINDS[kind](window, stride)

    def both(x, d_y):
        y, trace = layer.forward((), x, fn.Context())
        automatic = jax.vjp(lambda x: layer.forward((), x, fn.Context())[0], x)[1](d_y)[0]
        return y, layer.backward((), trace, d_y)[1], automatic

    _, shape = layer.init(jax.random.key(0), x.shape[1:])
    d_y = random.normal(size=(2, *shape)).astype(np.float32)
    y, d_x, automatic = jax.jit(both)(x, d_y)
    wanted_y, wanted_d_x = by_loop(x, d_y, window, stride, kind != "mean")
    np.testing.assert_allclose(y, wanted_y, atol=1e-6)
    np.testing.assert_allclose(d_x, wanted_d_x, atol=1e-6)
    np.testing.assert_allclose(automatic, wanted_d_x, atol=1e-6)


def test_nan_is_not_lost():
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 0, 0], x[0, 1, 3] = np.nan, np.nan
    layer = fn.layers.max_pooling(2)
    assert np.isnan(layer.forward((), jnp.asarray(x), fn.Context())[0]).all()


def test_bad_windows_are_refused():
    for make in (fn.layers.max_pooling, fn.layers.mean_pooling):
        with pytest.raises(ValueError, match="window is 0"):
            make(0)
        with pytest.raises(ValueError, match="stride is -1"):
            make(2, -1)
        with pytest.raises(ValueError, match=r"finds no place .* at least \(5, 5, C\)"):
            make(5).forward((), np.zeros((1, 4, 6, 1), np.float32), fn.Context())


def test_an_implementation_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r'max_pooling: implementation is \'quick\', expected "fast" .* or "plain"'):
        fn.layers.max_pooling(2, implementation="quick")


def test_the_winner_of_a_large_window_has_room():
    for window, dtype in ((16, np.uint8), (17, np.int32)):
        _, trace = jax.eval_shape(
            lambda x, w=window: fn.layers.max_pooling(w).forward((), x, fn.Context()), np.zeros((1, 17, 17, 1))
        )
        assert trace.winner.dtype == dtype

"""The kernel of max-pooling against the page: ties, NaN, overlaps; its layout of windows side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.kernels import pooling, windows
from tests.contract.laws import assert_equal_leaves, drawn_images, of_both, scaled_leaves

GEOMETRIES = {"side by side": ((2, 3), None), "square": (2, 2), "a row": ((1, 3), None)}


def both_layers(name):
    return tuple(fn.layers.max_pooling(*GEOMETRIES[name], each) for each in ("fast", "plain"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_kernel_gives_what_the_page_gives(name, dtype):
    """Outputs and d_x, of numbers without and with ties; each of them, moved a little, fails the comparison."""
    layers = both_layers(name)
    with jax.enable_x64(dtype == "float64"):
        params, x, d_y = drawn_images(layers[0], (7, 8, 2), jnp.dtype(dtype))
        for image in (x, jnp.round(x)):
            fast, plain = of_both(layers, params, image, d_y)
            assert_equal_leaves(fast, plain, dtype, condition=10 if dtype == "float64" else 1)  # 1e-11 and 1e-5
            for wrong in scaled_leaves(fast):
                with pytest.raises(AssertionError):
                    assert_equal_leaves(wrong, plain, dtype, condition=10)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_derivative_at_a_nan_is_the_same(name):
    layers = both_layers(name)
    params, x, d_y = drawn_images(layers[0], (7, 8, 2), jnp.float32)
    (y, (_, d_x)), (plain_y, (_, plain_d_x)) = of_both(layers, params, x.at[1, 3, 3:5, 0].set(jnp.nan), d_y)
    np.testing.assert_array_equal(y, plain_y)
    assert np.isnan(y).any()
    assert_equal_leaves(d_x, plain_d_x, "float32")


def test_overlapping_windows_run_the_page():
    for stride in (None, 3, (3, 3)):
        assert fn.layers.max_pooling(3, stride).forward.__qualname__.startswith("passes")
    for stride in (1, 2, 4, (3, 2)):
        assert fn.layers.max_pooling(3, stride).forward.__qualname__.startswith("max_pooling")


def test_windows_side_by_side_are_laid_out_as_fold_sums_them():
    seen = windows.window("max_pooling", (2, 3), (2, 3))
    shares = np.random.default_rng(0).normal(size=(2, 3, 2, 2, 3, 4)).astype(np.float32)  # (N, H', h, W', w, C)
    apart = [shares[:, :, i, :, j] for i in range(2) for j in range(3)]
    laid = pooling.tile(shares, (7, 8))
    np.testing.assert_array_equal(laid, windows.fold(apart, seen, (7, 8)))
    assert laid.shape == (2, 7, 8, 4)
    assert not np.asarray(laid[:, 6:]).any()
    assert not np.asarray(laid[:, :, 6:]).any()

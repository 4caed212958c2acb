"""The kernel against the page; its products of patches against XLA's correlations, block by block and at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.kernels import convolution, paths, windows
from tests.contract.laws import assert_equal_leaves, drawn_images, of_both, scaled_leaves

GEOMETRIES = {
    "plain": windows.window("convolution", 3, 1),
    "strided, padded by hand": windows.window("convolution", (3, 2), (2, 3), ((4, 0), (1, 2))),
    "dilated, same": windows.window("convolution", 2, 2, "same", (2, 3)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_kernel_gives_what_the_page_gives(name, dtype):
    """Outputs, d_params and d_x; each of them, moved a little, fails the comparison."""
    size, stride, padding, dilation = GEOMETRIES[name]
    layers = tuple(
        fn.layers.convolution(3, size, stride, padding, fn.activations.tanh, dilation, implementation=implementation)
        for implementation in ("fast", "plain")
    )
    with jax.enable_x64(dtype == "float64"):
        fast, plain = of_both(layers, *drawn_images(layers[0], (8, 9, 2), jnp.dtype(dtype)))
        assert_equal_leaves(fast, plain, dtype, condition=10 if dtype == "float64" else 1)  # 1e-11 and 1e-5
        for wrong in scaled_leaves(fast):
            with pytest.raises(AssertionError):
                assert_equal_leaves(wrong, plain, dtype, condition=10)


@pytest.mark.parametrize("block", [1, 3000, 2**21], ids=["one example", "some", "all at once"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_patches_give_the_correlations_of_xla(name, block, monkeypatch):
    """7 examples, so that the last block is not full."""
    seen, shape = GEOMETRIES[name], (8, 9)
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(7, *shape, 2)), random.normal(size=(*seen.size, 2, 3))
    delta = random.normal(size=(7, *seen.positions(shape), 3))
    monkeypatch.setattr(convolution, "BLOCK", block)
    monkeypatch.setattr(paths, "inputs_by_patches", lambda *shapes: True)

    def both(x, delta, weights):
        fast = convolution.weights_gradient.__wrapped__(x, delta, seen)
        called = convolution.weights_gradient_by_convolution(x, delta, seen)
        spread = convolution.input_gradient.__wrapped__(delta, weights, seen, shape)
        return (fast, spread), (called, convolution.input_gradient_by_convolution(delta, weights, seen, shape))

    with jax.enable_x64(True):
        assert_equal_leaves(*jax.jit(both)(x, delta, weights), "float64")


def test_the_path_is_chosen_by_shape():
    is_cpu = jax.default_backend() == "cpu"
    assert paths.weights_by_patches((2, 9, 9, 1)) == is_cpu
    assert not paths.weights_by_patches((0, 9, 9, 1))
    assert paths.inputs_by_patches((2, 8, 8, 3), (12, 12)) == is_cpu
    assert not paths.inputs_by_patches((2, 12, 12, 3), (12, 12))

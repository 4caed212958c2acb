"""The products of patches against the plain correlations, block by block and at once."""

import jax
import numpy as np
import pytest

from fnnets.kernels import convolution, windows
from tests.contract.laws import assert_equal_leaves

GEOMETRIES = {
    "plain": windows.window("convolution", 3, 1),
    "strided, padded by hand": windows.window("convolution", (3, 2), (2, 3), ((4, 0), (1, 2))),
    "dilated, same": windows.window("convolution", 2, 2, "same", (2, 3)),
}


@pytest.mark.parametrize("block", [1, 3000, 2**21], ids=["one example", "some", "all at once"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_patches_give_the_plain_correlations(name, block, monkeypatch):
    """7 examples, so that the last block is not full."""
    seen, shape = GEOMETRIES[name], (8, 9)
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(7, *shape, 2)), random.normal(size=(*seen.size, 2, 3))
    delta = random.normal(size=(7, *seen.positions(shape), 3))
    monkeypatch.setattr(convolution, "BLOCK", block)
    monkeypatch.setattr(convolution, "pays_input_gradient", lambda *shapes: True)

    def both(x, delta, weights):
        fast = convolution.weights_gradient.__wrapped__(x, delta, seen)
        plain = convolution.weights_gradient_plainly(x, delta, seen)
        spread = convolution.input_gradient.__wrapped__(delta, weights, seen, shape)
        return (fast, spread), (plain, convolution.input_gradient_plainly(delta, weights, seen, shape))

    with jax.enable_x64(True):
        assert_equal_leaves(*jax.jit(both)(x, delta, weights), "float64")


def test_the_path_is_chosen_by_shape():
    is_cpu = jax.default_backend() == "cpu"
    assert convolution.pays_weights_gradient((2, 9, 9, 1)) == is_cpu
    assert not convolution.pays_weights_gradient((0, 9, 9, 1))
    assert convolution.pays_input_gradient((2, 8, 8, 3), (12, 12)) == is_cpu
    assert not convolution.pays_input_gradient((2, 12, 12, 3), (12, 12))

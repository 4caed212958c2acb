"""Winograd's form against numpy's correlation, XLA's convolution and the layer's page."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import fnnets as fn
from fnnets.core import jaxprs
from fnnets.kernels import convolution, paths, windows, winograd
from tests.contract.laws import assert_equal_leaves, derivations, drawn_images, of_both, scaled_leaves

PADDINGS = {"same": "same", "valid": "valid", "unequal": ((4, 1), (0, 3)), "more than the filter": ((0, 5), (6, 2))}


@pytest.mark.parametrize("sizes", [(1, 3), (2, 3), (3, 2), (4, 3), (2, 5)])
def test_a_form_is_the_correlation_of_one_axis(sizes):
    """y = Aᵀ [(G g) ⊙ (Bᵀ d)] is numpy's correlation; with one sign changed it is not."""
    random, own = np.random.default_rng(0), winograd.form(*sizes)
    pixels, entries = random.normal(size=own.tile), random.normal(size=own.size)
    expected = np.correlate(pixels, entries, "valid")

    def y(inner):
        return np.transpose(own.outer) @ ((own.filters @ entries) * (inner @ pixels))

    assert len(expected) == own.step
    np.testing.assert_allclose(y(np.array(own.inner)), expected, rtol=1e-12, atol=1e-12)
    wrong = np.array(own.inner)
    wrong[0, -2] += 1
    assert np.abs(y(wrong) - expected).max() > 0.01


def test_the_published_matrices():
    """F(2, 3) as Lavin and Gray print it, but for the sign of the first rows of Bᵀ and G, which goes out."""
    own, sign = winograd.form(2, 3), np.diag([-1, 1, 1, 1])
    np.testing.assert_array_equal(sign @ own.inner, [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]])
    np.testing.assert_array_equal(sign @ own.filters, [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    np.testing.assert_array_equal(own.outer, [[1, 0], [1, 1], [1, -1], [0, 1]])


@pytest.mark.parametrize("tiles", [1, 30, 2048], ids=["one example", "some", "all at once"])
@pytest.mark.parametrize("name", PADDINGS)
def test_it_gives_the_correlations_of_xla(name, tiles, monkeypatch):
    """Images of odd and even sizes, 5 of them, so that the last block is not full; a filter of 5 x 5 too."""
    monkeypatch.setattr(winograd, "TILES", tiles)
    random = np.random.default_rng(0)

    def both(x, weights, delta, seen):
        shape = x.shape[1:3]
        fast = (
            winograd.correlate.__wrapped__(x, weights, seen),
            winograd.weights_gradient(x, delta, seen),
            winograd.input_gradient(delta, weights, seen, shape),
        )
        return fast, (
            jax.lax.conv_general_dilated(x, weights, (1, 1), seen.pads(shape), dimension_numbers=convolution.IMAGES),
            convolution.weights_gradient_by_convolution(x, delta, seen),
            convolution.input_gradient_by_convolution(delta, weights, seen, shape),
        )

    with jax.enable_x64(True):
        for size, shape in ((3, (7, 8)), (3, (8, 5)), (5, (6, 7))):
            seen = windows.window("convolution", size, 1, PADDINGS[name])
            x, weights = random.normal(size=(5, *shape, 2)), random.normal(size=(size, size, 2, 3))
            delta = random.normal(size=(5, *seen.positions(shape), 3))
            fast, called = jax.jit(both, static_argnums=3)(x, weights, delta, seen)
            assert_equal_leaves(fast, called, "float64")
            for wrong in scaled_leaves(fast):
                with pytest.raises(AssertionError):
                    assert_equal_leaves(wrong, called, "float64")


def layer(implementation="fast", padding="same"):
    return fn.layers.convolution(66, 3, 1, padding, fn.activations.tanh, implementation=implementation)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PADDINGS)
def test_a_layer_of_many_channels_gives_what_its_page_gives(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        pair = layer(padding=PADDINGS[name]), layer("plain", PADDINGS[name])
        params, *arrays = drawn_images(pair[0], (5, 6, 64), jnp.dtype(dtype))
        params = jax.tree.map(lambda leaf: leaf / 24, params)  # 24² weights a filter: z of order one
        fast, plain = of_both(pair, params, *arrays)
        assert_equal_leaves(fast, plain, dtype, condition=10 if dtype == "float64" else 1)  # 1e-11 and 1e-5


def products(function, *arguments):
    """Multiplications in the matrix products of a function, and whether it has a convolution."""
    found = list(jaxprs.equations(jax.make_jaxpr(function)(*arguments).jaxpr))
    dots = [each for each in found if each.primitive.name == "dot_general"]
    counts = [each.outvars[0].aval.size * each.invars[0].aval.shape[each.params["dimension_numbers"][0][0][0]]
              for each in dots]  # fmt: skip
    return sum(counts), any(each.primitive.name == "conv_general_dilated" for each in found)


def test_it_has_four_ninths_of_the_products_of_the_page():
    """Even sizes, one block: 16 products for each tile of 4 positions, where the page has 36."""
    params, x, d_y = drawn_images(layer(), (6, 8, 64), jnp.float32)
    of_page = 9 * 64 * 66 * 3 * 6 * 8
    seen = layer().window
    for way in (
        lambda: convolution.correlate(x, params.weights, seen),
        lambda: convolution.weights_gradient(x, d_y, seen),
        lambda: convolution.input_gradient(d_y, params.weights, seen, (6, 8)),
    ):
        if jax.default_backend() == "cpu":
            assert products(way) == (of_page * 4 // 9, False)


def test_the_cost_can_be_differentiated_twice_and_in_a_batch_of_parameters():
    """∂C by hand under vmap is ∂C by hand of each, and jax.grad goes through both passes."""
    with jax.enable_x64(True):
        params, x, d_y = drawn_images(layer(), (5, 6, 64), jnp.float64)
        _, explicit, automatic = derivations(layer(), params, x, d_y)
        assert_equal_leaves(explicit, automatic, "float64", condition=10)

        def gradient(weights):
            trace = layer().forward(params._replace(weights=weights), x, fn.Context())[1]
            return layer().backward(params, trace, d_y)[0].weights

        stacked = jnp.stack([params.weights, 0.5 * params.weights])
        looped = jnp.stack([gradient(each) for each in stacked])
        assert_equal_leaves(jax.jit(jax.vmap(gradient))(stacked), looped, "float64")
        moved = jax.jit(lambda w, t: jax.jvp(gradient, (w,), (t,))[1])(params.weights, params.weights)
        near = (gradient(params.weights * (1 + 1e-6)) - gradient(params.weights * (1 - 1e-6))) / 2e-6
        np.testing.assert_allclose(moved, near, atol=1e-6 * np.abs(near).max())


@pytest.mark.parametrize("tiles", [6, 2048], ids=["one example", "all at once"])
def test_shares_give_the_gradient_of_the_whole(tiles, monkeypatch):
    """Under shard_map over two devices: y and dx of each share, dW by one psum."""
    monkeypatch.setattr(winograd, "TILES", tiles)
    with jax.enable_x64(True):
        seen = windows.window("convolution", 3, 1, "same")
        random = np.random.default_rng(0)
        x, d_y = random.normal(size=(6, 4, 5, 16)), random.normal(size=(6, 4, 5, 17))
        weights = random.normal(size=(3, 3, 16, 17))

        def one(x, d_y, weights):
            return (
                winograd.correlate.__wrapped__(x, weights, seen),
                winograd.input_gradient(d_y, weights, seen, (4, 5)),
                winograd.weights_gradient(x, d_y, seen),
            )

        def share(*arrays):
            z, d_x, d_weights = one(*arrays)
            return z, d_x, jax.lax.psum(d_weights, "data")

        mesh, rows = Mesh(np.array(jax.devices()[:2]), ("data",)), P("data")
        shared = jax.shard_map(share, mesh=mesh, in_specs=(rows, rows, P()), out_specs=(rows, rows, P()))
        assert_equal_leaves(jax.jit(shared)(x, d_y, weights), jax.jit(one)(x, d_y, weights), "float64")


def test_16_bits_are_rounded_once():
    """Half a unit in the last of bfloat16's 8 bits, 2⁻⁸ of a number, of what float32 gives for the same numbers."""
    params, *arrays = drawn_images(layer(), (6, 6, 64), jnp.float32)
    low = [each.astype(jnp.bfloat16) for each in (params.weights, *arrays)]
    for way in (
        lambda w, x, d: convolution.correlate(x, w, layer().window),
        lambda w, x, d: convolution.weights_gradient(x, d, layer().window),
        lambda w, x, d: convolution.input_gradient(d, w, layer().window, (6, 6)),
    ):
        came, exact = jax.jit(way)(*low), np.asarray(jax.jit(way)(*(each.astype(jnp.float32) for each in low)))
        assert came.dtype == jnp.bfloat16
        if jax.default_backend() == "cpu":
            assert np.all(np.abs(np.asarray(came, np.float32) - exact) <= 2**-7.99 * np.abs(exact) + 1e-6)


def test_the_form_is_chosen_by_window_and_channels():
    square, is_cpu = windows.window("convolution", 3, 1, "same"), jax.default_backend() == "cpu"
    assert paths.by_winograd(square, (2, 9, 9, 64), (3, 3, 64, 64)) == is_cpu
    assert not paths.by_winograd(square, (2, 9, 9, 64), (3, 3, 64, 63))
    assert paths.weights_by_winograd(square, (2, 9, 9, 16), (3, 3, 16, 16)) == is_cpu
    for chosen in (paths.by_winograd, paths.weights_by_winograd):
        assert not chosen(square, (0, 9, 9, 64), (3, 3, 64, 64))
        assert not chosen(square, (2, 9, 9, 3), (3, 3, 3, 640))
        assert not chosen(square, (2, 9, 9, 640), (3, 3, 640, 3))
        for other in ((5, 1), ((3, 1), 1), (3, 2), (3, 1, "same", 2)):
            assert not chosen(windows.window("convolution", *other), (2, 9, 9, 64), (3, 3, 64, 64))

"""The locally connected layer: a convolution where all windows are alike, the notes' counts, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves

CONVOLUTION, LOCAL = fn.layers.convolution, fn.layers.locally_connected
GEOMETRIES = {
    "valid": (3, (2, 3), 1, "valid", fn.activations.tanh),
    "stride": (2, 3, (2, 1), "same", fn.activations.sigmoid),
    "dilated, padded": (2, 2, (1, 2), ((2, 0), (1, 1)), fn.activations.identity, (2, 1)),
}


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def repeated(shared, positions):
    """The parameters of an unshared layer all of whose windows have those of a convolution."""
    weights = jnp.broadcast_to(shared.weights, (*positions, *shared.weights.shape))
    biases = jnp.broadcast_to(shared.biases, (*positions, *shared.biases.shape))
    return type(LOCAL(1, 1).init(jax.random.key(0), (1, 1, 1))[0])(weights, biases)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_with_the_same_weights_everywhere_it_is_a_convolution(name, key):
    """The same outputs and dx, and dW and db whose sums over positions are the convolution's."""
    with jax.enable_x64(True):
        shared, unshared = CONVOLUTION(*GEOMETRIES[name]), LOCAL(*GEOMETRIES[name])
        params, (rows, columns, _) = shared.init(key, (6, 7, 2))
        own = repeated(params, (rows, columns))
        x = jax.random.normal(jax.random.fold_in(key, 1), (4, 6, 7, 2))
        (y, trace), (expected, kept) = (
            layer.forward(p, x, fn.Context()) for layer, p in ((unshared, own), (shared, params))
        )
        d_y = jax.random.normal(jax.random.fold_in(key, 2), y.shape)
        (d_own, d_x), (d_params, expected_d_x) = unshared.backward(own, trace, d_y), shared.backward(params, kept, d_y)
        summed = [np.sum(leaf, axis=(0, 1)) for leaf in d_own]
        assert_equal_leaves([y, d_x, *summed], [expected, expected_d_x, *d_params], "float64")
        part = [leaf[0, 0] for leaf in d_own]
        assert np.abs(np.asarray(part[0]) - d_params.weights).max() > 1e-3  # one position's is not the sum


def test_each_window_has_weights_and_a_bias_of_its_own():
    """By hand: windows of 1 x 2 pixels on a row of three, one filter."""
    layer = LOCAL(1, (1, 2))
    params = layer.init(jax.random.key(0), (1, 3, 1))[0]
    weights = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(params.weights.shape)
    params = params._replace(weights=weights, biases=jnp.array([0.5, -1.0]).reshape(1, 2, 1))
    y, trace = layer.forward(params, jnp.array([5.0, 6.0, 7.0]).reshape(1, 1, 3, 1), fn.Context())
    assert y.ravel().tolist() == [17.5, 45.0]  # 5 + 12 + 0.5, and 18 + 28 − 1
    d_params, d_x = layer.backward(params, trace, jnp.array([10.0, 100.0]).reshape(y.shape))
    assert d_params.weights.ravel().tolist() == [50.0, 60.0, 600.0, 700.0]
    assert d_params.biases.ravel().tolist() == [10.0, 100.0]
    assert d_x.ravel().tolist() == [10.0, 20.0 + 300.0, 400.0]  # the pixel in the middle is seen twice


@pytest.mark.parametrize("stride", [1, 2, 3, (1, 2), (3, 1)])
def test_parameters_are_as_many_as_the_notes_say(stride):
    """N(cwh + 1) shared, MN(cwh + 1) not; M counts the windows that fit an image of 9 x 11 pixels, one by one."""
    (filters, h, w, c), size = (7, 3, 2, 4), (9, 11)
    rows, columns = (stride, stride) if isinstance(stride, int) else stride
    windows = sum(1 for top in range(0, size[0], rows) for left in range(0, size[1], columns)
                  if top + h <= size[0] and left + w <= size[1])  # fmt: skip
    shared, unshared = (
        layer(filters, (h, w), stride).init(jax.random.key(0), (*size, c)) for layer in (CONVOLUTION, LOCAL)
    )
    assert count(shared[0]) == filters * (c * w * h + 1)
    assert count(unshared[0]) == windows * filters * (c * w * h + 1)
    assert shared[1] == unshared[1]


def test_weights_begin_as_those_of_a_convolution(key):
    """N(0, 1/cwh) for every position, from draws of its own; biases N(0, 1)."""
    params, _ = LOCAL(8, 5).init(key, (14, 14, 4))  # 100 positions of 800 weights
    deviation = np.std(params.weights, axis=(2, 3, 4, 5))
    np.testing.assert_allclose(deviation, (4 * 5 * 5) ** -0.5, rtol=4 / np.sqrt(2 * 800))  # four standard errors
    assert np.std(params.biases) == pytest.approx(1, rel=4 / np.sqrt(2 * 800))
    assert np.unique(params.weights).size > 0.99 * params.weights.size
    # the other schemes see the fans of one position too: 2/(p + q) with p = 100 inputs and q = 8 · 25
    params, _ = LOCAL(8, 5, initializer=fn.initializers.glorot).init(key, (14, 14, 4))
    assert np.std(params.weights) == pytest.approx((2 / 300) ** 0.5, rel=4 / np.sqrt(2 * 80_000))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 12, 12, 1), r"images of shape \(12, 12, 1\) with 8 x 8 positions, expected 5 x 5, .* made for, or take a"),
        ((2, 8, 9, 1), "4 x 5 positions, expected 5 x 5"),
        ((2, 9, 9, 3), "3 channels, expected 1"),
        ((2, 9, 9), "three axes"),
        ((2, 3, 9, 1), "finds no place"),
    ],
)
def test_images_that_it_was_not_made_for_are_refused(shape, message):
    layer = LOCAL(2, 5)
    params, _ = layer.init(jax.random.key(0), (9, 9, 1))
    with pytest.raises(ValueError, match=f"locally_connected: .*{message}"):
        layer.forward(params, np.zeros(shape, np.float32), fn.Context())


def test_it_carries_no_window_and_is_no_part_of_a_detector():
    """A convolution's window lets it slide over larger images, which these weights do not fit."""
    assert CONVOLUTION(2, 3).window is not None
    assert LOCAL(2, 3).window is None
    net = fn.convolutional((8, 8, 1), "local3-2 maxpool2 | fc-3", objective=fn.objectives.softmax_log_likelihood)
    with pytest.raises(ValueError, match=r"made of locally_connected, .*; expected windows"):
        fn.detection.class_map(net, net.init(jax.random.key(0)), jnp.zeros((1, 16, 16, 1)))


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"filters": 0}, ValueError),
        ({"window": (3, -1)}, ValueError),
        ({"stride": 0}, ValueError),
        ({"padding": "full"}, ValueError),
        ({"dilation": 0}, ValueError),
        ({"filters": 2.5}, TypeError),
        ({"activation": jnp.tanh}, TypeError),
        ({"initializer": None}, TypeError),
    ],
)
def test_bad_settings_are_refused(wrong, kind):
    with pytest.raises(kind, match=f"locally_connected: {next(iter(wrong))}"):
        LOCAL(**{"filters": 2, "window": 3, **wrong})


def test_the_verifier_proves_it_and_names_a_fault():
    layer = LOCAL(3, (2, 3), (1, 2), "same", fn.activations.tanh)
    params, _ = layer.init(jax.random.key(0), (4, 5, 2))
    x = jax.random.normal(jax.random.key(1), (3, 4, 5, 2))
    report = fn.verify.layer(layer, params, x)
    report.assert_ok()
    assert [row.statement for row in report.rows] == ["δ", "dW, unshared", "db, unshared", "dx"]

    def backward(params, trace, d_y):
        d_params, d_x = layer.backward(params, trace, d_y)
        shared = jnp.mean(d_params.weights, axis=(0, 1), keepdims=True)
        return d_params._replace(weights=jnp.broadcast_to(shared, d_params.weights.shape)), d_x

    first = fn.verify.layer(layer._replace(backward=backward), params, x).first_wrong
    assert (first.statement, first.where) == ("dW, unshared", "locally_connected .weights")

"""What the contract does not say of `dense`: leading axes, and messages of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn


def test_any_leading_axes_are_one_contraction(key):
    layer = fn.layers.dense(3, fn.activations.tanh)
    params, _ = layer.init(key, (4,))
    x, d_y = jax.random.normal(key, (5, 2, 4)), jax.random.normal(jax.random.fold_in(key, 1), (5, 2, 3))
    y, trace = layer.forward(params, x, fn.Context())
    flat_y, flat_trace = layer.forward(params, x.reshape(10, 4), fn.Context())
    np.testing.assert_allclose(y.reshape(10, 3), flat_y, rtol=1e-6)
    shaped, flat = layer.backward(params, trace, d_y), layer.backward(params, flat_trace, d_y.reshape(10, 3))
    np.testing.assert_allclose(shaped[0].weights, flat[0].weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shaped[1].reshape(10, 4), flat[1], rtol=1e-5, atol=1e-6)


def test_by_hand_on_numbers_one_can_check():
    layer = fn.layers.dense(1, fn.activations.relu)
    params = layer.init(jax.random.key(0), (2,))[0]._replace(weights=jnp.array([[2.0, -1.0]]), biases=jnp.array([0.5]))
    y, trace = layer.forward(params, jnp.array([[3.0, 1.0], [0.0, 2.0]]), fn.Context())
    assert y.tolist() == [[5.5], [0.0]]  # 6 − 1 + 0.5, and max(0, −2 + 0.5)
    d_params, d_x = layer.backward(params, trace, jnp.array([[10.0], [10.0]]))
    assert d_params.weights.tolist() == [[30.0, 10.0]]  # 10·(3, 1); the second unit is off
    assert d_params.biases.tolist() == [10.0]
    assert d_x.tolist() == [[20.0, -10.0], [0.0, 0.0]]


def test_wrong_features_are_refused():
    layer = fn.layers.dense(3)
    params, _ = layer.init(jax.random.key(0), (4,))
    with pytest.raises(ValueError, match=r"dense: x has shape \(2, 5\), expected \(…, 4\)"):
        layer.forward(params, jnp.ones((2, 5)), fn.Context())


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-2, ValueError), (2.5, TypeError), (True, TypeError)])
def test_wrong_sizes_are_refused(size, error):
    with pytest.raises(error, match="dense: units"):
        fn.layers.dense(size)

"""The neurons of the notes' section 1: vectorised, with thresholds, and stochastic ones with the right frequency."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets import neurons


@pytest.mark.parametrize("neuron", [neurons.linear, neurons.rectified, neurons.threshold, neurons.sigmoid])
def test_a_layer_of_units_on_a_batch_is_each_unit_on_each_example(neuron, key):
    weights, bias = jax.random.normal(key, (3, 4)), jnp.array([0.3, -0.2, 0.1])
    inputs = jax.random.normal(jax.random.fold_in(key, 1), (5, 4))
    together = neuron(weights, bias, inputs)
    assert together.shape == (5, 3)
    for n in range(5):
        for unit in range(3):
            np.testing.assert_allclose(together[n, unit], neuron(weights[unit], bias[unit], inputs[n]), rtol=1e-5)


def test_threshold_is_the_negative_bias():
    weights, inputs = jnp.array([1.0, 2.0]), jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(
        neurons.threshold(weights, None, inputs, theta=2.0), neurons.threshold(weights, -2.0, inputs)
    )
    assert neurons.threshold(weights, None, inputs, theta=2.0).tolist() == [0, 1, 1]  # w·x = 1, 2, 3


def test_bias_is_the_negative_intercept_of_the_hyperplane():
    # the points x = −b/‖w‖² w lie on the hyperplane, a little further along w on its positive side
    weights, bias = jnp.array([3.0, 4.0]), -10.0
    foot = -bias / 25 * weights
    assert neurons.linear(weights, bias, foot) == 0
    assert neurons.threshold(weights, bias, 1.01 * foot) == 1
    assert neurons.threshold(weights, bias, 0.99 * foot) == 0


def test_stochastic_units_fire_with_probability_sigmoid():
    draws = neurons.stochastic(jnp.array([1.0]), 0.5, jnp.full((20_000, 1), 0.7), key=jax.random.key(3))
    p = 1 / (1 + np.exp(-1.2))
    assert abs(draws.mean() - p) < 4 * np.sqrt(p * (1 - p) / 20_000)  # four standard errors, and a fixed key
    assert set(np.unique(draws)) == {0.0, 1.0}


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="same last axis"):
        neurons.linear(jnp.ones(3), 0.0, jnp.ones(2))
    with pytest.raises(ValueError, match=r"bias has shape .* give one for each unit"):
        neurons.linear(jnp.ones((2, 3)), jnp.ones(3), jnp.ones(3))
    with pytest.raises(ValueError, match="just one of them"):
        neurons.threshold(jnp.ones(3), 1.0, jnp.ones(3), theta=1.0)
    with pytest.raises(TypeError, match=r"jax\.random\.key"):
        neurons.stochastic(jnp.ones(3), 1.0, jnp.ones(3), key=0)

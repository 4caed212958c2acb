"""Statement (1) of each objective against jax.grad, stable values, and the equality of labels and one-hot rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import TOLERANCE
from tests.contract.table import OBJECTIVES


def probe(name, key):
    z = jax.random.normal(key, (6, 4)) * 3
    if name.endswith("labels"):
        return z, jnp.array([0, 1, 2, 3, 3, 0])
    return z, jax.random.uniform(jax.random.fold_in(key, 1), (6, 4))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_delta_is_the_derivative_of_the_value(name, key, dtype):
    objective, (z, y) = OBJECTIVES[name], probe(name, key)
    automatic = jax.grad(lambda z: objective.value(z, y).sum())(z)
    error = jnp.abs(objective.delta(z, y) - automatic).max() / jnp.abs(automatic).max()
    assert error < TOLERANCE[dtype]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_delta_off_by_a_thousandth_would_fail(name, key, dtype):
    objective, (z, y) = OBJECTIVES[name], probe(name, key)
    automatic = jax.grad(lambda z: objective.value(z, y).sum())(z)
    error = jnp.abs(1.001 * objective.delta(z, y) - automatic).max() / jnp.abs(automatic).max()
    assert error > TOLERANCE[dtype]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_saturated_outputs_and_targets_of_0_and_1_are_finite(name):
    objective = OBJECTIVES[name]
    z = jnp.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])
    y = jnp.array([0, 2]) if name.endswith("labels") else jnp.array([[1.0, 0, 0], [1, 0, 1]])
    assert jnp.isfinite(objective.value(z, y)).all()
    assert jnp.isfinite(objective.delta(z, y)).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_empty_batches_give_empty_values(name):
    z, y = jnp.zeros((0, 3)), jnp.zeros((0,), int) if name.endswith("labels") else jnp.zeros((0, 3))
    assert OBJECTIVES[name].value(z, y).shape == (0,)
    assert OBJECTIVES[name].delta(z, y).shape == (0, 3)


def test_cross_entropy_of_a_wrong_saturated_unit_is_its_weighted_input():
    # softplus(z) − y z = z for y = 0 and large z, where −log(1 − σ(z)) would be infinite in float32
    assert fn.objectives.sigmoid_cross_entropy.value(jnp.array([[1000.0]]), jnp.zeros((1, 1)))[0] == 1000


def test_labels_equal_one_hot_rows(key):
    objective, z = fn.objectives.softmax_log_likelihood, jax.random.normal(key, (5, 3))
    labels = jnp.array([0, 2, 1, 1, 0])
    rows = jax.nn.one_hot(labels, 3)
    np.testing.assert_allclose(objective.value(z, labels), objective.value(z, rows), rtol=1e-6)
    np.testing.assert_allclose(objective.delta(z, labels), objective.delta(z, rows), rtol=1e-6)


def test_value_of_equal_scores_is_log_of_the_number_of_classes():
    value = fn.objectives.softmax_log_likelihood.value(jnp.zeros((1, 7)), jnp.array([3]))
    np.testing.assert_allclose(value, np.log(7), rtol=1e-6)


def test_another_activation_is_refused():
    with pytest.raises(TypeError, match=r"squared_error: activation.*expected Activation"):
        fn.objectives.squared_error(jax.nn.sigmoid)


def test_the_cross_entropy_has_its_true_slope_where_z_is_zero():
    """max(z, 0) and |z| have kinks at 0, the cost has none: ∂c/∂z = σ(0) − y = 1/2 − y."""
    y = jnp.array([[0.2, 1.0, 0.0]])
    slope = jax.grad(lambda z: jnp.sum(fn.objectives.sigmoid_cross_entropy.value(z, y)))(jnp.zeros((1, 3)))
    np.testing.assert_allclose(slope, 0.5 - y, rtol=1e-6)

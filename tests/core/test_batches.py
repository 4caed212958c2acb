"""What networks make of batches: targets that nobody gives, phases side by side, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import batches

RBM = fn.rbm(4, 3)


def numbers(*shape):
    return np.random.default_rng(0).random(shape)


def test_the_mean_over_both_phases_is_the_difference_of_their_means():
    z = numbers(8, 1)
    both = batches.stacked(fn.Batch(jnp.asarray(z[:3]), jnp.asarray(z[3:])))
    np.testing.assert_allclose(np.mean(both.targets * both.inputs), z[:3].mean() - z[3:].mean(), rtol=1e-5)


def test_phases_with_weights_are_weighted_means():
    """Of the data alone, and of both phases where the samples have weights too."""
    z, w = numbers(8, 1), np.arange(8.0)
    for weights, own in ((w[:3], np.ones(5)), (w, w[3:])):
        both = batches.stacked(fn.Batch(jnp.asarray(z[:3]), jnp.asarray(z[3:]), weights=jnp.asarray(weights)))
        expected = np.average(z[:3], axis=0, weights=w[:3]) - np.average(z[3:], axis=0, weights=own)
        np.testing.assert_allclose(np.mean(both.targets * both.inputs), expected[0], rtol=1e-5)


def test_phases_of_shares_add_up():
    z, w = numbers(8, 1).astype(np.float32), np.ones(8)
    whole = batches.stacked(fn.Batch(jnp.asarray(z[:3]), jnp.asarray(z[3:]), weights=jnp.asarray(w)))
    parts = [
        batches.stacked(fn.Batch(z[d], z[s], weights=jnp.ones(len(z[d]) + len(z[s])), total_weight=total))
        for d, s, total in ((slice(0, 2), slice(3, 5), 3.0), (slice(2, 3), slice(5, 6), 3.0))
    ]
    # of the samples the first three are dealt out, with as many weights as the data
    expected = np.mean(z[:3]) - np.mean(z[3:6])
    np.testing.assert_allclose(sum(np.mean(p.targets * p.inputs) for p in parts), expected, rtol=1e-5)
    np.testing.assert_allclose(np.mean(whole.targets * whole.inputs), np.mean(z[:3]) - np.mean(z[3:]), rtol=1e-5)


def test_without_samples_the_cost_is_the_mean_free_energy_of_the_data():
    params, v = RBM.init(jax.random.key(0)), numbers(5, 4)
    expected = fn.boltzmann.free_energy(RBM, params, v).mean()
    np.testing.assert_allclose(RBM.cost(params, fn.Batch(v)), expected, rtol=1e-6)


def test_the_penalty_counts_data_and_no_samples():
    plain, penalised = RBM, fn.rbm(4, 3, l2=2.0)
    params, batch = RBM.init(jax.random.key(0)), fn.Batch(numbers(5, 4), numbers(7, 4))
    decay = penalised.cost(params, batch) - plain.cost(params, batch)
    np.testing.assert_allclose(decay, 2.0 / (2 * 5) * np.sum(np.square(params.weights)), rtol=1e-3)


def test_sparsity_looks_at_the_data_alone():
    sparse, params, v = fn.rbm(4, 3, sparsity=0.1), RBM.init(jax.random.key(0)), numbers(5, 4)
    costs = [
        sparse.cost(params, fn.Batch(v, samples)) - RBM.cost(params, fn.Batch(v, samples))
        for samples in (None, numbers(5, 4), 0 * numbers(9, 4))
    ]
    np.testing.assert_allclose(costs, 3 * [3 * (0.1 * np.log(0.2) + 0.9 * np.log(1.8))], rtol=0.02)  # ĥ is about ½


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (fn.Batch(-3 * numbers(5, 4)), r"batch\.inputs holds values from -2.*, expected 0 to 1"),
        (fn.Batch(numbers(5, 4), 2 * numbers(5, 4)), r"batch\.targets holds values from .* to 1\.8"),
        (fn.Batch(numbers(0, 4)), "holds no examples"),
        (fn.Batch(numbers(5, 4), numbers(0, 4)), "None leaves them out"),
        (fn.Batch(numbers(5, 4), numbers(5, 3)), "examples of shape"),
        (fn.Batch(np.nan * numbers(5, 4)), "NaN"),
        (fn.Batch(numbers(5, 4), None, np.ones((5, 1), bool)), "reads no sequences"),
    ],
)
def test_batches_that_a_rbm_does_not_take_are_refused(batch, message):
    with pytest.raises(ValueError, match=message):
        RBM.cost(RBM.init(jax.random.key(0)), batch)


@pytest.mark.parametrize("recurrent", [False, True])
def test_targets_that_are_missing_are_said_to_be(recurrent):
    objective = fn.objectives.linear_squared_error
    net = fn.recurrent([4, 3, 2], objective=objective) if recurrent else fn.feedforward([4, 2], objective=objective)
    with pytest.raises(ValueError, match=r"batch\.targets is None, expected an answer"):
        net.cost(net.init(jax.random.key(0)), fn.Batch(numbers(*(6,) * recurrent, 5, 4)))

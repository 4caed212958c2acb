"""Energies, conditionals and statistics against the definitions, summed out by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.boltzmann import energies, sampling
from tests.contract.laws import generic

RBM = fn.rbm(4, 3)
STATES = {n: np.array(list(itertools.product([0.0, 1.0], repeat=n))) for n in (3, 4)}


@pytest.fixture
def params(dtype):
    return generic(1, RBM.init(jax.random.key(0)))


def joint(params):
    """E of every pair (v, h), 16 x 8, by three sums."""
    w, b, c = (np.asarray(leaf, np.float64) for leaf in params)
    v, h = STATES[4], STATES[3]
    return -(v @ b)[:, None] - (h @ c)[None] - v @ w.T @ h.T


def test_energy_is_that_of_the_definition(params, dtype):
    v, h = np.repeat(STATES[4], 8, axis=0), np.tile(STATES[3], (16, 1))
    found = energies.energy(RBM, params, v, h)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, joint(params).ravel(), rtol=1e-5, atol=1e-6)


def test_free_energy_sums_the_hidden_units_out(params, dtype):
    expected = -np.log(np.exp(-joint(params)).sum(axis=1))
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(energies.free_energy(RBM, params, STATES[4]), expected, rtol=tolerance)


def test_conditional_means_are_those_of_the_joint_distribution(params, dtype):
    p = np.exp(-joint(params))
    hidden = (p / p.sum(axis=1, keepdims=True)) @ STATES[3]
    visible = (p / p.sum(axis=0, keepdims=True)).T @ STATES[4]
    np.testing.assert_allclose(energies.hidden_given_visible(RBM, params, STATES[4]), hidden, rtol=1e-5)
    np.testing.assert_allclose(energies.visible_given_hidden(RBM, params, STATES[3]), visible, rtol=1e-5)
    np.testing.assert_allclose(RBM.predict(params, STATES[4]), hidden, rtol=1e-5)


def test_contrastive_gradient_is_the_difference_of_statistics(params, dtype):
    random = np.random.default_rng(2)
    v, samples = random.random((6, 4)), random.random((3, 4))
    explicit = RBM.gradient(params, fn.Batch(v, samples))
    data, model = energies.statistics(RBM, params, v), energies.statistics(RBM, params, samples)
    for gradient, asleep, awake in zip(explicit, model, data, strict=True):
        np.testing.assert_allclose(gradient, asleep - awake, rtol=1e-5, atol=1e-6)


def test_gaussian_units_have_the_energy_of_their_measures(dtype):
    rbm = fn.rbm(4, 3, visible_units="gaussian")
    params = generic(1, rbm.init(jax.random.key(0)))
    v, h = np.random.default_rng(0).normal(size=(8, 4)), STATES[3]
    w, b, c = (np.asarray(leaf, np.float64) for leaf in params)
    # −log N(v; 0, 1) − b·v − c·h − h·Wv
    expected = (v * v / 2).sum(1) + 2 * np.log(2 * np.pi) - v @ b - h @ c - np.einsum("nq,qp,np->n", h, w, v)
    np.testing.assert_allclose(energies.energy(rbm, params, v, h), expected, rtol=1e-5)
    np.testing.assert_allclose(energies.visible_given_hidden(rbm, params, h), h @ w + b, rtol=1e-5)


def test_the_gap_is_that_of_the_mean_free_energies_in_any_number_of_chunks(params, monkeypatch, dtype):
    train, validation = STATES[4], STATES[4][3:9]
    f = np.asarray(energies.free_energy(RBM, params, STATES[4]))
    for chunk in (1000, 5):
        monkeypatch.setattr(energies, "CHUNK", chunk)
        gap = energies.free_energy_gap(RBM, params, train, validation)
        np.testing.assert_allclose(gap, f[3:9].mean() - f.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: energies.free_energy(RBM, p, np.full((2, 4), -0.5)), "from -0.5 to -0.5, expected 0 to 1"),
        (lambda p: energies.free_energy(RBM, p, np.ones((2, 5))), "examples of shape"),
        (lambda p: energies.free_energy(RBM, p, np.full((2, 4), np.nan)), "NaN"),
        (lambda p: energies.energy(RBM, p, np.ones((2, 4)), np.ones((3, 3))), "give pairs"),
        (lambda p: energies.energy(RBM, p, np.ones((2, 4)), 2 * np.ones((2, 3))), "h holds values from 2 to 2"),
        (lambda p: energies.statistics(RBM, p[:2], np.ones((2, 4))), "structure"),
    ],
)
def test_states_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(RBM.init(jax.random.key(0)))


def test_another_network_is_refused():
    net = fn.feedforward([4, 3], objective=fn.objectives.sigmoid_cross_entropy)
    with pytest.raises(TypeError, match=r"make one with fn\.rbm"):
        energies.free_energy(net, net.init(jax.random.key(0)), jnp.ones((2, 4)))


def test_traced_arguments_are_taken_and_concrete_ones_of_another_network_are_refused():
    """The checks read values where they are known, and shapes while JAX traces."""
    rbm, v = fn.rbm(3, 2, deviation=1.0), np.array([[1.0, 0.0, 1.0]], np.float32)
    params, other = rbm.init(jax.random.key(0)), fn.rbm(4, 2).init(jax.random.key(0))
    functions = energies.free_energy, energies.hidden_given_visible, energies.statistics, sampling.gibbs_step
    for function in functions:
        keys = {"key": jax.random.key(1)} if function is sampling.gibbs_step else {}
        traced = jax.jit(lambda params, v, function=function, keys=keys: function(rbm, params, v, **keys))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
            traced(params, v),
            function(rbm, params, v, **keys),
        )
        for call in (traced, lambda params, v, function=function, keys=keys: function(rbm, params, v, **keys)):
            with pytest.raises(ValueError, match=r"params.* has shape .*, expected .*; take the parameters"):
                call(other, v)


def test_samples_of_parameters_that_are_nan_are_refused():
    """A probability of NaN would be drawn as 0."""
    rbm = fn.rbm(3, 2)
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan, np.float32), rbm.init(jax.random.key(0)))
    with pytest.raises(ValueError, match=r"sample: params.weights holds 6 values that are NaN .*; take the last"):
        sampling.sample(rbm, params, key=jax.random.key(1), chains=2, steps=3)

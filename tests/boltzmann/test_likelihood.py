"""Likelihood and pseudo-likelihood against brute force over all pairs, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fnnets as fn
from fnnets.boltzmann import energies, likelihood, partition
from tests.networks import enumeration
from tests.networks.enumeration import rbm

KEY = jax.random.key(0)


def test_log_likelihood_of_every_state_is_its_probability():
    """Against p(v) by brute force; the 2^6 states come 25 at a time, which leaves a rest, and sum to one."""
    with jax.enable_x64(True), pytest.MonkeyPatch.context() as patch:
        patch.setattr(energies, "CHUNK", 25)
        net, params = rbm(6, 4)
        v = enumeration.states(6).astype(np.uint8)
        got = likelihood.log_likelihood(net, params, v, partition.log_partition(net, params))
        np.testing.assert_allclose(got, enumeration.log_likelihood(params, v), rtol=1e-12)
        np.testing.assert_allclose(np.exp(got).sum(), 1, rtol=1e-12)


def test_log_likelihood_with_gaussian_units_is_the_density_of_the_mixture():
    """Σ_h p(h) N(v; b + h W, 1) by scipy's normal density, with p(h) from the integral by hand."""
    with jax.enable_x64(True):
        net, params = rbm(2, 3, "visible")
        v = np.random.default_rng(0).normal(size=(7, 2))
        _, log_masses, means = enumeration.mixture(params)
        density = np.exp(log_masses) @ stats.norm.pdf(v[None], means[:, None]).prod(axis=-1)
        got = likelihood.log_likelihood(net, params, v, partition.log_partition(net, params))
        np.testing.assert_allclose(got, np.log(density), rtol=1e-12)


def test_log_likelihood_with_gaussian_hidden_units_sums_to_one():
    with jax.enable_x64(True):
        net, params = rbm(4, 2, "hidden")
        log_z = partition.log_partition(net, params)
        got = likelihood.log_likelihood(net, params, enumeration.states(4), log_z)
        np.testing.assert_allclose(np.exp(got).sum(), 1, rtol=1e-12)


def conditionals(log_p):
    """log p(v_i | all others) of every state and unit, (2^p, p), from log p of every state."""
    p = int(np.log2(len(log_p)))
    v = enumeration.states(p)
    result = np.empty((2**p, p))
    for i in range(p):
        flipped = v.copy()
        flipped[:, i] = 1 - v[:, i]
        result[:, i] = log_p - np.logaddexp(log_p, log_p[enumeration.numbers(flipped)])
    return result


@pytest.mark.parametrize("gaussian", [None, "hidden"])
def test_pseudo_likelihood_is_the_sum_of_conditionals(gaussian):
    """All states 25 at a time, and half of them; p(v) by brute force, or from Σ t²/2, which integrates h out."""
    with jax.enable_x64(True), pytest.MonkeyPatch.context() as patch:
        patch.setattr(energies, "CHUNK", 25)
        net, params = rbm(6, 4, gaussian)
        v = enumeration.states(6)
        weights, b, c = enumeration.float64(params)
        log_p = v @ b + 0.5 * ((v @ weights.T + c) ** 2).sum(axis=1)
        if gaussian is None:
            log_p = enumeration.log_likelihood(params, v)
        each = conditionals(log_p).sum(axis=1)
        np.testing.assert_allclose(likelihood.pseudo_log_likelihood(net, params, v), each.mean(), rtol=1e-12)
        got = likelihood.pseudo_log_likelihood(net, params, v[:32])
        np.testing.assert_allclose(got, each[:32].mean(), rtol=1e-12)
        likelihood._all_sites.clear_cache()


def test_pseudo_likelihood_of_independent_units_is_the_likelihood():
    net, params = rbm(6, 4)
    params = params._replace(weights=jnp.zeros((4, 6)))
    v = enumeration.drawn(0, np.ones(64) / 64, 10)
    expected = enumeration.log_likelihood(params, v).mean()
    np.testing.assert_allclose(likelihood.pseudo_log_likelihood(net, params, v), expected, rtol=1e-6)


def test_one_site_an_example_is_right_in_the_mean():
    """20 000 copies of one state: p log p(v_i | …) in the mean within five standard errors, error rate 5.7e-7.

    The deviation is that of p log p(v_i | …) over sites, by brute force. A site that is never drawn would be seen.
    """
    net, params = rbm(6, 4)
    state = enumeration.states(6)[37]
    sites = 6 * conditionals(enumeration.log_likelihood(params, enumeration.states(6)))[37]
    got = likelihood.pseudo_log_likelihood(net, params, np.tile(state, (20_000, 1)), key=KEY)
    error = sites.std() / 20_000**0.5
    assert abs(got - sites.mean()) < 5 * error
    assert all(abs(got - np.delete(sites, i).mean()) > 5 * error for i in range(6))
    single = likelihood.pseudo_log_likelihood(net, params, state[None], key=KEY)
    assert np.abs(sites - single).min() < 1e-5, "one example, one site"


def test_saturated_rbms_stay_finite():
    """F differs by hundreds of thousands between neighbours; log σ of that is 0, or the difference itself."""
    net, params = rbm(6, 4, scale=1e5)
    v = enumeration.states(6)
    got = likelihood.pseudo_log_likelihood(net, params, v)
    each = conditionals(enumeration.log_likelihood(params, v)).sum(axis=1)
    np.testing.assert_allclose(got, each.mean(), rtol=1e-5)
    log_z = partition.log_partition(net, params)
    np.testing.assert_allclose(
        likelihood.log_likelihood(net, params, v, log_z), enumeration.log_likelihood(params, v), rtol=1e-5, atol=0.1
    )


def test_precisions(dtype):
    net, params = rbm(6, 4)
    v = enumeration.states(6)
    for given, expected in ((params, dtype), (jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params), "float32")):
        got = likelihood.log_likelihood(net, given, v, partition.log_partition(net, given))
        assert got.dtype == expected
        np.testing.assert_allclose(got, enumeration.log_likelihood(given, v), rtol=1e-5)
        assert likelihood.pseudo_log_likelihood(net, given, v).dtype == expected


def test_memory_does_not_grow_with_the_examples():
    """The compiler's account of temporary memory, for 3 and for 300 chunks of examples."""
    net = fn.rbm(50, 40)
    params = jax.eval_shape(net.init, KEY)

    def temporary(function, examples, *more):
        v = jax.ShapeDtypeStruct((examples, 50), jnp.float32)
        return function.lower(net.family, params, v, *more).compile().memory_analysis().temp_size_in_bytes

    number = jax.ShapeDtypeStruct((), jnp.float32)
    for function, more, most in ((likelihood._log_likelihood, (number,), 90), (likelihood._all_sites, (), 170)):
        few, many = (temporary(function, examples, *more) for examples in (3000, 300_000))
        assert few <= many < few + 2**14
        assert many < 4 * 1000 * most + 2**16


NET, PARAMS = rbm(4, 3)
STATES = jnp.ones((2, 4))
GREY = jnp.array([[0.0, 1.0, 1.0, 0.0], [0.0, 0.25, 1.0, 0.5]])
GAUSSIAN = fn.rbm(4, 3, visible_units="gaussian")
FEEDFORWARD = fn.feedforward([4, 3], objective=fn.objectives.sigmoid_cross_entropy)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"net": FEEDFORWARD}, TypeError, "net is a network of .*fn.rbm"),
        ({"params": PARAMS[:2]}, ValueError, "params has the structure"),
        ({"params": PARAMS._replace(weights=PARAMS.weights * jnp.nan)}, ValueError, "params.weights holds 12 values"),
        ({"v": STATES[0]}, ValueError, r"v has shape \(4,\), expected \(N, 4\)"),
        ({"v": STATES[:, :3]}, ValueError, r"v has examples of shape \(3,\), expected \(4,\)"),
        ({"v": STATES * jnp.nan}, ValueError, "v holds 8 values that are NaN"),
        ({"v": 2 * STATES}, ValueError, "v holds values from 2 to 2, expected 0 to 1"),
        (
            {"v": GREY},
            ValueError,
            r"v holds 2 values between 0 and 1, the first 0.25 at \(1, 1\).*binarise with v > 0.5",
        ),
    ],
)
def test_bad_arguments_of_both_are_refused(options, error, message):
    given = {"net": NET, "params": PARAMS, "v": STATES, **options}
    with pytest.raises(error, match="log_likelihood: " + message):
        likelihood.log_likelihood(**given, log_partition=0.0)
    with pytest.raises(error, match="pseudo_log_likelihood: " + message):
        likelihood.pseudo_log_likelihood(**given)


def test_what_only_one_of_them_takes():
    with pytest.raises(ValueError, match=r"log_partition has shape \(2,\), expected one number; give log Z"):
        likelihood.log_likelihood(NET, PARAMS, STATES, jnp.zeros(2))
    with pytest.raises(ValueError, match="log_likelihood: log_partition holds 1 values that are NaN"):
        likelihood.log_likelihood(NET, PARAMS, STATES, jnp.nan)
    with pytest.raises(TypeError, match="log_likelihood: log_partition"):
        likelihood.log_likelihood(NET, PARAMS, STATES, "large")
    estimate = partition.Estimate(*(jnp.zeros(shape) for shape in ((), (), (5,), ())))
    with pytest.raises(TypeError, match="log_partition is an Estimate, expected a number; give its field"):
        likelihood.log_likelihood(NET, PARAMS, STATES, estimate)
    with pytest.raises(ValueError, match=r"net has gaussian visible units, expected binary ones.*log_likelihood"):
        likelihood.pseudo_log_likelihood(GAUSSIAN, PARAMS, STATES)
    with pytest.raises(ValueError, match="v holds no examples"):
        likelihood.pseudo_log_likelihood(NET, PARAMS, STATES[:0])
    with pytest.raises(TypeError, match="pseudo_log_likelihood: key is 3"):
        likelihood.pseudo_log_likelihood(NET, PARAMS, STATES, key=3)
    assert likelihood.log_likelihood(NET, PARAMS, STATES[:0], 0.0).shape == (0,)

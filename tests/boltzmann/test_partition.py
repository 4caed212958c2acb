"""log Z against brute force over all pairs, annealing against log Z, and what is refused."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.boltzmann import energies, likelihood, partition, tempering
from tests.networks import enumeration
from tests.networks.enumeration import rbm

WALK = {"chains": 20_000, "temperatures": 6}


@pytest.mark.parametrize(("p", "q", "chunk"), [(6, 4, 1024), (4, 6, 3), (9, 4, 1), (1, 5, 2), (5, 1, 7)])
def test_log_z_of_binary_rbms_is_the_sum_over_all_pairs(p, q, chunk):
    """Either side the smaller one, one unit alone, chunks that are no power of two, or of a single state."""
    with jax.enable_x64(True):
        net, params = rbm(p, q)
        np.testing.assert_allclose(
            partition.log_partition(net, params, chunk=chunk), enumeration.log_partition(params), rtol=1e-13
        )


@pytest.mark.parametrize(("p", "q", "kinds"), [(1, 3, "visible"), (2, 3, "visible"), (4, 2, "hidden")])
def test_log_z_with_gaussian_units_is_the_integral(p, q, kinds):
    """Against a grid, and that against the mixture's closed form; with its sides exchanged an RBM has the same Z."""
    with jax.enable_x64(True):
        net, params = rbm(p, q, kinds)
        turned = (params.weights.T, params.hidden_biases, params.visible_biases) if kinds == "hidden" else params
        np.testing.assert_allclose(enumeration.mixture(turned)[0], enumeration.integrated(turned), rtol=1e-12)
        np.testing.assert_allclose(partition.log_partition(net, params), enumeration.integrated(turned), rtol=1e-12)


def test_both_sides_of_a_rbm_agree():
    with jax.enable_x64(True):
        net, params = rbm(7, 5)
        sides = partition._sides(net.family, params)
        assert [name for _, _, name in sides] == ["hidden", "visible"]
        sums = [partition._log_sum(potential, side, 3) for side, potential, _ in sides]
        np.testing.assert_allclose(sums, enumeration.log_partition(params), rtol=1e-13)


def test_the_gradient_of_the_likelihood_is_the_difference_of_statistics():
    """Mean log-likelihood of bars and stripes: ∂/∂w = statistics of the data − of the model, both by brute force."""
    with jax.enable_x64(True):
        net, params = rbm(9, 4)
        v = enumeration.bars_and_stripes(3)
        assert len(v) == 14

        def mean_log_likelihood(params):
            return likelihood.log_likelihood(net, params, v, partition.log_partition(net, params, chunk=4)).mean()

        value, gradient = jax.value_and_grad(mean_log_likelihood)(params)
        np.testing.assert_allclose(value, enumeration.log_likelihood(params, v).mean(), rtol=1e-12)
        p_data = np.bincount(enumeration.numbers(v), minlength=512) / len(v)
        data = enumeration.statistics(params, p_data)
        model = enumeration.statistics(params, enumeration.joint(params).sum(axis=1))
        by_hand = energies.statistics(net, params, v)
        for got, of_data, hand, of_model in zip(gradient, data, by_hand, model, strict=True):
            np.testing.assert_allclose(got, of_data - of_model, atol=1e-13)
            np.testing.assert_allclose(hand, of_data, atol=1e-13)
            assert np.abs(of_data - of_model).max() > 0.05


def test_float32_keeps_its_digits_over_many_states():
    """2^14 states, almost alike, of log Z = 566: added one after the other they are wrong by 0.05 nats."""
    net, params = rbm(14, 14, scale=0.01)
    params = params._replace(visible_biases=params.visible_biases + 40, hidden_biases=jnp.zeros(14))
    weights, b, _ = enumeration.float64(params)
    terms = np.logaddexp(0, b + enumeration.states(14) @ weights).sum(axis=1)
    truth = enumeration.log_sum_exp(terms)
    assert abs(functools.reduce(np.logaddexp, terms.astype(np.float32)) - truth) > 0.03
    for chunk in (1, 1024):
        assert abs(partition.log_partition(net, params, chunk=chunk) - truth) < 0.0003
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    assert partition.log_partition(net, low).dtype == jnp.float32


def test_saturated_rbms_have_a_finite_z():
    """exp overflows from 89 on in float32; here −E is in the thousands."""
    net, params = rbm(6, 4, scale=1000.0)
    np.testing.assert_allclose(partition.log_partition(net, params), enumeration.log_partition(params), rtol=1e-6)
    estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(0), **WALK)
    assert all(np.isfinite(part).all() for part in estimate)


def test_enumeration_holds_a_chunk_and_no_more():
    """2^25 states of a 784-25 RBM: the compiler's account of temporary memory, and one chunk twice as big."""
    net = fn.rbm(784, 25)
    side, potential, _ = partition._sides(net.family, net.init(jax.random.key(0)))[0]
    sizes = [
        partition._log_sum.lower(potential, side, bits).compile().memory_analysis().temp_size_in_bytes
        for bits in (10, 11)
    ]
    for bits, size in zip((10, 11), sizes, strict=True):
        assert size < 4 * (2**bits * (2 * 784 + 25) + 2 ** (25 - bits)) + 2**18
    assert sizes[1] > 1.5 * sizes[0]


@pytest.mark.parametrize(("p", "q"), [(5, 3), (3, 5)])
def test_exact_samples_are_those_of_the_rbm(p, q):
    """χ² over all visible states, error rate 5.7e-7; the enumerated side is hidden, then visible."""
    net, params = rbm(p, q)
    v = partition.exact_samples(net, params, 20_000, key=jax.random.key(1))
    counted = np.bincount(enumeration.numbers(v), minlength=2**p)
    truth = enumeration.joint(params).sum(axis=1)
    assert enumeration.agree(counted, truth)
    assert not enumeration.agree(counted, truth.reshape([2] * p).T.ravel()), "the check must see exchanged bits"


def test_exact_samples_of_gaussian_units_are_those_of_the_mixture():
    """Mean and mean square of each unit within five standard errors: 4 numbers, error rate 4 · 5.7e-7."""
    net, params = rbm(2, 3, "visible")
    v = np.asarray(partition.exact_samples(net, params, 20_000, key=jax.random.key(1)), np.float64)
    _, log_masses, means = enumeration.mixture(params)
    masses = np.exp(log_masses)[:, None]
    for drawn, expected in ((v, (masses * means).sum(0)), (v**2, (masses * (means**2 + 1)).sum(0))):
        error = drawn.std(axis=0) / len(v) ** 0.5
        assert (np.abs(drawn.mean(axis=0) - expected) < 5 * error).all()
        assert (np.abs(drawn.mean(axis=0) - 1.1 * expected) > 5 * error).any(), "off by a tenth"


def z_of_mean_weight(net, params, **options):
    """How many standard errors mean w lies from Z/Z_0, or from Z_0/Z in reverse; both are exact."""
    estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(3), **WALK, **options)
    difference = enumeration.log_partition(params) - np.float64(estimate.log_base)
    log_weights = np.asarray(estimate.log_weights, np.float64)
    weights = np.exp(log_weights + (difference if "reverse" in options else -difference))
    error = weights.std(ddof=1) / len(weights) ** 0.5
    np.testing.assert_allclose(estimate.standard_error, error / weights.mean(), rtol=1e-3)
    return abs(weights.mean() - 1) / error


def test_the_mean_of_the_weights_is_exact_for_few_temperatures(monkeypatch):
    """E[w] = Z/Z_0 of an RBM with strong weights from 20 000 chains over 6 temperatures: z < 5, error rate 5.7e-7.

    The planted fault: Gibbs steps of another temperature, which do not leave p_k as it is.
    """
    net, params = rbm(6, 4, scale=1.5)
    samples = enumeration.drawn(5, enumeration.joint(params).sum(axis=1), 20_000)
    assert z_of_mean_weight(net, params, base=jnp.ones(6)) < 5
    assert z_of_mean_weight(net, params, base=jnp.ones(6), reverse=samples) < 5
    gibbs = tempering.gibbs
    monkeypatch.setattr(tempering, "gibbs", lambda *given: gibbs(*given[:3], 0.7 * given[3], *given[4:]))
    partition._anneal.clear_cache()
    assert z_of_mean_weight(net, params, base=jnp.ones(6)) > 5
    partition._anneal.clear_cache()


def test_forward_and_reverse_hold_log_z_between_them():
    """Mean log w is below log Z/Z_0, mean −log w above it, each by more than five standard errors; estimates agree."""
    net, params = rbm(6, 4, scale=1.5)
    truth = enumeration.log_partition(params)
    samples = enumeration.drawn(2, enumeration.joint(params).sum(axis=1), 20_000)
    for options, sign in (({}, 1), ({"reverse": samples}, -1)):
        estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(4), **WALK, **options)
        bounds = np.asarray(estimate.log_base + sign * estimate.log_weights, np.float64)
        assert sign * (truth - bounds.mean()) > 5 * bounds.std() / len(bounds) ** 0.5
        assert abs(estimate.log_partition - truth) < 5 * estimate.standard_error
        assert 0.001 < estimate.standard_error < 0.1


def test_two_temperatures_are_importance_sampling():
    """w = exp(F_0(v) − F_1(v)) at draws of p_0: its values are 2^p, and its mean and variance sums over them."""
    net, params = rbm(3, 4)
    base = jnp.array([0.5, -0.5, 0.0])
    options = {"chains": 5000, "temperatures": 2, "base": base}
    estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(6), **options)
    v = enumeration.states(3)
    weights, b, c = enumeration.float64(params)
    f_0 = -v @ np.asarray(base, np.float64) - 4 * np.log(2)
    f_1 = -v @ b - np.log1p(np.exp(v @ weights.T + c)).sum(axis=1)
    p_0 = np.exp(-f_0 - enumeration.log_sum_exp(-f_0))
    distance = np.abs(np.asarray(estimate.log_weights)[:, None] - (f_0 - f_1))
    assert distance.min(axis=1).max() < 1e-5
    assert enumeration.agree(np.bincount(distance.argmin(axis=1), minlength=8), p_0)
    w = np.exp(f_0 - f_1)
    deviation = (p_0 @ w**2 - (p_0 @ w) ** 2) ** 0.5
    np.testing.assert_allclose(estimate.standard_error, deviation / (p_0 @ w) / 5000**0.5, rtol=0.05)
    np.testing.assert_allclose(estimate.log_base, enumeration.log_sum_exp(-f_0), rtol=1e-6)


def test_without_weights_there_is_no_variance():
    """W = 0 and b₀ = b: every chain has w = Z/Z_0 = Π (1 + exp c)/2, and log Z is exact."""
    net, params = rbm(6, 4)
    params = params._replace(weights=jnp.zeros((4, 6)))
    for options in ({}, {"reverse": jnp.ones((20_000, 6))}):
        estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(0), **WALK, **options)
        np.testing.assert_allclose(estimate.log_partition, enumeration.log_partition(params), rtol=1e-6)
        assert estimate.standard_error < 1e-6


@pytest.mark.parametrize("gaussian", ["visible", "hidden"])
def test_annealing_of_gaussian_units_finds_their_z(gaussian):
    """Within five standard errors of enumeration, error rate 5.7e-7 an RBM; β as an array; in float64."""
    with jax.enable_x64(True):
        net, params = rbm(4, 3, gaussian, scale=0.5)
        options = {"chains": 1000, "temperatures": jnp.linspace(0, 1, 20)}
        estimate = partition.annealed_importance_sampling(net, params, key=jax.random.key(7), **options)
        assert {str(part.dtype) for part in estimate} == {"float64"}
        assert abs(estimate.log_partition - partition.log_partition(net, params)) < 5 * estimate.standard_error < 0.5


def test_annealing_of_bfloat16_is_computed_in_float32():
    net, params = rbm(6, 4)
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    estimate = partition.annealed_importance_sampling(net, low, key=jax.random.key(7), **WALK)
    assert {str(part.dtype) for part in estimate} == {"float32"}
    assert abs(estimate.log_partition - enumeration.log_partition(low)) < 5 * estimate.standard_error


def test_annealing_makes_two_products_a_temperature_and_keeps_the_chains_alone():
    """t serves the weight and the Gibbs step; 1000 temperatures of the RBM or of the chains would be megabytes."""
    net, chains, (p, q) = fn.rbm(64, 48), 100, (64, 48)
    params = net.init(jax.random.key(0))
    arguments = params.visible_biases, jnp.linspace(0, 1, 1000), jax.random.key(0), None, chains
    program = partition._anneal.lower(net.family, params, *arguments).compile()
    assert program.as_text().count(" dot(") == 2
    assert program.memory_analysis().temp_size_in_bytes < 4 * (5 * chains * (p + q) + p * q) + 1000 * 64


NET, PARAMS = rbm(4, 3)
KEY = jax.random.key(0)


def test_enumeration_past_the_limit_says_its_cost():
    large, wide = fn.rbm(784, 30), fn.rbm(50, 3, hidden_units="gaussian")
    params, wide_params = (
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(net.init, KEY))
        for net in (large, wide)
    )
    message = (
        r"net has 30 hidden units to enumerate, expected at most limit=25; their 2\^30 = 1.1e\+09 states take 8.4e\+11 "
        r"evaluations of Φ, and 5.1e\+13 operations.*use annealed_importance_sampling, or raise limit, to 40 at most"
    )
    with pytest.raises(ValueError, match="log_partition: " + message):
        partition.log_partition(large, params)
    with pytest.raises(ValueError, match="exact_samples: " + message):
        partition.exact_samples(large, params, 3, key=KEY)
    with pytest.raises(ValueError, match=r"net has 3 hidden units.*limit=2"):
        partition.log_partition(NET, PARAMS, limit=2)
    with pytest.raises(ValueError, match=r"net has 50 visible units.*limit=40"):
        partition.log_partition(wide, wide_params, limit=60)


FEEDFORWARD = fn.feedforward([4, 3], objective=fn.objectives.sigmoid_cross_entropy)
GIVEN: dict = {"net": NET, "params": PARAMS}
CALLS = {
    "log_partition": GIVEN,
    "exact_samples": {**GIVEN, "key": KEY, "n": 5},
    "annealed_importance_sampling": {**GIVEN, "key": KEY},
}


ROWS: list = [
    ({"net": FEEDFORWARD}, TypeError, "net is a network of .*fn.rbm"),
    ({"net": fn.rbm(4, 2)}, ValueError, r"params.weights has shape \(3, 4\), expected \(2, 4\)"),
    ({"params": PARAMS[:2]}, ValueError, "params has the structure"),
    ({"params": PARAMS._replace(hidden_biases=jnp.full(3, jnp.nan))}, ValueError, "params.hidden_biases holds 3"),
    ({"key": 3}, TypeError, "key is 3"),
    ({"limit": 2.5}, TypeError, "limit is 2.5"),
    ({"chunk": 0}, ValueError, "chunk is 0"),
    ({"n": 0}, ValueError, "n is 0"),
    ({"chains": 1}, ValueError, "chains is 1, expected at least 2; a standard error needs two"),
    ({"temperatures": 1}, ValueError, "temperatures is 1, expected at least 2"),
    ({"temperatures": 2.5}, TypeError, "temperatures is 2.5"),
    ({"temperatures": jnp.zeros((2, 2))}, ValueError, r"temperatures has shape \(2, 2\)"),
    ({"temperatures": [0.0, 0.5]}, ValueError, r"temperatures begins .* ends with 0.5, .*rising from 0 to 1"),
    ({"temperatures": [0.0, 0.7, 0.3, 1.0]}, ValueError, r"temperatures begins with \[0.0, 0.7, 0.3\]"),
    ({"base": jnp.zeros(3)}, ValueError, r"base has shape \(3,\), expected \(4,\); give a bias for each"),
    ({"base": jnp.full(4, jnp.inf)}, ValueError, "base holds 4 values that are NaN or infinite"),
    ({"reverse": jnp.zeros((5, 3))}, ValueError, r"reverse has examples of shape \(3,\), expected \(4,\)"),
    ({"reverse": jnp.full((5, 4), 0.5)}, ValueError, "reverse holds 20 values between 0 and 1, the first 0.5 at"),
    ({"reverse": jnp.full((5, 4), 2.0)}, ValueError, "reverse holds values from 2 to 2, expected 0 to 1"),
    ({"reverse": jnp.zeros((1, 4))}, ValueError, "number of samples in reverse is 1"),
]
REFUSALS = [
    (name, *row)
    for row in ROWS
    for name in CALLS
    if row[0].keys() <= inspect.signature(getattr(partition, name)).parameters.keys()
]


@pytest.mark.parametrize(("name", "options", "error", "message"), REFUSALS)
def test_bad_arguments_are_refused(name, options, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        getattr(partition, name)(**{**CALLS[name], **options})

"""Markov chains against enumeration: what they leave as it is, the mean of CD-k, and what is refused.

Keys are fixed. An error rate is how often a right program would fail with another key; 5 standard deviations: 5.7e-7.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.boltzmann import energies, sampling, tempering
from fnnets.layers.free_energy import BoltzmannParams
from tests.networks import enumeration
from tests.networks.enumeration import rbm

KEY = jax.random.key(0)
M = 20_000


def counts(*states):
    """How often each combination of binary states (…, m) was seen, as an array of as many axes as arguments."""
    places = [enumeration.numbers(np.reshape(x, (-1, np.shape(x)[-1]))) for x in states]
    table = np.zeros([2 ** np.shape(x)[-1] for x in states])
    np.add.at(table, tuple(places), 1)
    return table


def products(probabilities):
    """Probabilities of all states (2^m,) of independent units, for each row of those of being 1 (N, m)."""
    x = enumeration.states(probabilities.shape[1])
    return np.prod(np.where(x == 1, probabilities[:, None], 1 - probabilities[:, None]), axis=-1)


def test_a_gibbs_step_leaves_the_rbm_as_it_is_exactly():
    """p T = p with T from the package's conditional probabilities of all states of 10 units; and T by brute force.

    The planted fault: hidden units given v by transposed weights.
    """
    with jax.enable_x64(True):
        net, params = rbm(5, 5)
        v = enumeration.states(5)
        p_v = enumeration.joint(params).sum(axis=1)
        v_given_h = products(np.asarray(energies.visible_given_hidden(net, params, v)))
        step = products(np.asarray(energies.hidden_given_visible(net, params, v))) @ v_given_h
        np.testing.assert_allclose(step, enumeration.transition(params), rtol=1e-12)
        np.testing.assert_allclose(p_v @ step, p_v, rtol=1e-12)
        wrong = params._replace(weights=params.weights.T)
        step = products(np.asarray(energies.hidden_given_visible(net, wrong, v))) @ v_given_h
        assert np.abs(p_v @ step - p_v).max() > 0.01


def test_gibbs_steps_from_the_rbm_are_the_rbm(monkeypatch):
    """(h, v') after a step from exact v is distributed as the joint p(v, h): χ² of 256 cells, error rate 5.7e-7.

    The planted faults: hidden units that are drawn with transposed weights, or with weights a fifth too large.
    """
    net, params = rbm(4, 4)
    truth = enumeration.joint(params)
    start = enumeration.drawn(1, truth.sum(axis=1), M)

    def is_right():
        h, v = sampling.gibbs_step(net, params, start, key=KEY)
        return enumeration.agree(counts(v, h), truth)

    assert is_right()
    given = tempering.hidden_inputs
    for fault in (lambda w: w.T, lambda w: 1.2 * w):
        faulty = lambda params, v, fault=fault: given(params._replace(weights=fault(params.weights)), v)  # noqa: E731
        monkeypatch.setattr(tempering, "hidden_inputs", faulty)
        assert not is_right()


def test_gibbs_steps_with_gaussian_units_leave_the_mixture_as_it_is():
    """h as often as its mass, χ² of 8 cells; means and mean squares of v' within 5 standard errors: rate 5 · 5.7e-7."""
    net, params = rbm(2, 3, "visible", scale=0.7)
    _, log_masses, means = enumeration.mixture(params)
    masses = np.exp(log_masses)
    rng = np.random.default_rng(2)
    start = means[rng.choice(8, size=M, p=masses)] + rng.normal(size=(M, 2))
    h, v = sampling.gibbs_step(net, params, start, key=KEY)
    assert enumeration.agree(counts(h), masses)
    v = np.asarray(v, np.float64)
    for drawn, expected in ((v, masses @ means), (v**2, masses @ (means**2 + 1))):
        error = drawn.std(axis=0) / M**0.5
        assert (np.abs(drawn.mean(axis=0) - expected) < 5 * error).all()
        assert (np.abs(drawn.mean(axis=0) - 1.1 * expected) > 5 * error).any(), "off by a tenth"


def test_persistent_chains_of_the_rbm_stay_the_rbm():
    """χ² of 16 cells after 3 steps, error rate 5.7e-7; the samples are where the chains go on from."""
    net, params = rbm(4, 4)
    p_v = enumeration.joint(params).sum(axis=1)
    sampler = sampling.persistent_contrastive_divergence(3, chains=M)(net.family)
    chains = jnp.asarray(enumeration.drawn(1, p_v, M), jnp.float32)
    batch, memory = sampler.draw(params, chains, fn.Batch(chains[:2]), KEY)
    assert enumeration.agree(counts(memory), p_v)
    assert (memory != chains).any()
    np.testing.assert_array_equal(batch.targets, memory)
    begun = sampler.start(params, KEY)
    independent = products(np.asarray(jax.nn.sigmoid(params.visible_biases))[None])[0]
    assert enumeration.agree(counts(begun), independent)
    assert not enumeration.agree(counts(begun), p_v)


def test_tempered_chains_stay_at_their_temperatures(monkeypatch):
    """Chains that begin exactly at p_β stay so through Gibbs steps and exchanges, and neighbours stay independent.

    χ² of the 64 pairs of states of each two neighbours, error rate 3 · 5.7e-7. The planted fault: exchanges accepted
    with the sign of the exponent swapped.
    """
    net, params = rbm(3, 3, scale=2.0)
    base, betas = jnp.array([1.0, -1.0, 0.5]), np.linspace(0, 1, 4)
    p_v = [enumeration.joint(enumeration.tempered(params, base, beta)).sum(axis=1) for beta in betas]
    chains = jnp.asarray([enumeration.drawn(seed, p, M) for seed, p in enumerate(p_v)], jnp.float32)
    sampler = sampling.parallel_tempering(2, chains=M, temperatures=4)(net.family)

    def is_right():
        memory = sampling.Tempered(chains, base)
        batch, memory = jax.jit(lambda key: sampler.draw(params, memory, fn.Batch(chains[0, :2]), key))(KEY)
        np.testing.assert_array_equal(batch.targets, memory.chains[-1])
        np.testing.assert_array_equal(memory.base, base)
        pairs = zip(memory.chains, memory.chains[1:], p_v, p_v[1:], strict=False)
        return all(enumeration.agree(counts(v, w), np.outer(p, q)) for v, w, p, q in pairs)

    assert is_right()
    given = sampling._free_energies
    monkeypatch.setattr(sampling, "_free_energies", lambda *arguments: [-f for f in given(*arguments)])
    assert not is_right()


def test_exchanges_happen_between_all_neighbours():
    """States of 0s and 1s, W = 0 and equal biases: an exchange changes no energy, and the lowest goes to the top."""
    net, params = rbm(3, 3)
    params = jax.tree.map(jnp.zeros_like, params)
    v = jnp.arange(4.0)[:, None, None] * jnp.ones((4, 2, 3)) / 3
    betas = jnp.linspace(0, 1, 4)[:, None, None]
    exchange = jax.jit(lambda v: sampling.exchange(net.family, params, jnp.zeros(3), betas, v, KEY))
    order = exchange(v)[:, 0, 0]
    np.testing.assert_allclose(3 * order, [1, 3, 0, 2], rtol=1e-6)  # (1, 0, 3, 2), then the middle pair


def expected_gradient(params, p_data, k, means):
    """The exact mean of CD-k: statistics after k steps of the enumerated chain, minus those of the data."""
    data = enumeration.statistics(params, p_data)
    p_k = p_data @ np.linalg.matrix_power(enumeration.transition(params), k - means)
    if not means:
        return [a - b for a, b in zip(enumeration.statistics(params, p_k), data, strict=True)]
    both = enumeration.joint(params)
    p_h = p_k @ (both / both.sum(axis=1, keepdims=True))
    weights, b, c = enumeration.float64(params)
    v = 1 / (1 + np.exp(-b - enumeration.states(len(c)) @ weights))
    h = 1 / (1 + np.exp(-c - v @ weights.T))
    model = np.einsum("n,nj,ni->ji", p_h, h, v), p_h @ v, p_h @ h
    return [a - b for a, b in zip(model, data, strict=True)]


@pytest.mark.parametrize(("k", "means"), [(1, False), (3, False), (1, True)])
def test_the_mean_of_contrastive_divergence_is_exact(k, means):
    """`net.gradient` of 4000 draws of CD-k against the enumerated chain: 24 numbers, z < 5, error rate 24 · 5.7e-7.

    The RBM has two modes, all units 0 and all 1, and the data lie in the second: it takes many steps to leave it.
    The planted faults: a step too many, and a step too few.
    """
    net, (weights, b, c) = rbm(4, 4, scale=0.3)
    weights = weights + 1.4
    params = BoltzmannParams(weights, 0.2 * b - weights.sum(axis=0) / 2, 0.2 * c - weights.sum(axis=1) / 2)
    places = [15, 15, 15, 14, 11, 6]
    p_data = np.bincount(places, minlength=16) / 6
    data = jnp.asarray(enumeration.states(4)[places], jnp.float32)
    draw = sampling.contrastive_divergence(k, means=means)(net.family).draw

    @jax.jit
    @jax.vmap
    def gradient(key):
        return net.gradient(params, draw(params, (), fn.Batch(data), key)[0])

    drawn = [np.asarray(leaf, np.float64) for leaf in gradient(jax.random.split(KEY, 4000))]

    def is_right(k):
        expected = expected_gradient(params, p_data, k, means)
        errors = [leaf.std(axis=0) / 4000**0.5 for leaf in drawn]
        z = [(leaf.mean(axis=0) - e) / error for leaf, e, error in zip(drawn, expected, errors, strict=True)]
        return max(np.abs(part).max() for part in z) < 5

    assert is_right(k)
    assert not is_right(k + 1)
    assert means or not is_right(k - 1)


def test_long_chains_are_samples_of_the_rbm():
    """χ² of 16 cells after 30 steps, plain and annealed; means within 5 standard errors: rate 6 · 5.7e-7."""
    net, params = rbm(4, 4, scale=0.7)
    p_v = enumeration.joint(params).sum(axis=1)

    @jax.jit
    def draw(key):
        plain = sampling.sample(net, params, key=key, chains=M, steps=30)
        annealed = sampling.sample(net, params, key=key, chains=M, steps=30, annealed=True)
        return plain, annealed, sampling.sample(net, params, key=key, chains=M, steps=30, means=True)

    plain, annealed, means = draw(KEY)
    for v in (plain, annealed):
        assert enumeration.agree(counts(v), p_v)
        assert not enumeration.agree(counts(v), p_v[::-1])
    assert ((means > 0) & (means < 1)).all()
    z = (means.mean(axis=0) - p_v @ enumeration.states(4)) / (means.std(axis=0) / M**0.5)
    assert (np.abs(z) < 5).all()


def test_the_start_and_the_key_decide():
    """Units tied to one hidden unit by weights of 40 stay in the mode where they began."""
    net, params = rbm(3, 1)
    params = params._replace(
        weights=jnp.full((1, 3), 40.0), visible_biases=jnp.full(3, -20.0), hidden_biases=-60 * jnp.ones(1)
    )
    start = jnp.array([[0.0, 0, 0], [1, 1, 1]])
    v = sampling.sample(net, params, key=KEY, chains=2, steps=20, start=start)
    assert v.tolist() == start.tolist()
    net, params = rbm(6, 4)
    first, again, other = (sampling.gibbs_step(net, params, jnp.ones((9, 6)), key=jax.random.key(k)) for k in (1, 1, 2))
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_samplers_run_in_every_precision(dtype):
    """The states are those of the parameters' precision, and remain 0 or 1; float32 is that of all other tests."""
    with jax.enable_x64(dtype == "float64"):
        net, params = rbm(4, 3)
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        sampler = sampling.parallel_tempering(chains=5, temperatures=3)(net.family)

        @jax.jit
        def run(params, key):
            memory = sampler.start(params, key)
            return memory, sampler.draw(params, memory, fn.Batch(jnp.ones((2, 4), dtype)), key)

        memory, (completed, after) = run(params, KEY)
        assert completed.targets.dtype == after.chains.dtype == dtype
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, memory)
        assert np.isin(np.asarray(after.chains, np.float64), (0, 1)).all()


NET, PARAMS = rbm(4, 3)
FEEDFORWARD = fn.feedforward([4, 3], objective=fn.objectives.sigmoid_cross_entropy)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: sampling.gibbs_step(FEEDFORWARD, PARAMS, jnp.ones((1, 4)), key=KEY),
            TypeError,
            "gibbs_step: net is a network of",
        ),
        (
            lambda: sampling.gibbs_step(NET, PARAMS, jnp.ones((1, 3)), key=KEY),
            ValueError,
            "gibbs_step: v has examples of",
        ),
        (
            lambda: sampling.gibbs_step(NET, PARAMS, 2 * jnp.ones((1, 4)), key=KEY),
            ValueError,
            "v holds values from 2 to 2",
        ),
        (lambda: sampling.gibbs_step(NET, PARAMS, jnp.ones((1, 4)), key=3), TypeError, "gibbs_step: key is 3"),
        (lambda: sampling.sample(FEEDFORWARD, PARAMS, key=KEY), TypeError, "sample: net is a network of"),
        (lambda: sampling.sample(NET, PARAMS, key=3), TypeError, "sample: key is 3"),
        (lambda: sampling.sample(NET, PARAMS, key=KEY, chains=0), ValueError, "sample: chains is 0"),
        (lambda: sampling.sample(NET, PARAMS, key=KEY, steps=0), ValueError, "sample: steps is 0"),
        (
            lambda: sampling.sample(NET, PARAMS, key=KEY, start=jnp.ones((3, 4))),
            ValueError,
            "start holds 3 states, .* 16",
        ),
        (lambda: sampling.contrastive_divergence(0), ValueError, "contrastive_divergence: k is 0, expected at least 1"),
        (lambda: sampling.contrastive_divergence(1.5), TypeError, "contrastive_divergence: k is 1.5"),
        (
            lambda: sampling.persistent_contrastive_divergence(0),
            ValueError,
            "persistent_contrastive_divergence: k is 0",
        ),
        (
            lambda: sampling.persistent_contrastive_divergence(chains=0),
            ValueError,
            "persistent_contrastive_divergence: chains is 0",
        ),
        (lambda: sampling.parallel_tempering(0), ValueError, "parallel_tempering: k is 0"),
        (lambda: sampling.parallel_tempering(chains=0), ValueError, "parallel_tempering: chains is 0"),
        (
            lambda: sampling.parallel_tempering(temperatures=1),
            ValueError,
            "parallel_tempering: temperatures is 1, expected at least 2",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

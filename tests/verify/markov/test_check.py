"""`verify.sampler` passes the package's samplers with every key, and names the row of each planted fault.

Faulty chains are written out here, each as one change of a right one, and none of them is in the package.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.boltzmann import sampling
from fnnets.core.types import Sampler
from fnnets.verify.markov.check import sampler
from fnnets.verify.tracing import compiled
from tests.networks import enumeration

KEY = jax.random.key(0)
NET, PLAIN = enumeration.rbm(4, 3)
# Two modes, all units 0 and all 1: it takes many steps from one to the other, so that numbers of steps differ.
PARAMS = PLAIN._replace(
    weights=0.3 * PLAIN.weights + 1.4,
    visible_biases=0.2 * PLAIN.visible_biases - 2.1,
    hidden_biases=0.2 * PLAIN.hidden_biases - 2.8,
)
ROWS = ["keys", "held fixed", "independence", "stationary", "mean", "gradient"]


def coin(key, p):
    return (jax.random.uniform(key, p.shape) < p).astype(p.dtype)


def hidden(params, v):
    return jax.nn.sigmoid(v @ params.weights.T + params.hidden_biases)


def visible(params, h):
    return jax.nn.sigmoid(h @ params.weights + params.visible_biases)


def step(params, v, key, coin=coin, hidden=hidden):
    h_key, v_key = jax.random.split(key)
    return coin(v_key, visible(params, coin(h_key, hidden(params, v))))


def steps(params, v, key, k=1, step=step):
    for i in range(k):
        v = step(params, v, jax.random.fold_in(key, i))
    return v


def cd(run=steps):
    """An RBM whose chains begin at the data; `run` is `(params, v, key) -> v`."""
    draw = lambda params, memory, batch, key: (batch._replace(targets=run(params, batch.inputs, key)), memory)  # noqa: E731
    return NET._replace(sampler=Sampler(lambda params, key: (), draw))


def pcd(draw, chains=100):
    """An RBM with persistent chains; `draw` is `(params, memory, batch, key) -> (samples, memory)`."""

    def whole(params, memory, batch, key):
        samples, memory = draw(params, memory, batch, key)
        return batch._replace(targets=samples), memory

    return NET._replace(sampler=Sampler(begin(chains), whole))


def begin(chains=100):
    return lambda params, key: coin(key, jnp.broadcast_to(jax.nn.sigmoid(params.visible_biases), (chains, 4)))


def both(v):
    return v, v


def verdicts(report):
    return {row.where: row.verdict for row in report.rows}


RIGHT = {
    "CD-1": (NET, 1),
    "CD-3": (NET._replace(sampler=sampling.contrastive_divergence(3)(NET.family)), 3),
    "PCD-1": (NET._replace(sampler=sampling.persistent_contrastive_divergence(1)(NET.family)), 1),
    "PCD-2, fewer chains than examples": (
        NET._replace(sampler=sampling.persistent_contrastive_divergence(2, chains=5)(NET.family)),
        2,
    ),
    "centred PCD-1": (
        fn.rbm(4, 3, sampler=sampling.persistent_contrastive_divergence(1), centred=0.1, l2=0.1, sparsity=0.2),
        1,
    ),
    "the chains of this file": (cd(), 1),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_samplers_pass_with_every_key(name):
    """Six keys, with and without the number of steps; parameters of order one, of a hundredth, and saturated."""
    net, k = RIGHT[name]
    with compiled.keeping({}):
        for seed in range(6):
            params = jax.tree.map(lambda leaf, seed=seed: leaf * (1.0, 0.01, 30.0)[seed % 3], PLAIN)
            report = sampler(net, params, key=jax.random.key(seed), k=k if seed < 4 else None)
            report.assert_ok()
    assert [row.where for row in report.rows] == ROWS + ["memory"] * ("PCD" in name)
    assert all("family-wise error rate 1e-06; a departure of" in row.note for row in report.rows[2:5])
    assert report.rows[4].statement == ("Tieleman2008" if "PCD" in name else "Hinton2002")


def biased(key, p):
    return coin(key, jnp.minimum(p + 0.05, 1.0))


def shared(key, p):
    """One number for all examples."""
    return (jax.random.uniform(key, p.shape[-1:]) < p).astype(p.dtype)


def unbiased(params, v):
    return hidden(params._replace(hidden_biases=jnp.zeros_like(params.hidden_biases)), v)


def mean_field(params, v, key):
    return coin(key, visible(params, hidden(params, v)))


def half_skipped(params, v, key):
    """Three steps, the last of which draws v given the hidden units of the step before: h of that is not drawn anew."""
    v = steps(params, v, key)
    h = coin(jax.random.fold_in(key, 8), hidden(params, v))
    return coin(jax.random.fold_in(key, 10), visible(params, h))


def one_key(params, v, key):
    """v is drawn with the numbers with which h was drawn."""
    uniform = jax.random.uniform(key, v.shape)
    h = (uniform[:, :3] < hidden(params, v)).astype(v.dtype)
    return (uniform < visible(params, h)).astype(v.dtype)


def straight_through(params, v, key):
    p = visible(params, coin(key, hidden(params, v)))
    return coin(jax.random.fold_in(key, 1), p) + (p - jax.lax.stop_gradient(p))


def with_first_hidden(params, batch, key=None):
    """∂C/∂W with h of the data in the samples' phase."""
    d_params = NET.gradient(params, batch, key=key)
    v, samples = batch.inputs, batch.targets
    excess = (hidden(params, v) - hidden(params, samples)).T @ samples / len(v)
    return d_params._replace(weights=d_params.weights + excess)


FAULTS = {
    "h0 for hk": (NET._replace(gradient=with_first_hidden), 1, "gradient"),
    "a half-step skipped": (cd(half_skipped), 3, "mean"),
    "a step too few": (cd(lambda *a: steps(*a, k=2)), 3, "mean"),
    "a step too many": (NET._replace(sampler=sampling.contrastive_divergence(2)(NET.family)), 1, "mean"),
    "the data themselves": (cd(lambda params, v, key: v + 0 * params.weights.sum()), 1, "keys"),
    "probabilities drive the visible units": (cd(mean_field), 1, "stationary"),
    "a biased coin": (cd(lambda *a: step(*a, coin=biased)), 1, "stationary"),
    "hidden biases ignored": (cd(lambda *a: step(*a, hidden=unbiased)), 1, "stationary"),
    "one key for both halves": (cd(one_key), 1, "stationary"),
    "one number for all examples": (cd(lambda *a: step(*a, coin=shared)), 1, "independence"),
    "the key ignored": (cd(lambda params, v, key: step(params, v, KEY)), 1, "keys"),
    "differentiated through": (cd(straight_through), 1, "held fixed"),
    "persistent, reset to a fresh start": (
        pcd(lambda params, memory, batch, key: both(step(params, begin()(params, jax.random.fold_in(key, 7)), key))),
        1,
        "memory",
    ),
    "persistent, reset to the data": (
        pcd(lambda params, memory, batch, key: both(step(params, batch.inputs, key)), chains=8), 1, "memory",
    ),
    "persistent, the start handed on": (
        pcd(lambda params, memory, batch, key: (step(params, memory, key), memory)), 1, "memory",
    ),
    "persistent, a fresh start handed on": (
        pcd(lambda params, memory, batch, key: (step(params, memory, key), begin()(params, key))), 1, "memory",
    ),
    "persistent, probabilities kept": (
        pcd(lambda params, memory, batch, key: both(visible(params, hidden(params, memory)))), 1, "held fixed",
    ),
    "persistent, a biased coin": (
        pcd(lambda params, memory, batch, key: both(step(params, memory, key, coin=biased))), 1, "stationary",
    ),
    "persistent, one number for all chains": (
        pcd(lambda params, memory, batch, key: both(step(params, memory, key, coin=shared))), 1, "independence",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name):
    """The first wrong row is that of the fault, and what follows from it is not wrong as well."""
    net, k, where = FAULTS[name]
    report = sampler(net, PARAMS, key=jax.random.key(3), k=k)
    assert report.verdict == "wrong"
    assert [row.where for row in report.rows if row.verdict == "wrong"] == [where], str(report)
    assert report.first_wrong.decided


def test_the_number_of_steps_is_found_where_none_is_given_and_reported_where_it_differs():
    net = NET._replace(sampler=sampling.contrastive_divergence(2)(NET.family))
    assert sampler(net, PARAMS, key=KEY).rows[4].note.startswith("k = 2 is the first number of steps that fits; k = 3")
    row = sampler(net, PARAMS, key=KEY, k=1).first_wrong
    assert row.note.startswith("k = 2 is the first number of steps that fits, not 1")
    assert row.decided.endswith("< 1e-06")
    assert row.error_float64 > 7
    assert row.place.split(" after ")[0].rstrip("]0123").endswith(("v[", "h["))


def test_a_fast_chain_is_like_a_longer_one_and_the_report_has_it():
    """Weights of a hundredth: after one step the chain has forgotten its start."""
    report = sampler(NET, jax.tree.map(lambda leaf: leaf / 100, PARAMS), key=KEY, k=5)
    assert report.ok
    assert "k = 6 would fit as well here" in report.rows[4].note


def test_means_in_place_of_samples_are_left_undecided():
    net = NET._replace(sampler=sampling.contrastive_divergence(means=True)(NET.family))
    report = sampler(net, PARAMS, key=KEY)
    assert report.verdict == "inconclusive"
    assert "check the chain without means" in report.rows[0].note


def test_the_report_is_a_function_of_the_key_and_of_the_examples():
    with compiled.keeping({}):
        first, again, other = (sampler(NET, PARAMS, key=jax.random.key(seed), k=1).to_json() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    one = sampler(NET, PARAMS, key=KEY, k=1, examples=np.ones((1, 4)))
    assert "independence" not in verdicts(one), "a draw of one example has no neighbours"
    assert one.ok


def test_a_sampler_that_draws_from_elsewhere_is_caught():
    """NumPy's own generator, behind a callback: another run of one key gives other samples."""
    generator = np.random.default_rng(0)

    def run(params, v, key):
        toss = lambda shape: generator.random(shape, np.float32)  # noqa: E731
        shape = jax.ShapeDtypeStruct(v.shape, np.float32)
        uniform = jax.pure_callback(
            lambda key: toss(v.shape), shape, jax.random.key_data(key), vmap_method="sequential"
        )
        return (jax.lax.stop_gradient(uniform) < 0.5).astype(v.dtype)

    row = sampler(cd(run), PARAMS, key=KEY, k=1, draws=128).first_wrong
    assert (row.where, row.note) == ("keys", "one key gives other samples when it is used again")


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_every_precision(dtype):
    with jax.enable_x64(dtype == "float64"):
        net, params = enumeration.rbm(4, 3)
        report = sampler(net, jax.tree.map(lambda leaf: leaf.astype(dtype), params), key=jax.random.key(0), k=1)
        report.assert_ok()
    assert report.precision == ("float64" if dtype == "float64" else "float32")


def other(**changes):
    return NET._replace(**changes)


TEMPERED = other(sampler=sampling.parallel_tempering(chains=5, temperatures=3)(NET.family))
HIDDEN_KEPT = other(sampler=Sampler(lambda params, key: jnp.zeros((5, 3)), NET.sampler.draw))
UNSET = other(sampler=Sampler(lambda params, key: (), lambda params, memory, batch, key: (batch, memory)))
DENSE = fn.feedforward([4, 3], objective=fn.objectives.sigmoid_cross_entropy)
GAUSSIAN = fn.rbm(4, 3, visible_units="gaussian")
WIDE, DEEP = fn.rbm(11, 3), fn.rbm(3, 11)
NAN = PARAMS._replace(weights=PARAMS.weights.at[0, 0].set(jnp.nan))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sampler(DENSE, PARAMS, key=KEY), TypeError, "sampler: net is a network of chain, expected an RBM"),
        (
            lambda: sampler(GAUSSIAN, PARAMS, key=KEY),
            ValueError,
            "net has gaussian visible units, expected binary ones",
        ),
        (lambda: sampler(WIDE, WIDE.init(KEY), key=KEY), ValueError, "net has 11 visible units, expected at most 10"),
        (lambda: sampler(DEEP, DEEP.init(KEY), key=KEY), ValueError, "net has 11 hidden units, expected at most 10"),
        (lambda: sampler(other(sampler=None), PARAMS, key=KEY), TypeError, "sampler: net.sampler is None"),
        (lambda: sampler(NET, PARAMS[:2], key=KEY), ValueError, "sampler: params has the structure"),
        (lambda: sampler(NET, NAN, key=KEY), ValueError, "sampler: params.weights holds 1 values that are NaN"),
        (lambda: sampler(NET, PARAMS, key=3), TypeError, "sampler: key is 3"),
        (lambda: sampler(NET, PARAMS, key=KEY, draws=0), ValueError, "sampler: draws is 0, expected at least 1"),
        (lambda: sampler(NET, PARAMS, key=KEY, k=0), ValueError, "sampler: k is 0, expected at least 1"),
        (lambda: sampler(NET, PARAMS, key=KEY, k=1.5), TypeError, "sampler: k is 1.5"),
        (
            lambda: sampler(NET, PARAMS, key=KEY, examples=np.ones((2, 3))),
            ValueError,
            "sampler: examples has examples of",
        ),
        (lambda: sampler(NET, PARAMS, key=KEY, examples=np.ones((0, 4))), ValueError, "examples holds no states"),
        (
            lambda: sampler(NET, PARAMS, key=KEY, examples=np.full((2, 4), 0.5)),
            ValueError,
            "examples holds 0.5, expected",
        ),
        (
            lambda: sampler(TEMPERED, PARAMS, key=KEY),
            ValueError,
            r"keeps chains of shape \(3, 5, 4\), .* too many joint",
        ),
        (
            lambda: sampler(HIDDEN_KEPT, PARAMS, key=KEY),
            ValueError,
            r"shape \(5, 3\), expected \(M, 4\), visible states",
        ),
        (lambda: sampler(UNSET, PARAMS, key=KEY), ValueError, "draw gives targets of shape None, expected"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

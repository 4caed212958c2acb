"""Sums of random numbers against exact binomial tails and a published example; RBMs against brute force."""

import numpy as np
import pytest
from scipy import stats

from fnnets.layers.free_energy import BoltzmannParams
from fnnets.verify.markov import enumeration as chains
from fnnets.verify.markov import statistics
from fnnets.verify.markov.statistics import MISSED, RATE, Sums, compared
from tests.networks import enumeration


def tosses(n, p, heads, slack=0.0):
    """`heads` of `n` tosses, one sum for each number of heads."""
    heads = np.atleast_1d(np.asarray(heads, float))
    every = np.ones_like(heads)
    return Sums(heads, n * p * every, n * p * (1 - p) * every, every, n, slack)


@pytest.mark.parametrize(("n", "p"), [(20_000, 0.5), (20_000, 1e-4), (20_000, 0.999), (50, 0.3), (1, 0.01)])
def test_the_bound_never_flatters(n, p):
    """Against the exact two-sided binomial tail, from SciPy, at every number of heads from the mean to 12 deviations.

    The planted fault: a normal tail, which a rare state would fail with correct code.
    """
    deviation = (n * p * (1 - p)) ** 0.5
    t = np.linspace(0.5, 12 * deviation + 5, 200)
    sums = tosses(n, p, n * p + t)
    bound = statistics.bennett(t, sums.variance, sums.span)
    exact = stats.binom.sf(np.ceil(n * p + t) - 1, n, p) + stats.binom.cdf(np.floor(n * p - t), n, p)
    assert (bound >= exact * (1 - 1e-9)).all()
    assert (np.diff(bound) <= 0).all()
    normal = 2 * stats.norm.sf(t / deviation)
    assert p == 0.5 or (normal < exact).any()


def test_the_bound_is_close_where_tails_are_normal():
    """At seven deviations of 20,000 fair tosses: 2 exp(−24.5) but for a hundredth of the exponent."""
    sums = tosses(20_000, 0.5, 10_000 + 7 * 5000**0.5)
    bound = statistics.bennett(sums.observed - sums.expected, sums.variance, sums.span)
    assert np.log(bound / 2) == pytest.approx(-24.5, rel=0.04)


def test_holm_against_an_example_by_hand():
    """m = 4: 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 raised to the one before; all at most 1."""
    np.testing.assert_allclose(statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_holm_errs_at_the_rate_that_it_says():
    """10,000 families of 20 uniform p-values at α = 0.05: rejections within five standard errors, and not at 20 α."""
    rng = np.random.default_rng(0)
    rejected = np.mean([statistics.holm(rng.random(20)).min() < 0.05 for _ in range(10_000)])
    assert abs(rejected - 0.05) < 5 * (0.05 * 0.95 / 10_000) ** 0.5
    assert np.mean(rng.random((10_000, 20)).min(axis=1) < 0.05) > 0.6


@pytest.mark.parametrize(("n", "p"), [(20_000, 0.5), (20_000, 0.1), (2000, 0.02)])
def test_the_stated_departure_is_found(n, p):
    """A coin that is off by `found`, among 100 right ones: rejected with probability 0.99 by exact tails.

    And half of it is not: the statement is no idle one.
    """
    found = compared(tosses(n, p, np.full(100, n * p))).found[0]
    heads = np.arange(n + 1)
    sums = tosses(n, p, heads)
    alone = statistics.bennett(np.abs(heads - n * p), sums.variance, sums.span)
    is_rejected = 100 * alone < RATE
    power = [stats.binom.pmf(heads, n, p + departure) @ is_rejected for departure in (found, found / 2)]
    assert power[0] >= 1 - MISSED
    assert power[1] < 0.5


def test_what_cannot_vary_is_compared_exactly():
    still = Sums(np.array([3.0, 3.0]), np.array([3.0, 4.0]), np.zeros(2), np.zeros(2), 10)
    assert compared(still).adjusted.tolist() == [1.0, 0.0]
    assert compared(still).z.tolist() == [0.0, np.inf]
    assert compared(still).worst == 1
    rounded = still._replace(observed=np.array([3.0, 4.0]) + 1e-13, expected=np.array([3.0, 4.0]))
    assert compared(rounded).p == 1, "the order in which float64 is summed"


def test_rounding_of_coins_is_allowed_for():
    """A state of probability 1e-20, seen once in 20,000 draws: coins of float32 do that, those of float64 do not."""
    once = tosses(20_000, 1e-20, 1)
    assert compared(once).p < RATE
    assert compared(once._replace(slack=1e-5)).p > 0.1
    assert compared(tosses(20_000, 1e-20, 40, slack=1e-5)).p < RATE


def test_covariances_tell_dependence_from_a_wrong_mean():
    """Pairs of coins with their own means, none of them known beforehand; and pairs that share their numbers."""
    uniform = np.random.default_rng(1).random((2500, 8, 3))
    odds, group = np.linspace(0.001, 0.9, 4)[[0, 1, 2, 3, 0, 1, 2, 3], None], np.tile(np.arange(4), 2)
    assert compared(statistics.covariances((uniform < odds).astype(float), group)).p > 0.01
    shared = np.repeat(uniform[:, ::2], 2, axis=1)
    outcome = compared(statistics.covariances((shared < odds).astype(float), group))
    assert outcome.p < RATE
    assert outcome.worst < 3, "neighbours"
    shared = np.tile(uniform[:, :4], (1, 2, 1))
    assert compared(statistics.covariances((shared < odds).astype(float), group)).worst >= 3, "half a draw apart"


def test_a_row_has_all_numbers():
    """Numbers of comparisons, error rate and power stand in the note; the deciding number stands by itself."""
    sums = tosses(20_000, 0.5, [10_000, 10_600])
    row = statistics.row("mean", "Hinton2002", compared(sums), sums, ["a", "b"], "a note")
    assert (row.verdict, row.place, row.explicit, row.automatic) == ("wrong", "b", 0.53, 0.5)
    assert row.error_float64 == pytest.approx(600 / 5000**0.5)
    assert row.note.startswith("a note; Holm p = ")
    assert "of 2, family-wise error rate 1e-06; a departure of 0.0" in row.note
    assert "found with probability 0.99" in row.note
    assert row.decided.endswith("< 1e-06")


def test_enumeration_is_that_of_brute_force_over_pairs():
    """p(v), the transition matrix and the statistics of `tests.networks.enumeration`, and T³ by repeated products."""
    _, params = enumeration.rbm(3, 4, seed=5)
    chain = chains.enumerated(params)
    p = enumeration.joint(params).sum(axis=1)
    transition = enumeration.transition(params)
    np.testing.assert_allclose(chain.p, p, rtol=1e-12)
    np.testing.assert_allclose(chain.step, transition, rtol=1e-12)
    assert chains.numbers(chain.states).tolist() == list(range(8))
    values = chains.statistics(params, chain.states)
    expected = np.concatenate([np.ravel(x) for x in enumeration.statistics(params, p)])
    np.testing.assert_allclose(p @ values, expected, rtol=1e-12)
    cubed = np.linalg.matrix_power(transition, 3)
    moments = chains.after(chain, values, 3)
    np.testing.assert_allclose(moments.mean, cubed @ values, rtol=1e-12)
    np.testing.assert_allclose(moments.variance, cubed @ values**2 - (cubed @ values) ** 2, atol=1e-14)


def test_large_parameters_are_enumerated_without_overflow():
    chain = chains.enumerated(BoltzmannParams(*(500.0 * np.asarray(leaf) for leaf in enumeration.rbm(4, 3)[1])))
    assert np.isfinite(chain.step).all()
    np.testing.assert_allclose(chain.step.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(chain.p @ chain.step, chain.p, atol=1e-12)

"""Many sums of random numbers against their expected values: z-scores, bounds on p-values, Holm, power.

    z         = t / √V,                                t = abs(observed − expected)
    p-value   ≤ 2 exp(−V/b² H(b t / V)),               H(u) = (1 + u) log(1 + u) − u            [Bennett1962]
    Holm      adjusted p of the i-th smallest of m:    max over j ≤ i of (m − j + 1) p_j
    power     a shift of every term by D is found with probability 0.99 where
              n D ≥ r(log 2m/α) + r(log 100),          r(L) = √(2 V L) + b L / 3                Bernstein

| symbol | name in code | shape |
|---|---|---|
| n | `sums.n`, the number of terms | () |
| V | `sums.variance`, of the sum | (m,) |
| b | `sums.span`, how far a term can lie from its mean | (m,) |
| α | `RATE`, the family-wise error rate | () |

The variance is the exact one of an enumerated RBM and no estimate, and the bound holds for every n and every
bounded distribution: a state that is expected to be seen twice in 20,000 draws gives no false alarm, as a normal
approximation would. It costs little: at α = 1e-6 a right program fails less than once in a million keys, and faults
must be a seventh larger to be found than under normal tails.

Coin tosses in floating point are exact to about the spacing of its numbers. `sums.slack` is the probability with which
a term may be another for that reason: it is taken off t and added to V. Sums themselves are exact to n `EXACT`.

Source: [Boucheron2013], theorems 2.9 and 2.10; [Holm1979].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fnnets.verify.report.data import Row

RATE = 1e-6
MISSED = 0.01
EXACT = 1e-11


class Sums(NamedTuple):
    """Sums of n independent terms (m,), their expected values and variances, the span of a term, and the slack."""

    observed: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    span: np.ndarray
    n: int
    slack: float = 0.0


class Outcome(NamedTuple):
    """z-scores (m,), p-values adjusted for their number (m,), and the shifts of a term that would be found (m,)."""

    z: np.ndarray
    adjusted: np.ndarray
    found: np.ndarray

    @property
    def worst(self) -> int:
        """Position of the least probable sum; of the largest z among equals."""
        return int(np.lexsort((-self.z, self.adjusted))[0])

    @property
    def p(self) -> float:
        """The smallest adjusted p-value."""
        return float(self.adjusted.min())


def compared(sums: Sums) -> Outcome:
    """The probability of the sums; where nothing can vary they must equal the expected values.

    >>> fair = Sums(np.array([5100.0]), np.array([5000.0]), np.array([2500.0]), np.array([1.0]), 10_000)
    >>> compared(fair).z.tolist(), bool(compared(fair).p > RATE), compared(fair._replace(observed=5400.0)).p < RATE
    ([2.0], True, True)
    """
    t, variance, allowed = _slackened(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(t > 0, t / np.sqrt(variance), 0.0)
    reach = allowed + bernstein(variance, sums.span, math.log(2 * len(z) / RATE))
    return Outcome(z, holm(bennett(t, variance, sums.span)), _found(reach, variance, sums.span) / sums.n)


def frequencies(states: np.ndarray, p: np.ndarray, ends: np.ndarray) -> Sums:
    """The counts of each state (S, p) among `ends`, positions of any shape, and of units that are on: (S + p,).

    >>> sums = frequencies(np.array([[0.0], [1.0]]), np.array([0.5, 0.5]), np.array([0, 1, 1, 1]))
    >>> sums.observed.tolist(), sums.expected.tolist(), sums.variance.tolist()
    ([1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    """
    often, n = np.bincount(ends.ravel(), minlength=len(p)), ends.size
    p = np.concatenate([p, p @ states])
    return Sums(np.concatenate([often, often @ states]), n * p, n * p * (1 - p), np.ones_like(p), n)


def covariances(v: np.ndarray, group: np.ndarray) -> Sums:
    """Sums over the draws v (R, M, p) of products of two samples' residuals, neighbours and half a draw apart (2 p,).

    Samples m of one `group` (M,) have one distribution, whose mean and variance are those of the group itself: so a
    wrong distribution alone is no dependence.

    >>> v = np.random.default_rng(0).integers(0, 2, (1000, 4, 1)).astype(float)
    >>> bool(compared(covariances(v, np.zeros(4, int))).p > RATE)
    True
    >>> v[:, 1] = v[:, 0]
    >>> bool(compared(covariances(v, np.zeros(4, int))).p < RATE)
    True
    """
    draws, size, p = v.shape
    members = np.bincount(group)[:, None] * draws
    total = np.zeros((len(members), p))
    np.add.at(total, group, v.sum(axis=0))
    mean = total / members
    # residuals from a group's own mean are a little dependent, by the factor of an unbiased variance
    residual, variance = v - mean[group], (mean * (1 - mean) * members / (members - 1))[group]
    even, half = np.arange(0, size - 1, 2), np.arange(size // 2)
    pairs = (even, even + 1), (half, half + size // 2)
    observed = np.concatenate([(residual[:, a] * residual[:, b]).sum(axis=(0, 1)) for a, b in pairs])
    spread = np.concatenate([draws * (variance[a] * variance[b]).sum(axis=0) for a, b in pairs])
    return Sums(observed, np.zeros(2 * p), spread, np.ones(2 * p), draws * len(half))


def bennett(t: np.ndarray, variance: np.ndarray, span: np.ndarray) -> np.ndarray:
    """An upper bound of the probability that a sum lies t or more from its mean, on either side.

    >>> bennett(np.array([0.0, 50.0, 1.0]), np.array([100.0, 100.0, 0.0]), np.ones(3)).round(5).tolist()
    [1.0, 4e-05, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = span * t / variance
        bound = 2 * np.exp(-variance / span**2 * ((1 + u) * np.log1p(u) - u))
    return np.where(t <= 0, 1.0, np.where(variance > 0, np.minimum(bound, 1.0), 0.0))


def bernstein(variance: np.ndarray, span: np.ndarray, nats: float) -> np.ndarray:
    """The distance of a sum from its mean, on one side, that has probability exp(−nats) at most.

    >>> bernstein(np.array([2.0]), np.array([3.0]), 1.0).tolist()
    [3.0]
    """
    return np.sqrt(2 * variance * nats) + span * nats / 3


def holm(p: np.ndarray) -> np.ndarray:
    """p-values (m,) adjusted so that rejecting those below α errs with probability α at most, over all of them.

    >>> holm(np.array([0.03, 0.01, 0.04])).tolist()
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)))
    return adjusted


def row(where: str, source: str, outcome: Outcome, sums: Sums, names: Sequence[str], note: str = "") -> Row:
    """A report's row: the largest z, and the least probable sum as a mean of its terms.

    >>> sums = Sums(np.array([5100.0]), np.array([5000.0]), np.array([2500.0]), np.array([1.0]), 10_000)
    >>> found = row("mean", "", compared(sums), sums, ["v[0]"])
    >>> found.verdict, found.error_float64, found.explicit, found.automatic, found.place
    ('ok', 2.0, 0.51, 0.5, 'v[0]')
    """
    i = outcome.worst
    observed, expected = float(sums.observed[i] / sums.n), float(sums.expected[i] / sums.n)
    return Row(
        source, where, "wrong" if outcome.p < RATE else "ok", error_float64=float(outcome.z.max()),
        absolute=abs(observed - expected), explicit=observed, automatic=expected, place=names[i],
        note="; ".join(filter(None, [note, shown(outcome)])), decided=decided(outcome),
    )  # fmt: skip


def shown(outcome: Outcome) -> str:
    """The sentence of a report beside its verdict.

    >>> sums = Sums(np.array([5100.0]), np.array([5000.0]), np.array([2500.0]), np.array([1.0]), 10_000)
    >>> shown(compared(sums))
    'Holm p = 0.28 of 1, family-wise error rate 1e-06; a departure of 0.044 in any is found with probability 0.99'
    """
    return (
        f"Holm p = {outcome.p:.2g} of {len(outcome.z)}, family-wise error rate {RATE:.0e}; a departure of "
        f"{outcome.found.max():.2g} in any is found with probability {1 - MISSED:g}"
    )


def decided(outcome: Outcome) -> str:
    """The number that the verdict rests on.

    >>> decided(Outcome(np.zeros(1), np.ones(1), np.ones(1)))
    'Holm p 1.0e+00 >= 1e-06'
    """
    return f"Holm p {outcome.p:.1e} {'<' if outcome.p < RATE else '>='} {RATE:.0e}"


def _found(reach: np.ndarray, variance: np.ndarray, span: np.ndarray) -> np.ndarray:
    """x with x = reach + r(V + b x, log 100): terms that are moved vary more. The larger root of a quadratic."""
    nats = math.log(1 / MISSED)
    middle = reach + span * nats / 3 + span * nats
    return middle + np.sqrt(middle**2 - (reach + span * nats / 3) ** 2 + 2 * nats * variance)


def _slackened(sums: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t, V, and the part taken off t."""
    allowed = sums.n * sums.slack * sums.span
    gap = np.abs(sums.observed - sums.expected)
    t = np.where(gap > sums.n * EXACT, np.maximum(gap - allowed, 0), 0)
    return t, sums.variance + allowed * sums.span, allowed

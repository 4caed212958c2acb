"""Small restricted Boltzmann machines by brute force over all pairs (v, h), in NumPy; the package only makes them.

    binary            −E(v, h) = b·v + c·h + Σ_ji h_j W_ji v_i
    Gaussian units    the same, and for each of them −x²/2 − log √2π, summed over a grid of x or integrated by hand

| name | shape |
|---|---|
| `states(m)` | (2^m, m) |
| `joint(params)` | (2^p, 2^q), p(v, h) |
| `transition(params)` | (2^p, 2^p), P(v' given v) of a Gibbs step |
"""

import itertools

import jax.numpy as jnp
import numpy as np
from scipy import stats

import fnnets as fn
from fnnets.layers.free_energy import BoltzmannParams

# Of a normal variable beyond five standard deviations: the rate at which a right program would fail a statistical
# check by chance if its key were not fixed. A check of several numbers divides it among them.
RATE = 5.7e-7


def rbm(p, q, gaussian=None, scale=1.0, seed=0):
    """An RBM and parameters of order one, none of them zero; `gaussian` is the side of such units, if any."""
    rng = np.random.default_rng(seed)
    parts = scale * rng.normal(size=(q, p)), rng.normal(size=p), rng.normal(size=q)
    kinds = {} if gaussian is None else {f"{gaussian}_units": "gaussian"}
    return fn.rbm(p, q, **kinds), BoltzmannParams(*(jnp.asarray(x, float) for x in parts))


def states(m):
    """All 2^m rows of zeros and ones."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=m))).reshape(2**m, m)


def float64(params):
    """W, b, c as NumPy arrays."""
    return [np.asarray(leaf, np.float64) for leaf in params]


def log_sum_exp(x):
    x = np.asarray(x)
    return x.max() + np.log(np.exp(x - x.max()).sum())


def negative_energies(params, v, h):
    """−E of every pair, (len(v), len(h)), without the Gaussian units' own terms."""
    weights, b, c = float64(params)
    result = np.zeros((len(v), len(h)))
    for n, v_n in enumerate(v):
        for m, h_m in enumerate(h):
            result[n, m] = b @ v_n + c @ h_m + (np.outer(h_m, v_n) * weights).sum()
    return result


def all_pairs(params):
    q, p = np.shape(params[0])
    return negative_energies(params, states(p), states(q))


def log_partition(params):
    return log_sum_exp(all_pairs(params))


def joint(params):
    pairs = all_pairs(params)
    return np.exp(pairs - log_sum_exp(pairs))


def log_likelihood(params, v):
    """log p(v) of a binary RBM."""
    h = states(np.shape(params[0])[0])
    return np.array([log_sum_exp(row) for row in negative_energies(params, v, h)]) - log_partition(params)


def transition(params, along=None):
    """P(v' given v) of one Gibbs step; `along` are the joint probabilities from which h given v is taken."""
    both = joint(params)
    first = both if along is None else along
    h_given_v = first / first.sum(axis=1, keepdims=True)
    v_given_h = both / both.sum(axis=0, keepdims=True)
    return h_given_v @ v_given_h.T


def statistics(params, p_v):
    """⟨h vᵀ⟩, ⟨v⟩, ⟨h⟩ for states v with probabilities `p_v` and h from the RBM given v."""
    q, p = np.shape(params[0])
    both = joint(params)
    both = both / both.sum(axis=1, keepdims=True) * np.asarray(p_v)[:, None]
    v, h = states(p), states(q)
    return np.einsum("vh,vi,hj->ji", both, v, h), both.sum(axis=1) @ v, both.sum(axis=0) @ h


def mixture(params):
    """An RBM with Gaussian visible units: log Z, and log weights (2^q,) and means (2^q, p) of its mixture.

    Σ_h exp(c·h) ∫ N(v; 0, 1) exp((b + h W)·v) dv, where the integral is exp(|b + h W|²/2) by completing the square.
    """
    weights, b, c = float64(params)
    h = states(len(c))
    means = b + h @ weights
    masses = h @ c + (means**2).sum(axis=1) / 2
    return log_sum_exp(masses), masses - log_sum_exp(masses), means


def integrated(params):
    """log Z with Gaussian visible units, ∫ dv over a grid: no square is completed. One or two visible units."""
    weights, b, _ = float64(params)
    q, p = weights.shape
    points = np.linspace(-12, 12, 241)
    v = np.array(list(itertools.product(points, repeat=p)))
    log_density = -(v**2).sum(axis=1) / 2 - p * np.log(2 * np.pi) / 2
    pairs = (v @ b)[:, None] + v @ weights.T @ states(q).T + states(q) @ float64(params)[2] + log_density[:, None]
    return log_sum_exp(pairs) + p * np.log(points[1] - points[0])


def tempered(params, base, beta):
    """Parameters of the RBM whose marginal is p_β."""
    weights, b, c = float64(params)
    return beta * weights, (1 - beta) * np.asarray(base, np.float64) + beta * b, beta * c


def bars_and_stripes(size):
    """The 2^(size + 1) − 2 patterns of whole rows or whole columns, (N, size²)."""
    stripes = [np.tile(row, (size, 1)) for row in states(size)]
    return np.unique(np.reshape(stripes + [stripe.T for stripe in stripes], (-1, size * size)), axis=0)


def numbers(x):
    """Binary rows (N, m) as their positions among `states(m)`."""
    return (np.asarray(x, np.int64) @ 2 ** np.arange(np.shape(x)[-1])[::-1]).astype(np.int64)


def drawn(seed, p_v, n):
    """`n` rows of `states` with probabilities `p_v`."""
    rows = np.random.default_rng(seed).choice(len(p_v), size=n, p=p_v / p_v.sum())
    return states(int(np.log2(len(p_v))))[rows]


def agree(counted, probabilities, rate=RATE):
    """Whether counts are those of `probabilities`: a χ² test that a right program fails once in 1/`rate` keys.

    The rarest cells are taken together until five are expected in each.
    """
    counted, probabilities = np.ravel(counted), np.ravel(probabilities)
    expected = counted.sum() * probabilities / probabilities.sum()
    order = np.argsort(expected)
    together = max(int((expected < 5).sum()), int(np.searchsorted(expected[order].cumsum(), 5)) + 1)
    rare, rest = order[:together], order[together:]
    counted, expected = (np.append(x[rest], x[rare].sum()) for x in (counted, expected))
    return ((counted - expected) ** 2 / expected).sum() < stats.chi2.isf(rate, len(expected) - 1)

"""The partition function of a restricted Boltzmann machine: exact by enumeration, or estimated by annealing.

    enumeration   log Z = log Σ_x exp(a·x + Σ_i Φ(t_i)),   t = x A + e        x: all 2^m states of one binary side
    forward       v_0 ~ p_0;   for k = 1 … K:   log w += F_{k−1}(v) − F_k(v),   v ~ Gibbs step at β_k
                  E[w] = Z/Z_0     log Z ≈ log Z_0 + log mean w               too low in the mean
    reverse       the same from v_K ~ p_K down to β_0
                  E[w] = Z_0/Z     log Z ≈ log Z_0 − log mean w               too high in the mean
    error         of log mean w:  s/(w̄ √M),  s² = Σ (w − w̄)²/(M − 1)         the delta method

| symbol | name in code | shape |
|---|---|---|
| x, the enumerated side | `x` | (2^m, m), never all at once |
| A: W or Wᵀ; a, e: c, b or b, c | `Side` | (m, d); (m,), (d,) |
| β_k, from 0 to 1 | `betas` | (K + 1,) |
| b₀ of p_0 | `base` | (p,) |
| log w | `log_weights` | (M,) |
F_k, p_k: `fnnets.boltzmann.tempering` at β_k. E[w] is exact for any number of temperatures; its logarithm errs to one
side (Jensen), so that forward and reverse hold log Z between them, up to noise, where reverse begins with samples of
the RBM. Chains that all miss a mode agree: a gap between both shows it, no standard error. All is float32 at least.
Source: [Salakhutdinov2008]; [Neal2001]; [Burda2015] for the reverse direction.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fnnets.boltzmann import energies, tempering
from fnnets.boltzmann.likelihood import checked, states
from fnnets.core import calls, validate
from fnnets.core.types import Network
from fnnets.layers.free_energy import BoltzmannParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float

LIMIT, MOST = 25, 40
CHUNK = 1024


class Estimate(NamedTuple):
    """An estimate of log Z by annealing.

    Attributes:
        log_partition: the estimate of log Z, in nats.
        standard_error: its standard error by the delta method, in nats; to be trusted where it is well below 1.
        log_weights: (M,) log w of each chain.
        log_base: log Z_0, which is exact.
    """

    log_partition: Float[Array, ""]
    standard_error: Float[Array, ""]
    log_weights: Float[Array, " m"]
    log_base: Float[Array, ""]


class Side(NamedTuple):
    """The side of an RBM that is enumerated: A (m, d) and a (m,), and e (d,) of its partners."""

    weights: Float[Array, "m d"]
    biases: Float[Array, " m"]
    partner_biases: Float[Array, " d"]


@calls.strict("log_partition")
def log_partition(net: Network, params: BoltzmannParams, *, limit: int = LIMIT, chunk: int = CHUNK) -> Float[Array, ""]:
    """log Z in nats, exact: a sum over all states of the smaller side that is binary.

    Peak memory: about 2^k (2 d + m) + 2^(m − k) numbers for m enumerated units and d on the other side, where 2^k is
    `chunk`: 7 MB for 2^25 states of a 784-25 RBM. A derivative takes twice that.

    Args:
        net: an RBM from `fn.rbm`.
        params: its parameters.
        limit: m at most, and no more than 40; time doubles with each unit.
        chunk: how many states are looked at together, rounded down to a power of two.

    Raises:
        TypeError, ValueError: no RBM, parameters of other shapes or NaN, numbers that are no ints ≥ 1, more than
            `limit` units to enumerate.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> round(float(log_partition(rbm, params)), 4)                                                     # 5 log 2
    3.4657
    """
    params = checked(net, params, "log_partition")
    chunk = validate.count(chunk, "log_partition: chunk", "give the number of states to look at together")
    side, potential = _smaller(net, params, limit, "log_partition")
    return _log_sum(potential, side, min(len(side.biases), chunk.bit_length() - 1))


@calls.strict("exact_samples")
def exact_samples(net: Network, params: BoltzmannParams, n: int, *, key: Array, limit: int = LIMIT) -> Array:
    """`n` independent visible states (n, p) of an RBM small enough to be enumerated: no chain, no burn-in.

    The enumerated side is drawn from its marginal, first a chunk of states and then one of that chunk; the visible
    side follows given it. Time: as `log_partition`, and a chunk of at most 2^⌈m/2⌉ states for each draw.

    Args:
        net, params, limit: as for `log_partition`.
        key: PRNG key.
        n: how many are drawn.

    Raises:
        TypeError, ValueError: as for `log_partition`; no key; n is no int ≥ 1.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> exact_samples(rbm, rbm.init(jax.random.key(0)), 5, key=jax.random.key(1)).shape
    (5, 3)
    """
    params = checked(net, params, "exact_samples")
    validate.is_key(key, "exact_samples: key")
    n = validate.count(n, "exact_samples: n", "give the number of samples")
    m = len(_smaller(net, params, limit, "exact_samples")[0].biases)
    return _draw(net.family, params, key, n, min((m + 1) // 2, CHUNK.bit_length() - 1))


@calls.strict("annealed_importance_sampling")
def annealed_importance_sampling(
    net: Network,
    params: BoltzmannParams,
    *,
    key: Array,
    chains: int = 100,
    temperatures: ArrayLike = 1000,
    base: ArrayLike | None = None,
    reverse: ArrayLike | None = None,
) -> Estimate:
    """log Z in nats with its standard error, from chains that are annealed from a base rate to the RBM.

    Peak memory: about 3 M (p + q) + p q numbers beside the parameters, for any number of temperatures.

    Args:
        net: an RBM from `fn.rbm`.
        params: its parameters.
        key: PRNG key.
        chains: M ≥ 2; with `reverse`, M is the number of its samples.
        temperatures: how many β from 0 to 1, both included, equally spaced; or the β themselves, rising.
        base: (p,) b₀; best the log-odds of the data, `net.family.visible.bias(data.mean(axis=0))`. None takes the
            RBM's own visible biases.
        reverse: (M, p) samples of the RBM, from which β is lowered to 0: an estimate from above. Take them from
            `exact_samples`, or from long chains.

    Raises:
        TypeError, ValueError: no RBM, no key; parameters, base or samples of other shapes or NaN; samples that
            are no states; chains that are no int ≥ 2; β that do not rise from 0 to 1.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(6, 4, deviation=1.0)
    >>> params = rbm.init(jax.random.key(0))
    >>> estimate = annealed_importance_sampling(rbm, params, key=jax.random.key(1), temperatures=100)
    >>> bool(abs(estimate.log_partition - log_partition(rbm, params)) < 5 * estimate.standard_error)
    True
    """
    user = "annealed_importance_sampling"
    params, kinds = checked(net, params, user), net.family
    validate.is_key(key, f"{user}: key")
    chains = validate.count(chains, f"{user}: chains", "a standard error needs two", least=2)
    if reverse is not None:
        reverse = states(net, params, reverse, f"{user}: reverse")
        chains = validate.count(len(reverse), f"{user}: number of samples in reverse", "an error needs two", least=2)
    if base is not None:
        base = validate.array(base, f"{user}: base")
        validate.like(base, params.visible_biases, f"{user}: base", "give a bias for each visible unit")
        validate.finite(base, f"{user}: base")
    betas = _betas(temperatures, params.weights.dtype, f"{user}: temperatures")
    base = jnp.asarray(params.visible_biases if base is None else base, params.weights.dtype)
    return _anneal(kinds, params, base, betas, key, reverse, chains)


@partial(jax.jit, static_argnames=("potential", "bits"))
def _log_sum(potential, side: Side, bits: int) -> Float[Array, ""]:
    """log Σ_x over chunks of 2^bits states. Their sums are kept, as a running one loses small chunks to rounding."""
    with jax.default_matmul_precision("highest"):
        log_weights = _chunks(potential, side, bits)
        return jax.nn.logsumexp(_chunk_sums(log_weights, side, bits))


@partial(jax.jit, static_argnames=("kinds", "n", "bits"))
def _draw(kinds, params, key, n: int, bits: int) -> Float[Array, "n p"]:
    """Visible states: x from its marginal, by its chunk and then within it; v is x, or is drawn given it."""
    side, potential, name = _sides(kinds, params)[0]
    with jax.default_matmul_precision("highest"):
        log_weights = _chunks(potential, side, bits)
        sums = _chunk_sums(log_weights, side, bits)

        def draw(key):
            high_key, low_key = jax.random.split(key)
            high = jax.random.categorical(high_key, sums)
            low = jax.random.categorical(low_key, log_weights(high))
            parts = _bits(low, bits), _bits(high, len(side.biases) - bits)
            return jnp.concatenate(parts).astype(sums.dtype)

        states_key, visible_key = jax.random.split(key)
        x = jax.lax.map(draw, jax.random.split(states_key, n))
        return x if name == "visible" else kinds.visible.sample(visible_key, energies.visible_inputs(params, x))


def _chunk_sums(log_weights, side, bits):
    chunks = jnp.arange(2 ** (len(side.biases) - bits))
    # without `checkpoint` a derivative would keep every chunk
    return jax.lax.map(jax.checkpoint(lambda high: jax.nn.logsumexp(log_weights(high))), chunks)


def _chunks(potential, side: Side, bits: int):
    """`high -> (2^bits,)` log weights of the states with those high bits: the product of the low ones is made once."""
    x_low = _bits(jnp.arange(2**bits), bits).astype(side.weights.dtype)
    t = x_low @ side.weights[:bits] + side.partner_biases
    own = x_low @ side.biases[:bits]

    def log_weights(high):
        x = _bits(high, len(side.biases) - bits).astype(t.dtype)
        return own + x @ side.biases[bits:] + jnp.sum(potential(t + x @ side.weights[bits:]), axis=-1)

    return log_weights


def _bits(counter, bits: int):
    """The lowest bits of integers (…,) as (…, bits)."""
    return (counter[..., None] >> jnp.arange(bits)) & 1


def _sides(kinds, params):
    """(Side, Φ of its partners, its name) of each side that can be enumerated, the smaller first."""
    weights, b, c = params
    hidden = Side(weights, c, b), kinds.visible.potential, "hidden"
    visible = Side(weights.T, b, c), kinds.hidden.potential, "visible"
    pairs = (kinds.hidden, hidden), (kinds.visible, visible)
    return sorted((side for kind, side in pairs if kind.name == "binary"), key=lambda side: len(side[0].biases))


def _smaller(net, params, limit, user):
    """The first of `_sides`; what it costs is said before it is begun."""
    limit = min(validate.count(limit, f"{user}: limit", "give the number of units to enumerate at most"), MOST)
    side, potential, name = _sides(net.family, params)[0]
    m, d = side.weights.shape
    if m > limit:
        raise ValueError(
            f"{user}: net has {m} {name} units to enumerate, expected at most limit={limit}; their 2^{m} = {2**m:.2g} "
            f"states take {2**m * d:.2g} evaluations of Φ, and {2 * 2**m * m * d:.2g} operations as plain products: "
            f"use annealed_importance_sampling, or raise limit, to {MOST} at most"
        )
    return side, potential


@partial(jax.jit, static_argnames=("kinds", "chains"))
def _anneal(kinds, params, base, betas, key, samples, chains: int) -> Estimate:
    """The whole walk: upwards from draws of p_0, or downwards from `samples`."""
    start_key, walk_key = jax.random.split(key)
    with jax.default_matmul_precision("highest"):
        if samples is None:
            v, sign = tempering.draw_base(kinds, base, start_key, chains), 1
        else:
            v, sign, betas = samples, -1, betas[::-1]
        log_weights = _walk(kinds, params, base, betas, v, walk_key)
    log_mean = jax.nn.logsumexp(log_weights) - math.log(chains)
    error = jnp.std(jnp.exp(log_weights - log_mean), ddof=1) / chains**0.5
    log_base = tempering.log_base(kinds, params, base)
    return Estimate(log_base + sign * log_mean, error, log_weights, log_base)


def _walk(kinds, params, base, betas, v, key):
    """log w of chains that begin at `v` and follow `betas`."""

    def step(carry, at):
        v, log_weights = carry
        beta, after, key = at
        t = energies.hidden_inputs(params, v)
        f, f_after = (tempering.free_energy_from(kinds, params, base, b, v, t) for b in (beta, after))
        # `gibbs` computes the product t again, which the compiler makes once
        _, v = tempering.gibbs(kinds, params, base, after, v, key)
        return (v, log_weights + f - f_after), None

    keys = jax.random.split(key, len(betas) - 1)
    return jax.lax.scan(step, (v, jnp.zeros(len(v), v.dtype)), (betas[:-1], betas[1:], keys))[0][1]


def _betas(temperatures, dtype, name):
    if np.ndim(temperatures) == 0:
        count = validate.count(temperatures, name, "give how many, β = 0 and β = 1 included, or the β", least=2)
        return jnp.linspace(0, 1, count, dtype=dtype)
    betas = validate.array(temperatures, name)
    remedy = "expected (K + 1,) numbers rising from 0 to 1; make them with jnp.linspace(0, 1, 1000)"
    if betas.ndim != 1 or len(betas) < 2:
        raise ValueError(f"{name} has shape {betas.shape}, {remedy}")
    validate.finite(betas, name)
    if validate.is_concrete(betas):
        values = np.asarray(betas)
        if values[0] != 0 or values[-1] != 1 or (np.diff(values.astype(dtype)) <= 0).any():
            raise ValueError(f"{name} begins with {values[:3].tolist()} and ends with {values[-1]:g}, {remedy}")
    return jnp.asarray(betas, dtype)

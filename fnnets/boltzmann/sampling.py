"""Markov chains of a restricted Boltzmann machine: single steps, long runs, and the samplers that training uses.

    Gibbs step                  h ~ p(h | v),  v' ~ p(v | h)
    contrastive divergence      v(0) = the data,  k steps,  v(k) are the samples                     CD-k
    persistent                  v(0) = where the last step of training ended,  k steps                PCD-k
    tempered                    K chains at 0 = β_1 < … < β_K = 1; each makes k steps, then neighbours r, r + 1 exchange
                                with probability min(1, exp(F_r(v_r) + F_s(v_s) − F_r(v_s) − F_s(v_r))),  s = r + 1;
                                those at β = 1 are the samples

Samples and probabilities are those of [Hinton2010], section 3: hidden units that drive a reconstruction are samples, in
the statistics probabilities; reconstructions are samples, the last one means by `contrastive_divergence(means=True)`.

| symbol | name in code | shape |
|---|---|---|
| v, h | `v`, `h` | (N, p), (N, q) |
| persistent chains | `memory` | (M, p) |
| tempered chains | `memory.chains` | (K, M, p) |
| β | `betas` | (K,) |

Source: [Hinton2002] (CD); [Tieleman2008] (PCD); [Desjardins2010], [Cho2010] (tempering).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from fnnets.boltzmann import energies, tempering
from fnnets.boltzmann.energies import UnitKinds
from fnnets.core import batches, calls, shares, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Network, Sampler
from fnnets.layers.free_energy import BoltzmannParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

Rule = Callable[[UnitKinds], Sampler]


class Tempered(NamedTuple):
    """The memory of parallel tempering: chains (K, M, p) and the base rate b₀ (p,), the initial visible biases."""

    chains: Float[Array, "k m p"]
    base: Float[Array, " p"]


@calls.strict("gibbs_step")
def gibbs_step(net: Network, params: BoltzmannParams, v: ArrayLike, *, key: Array) -> tuple[Array, Array]:
    """h ~ p(h | v), then v' ~ p(v | h): (N, q) and (N, p) samples.

    Args:
        net, params: an RBM from `fn.rbm`, and its parameters.
        v: (N, p) visible states.
        key: PRNG key.

    Raises:
        TypeError, ValueError: no RBM, no key; parameters of another RBM, or NaN; states that the units do not have.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> h, v = gibbs_step(rbm, rbm.init(jax.random.key(0)), jnp.ones((4, 3)), key=jax.random.key(1))
    >>> h.shape, v.shape
    ((4, 2), (4, 3))
    """
    validate.is_key(key, "gibbs_step: key")
    v = energies.visible_states(net, params, v, "gibbs_step: v")
    return _step(net.family, params, v, key)


@calls.strict("sample")
def sample(
    net: Network,
    params: BoltzmannParams,
    *,
    key: Array,
    chains: int = 16,
    steps: int = 1000,
    start: PyTree | None = None,
    annealed: bool = False,
    means: bool = False,
) -> Float[Array, "chains p"]:
    """Fantasies: the visible states at the end of long chains.

    Args:
        net, params: an RBM from `fn.rbm`, and its parameters.
        key: PRNG key.
        chains: how many are drawn, independent of one another.
        steps: Gibbs steps of each.
        start: (chains, p) states to begin with; None begins with independent units of the visible biases.
        annealed: raise β from 0 to 1 over the first half of the steps, so that chains do not stay where they began.
        means: give E[v | h] of the last step instead of samples, as pictures have it.

    Raises:
        TypeError, ValueError: as for `gibbs_step`; no ints ≥ 1, flags that are none, a start that does not fit.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> sample(rbm, rbm.init(jax.random.key(0)), key=jax.random.key(1), chains=5, steps=10).shape
    (5, 3)
    """
    kinds = energies.of_params(net, params, "sample")
    validate.is_key(key, "sample: key")
    chains = validate.count(chains, "sample: chains", "give the number of chains")
    steps = validate.count(steps, "sample: steps", "give the number of Gibbs steps")
    validate.flag(annealed, "sample: annealed", "True raises β from 0 to 1")
    validate.flag(means, "sample: means", "True gives means instead of samples")
    if start is not None:
        start = energies.visible_states(net, params, start, "sample: start")
        if len(start) != chains:
            raise ValueError(f"sample: start holds {len(start)} states, expected chains = {chains}; give one for each")
    begin_key, run_key = jax.random.split(key)
    v = tempering.draw_base(kinds, params.visible_biases, begin_key, chains) if start is None else start
    return _fantasies(kinds, params, v, run_key, steps, bool(annealed), bool(means))


@constructor
def contrastive_divergence(k: int = 1, *, means: bool = False) -> Rule:
    """CD-k: chains that begin at the minibatch itself. Where examples have weights, so have their reconstructions.

    Args:
        k: Gibbs steps, ≥ 1.
        means: leave the last reconstruction at E[v | h] instead of a sample.

    Raises:
        TypeError, ValueError: k is no int ≥ 1, means neither True nor False.

    >>> import fnnets as fn
    >>> fn.rbm(3, 2, sampler=contrastive_divergence(5)).targets
    'samples'
    """
    k = validate.count(k, "contrastive_divergence: k", "give the number of Gibbs steps")
    validate.flag(means, "contrastive_divergence: means", "True leaves the last reconstruction at its means")

    def rule(kinds: UnitKinds) -> Sampler:
        def draw(params, memory, batch, key):
            v = _run(kinds, params, batches.cast(batch.inputs, params), key, k - 1)
            last_key = jax.random.fold_in(key, k)
            h, drawn = _step(kinds, params, v, last_key)
            if means:
                drawn = kinds.visible.mean(energies.visible_inputs(params, h))
            weights = None if batch.weights is None else jnp.concatenate([batch.weights] * 2)
            return batch._replace(targets=drawn, weights=weights), memory

        return Sampler(lambda params, key: (), of_kinds(draw, kinds))

    return rule


@constructor
def persistent_contrastive_divergence(k: int = 1, *, chains: int = 100) -> Rule:
    """PCD-k: chains that go on from one update to the next, and live in the training state.

    They begin as independent units of the initial visible biases. Peak memory: M p numbers, and M (p + q) in a step.

    Args:
        k: Gibbs steps an update, ≥ 1.
        chains: M, mostly the size of a minibatch.

    Raises:
        TypeError, ValueError: k or M is no int ≥ 1.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2, sampler=persistent_contrastive_divergence(chains=7))
    >>> rbm.sampler.start(rbm.init(jax.random.key(0)), jax.random.key(1)).shape
    (7, 3)
    """
    k = validate.count(k, "persistent_contrastive_divergence: k", "give the number of Gibbs steps")
    chains = validate.count(chains, "persistent_contrastive_divergence: chains", "give the number of chains")

    def rule(kinds: UnitKinds) -> Sampler:
        def start(params, key):
            return tempering.draw_base(kinds, params.visible_biases, key, chains)

        def draw(params, memory, batch, key):
            v = _run(kinds, params, memory, key, k)
            return batch._replace(targets=v), v

        return Sampler(start, of_kinds(draw, kinds))

    return rule


@constructor
def parallel_tempering(k: int = 1, *, chains: int = 100, temperatures: int = 10) -> Rule:
    """Parallel tempering: chains at several β that exchange their states, so that those at β = 1 change their mode.

    The β are equally spaced from 0 to 1. Peak memory: K M p numbers, and K M (p + q) in a step.

    Args:
        k: Gibbs steps an update, ≥ 1.
        chains: M, chains at each β.
        temperatures: K ≥ 2.

    Raises:
        TypeError, ValueError: a number that is no int, or too small.

    >>> import jax, fnnets as fn
    >>> rbm = fn.rbm(3, 2, sampler=parallel_tempering(chains=7, temperatures=4))
    >>> rbm.sampler.start(rbm.init(jax.random.key(0)), jax.random.key(1)).chains.shape
    (4, 7, 3)
    """
    k = validate.count(k, "parallel_tempering: k", "give the number of Gibbs steps")
    chains = validate.count(chains, "parallel_tempering: chains", "give the number of chains at each temperature")
    count = validate.count(temperatures, "parallel_tempering: temperatures", "two are β = 0 and β = 1", least=2)

    def rule(kinds: UnitKinds) -> Sampler:
        def start(params, key):
            base = jnp.array(params.visible_biases, copy=True)
            v = tempering.draw_base(kinds, base, key, count * chains)
            return Tempered(v.reshape(count, chains, -1), base)

        def draw(params, memory, batch, key):
            v, base = memory
            key = shares.along(key, 1)
            betas = jnp.linspace(0, 1, count, dtype=v.dtype)[:, None, None]

            def step(i, v):
                return tempering.gibbs(kinds, params, base, betas, v, jax.random.fold_in(key, i))[1]

            v = exchange(kinds, params, base, betas, _repeated(step, v, k), jax.random.fold_in(key, k))
            return batch._replace(targets=v[-1]), Tempered(v, base)

        return Sampler(start, of_kinds(draw, kinds))

    return rule


def of_kinds(draw: Callable, kinds: UnitKinds) -> Callable:
    """`draw` with a note of its units, by which `rbm` refuses it for others."""
    draw.kinds = kinds  # type: ignore[attr-defined]
    return draw


def exchange(kinds: UnitKinds, params: BoltzmannParams, base, betas, v: Float[Array, "k m p"], key):
    """Neighbours in β exchange their states, first the pairs (1, 2), (3, 4), …, then (2, 3), (4, 5), ….

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2, deviation=0.0)
    >>> params, v = rbm.init(jax.random.key(0)), jnp.arange(2.0)[:, None, None] * jnp.ones((2, 1, 3))
    >>> betas = jnp.array([0.0, 1.0])[:, None, None]
    >>> exchange(rbm.family, params, jnp.zeros(3), betas, v, jax.random.key(1))[0, 0].tolist()    # F is equal: always
    [1.0, 1.0, 1.0]
    """
    count = len(v)
    for parity in (0, 1):
        low, high = slice(parity, count - 1, 2), slice(parity + 1, count, 2)
        below, above = v[low], v[high]
        if len(above) == 0:
            continue
        f = _free_energies(kinds, params, base, betas[low], betas[high], below, above)
        gain = f[0] + f[1] - f[2] - f[3]
        uniform = jax.random.uniform(jax.random.fold_in(key, parity), gain.shape, gain.dtype)
        swap = (jnp.log(uniform) < gain)[..., None]
        v = v.at[low].set(jnp.where(swap, above, below)).at[high].set(jnp.where(swap, below, above))
    return v


def _free_energies(kinds, params, base, low, high, below, above):
    """F_r(v_r), F_s(v_s), F_r(v_s), F_s(v_r) with r at `low` and s at `high`."""
    t_below, t_above = energies.hidden_inputs(params, below), energies.hidden_inputs(params, above)
    pairs = ((low, below, t_below), (high, above, t_above), (low, above, t_above), (high, below, t_below))
    return [tempering.free_energy_from(kinds, params, base, beta, v, t) for beta, v, t in pairs]


def _step(kinds, params, v, key) -> tuple[Array, Array]:
    return tempering.gibbs(kinds, params, 0.0, 1.0, v, key)


@functools.partial(jax.jit, static_argnames=("kinds", "steps", "annealed", "means"))
def _fantasies(kinds, params, v, key, steps: int, annealed: bool, means: bool):
    """`sample` from `v` on: all steps but the last in a scan, and the last one as samples or as means."""
    base = params.visible_biases
    rising = jnp.arange(1, steps + 1) / max(1, steps // 2) if annealed else jnp.ones(steps)
    betas, keys = jnp.minimum(1, rising).astype(v.dtype), jax.random.split(key, steps)

    def step(v, beta_and_key):
        h, v = tempering.gibbs(kinds, params, base, beta_and_key[0], v, beta_and_key[1])
        return v, h

    v, _ = jax.lax.scan(lambda v, at: (step(v, at)[0], None), v, (betas[:-1], keys[:-1]))
    v, h = step(v, (betas[-1], keys[-1]))
    return kinds.visible.mean(energies.visible_inputs(params, h)) if means else v


def _run(kinds, params, v, key, steps):
    """The visible states after `steps` Gibbs steps, with keys folded from 0 on."""
    return _repeated(lambda i, v: _step(kinds, params, v, jax.random.fold_in(key, i))[1], v, steps)


def _repeated(step, v, steps: int):
    """v after so many steps `(i, v) -> v`; outside of a loop the compiler sees which products it has already."""
    if steps > 1:
        return jax.lax.fori_loop(0, steps, step, v)
    return step(0, v) if steps else v

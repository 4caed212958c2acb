"""The likelihood of data: log p(v) given log Z, and the pseudo-likelihood without it.

    log-likelihood          log p(v) = −F(v) − log Z
    pseudo-log-likelihood   Σ_i log p(v_i | v without v_i),   p(v_i | …) = 1 / (1 + exp(F(v) − F(v with v_i flipped)))
        F(v) − F(v flipped at i) = s b_i + Σ_j Φ(t_j + s W_ji) − Φ(t_j),   s = 1 − 2 v_i,   t = W v + c
    stochastic              p log p(v_i | v without v_i) at one random i for each example: the same in the mean

| symbol | name in code | shape |
|---|---|---|
| v | `v` | (N, p) |
| t, Φ(t) | `t`, `before` | (q,) of an example |
| log Z | `log_partition` | () |
| i | `sites` | (N,), or all p of them |

A flip moves every t_j by ±W_ji, so a site costs q evaluations of Φ and no product. The pseudo-likelihood needs no Z
and follows training well, but is no likelihood: each unit is conditioned on all others.

Source: [Besag1975]; [Hinton2010], section 17; scikit-learn's `BernoulliRBM.score_samples` for the stochastic form.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fnnets.boltzmann import energies, tempering
from fnnets.core import batches, calls, validate
from fnnets.core.types import Network
from fnnets.layers.free_energy import BoltzmannParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


@calls.strict("log_likelihood")
def log_likelihood(net: Network, params: BoltzmannParams, v: ArrayLike, log_partition: ArrayLike) -> Float[Array, " n"]:
    """log p(v) in nats, of each example; a log-density where the visible units are Gaussian.

    Peak memory: v, and 1000 (p + q) numbers for any N. It is computed in float32 at least.

    Args:
        net: an RBM from `fn.rbm`.
        params: its parameters.
        v: (N, p) visible states, 0 or 1 where the units are binary.
        log_partition: log Z in nats, from `fn.boltzmann`.

    Raises:
        TypeError, ValueError: no RBM; parameters or states of other shapes or NaN; values between 0 and 1 for
            binary units; a log Z that is no finite number.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> log_z = fn.boltzmann.log_partition(rbm, params)
    >>> round(float(log_likelihood(rbm, params, jnp.ones((1, 3)), log_z)[0]), 4)                       # −3 log 2
    -2.0794
    """
    params = checked(net, params, "log_likelihood")
    v = states(net, params, v, "log_likelihood: v")
    if hasattr(log_partition, "log_partition"):
        raise TypeError("log_likelihood: log_partition is an Estimate, expected a number; give its field log_partition")
    log_z = validate.array(log_partition, "log_likelihood: log_partition")
    if log_z.shape != ():
        raise ValueError(f"log_likelihood: log_partition has shape {log_z.shape}, expected one number; give log Z")
    validate.number(log_z, "log_likelihood: log_partition", "give log Z")
    validate.finite(log_z, "log_likelihood: log_partition")
    return _log_likelihood(net.family, params, v, jnp.asarray(log_z, v.dtype))


@calls.strict("pseudo_log_likelihood")
def pseudo_log_likelihood(
    net: Network, params: BoltzmannParams, v: ArrayLike, *, key: Array | None = None
) -> Float[Array, ""]:
    """Mean over examples of Σ_i log p(v_i | all others) in nats: what can be computed for RBMs of any size.

    Peak memory: v, and about 1000 (p + 3 q) + p q numbers for any N. Time: N p q evaluations of Φ, with a key N q.

    Args:
        net: an RBM from `fn.rbm` with binary visible units.
        params: its parameters.
        v: (N, p) states, 0 or 1.
        key: PRNG key for one random site an example, as scikit-learn has it; None sums over all p.

    Raises:
        TypeError, ValueError: no RBM, no key; Gaussian visible units; parameters or states of other shapes or
            NaN; values between 0 and 1; no examples.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = jax.tree.map(jnp.zeros_like, rbm.init(jax.random.key(0)))
    >>> round(float(pseudo_log_likelihood(rbm, params, jnp.ones((4, 3)))), 4)                          # −3 log 2
    -2.0794
    """
    params = checked(net, params, "pseudo_log_likelihood")
    if net.family.visible.name != "binary":
        raise ValueError(
            f"pseudo_log_likelihood: net has {net.family.visible.name} visible units, expected binary ones, which can "
            "be flipped; use log_likelihood, or watch energies.free_energy_gap"
        )
    v = states(net, params, v, "pseudo_log_likelihood: v")
    if len(v) == 0:
        raise ValueError("pseudo_log_likelihood: v holds no examples, expected at least one; the mean needs them")
    if key is None:
        return jnp.mean(_all_sites(net.family, params, v))
    validate.is_key(key, "pseudo_log_likelihood: key")
    return v.shape[1] * jnp.mean(_one_site(net.family, params, v, jax.random.randint(key, (len(v),), 0, v.shape[1])))


def checked(net: Network, params: PyTree, user: str) -> BoltzmannParams:
    """The parameters of an RBM in float32 at least: log Z has more digits than bfloat16."""
    energies.of_params(net, params, user)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32 if leaf.dtype.itemsize < 4 else None), params)


def states(net: Network, params: BoltzmannParams, v: ArrayLike, name: str) -> Array:
    """`v` as (N, p) states of the visible units, which are 0 or 1 where the units are binary."""
    kinds = energies.of_params(net, params, name.split(":")[0])
    v = energies.checked_states(v, net.input_shape, kinds.visible, name)
    if kinds.visible.domain is not None and validate.is_concrete(v):
        values = np.asarray(v)
        between = np.argwhere((values != 0) & (values != 1))
        if len(between):
            where = tuple(between[0].tolist())
            raise ValueError(
                f"{name} holds {len(between)} values between 0 and 1, the first {values[where]:g} at {where}, expected "
                "states, 0 or 1, as only these have a probability; binarise with v > 0.5, or draw states from v"
            )
    return batches.cast(v, params)


@partial(jax.jit, static_argnames="kinds")
def _log_likelihood(kinds, params, v, log_z):
    with jax.default_matmul_precision("highest"):
        return _mapped(lambda v: -tempering.free_energy(kinds, params, 0.0, 1.0, v) - log_z, v)


@partial(jax.jit, static_argnames="kinds")
def _all_sites(kinds, params, v):
    """Σ_i log p(v_i | …) of each example, a site after the other."""

    def example(v):
        t = energies.hidden_inputs(params, v)
        before = kinds.hidden.potential(t)

        def site(total, at):
            return total + _site(kinds, t, before, *at), None

        columns = params.weights.T, params.visible_biases, v
        return jax.lax.scan(site, jnp.zeros((), v.dtype), columns)[0]

    with jax.default_matmul_precision("highest"):
        return _mapped(example, v)


@partial(jax.jit, static_argnames="kinds")
def _one_site(kinds, params, v, sites):
    """log p(v_i | …) of each example at its own site."""

    def example(v_and_site):
        v, i = v_and_site
        t = energies.hidden_inputs(params, v)
        column = params.weights[:, i], params.visible_biases[i], v[i]
        return _site(kinds, t, kinds.hidden.potential(t), *column)

    with jax.default_matmul_precision("highest"):
        return _mapped(example, (v, sites))


def _site(kinds, t, before, weights, bias, v):
    """log p(v_i | …) = −softplus(F(v) − F(flipped)), the difference taken unit by unit; `before` is Φ(t)."""
    sign = 1 - 2 * v
    return -jax.nn.softplus(sign * bias + jnp.sum(kinds.hidden.potential(t + sign * weights) - before))


def _mapped(function, examples):
    """`function` of each example, `energies.CHUNK` of them at a time."""
    return jax.lax.map(function, examples, batch_size=energies.CHUNK)

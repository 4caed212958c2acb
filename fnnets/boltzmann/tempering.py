"""An RBM between no interaction and all of it: what annealing and tempering walk through.

    p_β(v) ∝ ν(v) exp(((1 − β) b₀ + β b)·v) Π_j exp Φ(β t_j),    t = W v + c,    0 ≤ β ≤ 1
    β = 0      independent units with the biases b₀: can be sampled and summed exactly
    β = 1      the RBM itself
    h given v  t_β = β t           v given h  t_β = (1 − β) b₀ + β (h W + b)
    F_β(v) = −((1 − β) b₀ + β b)·v − Σ_j Φ(β t_j) − log ν(v)
    log Z_0 = Σ_i Φ(b₀_i) + q Φ(0)

| symbol | name in code | shape |
|---|---|---|
| β | `beta` | anything that broadcasts to (…, 1) |
| b₀ | `base` | (p,) |
| v, h | `v`, `h` | (…, p), (…, q) |

p_β is the marginal of an RBM with weights β W and biases (1 − β) b₀ + β b and β c, so a Gibbs step leaves it as it
is. A base rate b₀ like the data's makes the way shorter than b₀ = 0.

Source: [Salakhutdinov2008], section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.boltzmann.energies import UnitKinds, hidden_inputs, visible_inputs
from fnnets.core import units
from fnnets.layers.free_energy import BoltzmannParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def gibbs(kinds: UnitKinds, params: BoltzmannParams, base, beta, v, key) -> tuple[Array, Array]:
    """One step at β: h drawn given v, then v' given h; returns (h, v'). β = 1 is the RBM's own step.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = rbm.init(jax.random.key(0))
    >>> h, v = gibbs(rbm.family, params, params.visible_biases, 0.5, jnp.ones((4, 3)), jax.random.key(1))
    >>> h.shape, v.shape
    ((4, 2), (4, 3))
    """
    hidden_key, visible_key = jax.random.split(key)
    h = kinds.hidden.sample(hidden_key, beta * hidden_inputs(params, v))
    t = (1 - beta) * base + beta * visible_inputs(params, h)
    return h, kinds.visible.sample(visible_key, t)


def free_energy(kinds: UnitKinds, params: BoltzmannParams, base, beta, v) -> Float[Array, "*n"]:
    """F_β(v), without the trailing axis of v.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> params = rbm.init(jax.random.key(0))
    >>> free_energy(rbm.family, params, jnp.zeros(3), 0.0, jnp.ones((1, 3))).tolist() == [-2 * float(jnp.log(2))]
    True
    """
    return free_energy_from(kinds, params, base, beta, v, hidden_inputs(params, v))


def free_energy_from(kinds: UnitKinds, params: BoltzmannParams, base, beta, v, t) -> Float[Array, "*n"]:
    """F_β(v) where t = W v + c is at hand: one product serves several β."""
    biases = (1 - beta) * base + beta * params.visible_biases
    potential = jnp.sum(kinds.hidden.potential(beta * t), axis=-1)
    return -(jnp.sum(v * biases, axis=-1) + units.log_measure(kinds.visible, v) + potential)


def log_base(kinds: UnitKinds, params: BoltzmannParams, base) -> Float[Array, ""]:
    """log Z_0, in nats.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> rbm = fn.rbm(3, 2)
    >>> round(float(log_base(rbm.family, rbm.init(jax.random.key(0)), jnp.zeros(3))), 4)                # 5 log 2
    3.4657
    """
    return jnp.sum(kinds.visible.potential(base)) + jnp.sum(
        kinds.hidden.potential(jnp.zeros_like(params.hidden_biases))
    )


def draw_base(kinds: UnitKinds, base, key, n: int) -> Float[Array, "n p"]:
    """`n` exact draws at β = 0.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> draw_base(fn.rbm(3, 2).family, jnp.full(3, 99.0), jax.random.key(0), 1).tolist()
    [[1.0, 1.0, 1.0]]
    """
    return kinds.visible.sample(key, jnp.broadcast_to(base, (n, *base.shape)))

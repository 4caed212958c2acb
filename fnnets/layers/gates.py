"""The weights of one gate, alike in every gated layer.

    z_k = x W_kᵀ + s R_kᵀ + b_k        s: the state of the step before, as far as the gate sees it

| symbol | name in code | shape |
|---|---|---|
| W | `weights` | (h, m) |
| R | `recurrent_weights` | (h, s) |
| b | `biases` | (h,) |
| p | `peephole_weights`, None where the gate does not see its cell | (h,) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.initializers import Initializer

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class GateParams(NamedTuple):
    """W (h, m), R (h, s), b (h,), and p (h,) or None."""

    weights: Float[Array, "h m"]
    recurrent_weights: Float[Array, "h s"]
    biases: Float[Array, " h"]
    peephole_weights: Float[Array, " h"] | None = None


def init_gate(initializer: Initializer, key, m: int, size: int, sources: int, has_peephole: bool = False) -> GateParams:
    """A gate of `size` units that see m inputs and `sources` numbers of the state before; peepholes begin as zeros.

    >>> import fnnets as fn
    >>> init_gate(fn.initializers.glorot, jax.random.key(0), 3, 5, 5).recurrent_weights.shape
    (5, 5)
    """
    keys, dtype = jax.random.split(key, 3), jnp.result_type(float)
    draw = initializer.weights(-1, -2)
    weights, recurrent_weights = draw(keys[0], (size, m), dtype), draw(keys[1], (size, sources), dtype)
    peephole_weights = jnp.zeros(size, dtype) if has_peephole else None
    return GateParams(weights, recurrent_weights, initializer.biases(keys[2], (size,), dtype), peephole_weights)


def expected(*gates: str, seen: str = "h") -> str:
    """The shapes in letters of x and of the gates' parameters; `seen` is the letter of what they see of the state.

    >>> expected("candidate")
    'x (T, N, m), candidate.weights (h, m), candidate.recurrent_weights (h, h), candidate.biases (h)'
    """
    each = "{0}.weights (h, m), {0}.recurrent_weights (h, {1}), {0}.biases (h)"
    return ", ".join(["x (T, N, m)", *(each.format(gate, seen) for gate in gates)])


def weighted_input(gate: GateParams, x: Float[Array, "*n m"], s: Float[Array, "*n s"]) -> Float[Array, "*n h"]:
    """z = x Wᵀ + s Rᵀ + b."""
    return x @ gate.weights.T + s @ gate.recurrent_weights.T + gate.biases


def gate_gradient(delta: Float[Array, "t n h"], x: Float[Array, "t n m"], s: Float[Array, "t n s"]) -> GateParams:
    """dW = Σ_t δ[t]ᵀ x[t],  dR = Σ_t δ[t]ᵀ s[t],  db = Σ_t δ[t]."""
    d_weights = jnp.einsum("tnh,tnm->hm", delta, x)
    d_recurrent_weights = jnp.einsum("tnh,tns->hs", delta, s)
    return GateParams(d_weights, d_recurrent_weights, jnp.sum(delta, axis=(0, 1)))


def gate_statements(gate: str, has_peephole: bool = False):
    """The labels of the gradients of a gate's weights in reports: the equation of the layer's docstring.

    >>> gate_statements("i").biases
    'db_i'
    """
    seen = f"dp_{gate}" if has_peephole else None
    return GateParams(f"dW_{gate}", f"dR_{gate}", f"db_{gate}", seen)  # type: ignore[arg-type]

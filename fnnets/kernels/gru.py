"""The gated recurrent unit, fast: the kernel of `fnnets.layers.gru`.

    x (W_r, W_u, W_n)ᵀ + b      of all steps and gates is one contraction before the scan: it does not depend on h[t−1]
    h[t−1] (R_r, R_u, R_n)ᵀ     is one product in a step, with the transposed matrix laid out once for all steps
    δ = (δ_r, δ_u, δ_n)         one array, and (δ_r, δ_u, δ_n ⊙ r) another: dW, dR, db, dx are one product or sum each
    1 − n² = (1 − n)(1 + n)     loses no digits where n is close to ±1
    d_h ⊙ u + Σ δ R             is computed in step t + 1, as the gradient that h[t] gets through time

The equations are those of the page; sums are taken in another order, so that both are equal to rounding.

Measured by `python -m experiments.benchmarks implementations`, an epoch inside `fit`:
the page takes 1.12 times as long; the scan with checkpoints runs it, which keeps less memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import taps
from fnnets.kernels.scan import Cell, contract

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class Packed(NamedTuple):
    """The gates as one matrix: W (3h, m), R (3h, h), b (3h,), b'_n (h,), and Rᵀ laid out once for all steps."""

    weights: Float[Array, "g m"]
    recurrent_weights: Float[Array, "g h"]
    biases: Float[Array, " g"]
    recurrent_biases: Float[Array, " h"]
    ahead: PyTree = None


def cell(units: int) -> Cell:
    """The kernel of a layer of `units` units."""
    return Cell(
        pack, lambda packed, x: x @ packed.weights.T + packed.biases, step, back, weigh,
        lambda packed, delta: delta[0] @ packed.weights, unpack, width=6 * units, parts={"h": "d_h"},
    )  # fmt: skip


def pack(params) -> Packed:
    """The gates as one matrix."""
    stacked = [jnp.concatenate([part[field] for part in params[:3]]) for field in range(3)]
    return Packed(stacked[0], stacked[1], stacked[2], params.recurrent_biases, stacked[1].T)


def step(packed: Packed, state, projected):
    """h[t], and what is saved: r, u, n, q."""
    (h,) = state
    x_r, x_u, x_n = jnp.split(projected, 3, axis=-1)
    h_r, h_u, h_n = jnp.split(h @ packed.ahead, 3, axis=-1)
    q = h_n + packed.recurrent_biases
    r, u = jax.nn.sigmoid(taps.tap("z_r", x_r + h_r)), jax.nn.sigmoid(taps.tap("z_u", x_u + h_u))
    n = jnp.tanh(taps.tap("z_n", x_n + r * q))
    return ((1 - u) * n + u * h,), (r, u, n, q)


def back(packed: Packed, saved, previous, state, d_state):
    """What h[t−1] gets, and δ, with and without the reset gate's factor."""
    (r, u, n, q), (h,), (d_h,) = saved, previous, d_state
    delta_n = taps.delta("z_n", d_h * ((1 - u) * ((1 - n) * (1 + n))), "δ_n")
    delta_u = taps.delta("z_u", d_h * ((h - n) * (u * (1 - u))), "δ_u")
    delta_r = taps.delta("z_r", delta_n * (q * (r * (1 - r))), "δ_r")
    delta = jnp.concatenate([delta_r, delta_u, delta_n], axis=-1)
    delta_recurrent = jnp.concatenate([delta_r, delta_u, delta_n * r], axis=-1)
    return (d_h * u + delta_recurrent @ packed.recurrent_weights,), (delta, delta_recurrent)


def weigh(x, previous, states, delta):
    """dW, dR, db and db'_n."""
    delta, delta_recurrent = delta
    d_weights, d_recurrent_weights = contract(delta, x), contract(delta_recurrent, previous[0])
    of_candidate = delta_recurrent[..., 2 * previous[0].shape[-1] :]
    d_biases, d_recurrent_biases = (jnp.sum(each, axis=(0, 1)) for each in (delta, of_candidate))
    return Packed(d_weights, d_recurrent_weights, d_biases, d_recurrent_biases)


def unpack(params, d_packed: Packed):
    """The gradient, gate by gate."""
    split = zip(*(jnp.split(part, 3) for part in d_packed[:3]), strict=True)
    gates = [type(params.candidate)(*each) for each in split]
    return type(params)(*gates, d_packed.recurrent_biases)

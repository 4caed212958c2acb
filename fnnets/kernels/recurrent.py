"""The simple recurrent layer, fast: the kernel of `fnnets.layers.recurrent`.

    x Wᵀ + b       of all steps is one contraction before the scan: it does not depend on a[t−1]
    ωᵀ             is laid out once for all steps, not in each
    σ'(z)          comes from a = σ(z) where that is enough, so that z is not kept
    δ[t+1] ω       is computed in step t + 1, as the gradient that a[t] gets through time

The equations are those of the page; sums are taken in another order, so that both are equal to rounding.

Measured by `python -m experiments.benchmarks implementations`, an epoch inside `fit`:
the page takes 1.33 times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from fnnets.core import taps
from fnnets.kernels.scan import Cell, contract_both

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from fnnets.activations import Activation


class Packed(NamedTuple):
    """W (h, m), ω (h, h), b (h,), and ωᵀ laid out once for all steps."""

    weights: Float[Array, "h m"]
    recurrent_weights: Float[Array, "h h"]
    biases: Float[Array, " h"]
    ahead: Float[Array, "h h"]


def cell(units: int, activation: Activation) -> Cell:
    """The kernel of a layer of `units` units."""

    def pack(params):
        return Packed(params.weights, params.recurrent_weights, params.biases, params.recurrent_weights.T)

    def project(packed: Packed, x):
        return x @ packed.weights.T + packed.biases

    def step(packed: Packed, state, projected):
        z = taps.tap("z", projected + state[0] @ packed.ahead)
        return (activation.value(z),), None if activation.slope else z

    def back(packed: Packed, z, previous, state, d_state):
        slope = activation.slope(state[0]) if activation.slope else activation.derivative(z)
        delta = taps.delta("z", d_state[0] * slope, "8")
        return (delta @ packed.recurrent_weights,), delta

    def weigh(x, previous, states, delta):
        d_weights, d_recurrent_weights = contract_both(delta, x, previous[0])
        return d_weights, d_recurrent_weights, jnp.sum(delta, axis=(0, 1))

    def d_input(packed: Packed, delta):
        return delta @ packed.weights

    def unpack(params, d_packed):
        return params._replace(**dict(zip(params._fields, d_packed, strict=False)), initial_state=None)

    return Cell(pack, project, step, back, weigh, d_input, unpack, width=units, parts={"a": "8"})

"""LSTM with peepholes: each gate also sees its own cell.

    forward:   z_i = x[t] W_iᵀ + h[t−1] R_iᵀ + b_i + p_i ⊙ c[t−1],  i = σ(z_i)
               z_f = x[t] W_fᵀ + h[t−1] R_fᵀ + b_f + p_f ⊙ c[t−1],  f = σ(z_f)
               z_g = x[t] W_gᵀ + h[t−1] R_gᵀ + b_g,  g = tanh(z_g)
               c[t] = f ⊙ c[t−1] + i ⊙ g
               z_o = x[t] W_oᵀ + h[t−1] R_oᵀ + b_o + p_o ⊙ c[t],  o = σ(z_o)
               h[t] = o ⊙ tanh(c[t])
    backward:  d_h ← d_h[t] + Σ_k δ_k[t+1] R_k                                         from above, and through time
               δ_o = d_h ⊙ tanh(c[t]) ⊙ o(1−o)
               d_c = d_h ⊙ o ⊙ (1 − tanh²(c[t])) + δ_o ⊙ p_o + (d_c ⊙ f + δ_i ⊙ p_i + δ_f ⊙ p_f)[t+1]
               δ_i = d_c ⊙ g ⊙ i(1−i)
               δ_f = d_c ⊙ c[t−1] ⊙ f(1−f)
               δ_g = d_c ⊙ i ⊙ (1−g²)
               dW_k = Σ_t δ_k[t]ᵀ x[t],  dR_k = Σ_t δ_k[t]ᵀ h[t−1],  db_k = Σ_t δ_k[t]
               dp_i = Σ_t δ_i ⊙ c[t−1],  dp_f = Σ_t δ_f ⊙ c[t−1],  dp_o = Σ_t δ_o ⊙ c[t]
               dx[t] = Σ_k δ_k[t] W_k
               dh[0] = Σ_k δ_k[1] R_k,  dc[0] = (d_c ⊙ f + δ_i ⊙ p_i + δ_f ⊙ p_f)[1]   where they are learnt

*Derivation.* That of `fnnets.layers.lstm`; c[t] reaches C along three ways more, through the output gate of its step
and the other two gates of the next.

| symbol | name in code | shape |
|---|---|---|
| p_k | `params.input_gate.peephole_weights`, … | (h,) |
| d_c ⊙ f + δ_i ⊙ p_i + δ_f ⊙ p_f | `delta.forgotten`, what c[t−1] gets through step t | (N, h) |

All other symbols are those of `fnnets.layers.lstm`. The kernel, `fnnets.kernels.lstm`, computes the same.

Source: [Gers2002]; [Graves2012], chapter 4, for the gradient.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from fnnets import activations, initializers
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import lstm as kernel
from fnnets.layers import recurrence
from fnnets.layers.cell import Cell
from fnnets.layers.gates import expected, gate_gradient, gate_statements, init_gate, weighted_input
from fnnets.layers.lstm import LstmDelta, LstmParams, LstmTrace, to_h, to_x


def step(params: LstmParams, state, x):
    """(h[t], c[t]), and the trace."""
    (h_before, c_before), (p_i, p_f, p_o) = state, peepholes(params)
    i = sigmoid(taps.tap("z_i", weighted_input(params.input_gate, x, h_before) + p_i * c_before))
    f = sigmoid(taps.tap("z_f", weighted_input(params.forget_gate, x, h_before) + p_f * c_before))
    g = jnp.tanh(taps.tap("z_g", weighted_input(params.candidate, x, h_before)))
    c = taps.tap("c", f * c_before + i * g)
    o = sigmoid(taps.tap("z_o", weighted_input(params.output_gate, x, h_before) + p_o * c))
    return (taps.tap("h", o * jnp.tanh(c)), c), LstmTrace(x, h_before, c_before, i, f, g, o, c)


def back(params: LstmParams, trace: LstmTrace, d_h, after: LstmDelta):
    """δ[t]."""
    (_, _, c_before, i, f, g, o, c), (p_i, p_f, p_o) = trace, peepholes(params)
    d_h = taps.delta("h", d_h + to_h(params, after), "d_h")
    delta_o = taps.delta("z_o", d_h * jnp.tanh(c) * o * (1 - o), "δ_o")
    d_c = taps.delta("c", d_h * o * (1 - jnp.tanh(c) ** 2) + delta_o * p_o + after.forgotten, "d_c")
    delta_i = taps.delta("z_i", d_c * g * i * (1 - i), "δ_i")
    delta_f = taps.delta("z_f", d_c * c_before * f * (1 - f), "δ_f")
    delta_g = taps.delta("z_g", d_c * i * (1 - g**2), "δ_g")
    return LstmDelta(delta_i, delta_f, delta_g, delta_o, d_c * f + delta_i * p_i + delta_f * p_f)


def gradient(params: LstmParams, trace: LstmTrace, delta: LstmDelta, first: LstmDelta):
    """dW_k, dR_k, db_k and dp_k; dx; dh[0] and dc[0]."""
    gates = [gate_gradient(delta_k, trace.x, trace.h_before) for delta_k in delta[:4]]
    seen = trace.c_before, trace.c_before, None, trace.c
    d_p = [None if c is None else jnp.sum(delta_k * c, axis=(0, 1)) for delta_k, c in zip(delta[:4], seen, strict=True)]
    d_params = LstmParams(*(gate._replace(peephole_weights=d) for gate, d in zip(gates, d_p, strict=True)))
    return d_params, to_x(params, delta), (to_h(params, first), first.forgotten)


def peepholes(params: LstmParams):
    """p_i, p_f and p_o."""
    return [gate.peephole_weights for gate in (params.input_gate, params.forget_gate, params.output_gate)]


@constructor
def lstm_peepholes(
    units: int,
    *,
    forget_bias: float = 1.0,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.glorot,
    implementation: str = "fast",
) -> Layer:
    """A layer of `units` memory cells, whose gates see them by diagonal weights, which begin as zeros.

    Args:
        units: h, the number of cells.
        forget_bias, learn_initial_state, initializer: as `lstm`.
        truncate, checkpoint_every, return_sequences, implementation: as `recurrent`.

    Raises:
        TypeError, ValueError: as `lstm`.

    >>> import jax, fnnets as fn
    >>> params, shape = fn.layers.lstm_peepholes(5).init(jax.random.key(0), (3,))
    >>> params.output_gate.peephole_weights.shape, params.candidate.peephole_weights
    ((5,), None)
    """
    units = validate.count(units, "lstm_peepholes: units", "give the number of cells")
    validate.at_least(forget_bias, -100.0, "lstm_peepholes: forget_bias", "1 is common")
    chosen = recurrence.options(
        "lstm_peepholes", learn_initial_state, truncate, checkpoint_every, return_sequences, initializer, implementation
    )

    def init(key, m):
        keys = zip(jax.random.split(key, 4), "ifgo", strict=True)
        gates = [init_gate(initializer, each, m, units, units, has_peephole=gate != "g") for each, gate in keys]
        opened = gates[1].biases + jnp.asarray(forget_bias, gates[1].biases.dtype)
        return LstmParams(gates[0], gates[1]._replace(biases=opened), gates[2], gates[3])

    cell = Cell(
        "lstm_peepholes", units, init, lambda zeros: (zeros, zeros), lambda zeros: LstmDelta(*(zeros,) * 5),
        step, back, gradient, LstmParams(*(gate_statements(k, has_peephole=k != "g") for k in "ifgo")),
        expects=expected(*LstmParams._fields[:4]),
    )  # fmt: skip
    form = kernel.Form(units, activations.tanh, activations.tanh, peepholes=True)
    return recurrence.layer(cell, kernel.cell(form), chosen)

"""Long short-term memory: a cell with an input, a forget and an output gate.

    forward:   z_k = x[t] W_kᵀ + h[t−1] R_kᵀ + b_k,  k = i, f, g, o
               i = σ(z_i),  f = σ(z_f),  g = tanh(z_g),  o = σ(z_o)
               c[t] = f ⊙ c[t−1] + i ⊙ g
               h[t] = o ⊙ tanh(c[t])
    backward:  d_h ← d_h[t] + Σ_k δ_k[t+1] R_k                      from above, and through time
               δ_o = d_h ⊙ tanh(c[t]) ⊙ o(1−o)
               d_c = d_h ⊙ o ⊙ (1 − tanh²(c[t])) + d_c[t+1] ⊙ f[t+1]
               δ_i = d_c ⊙ g ⊙ i(1−i)
               δ_f = d_c ⊙ c[t−1] ⊙ f(1−f)
               δ_g = d_c ⊙ i ⊙ (1−g²)
               dW_k = Σ_t δ_k[t]ᵀ x[t],  dR_k = Σ_t δ_k[t]ᵀ h[t−1],  db_k = Σ_t δ_k[t]
               dx[t] = Σ_k δ_k[t] W_k
               dh[0] = Σ_k δ_k[1] R_k,  dc[0] = d_c[1] ⊙ f[1]        where they are learnt

*Derivation.* The notes only name this layer, in section 6. C depends on c[t] through h[t] and through c[t+1], so
∂C/∂c[t] is the sum of d_h o (1 − tanh²) and d_c[t+1] f[t+1]; every other line is the chain rule through one product or
one activation. The factor f on the way back replaces ω σ' of the simple layer: where a forget gate is open, the term
d_c[t+1] f[t+1] keeps its size. The part through h may still grow.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W_k, R_k, b_k | `params.input_gate.weights`, `.recurrent_weights`, `.biases`, … | (h, m), (h, h), (h,) |
| (h[0], c[0]) | `params.initial_state`, None where they are zero | (h,) each |
| h[t−1], c[t−1], c[t] | `trace.h_before`, `trace.c_before`, `trace.c` | (N, h) |
| i, f, g, o | `trace.i`, …: input, forget, candidate, output | (N, h) |
| δ_i, δ_f, δ_g, δ_o | `delta.i`, …; those of step t + 1 are `after.i`, …, those of step 1 `first.i`, … | (N, h) |
| d_c ⊙ f | `delta.forgotten`, what c[t−1] gets through c[t] | (N, h) |

`step` and `back` are those of one step, `gradient` sums over all; `fnnets.layers.cell` runs the three over time, and
`fnnets.layers.gates` has z_k, dW_k, dR_k and db_k of one gate. The kernel, `fnnets.kernels.lstm`, computes the same.

Source: [Hochreiter1997] (whose gradient is truncated; this one is complete); [Gers2000] for the forget gate;
[Graves2012], chapter 4, for the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
from fnnets.layers.gates import GateParams, expected, gate_gradient, gate_statements, init_gate, weighted_input

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class LstmParams(NamedTuple):
    """Weights of the gates and of the candidate by name; (h[0], c[0]), each (h,), where they are learnt."""

    input_gate: GateParams
    forget_gate: GateParams
    candidate: GateParams
    output_gate: GateParams
    initial_state: PyTree | None = None


class LstmTrace(NamedTuple):
    """The trace of a step: x[t] (N, m), and (N, h) each h[t−1], c[t−1], i, f, g, o, c[t]; of all steps (T, N, ·)."""

    x: Float[Array, "*t n m"]
    h_before: Float[Array, "*t n h"]
    c_before: Float[Array, "*t n h"]
    i: Float[Array, "*t n h"]
    f: Float[Array, "*t n h"]
    g: Float[Array, "*t n h"]
    o: Float[Array, "*t n h"]
    c: Float[Array, "*t n h"]


class LstmDelta(NamedTuple):
    """δ of the gates and of the candidate, and d_c ⊙ f, (N, h) each; of all steps (T, N, h)."""

    i: Float[Array, "*t n h"]
    f: Float[Array, "*t n h"]
    g: Float[Array, "*t n h"]
    o: Float[Array, "*t n h"]
    forgotten: Float[Array, "*t n h"]


def step(params: LstmParams, state, x):
    """(h[t], c[t]), and the trace."""
    h_before, c_before = state
    i = sigmoid(taps.tap("z_i", weighted_input(params.input_gate, x, h_before)))
    f = sigmoid(taps.tap("z_f", weighted_input(params.forget_gate, x, h_before)))
    g = jnp.tanh(taps.tap("z_g", weighted_input(params.candidate, x, h_before)))
    o = sigmoid(taps.tap("z_o", weighted_input(params.output_gate, x, h_before)))
    c = taps.tap("c", f * c_before + i * g)
    return (taps.tap("h", o * jnp.tanh(c)), c), LstmTrace(x, h_before, c_before, i, f, g, o, c)


def back(params: LstmParams, trace: LstmTrace, d_h, after: LstmDelta):
    """δ[t]."""
    _, _, c_before, i, f, g, o, c = trace
    d_h = taps.delta("h", d_h + to_h(params, after), "d_h")
    delta_o = taps.delta("z_o", d_h * jnp.tanh(c) * o * (1 - o), "δ_o")
    d_c = taps.delta("c", d_h * o * (1 - jnp.tanh(c) ** 2) + after.forgotten, "d_c")
    delta_i = taps.delta("z_i", d_c * g * i * (1 - i), "δ_i")
    delta_f = taps.delta("z_f", d_c * c_before * f * (1 - f), "δ_f")
    delta_g = taps.delta("z_g", d_c * i * (1 - g**2), "δ_g")
    return LstmDelta(delta_i, delta_f, delta_g, delta_o, d_c * f)


def gradient(params: LstmParams, trace: LstmTrace, delta: LstmDelta, first: LstmDelta):
    """dW_k, dR_k and db_k; dx; dh[0] and dc[0]."""
    gates = (gate_gradient(delta_k, trace.x, trace.h_before) for delta_k in delta[:4])
    return LstmParams(*gates), to_x(params, delta), (to_h(params, first), first.forgotten)


def to_x(params: LstmParams, delta: LstmDelta):
    """Σ_k δ_k W_k."""
    return sum(delta_k @ gate.weights for delta_k, gate in zip(delta[:4], params[:4], strict=True))


def to_h(params: LstmParams, delta: LstmDelta):
    """Σ_k δ_k R_k."""
    return sum(delta_k @ gate.recurrent_weights for delta_k, gate in zip(delta[:4], params[:4], strict=True))


@constructor
def lstm(
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
    """A layer of `units` memory cells, each with its own gates.

    Args:
        units: h, the number of cells.
        forget_bias: added to the forget gate's initial biases; 1 keeps the gate open at first [Jozefowicz2015].
        learn_initial_state: whether (h[0], c[0]) are parameters, beginning as zeros; else they are zero.
        truncate, checkpoint_every, return_sequences, implementation: as `recurrent`.
        initializer: initial values of weights and biases.

    Raises:
        TypeError, ValueError: an option of the wrong kind or range; in `init` and `forward`, steps that are not one
            axis of m features, T = 0, a mask or a state that does not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.lstm(5)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((7, 2, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> d_params.forget_gate.recurrent_weights.shape, params.forget_gate.biases.tolist()
    ((5, 5), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    units = validate.count(units, "lstm: units", "give the number of cells")
    validate.at_least(forget_bias, -100.0, "lstm: forget_bias", "1 is common")
    chosen = recurrence.options(
        "lstm", learn_initial_state, truncate, checkpoint_every, return_sequences, initializer, implementation
    )

    def init(key, m):
        gates = [init_gate(initializer, each, m, units, units) for each in jax.random.split(key, 4)]
        opened = gates[1].biases + jnp.asarray(forget_bias, gates[1].biases.dtype)
        return LstmParams(gates[0], gates[1]._replace(biases=opened), gates[2], gates[3])

    cell = Cell(
        "lstm", units, init, lambda zeros: (zeros, zeros), lambda zeros: LstmDelta(*(zeros,) * 5), step, back, gradient,
        LstmParams(*map(gate_statements, "ifgo")), expects=expected(*LstmParams._fields[:4]),
    )  # fmt: skip
    return recurrence.layer(cell, kernel.cell(kernel.Form(units, activations.tanh, activations.tanh)), chosen)

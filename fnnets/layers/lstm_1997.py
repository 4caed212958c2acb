"""LSTM as it was published in 1997: no forget gate, and gates that see the gates of the step before.

    forward:   s[t−1] = (h, i, o)[t−1]                                        what the gates and the candidate see
               z_k = x[t] W_kᵀ + s[t−1] R_kᵀ + b_k,  k = i, g, o
               i = σ(z_i),  g = γ(z_g),  o = σ(z_o)                           γ(z) = 4σ(z) − 2
               c[t] = c[t−1] + i ⊙ g
               h[t] = o ⊙ η(c[t])                                             η(c) = 2σ(c) − 1
    backward:  (d_h, d_i, d_o) = (d_h[t], 0, 0) + Σ_k δ_k[t+1] R_k            from above, and through time
               δ_o = (d_h ⊙ η(c[t]) + d_o) ⊙ o(1−o)
               d_c = d_h ⊙ o ⊙ η'(c[t]) + d_c[t+1]
               δ_i = (d_c ⊙ g + d_i) ⊙ i(1−i)
               δ_g = d_c ⊙ i ⊙ γ'(z_g)
               dW_k = Σ_t δ_k[t]ᵀ x[t],  dR_k = Σ_t δ_k[t]ᵀ s[t−1],  db_k = Σ_t δ_k[t]
               dx[t] = Σ_k δ_k[t] W_k
               ds[0] = Σ_k δ_k[1] R_k,  dc[0] = d_c[1]                        where they are learnt

*Derivation.* That of `fnnets.layers.lstm` with f = 1; i and o reach C through the next step as well.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W_k, R_k, b_k | `params.input_gate.weights`, `.recurrent_weights`, `.biases`, … | (h, m), (h, 3h), (h,) |
| (h, c, i, o)[0] | `params.initial_state`, None where they are zero | (h,) each |
| s[t−1] | `trace.seen` | (N, 3h) |
| γ, η | `INPUT`, `OUTPUT` | |
| δ_i, δ_g, δ_o, d_c | `delta.i`, …, `delta.c`; of step t + 1 `after.i`, …, of step 1 `first.i`, … | (N, h) |

The kernel, `fnnets.kernels.lstm`, computes the same.

Source: [Hochreiter1997], appendix A.1, for the forward pass; its gradient is truncated, this one is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import lstm as kernel
from fnnets.layers import recurrence
from fnnets.layers.cell import Cell
from fnnets.layers.gates import GateParams, expected, gate_gradient, gate_statements, init_gate, weighted_input

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

INPUT = Activation(
    lambda z: 4 * activations.sigmoid.value(z) - 2, lambda z: 4 * activations.sigmoid.derivative(z)
)  # fmt: skip
OUTPUT = Activation(
    lambda c: 2 * activations.sigmoid.value(c) - 1, lambda c: 2 * activations.sigmoid.derivative(c)
)  # fmt: skip


class Lstm1997Params(NamedTuple):
    """Weights of the gates and of the candidate by name; (h, c, i, o)[0], each (h,), where they are learnt."""

    input_gate: GateParams
    candidate: GateParams
    output_gate: GateParams
    initial_state: PyTree | None = None


class Lstm1997Trace(NamedTuple):
    """The trace of a step: x[t] (N, m), s[t−1] (N, 3h), and (N, h) each i, z_g, o, c[t]; of all steps (T, N, ·)."""

    x: Float[Array, "*t n m"]
    seen: Float[Array, "*t n s"]
    i: Float[Array, "*t n h"]
    z_g: Float[Array, "*t n h"]
    o: Float[Array, "*t n h"]
    c: Float[Array, "*t n h"]


class Lstm1997Delta(NamedTuple):
    """δ of the gates and of the candidate, and d_c, (N, h) each; of all steps (T, N, h)."""

    i: Float[Array, "*t n h"]
    g: Float[Array, "*t n h"]
    o: Float[Array, "*t n h"]
    c: Float[Array, "*t n h"]


def step(params: Lstm1997Params, state, x):
    """(h, c, i, o)[t], and the trace."""
    h, c, i, o = state
    seen = jnp.concatenate([h, i, o], axis=-1)
    i = sigmoid(taps.tap("z_i", weighted_input(params.input_gate, x, seen)))
    z_g = taps.tap("z_g", weighted_input(params.candidate, x, seen))
    o = sigmoid(taps.tap("z_o", weighted_input(params.output_gate, x, seen)))
    c = taps.tap("c", c + i * INPUT.value(z_g))
    return (taps.tap("h", o * OUTPUT.value(c)), c, i, o), Lstm1997Trace(x, seen, i, z_g, o, c)


def back(params: Lstm1997Params, trace: Lstm1997Trace, d_h, after: Lstm1997Delta):
    """δ[t]."""
    _, _, i, z_g, o, c = trace
    through_h, d_i, d_o = to_seen(params, after)
    d_h = taps.delta("h", d_h + through_h, "d_h")
    delta_o = taps.delta("z_o", (d_h * OUTPUT.value(c) + d_o) * o * (1 - o), "δ_o")
    d_c = taps.delta("c", d_h * o * OUTPUT.derivative(c) + after.c, "d_c")
    delta_i = taps.delta("z_i", (d_c * INPUT.value(z_g) + d_i) * i * (1 - i), "δ_i")
    delta_g = taps.delta("z_g", d_c * i * INPUT.derivative(z_g), "δ_g")
    return Lstm1997Delta(delta_i, delta_g, delta_o, d_c)


def gradient(params: Lstm1997Params, trace: Lstm1997Trace, delta: Lstm1997Delta, first: Lstm1997Delta):
    """dW_k, dR_k and db_k; dx; dh[0], dc[0], di[0] and do[0]."""
    d_params = Lstm1997Params(*(gate_gradient(delta_k, trace.x, trace.seen) for delta_k in delta[:3]))
    d_x = sum(delta_k @ gate.weights for delta_k, gate in zip(delta[:3], params[:3], strict=True))
    d_h, d_i, d_o = to_seen(params, first)
    return d_params, d_x, (d_h, first.c, d_i, d_o)


def to_seen(params: Lstm1997Params, delta: Lstm1997Delta):
    """Σ_k δ_k R_k, for h, i and o."""
    return jnp.split(
        sum(delta_k @ gate.recurrent_weights for delta_k, gate in zip(delta[:3], params[:3], strict=True)), 3, axis=-1
    )


@constructor
def lstm_1997(
    units: int,
    *,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.glorot,
    implementation: str = "fast",
) -> Layer:
    """A layer of `units` memory cells of the form of 1997.

    Args:
        units: h, the number of cells.
        learn_initial_state: whether (h, c, i, o)[0] are parameters, beginning as zeros; else they are zero.
        truncate, checkpoint_every, return_sequences, implementation: as `recurrent`.
        initializer: initial values of weights and biases.

    Raises:
        TypeError, ValueError: as `lstm`.

    >>> import jax, fnnets as fn
    >>> params, shape = fn.layers.lstm_1997(5).init(jax.random.key(0), (3,))
    >>> params.input_gate.recurrent_weights.shape
    (5, 15)
    """
    units = validate.count(units, "lstm_1997: units", "give the number of cells")
    chosen = recurrence.options(
        "lstm_1997", learn_initial_state, truncate, checkpoint_every, return_sequences, initializer, implementation
    )

    def init(key, m):
        keys = jax.random.split(key, 4)  # as many as `lstm` has gates, so that all but the forget gate begin alike
        return Lstm1997Params(*(init_gate(initializer, keys[k], m, units, 3 * units) for k in (0, 2, 3)))

    cell = Cell(
        "lstm_1997", units, init, lambda zeros: (zeros,) * 4, lambda zeros: Lstm1997Delta(*(zeros,) * 4),
        step, back, gradient, Lstm1997Params(*map(gate_statements, "igo")),
        expects=expected("input_gate", "candidate", "output_gate", seen="s"),
    )  # fmt: skip
    form = kernel.Form(units, INPUT, OUTPUT, of_1997=True)
    return recurrence.layer(cell, kernel.cell(form), chosen)

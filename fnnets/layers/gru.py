"""The gated recurrent unit: two gates and no cell of its own.

    forward:   r = σ(x[t] W_rᵀ + h[t−1] R_rᵀ + b_r)                  reset
               u = σ(x[t] W_uᵀ + h[t−1] R_uᵀ + b_u)                  update
               q = h[t−1] R_nᵀ + b'_n
               n = tanh(x[t] W_nᵀ + b_n + r ⊙ q)                     candidate
               h[t] = (1−u) ⊙ n + u ⊙ h[t−1]
    backward:  d_h ← d_h[t] + (d_h ⊙ u + δ_r R_r + δ_u R_u + δ_q R_n)[t+1]         from above, and through time
               δ_n = d_h ⊙ (1−u) ⊙ (1−n²)
               δ_u = d_h ⊙ (h[t−1] − n) ⊙ u(1−u)
               δ_r = δ_n ⊙ q ⊙ r(1−r)
               δ_q = δ_n ⊙ r
               dW_k = Σ_t δ_k[t]ᵀ x[t],  db_k = Σ_t δ_k[t]                          k = r, u, n
               dR_r = Σ_t δ_r[t]ᵀ h[t−1],  dR_u = Σ_t δ_u[t]ᵀ h[t−1],  dR_n = Σ_t δ_q[t]ᵀ h[t−1],  db'_n = Σ_t δ_q[t]
               dx[t] = Σ_k δ_k[t] W_k
               dh[0] = (d_h ⊙ u + δ_r R_r + δ_u R_u + δ_q R_n)[1]                   where it is learnt

*Derivation.* h[t−1] reaches C along four ways: u ⊙ h[t−1] itself, the two gates, and q inside the candidate, whose
∂C/∂q is δ_q. The reset gate stands behind the product R_n h, so that one product serves all three.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W_k, R_k, b_k | `params.reset_gate.weights`, `.recurrent_weights`, `.biases`, … | (h, m), (h, h), (h,) |
| b'_n | `params.recurrent_biases` | (h,) |
| h[0] | `params.initial_state`, a tuple of one; None where it is zero | (h,) |
| h[t−1] | `trace.h_before` | (N, h) |
| r, u, n, q | `trace.r`, … | (N, h) |
| δ_r, δ_u, δ_n, δ_q | `delta.r`, …; those of step t + 1 are `after.r`, …, those of step 1 `first.r`, … | (N, h) |
| d_h ⊙ u | `delta.kept`, what h[t−1] gets through u ⊙ h[t−1] | (N, h) |

`step` and `back` are those of one step, `gradient` sums over all; `fnnets.layers.cell` runs the three over time.
`fnnets.layers.gates` has z_k, dW_k, dR_k and db_k of one gate; `to_h` is what d_h gets through time. The kernel,
`fnnets.kernels.gru`, computes the same.

Source: [Cho2014], with the reset gate after the product as in cuDNN and PyTorch (in the paper it stands before: R_n (r
⊙ h)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from fnnets import initializers
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import gru as kernel
from fnnets.layers import recurrence
from fnnets.layers.cell import Cell
from fnnets.layers.gates import GateParams, expected, gate_gradient, gate_statements, init_gate, weighted_input

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class GruParams(NamedTuple):
    """Weights of the gates and of the candidate by name, b'_n (h,), and h[0] (h,) where it is learnt."""

    reset_gate: GateParams
    update_gate: GateParams
    candidate: GateParams
    recurrent_biases: Float[Array, " h"]
    initial_state: PyTree | None = None


class GruTrace(NamedTuple):
    """The trace of a step: x[t] (N, m), and (N, h) each h[t−1], r, u, n, q; of all steps (T, N, ·)."""

    x: Float[Array, "*t n m"]
    h_before: Float[Array, "*t n h"]
    r: Float[Array, "*t n h"]
    u: Float[Array, "*t n h"]
    n: Float[Array, "*t n h"]
    q: Float[Array, "*t n h"]


class GruDelta(NamedTuple):
    """δ_r, δ_u, δ_n, δ_q, and d_h ⊙ u, (N, h) each; of all steps (T, N, h)."""

    r: Float[Array, "*t n h"]
    u: Float[Array, "*t n h"]
    n: Float[Array, "*t n h"]
    q: Float[Array, "*t n h"]
    kept: Float[Array, "*t n h"]


def step(params: GruParams, state, x):
    """h[t], and the trace."""
    (h_before,) = state
    r = sigmoid(taps.tap("z_r", weighted_input(params.reset_gate, x, h_before)))
    u = sigmoid(taps.tap("z_u", weighted_input(params.update_gate, x, h_before)))
    q = h_before @ params.candidate.recurrent_weights.T + params.recurrent_biases
    n = jnp.tanh(taps.tap("z_n", x @ params.candidate.weights.T + params.candidate.biases + r * q))
    return (taps.tap("h", (1 - u) * n + u * h_before),), GruTrace(x, h_before, r, u, n, q)


def back(params: GruParams, trace: GruTrace, d_h, after: GruDelta):
    """δ[t]."""
    _, h_before, r, u, n, q = trace
    d_h = taps.delta("h", d_h + to_h(params, after), "d_h")
    delta_n = taps.delta("z_n", d_h * (1 - u) * (1 - n**2), "δ_n")
    delta_u = taps.delta("z_u", d_h * (h_before - n) * u * (1 - u), "δ_u")
    delta_r = taps.delta("z_r", delta_n * q * r * (1 - r), "δ_r")
    delta_q = delta_n * r
    return GruDelta(delta_r, delta_u, delta_n, delta_q, d_h * u)


def gradient(params: GruParams, trace: GruTrace, delta: GruDelta, first: GruDelta):
    """dW_k, db_k, dR_k and db'_n; dx; dh[0]."""
    reset_gate = gate_gradient(delta.r, trace.x, trace.h_before)
    update_gate = gate_gradient(delta.u, trace.x, trace.h_before)
    d_weights = jnp.einsum("tnh,tnm->hm", delta.n, trace.x)
    d_recurrent_weights = jnp.einsum("tnh,tns->hs", delta.q, trace.h_before)
    candidate = GateParams(d_weights, d_recurrent_weights, jnp.sum(delta.n, axis=(0, 1)))
    d_x = sum(delta_k @ gate.weights for delta_k, gate in zip(delta[:3], params[:3], strict=True))
    return GruParams(reset_gate, update_gate, candidate, jnp.sum(delta.q, axis=(0, 1))), d_x, (to_h(params, first),)


def to_h(params: GruParams, delta: GruDelta):
    """d_h ⊙ u + δ_r R_r + δ_u R_u + δ_q R_n."""
    pairs = zip((delta.r, delta.u, delta.q), params[:3], strict=True)
    return delta.kept + sum(delta_k @ gate.recurrent_weights for delta_k, gate in pairs)


@constructor
def gru(
    units: int,
    *,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.glorot,
    implementation: str = "fast",
) -> Layer:
    """A layer of `units` gated recurrent units.

    Args:
        units: h, the number of units.
        learn_initial_state: whether h[0] is a parameter, beginning as zeros; else it is zero.
        truncate, checkpoint_every, return_sequences, implementation: as `recurrent`.
        initializer: initial values of weights and biases; b'_n begins as zeros.

    Raises:
        TypeError, ValueError: an option of the wrong kind or range; in `init` and `forward`, steps that are not one
            axis of m features, T = 0, a mask or a state that does not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.gru(5)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((7, 2, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> y.shape, d_params.candidate.weights.shape
    ((7, 2, 5), (5, 3))
    """
    units = validate.count(units, "gru: units", "give the number of units")
    chosen = recurrence.options(
        "gru", learn_initial_state, truncate, checkpoint_every, return_sequences, initializer, implementation
    )

    def init(key, m):
        gates = [init_gate(initializer, each, m, units, units) for each in jax.random.split(key, 3)]
        return GruParams(gates[0], gates[1], gates[2], jnp.zeros(units, jnp.result_type(float)))

    r, u, n = map(gate_statements, "run")
    statements: PyTree = GruParams(r, u, n, "db'_n")  # type: ignore[arg-type]
    cell = Cell(
        "gru", units, init, lambda zeros: (zeros,), lambda zeros: GruDelta(*(zeros,) * 5), step, back, gradient,
        statements, expects=expected("reset_gate", "update_gate", "candidate") + ", recurrent_biases (h)",
    )  # fmt: skip
    return recurrence.layer(cell, kernel.cell(units), chosen)

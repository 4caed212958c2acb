"""The gated recurrent unit: two gates and no cell of its own.

    forward:   r = σ(x W_rᵀ + h[t−1] R_rᵀ + b_r)                  reset
               u = σ(x W_uᵀ + h[t−1] R_uᵀ + b_u)                  update
               q = h[t−1] R_nᵀ + b'_n
               n = tanh(x W_nᵀ + b_n + r ⊙ q)                     candidate
               h[t] = (1−u) ⊙ n + u ⊙ h[t−1]
    backward:  δ_n = d_h ⊙ (1−u) ⊙ (1−n²)
               δ_u = d_h ⊙ (h[t−1] − n) ⊙ u(1−u)
               δ_r = δ_n ⊙ q ⊙ r(1−r)
               d_h[t−1] = d_y[t−1] + d_h ⊙ u + δ_r R_r + δ_u R_u + (δ_n ⊙ r) R_n
               dW_k = Σ_t δ_k[t]ᵀ x[t],  db_k = Σ_t δ_k           k = r, u, n
               dR_k = Σ_t δ_k[t]ᵀ h[t−1],  k = r, u;  dR_n = Σ_t (δ_n ⊙ r)[t]ᵀ h[t−1],  db'_n = Σ_t δ_n ⊙ r
               dx[t] = Σ_k δ_k W_k

*Derivation.* h[t−1] reaches C along five ways: u ⊙ h[t−1] itself, the two gates, and q inside the candidate; δ_n ⊙ r
is ∂C/∂q. The reset gate stands behind the product R_n h, so that one product serves all three.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W_k, R_k, b_k | `params.reset_gate.weights`, `.recurrent_weights`, `.biases`, … | (h, m), (h, h), (h,) |
| b'_n | `params.recurrent_biases` | (h,) |
| h | `states[0]`, the output | (T, N, h) |
| h[0] | `params.initial_state`, a tuple of one; None where it is zero | (h,) |

Source: [Cho2014], with the reset gate after the product as in cuDNN and PyTorch (in the paper it stands before: R_n (r
⊙ h)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import initializers
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels.scan import Cell, contract
from fnnets.layers import cell
from fnnets.layers.gates import GateParams, gate_statements, init_gate

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class GruParams(NamedTuple):
    """Weights of the gates and of the candidate by name, b'_n (h,), and h[0] (h,) where it is learnt."""

    reset_gate: GateParams
    update_gate: GateParams
    candidate: GateParams
    recurrent_biases: Float[Array, " h"]
    initial_state: PyTree | None = None


class PackedGru(NamedTuple):
    """The gates as one matrix: W (3h, m), R (3h, h), b (3h,), b'_n (h,), and Rᵀ laid out once for all steps."""

    weights: Float[Array, "g m"]
    recurrent_weights: Float[Array, "g h"]
    biases: Float[Array, " g"]
    recurrent_biases: Float[Array, " h"]
    ahead: PyTree = None


@constructor
def gru(
    units: int,
    *,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.glorot,
) -> Layer:
    """A layer of `units` gated recurrent units.

    Args:
        units: h, the number of units.
        learn_initial_state: whether h[0] is a parameter, beginning as zeros; else it is zero.
        truncate, checkpoint_every, return_sequences: as `recurrent`.
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
    validate.is_instance(initializer, initializers.Initializer, "gru: initializer", "take one from fnnets.initializers")
    chosen = cell.options("gru", learn_initial_state, truncate, checkpoint_every, return_sequences)

    def init(key, m):
        gates = [init_gate(initializer, each, m, units, units, False) for each in jax.random.split(key, 3)]
        return GruParams(gates[0], gates[1], gates[2], jnp.zeros(units, jnp.result_type(float)))

    def start(params: GruParams, n):
        return (jnp.zeros((n, units), params.recurrent_biases.dtype),)

    def step(packed: PackedGru, state, projected):
        (h,) = state
        x_r, x_u, x_n = jnp.split(projected, 3, axis=-1)
        h_r, h_u, h_n = jnp.split(h @ packed.ahead, 3, axis=-1)
        q = h_n + packed.recurrent_biases
        r, u = jax.nn.sigmoid(taps.tap("z_r", x_r + h_r)), jax.nn.sigmoid(taps.tap("z_u", x_u + h_u))
        n = jnp.tanh(taps.tap("z_n", x_n + r * q))
        return ((1 - u) * n + u * h,), (r, u, n, q)

    def back(packed: PackedGru, saved, previous, state, d_state):
        (r, u, n, q), (h,), (d_h,) = saved, previous, d_state
        delta_n = taps.delta("z_n", d_h * ((1 - u) * ((1 - n) * (1 + n))), "δ_n")
        delta_u = taps.delta("z_u", d_h * ((h - n) * (u * (1 - u))), "δ_u")
        delta_r = taps.delta("z_r", delta_n * (q * (r * (1 - r))), "δ_r")
        delta = jnp.concatenate([delta_r, delta_u, delta_n], axis=-1)
        delta_recurrent = jnp.concatenate([delta_r, delta_u, delta_n * r], axis=-1)
        return (d_h * u + delta_recurrent @ packed.recurrent_weights,), (delta, delta_recurrent)

    def weigh(x, previous, states, delta):
        delta, delta_recurrent = delta
        d_weights, d_recurrent_weights = contract(delta, x), contract(delta_recurrent, previous[0])
        d_biases, d_recurrent_biases = (
            jnp.sum(each, axis=(0, 1)) for each in (delta, delta_recurrent[..., 2 * units :])
        )
        return PackedGru(d_weights, d_recurrent_weights, d_biases, d_recurrent_biases)

    def pack(params: GruParams):
        stacked = [jnp.concatenate([part[field] for part in params[:3]]) for field in range(3)]
        return PackedGru(stacked[0], stacked[1], stacked[2], params.recurrent_biases, stacked[1].T)

    def unpack(params, d_packed: PackedGru):
        split = [jnp.split(part, 3) for part in d_packed[:3]]
        reset, update, candidate = (GateParams(*each) for each in zip(*split, strict=True))
        return GruParams(reset, update, candidate, d_packed.recurrent_biases)

    statements: PyTree = GruParams(
        gate_statements("r", recurrent="dR"),
        gate_statements("u", recurrent="dR"),
        gate_statements("n", recurrent="dR"),
        "db'_n",  # type: ignore[arg-type]
    )
    return cell.layer(
        Cell(
            "gru", units, init, start, pack=pack, project=lambda packed, x: x @ packed.weights.T + packed.biases,
            step=step, back=back, weigh=weigh, d_input=lambda packed, delta: delta[0] @ packed.weights, unpack=unpack,
            statements=statements, width=6 * units, parts={"h": "d_h"},
        ),
        chosen,
    )  # fmt: skip

"""Long short-term memory: a cell that keeps a number for as long as its gates let it.

    forward:   u[t] = (x[t], h[t−1])                                       what the gates and the candidate see
               z_k = u W_kᵀ + b_k,  k = i, f, g, o                         with peepholes z_i, z_f += p ⊙ c[t−1]
               i = σ(z_i),  f = σ(z_f),  g = γ(z_g)                        and z_o += p ⊙ c[t]
               c[t] = f ⊙ c[t−1] + i ⊙ g
               o = σ(z_o),  h[t] = o ⊙ η(c[t])
    backward:  δ_o = d_h ⊙ η(c[t]) ⊙ o(1−o)
               d_c ← d_c + d_h ⊙ o ⊙ η'(c[t])                              peepholes: + p_o ⊙ δ_o
               δ_i = d_c ⊙ g ⊙ i(1−i),  δ_f = d_c ⊙ c[t−1] ⊙ f(1−f),  δ_g = d_c ⊙ i ⊙ γ'(z_g)
               d_c[t−1] = d_c ⊙ f                                          peepholes: + p_i ⊙ δ_i + p_f ⊙ δ_f
               d_h[t−1] = d_y[t−1] + Σ_k δ_k W_k,  its columns of h
               dW_k = Σ_t δ_k[t]ᵀ u[t],  db_k = Σ_t δ_k,  dp_k = Σ_t δ_k ⊙ c
               dx[t] = Σ_k δ_k W_k,  its columns of x

*Derivation.* The notes only name this layer, in section 6. C depends on c[t] through h[t] and through c[t+1]; so
∂C/∂c[t] is the sum d_h o η'(c) + d_c[t+1] f[t+1], and every other line is the chain rule through one product or one
activation. The factor f on the way back replaces ω σ' of the simple layer: where a forget gate is open, δ neither
vanishes nor grows.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W_k: its columns of x, of h | `params.input_gate.weights`, `.recurrent_weights`, … | (h, m), (h, h) |
| b_k, p_k | `params.input_gate.biases`, `.peephole_weights` | (h,) |
| i, f, o | `input_gate`, `forget_gate`, `output_gate` | (T, N, h) |
| g, γ | `candidate`, and `input_activation`, tanh | (T, N, h) |
| η | `output_activation`, tanh | |
| h, c | `states[0]`, the output, and `states[1]` | (T, N, h) |
| (h[0], c[0]) | `params.initial_state`, None where they are zero | (h,) each |

Inside, the four gates are one matrix. Since σ(z) = ½ + ½ tanh(z/2), the weights of gates are halved there and all
gates are a tanh, which XLA computes in half the time of a logistic; below 6e-8 (float32) a gate counts as shut.

The form of 1997 has no forget gate (f = 1), γ(z) = 4σ(z) − 2, η(c) = 2σ(c) − 1, and the gates of the step before
among what everything sees: u[t] = (x[t], h[t−1], i[t−1], o[t−1]).

Source: [Hochreiter1997] (whose gradient is truncated; this one is complete); [Gers2000] for the forget gate; [Gers2002]
for peepholes; [Graves2012], chapter 4, for the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels.scan import Cell, contract_both
from fnnets.layers import cell
from fnnets.layers.gates import GateParams, gate_statements, init_gate

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class LstmParams(NamedTuple):
    """Weights of the gates and of the candidate by name; (h[0], c[0]), each (h,), where they are learnt."""

    input_gate: GateParams
    forget_gate: GateParams | None
    candidate: GateParams
    output_gate: GateParams
    initial_state: PyTree | None = None


class PackedLstm(NamedTuple):
    """The gates as one matrix: `halved` (m+s, g), `halved_biases` (g,), W (g, m), R (g, s), peepholes (h,) or None."""

    halved: Float[Array, "ms g"]
    halved_biases: Float[Array, " g"]
    weights: Float[Array, "g m"]
    recurrent_weights: Float[Array, "g s"]
    peepholes: PyTree


@constructor
def lstm(
    units: int,
    forget_gate: bool = True,
    peepholes: bool = False,
    *,
    forget_bias: float = 1.0,
    input_activation: Activation = activations.tanh,
    output_activation: Activation = activations.tanh,
    gate_connections: bool = False,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.glorot,
) -> Layer:
    """A layer of `units` memory cells, each with its own gates.

    Args:
        units: h, the number of cells.
        forget_gate: whether there is one; without, f = 1.
        peepholes: whether gates see their own cell: diagonal weights, beginning as zeros.
        forget_bias: added to the forget gate's initial biases; 1 keeps the gate open at first [Jozefowicz2015].
        input_activation: γ, what the candidate is squashed by.
        output_activation: η, what the cell is squashed by on its way out.
        gate_connections: whether gates and candidate also see the gates of the step before, as in 1997.
        learn_initial_state: whether (h[0], c[0]) are parameters, beginning as zeros; else they are zero.
        truncate, checkpoint_every, return_sequences: as `recurrent`.
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
    _check(forget_gate, peepholes, gate_connections, forget_bias, input_activation, output_activation, initializer)
    chosen = cell.options("lstm", learn_initial_state, truncate, checkpoint_every, return_sequences)
    gates = 4 if forget_gate else 3
    sources = units * (gates if gate_connections else 1)  # the candidate is no gate, h takes its place

    def init(key, m):
        def gate(key, has_peephole=peepholes):
            return init_gate(initializer, key, m, units, sources, has_peephole)

        keys = jax.random.split(key, 4)
        forget = None
        if forget_gate:
            forget = gate(keys[1])
            forget = forget._replace(biases=forget.biases + jnp.asarray(forget_bias, forget.biases.dtype))
        return LstmParams(gate(keys[0]), forget, gate(keys[2], False), gate(keys[3]))

    def start(params: LstmParams, n):
        parts = 1 + gates if gate_connections else 2
        return tuple(jnp.zeros((n, units), params.candidate.biases.dtype) for _ in range(parts))

    def step(packed: PackedLstm, state, x):
        z = jnp.concatenate([x, seen(state)], axis=-1) @ packed.halved + packed.halved_biases
        z_i, *z_f, z_g, z_o = jnp.split(z, gates, axis=-1)
        c = state[1]
        if peepholes:
            z_i, z_f = z_i + packed.peepholes[0] / 2 * c, [z + packed.peepholes[1] / 2 * c for z in z_f]
        i = _gate(taps.tap("z_i", z_i, 0.5))
        f = _gate(taps.tap("z_f", z_f[0], 0.5)) if forget_gate else None
        z_g = taps.tap("z_g", z_g)
        g = input_activation.value(z_g)
        c = taps.tap("c", i * g + (f * c if forget_gate else c))
        o = _gate(taps.tap("z_o", z_o + packed.peepholes[-1] / 2 * c if peepholes else z_o, 0.5))
        opened = (i, f, o) if forget_gate else (i, o)
        return (o * output_activation.value(c), c, *(opened if gate_connections else ())), (
            i,
            f,
            g,
            None if input_activation.slope else z_g,
            o,
        )

    def seen(state):
        return jnp.concatenate([state[0], *state[2:]], axis=-1) if gate_connections else state[0]

    def back(packed: PackedLstm, saved, previous, state, d_state):
        (i, f, g, z_g, o), (d_h, d_c, *d_gates) = saved, d_state
        d_i, *d_f, d_o = d_gates if gate_connections else (0,) * (gates - 1)
        shown = output_activation.value(state[1])
        delta_o = taps.delta("z_o", (d_h * shown + d_o) * (o * (1 - o)), "δ_o")
        d_c = d_c + d_h * (o * _slope(output_activation, shown, state[1]))
        if peepholes:
            d_c = d_c + packed.peepholes[-1] * delta_o
        d_c = taps.delta("c", d_c, "d_c")
        delta_i = taps.delta("z_i", (d_c * g + d_i) * (i * (1 - i)), "δ_i")
        delta_f = [taps.delta("z_f", (d_c * previous[1] + d_f[0]) * (f * (1 - f)), "δ_f")] if forget_gate else []
        delta_g = taps.delta("z_g", d_c * (i * _slope(input_activation, g, z_g)), "δ_g")
        delta = jnp.concatenate([delta_i, *delta_f, delta_g, delta_o], axis=-1)
        d_c = d_c * f if forget_gate else d_c
        if peepholes:
            d_c = d_c + sum(p * d for p, d in zip(packed.peepholes, [delta_i, *delta_f], strict=False))
        d_h, *d_gates = jnp.split(delta @ packed.recurrent_weights, sources // units, axis=-1)
        return (d_h, d_c, *d_gates), delta

    def weigh(x, previous, states, delta):
        d_biases = jnp.sum(delta, axis=(0, 1))
        d_peepholes = None
        if peepholes:
            d_i, *d_f, _, d_o = jnp.split(delta, gates, axis=-1)
            pairs = [(d_i, previous[1]), *((d, previous[1]) for d in d_f), (d_o, states[1])]
            d_peepholes = tuple(jnp.sum(d * c, axis=(0, 1)) for d, c in pairs)
        return (*contract_both(delta, x, seen(previous)), d_biases, d_peepholes)

    def pack(params: LstmParams):
        parts = [part for part in params[:4] if part is not None]
        stacked = [jnp.concatenate([part[field] for part in parts]) for field in range(3)]
        half = jnp.repeat(jnp.array([0.5] * (gates - 2) + [1, 0.5], stacked[0].dtype), units)
        both = jnp.concatenate(stacked[:2], axis=1) * half[:, None]
        seeing = tuple(part.peephole_weights for part in parts if part is not params.candidate)
        return PackedLstm(both.T, stacked[2] * half, stacked[0], stacked[1], seeing if peepholes else None)

    def unpack(params: LstmParams, d_packed):
        *stacked, d_peepholes = d_packed
        *first, last = d_peepholes or (None,) * (gates - 1)
        split = zip(*(jnp.split(part, gates) for part in stacked), (*first, None, last), strict=True)
        opening, *forget, candidate, output = (GateParams(*each) for each in split)
        return LstmParams(opening, forget[0] if forget_gate else None, candidate, output)

    statements = LstmParams(
        gate_statements("i", peepholes),
        gate_statements("f", peepholes) if forget_gate else None,
        gate_statements("g", False),
        gate_statements("o", peepholes),
    )
    parts = ("h", "c", *("ifo" if forget_gate else "io") * gate_connections)
    return cell.layer(
        Cell(
            "lstm", units, init, start, pack=pack, project=lambda packed, x: x, step=step, back=back, weigh=weigh,
            d_input=lambda packed, delta: delta @ packed.weights, unpack=unpack, statements=statements,
            width=gates * units, parts={part: f"d_{part}" for part in parts},
        ),
        chosen,
    )  # fmt: skip


def _check(
    forget_gate, peepholes, gate_connections, forget_bias, input_activation, output_activation, initializer
) -> None:
    """Raise unless the options of `lstm` are of their kinds."""
    for name, squash in {"input_activation": input_activation, "output_activation": output_activation}.items():
        validate.is_instance(squash, Activation, f"lstm: {name}", "take one from fnnets.activations")
    flags = {"forget_gate": forget_gate, "peepholes": peepholes, "gate_connections": gate_connections}
    for name, flag in flags.items():
        validate.is_instance(flag, bool, f"lstm: {name}", "write True or False")
    validate.is_instance(
        initializer, initializers.Initializer, "lstm: initializer", "take one from fnnets.initializers"
    )
    validate.at_least(forget_bias, -100.0, "lstm: forget_bias", "1 is common")


def _slope(activation, a, z):
    """σ'(z), from a = σ(z) where that is enough."""
    return activation.slope(a) if activation.slope else activation.derivative(z)


def _gate(half):
    """σ(z) from z/2."""
    return 0.5 * jnp.tanh(half) + 0.5

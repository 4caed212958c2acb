"""Long short-term memory, fast: the kernel of `fnnets.layers.lstm`, `lstm_peepholes` and `lstm_1997`.

    z = (x, s) (W, R)ᵀ + b        the gates as one matrix, and one product for x and for what is seen of the state
    σ(z) = ½ + ½ tanh(z/2)        weights of gates are halved once, and all gates are a tanh, which XLA computes in half
                                  the time of a logistic; below 6e-8 (float32) a gate counts as shut
    δ = (δ_i, δ_f, δ_g, δ_o)      one array: δ (W, R), dW, dR and db are one product or sum each
    γ'(z_g), η'(c)                from γ and η where that is enough
    Σ_k δ_k[t+1] R_k              is computed in step t + 1, as the gradient that h[t] gets through time

The equations are those of the pages; sums are taken in another order, so that both are equal to rounding, which is
absolute where a gate is shut. δ is by z, and W, R and p are not halved on the way back: halving is within the forward
pass, whose taps have the scale ½. The form of 1997 has no forget gate; gates of the step before are seen beside h.

Measured by `python -m experiments.benchmarks implementations`, an epoch inside `fit`:
the page takes 1.25 times as long, with peepholes 1.29, of 1997 1.26.

Other forms, in a training step with Adam of 100 steps of 32 sequences, on one CPU device and on shares of two, take so
many times as long: x Wᵀ by itself before the scan 1.1 with h = 64 and 128, 1.35 with 256; the products of a step as
columns, (R hᵀ)ᵀ and (Rᵀ δᵀ)ᵀ, 1.1 to 1.2 with h = 64, 1.6 to 2 with 128, 1.7 with 256, though from h = 256 on such a
product by itself is 1.2 to 1.6 times as fast. In a prototype of the step with h = 128, a product for each gate took as
long as one for all, two steps in a turn of the loop 1.2 times as long, and states kept as columns 1.4 to 2 times.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from fnnets.core import taps
from fnnets.kernels.scan import Cell, contract_both

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

    from fnnets.activations import Activation


class Form(NamedTuple):
    """What the pages differ in.

    Attributes:
        units: h.
        input_activation, output_activation: γ and η.
        peepholes: whether gates see their own cell.
        of_1997: whether there is no forget gate, and gates see those of the step before.
    """

    units: int
    input_activation: Activation
    output_activation: Activation
    peepholes: bool = False
    of_1997: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of gates and candidate, in the order of the matrix."""
        forget = () if self.of_1997 else ("forget_gate",)
        return ("input_gate", *forget, "candidate", "output_gate")


class Packed(NamedTuple):
    """The gates as one matrix: `halved` (m+s, g), `halved_biases` (g,), W (g, m), R (g, s), peepholes (h,) or None."""

    halved: Float[Array, "ms g"]
    halved_biases: Float[Array, " g"]
    weights: Float[Array, "g m"]
    recurrent_weights: Float[Array, "g s"]
    peepholes: PyTree


def cell(form: Form) -> Cell:
    """The kernel of one of the forms."""
    parts = ("h", "c", "i", "o") if form.of_1997 else ("h", "c")
    return Cell(
        partial(pack, form), lambda packed, x: x, partial(step, form), partial(back, form), partial(weigh, form),
        lambda packed, delta: delta @ packed.weights, partial(unpack, form), width=len(form.names) * form.units,
        parts={part: f"d_{part}" for part in parts},
    )  # fmt: skip


def pack(form: Form, params) -> Packed:
    """The gates as one matrix."""
    gates = [getattr(params, name) for name in form.names]
    weights, recurrent_weights, biases = (jnp.concatenate([gate[field] for gate in gates]) for field in range(3))
    scales = [1.0 if name == "candidate" else 0.5 for name in form.names]
    half = jnp.repeat(jnp.array(scales, weights.dtype), form.units)
    both = jnp.concatenate([weights, recurrent_weights], axis=1) * half[:, None]
    seeing = tuple(gate.peephole_weights for gate in gates if gate is not params.candidate)
    return Packed(both.T, biases * half, weights, recurrent_weights, seeing if form.peepholes else None)


def step(form: Form, packed: Packed, state, x):
    """(h[t], c[t], …), and what is saved: i, f, g, z_g, o."""
    z = jnp.concatenate([x, _seen(form, state)], axis=-1) @ packed.halved + packed.halved_biases
    z_i, *z_f, z_g, z_o = jnp.split(z, len(form.names), axis=-1)
    c = state[1]
    if form.peepholes:
        z_i, z_f = z_i + packed.peepholes[0] / 2 * c, [z + packed.peepholes[1] / 2 * c for z in z_f]
    i = _gate(taps.tap("z_i", z_i, 0.5))
    f = None if form.of_1997 else _gate(taps.tap("z_f", z_f[0], 0.5))
    z_g = taps.tap("z_g", z_g)
    g = form.input_activation.value(z_g)
    c = taps.tap("c", i * g + (c if f is None else f * c))
    o = _gate(taps.tap("z_o", z_o + packed.peepholes[-1] / 2 * c if form.peepholes else z_o, 0.5))
    h = o * form.output_activation.value(c)
    return (h, c, i, o) if form.of_1997 else (h, c), (i, f, g, None if form.input_activation.slope else z_g, o)


def back(form: Form, packed: Packed, saved, previous, state, d_state):
    """What the state before gets, and δ."""
    (i, f, g, z_g, o), (d_h, d_c, *d_gates) = saved, d_state
    d_i, d_o = d_gates or (0, 0)
    shown = form.output_activation.value(state[1])
    delta_o = taps.delta("z_o", (d_h * shown + d_o) * (o * (1 - o)), "δ_o")
    d_c = d_c + d_h * (o * _slope(form.output_activation, shown, state[1]))
    if form.peepholes:
        d_c = d_c + packed.peepholes[-1] * delta_o
    d_c = taps.delta("c", d_c, "d_c")
    delta_i = taps.delta("z_i", (d_c * g + d_i) * (i * (1 - i)), "δ_i")
    delta_f = [] if f is None else [taps.delta("z_f", d_c * previous[1] * (f * (1 - f)), "δ_f")]
    delta_g = taps.delta("z_g", d_c * (i * _slope(form.input_activation, g, z_g)), "δ_g")
    delta = jnp.concatenate([delta_i, *delta_f, delta_g, delta_o], axis=-1)
    d_c = d_c if f is None else d_c * f
    if form.peepholes:
        d_c = d_c + sum(p * d for p, d in zip(packed.peepholes, [delta_i, *delta_f], strict=False))
    d_h, *d_gates = jnp.split(delta @ packed.recurrent_weights, 3 if form.of_1997 else 1, axis=-1)
    return (d_h, d_c, *d_gates), delta


def weigh(form: Form, x, previous, states, delta):
    """dW, dR, db and the peepholes' gradients."""
    d_biases = jnp.sum(delta, axis=(0, 1))
    d_peepholes = None
    if form.peepholes:
        delta_i, delta_f, _, delta_o = jnp.split(delta, len(form.names), axis=-1)
        pairs = [(delta_i, previous[1]), (delta_f, previous[1]), (delta_o, states[1])]
        d_peepholes = tuple(jnp.sum(d * c, axis=(0, 1)) for d, c in pairs)
    return (*contract_both(delta, x, _seen(form, previous)), d_biases, d_peepholes)


def unpack(form: Form, params, d_packed):
    """The gradient, gate by gate."""
    *stacked, d_peepholes = d_packed
    *first, last = d_peepholes or (None,) * (len(form.names) - 1)
    split = zip(*(jnp.split(part, len(form.names)) for part in stacked), (*first, None, last), strict=True)
    gates = {name: type(params.candidate)(*each) for name, each in zip(form.names, split, strict=True)}
    return params._replace(**gates, initial_state=None)


def _seen(form: Form, state):
    """What gates see of the state: h, and in 1997 i and o."""
    return jnp.concatenate([state[0], *state[2:]], axis=-1) if form.of_1997 else state[0]


def _slope(activation, a, z):
    """σ'(z), from a = σ(z) where that is enough."""
    return activation.slope(a) if activation.slope else activation.derivative(z)


def _gate(half):
    """σ(z) from z/2."""
    return 0.5 * jnp.tanh(half) + 0.5

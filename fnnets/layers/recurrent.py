"""The simple recurrent layer: the inputs of every unit include all activations of the step before.

    forward:   z[t] = x[t] Wᵀ + a[t−1] ωᵀ + b
               a[t] = σ(z[t]),  a[0] = 0 or learnt
    backward:  δ[t] = (d_a[t] + δ[t+1] ω) ⊙ σ'(z[t])      (8), from the last step to the first
               dW = Σ_t δ[t]ᵀ x[t]                        (10, 13)
               dω = Σ_t δ[t]ᵀ a[t−1]                      (11, 14)
               db = Σ_t δ[t]                              (9, 12)
               dx[t] = δ[t] W                             (8), for the layer below
               da[0] = δ[1] ω                             where it is learnt

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W | `params.weights` | (h, m) |
| ω | `params.recurrent_weights` | (h, h) |
| b | `params.biases` | (h,) |
| a[0] | `params.initial_state`, a tuple of one; None where it is zero | (h,) |
| a[t−1], z[t] | `trace.a_before`, `trace.z` | (N, h) |
| d_a[t] | `d_a`, the part of ∂C/∂a[t] that comes from above | (N, h) |
| δ[t], δ[t+1] | `delta`, `after`; `first` is δ[1], of the first real step | (N, h) |

`step` and `back` are those of one step, `gradient` sums over all; `fnnets.layers.cell` runs the three over time.
What a learnt a[0] gets has no number in the notes: a[0] reaches C through z[1] alone. The kernel,
`fnnets.kernels.recurrent`, computes the same.

Source: [Rauber], section 6, statements (8)-(14).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import recurrent as kernel
from fnnets.layers import recurrence
from fnnets.layers.cell import Cell

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class RecurrentParams(NamedTuple):
    """W (h, m), ω (h, h), b (h,), and a[0] (h,) in a tuple of one where it is learnt."""

    weights: Float[Array, "h m"]
    recurrent_weights: Float[Array, "h h"]
    biases: Float[Array, " h"]
    initial_state: PyTree | None = None


class RecurrentTrace(NamedTuple):
    """The trace of a step: x[t] (N, m), a[t−1] (N, h) and z[t] (N, h); of all steps (T, N, ·)."""

    x: Float[Array, "*t n m"]
    a_before: Float[Array, "*t n h"]
    z: Float[Array, "*t n h"]


def step(activation: Activation, params: RecurrentParams, state, x):
    """a[t], and the trace."""
    (a_before,) = state
    z = taps.tap("z", x @ params.weights.T + a_before @ params.recurrent_weights.T + params.biases)
    return (activation.value(z),), RecurrentTrace(x, a_before, z)


def back(activation: Activation, params: RecurrentParams, trace: RecurrentTrace, d_a, after):
    """δ[t]."""
    return taps.delta("z", (d_a + after @ params.recurrent_weights) * activation.derivative(trace.z), "8")


def gradient(params: RecurrentParams, trace: RecurrentTrace, delta, first):
    """dW, dω and db; dx; da[0]."""
    d_weights = jnp.einsum("tnh,tnm->hm", delta, trace.x)
    d_recurrent_weights = jnp.einsum("tnh,tnk->hk", delta, trace.a_before)
    d_biases = jnp.sum(delta, axis=(0, 1))
    d_x = delta @ params.weights
    d_start = first @ params.recurrent_weights
    return RecurrentParams(d_weights, d_recurrent_weights, d_biases), d_x, (d_start,)


@constructor
def recurrent(
    units: int,
    activation: Activation = activations.sigmoid,
    *,
    learn_initial_state: bool = False,
    truncate: int | None = None,
    checkpoint_every: int | None = None,
    return_sequences: bool = True,
    initializer: initializers.Initializer = initializers.default,
    implementation: str = "fast",
) -> Layer:
    """A layer of `units` units, each connected to all of them over one step of time.

    Args:
        units: h, the number of units.
        activation: σ with its derivative.
        learn_initial_state: whether a[0] is a parameter, beginning as zeros; else it is zero.
        truncate: k: δ does not pass from one segment of k steps into the one before it, an *approximation* of the
            gradient that verification names as such; None for the gradient.
        checkpoint_every: k: keep every k-th state alone and compute the rest again in the backward pass: less memory,
            the same gradient to rounding; √T keeps the least. The fast implementation alone has it.
        return_sequences: whether the output is a[t] at every step, (T, N, h), or a[T] alone, (N, h).
        initializer: initial values of W, ω and b; parameters are of JAX's default float dtype, float32.
        implementation: "fast", the kernel, or "plain", this page as it stands; both give the same to rounding.

    Raises:
        TypeError, ValueError: an option of the wrong kind or range; in `init` and `forward`, steps that are not one
            axis of m features, T = 0, a mask or a state that does not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.recurrent(5, fn.activations.tanh)
    >>> params, shape = layer.init(jax.random.key(0), (3,))
    >>> y, trace = layer.forward(params, jnp.ones((7, 2, 3)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> y.shape, d_params.recurrent_weights.shape, d_x.shape
    ((7, 2, 5), (5, 5), (7, 2, 3))
    """
    units = validate.count(units, "recurrent: units", "give the number of units")
    validate.is_instance(activation, Activation, "recurrent: activation", "take one from fnnets.activations")
    chosen = recurrence.options(
        "recurrent", learn_initial_state, truncate, checkpoint_every, return_sequences, initializer, implementation
    )

    def init(key, m):
        keys, dtype = jax.random.split(key, 3), jnp.result_type(float)
        draw = initializer.weights(-1, -2)
        weights, recurrent_weights = draw(keys[0], (units, m), dtype), draw(keys[1], (units, units), dtype)
        return RecurrentParams(weights, recurrent_weights, initializer.biases(keys[2], (units,), dtype))

    statements: PyTree = RecurrentParams("10, 13", "11, 14", "9, 12")  # type: ignore[arg-type]
    cell = Cell(
        "recurrent", units, init, lambda zeros: (zeros,), lambda zeros: zeros, partial(step, activation),
        partial(back, activation), gradient, statements, input_statement="8",
    )  # fmt: skip
    return recurrence.layer(cell, kernel.cell(units, activation), chosen, activation.name)

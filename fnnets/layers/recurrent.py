"""The simple recurrent layer: every unit sees the whole layer as it was one step before.

    forward:   z[t] = x[t] Wᵀ + a[t−1] ωᵀ + b
               a[t] = σ(z[t]),  a[0] = 0 or learnt
    backward:  δ[t] = (d_a[t] + δ[t+1] ω) ⊙ σ'(z[t])      (8), from the last step to the first
               dω = Σ_t δ[t]ᵀ a[t−1]                      (11, 14)
               dW = Σ_t δ[t]ᵀ x[t]                        (10, 13)
               db = Σ_t δ[t]                              (9, 12)
               dx[t] = δ[t] W                             (2, left factor)

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m) |
| W | `params.weights` | (h, m) |
| ω | `params.recurrent_weights` | (h, h) |
| b | `params.biases` | (h,) |
| a[0] | `params.initial_state`, a tuple of one; None where it is zero | (h,) |
| z | `saved`; None where σ'(z) can be had from a | (T, N, h) |
| a | `states[0]`, the output | (T, N, h) |
| δ | `delta` | (T, N, h) |

x Wᵀ + b of all steps is one contraction before the scan, as dω and dW are after it; d_a[t] is the part of ∂C/∂a[t] that
comes from above, δ[t+1] ω the part that comes through time. What a learnt a[0] gets has no number in the notes.

Source: [Rauber], section 6, statements (8)-(14).
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

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class RecurrentParams(NamedTuple):
    """W (h, m), ω (h, h), b (h,), and a[0] (h,) in a tuple of one where it is learnt."""

    weights: Float[Array, "h m"]
    recurrent_weights: Float[Array, "h h"]
    biases: Float[Array, " h"]
    initial_state: PyTree | None = None


class PackedRecurrent(NamedTuple):
    """W (h, m), ω (h, h), b (h,), and ωᵀ laid out once for all steps."""

    weights: Float[Array, "h m"]
    recurrent_weights: Float[Array, "h h"]
    biases: Float[Array, " h"]
    ahead: Float[Array, "h h"]


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
) -> Layer:
    """A layer of `units` units, each connected to all of them over one step of time.

    Args:
        units: h, the number of units.
        activation: σ with its derivative.
        learn_initial_state: whether a[0] is a parameter, beginning as zeros; else it is zero.
        truncate: k: δ does not pass from one segment of k steps into the one before it, an *approximation* of the
            gradient that verification names as such; None for the gradient.
        checkpoint_every: k: keep every k-th state alone and compute the rest again in the backward pass: less memory,
            the same gradient to rounding; √T keeps the least.
        return_sequences: whether the output is a[t] at every step, (T, N, h), or a[T] alone, (N, h).
        initializer: initial values of W, ω and b; parameters are of JAX's default float dtype, float32.

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
    validate.is_instance(
        initializer, initializers.Initializer, "recurrent: initializer", "take one from fnnets.initializers"
    )
    chosen = cell.options("recurrent", learn_initial_state, truncate, checkpoint_every, return_sequences)

    def init(key, m):
        keys, dtype = jax.random.split(key, 3), jnp.result_type(float)
        draw = initializer.weights(-1, -2)
        weights, recurrent_weights = draw(keys[0], (units, m), dtype), draw(keys[1], (units, units), dtype)
        return RecurrentParams(weights, recurrent_weights, initializer.biases(keys[2], (units,), dtype))

    def start(params: RecurrentParams, n):
        return (jnp.zeros((n, units), params.biases.dtype),)

    def pack(params: RecurrentParams):
        return PackedRecurrent(*params[:3], params.recurrent_weights.T)

    def project(packed: PackedRecurrent, x):
        return x @ packed.weights.T + packed.biases

    def step(packed: PackedRecurrent, state, projected):
        z = taps.tap("z", projected + state[0] @ packed.ahead)
        return (activation.value(z),), None if activation.slope else z

    def back(packed: PackedRecurrent, z, previous, state, d_state):
        slope = activation.slope(state[0]) if activation.slope else activation.derivative(z)
        delta = taps.delta("z", d_state[0] * slope, "8")
        return (delta @ packed.recurrent_weights,), delta

    def weigh(x, previous, states, delta):
        d_weights, d_recurrent_weights = contract_both(delta, x, previous[0])
        return RecurrentParams(d_weights, d_recurrent_weights, jnp.sum(delta, axis=(0, 1)))

    return cell.layer(
        Cell(
            "recurrent", units, init, start, pack=pack, project=project, step=step, back=back, weigh=weigh,
            d_input=lambda packed, delta: delta @ packed.weights, unpack=lambda params, d_packed: d_packed,
            statements=RecurrentParams("10, 13", "11, 14", "9, 12"), input_statement="8", width=units, parts={"a": "8"},  # type: ignore[arg-type]
        ),
        chosen,
    )  # fmt: skip

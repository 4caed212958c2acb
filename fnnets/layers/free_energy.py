"""The free energy of a restricted Boltzmann machine, as a layer: what remains when the hidden units are summed out.

    E(v, h) = −b·v − c·h − h·Wv − log ν(v) − log ν(h)
    forward:   t = v Wᵀ + c          F(v) = −log Σ_h exp −E(v, h) = −b·v − Σ_j Φ(t_j) − log ν(v)
    backward:  ∂F/∂t = −Φ'(t) = −ĥ,  ĥ = E[h | v]
               dW = −Σ_n d_F ĥ vᵀ         so the mean over examples is −⟨h vᵀ⟩
               dc = −Σ_n d_F ĥ            −⟨h⟩
               db = −Σ_n d_F v            −⟨v⟩
               dv = −d_F (b + ĥ W − κ v)  κ = 1 for Gaussian visible units, 0 for binary ones

| symbol | name in code | shape |
|---|---|---|
| v | `x` | (N, p) |
| W | `params.weights` | (q, p) |
| b, c | `params.visible_biases`, `params.hidden_biases` | (p,), (q,) |
| t | `trace.t` | (N, q) |
| F | result, nats | (N, 1); with t as a second output (N, 1) and (N, q) |
| Φ, Φ', κ | `units.potential`, `units.mean`, `units.curvature` | |

Derivation: for fixed v the terms of exp −E factorise over the hidden units, each of which gives ∫ exp(t h) dν(h) = exp
Φ(t). The units may be of any kind of `fnnets.core.units`. For Gaussian ones E is (v − b)²/2 of [Hinton2010],
equation 17, up to a constant in b, which changes no probability.

Source: [Hinton2002]; [Hinton2010], sections 2 and 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import taps, units, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class BoltzmannParams(NamedTuple):
    """W (q, p), b (p,) and c (q,)."""

    weights: Float[Array, "q p"]
    visible_biases: Float[Array, " p"]
    hidden_biases: Float[Array, " q"]


class FreeEnergyTrace(NamedTuple):
    """The trace: v (N, p) and t (N, q)."""

    v: Float[Array, "*n p"]
    t: Float[Array, "*n q"]


@constructor
def free_energy(
    hidden: int,
    visible_units: units.Units = units.binary,
    hidden_units: units.Units = units.binary,
    *,
    deviation: float = 0.01,
    visible_biases: Array | None = None,
    with_inputs: bool = False,
) -> Layer:
    """F(v) of an RBM with `hidden` hidden units: weights from N(0, deviation²), hidden biases 0.

    Args:
        hidden: q.
        visible_units, hidden_units: kinds from `fnnets.core.units`.
        deviation: standard deviation of the initial weights; [Hinton2010], section 8, has 0.01.
        visible_biases: (p,) with which b begins; None for 0.
        with_inputs: give the hidden units' weighted inputs t as a second output, for costs that look at them.

    Raises:
        TypeError, ValueError: `hidden` is no int ≥ 1; kinds that are none; a deviation < 0; in `init` and `forward`,
            an input that is not one axis of p features; in `init`, visible biases of another number.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.free_energy(3, deviation=0.0)
    >>> params, shape = layer.init(jax.random.key(0), (2,))
    >>> round(float(layer.forward(params, jnp.zeros((1, 2)), fn.Context())[0][0, 0]), 4)        # −3 log 2
    -2.0794
    """
    hidden = validate.count(hidden, "free_energy: hidden", "give the number of hidden units")
    validate.is_instance(visible_units, units.Units, "free_energy: visible_units", "take a kind from fnnets.core.units")
    validate.is_instance(hidden_units, units.Units, "free_energy: hidden_units", "take a kind from fnnets.core.units")
    validate.at_least(deviation, 0.0, "free_energy: deviation", "0.01 is common")
    validate.flag(with_inputs, "free_energy: with_inputs", "True gives t as a second output")
    if visible_biases is not None:
        visible_biases = _checked_biases(visible_biases)

    def init(key, shape):
        dtype = jnp.result_type(float)
        weights = deviation * jax.random.normal(key, (hidden, *shape), dtype)
        biases = jnp.zeros(shape, dtype) if visible_biases is None else _of_shape(visible_biases, shape, dtype)
        return BoltzmannParams(weights, biases, jnp.zeros(hidden, dtype)), ((1,), (hidden,)) if with_inputs else (1,)

    def forward(params: BoltzmannParams, x: Float[Array, "*n p"], context):
        t = taps.tap("t", x @ params.weights.T + params.hidden_biases)
        field = x @ params.visible_biases + units.log_measure(visible_units, x)
        y = -(field + jnp.sum(hidden_units.potential(t), axis=-1))[..., None]
        return ((y, t) if with_inputs else y), FreeEnergyTrace(x, t)

    def backward(params: BoltzmannParams, trace: FreeEnergyTrace, d_y):
        d_f, d_beside = d_y if with_inputs else (d_y, 0)
        d_t = taps.delta("t", -d_f * hidden_units.mean(trace.t) + d_beside, "∂F/∂t")
        axes = tuple(range(trace.t.ndim - 1))
        d_weights = jnp.tensordot(d_t, trace.v, axes=(axes, axes))
        d_visible = -jnp.tensordot(d_f, trace.v, axes=(axes, axes))[0]
        d_v = d_t @ params.weights + d_f * (visible_units.curvature * trace.v - params.visible_biases)
        return BoltzmannParams(d_weights, d_visible, jnp.sum(d_t, axis=axes)), d_v

    statements: PyTree = BoltzmannParams("⟨h vᵀ⟩", "⟨v⟩", "⟨h⟩")  # type: ignore[arg-type]
    answer = None if with_inputs else (lambda params, trace: (*trace.t.shape[:-1], 1))
    return Layer(
        init, forward, backward, "free_energy", statements, trace=FreeEnergyTrace, answer=answer,
        expects="x (…, p), weights (q, p), visible_biases (p), hidden_biases (q)",
    )  # fmt: skip


def _of_shape(biases, shape, dtype):
    """The visible biases, refused unless there is one for each visible unit."""
    if biases.shape != tuple(shape):
        raise ValueError(
            f"free_energy: visible_biases has shape {biases.shape}, expected {tuple(shape)}; give one for each visible "
            "unit"
        )
    return jnp.asarray(biases, dtype)


def _checked_biases(value) -> Array:
    """Visible biases (p,), finite numbers all."""
    value = validate.array(value, "free_energy: visible_biases")
    if value.ndim != 1:
        raise ValueError(
            f"free_energy: visible_biases has shape {value.shape}, expected (p,); give one for each visible unit"
        )
    validate.finite(value, "free_energy: visible_biases")
    return value

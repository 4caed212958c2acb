"""The locally connected layer: a convolution whose filters are not shared, one set of them for each window.

    forward:   z[n,p,k] = b[p,k] + Σ_{i,j,c} w[p,i,j,c,k] u[n,p,i,j,c]      a = σ(z)
    backward:  δ = d_a ⊙ σ'(z)
               dW[p,i,j,c,k] = Σ_n u[n,p,i,j,c] δ[n,p,k]                    (dW, unshared)
               db[p,k] = Σ_n δ[n,p,k]                                       (db, unshared)
               d_u[n,p,i,j,c] = Σ_k δ[n,p,k] w[p,i,j,c,k]
               dx = at each pixel the sum of d_u over all windows and entries that see it

p = (y, x) counts the M = H' W' windows, u[n,p] is what the window at p sees of the image and its padding. Derivation:
the unit (p, k) is one of a fully connected layer whose inputs are the pixels u[n,p]; w[p,i,j,c,k] takes part in
z[n,p,k] alone, so that nothing is summed over positions, which is all that sharing adds to a convolution's dW and db. A
pixel is seen by several windows, and its derivative is the sum of what each of them passes back.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| u, d_u | `u`, `d_u` | (N, H', W', h, w, C) |
| w | `params.weights` | (H', W', h, w, C, K) |
| b | `params.biases` | (H', W', K) |
| z | `trace.z` | (N, H', W', K) |
| δ | `delta` | (N, H', W', K) |

The layer has no `window`: its weights belong to positions, so it slides over no larger image.

Source: [Rauber], section 5, for z and for the number of parameters, MK(Chw + 1) against the convolution's K(Chw + 1);
[LeCun1989] compares networks of both kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import guards, shapes, taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import windows
from fnnets.layers.convolution import filters_of

if TYPE_CHECKING:
    from jaxtyping import Float, PyTree


class LocallyConnectedParams(NamedTuple):
    """W (H', W', h, w, C, K) and b (H', W', K): MK(Chw + 1) numbers for M = H' W' windows."""

    weights: Float[Array, "y x i j c k"]
    biases: Float[Array, "y x k"]


class LocallyConnectedTrace(NamedTuple):
    """The trace: x (N, H, W, C) and z (N, H', W', K)."""

    x: Float[Array, "n h w c"]
    z: Float[Array, "n y x k"]


@constructor
def locally_connected(
    filters: int,
    window: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    padding: windows.Padding = "valid",
    activation: Activation = activations.identity,
    dilation: int | tuple[int, int] = 1,
    initializer: initializers.Initializer = initializers.default,
) -> Layer:
    """At every position filters of its own, and a bias for each, then the activation.

    As each position has its own parameters, the layer takes images with as many positions as `init` was given, and it
    does not slide over larger ones as a convolution does.

    Args:
        filters: K, the number of filters of a position, which are the channels of the output.
        window: pixels (h, w) of a filter; one number stands for both, here and below.
        stride: pixels from one position to the next.
        padding: zeros around the image: "valid" for none, "same" for ⌈H/stride⌉ positions, or explicit
            ((top, bottom), (left, right)).
        activation: σ with its derivative.
        dilation: pixels from one entry of the filter to the next.
        initializer: initial values of W and b; the fan of a unit is C·h·w.

    Raises:
        TypeError, ValueError: settings out of range; in `init` and `forward`, an example that is no image
            (H, W, C), one too small for the window; in `forward`, another number of channels or of positions.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.locally_connected(20, 5, activation=fn.activations.relu)
    >>> params, shape = layer.init(jax.random.key(0), (28, 28, 1))
    >>> shape, params.weights.size + params.biases.size == 24 * 24 * 520
    ((24, 24, 20), True)
    >>> y, trace = layer.forward(params, jnp.ones((4, 28, 28, 1)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> d_params.weights.shape, d_x.shape
    ((24, 24, 5, 5, 1, 20), (4, 28, 28, 1))
    """
    filters = validate.count(filters, "locally_connected: filters", "give the number of filters")
    seen = windows.window("locally_connected", window, stride, padding, dilation)
    validate.is_instance(activation, Activation, "locally_connected: activation", "take one from fnnets.activations")
    validate.is_instance(
        initializer, initializers.Initializer, "locally_connected: initializer", "take one from fnnets.initializers"
    )

    def init(key, shape):
        shapes.check_image(shape, "locally_connected", seen)
        weights_key, biases_key = jax.random.split(key)
        (height, width), dtype = seen.positions(shape[:2]), jnp.result_type(float)
        draw, one = initializer.weights(-2, -1), (*seen.size, shape[2], filters)
        keys = jax.random.split(weights_key, height * width)  # the fan of a unit is that of one position
        weights = jax.vmap(lambda key: draw(key, one, dtype))(keys).reshape(height, width, *one)
        biases = initializer.biases(biases_key, (height, width, filters), dtype)
        return LocallyConnectedParams(weights, biases), (height, width, filters)

    def forward(params: LocallyConnectedParams, x: Float[Array, "n h w c"], context):
        u = windows.patches(x, seen)
        z = taps.tap("z", jnp.einsum("nyxijc,yxijck->nyxk", u, params.weights) + params.biases)
        return activation.value(z), LocallyConnectedTrace(x, z)

    def backward(params: LocallyConnectedParams, trace: LocallyConnectedTrace, d_y: Float[Array, "n y x k"]):
        u = windows.patches(trace.x, seen)
        delta = taps.delta("z", d_y * activation.derivative(trace.z), "δ")
        d_weights = jnp.einsum("nyxijc,nyxk->yxijck", u, delta)
        d_biases = jnp.einsum("nyxk->yxk", delta)
        d_u = jnp.einsum("nyxk,yxijck->nyxijc", delta, params.weights)
        d_x = windows.fold_patches(d_u, seen, trace.x.shape[1:3])
        return LocallyConnectedParams(d_weights, d_biases), d_x

    statements: PyTree = LocallyConnectedParams("dW, unshared", "db, unshared")  # type: ignore[arg-type]
    return Layer(
        init, forward, backward, "locally_connected", statements, check=_check(seen),
        expects="x (N, H, W, C), weights (y, x, h, w, C, K), biases (y, x, K)", detail=activation.title,
        trace=LocallyConnectedTrace, answer=guards.shape_of("z"),
    )  # fmt: skip


def _check(seen: windows.Window):
    """A check that x has as many positions as the layer has filters for."""
    filters = filters_of(seen, "locally_connected")

    def check(params: LocallyConnectedParams, x, context):
        filters(params, x, context)
        shapes.check_image(x.shape[1:], "locally_connected", seen)
        came, made = seen.positions(x.shape[1:3]), params.weights.shape[:2]
        if came != made:
            raise ValueError(
                f"locally_connected: x holds images of shape {x.shape[1:]} with {came[0]} x {came[1]} positions, "
                f"expected {made[0]} x {made[1]}, each of which has weights of its own; give it images of the size "
                "that it was made for, or take a convolution, which slides over any"
            )

    return check

"""The convolutional layer, as the notes define it: one filter, slid over the image without being flipped.

    forward:   u[n,y,x,i,j,c] = x[n, y·s + i·r − before, x·s + j·r − before, c], 0 in the padding
               z[n,y,x,k] = Σ_{i,j,c} u[n,y,x,i,j,c] w[i,j,c,k] + b_k                           a = σ(z)
    backward:  δ = d_a ⊙ σ'(z)
               dW[i,j,c,k] = Σ_{n,y,x} u[n,y,x,i,j,c] δ[n,y,x,k]
               db_k = Σ_{n,y,x} δ[n,y,x,k]
               d_u[n,y,x,i,j,c] = Σ_k δ[n,y,x,k] w[i,j,c,k]
               dx = at each pixel the sum of d_u over all windows and entries that see it

s is the stride, r the dilation, (y, x) a position of the window, and u what it sees there. The derivation, which the
notes leave out: z is a weighted sum of pixels, as in the fully connected layer, but each weight takes part in it once
for every position, so that its derivative is a sum over them: w[i,j,c,k] meets u[n,y,x,i,j,c] in z[n,y,x,k], hence
∂z/∂w is that pixel; ∂z/∂b is 1. That pixel meets w[i,j,c,k] in each of the K sums, hence d_u. Windows overlap: one
pixel of x stands in u once for each window and entry that see it, and its derivative is the sum of what each of them
passes back, which is called fold.

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (N, H, W, C) |
| u, d_u | `u`, `d_u` | (N, H', W', h, w, C) |
| w | `params.weights` | (h, w, C, K) |
| b | `params.biases` | (K,) |
| z | `trace.z` | (N, H', W', K) |
| δ | `delta` | (N, H', W', K) |

With stride and dilation 1 and no padding, z − b at (y, x) is the notes' discrete convolution of the image f with the
filter g, (f * g)(y, x) = Σ_{i,j} f(i, j) · g(i − y, j − x): g slides over f and is not flipped. Signal processing flips
it in a convolution, and calls this sum the cross-correlation. The kernel, `fnnets.kernels.convolution`, computes the
same without u.

Source: [Rauber], section 5, for the forward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import activations, initializers
from fnnets.activations import Activation
from fnnets.core import guards, taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.kernels import convolution as kernel
from fnnets.kernels import paths, windows

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class ConvolutionParams(NamedTuple):
    """W (h, w, C, K) and b (K,): K(Chw + 1) numbers."""

    weights: Float[Array, "i j c k"]
    biases: Float[Array, " k"]


class ConvolutionTrace(NamedTuple):
    """The trace: x (N, H, W, C) and z (N, H', W', K)."""

    x: Float[Array, "n h w c"]
    z: Float[Array, "n y x k"]


@constructor
def convolution(
    filters: int,
    window: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    padding: windows.Padding = "valid",
    activation: Activation = activations.identity,
    dilation: int | tuple[int, int] = 1,
    initializer: initializers.Initializer = initializers.default,
    implementation: str = "fast",
) -> Layer:
    """Each of the filters correlated with the image at every position, plus its bias, then the activation.

    Args:
        filters: K, the number of filters, which are the channels of the output.
        window: pixels (h, w) of a filter; one number stands for both, here and below.
        stride: pixels from one position to the next.
        padding: zeros around the image: "valid" for none, "same" for ⌈H/stride⌉ positions, or explicit
            ((top, bottom), (left, right)).
        activation: σ with its derivative.
        dilation: pixels from one entry of the filter to the next.
        initializer: initial values of W and b; the fan of a unit is C·h·w.
        implementation: "fast", the kernel, or "plain", this page; both give the same to rounding.

    Raises:
        TypeError, ValueError: settings out of range; in `init` and `forward`, an example that is no image
            (H, W, C), one too small for the window, another number of channels.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> layer = fn.layers.convolution(20, 5, activation=fn.activations.relu)
    >>> params, shape = layer.init(jax.random.key(0), (28, 28, 1))
    >>> shape, params.weights.size + params.biases.size
    ((24, 24, 20), 520)
    >>> y, trace = layer.forward(params, jnp.ones((4, 28, 28, 1)), fn.Context())
    >>> d_params, d_x = layer.backward(params, trace, jnp.ones_like(y))
    >>> d_params.weights.shape, d_x.shape
    ((5, 5, 1, 20), (4, 28, 28, 1))
    """
    filters = validate.count(filters, "convolution: filters", "give the number of filters")
    seen = windows.window("convolution", window, stride, padding, dilation)
    validate.is_instance(activation, Activation, "convolution: activation", "take one from fnnets.activations")
    validate.is_instance(
        initializer, initializers.Initializer, "convolution: initializer", "take one from fnnets.initializers"
    )
    is_fast = paths.is_fast(implementation, "convolution")

    def init(key, shape):
        (weights_key, biases_key), dtype = jax.random.split(key), jnp.result_type(float)
        weights = initializer.weights(-2, -1)(weights_key, (*seen.size, shape[2], filters), dtype)
        biases = initializer.biases(biases_key, (filters,), dtype)
        return ConvolutionParams(weights, biases), (*seen.positions(shape[:2]), filters)

    def forward(params: ConvolutionParams, x: Float[Array, "n h w c"], context):
        u = windows.patches(x, seen)
        z = taps.tap("z", jnp.einsum("nyxijc,ijck->nyxk", u, params.weights) + params.biases)
        return activation.value(z), ConvolutionTrace(x, z)

    def backward(params: ConvolutionParams, trace: ConvolutionTrace, d_y: Float[Array, "n y x k"]):
        u = windows.patches(trace.x, seen)
        delta = taps.delta("z", d_y * activation.derivative(trace.z), "δ")
        d_weights = jnp.einsum("nyxijc,nyxk->ijck", u, delta)
        d_biases = jnp.einsum("nyxk->k", delta)
        d_u = jnp.einsum("nyxk,ijck->nyxijc", delta, params.weights)
        d_x = windows.fold_patches(d_u, seen, trace.x.shape[1:3])
        return ConvolutionParams(d_weights, d_biases), d_x

    passes = kernel.passes(seen, activation, ConvolutionTrace) if is_fast else (forward, backward)
    statements: PyTree = ConvolutionParams("dW", "db")  # type: ignore[arg-type]
    return Layer(
        init, *passes, "convolution", statements, window=seen, check=filters_of(seen, "convolution"),
        expects="x (N, H, W, C), weights (h, w, C, K), biases (K)",
        detail=activation.title, trace=ConvolutionTrace, answer=guards.shape_of("z"),
    )  # fmt: skip


def filters_of(seen: windows.Window, layer: str):
    """A check that the filters have the pixels of the layer's window."""

    def check(params, x, context):
        came = params.weights.shape[-4:-2]
        if came != seen.size:
            raise ValueError(
                f"{layer}: weights has shape {params.weights.shape}, windows of {came[0]} x {came[1]} pixels, expected "
                f"{seen.size[0]} x {seen.size[1]}; take params from init"
            )

    return check

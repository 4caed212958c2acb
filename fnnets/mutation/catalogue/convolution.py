"""Mutants of the convolution layer and its contractions, and of the layer that shares no filters.

| what is changed | where it must be found |
|---|---|
| dW, db | "convolution .weights", "convolution .biases" |
| the same of the layer that shares none | "locally_connected …" |
| dx, on a CPU two ways: a correlation where positions are many, patches where they are few | "convolution d_x" |
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

CONVOLUTION, KERNEL = "fnnets.layers.convolution:convolution", "fnnets.kernels.convolution"
UNSHARED, POSITIONS = "fnnets.layers.locally_connected:locally_connected", "more than one position"
PLAIN, PATCHES, PLACED = (
    f"{KERNEL}:input_gradient_plainly",
    f"{KERNEL}:_patches",
    "fnnets.kernels.windows:fold",
)

SLOPE, FLIPPED = "d_y * activation.derivative(trace.z)", "jnp.swapaxes(weights[::-1, ::-1], 2, 3)"
OUTER, BIASES = "kernel.weights_gradient(trace.x, delta, seen)", "jnp.sum(delta, axis=(0, 1, 2))"
INNER, START = "kernel.input_gradient(delta, params.weights,", "start = entry * window.dilation[axis - 1] - before"
PADS = "(before, _), s = window.pads(shape)[axis - 1], window.stride[axis - 1]"

TAPS = 'window._replace(padding="valid")'
UNDILATED = 'window._replace(padding="valid", dilation=(1, 1)).views(single)'

D_X, D_W, D_B = ("convolution d_x",), ("convolution .weights",), ("convolution .biases",)
DENSELY = "a window at nearly every pixel"
SPARSELY, DILATED = "a stride that is not 1", "a dilation that is not 1"

MUTANTS = (
    Mutant("convolution: σ′ omitted", CONVOLUTION, SLOPE, "d_y", ("convolution z",), "δ", "strided"),
    Mutant("kernel not flipped in the input gradient", PLAIN, FLIPPED, "jnp.swapaxes(weights, 2, 3)", D_X, "dx",
           "square", f"kernels without symmetry, {DENSELY}"),
    Mutant("kernel flipped along one axis only", PLAIN, FLIPPED, "jnp.swapaxes(weights[::-1], 2, 3)", D_X, "dx",
           "square", f"kernels without symmetry, {DENSELY}"),
    Mutant("kernel turned before the input gradient", CONVOLUTION, INNER,
           INNER.replace("params.weights", "params.weights[::-1, ::-1]"), D_X, "dx", "strided",
           "kernels without symmetry"),
    Mutant("input and output channels not transposed", PLAIN, FLIPPED, "weights[::-1, ::-1]", D_X, "dx", "square",
           f"as many filters as channels, {DENSELY}"),
    Mutant("stride forgotten in the input gradient", PLACED, PADS, PADS.replace("window.stride[axis - 1]", "1"), D_X,
           "dx", "strided", SPARSELY),
    Mutant("stride dilation forgotten", PLACED, START, "start = entry - before", D_X, "dx", "strided",
           f"{DILATED}, and {SPARSELY}"),
    Mutant("padding off by one", PLACED, START, f"{START} + 1", D_X, "dx", "strided", SPARSELY),
    Mutant("padding forgotten in the input gradient", PLACED, START, START.replace(" - before", ""), D_X, "dx",
           "strided", f"padding, and {SPARSELY}"),
    Mutant("dilation forgotten in dW", PATCHES, f"{TAPS}.views(single)",
           f"[one[:, : other.shape[1], : other.shape[2]] for one, other in zip({UNDILATED}, {TAPS}.views(single))]",
           D_W, "dW", "strided", DILATED),
    Mutant("padding after instead of before in dW", PATCHES, "window.padded(x)",
           "jnp.roll(window.padded(x), 1, axis=1)", D_W, "dW", "strided", "padding"),
    Mutant("correlation for convolution in dW", CONVOLUTION, OUTER, f"{OUTER}[::-1, ::-1]", D_W, "dW", "strided"),
    Mutant("dW with channels swapped", CONVOLUTION, OUTER, f"{OUTER}.swapaxes(2, 3)", D_W, "dW", "square",
           "as many filters as channels"),
    Mutant("dW with rows and columns swapped", CONVOLUTION, OUTER, f"{OUTER}.swapaxes(0, 1)", D_W, "dW", "square",
           "windows as high as wide"),
    Mutant("dW without the last row of positions", CONVOLUTION, OUTER,
           OUTER.replace("delta", "delta.at[:, -1].set(0)"), D_W, "dW", "strided"),
    Mutant("dW of the first image", CONVOLUTION, OUTER, "kernel.weights_gradient(trace.x[:1], delta[:1], seen)",
           D_W, "dW", "strided", "a batch of more than one"),
    Mutant("db not summed over height and width", CONVOLUTION, BIASES, "jnp.sum(delta, axis=0)[0, 0]", D_B, "db",
           "strided", "more than one position"),
    Mutant("db averaged over height and width", CONVOLUTION, BIASES, "jnp.sum(jnp.mean(delta, axis=(1, 2)), axis=0)",
           D_B, "db", "strided", "more than one position"),
    Mutant("convolution: db zero", CONVOLUTION, BIASES, "jnp.zeros_like(params.biases)", D_B, "db", "strided"),
    Mutant("unshared: σ′ omitted", UNSHARED, SLOPE, "d_y", ("locally_connected z",), "δ", "unshared"),
    Mutant("unshared: dW of another row of positions", UNSHARED, "_patches(trace.x, seen), delta)",
           "_patches(trace.x, seen), delta[:, ::-1])", ("locally_connected .weights",), "dW, unshared", "unshared",
           POSITIONS),
    Mutant("unshared: db summed over positions", UNSHARED, "jnp.sum(delta, axis=0)",
           "jnp.broadcast_to(jnp.sum(delta, axis=(0, 1, 2)), params.biases.shape)", ("locally_connected .biases",),
           "db, unshared", "unshared", POSITIONS),
    Mutant("unshared: dx by the weights of another row", UNSHARED, "delta, _entries(params.weights))",
           "delta, _entries(params.weights[::-1]))", ("locally_connected d_x",), "dx", "unshared", POSITIONS),
)  # fmt: skip

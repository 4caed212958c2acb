"""Mutants of the convolution layer, of its kernel, and of the layer that shares no filters.

| what is changed | where it must be found |
|---|---|
| dW, db | "convolution .weights", "convolution .biases" |
| the same of the layer that shares none | "locally_connected …" |
| dx | "convolution d_x" |

The kernel has two ways to dx on a CPU: a correlation where positions are many, patches where they are few. Mutants of
the page are called "plain: …", and are tried at settings of the page; those of Winograd's form "fewer products: …". A
fault in its matrices is in the forward pass too, where the tests compare it with the page.
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

CONVOLUTION, KERNEL = "fnnets.layers.convolution:convolution", "fnnets.kernels.convolution"
PASSES, STRIDED, SQUARE = f"{KERNEL}:passes", "strided, plain", "square, plain"
UNSHARED, POSITIONS = "fnnets.layers.locally_connected:locally_connected", "more than one position"
CALLED, PATCHES, PLACED = (
    f"{KERNEL}:input_gradient_by_convolution",
    f"{KERNEL}:_patches",
    "fnnets.kernels.windows:fold",
)
FEWER, TIMES = "fnnets.kernels.winograd:weights_gradient", "fnnets.kernels.winograd:input_gradient"

SLOPE, FLIPPED = "d_y * activation.derivative(trace.z)", "jnp.swapaxes(weights[::-1, ::-1], 2, 3)"
OUTER, BIASES = "weights_gradient(trace.x, delta, window)", "jnp.sum(delta, axis=(0, 1, 2))"
INNER, START = "input_gradient(delta, params.weights,", "start = entry * window.dilation[axis - 1] - before"
PADS = "(before, _), s = window.pads(shape)[axis - 1], window.stride[axis - 1]"

UNDER, SUM = 'einsum("nyxijc,nyxk->ijck", u, delta)', 'einsum("nyxk->k", delta)'
BACK, SEEN = 'einsum("nyxk,ijck->nyxijc", delta, params.weights)', "windows.patches(trace.x, seen)"
ONTO = "windows.fold_patches(d_u, seen, trace.x.shape[1:3])"
BEFORE, TURNED, OF_TILES = "size - 1 - before", "weights[::-1, ::-1]", "_flat(v).T @ _flat(d)"

TAPS, UNDILATED = "entry * r for entry", "entry for entry"

D_X, D_W, D_B = ("convolution d_x",), ("convolution .weights",), ("convolution .biases",)
DENSELY = "a window at nearly every pixel"
MANY, LIKEWISE = "many channels", "3 x 3 pixels and many channels"
SPARSELY, DILATED = "a stride that is not 1", "a dilation that is not 1"

MUTANTS = (
    Mutant("convolution: σ′ omitted", PASSES, SLOPE, "d_y", ("convolution z",), "δ", "strided"),
    Mutant("kernel not flipped in the input gradient", CALLED, FLIPPED, "jnp.swapaxes(weights, 2, 3)", D_X, "dx",
           "square", f"kernels without symmetry, {DENSELY}"),
    Mutant("kernel flipped along one axis only", CALLED, FLIPPED, "jnp.swapaxes(weights[::-1], 2, 3)", D_X, "dx",
           "square", f"kernels without symmetry, {DENSELY}"),
    Mutant("kernel turned before the input gradient", PASSES, INNER,
           INNER.replace("params.weights", "params.weights[::-1, ::-1]"), D_X, "dx", "strided",
           "kernels without symmetry"),
    Mutant("input and output channels not transposed", CALLED, FLIPPED, "weights[::-1, ::-1]", D_X, "dx", "square",
           f"as many filters as channels, {DENSELY}"),
    Mutant("stride forgotten in the input gradient", PLACED, PADS, PADS.replace("window.stride[axis - 1]", "1"), D_X,
           "dx", "strided", SPARSELY),
    Mutant("stride dilation forgotten", PLACED, START, "start = entry - before", D_X, "dx", "strided",
           f"{DILATED}, and {SPARSELY}"),
    Mutant("padding off by one", PLACED, START, f"{START} + 1", D_X, "dx", "strided", SPARSELY),
    Mutant("padding forgotten in the input gradient", PLACED, START, START.replace(" - before", ""), D_X, "dx",
           "strided", f"padding, and {SPARSELY}"),
    Mutant("dilation forgotten in dW", PATCHES, TAPS, UNDILATED, D_W, "dW", "strided", DILATED),
    Mutant("padding after instead of before in dW", PATCHES, "window.padded(x)",
           "jnp.roll(window.padded(x), 1, axis=1)", D_W, "dW", "strided", "padding"),
    Mutant("correlation for convolution in dW", PASSES, OUTER, f"{OUTER}[::-1, ::-1]", D_W, "dW", "strided"),
    Mutant("dW with channels swapped", PASSES, OUTER, f"{OUTER}.swapaxes(2, 3)", D_W, "dW", "square",
           "as many filters as channels"),
    Mutant("dW with rows and columns swapped", PASSES, OUTER, f"{OUTER}.swapaxes(0, 1)", D_W, "dW", "square",
           "windows as high as wide"),
    Mutant("dW without the last row of positions", PASSES, OUTER,
           OUTER.replace("delta", "delta.at[:, -1].set(0)"), D_W, "dW", "strided"),
    Mutant("dW of the first image", PASSES, OUTER, "weights_gradient(trace.x[:1], delta[:1], window)",
           D_W, "dW", "strided", "a batch of more than one"),
    Mutant("db not summed over height and width", PASSES, BIASES, "jnp.sum(delta, axis=0)[0, 0]", D_B, "db",
           "strided", "more than one position"),
    Mutant("db averaged over height and width", PASSES, BIASES, "jnp.sum(jnp.mean(delta, axis=(1, 2)), axis=0)",
           D_B, "db", "strided", "more than one position"),
    Mutant("convolution: db zero", PASSES, BIASES, "jnp.zeros_like(params.biases)", D_B, "db", "strided"),
    Mutant("plain: convolution's σ′ omitted", CONVOLUTION, SLOPE, "d_y", ("convolution z",), "δ", STRIDED),
    Mutant("plain: filters turned in d_u", CONVOLUTION, BACK, BACK.replace("weights", "weights[::-1, ::-1]"), D_X, "dx",
           STRIDED, "kernels without symmetry"),
    Mutant("plain: filters turned along one axis only in d_u", CONVOLUTION, BACK,
           BACK.replace("weights", "weights[::-1]"), D_X, "dx", SQUARE, "kernels without symmetry"),
    Mutant("plain: channels not transposed in d_u", CONVOLUTION, BACK, BACK.replace("ijck", "ijkc"),
           D_X, "dx", SQUARE, "as many filters as channels"),
    Mutant("plain: stride forgotten in the fold", CONVOLUTION, ONTO,
           ONTO.replace("seen", "seen._replace(stride=(1, 1))"), D_X, "dx", STRIDED, SPARSELY),
    Mutant("plain: dilation forgotten in the fold", CONVOLUTION, ONTO,
           ONTO.replace("seen", "seen._replace(dilation=(1, 1))"), D_X, "dx", STRIDED, DILATED),
    Mutant("plain: padding forgotten in the fold", CONVOLUTION, ONTO,
           ONTO.replace("seen", 'seen._replace(padding="valid")'), D_X, "dx", STRIDED, "padding"),
    Mutant("plain: fold off by one", CONVOLUTION, ONTO, f"jnp.roll({ONTO}, 1, axis=1)", D_X, "dx", STRIDED),
    Mutant("plain: fold of the window's first row alone", CONVOLUTION, ONTO,
           ONTO.replace("d_u", "d_u.at[:, :, :, 1:].set(0)"), D_X, "dx", STRIDED, "windows higher than 1"),
    Mutant("plain: dilation forgotten in dW", CONVOLUTION, SEEN,
           f"{SEEN.replace('seen', 'seen._replace(dilation=(1, 1))')}[:, : d_y.shape[1], : d_y.shape[2]]", D_W, "dW",
           STRIDED, DILATED),
    Mutant("plain: dW of pixels one row off", CONVOLUTION, SEEN,
           SEEN.replace("trace.x", "jnp.roll(trace.x, 1, axis=1)"), D_W, "dW", STRIDED),
    Mutant("plain: dW turned", CONVOLUTION, UNDER, f"{UNDER}[::-1, ::-1]", D_W, "dW", STRIDED),
    Mutant("plain: dW with channels swapped", CONVOLUTION, UNDER, f"{UNDER}.swapaxes(2, 3)", D_W, "dW", SQUARE,
           "as many filters as channels"),
    Mutant("plain: dW with rows and columns swapped", CONVOLUTION, UNDER, UNDER.replace(">ij", ">ji"), D_W, "dW",
           SQUARE, "windows as high as wide"),
    Mutant("plain: dW without the last row of positions", CONVOLUTION, UNDER,
           UNDER.replace("u, delta", "u[:, :-1], delta[:, :-1]"), D_W, "dW", STRIDED),
    Mutant("plain: dW of the first image", CONVOLUTION, UNDER, UNDER.replace("u, delta", "u[:1], delta[:1]"), D_W, "dW",
           STRIDED, "a batch of more than one"),
    Mutant("plain: db of one position", CONVOLUTION, SUM, "sum(delta, axis=0)[0, 0]", D_B, "db", STRIDED,
           "more than one position"),
    Mutant("plain: db averaged over height and width", CONVOLUTION, SUM, "sum(jnp.mean(delta, axis=(1, 2)), axis=0)",
           D_B, "db", STRIDED, "more than one position"),
    Mutant("plain: convolution's db zero", CONVOLUTION, SUM, "zeros_like(params.biases)", D_B, "db", STRIDED),
    Mutant("fewer products: filters not turned in dx", TIMES, TURNED, "weights", D_X, "dx", MANY, LIKEWISE),
    Mutant("fewer products: filters turned along one axis only in dx", TIMES, TURNED, "weights[::-1]", D_X, "dx", MANY,
           LIKEWISE),
    Mutant("fewer products: channels not exchanged in dx", TIMES, "jnp.swapaxes(weights[::-1, ::-1], 2, 3)", TURNED,
           D_X, "dx", MANY, f"{LIKEWISE}, as many filters"),
    Mutant("fewer products: dx one pixel off", TIMES, BEFORE, "size - before", D_X, "dx", MANY, LIKEWISE),
    Mutant("fewer products: padding forgotten in dx", TIMES, BEFORE, "size - 1", D_X, "dx", MANY,
           f"{LIKEWISE}, padding"),
    Mutant("fewer products: padding after instead of before in dW", FEWER, "before for before, _", "after for _, after",
           D_W, "dW", MANY, f"{LIKEWISE}, unequal padding"),
    Mutant("fewer products: P with rows and columns swapped", FEWER, "_transformed(back, total)",
           "_transformed(back, list(zip(*total)))", D_W, "dW", MANY, LIKEWISE),
    Mutant("fewer products: B for Bᵀ in dW", FEWER, "_transformed(own.inner,",
           "_transformed(tuple(zip(*own.inner)),", D_W, "dW", MANY, LIKEWISE),
    Mutant("fewer products: signs of A lost in dW", FEWER, "_transformed(own.outer,",
           "_transformed([list(map(abs, row)) for row in own.outer],", D_W, "dW", MANY, LIKEWISE),
    Mutant("fewer products: halves of G omitted in dW", FEWER, "zip(*own.filters, strict=True)",
           "zip(*np.sign(own.filters), strict=True)", D_W, "dW", MANY, LIKEWISE),
    Mutant("fewer products: dW without the last tile", FEWER, OF_TILES, "_flat(v)[:-1].T @ _flat(d)[:-1]", D_W, "dW",
           MANY, LIKEWISE),
    Mutant("fewer products: dW of the first image", FEWER, "_wide(x), _wide(delta)", "_wide(x[:1]), _wide(delta[:1])",
           D_W, "dW", MANY, f"{LIKEWISE}, a batch of more than one"),
    Mutant("unshared: σ′ omitted", UNSHARED, SLOPE, "d_y", ("locally_connected z",), "δ", "unshared"),
    Mutant("unshared: dW of another row of positions", UNSHARED, '->yxijck", u, delta)',
           '->yxijck", u, delta[:, ::-1])', ("locally_connected .weights",), "dW, unshared", "unshared",
           POSITIONS),
    Mutant("unshared: db summed over positions", UNSHARED, 'jnp.einsum("nyxk->yxk", delta)',
           "jnp.broadcast_to(jnp.sum(delta, axis=(0, 1, 2)), params.biases.shape)", ("locally_connected .biases",),
           "db, unshared", "unshared", POSITIONS),
    Mutant("unshared: dx by the weights of another row", UNSHARED, "delta, params.weights)",
           "delta, params.weights[::-1])", ("locally_connected d_x",), "dx", "unshared", POSITIONS),
)  # fmt: skip

"""Convolutions, pooling and normalisation: gradients by shifted windows and by statistics.

| symbol | name in code | shape |
|---|---|---|
| images, kernels | `x`, `w` | (n, rows, columns, channels), (size, size, channels, filters) |
| ∂C/∂y | `d_y` | as the convolution's output |
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family
AXES = ("NHWC", "HWIO", "NHWC")


def _window(i, j, rows, columns, stride, dilation):
    """The pixels that one place of a kernel meets."""
    return (
        slice(None), slice(i * dilation, i * dilation + (rows - 1) * stride + 1, stride),
        slice(j * dilation, j * dilation + (columns - 1) * stride + 1, stride),
    )  # fmt: skip


CONVOLUTION = {
    "the dilation forgotten": "w", "the stride forgotten": "w", "the image's weights turned": "u",
    "biases' gradient of one row": "b", "δ of the layer before without its slope": "z1",
}  # fmt: skip


@family("convolution with stride and dilation, marked", CONVOLUTION)
def _convolution(draw: Draw, fault: str) -> Call:
    n, size, stride, dilation = 2, draw.one_of(2, 3), 2, 2
    channels, filters = draw.sizes(2, 1, 3)

    def convolved(a, w):
        return lax.conv_general_dilated(a, w, (stride, stride), "VALID", None, (dilation, dilation), AXES)

    def cost(p, x):
        a = jnp.tanh(tap("z1", x * p["u"]))
        return jnp.sum(jnp.sin(tap("z2", convolved(a, p["w"]) + p["b"])))

    def by_hand(p, x):
        a = jnp.tanh(x * p["u"])
        d_z2 = delta("z2", jnp.cos(convolved(a, p["w"]) + p["b"]))
        rows, columns = d_z2.shape[1:3]
        d_w, d_a = jnp.zeros_like(p["w"]), jnp.zeros_like(a)
        for i in range(size):
            for j in range(size):
                at = _window(i, j, rows, columns, stride, dilation)
                d_a = d_a.at[at].add(d_z2 @ p["w"][i, j].T)
                met = _window(i, j, rows, columns, 1 if "stride" in fault else stride, 1 if "dilation" in fault else 2)
                d_w = d_w.at[i, j].set(jnp.einsum("nrco,nrck->ok", a[met], d_z2))
        d_z1 = delta("z1", d_a if "slope" in fault else d_a * (1 - a * a))
        d_u = jnp.sum(d_z1 * x, (0, 3))[..., None]
        d_b = d_z2[:, 0].sum((0, 1)) if "one row" in fault else d_z2.sum((0, 1, 2))
        return {"w": d_w, "b": d_b, "u": d_u[::-1, ::-1] if "turned" in fault else d_u}

    p = {"w": draw(size, size, channels, filters), "b": draw(filters), "u": draw(7, 8, 1)}
    return gradient(cost, by_hand, p, draw(n, 7, 8, channels))


@family("convolution in groups", {"the groups exchanged": "w", "the first image alone": "w"}, is_unusual=True)
def _grouped(draw: Draw, fault: str) -> Call:
    n, size, filters = draw.size(2, 3), 2, draw.size(1, 2)

    def cost(w, x):
        y = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=AXES, feature_group_count=2)
        return 0.5 * jnp.sum(y * y)

    def by_hand(w, x):
        halves = []
        for g in range(2):
            a, k = x[..., g : g + 1], w[..., g * filters : (g + 1) * filters]
            parts = jnp.stack([a[_window(i, j, 4, 3, 1, 1)][..., 0] for i in range(size) for j in range(size)], -1)
            y = parts @ k.reshape(-1, filters)
            parts, y = (parts[:1], y[:1]) if "first" in fault else (parts, y)
            halves.append(jnp.einsum("nrcp,nrcf->pf", parts, y).reshape(size, size, 1, filters))
        return jnp.concatenate(halves[::-1] if "exchanged" in fault else halves, -1)

    return gradient(cost, by_hand, draw(size, size, 1, 2 * filters), draw(n, 5, 4, 2))


@family("overlapping mean-pooling with padding", {"the window's size forgotten": "x", "padding on the other side": "x"})
def _mean_pooling(draw: Draw, fault: str) -> Call:
    n, size, rows = 2, draw.one_of(2, 3), 6

    def cost(x, c):
        sums = lax.reduce_window(x, 0.0, lax.add, (1, size), (1, 1), ((0, 0), (1, 0)))
        return jnp.sum(c * jnp.sin(sums / size))

    def by_hand(x, c):
        padded = jnp.pad(x, ((0, 0), (1, 0)))
        width = c.shape[1]
        d = c * jnp.cos(sum(padded[:, i : i + width] for i in range(size)) / size)
        d = d if "size" in fault else d / size
        out = jnp.zeros_like(padded)
        for i in range(size):
            out = out.at[:, i : i + width].add(d)
        return out[:, :-1] if "other side" in fault else out[:, 1:]

    return gradient(cost, by_hand, draw(n, rows), draw(n, rows + 2 - size))


BATCH = {
    "statistics of the batch taken as constants": "z", "the mean's share missing": "z",
    "ε inside the gradient alone": "z", "the scale's gradient without normalisation": "scale",
}  # fmt: skip


@family("batch normalisation, marked", BATCH)
def _batch(draw: Draw, fault: str) -> Call:
    n, d, h = draw.size(4, 6), *draw.sizes(2, 2, 4)
    ε = draw.one_of(1e-5, 1e-3)

    def normalised(z, ε):
        r = lax.rsqrt(jnp.var(z, 0) + ε)
        return (z - z.mean(0)) * r, r

    def cost(p, x):
        n_z = tap("n", normalised(tap("z", x @ p["w"]), ε)[0])
        return jnp.sum(jnp.sin(n_z * p["scale"] + p["shift"]))

    def by_hand(p, x):
        z = x @ p["w"]
        y, r = normalised(z, ε)
        d_y = jnp.cos(y * p["scale"] + p["shift"])
        d_n = delta("n", d_y * p["scale"])
        y_used, r = normalised(z, 0.5) if "alone" in fault else (y, r)
        mean = 0.0 if "share" in fault or "constants" in fault else d_n.mean(0)
        along = 0.0 if "constants" in fault else y_used * (d_n * y_used).mean(0)
        d_z = delta("z", r * (d_n - mean - along))
        return {"w": x.T @ d_z, "scale": (d_y * (z if "without" in fault else y)).sum(0), "shift": d_y.sum(0)}

    return gradient(cost, by_hand, {"w": draw(d, h), "scale": draw(h), "shift": draw(h)}, draw(n, d))


@family("group normalisation", {"statistics of all channels": "x", "the variance's share missing": "x"})
def _group(draw: Draw, fault: str) -> Call:
    n, d = draw.size(2, 3), draw.size(3, 4)
    ε = draw.one_of(1e-5, 1e-3)

    def grouped(x, groups):
        g = x.reshape(n, groups, -1)
        r = lax.rsqrt(jnp.var(g, -1, keepdims=True) + ε)
        return (g - g.mean(-1, keepdims=True)) * r, r

    def by_hand(x, c):
        d_y = -c * jnp.sin(grouped(x, 2)[0].reshape(n, -1))
        y, r = grouped(x, 1 if "all channels" in fault else 2)
        d_y = d_y.reshape(y.shape)
        along = 0.0 if "variance" in fault else y * (d_y * y).mean(-1, keepdims=True)
        return (r * (d_y - d_y.mean(-1, keepdims=True) - along)).reshape(x.shape)

    return gradient(
        lambda x, c: jnp.sum(c * jnp.cos(grouped(x, 2)[0].reshape(n, -1))), by_hand, draw(n, 2 * d), draw(n, 2 * d)
    )


@family(
    "responses divided by their mean, marked",
    {"a sum over channels missing": "norm", "the input's own path missing": "x"},
)
def _responses(draw: Draw, fault: str) -> Call:
    n, t, k = draw.sizes(3, 2, 5)

    def cost(p, y):
        norm = tap("norm", jnp.sqrt(jnp.sum(p["x"] ** 2, 1)))
        ratio = tap("ratio", norm / (norm.mean(-1, keepdims=True) + 0.1))
        return 0.5 * jnp.sum((p["scale"] * ratio[:, None] * p["x"] - y) ** 2)

    def by_hand(p, y):
        x = p["x"]
        norm = jnp.sqrt(jnp.sum(x * x, 1))
        mean = norm.mean(-1, keepdims=True) + 0.1
        ratio = norm / mean
        d = p["scale"] * ratio[:, None] * x - y
        d_ratio = delta("ratio", (d * p["scale"] * x).sum(1))
        shared = d_ratio * norm if "channels" in fault else (d_ratio * norm).sum(-1, keepdims=True)
        d_norm = delta("norm", d_ratio / mean - shared / (k * mean**2))
        direct = 0.0 if "own path" in fault else d * p["scale"] * ratio[:, None]
        return {"x": direct + (d_norm / norm)[:, None] * x, "scale": (d * ratio[:, None] * x).sum((0, 1))}

    return gradient(cost, by_hand, {"x": draw(n, t, k), "scale": draw(k)}, draw(n, t, k))

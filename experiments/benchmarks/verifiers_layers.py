"""Programs for the verifiers: a dense layer, a convolution, pooling, an RBM's free energy and a normalisation.

    dense           y = tanh(xW + b)                        δ = d_y ⊙ (1 − y²)
    convolution     y[i] = Σ_k x[i + k] W[k] + b            d_x[i] = Σ_k d_y[i − k] W[k]ᵀ
    pooling         the largest of the means of 2 x 2       d_y / 4, to where the largest came from
    RBM             F = −v·b − Σ softplus(vW + c)           ∂F/∂z = −σ(z)
    normalisation   y = (x − m) r ⊙ weight + offset         r (d_n − mean(d_n) − n mean(d_n ⊙ n))

| symbol | name in code | shape |
|---|---|---|
| δ | `d_z` | as z |
| n | `n`, the normalised examples | as x |
"""

from __future__ import annotations

from experiments.benchmarks.verifiers_programs import Draw, family

DENSE = {
    "the slope of tanh missing": "z", "w not transposed": "x", "d_b a mean of the examples": "b",
    "the sign of d_w": "w", "d_w times 1.001": "w",
}  # fmt: skip
CONVOLUTION = {
    "filters not turned": "x", "channels interchanged": "x", "rows and columns of the windows interchanged": "w",
    "d_b a mean of the places": "b", "the first example alone in d_w": "w",
}  # fmt: skip
POOLING = {
    "the mean's 1/4 missing": "x", "to every unit of the window": "means", "to the smallest": "means",
    "rows and columns interchanged": "x", "to the first corner alone": "x",
}  # fmt: skip
RBM = {
    "the sign of the hidden term": "z", "1 − σ in place of σ": "z", "the visible bias missing in d_v": "v",
    "d_c a mean of the examples": "c", "d_w times 1.001": "w",
}  # fmt: skip
NORMALISATION = {
    "the mean's term missing": "x", "the variance's term missing": "x", "n − 1 in place of n": "x",
    "the weight missing in d_x": "x", "float32 alone: E[x²] − E[x]² at a large mean": "x weight",
}  # fmt: skip


@family("dense", "dense layer", DENSE)
def dense(draw: Draw, fault: str):
    """A layer of tanh units."""

    def forward(xp, x, w, b):
        return xp.tanh(xp.tap("z", x @ w + b))

    def backward(xp, d_y, x, w, b):
        a = xp.tanh(x @ w + b)
        d_z = xp.delta("z", d_y if "slope" in fault else d_y * (1 - a * a))
        d_w = x.T @ d_z * (-1.0 if "sign" in fault else 1.001 if "1.001" in fault else 1.0)
        return d_z @ (w if "transposed" in fault else w.T), d_w, d_z.mean(0) if "mean" in fault else d_z.sum(0)

    return forward, backward, {"x": draw(5, 4), "w": draw(4, 4), "b": draw(4)}


@family("convolution", "convolution", CONVOLUTION)
def convolution(draw: Draw, fault: str):
    """Images of 5 x 5 and filters of 3 x 3, without padding."""
    places = [(i, j) for i in range(3) for j in range(3)]

    def forward(xp, x, w, b):
        terms = [xp.einsum("nijc,co->nijo", x[:, i : i + 3, j : j + 3], w[i, j]) for i, j in places]
        return xp.tap("z", sum(terms) + b)

    def backward(xp, d_y, x, w, b):
        d_z = xp.delta("z", d_y)
        wide = xp.pad(d_z, 2)
        filters = {(i, j): w[2 - i, 2 - j] if "turned" in fault else w[i, j] for i, j in places}
        path = "nijo,oc->nijc" if "channels" in fault else "nijo,co->nijc"
        d_x = sum(xp.einsum(path, wide[:, 2 - i : 7 - i, 2 - j : 7 - j], filters[i, j]) for i, j in places)
        seen = 1 if "first example" in fault else len(x)
        order = [(j, i) if "windows" in fault else (i, j) for i, j in places]
        windows = [x[:seen, i : i + 3, j : j + 3] for i, j in order]
        d_w = xp.stack([xp.einsum("nijc,nijo->co", window, d_z[:seen]) for window in windows]).reshape(w.shape)
        return d_x, d_w, d_z.sum(0).mean((0, 1)) if "mean" in fault else d_z.sum((0, 1, 2))

    return forward, backward, {"x": draw(2, 5, 5, 2), "w": draw(3, 3, 2, 2), "b": draw(2)}


@family("pooling", "mean and max pooling", POOLING, is_smooth=False)
def pooling(draw: Draw, fault: str):
    """Means of 2 x 2 places, then the largest of 2 x 2 means."""

    def means(x):
        return x.reshape(2, 4, 2, 4, 2, 2).mean((2, 4))

    def forward(xp, x):
        windows = xp.tap("means", means(x)).reshape(2, 2, 2, 2, 2, 2)
        return xp.amax(windows, (2, 4))[:, :, 0, :, 0]

    def backward(xp, d_y, x):
        windows = means(x).reshape(2, 2, 2, 2, 2, 2)
        side = -windows if "smallest" in fault else windows
        chosen = windows == windows if "every" in fault else side == xp.amax(side, (2, 4))
        d_windows = xp.where(chosen, d_y[:, :, None, :, None], xp.zeros_like(windows))
        d_means = xp.delta("means", d_windows.reshape(2, 4, 4, 2))
        spread = d_means.swapaxes(1, 2) if "interchanged" in fault else d_means
        spread = spread[:, :, None, :, None] / (1 if "1/4" in fault else 4)
        every = xp.zeros_like(x).reshape(2, 4, 2, 4, 2, 2)
        if "corner" not in fault:
            return ((every + spread).reshape(x.shape),)
        corner = every + 1.0
        return ((every + 4 * spread * xp.like([[[1.0]], [[0.0]]], x)[:, :, :, None] * corner).reshape(x.shape),)

    return forward, backward, {"x": draw(2, 8, 8, 2)}


@family("RBM", "free energy of an RBM", RBM)
def rbm(draw: Draw, fault: str):
    """The free energy of each example; visible units are numbers here."""

    def forward(xp, v, w, b, c):
        z = xp.tap("z", v @ w + c)
        return -(v @ b) - xp.logaddexp(z, xp.zeros_like(z)).sum(-1)

    def backward(xp, d_y, v, w, b, c):
        z, d_y = v @ w + c, d_y[:, None]
        d_z = xp.delta("z", (1.0 if "sign" in fault else -1.0) * d_y * xp.sigmoid(-z if "1 − σ" in fault else z))
        d_v = d_z @ w.T - (0.0 if "visible" in fault else 1.0) * d_y * b
        d_w = v.T @ d_z * (1.001 if "1.001" in fault else 1.0)
        return d_v, d_w, -(d_y * v).sum(0), d_z.mean(0) if "mean" in fault else d_z.sum(0)

    return forward, backward, {"v": draw(4, 5), "w": draw(5, 3), "b": draw(5), "c": draw(3)}


@family("normalisation", "batch normalisation", NORMALISATION, ("", "a large mean"))
def normalisation(draw: Draw, fault: str):
    """Each feature over the examples."""

    def parts(xp, x, is_naive=False):
        centred = x - x.mean(0)
        variance = (x * x).mean(0) - x.mean(0) * x.mean(0) if is_naive else (centred * centred).mean(0)
        return centred, 1 / xp.sqrt(variance + 1e-3)

    def forward(xp, x, weight, offset):
        centred, r = parts(xp, x)
        return centred * r * weight + offset

    def backward(xp, d_y, x, weight, offset):
        centred, r = parts(xp, x, "E[x²]" in fault)
        n, d_n = centred * r, d_y if "weight" in fault else d_y * weight
        along = (d_n * n).sum(0) / (len(x) - 1 if "n − 1" in fault else len(x))
        d_x = r * (
            d_n - (0.0 if "mean's" in fault else 1.0) * d_n.mean(0) - (0.0 if "variance" in fault else 1.0) * n * along
        )
        return d_x, (d_y * n).sum(0), d_y.sum(0)

    far = 300.0 if "large" in fault else 0.0
    return forward, backward, {"x": draw(6, 3) + far, "weight": draw(3), "offset": draw(3)}

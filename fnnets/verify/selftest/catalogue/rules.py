"""Functions with derivative rules of their own: checked by themselves, and inside a cost.

| symbol | name in code | shape |
|---|---|---|
| the gradient that enters a rule | `d_y` | as y |
| 1 / root mean square | `r` | (n, 1) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.verify.selftest.family import Call, Catalogue, Draw, custom_vjp, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


def _ruled(primal, forward, backward):
    """The function with a rule; `forward` gives the value that differentiation sees."""
    f = jax.custom_vjp(primal)
    f.defvjp(lambda *args: (forward(*args), args), lambda args, d_y: backward(d_y, *args))
    return f


SOFTPLUS = {
    "the forward rule's value of another scale": "value", "the function's value of another scale": "value",
    "the sigmoid's sign": "x", "the incoming gradient ignored": ("x", "linear"),
    "the incoming gradient clipped": ("x", "linear"),
}  # fmt: skip


@family("softplus", SOFTPLUS)
def _softplus(draw: Draw, fault: str) -> Call:
    def plain(x):
        return jnp.logaddexp(x, 0.0)

    def backward(d_y, x):
        d_y = jnp.clip(d_y, -0.2, 0.2) if "clipped" in fault else jnp.ones_like(d_y) if "ignored" in fault else d_y
        return (d_y * jax.nn.sigmoid(-x if "sign" in fault else x),)

    primal = (lambda x: 1.25 * plain(x)) if fault.startswith("the function's") else plain
    forward = (lambda x: 1.25 * plain(x)) if fault.startswith("the forward") else plain
    return custom_vjp(_ruled(primal, forward, backward), plain, draw(draw.size(2, 4), 3))


NORMALISED = {"the weight twice": "x", "the mean's term missing": "x", "a sum over examples missing": "weight"}


@family("root mean square normalisation, weights of ones", NORMALISED, is_unusual=True)
def _rms(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    ε = draw.one_of(1e-6, 1e-5, 1e-3)

    def plain(x, weight):
        return x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + ε) * weight

    def backward(d_y, x, weight):
        r = lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + ε)
        along = (d_y * weight * x).sum(-1, keepdims=True)
        again = weight if "twice" in fault else jnp.ones_like(weight)
        d_x = d_y * weight * r - (0.0 if "mean" in fault else 1.0) * again * x * r**3 * along / d
        d_weight = (d_y * x * r)[:1] if "sum" in fault else d_y * x * r
        return d_x, d_weight.sum(0)

    return custom_vjp(_ruled(plain, plain, backward), plain, draw(n, d), jnp.ones(d))


LAYER = {
    "the mean's share missing": "x", "the variance's share missing": "x", "the variance over n − 1": "x",
    "the weight missing in d_x": "x", "the offset's gradient averaged": "offset",
}  # fmt: skip


@family("layer normalisation", LAYER)
def _layer(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    ε = draw.one_of(1e-5, 1e-3)

    def parts(x):
        centred = x - x.mean(-1, keepdims=True)
        return centred, lax.rsqrt((centred**2).mean(-1, keepdims=True) + ε)

    def plain(x, weight, offset):
        centred, r = parts(x)
        return centred * r * weight + offset

    def backward(d_y, x, weight, offset):
        centred, r = parts(x)
        y, d_n = centred * r, d_y if "weight missing" in fault else d_y * weight
        mean = 0.0 if "mean's" in fault else d_n.mean(-1, keepdims=True)
        along = (d_n * y).sum(-1, keepdims=True) / (d - 1 if "n − 1" in fault else d)
        d_x = r * (d_n - mean - (0.0 if "variance's" in fault else 1.0) * y * along)
        return d_x, (d_y * y).sum(0), d_y.mean(0) if "averaged" in fault else d_y.sum(0)

    return custom_vjp(_ruled(plain, plain, backward), plain, draw(n, d), draw(d), draw(d))


@family(
    "a masked logsumexp, no gradient by the mask",
    {"the mask forgotten in the rule": "x", "not divided by the sum": "x"},
    is_unusual=True,
)
def _masked(draw: Draw, fault: str) -> Call:
    n, t = draw.sizes(2, 3, 6)

    def plain(x, mask):
        return jax.nn.logsumexp(jnp.where(mask > 0, x, -1e30), -1)

    def backward(d_y, x, mask):
        seen = x if "forgotten" in fault else jnp.where(mask > 0, x, -1e30)
        shares = jnp.exp(seen - seen.max(-1, keepdims=True))
        return d_y[:, None] * (shares if "divided" in fault else shares / shares.sum(-1, keepdims=True)), None

    return custom_vjp(_ruled(plain, plain, backward), plain, draw(n, t), draw.mask(n, t), argnums=0)


ATTENTION = {
    "the rows' sums missing": ("q", "k"), "the scale missing": ("q", "k"), "values' gradient by the scores": "v",
    "queries and keys exchanged": ("q", "k"),
}  # fmt: skip


@family("attention with its own rule", ATTENTION)
def _attention(draw: Draw, fault: str) -> Call:
    t, d = draw.sizes(2, 2, 5)
    is_causal = draw.one_of(True, False)

    def scores(q, k):
        s = q @ k.T * d**-0.5
        return jnp.where(jnp.tril(jnp.ones((t, t), bool)), s, -1e30) if is_causal else s

    def plain(q, k, v):
        return jax.nn.softmax(scores(q, k)) @ v

    def backward(d_y, q, k, v):
        p = jax.nn.softmax(scores(q, k))
        d_p = d_y @ v.T
        d_s = p * (d_p - (0.0 if "rows'" in fault else (d_p * p).sum(-1, keepdims=True)))
        d_s = d_s if "scale" in fault else d_s * d**-0.5
        d_q, d_k = (d_s.T @ k, d_s @ q) if "exchanged" in fault else (d_s @ k, d_s.T @ q)
        return d_q, d_k, (d_p if "scores" in fault else p).T @ d_y

    return custom_vjp(_ruled(plain, plain, backward), plain, draw(t, d), draw(t, d), draw(t, d))


@family(
    "a root by Newton's steps in a while loop",
    {"the derivative of the square": "x", "a step too few": "value"},
    is_unusual=True,
)
def _newton(draw: Draw, fault: str) -> Call:
    def newton(x):
        def step(state):
            i, y = state
            return i + 1, y - (y**3 - x) / (3 * y**2)

        limit = 1 if "step" in fault else 40
        return lax.while_loop(lambda state: state[0] < limit, step, (0, x + 1.0))[1]

    def backward(d_y, x):
        y = newton(x)
        return (d_y / (2 * y if "square" in fault else 3 * y**2),)

    def plain(x):
        return jnp.exp(jnp.log(x) / 3)

    return custom_vjp(_ruled(newton, newton, backward), plain, draw.positive(draw.size(2, 5)))


RULED = {"the inner derivative missing": "w", "the rule's result not summed": "w"}


@family("a cost that holds a custom_vjp", RULED, {"the rule itself wrong": "w"}, is_unusual=True)
def _inside(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    times = 0.5 if "itself" in fault else 1.0
    value = _ruled(jnp.sin, jnp.sin, lambda d_y, z: (times * d_y * jnp.cos(z),))

    def by_hand(w, x):
        z = x @ w
        slope = jnp.ones_like(z) if "inner" in fault else jnp.cos(z)
        terms = x * (2 * jnp.sin(z) * slope)[:, None]
        return terms[0] if "summed" in fault else terms.sum(0)

    return gradient(lambda w, x: jnp.sum(value(x @ w) ** 2), by_hand, draw(d), draw(n, d))


@family(
    "a cost that holds a custom_jvp",
    {"by the other argument": "y"},
    {"the rule's sign wrong": ("y", "x")},
    is_unusual=True,
)
def _jvp(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 5)

    @jax.custom_jvp
    def product(x, y):
        return jnp.sin(x) * y

    @product.defjvp
    def _(primals, tangents):
        (x, y), (d_x, d_y) = primals, tangents
        sign = -1.0 if "sign" in fault else 1.0
        return product(x, y), jnp.cos(x) * d_x * y + sign * jnp.sin(x) * d_y

    def by_hand(p):
        return {"x": jnp.cos(p["x"]) * p["y"], "y": jnp.sin(p["y"] if "other" in fault else p["x"])}

    return gradient(lambda p: jnp.sum(product(p["x"], p["y"])), by_hand, {"x": draw(d), "y": draw(d)})


@family("a gradient computed on the host", {"the sine for the cosine": "w"}, is_unusual=True)
def _host(draw: Draw, fault: str) -> Call:
    w = draw(draw.size(2, 5))
    slope = np.sin if fault else np.cos

    def by_hand(w):
        shape = jax.ShapeDtypeStruct(w.shape, w.dtype)
        return jax.pure_callback(lambda a: slope(np.asarray(a)), shape, w, vmap_method="sequential")

    return gradient(lambda w: jnp.sum(jnp.sin(w)), by_hand, w)


@family("a gradient in NumPy", {"1/n missing": "w", "the slope missing": "w"}, is_unusual=True)
def _numpy(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)

    def by_hand(w, x):
        w, x = np.asarray(w), np.asarray(x)
        slope = 1.0 if "slope" in fault else 1 - np.tanh(x @ w) ** 2
        return (x.T @ (slope * np.ones(n, x.dtype)) / (1 if "1/n" in fault else n)).astype(w.dtype)

    return gradient(lambda w, x: jnp.mean(jnp.tanh(x @ w)), by_hand, draw(d), draw(n, d))


@family("the power spectrum of a signal", {"1/n too many": "w", "the inverse transform not real": "w"}, is_unusual=True)
def _spectrum(draw: Draw, fault: str) -> Call:
    n = draw.size(4, 8)

    def cost(w, c):
        seen = jnp.fft.fft(w)
        return 0.5 * jnp.sum(c * (seen.real**2 + seen.imag**2))

    def by_hand(w, c):
        back = jnp.fft.ifft(lax.complex(c, 0 * c) * jnp.fft.fft(w)) * (1 if "many" in fault else n)
        return back.imag if "not real" in fault else back.real

    return gradient(cost, by_hand, draw(n), draw(n))

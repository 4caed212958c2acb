"""Recurrent networks and recursions over time, most of them marked at every step.

| symbol | name in code | shape |
|---|---|---|
| inputs | `xs` | (steps, n, inputs) |
| the state before a step, and after it | `before`, `h` | (n, units) |
| ∂C/∂h from later steps | `later` | (n, units) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family
σ = jax.nn.sigmoid

RNN = {
    "ω for its transpose": "z", "nothing carried back": "z", "the state after in dω": "u",
    "the first step left out of dω": "w", "the slope of the step before": "z", "the mask forgotten in the carry": "z",
}  # fmt: skip


@family("recurrent network with masks, marked", RNN)
def _recurrent(draw: Draw, fault: str) -> Call:
    t, n, d, h = draw.size(3, 5), draw.size(2, 3), *draw.sizes(2, 2, 4)

    def states(p, xs, mask):
        def step(before, at):
            x, m = at
            z = tap("z", x @ p["w"] + before @ p["u"] + p["b"])
            h = m * jnp.tanh(z) + (1 - m) * before
            return h, (before, z, h)

        return lax.scan(step, jnp.zeros((n, h), xs.dtype), (xs, mask))[1]

    def cost(p, xs, mask, y):
        return 0.5 * jnp.sum((states(p, xs, mask)[2] - y) ** 2)

    def by_hand(p, xs, mask, y):
        before, z, after = states(p, xs, mask)
        seen = jnp.roll(z, 1, 0) if "step before" in fault else z

        def back(later, at):
            error, seen, m = at
            d_h = error + later
            d_z = delta("z", m * d_h * (1 - jnp.tanh(seen) ** 2))
            kept = 0.0 if "forgotten" in fault else (1 - m) * d_h
            later = kept + d_z @ (p["u"] if "transpose" in fault else p["u"].T)
            return (0 * later if "nothing" in fault else later), d_z

        d_z = lax.scan(back, jnp.zeros((n, h), xs.dtype), (after - y, seen, mask), reverse=True)[1]
        first = 1 if "first step" in fault else 0
        return {
            "w": jnp.einsum("tnd,tnh->dh", xs[first:], d_z[first:]), "b": d_z.sum((0, 1)),
            "u": jnp.einsum("tnd,tnh->dh", after if "after" in fault else before, d_z),
        }  # fmt: skip

    p = {"w": draw(d, h), "u": draw(h, h), "b": draw(h)}
    mask = draw.mask(n, t).T[:, :, None]
    return gradient(cost, by_hand, p, draw(t, n, d), mask, draw(t, n, h))


LSTM = {
    "the slope of the forget gate lost": "z_f", "c for tanh c": "c", "the forget path missing": "c",
    "input gate and candidate exchanged": ("z_i", "z_g"),
}  # fmt: skip


@family("LSTM, marked", LSTM)
def _lstm(draw: Draw, fault: str) -> Call:
    t, n, d, h = draw.size(3, 4), 2, 2, draw.size(2, 3)

    def step(p, carry, x):
        u = jnp.concatenate([x, carry[0]], -1)
        z = [tap(f"z_{k}", u @ p[k]) for k in "fiog"]
        c = tap("c", σ(z[0]) * carry[1] + σ(z[1]) * jnp.tanh(z[3]))
        h = tap("h", σ(z[2]) * jnp.tanh(c))
        return (h, c), (u, carry[1], c, h, z)

    def run(p, xs):
        zero = jnp.zeros((n, h), xs.dtype)
        return lax.scan(lambda carry, x: step(p, carry, x), (zero, zero), xs)[1]

    def by_hand(p, xs, y):
        u, c_before, c, h_all, z = run(p, xs)
        _, d_z = lax.scan(lambda later, at: _lstm_back(p, fault, d, later, at), (0 * c[0], 0 * c[0]),
                          (h_all - y, c_before, c, z), reverse=True)  # fmt: skip
        return {k: jnp.einsum("tnu,tnk->uk", u, each) for k, each in zip("fiog", d_z, strict=True)}

    p = {k: draw(d + h, h, scale=0.8) for k in "fiog"}
    return gradient(lambda p, xs, y: 0.5 * jnp.sum((run(p, xs)[3] - y) ** 2), by_hand, p, draw(t, n, d), draw(t, n, h))


def _lstm_back(p, fault, d, later, at):
    error, c_before, c, z = at
    f, i, o, g = σ(z[0]), σ(z[1]), σ(z[2]), jnp.tanh(z[3])
    d_h = delta("h", error + later[0])
    inner = 1 - (c if "c for" in fault else jnp.tanh(c)) ** 2
    d_c = delta("c", later[1] + d_h * o * inner)
    d_f = delta("z_f", d_c * c_before * (f if "lost" in fault else f * (1 - f)))
    by_i, by_g = (i, g) if "exchanged" in fault else (g, i)
    d_i = delta("z_i", d_c * by_i * i * (1 - i))
    d_o = delta("z_o", d_h * jnp.tanh(c) * o * (1 - o))
    d_g = delta("z_g", d_c * by_g * (1 - g * g))
    d_u = sum(each @ p[k].T for k, each in zip("fiog", (d_f, d_i, d_o, d_g), strict=True))
    return (d_u[:, d:], 0 * d_c if "path" in fault else d_c * f), [d_f, d_i, d_o, d_g]


@family(
    "GRU, marked",
    {
        "the reset gate's path missing": "z_r",
        "update and state exchanged": "z_u",
        "kept part of the carry missing": ("h", "z_c", "z_u"),
    },
)
def _gru(draw: Draw, fault: str) -> Call:
    t, n, h = draw.size(3, 4), 2, draw.size(2, 3)

    def step(p, before, x):
        z_r, z_u = tap("z_r", x + before @ p["r"]), tap("z_u", x + before @ p["u"])
        z_c = tap("z_c", x + (σ(z_r) * before) @ p["c"])
        after = tap("h", σ(z_u) * before + (1 - σ(z_u)) * jnp.tanh(z_c))
        return after, (before, z_r, z_u, z_c, after)

    def run(p, xs):
        return lax.scan(lambda before, x: step(p, before, x), jnp.zeros((n, h), xs.dtype), xs)[1]

    def back(p, later, at):
        error, before, z_r, z_u, z_c = at
        r, u, c = σ(z_r), σ(z_u), jnp.tanh(z_c)
        d_h = delta("h", error + later)
        d_c = delta("z_c", d_h * (1 - u) * (1 - c * c))
        d_u = delta("z_u", d_h * ((c - before) if "exchanged" in fault else (before - c)) * u * (1 - u))
        d_reset = d_c @ p["c"].T
        d_r = delta("z_r", (0.0 if "path" in fault else 1.0) * d_reset * before * r * (1 - r))
        kept = 0.0 if "kept" in fault else d_h * u
        return kept + d_reset * r + d_u @ p["u"].T + d_r @ p["r"].T, (d_r, d_u, d_c)

    def by_hand(p, xs, y):
        before, z_r, z_u, z_c, after = run(p, xs)
        _, (d_r, d_u, d_c) = lax.scan(
            lambda later, at: back(p, later, at), 0 * after[0], (after - y, before, z_r, z_u, z_c), reverse=True
        )
        outer = lambda a, d: jnp.einsum("tni,tnj->ij", a, d)  # noqa: E731
        return {"r": outer(before, d_r), "u": outer(before, d_u), "c": outer(σ(z_r) * before, d_c)}

    p = {k: draw(h, h) for k in "ruc"}
    return gradient(lambda p, xs, y: 0.5 * jnp.sum((run(p, xs)[4] - y) ** 2), by_hand, p, draw(t, n, h), draw(t, n, h))


@family("cumulative sum", {"the sum not reversed": "w"})
def _cumulative(draw: Draw, fault: str) -> Call:
    n = draw.size(3, 6)

    def by_hand(w, c):
        d = c * jnp.cos(jnp.cumsum(w))
        return jnp.cumsum(d) if fault else jnp.cumsum(d[::-1])[::-1]

    return gradient(lambda w, c: jnp.sum(c * jnp.sin(jnp.cumsum(w))), by_hand, draw(n), draw(n))


@family("cumulative product", {"the number's own term left out": "w", "not divided by the number": "w"})
def _product(draw: Draw, fault: str) -> Call:
    n = draw.size(3, 6)

    def by_hand(w, c):
        terms = c * jnp.cumprod(w)
        sums = jnp.cumsum(terms[::-1])[::-1] - (terms if "own" in fault else 0)
        return sums if "divided" in fault else sums / w

    return gradient(lambda w, c: jnp.sum(c * jnp.cumprod(w)), by_hand, draw.positive(n, least=0.5), draw(n))


ODE = {
    "the step's half for its whole": "rate",
    "the adjoint at the next state": "rate",
    "the start's gradient zero": "start",
}


@family("steps of an oscillator by the adjoint method", ODE, is_unusual=True)
def _oscillator(draw: Draw, fault: str) -> Call:
    steps, h = draw.size(4, 8), draw.number(0.05, 0.3)

    def step(p, y):
        return y + h * jnp.stack([y[1], -p["rate"] * jnp.sin(y[0])])

    def path(p):
        def one(y, _):
            return step(p, y), y

        return lax.scan(jax.checkpoint(one), p["start"], None, length=steps)

    def by_hand(p):
        end, before = path(p)
        seen = jnp.concatenate([before[1:], end[None]]) if "next" in fault else before
        size = 0.5 * h if "half" in fault else h

        def back(carry, y):
            a, d_rate = carry
            d_rate = d_rate - size * a[1] * jnp.sin(y[0])
            return (jnp.stack([a[0] - h * a[1] * p["rate"] * jnp.cos(y[0]), a[1] + h * a[0]]), d_rate), None

        (a, d_rate), _ = lax.scan(back, (end, jnp.zeros_like(p["rate"])), seen, reverse=True)
        return {"rate": d_rate, "start": 0 * a if "zero" in fault else a}

    return gradient(lambda p: 0.5 * jnp.sum(path(p)[0] ** 2), by_hand, {"rate": draw.positive(), "start": draw(2)})


FORWARD = {
    "backward sums a step late": "scores",
    "transitions of the other direction": "moves",
    "one step's transitions left out": "moves",
}


@family("a chain's log partition by forward and backward sums", FORWARD, is_unusual=True)
def _chain(draw: Draw, fault: str) -> Call:
    t, k = draw.size(3, 5), draw.size(2, 4)

    def forward(p):
        def step(a, s):
            a = jax.nn.logsumexp(a[:, None] + p["moves"], 0) + s
            return a, a

        first = p["scores"][0]
        return jnp.concatenate([first[None], lax.scan(step, first, p["scores"][1:])[1]])

    def by_hand(p):
        def step(b, s):
            return (jax.nn.logsumexp(p["moves"] + s + b, 1),) * 2

        last = jnp.zeros_like(p["scores"][0])
        b = jnp.concatenate([lax.scan(step, last, p["scores"][1:], reverse=True)[1], last[None]])
        a, total = forward(p), jax.nn.logsumexp(forward(p)[-1])
        pairs = jnp.exp(a[:-1, :, None] + p["moves"] + (p["scores"] + b)[1:, None, :] - total)
        pairs = pairs.sum(0) - (pairs[0] if "left out" in fault else 0)
        seen = jnp.roll(b, -1, 0) if "late" in fault else b
        return {"scores": jnp.exp(a + seen - total), "moves": pairs.T if "direction" in fault else pairs}

    p = {"scores": draw(t, k), "moves": draw(k, k)}
    return gradient(lambda p: jax.nn.logsumexp(forward(p)[-1]), by_hand, p)

"""Programs for the verifiers: recurrent layers through time, with their marks at every step, and attention.

    recurrent   z = xU + hW + b, h = m tanh(z) + (1 − m) h    δ = m d_h ⊙ (1 − a²)
    LSTM        c = f c + i g, h = o tanh(c)                  d_c = d_h o (1 − tanh² c) + (f d_c of the next step)
    GRU         h = (1 − s) n + s h, n = tanh([x, r h] U)     d_h = s d_h + r d_(r h) + the gates' share
    attention   y = softmax(q kᵀ / √d) v, causal              d_s = p (d_p − Σ p d_p)

| symbol | name in code | shape |
|---|---|---|
| m | `mask` | (T, N) |
| the gates' weighted inputs | `z`, of the GRU `a` | (N, …) at each step |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.benchmarks.verifiers_programs import Draw, family, unmarked

RECURRENT = {
    "the path to the step before missing": "z", "w not transposed": "z", "the mask forgotten": "z",
    "the state of the same step in d_w": "w", "the first step left out of d_b": "b",
}  # fmt: skip
LSTM = {
    "the slope of tanh(c) missing": "c", "the forget gate missing in the carry": "c",
    "the cell of the same step in d_f": "z", "the candidate's slope that of σ": "z", "the sign of d_i": "z",
}  # fmt: skip
GRU = {
    "the direct path missing": "h", "the reset gate missing in the path to h": "h",
    "the slope of r missing": "a", "h in place of r h in d_u": "u", "the candidate's share left out of s": "a",
}  # fmt: skip
ATTENTION = {
    "1/√d missing in d_k": "k", "softmax's sum missing": "s", "the mask forgotten": "s v",
    "p not transposed": "v", "q in place of k": "q",
}  # fmt: skip
MASK = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1]], np.float64)[:, :, None]


@family("recurrent", "recurrent layer", RECURRENT)
def recurrent(draw: Draw, fault: str):
    """Four steps of three sequences, some of whose steps are masked."""

    def states(xp, tap, x, u, w, b):
        h, units = [xp.zeros_like(x[0] @ u)], []
        for step, m in zip(x, xp.like(MASK, x), strict=True):
            units.append(xp.tanh(tap("z", step @ u + h[-1] @ w + b)))
            h.append(m * units[-1] + (1 - m) * h[-1])
        return h, units

    def forward(xp, x, u, w, b):
        return xp.stack(states(xp, xp.tap, x, u, w, b)[0][1:])

    def backward(xp, d_y, x, u, w, b):
        (h, a), mask = states(xp, unmarked, x, u, w, b), xp.like(MASK, x)
        d_h = xp.zeros_like(h[0])
        d_z: list[Any] = []
        for t in reversed(range(4)):
            d_h = d_h + d_y[t]
            d_a = d_h if "mask" in fault else mask[t] * d_h
            d_z.insert(0, xp.delta("z", d_a * (1 - a[t] * a[t])))
            back = d_z[0] @ (w if "transposed" in fault else w.T)
            d_h = (1 - mask[t]) * d_h + (xp.zeros_like(back) if "path" in fault else back)
        d_u, shift = sum(x[t].T @ d_z[t] for t in range(4)), "same step" in fault
        d_w, first = sum(h[t + shift].T @ d_z[t] for t in range(4)), "first step" in fault
        return xp.stack([d @ u.T for d in d_z]), d_u, d_w, sum(d.sum(0) for d in d_z[first:])

    return forward, backward, {"x": draw(4, 3, 2), "u": draw(2, 3), "w": draw(3, 3), "b": draw(3)}


@family("LSTM", "LSTM", LSTM)
def lstm(draw: Draw, fault: str):
    """Three steps of two sequences, two cells."""

    def steps(xp, tap, x, w, b):
        h = c = xp.zeros_like(x[0])
        found = []
        for step in x:
            before, joined = c, xp.concatenate([step, h], 1)
            z = tap("z", joined @ w + b)
            i, f, o, g = (*(xp.sigmoid(z[:, 2 * k : 2 * k + 2]) for k in range(3)), xp.tanh(z[:, 6:]))
            c = tap("c", f * before + i * g)
            h = tap("h", o * xp.tanh(c))
            found.append((joined, before, c, i, f, o, g, h))
        return found

    def forward(xp, x, w, b):
        return xp.stack([step[-1] for step in steps(xp, xp.tap, x, w, b)])

    def backward(xp, d_y, x, w, b):
        d_after = d_carry = xp.zeros_like(x[0])
        d_w, d_b = xp.zeros_like(w), xp.zeros_like(b)
        d_x: list[Any] = []
        for t, (joined, before, c, i, f, o, g, _) in reversed([*enumerate(steps(xp, unmarked, x, w, b))]):
            a, d_h = xp.tanh(c), xp.delta("h", d_y[t] + d_after)
            d_c = xp.delta("c", d_h * o * (1.0 if "slope of tanh" in fault else 1 - a * a) + d_carry)
            d_i = d_c * g * i * (1 - i) * (-1.0 if "sign" in fault else 1.0)
            d_f = d_c * (c if "same step" in fault else before) * f * (1 - f)
            d_g = d_c * i * (g * (1 - g) if "candidate" in fault else 1 - g * g)
            d_z = xp.delta("z", xp.concatenate([d_i, d_f, d_h * a * o * (1 - o), d_g], 1))
            d_w, d_b, d_joined = d_w + joined.T @ d_z, d_b + d_z.sum(0), d_z @ w.T
            d_x.insert(0, d_joined[:, :2])
            d_after, d_carry = d_joined[:, 2:], d_c if "forget" in fault else d_c * f
        return xp.stack(d_x), d_w, d_b

    return forward, backward, {"x": draw(3, 2, 2), "w": draw(4, 8), "b": draw(8)}


@family("GRU", "GRU", GRU)
def gru(draw: Draw, fault: str):
    """Three steps of two sequences, two units."""

    def steps(xp, tap, x, w, u):
        h, found = xp.zeros_like(x[0]), []
        for step in x:
            before, joined = h, xp.concatenate([step, h], 1)
            gates = xp.sigmoid(tap("a", joined @ w))
            r, s = gates[:, :2], gates[:, 2:]
            reset = xp.concatenate([step, r * before], 1)
            n = xp.tanh(tap("q", reset @ u))
            h = tap("h", (1 - s) * n + s * before)
            found.append((joined, before, r, s, reset, n, h))
        return found

    def forward(xp, x, w, u):
        return xp.stack([step[-1] for step in steps(xp, xp.tap, x, w, u)])

    def backward(xp, d_y, x, w, u):
        d_after, d_w, d_u = xp.zeros_like(x[0]), xp.zeros_like(w), xp.zeros_like(u)
        d_x: list[Any] = []
        for t, (joined, before, r, s, reset, n, _) in reversed([*enumerate(steps(xp, unmarked, x, w, u))]):
            d_h = xp.delta("h", d_y[t] + d_after)
            d_q = xp.delta("q", d_h * (1 - s) * (1 - n * n))
            d_reset = d_q @ u.T
            d_r = d_reset[:, 2:] * before * (1.0 if "slope" in fault else r * (1 - r))
            d_s = d_h * (before if "share" in fault else before - n) * s * (1 - s)
            d_a = xp.delta("a", xp.concatenate([d_r, d_s], 1))
            d_joined = d_a @ w.T
            d_w, d_u = d_w + joined.T @ d_a, d_u + (joined if "in d_u" in fault else reset).T @ d_q
            d_x.insert(0, d_reset[:, :2] + d_joined[:, :2])
            by_reset = d_reset[:, 2:] if "reset gate" in fault else d_reset[:, 2:] * r
            d_after = by_reset + d_joined[:, 2:] + (0.0 if "direct" in fault else 1.0) * d_h * s
        return xp.stack(d_x), d_w, d_u

    return forward, backward, {"x": draw(3, 2, 2), "w": draw(4, 4), "u": draw(4, 2)}


@family("attention", "causal attention", ATTENTION)
def attention(draw: Draw, fault: str):
    """One head, two sequences of four steps."""
    scale, seen = 1 / math.sqrt(3), np.tril(np.ones((4, 4)))

    def softmax(xp, s, is_masked=True):
        masked = xp.where(xp.like(seen, s) > 0, s, xp.zeros_like(s) - 1e9) if is_masked else s
        e = xp.exp(masked - xp.amax(masked, -1))
        return e / e.sum(-1, keepdims=True)

    def forward(xp, q, k, v):
        return softmax(xp, xp.tap("s", scale * xp.einsum("nid,njd->nij", q, k))) @ v

    def backward(xp, d_y, q, k, v):
        p = softmax(xp, scale * xp.einsum("nid,njd->nij", q, k), "mask" not in fault)
        d_p = xp.einsum("nid,njd->nij", d_y, v)
        along = xp.zeros_like(d_p) if "sum" in fault else (p * d_p).sum(-1, keepdims=True)
        d_s = xp.delta("s", p * (d_p - along))
        d_q = scale * d_s @ (q if "in place" in fault else k)
        d_k = (1.0 if "√d" in fault else scale) * d_s.swapaxes(1, 2) @ q
        return d_q, d_k, (p if "not transposed" in fault else p.swapaxes(1, 2)) @ d_y

    return forward, backward, {"q": draw(2, 4, 3), "k": draw(2, 4, 3), "v": draw(2, 4, 3)}

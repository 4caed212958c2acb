"""Code that fixes a precision of its own, and faults that one precision alone has.

| symbol | name in code | shape |
|---|---|---|
| half precision | `half` | bfloat16 or float16 |
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family(
    "a loop with a carry of float32",
    {"the last step left out": "a", "the slope of the step before": "a"},
    is_unusual=True,
)
def _carry(draw: Draw, fault: str) -> Call:
    def cost(a, xs):
        zero = jnp.zeros((), jnp.float32)
        return lax.scan(lambda total, x: (total + jnp.sin(a * x), None), zero, xs)[0]

    def by_hand(a, xs):
        slopes = jnp.cos(a * (jnp.roll(xs, 1) if "before" in fault else xs))
        terms = xs * slopes
        return (terms[:-1] if "last" in fault else terms).sum()

    return gradient(cost, by_hand, draw.positive(), draw(draw.size(4, 8)))


@family(
    "an accumulator of float32 for rows of a table",
    {"repeated rows written over": "table", "rows shifted by one": "table"},
    is_unusual=True,
)
def _accumulator(draw: Draw, fault: str) -> Call:
    rows, d = draw.sizes(2, 3, 6)
    ids = jnp.concatenate([jnp.asarray([1, 1], jnp.int32), draw.whole(0, rows - 1, draw.size(2, 5))])

    def by_hand(table, ids):
        at = jnp.zeros((rows, d), jnp.float32).at[(ids + 1) % rows if "shifted" in fault else ids]
        each = jnp.cos(table[ids])
        return at.set(each) if "over" in fault else at.add(each)

    return gradient(lambda table, ids: jnp.sum(jnp.sin(table[ids])), by_hand, draw(rows, d), ids)


@family("bfloat16 or float16 inside", {"the slope missing": "w", "a factor of 1.5": "w"}, is_unusual=True)
def _half(draw: Draw, fault: str) -> Call:
    n, d, k = draw.sizes(3, 2, 7)
    half = draw.one_of(jnp.bfloat16, jnp.float16)

    def cost(w, x):
        return jnp.sum(jnp.tanh(x.astype(half) @ w.astype(half)).astype(jnp.float32))

    def by_hand(w, x):
        x, w = x.astype(half), w.astype(half)
        slope = 1 - jnp.tanh(x @ w) ** 2
        d_w = x.T @ (jnp.ones_like(slope) if "slope" in fault else slope)
        return (1.5 if "1.5" in fault else 1.0) * d_w.astype(jnp.float32)

    return gradient(cost, by_hand, draw(d, k, scale=0.7), draw(n, d))


@family("parameters of bfloat16", {"a factor of 1.5": "w"}, is_unusual=True)
def _half_parameters(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    w, x = draw(d).astype(jnp.bfloat16), draw(n, d).astype(jnp.bfloat16)

    def by_hand(w, x):
        return x.T @ jnp.cos(x @ w) * (1.5 if fault else 1.0)

    return gradient(lambda w, x: jnp.sum(jnp.sin(x @ w)), by_hand, w, x)


@family("a small decay beside a cast", {"the decay forgotten": "w", "the decay twice": "w"}, is_unusual=True)
def _cast(draw: Draw, fault: str) -> Call:
    n, d, k = draw.sizes(3, 2, 7)
    decay = draw.one_of(1e-6, 1e-5, 1e-4)

    def cost(w, x):
        return jnp.sum(jnp.tanh(x @ w).astype(jnp.float32)) + 0.5 * decay * jnp.sum(w * w).astype(jnp.float32)

    def by_hand(w, x):
        times = {"the decay forgotten": 0.0, "the decay twice": 2.0}.get(fault, 1.0)
        return x.T @ (1 - jnp.tanh(x @ w) ** 2) + times * decay * w

    return gradient(cost, by_hand, draw(d, k), draw(n, d))


@family(
    "a branch for one dtype", {"a factor of 1.1 in float32 alone": "w", "ε of the wrong size in float32 alone": "w"}
)
def _dtype(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)

    def cost(w, x):
        return jnp.sum(jnp.sqrt((x @ w) ** 2 + 0.1))

    def by_hand(w, x):
        z, is_single = x @ w, w.dtype == jnp.float32
        root = jnp.sqrt(z * z + (0.15 if is_single and "ε" in fault else 0.1))
        return x.T @ (z / root) * (1.1 if is_single and "1.1" in fault else 1.0)

    return gradient(cost, by_hand, draw(d), draw(n, d))


@family("a mean taken in float32", {"1/n missing": ("w", "b"), "the cast's input": "w"}, is_unusual=True)
def _mean(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 7)

    def cost(p, x):
        return jnp.mean(jnp.exp(-((x @ p["w"] + p["b"]) ** 2)), dtype=jnp.float32)

    def by_hand(p, x):
        z = x @ p["w"] + p["b"]
        d_z = -2 * z * jnp.exp(-(z * z)) / (1 if "1/n" in fault else n)
        return {"w": x.T @ (z if "cast" in fault else d_z), "b": d_z.sum()}

    return gradient(cost, by_hand, {"w": draw(d), "b": draw()}, draw(n, d))

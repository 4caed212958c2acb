"""Attention, embeddings, segments, and the losses that compare examples with one another.

| symbol | name in code | shape |
|---|---|---|
| scores, and their softmax | `s`, `p` | (…, queries, keys) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family

MASKED = {
    "the softmax's diagonal alone": "s", "the scale missing": ("q", "k"), "softmax over queries": "s",
    "values of another row": "p", "keys' gradient not transposed": "k",
}  # fmt: skip


@family("attention masked by −10³⁰, marked", MASKED, is_unusual=True)
def _masked(draw: Draw, fault: str) -> Call:
    t, d = draw.size(3, 5), draw.size(2, 4)
    scale = d**-0.5

    def scores(w, x, mask):
        return jnp.where(mask > 0, (x @ w["q"]) @ (x @ w["k"]).T * scale, -1e30)

    def cost(w, x, mask, y):
        p = tap("p", jax.nn.softmax(tap("s", scores(w, x, mask))))
        return 0.5 * jnp.sum((p @ (x @ w["v"]) - y) ** 2)

    def by_hand(w, x, mask, y):
        p, v = jax.nn.softmax(scores(w, x, mask)), x @ w["v"]
        d_y = p @ v - y
        d_p = delta("p", d_y @ (jnp.roll(v, 1, 0) if "another row" in fault else v).T)
        along = (d_p * p).sum(0 if "queries" in fault else -1, keepdims=True)
        d_s = delta("s", p * (1 - p) * d_p if "diagonal" in fault else p * (d_p - along))
        d_u = jnp.where(mask > 0, d_s, jnp.zeros_like(d_s)) * (1.0 if "scale" in fault else scale)
        d_k = (d_u if "transposed" in fault else d_u.T) @ (x @ w["q"])
        return {"q": x.T @ (d_u @ (x @ w["k"])), "k": x.T @ d_k, "v": x.T @ (p.T @ d_y)}

    w = {name: draw(d, d) for name in "qkv"}
    mask = jnp.maximum(jnp.tril(jnp.ones((t, t))), draw.mask(t, t))
    return gradient(cost, by_hand, w, draw(t, d), mask, draw(t, d))


@family("heads of attention by einsum", {"heads exchanged": "out", "one head left out": "v"})
def _heads(draw: Draw, fault: str) -> Call:
    t, d, h, k = draw.sizes(4, 2, 6)

    def mixed(w, x, p):
        return jnp.einsum("hst,hte,hed->sd", p, jnp.einsum("td,hde->hte", x, w["v"]), w["out"])

    def by_hand(w, x, p, y):
        d_y = jnp.cos(mixed(w, x, p)) * y
        values = jnp.einsum("hst,td,hde->hse", p, x, w["v"])
        d_v = jnp.einsum("sd,hed,hst,tc->hce", d_y, w["out"], p, x)
        d_v = d_v.at[0].set(0) if "left out" in fault else d_v
        d_out = jnp.einsum("hse,sd->hed", values, d_y)
        return {"v": d_v, "out": jnp.roll(d_out, 1, 0) if "exchanged" in fault else d_out}

    p = jnp.stack([draw.shares(t, t) for _ in range(h)])
    cost = lambda w, x, p, y: jnp.sum(jnp.sin(mixed(w, x, p)) * y)  # noqa: E731
    return gradient(cost, by_hand, {"v": draw(h, d, k), "out": draw(h, k, d)}, draw(t, d), p, draw(t, d))


SEGMENTS = {"sizes of segments forgotten": "table", "segments shifted": "table", "each word counted once": "table"}


@family("means of embeddings by segments", SEGMENTS, is_unusual=True)
def _segments(draw: Draw, fault: str) -> Call:
    rows, d, n = draw.size(3, 4), draw.size(2, 3), draw.size(6, 9)
    ids = jnp.concatenate([jnp.zeros(2, jnp.int32), draw.whole(0, rows - 1, n - 2)])
    segment = jnp.asarray(sorted([0, 0, 1, 2, *draw.random.integers(0, 3, n - 4)]), jnp.int32)
    counts = jax.ops.segment_sum(jnp.ones(n), segment, 3)

    def means(table):
        return jax.ops.segment_sum(table[ids], segment, 3) / counts[:, None]

    def by_hand(table, y):
        d_m = means(table) - y
        d_m = d_m if "sizes" in fault else d_m / counts[:, None]
        back = d_m[(segment + 1) % 3 if "shifted" in fault else segment]
        at = jnp.zeros_like(table).at[ids]
        return at.set(back) if "once" in fault else at.add(back)

    return gradient(lambda table, y: 0.5 * jnp.sum((means(table) - y) ** 2), by_hand, draw(rows, d), draw(3, d))


@family(
    "contrastive loss of two views",
    {"the other direction missing": ("one", "two"), "the pairs' own terms missing": ("one", "two")},
)
def _contrastive(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    hot = draw.number(0.5, 2)

    def cost(p):
        s = p["one"] @ p["two"].T / hot
        return -jnp.mean(jnp.diagonal(jax.nn.log_softmax(s, 1) + jax.nn.log_softmax(s, 0)))

    def by_hand(p):
        s, eye = p["one"] @ p["two"].T / hot, jnp.eye(n, dtype=p["one"].dtype)
        other = 0.0 if "direction" in fault else jax.nn.softmax(s, 0) - eye
        d_s = (jax.nn.softmax(s, 1) - (0.0 if "own" in fault else eye) + other) / (n * hot)
        return {"one": d_s @ p["two"], "two": d_s.T @ p["one"]}

    return gradient(cost, by_hand, {"one": draw(n, d), "two": draw(n, d)})


@family("triplet loss", {"the negative's sign": "negative", "all triplets active": ("anchor", "negative", "positive")})
def _triplet(draw: Draw, fault: str) -> Call:
    n, d = draw.size(6, 9), draw.size(2, 3)

    def gaps(p):
        return ((p["anchor"] - p["positive"]) ** 2).sum(-1) - ((p["anchor"] - p["negative"]) ** 2).sum(-1)

    def by_hand(p):
        active = ((gaps(p) + 0.5 > 0) | ("all" in fault)).astype(p["anchor"].dtype)[:, None]
        sign = -1.0 if "sign" in fault else 1.0
        return {
            "anchor": 2 * active * (p["negative"] - p["positive"]),
            "positive": 2 * active * (p["positive"] - p["anchor"]),
            "negative": sign * 2 * active * (p["anchor"] - p["negative"]),
        }

    p = {name: draw(n, d) for name in ("anchor", "positive", "negative")}
    for i, (near, far) in enumerate((("positive", "negative"), ("negative", "positive"))):  # one inactive, one active
        p[near] = p[near].at[i].set(p["anchor"][i] + 0.1)
        p[far] = p[far].at[i].set(p["anchor"][i] + 2)
    return gradient(lambda p: jnp.sum(jnp.maximum(gaps(p) + 0.5, 0)), by_hand, p)


@family("cosine similarity", {"the projection missing": "u", "the norm squared": "u"})
def _cosine(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)

    def by_hand(u, v):
        size = jnp.sqrt((u * u).sum(-1, keepdims=True))
        unit, other = u / size, v / jnp.sqrt((v * v).sum(-1, keepdims=True))
        across = other if "projection" in fault else other - unit * (unit * other).sum(-1, keepdims=True)
        return across / (size**2 if "squared" in fault else size)

    def cost(u, v):
        return jnp.sum((u * v).sum(-1) / jnp.sqrt((u * u).sum(-1) * (v * v).sum(-1)))

    return gradient(cost, by_hand, draw(n, d), draw(n, d))

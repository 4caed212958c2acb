"""Functions with kinks, at points on the kinks, each with a convention of its own; and faults beside them.

A convention is one of the values between the slopes on either side, chosen once for each kink; of equal maxima shares
that sum to one. What differs where the function is smooth is a fault, however many kinks there are.

| symbol | name in code | shape |
|---|---|---|
| 1 where z > 0, and at 0 by convention | `slope` | as z |
| patches of an image, one a place within the window | `patches` | (places, n, rows, columns) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family(
    "ReLU of ternary numbers, slope 1 at zero",
    {"the slope of all units 1": ("w",), "the output's weights forgotten": "w"},
    is_unusual=True,
)
def _ternary(draw: Draw, fault: str) -> Call:
    n, d, h = draw.size(8, 12), draw.size(2, 3), draw.size(2, 4)
    w = draw.ternary(d, h).at[0].set(1.0)

    def cost(p, x, y):
        return 0.5 * jnp.mean((jax.nn.relu(x @ p["w"]) @ p["v"] - y) ** 2)

    def by_hand(p, x, y):
        z = x @ p["w"]
        error = (jnp.maximum(z, 0) @ p["v"] - y) / n
        slope = jnp.ones_like(z) if "all units" in fault else (z >= 0).astype(z.dtype)
        back = jnp.ones_like(p["v"]) if "forgotten" in fault else p["v"]
        return {"w": x.T @ (jnp.outer(error, back) * slope), "v": jnp.maximum(z, 0).T @ error}

    return gradient(cost, by_hand, {"w": w, "v": draw(h)}, draw.ternary(n, d), draw(n))


BLACK = {"biases' gradient times 0.7": "b", "weights' gradient times 1.2": "w", "biases' gradient averaged": "b"}


@family("ReLU with biases of zero and black images", BLACK, is_unusual=True)
def _black(draw: Draw, fault: str) -> Call:
    n, d, h = 8, draw.size(3, 4), draw.size(2, 3)
    x = draw(n, d).at[jnp.asarray([1, 4, 6])].set(0)

    def cost(p, x, y):
        return 0.5 * jnp.mean((jax.nn.relu(x @ p["w"] + p["b"]) @ p["v"] - y) ** 2)

    def by_hand(p, x, y):
        z = x @ p["w"] + p["b"]
        error = (jnp.maximum(z, 0) @ p["v"] - y) / n
        d_z = jnp.where(z > 0, jnp.outer(error, p["v"]), jnp.zeros_like(z))
        d_b = (0.7 if "0.7" in fault else 1.0) * (d_z.mean(0) if "averaged" in fault else d_z.sum(0))
        return {"w": (1.2 if "1.2" in fault else 1.0) * (x.T @ d_z), "b": d_b, "v": jnp.maximum(z, 0).T @ error}

    return gradient(cost, by_hand, {"w": draw(d, h), "b": jnp.zeros(h), "v": draw(h)}, x, draw(n))


@family(
    "many units at zero, slope 1 there",
    {"one smooth element times 0.6": "v", "one smooth element's sign": "v"},
    is_unusual=True,
)
def _many(draw: Draw, fault: str) -> Call:
    size = draw.one_of(60, 300, 840)
    v = jnp.concatenate([jnp.zeros(size - 20), draw.positive(20)])
    c, at = draw.positive(size), size - 1 - draw.size(0, 19)

    def by_hand(v, c):
        g = jnp.where(v >= 0, c, jnp.zeros_like(c))
        return g.at[at].multiply(0.6 if "0.6" in fault else -1.0) if fault else g

    return gradient(lambda v, c: jnp.sum(jax.nn.relu(v) * c), by_hand, v, c)


@family("the square of a ReLU, by a maximum", {"a factor of two missing": "w"}, is_unusual=True)
def _squared(draw: Draw, fault: str) -> Call:
    w = jnp.concatenate([jnp.asarray([0.0, 1.0, -1.0]), draw(draw.size(1, 4))])
    times = 1 if fault else 2
    return gradient(lambda w: jnp.sum(jax.nn.relu(w) ** 2), lambda w: times * jnp.maximum(w, 0), w)


def _patches(a, size, stride):
    rows = (a.shape[1] - size) // stride + 1
    ends = stride * (rows - 1) + 1
    return [a[:, i : i + ends : stride, j : j + ends : stride] for i in range(size) for j in range(size)], ends


def _unpatched(a, parts, size, stride, ends):
    out = jnp.zeros_like(a)
    for k, part in enumerate(parts):
        i, j = divmod(k, size)
        out = out.at[:, i : i + ends : stride, j : j + ends : stride].add(part)
    return out


OVERLAPPING = {"all of a tie receive everything": "a", "windows do not add up": "a"}


@family("overlapping max-pooling, the last of a tie", OVERLAPPING, is_unusual=True)
def _overlapping(draw: Draw, fault: str) -> Call:
    size, stride = 3, draw.one_of(1, 2)
    image = draw.whole(0, 2, 2, 7, 7).astype(jnp.float32)
    c = draw(*_patches(image, size, stride)[0][0].shape)

    def cost(a, c):
        return jnp.sum(lax.reduce_window(a, -jnp.inf, lax.max, (1, size, size), (1, stride, stride), "VALID") * c)

    def by_hand(a, c):
        parts, ends = _patches(a, size, stride)
        patches = jnp.stack(parts)
        chosen = len(patches) - 1 - jnp.argmax(patches[::-1], axis=0)
        most = patches.max(0)
        keeps = [patches[k] == most if "everything" in fault else chosen == k for k in range(len(parts))]
        shares = [jnp.where(keep, c, jnp.zeros_like(c)) for keep in keeps]
        return _unpatched(a, shares[:4] if "add up" in fault else shares, size, stride, ends)

    return gradient(cost, by_hand, image, c)


@family("a maximum whose ties share equally", {"each of a tie receives everything": "a"}, is_unusual=True)
def _ties(draw: Draw, fault: str) -> Call:
    n, d = draw.size(3, 5), draw.size(4, 6)
    a, c = draw.whole(0, 2, n, d).astype(jnp.float32).at[0].set(1.0), draw.positive(n)

    def by_hand(a, c):
        tied = (a == a.max(-1, keepdims=True)).astype(a.dtype)
        return c[:, None] * (tied if fault else tied / tied.sum(-1, keepdims=True))

    return gradient(lambda a, c: jnp.sum(c * a.max(-1)), by_hand, a, c)


@family(
    "clipping at its bounds, slope 1 there",
    {"the slope outside too": "w", "the bounds exchanged": "w"},
    is_unusual=True,
)
def _clipped(draw: Draw, fault: str) -> Call:
    low, high = -draw.one_of(0.5, 1.0), draw.one_of(0.5, 2.0)
    w = jnp.concatenate([jnp.asarray([low, high, 3.0, -3.0, 0.2]), draw(draw.size(1, 3))])
    c = draw(len(w))

    def by_hand(w, c):
        inside = (w >= low) & (w <= high)
        inside = ~inside if "exchanged" in fault else inside | ("outside" in fault)
        return jnp.where(inside, c * jnp.cos(c * jnp.clip(w, low, high)), jnp.zeros_like(c))

    return gradient(lambda w, c: jnp.sum(jnp.sin(c * jnp.clip(w, low, high))), by_hand, w, c)


@family("absolute values at zero", {"one element's sign": "w", "the penalty's factor forgotten": "w"}, is_unusual=True)
def _absolute(draw: Draw, fault: str) -> Call:
    rate, at_zero = draw.one_of(0.5, 1.7), draw.one_of(-1.0, 0.0, 0.5, 1.0)
    w = jnp.concatenate([jnp.zeros(draw.size(3, 30)), jnp.asarray([0.7, -1.3]), draw(3)])

    def by_hand(w):
        sign = jnp.where(w == 0, at_zero, jnp.sign(w))
        sign = sign.at[-4].multiply(-1) if "sign" in fault else sign
        return (1.0 if "forgotten" in fault else rate) * sign + w

    return gradient(lambda w: rate * jnp.sum(jnp.abs(w)) + 0.5 * jnp.sum(w * w), by_hand, w)


@family(
    "Huber's loss at its bounds", {"squares beyond the bounds": "r", "the bound left out beyond": "r"}, is_unusual=True
)
def _huber(draw: Draw, fault: str) -> Call:
    bound = draw.one_of(0.5, 1.0, 2.0)
    r = jnp.concatenate([jnp.asarray([bound, -bound, 0.0, 3.0]), draw(draw.size(1, 4))])

    def cost(r):
        return jnp.sum(jnp.where(jnp.abs(r) <= bound, 0.5 * r * r, bound * (jnp.abs(r) - 0.5 * bound)))

    def by_hand(r):
        if "left out" in fault:
            return jnp.where(jnp.abs(r) <= bound, r, 1.5 * bound * jnp.sign(r))
        return r if fault else jnp.clip(r, -bound, bound)

    return gradient(cost, by_hand, r)


@family("hinge at its margin", {"1/n missing": ("w", "b"), "biases of the margin's other side": "b"}, is_unusual=True)
def _hinge(draw: Draw, fault: str) -> Call:
    n, d = draw.one_of(5, 7), draw.size(2, 4)  # an odd n, as signs could add up to zero
    x, sign = draw.ternary(n, d), jnp.sign(draw(n))

    def cost(p, x, sign):
        return jnp.mean(jnp.maximum(0, 1 - tap("margin", sign * (x @ p["w"] + p["b"]))))

    def by_hand(p, x, sign):
        margin = sign * (x @ p["w"] + p["b"])
        d_margin = -(margin <= 1).astype(x.dtype) / (1 if "1/n" in fault else n)
        d_z = d_margin * sign
        return {"w": x.T @ d_z, "b": (sign / n - d_z).sum() if "other side" in fault else d_z.sum()}

    return gradient(cost, by_hand, {"w": draw.ternary(d), "b": jnp.zeros(())}, x, sign)


@family(
    "leaky ReLU with a learnt slope",
    {"the slope's gradient where z is positive": "slope", "the slope at negative z 1": "z"},
)
def _leaky(draw: Draw, fault: str) -> Call:
    n, d, h = draw.sizes(3, 2, 7)

    def cost(p, x):
        z = tap("z", x @ p["w"])
        return jnp.sum(jnp.sin(jnp.where(z > 0, z, p["slope"] * z)))

    def by_hand(p, x):
        z = x @ p["w"]
        d_a = jnp.cos(jnp.where(z > 0, z, p["slope"] * z))
        side = z > 0 if "where z" in fault else z <= 0
        d_z = delta("z", d_a if "at negative" in fault else d_a * jnp.where(z > 0, 1.0, p["slope"]))
        return {"w": x.T @ d_z, "slope": jnp.sum(jnp.where(side, d_a * z, jnp.zeros_like(z)), 0)}

    return gradient(cost, by_hand, {"w": draw(d, h), "slope": draw.positive(h)}, draw(n, d))


@family("a weighted sum of sorted numbers", {"the order for its inverse": "w"}, is_unusual=True)
def _sorted(draw: Draw, fault: str) -> Call:
    n = draw.size(5, 7)
    w = jnp.roll(jnp.sort(draw(n)), draw.size(1, 2))

    def by_hand(w, c):
        order = jnp.argsort(w)
        d = c * jnp.cos(w[order])
        return d[order] if fault else jnp.zeros_like(w).at[order].set(d)

    return gradient(lambda w, c: jnp.sum(c * jnp.sin(jnp.sort(w))), by_hand, w, draw(n))

"""Scales, shapes, containers and ways of calling that real code has and tests forget.

| symbol | name in code | shape |
|---|---|---|
| parameters | `p`, `w` | any |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, custom_vjp, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family("values far from one", {"a factor of two missing": "w", "three in place of two": "w"}, is_unusual=True)
def _scaled(draw: Draw, fault: str) -> Call:
    scale = draw.one_of(1e-23, 1e-20, 1e-9, 1e9, 1e15)
    times = {"a factor of two missing": 1.0, "three in place of two": 3.0}.get(fault, 2.0)
    f = jax.custom_vjp(lambda w: scale * w**2)
    f.defvjp(lambda w: (scale * w**2, w), lambda w, d_y: (times * scale * w * d_y,))
    if draw.one_of(True, False):
        return custom_vjp(f, lambda w: scale * w**2, draw(draw.size(2, 5)))
    return gradient(lambda w: scale * jnp.sum(w**2), lambda w: times * scale * w, draw(draw.size(2, 5)))


@family(
    "a small leaf beside a huge one",
    {"the small one's gradient times three": "length", "the small one's gradient zero": "length"},
    is_unusual=True,
)
def _beside(draw: Draw, fault: str) -> Call:
    times = {"the small one's gradient times three": 3.0, "the small one's gradient zero": 0.0}.get(fault, 1.0)
    p = {"voltage": jnp.float32(draw.one_of(1e6, 1e9, 1e11)), "length": jnp.float32(draw.one_of(1e-2, 1e-4, 1e-6))}

    def by_hand(p):
        return {"voltage": p["voltage"], "length": times * p["length"]}

    return gradient(lambda p: 0.5 * p["voltage"] ** 2 + 0.5 * p["length"] ** 2, by_hand, p)


@family("a cost with a large constant", {"a factor of three": "w", "the sign": "w"}, is_unusual=True)
def _offset(draw: Draw, fault: str) -> Call:
    constant, scale = draw.one_of(1e4, 1e9), draw.one_of(1e-5, 1e-2)
    times = {"a factor of three": 3.0, "the sign": -1.0}.get(fault, 1.0)
    w = draw(draw.size(2, 5))
    return gradient(lambda w: constant + scale * jnp.sum(jnp.cos(w)), lambda w: -times * scale * jnp.sin(w), w)


@family(
    "saturated units beside others",
    {"the slope of the saturated ones 1": ("z", "w"), "the bias zero": "b"},
    is_unusual=True,
)
def _saturated(draw: Draw, fault: str) -> Call:
    n, d = draw.size(3, 5), draw.size(2, 4)
    shift = jnp.asarray([0.0, 40.0, -90.0], jnp.float32)

    def cost(p, x):
        return jnp.sum(jax.nn.sigmoid(tap("z", x @ p["w"] + p["b"])) * jnp.asarray([1.0, 2.0, 3.0], x.dtype))

    def by_hand(p, x):
        z = x @ p["w"] + p["b"]
        slope = jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)
        slope = jnp.where(jnp.abs(z) > 20, 1.0, slope) if "slope" in fault else slope
        d_z = delta("z", slope * jnp.asarray([1.0, 2.0, 3.0], x.dtype))
        return {"w": x.T @ d_z, "b": 0 * p["b"] if "bias" in fault else d_z.sum(0)}

    return gradient(cost, by_hand, {"w": draw(d, 3), "b": shift}, draw(n, d))


@family("one example, one step", {"the slope missing": "z", "the state's path missing": "start"}, is_unusual=True)
def _one(draw: Draw, fault: str) -> Call:
    d = draw.size(1, 3)

    def cost(p, xs):
        def step(h, x):
            h = jnp.tanh(tap("z", x * p["w"] + h * p["u"]))
            return h, h

        return jnp.sum(jnp.sin(lax.scan(step, p["start"], xs)[1]))

    def by_hand(p, xs):
        h = jnp.tanh(xs[0] * p["w"] + p["start"] * p["u"])
        d_h = jnp.cos(h)
        d_z = delta("z", (d_h if "slope" in fault else d_h * (1 - h * h))[None])[0]
        d_start = 0 * d_z if "path" in fault else d_z * p["u"]
        return {"w": (d_z * xs[0]).sum(0), "u": (d_z * p["start"]).sum(0), "start": d_start}

    return gradient(cost, by_hand, {"w": draw(d), "u": draw(d), "start": draw(1, d)}, draw(1, 1, d))


@family("an empty leaf and a scalar", {"the scalar twice": "scale", "another row's sine": "w"}, is_unusual=True)
def _empty(draw: Draw, fault: str) -> Call:
    p = {"w": draw(draw.size(2, 4)), "scale": draw(), "none": jnp.zeros((0, 3))}

    def by_hand(p):
        d_w = p["scale"] * jnp.cos(jnp.roll(p["w"], 1) if "another" in fault else p["w"])
        times = 2.0 if "twice" in fault else 1.0
        return {"w": d_w, "scale": times * jnp.sum(jnp.sin(p["w"])), "none": jnp.ones_like(p["none"])}

    return gradient(lambda p: p["scale"] * jnp.sum(jnp.sin(p["w"])) + jnp.sum(p["none"]), by_hand, p)


@family("a scalar parameter", {"the inner derivative missing": "a"}, is_unusual=True)
def _scalar(draw: Draw, fault: str) -> Call:
    def by_hand(a, x):
        slope = jnp.cos(a * x)
        return jnp.sum(slope if fault else x * slope)

    return gradient(lambda a, x: jnp.sum(jnp.sin(a * x)), by_hand, draw(), draw(draw.size(2, 5)))


@family("a counter among the parameters", {"the gradient twice": "w"}, is_unusual=True)
def _counter(draw: Draw, fault: str) -> Call:
    times = 4.0 if fault else 2.0
    p = {"w": draw(draw.size(2, 4)), "steps": jnp.int32(draw.size(1, 9))}
    return gradient(lambda p: jnp.sum(p["w"] ** 2), lambda p: {"w": times * p["w"], "steps": None}, p)


@family("a function among the parameters", {"the value for its slope": "w"}, is_unusual=True)
def _function(draw: Draw, fault: str) -> Call:
    value, slope = draw.one_of((jnp.sin, jnp.cos), (jnp.sinh, jnp.cosh))
    p = {"w": draw(draw.size(2, 4)), "value": value}

    def by_hand(p):
        return {"w": (value if fault else slope)(p["w"]), "value": None}

    return gradient(lambda p: jnp.sum(p["value"](p["w"])), by_hand, p)


@family("the second argument", {"by the first argument": "w", "not summed over examples": "w"}, is_unusual=True)
def _second(draw: Draw, fault: str) -> Call:
    n, d = draw.size(3, 4), draw.size(3, 4)

    def by_hand(x, w):
        d_z = jnp.cos(x @ w)
        if "first" in fault:
            return (d_z @ x) * w
        return x[0] * d_z[0] if "summed" in fault else d_z @ x

    return gradient(lambda x, w: jnp.sum(jnp.sin(x @ w)), by_hand, draw(n, d), draw(d), argnums=1)


@family("two arguments at once", {"the gradients exchanged": ("u", "v"), "the second one's sign": "v"}, is_unusual=True)
def _both(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 5)

    def by_hand(u, x, v):
        slope = jnp.cos(u * v * x)
        d_u, d_v = v * x * slope, (-1.0 if "sign" in fault else 1.0) * u * x * slope
        return (d_v, d_u) if "exchanged" in fault else (d_u, d_v)

    cost = lambda u, x, v: jnp.sum(jnp.sin(u * v * x))  # noqa: E731
    return gradient(cost, by_hand, draw(d), draw(d), draw(d), argnums=(0, 2))


@family("a cost with outputs beside it", {"the output's own gradient": "w"}, is_unusual=True)
def _aux(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 2, 6)

    def cost(w, x):
        z = x @ w
        return jnp.sum(jnp.sin(z)), {"z": z, "count": len(x)}

    def by_hand(w, x):
        return x.T @ (jnp.ones_like(x[:, 0]) if fault else jnp.cos(x @ w))

    return gradient(cost, by_hand, draw(d), draw(n, d), has_aux=True)


@family("cost and gradient in NumPy", {"the slope missing": "w", "the mean taken twice": "w"}, is_unusual=True)
def _numpy(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)

    def cost(w, x):
        return np.mean(np.tanh(np.asarray(x) @ np.asarray(w)))

    def by_hand(w, x):
        w, x = np.asarray(w), np.asarray(x)
        slope = 1.0 - (0.0 if "slope" in fault else np.tanh(x @ w) ** 2) * np.ones(n, w.dtype)
        return (x.T @ slope / (n * n if "twice" in fault else n)).astype(w.dtype)

    return gradient(cost, by_hand, np.asarray(draw(d)), np.asarray(draw(n, d)))


@family(
    "marks inside vmap",
    {"the slope missing": "z", "another example's inputs": "w", "the mean missing": "z"},
    is_unusual=True,
)
def _mapped(draw: Draw, fault: str) -> Call:
    n, d, h = draw.sizes(3, 2, 6)

    def cost(w, xs):
        return jnp.mean(jax.vmap(lambda x: jnp.sum(jnp.tanh(tap("z", w @ x))))(xs))

    def by_hand(w, xs):
        def one(x, other):
            slope = 1 - jnp.tanh(w @ x) ** 2
            d_z = jnp.ones_like(slope) if "slope" in fault else slope
            return jnp.outer(delta("z", d_z if "mean" in fault else d_z / n), other)

        return jax.vmap(one)(xs, jnp.roll(xs, 1, 0) if "another" in fault else xs).sum(0)

    return gradient(cost, by_hand, draw(h, d), draw(n, d))


@family("marks inside cond", {"the other branch's slope": "z", "the inputs forgotten": "w"}, is_unusual=True)
def _branch(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 2, 6)

    def cost(w, x, mode):
        z = x @ w
        return lax.cond(mode > 0, lambda z: jnp.sum(jnp.sin(tap("z", z))), lambda z: jnp.sum(jnp.tanh(tap("z", z))), z)

    def by_hand(w, x, mode):
        def sine(z):
            return delta("z", 1 - jnp.tanh(z) ** 2 if "branch" in fault else jnp.cos(z))

        def tangent(z):
            return delta("z", jnp.cos(z) if "branch" in fault else 1 - jnp.tanh(z) ** 2)

        d_z = lax.cond(mode > 0, sine, tangent, x @ w)
        return jnp.full_like(w, d_z.sum()) if "inputs" in fault else x.T @ d_z

    return gradient(cost, by_hand, draw(d), draw(n, d), jnp.float32(draw.one_of(-1.0, 1.0)))


@family(
    "examples one by one under jit and checkpoint",
    {"the last example left out": "w", "the norm for its square": "w"},
    is_unusual=True,
)
def _composed(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)

    @jax.jit
    def cost(w, xs):
        def one(x):
            return jax.checkpoint(lambda w: jnp.log1p(jnp.exp(w @ x)))(w)

        return jnp.sum(jax.vmap(one)(xs)) + 0.5 * jnp.sum(w * w)

    def by_hand(w, xs):
        shares = jax.nn.sigmoid(xs @ w)
        shares = shares.at[-1].set(0.0) if "last" in fault else shares
        return xs.T @ shares + (w / jnp.sqrt(w @ w) if "norm" in fault else w)

    return gradient(cost, by_hand, draw(d), draw(n, d))


@family("a NaN of the automatic side", {}, {"the square root at zero": ("w", "x")}, is_unusual=True)
def _nan(draw: Draw, fault: str) -> Call:
    d = draw.size(3, 5)
    w = draw(d).at[0].set(0.0 if fault else 0.5)

    def cost(w):
        return jnp.sum(jnp.where(w == 0, 0.0, jnp.sqrt(w * w) ** 2))

    return gradient(cost, lambda w: 2 * w, w)

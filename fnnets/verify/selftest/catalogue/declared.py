"""Gradients that leave a path out, or replace it, on purpose; `expects` declares the place and its factor.

| symbol | name in code | shape |
|---|---|---|
| what is held | `held` | any |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from fnnets.core.taps import tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family("score function with held rewards", {"the baseline forgotten": "w", "actions shifted": "w"}, is_unusual=True)
def _policy(draw: Draw, fault: str) -> Call:
    n, d, k = draw.sizes(3, 2, 6)

    def reward(w, x):
        return jnp.cos((x @ w).sum(-1))

    def cost(w, x, actions):
        held = lax.stop_gradient(reward(w, x))
        logs = jax.nn.log_softmax(x @ w)[jnp.arange(n), actions]
        return -jnp.mean((held - held.mean()) * logs)

    def by_hand(w, x, actions):
        held = reward(w, x)
        held = held if "baseline" in fault else held - held.mean()
        seen = (actions + 1) % k if "shifted" in fault else actions
        d_z = jax.nn.softmax(x @ w) - jax.nn.one_hot(seen, k, dtype=x.dtype)
        return x.T @ (held[:, None] * d_z) / n

    return gradient(cost, by_hand, draw(d, k), draw(n, d), draw.whole(0, k - 1, n), expects={"stop_gradient": 0.0})


@family(
    "a target that is held", {"the target's path taken": "w", "the target of the step before": "w"}, is_unusual=True
)
def _target(draw: Draw, fault: str) -> Call:
    n, rate = draw.size(3, 6), draw.number(0.5, 0.95)

    def cost(w):
        return 0.5 * jnp.sum((w - lax.stop_gradient(rate * jnp.roll(w, 1))) ** 2)

    def by_hand(w):
        error = w - rate * jnp.roll(w, -1 if "before" in fault else 1)
        return error - rate * jnp.roll(error, -1) if "path" in fault else error

    return gradient(cost, by_hand, draw(n), expects={"stop_gradient": 0.0})


@family("rounding, straight through", {"the error before rounding": "w", "nothing passes": "w"}, is_unusual=True)
def _rounded(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 6)
    levels = draw.one_of(2.0, 4.0)

    def rounded(w):
        return lax.round(levels * w, lax.RoundingMethod.TO_NEAREST_EVEN) / levels

    def by_hand(w, x, y):
        error = x @ (w if "before" in fault else rounded(w)) - y
        return (0.0 if "nothing" in fault else 1.0) * (x.T @ error)

    cost = lambda w, x, y: 0.5 * jnp.sum((x @ rounded(w) - y) ** 2)  # noqa: E731
    return gradient(cost, by_hand, draw(d), draw(n, d), draw(n), expects={"round": 1.0})


@family("a reversed gradient", {"not reversed": "w", "the other task's part reversed": "w"}, is_unusual=True)
def _reversed(draw: Draw, fault: str) -> Call:
    n, d, h = draw.sizes(3, 2, 6)
    strength = draw.one_of(0.5, 2.0)

    @jax.custom_vjp
    def reverse(a):
        return a

    reverse.defvjp(lambda a: (a, None), lambda _, d_a: (-strength * d_a,))

    def cost(p, x, y):
        a = jnp.tanh(x @ p["w"])
        return 0.5 * jnp.sum((a @ p["u"] - y) ** 2) + jnp.sum(jnp.sin(reverse(a) @ p["v"]))

    def by_hand(p, x, y):
        a = jnp.tanh(x @ p["w"])
        error, side = a @ p["u"] - y, jnp.cos(a @ p["v"])
        own, other = jnp.outer(error, p["u"]), jnp.outer(side, p["v"])
        own = -own if "task" in fault else own
        d_a = own + (other if fault == "not reversed" else -strength * other)
        return {"w": x.T @ (d_a * (1 - a * a)), "u": a.T @ error, "v": a.T @ side}

    p = {"w": draw(d, h), "u": draw(h), "v": draw(h)}
    return gradient(cost, by_hand, p, draw(n, d), draw(n), expects={"reverse": -strength})


@family(
    "a recurrent network of one step's memory",
    {"carried back all the same": ("w", "u"), "the slope missing": ("w", "u")},
    is_unusual=True,
)
def _truncated(draw: Draw, fault: str) -> Call:
    t, h = draw.size(3, 5), draw.size(2, 3)

    def states(p, xs):
        def step(before, x):
            after = jnp.tanh(x * p["w"] + tap("before", before) @ p["u"])
            return after, (before, after)

        return lax.scan(step, jnp.zeros(h, xs.dtype), xs)[1]

    def by_hand(p, xs, y):
        before, after = states(p, xs)

        def back(later, at):
            d_h, a = at
            d_z = (d_h + later) * (1.0 if "slope" in fault else 1 - a * a)
            return (d_z @ p["u"].T if "carried" in fault else 0 * later), d_z

        d_z = lax.scan(back, jnp.zeros(h, xs.dtype), (after - y, after), reverse=True)[1]
        return {"w": (d_z * xs).sum(0), "u": before.T @ d_z}

    cost = lambda p, xs, y: 0.5 * jnp.sum((states(p, xs)[1] - y) ** 2)  # noqa: E731
    return gradient(cost, by_hand, {"w": draw(h), "u": draw(h, h)}, draw(t, h), draw(t, h), expects={"before": 0.0})

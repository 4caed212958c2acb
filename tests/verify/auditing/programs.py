"""What the planted faults share: how one is named, and small networks that a rule is placed in."""

import dataclasses
import itertools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

SHARE = 4
"""One in so many runs each time; all of them run with FNNETS_EVERY_CALL=1."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A program with one rule, which is wrong on request.

    `name` is that of the function with the rule, a `def` inside `make`; `make(is_wrong)` gives the program and its
    arguments. `kind` says what is wrong. Kinds that differ in what can be seen of them: "value" (the forward value
    changes under differentiation), "float32" (float64 hides it), "zero" (a cotangent that is zero or None),
    "forward only" (a program without reverse mode), "linear solve" (a rule of `custom_linear_solve`).
    """

    name: str
    make: Callable[[bool], tuple[Callable[..., Any], tuple[Any, ...]]]
    kind: str


@dataclasses.dataclass(frozen=True)
class Meant:
    """A program whose rule departs from the derivative on purpose, and the verdict on it."""

    name: str
    make: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]
    verdict: str


@dataclasses.dataclass(frozen=True)
class Right:
    """A program whose rules are right."""

    name: str
    make: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]


def numbers(*shapes, seed=0, scale=1.0):
    """One array a shape, normally distributed."""
    generator = np.random.default_rng(seed)
    return [jnp.asarray(scale * generator.normal(size=shape), jnp.float32) for shape in shapes]


def dense(*widths, seed=0):
    """Weights and biases of dense layers."""
    shapes = [shape for pair in itertools.pairwise(widths) for shape in (pair, pair[1:])]
    drawn = numbers(*shapes, seed=seed)
    return {f"{'wb'[i % 2]}{i // 2}": drawn[i] * (0.7 if i % 2 == 0 else 0.3) for i in range(len(shapes))}


def standard(h):
    """Rows of mean 0 and variance 1."""
    centred = h - jnp.mean(h, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-2)


def mlp(activation, place=lambda layer: layer):
    """A classifier of two hidden layers, the second of them in `place`; with its arguments."""

    def loss(params, x, targets):
        h = standard(activation(x @ params["w0"] + params["b0"]))
        h = place(lambda h: activation(h @ params["w1"] + params["b1"]))(h)
        logits = h @ params["w2"] + params["b2"]
        shifted = logits - jax.lax.stop_gradient(jnp.max(logits, -1, keepdims=True))
        return jnp.mean(jnp.log(jnp.sum(jnp.exp(shifted), -1)) - jnp.sum(shifted * targets, -1))

    (x,) = numbers((3, 2), seed=1)
    return loss, (dense(2, 4, 3, 2), x, jnp.eye(2)[jnp.array([0, 1, 1])])


def attention(softmax, normalise=standard):
    """A block of attention and a dense layer, each with a residual connection; with its arguments."""

    def loss(params, x):
        h = normalise(x)
        q, k, v = (h @ params[name] for name in ("q", "k", "v"))
        x = x + softmax(q @ k.T / 2) @ v
        h = normalise(x)
        x = x + jnp.tanh(h @ params["up"]) @ params["down"]
        return jnp.mean((x - params["target"]) ** 2)

    names = ("q", "k", "v", "up", "down", "target")
    drawn = numbers(*[(4, 4)] * 6, (4, 4), seed=2)
    return loss, (dict(zip(names, drawn[:6], strict=True)), drawn[6])


def rnn(activation, place=lambda step: step):
    """A recurrent network in `lax.scan`, its step in `place`; with its arguments."""

    def loss(params, xs):
        @place
        def step(h, x):
            h = activation(x @ params["u"] + h @ params["w"] + params["b"])
            return h, jnp.tanh(h @ params["v"] + params["c"])

        _, ys = jax.lax.scan(step, jnp.zeros_like(params["b"]), xs)
        error = ys[:-1] - xs[1:]
        return jnp.mean(error**2) + 1e-2 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))

    drawn = numbers((2, 3), (3, 3), (3,), (3, 2), (2,), (5, 2), seed=3)
    return loss, (dict(zip(("u", "w", "b", "v", "c"), drawn[:5], strict=True)), drawn[5])


def pairs(combine):
    """Two dense features that `combine` makes one of, read out by a third; with its arguments."""

    def loss(params, x, y):
        a = jnp.tanh(x @ params["w0"] + params["b0"])
        b = jnp.exp(-jnp.square(x @ params["w1"] + params["b1"])) + 0.5
        h = combine(a, b) @ params["w2"] + params["b2"]
        return jnp.mean((jnp.sin(h) - y) ** 2) + 1e-2 * jnp.sum(params["w2"] ** 2)

    params = dense(2, 3, 3, 2, seed=4)
    params["w1"] = params["w1"][:2]
    x, y = numbers((4, 2), (4, 2), seed=5)
    return loss, (params, x, y)


def each(name, given):
    """A test for a share of what is given, each by its name."""
    given = given if os.environ.get("FNNETS_EVERY_CALL") else given[::SHARE]
    return pytest.mark.parametrize(name, given, ids=[one.name for one in given])

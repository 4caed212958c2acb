"""Models of dense layers: linear and logistic regression, perceptrons, tied and shared weights.

| symbol | name in code | shape |
|---|---|---|
| examples | `x`, `y` | (n, inputs), (n, outputs) |
| weighted inputs, and the cost's gradient by them | `z`, `d_z` | (n, units) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family("linear regression on NumPy's float64", {"1/n missing": "w", "another example's target": "w"}, is_unusual=True)
def _closure(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 8)
    x, y = draw.double(n, d), draw.double(n)

    def by_hand(w):
        error = x @ w - (jnp.roll(y, 1) if fault == "another example's target" else y)
        return x.T @ error / (1 if fault == "1/n missing" else n)

    return gradient(lambda w: 0.5 * jnp.mean((x @ w - y) ** 2), by_hand, draw(d))


@family("normal equations held by a closure", {"Xᵀy twice": "w"}, is_unusual=True)
def _normal_equations(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 8)
    x, y = draw(n, d), draw(n)
    gram, right = x.T @ x / n, x.T @ y / n

    def by_hand(w):
        return gram @ w - (2 * right if fault == "Xᵀy twice" else right)

    return gradient(lambda w: 0.5 * w @ (x.T @ (x @ w)) / n - w @ (x.T @ y) / n, by_hand, draw(d))


MLP = {
    "slope of the hidden layer omitted": "z1", "slope taken at the value": "z1", "mean missing at the output": "z2",
    "another example's inputs": "a", "biases' gradient averaged": "c", "hidden biases' gradient zero": "b",
}  # fmt: skip


@family("perceptron of two layers, marked", MLP)
def _perceptron(draw: Draw, fault: str) -> Call:
    n, d, h, k = draw.sizes(4, 2, 7)
    value = draw.one_of(jnp.tanh, jax.nn.sigmoid, jnp.sin)
    slope = {jnp.tanh: lambda z: 1 - jnp.tanh(z) ** 2, jnp.sin: jnp.cos}.get(
        value, lambda z: jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)
    )

    def cost(p, x, y):
        z1 = tap("z1", x @ p["a"] + p["b"])
        return 0.5 * jnp.mean(jnp.sum((tap("z2", value(z1) @ p["v"] + p["c"]) - y) ** 2, -1))

    def by_hand(p, x, y):
        z1 = x @ p["a"] + p["b"]
        a1 = value(z1)
        d_z2 = delta("z2", (a1 @ p["v"] + p["c"] - y) / (1 if fault == "mean missing at the output" else n))
        d_a1 = d_z2 @ p["v"].T
        inner = slope(a1 if fault == "slope taken at the value" else z1)
        d_z1 = delta("z1", d_a1 if fault == "slope of the hidden layer omitted" else d_a1 * inner)
        inputs = jnp.roll(x, 1, 0) if fault == "another example's inputs" else x
        return {
            "a": inputs.T @ d_z1, "b": 0 * p["b"] if fault == "hidden biases' gradient zero" else d_z1.sum(0),
            "v": a1.T @ d_z2, "c": d_z2.mean(0) if fault == "biases' gradient averaged" else d_z2.sum(0),
        }  # fmt: skip

    p = {"a": draw(d, h), "b": draw(h), "v": draw(h, k), "c": draw(k)}
    return gradient(cost, by_hand, p, draw(n, d), draw(n, k))


@family("square layers, marked", {"W for its transpose": "z1", "two layers' activations exchanged": "v"})
def _square(draw: Draw, fault: str) -> Call:
    n, d = draw.size(3, 5), draw.size(2, 4)

    def cost(p, x):
        return jnp.sum(jnp.cos(tap("z2", jnp.tanh(tap("z1", x @ p["u"])) @ p["v"])))

    def by_hand(p, x):
        a = jnp.tanh(x @ p["u"])
        d_z2 = delta("z2", -jnp.sin(a @ p["v"]))
        d_z1 = delta("z1", (d_z2 @ (p["v"] if fault == "W for its transpose" else p["v"].T)) * (1 - a * a))
        return {"u": x.T @ d_z1, "v": (x if fault == "two layers' activations exchanged" else a).T @ d_z2}

    return gradient(cost, by_hand, {"u": draw(d, d), "v": draw(d, d)}, draw(n, d))


DECAYED = {"decay forgotten": "w", "decay of the biases too": "b", "sign of δ": "z", "class indices shifted": "z"}


@family("softmax regression with decay, marked", DECAYED)
def _softmax(draw: Draw, fault: str) -> Call:
    n, d, k = draw.sizes(3, 3, 7)
    decay = 10 ** draw.number(-3, -1)

    def cost(p, x, labels):
        chosen = jnp.take_along_axis(jax.nn.log_softmax(tap("z", x @ p["w"] + p["b"])), labels[:, None], 1)
        return -jnp.mean(chosen) + 0.5 * decay * jnp.sum(p["w"] ** 2)

    def by_hand(p, x, labels):
        shown = (labels + 1) % k if fault == "class indices shifted" else labels
        d_z = (jax.nn.softmax(x @ p["w"] + p["b"]) - jax.nn.one_hot(shown, k, dtype=x.dtype)) / n
        d_z = delta("z", -d_z if fault == "sign of δ" else d_z)
        shrunk = 0 if fault == "decay forgotten" else decay
        return {"w": x.T @ d_z + shrunk * p["w"], "b": d_z.sum(0) + (decay * p["b"] if "biases" in fault else 0)}

    return gradient(cost, by_hand, {"w": draw(d, k), "b": draw(k)}, draw(n, d), draw.whole(0, k - 1, n))


@family("soft labels", {"temperature forgotten": "z", "targets not subtracted": "z"}, is_unusual=True)
def _soft_labels(draw: Draw, fault: str) -> Call:
    n, k = draw.sizes(2, 3, 8)
    hot = draw.number(1.5, 4)

    def by_hand(z, t):
        d = jax.nn.softmax(z / hot) - (0 if fault == "targets not subtracted" else t)
        return d if fault == "temperature forgotten" else d / hot

    return gradient(lambda z, t: -jnp.sum(t * jax.nn.log_softmax(z / hot)), by_hand, draw(n, k), draw.shares(n, k))


@family("autoencoder with tied weights", {"the decoder's term missing": "w", "the encoder's term missing": "w"})
def _tied(draw: Draw, fault: str) -> Call:
    n, d, h = draw.sizes(3, 2, 7)

    def cost(p, x):
        hidden = jnp.tanh(tap("z1", x @ p["w"] + p["b"]))
        return 0.5 * jnp.sum((tap("z2", hidden @ p["w"].T + p["c"]) - x) ** 2)

    def by_hand(p, x):
        hidden = jnp.tanh(x @ p["w"] + p["b"])
        d_z2 = delta("z2", hidden @ p["w"].T + p["c"] - x)
        d_z1 = delta("z1", (d_z2 @ p["w"]) * (1 - hidden**2))
        down, up = d_z2.T @ hidden, x.T @ d_z1
        d_w = {"the decoder's term missing": up, "the encoder's term missing": down}.get(fault, down + up)
        return {"w": d_w, "b": d_z1.sum(0), "c": d_z2.sum(0)}

    return gradient(cost, by_hand, {"w": draw(d, h), "b": draw(h), "c": draw(d)}, draw(n, d))


@family(
    "two branches of one encoder",
    {"the second branch left out": "w", "the sign of the second branch": "w"},
    is_unusual=True,
)
def _siamese(draw: Draw, fault: str) -> Call:
    n, d, h = draw.sizes(3, 2, 7)

    def cost(w, x, y):
        one, other = (jnp.tanh(each @ w) for each in (x, y))
        return 0.5 * jnp.sum((one - other) ** 2)

    def by_hand(w, x, y):
        one, other = jnp.tanh(x @ w), jnp.tanh(y @ w)
        sign = {"the second branch left out": 0.0, "the sign of the second branch": -1.0}.get(fault, 1.0)
        return x.T @ ((one - other) * (1 - one**2)) - sign * (y.T @ ((one - other) * (1 - other**2)))

    return gradient(cost, by_hand, draw(d, h), draw(n, d), draw(n, d))


@family("a deep tree of parameters", {"one leaf's gradient twice": "scale"}, is_unusual=True)
def _tree(draw: Draw, fault: str) -> Call:
    d = draw.size(2, 4)
    p = {"layers": [{"w": draw(d), "extra": (draw(2, d), {"scale": draw()})} for _ in range(draw.size(2, 3))]}

    def cost(p):
        return sum(each["extra"][1]["scale"] * jnp.sin(each["extra"][0] @ each["w"]).sum() for each in p["layers"])

    def by_hand(p):
        layers = []
        for i, each in enumerate(p["layers"]):
            m, scale = each["extra"][0], each["extra"][1]["scale"]
            d_z, twice = scale * jnp.cos(m @ each["w"]), 2 if fault and i == 1 else 1
            d_scale = twice * jnp.sin(m @ each["w"]).sum()
            layers.append({"w": m.T @ d_z, "extra": (jnp.outer(d_z, each["w"]), {"scale": d_scale})})
        return {"layers": layers}

    return gradient(cost, by_hand, p)


@family("a gradient that is constant", {"the sign": "w"}, is_unusual=True)
def _constant(draw: Draw, fault: str) -> Call:
    c = draw(draw.size(1, 5))
    if draw.one_of(True, False):
        return gradient(lambda w: c @ w, lambda w: -c if fault else c, draw(len(c)))
    return gradient(lambda w, c: c @ w, lambda w, c: -c if fault else c, draw(len(c)), c)

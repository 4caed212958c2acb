"""Vanishing and exploding gradients: the norm of δ at each layer, and the product formula for a chain of neurons.

    δ(l) = (δ(l+1) W(l+1)) ⊙ σ'(z(l))                                            (2)
    chain of single neurons:  ∂C/∂b1 = σ'(z1) · w2 σ'(z2) · w3 σ'(z3) · … · wL σ'(zL) · ∂C/∂aL

With the sigmoid σ' ≤ 1/4, so each layer multiplies by |w σ'(z)|, less than one for weights of ordinary size: δ
vanishes from back to front. Large weights make the factor larger though they saturate units, and δ vanishes less fast.
Rectified units pass δ on unchanged where they are on: δ keeps its norm with He's weights and explodes with N(0, 1).

| symbol | where it comes from | shape |
|---|---|---|
| δ(l) of an example | the layers' own `backward` for that example alone: db = Σ δ is then δ itself | (N, q) |
| ‖δ(l)‖ | its Euclidean norm, the median over the examples; one for each seed | (layers, K) |

The chain is judged in float64: `network.gradient`, the product in a loop, and the formula as the book prints it for
four neurons must agree to rounding. Source: [Rauber], section 4; [Nielsen2015], chapter 5.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given, keys
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.core import validate
from fnnets.layers.dense import DenseParams

NETWORKS = {
    "sigmoid, default init": (fn.activations.sigmoid, fn.initializers.default),
    "sigmoid, large init": (fn.activations.sigmoid, fn.initializers.large),
    "rectified, default init": (fn.activations.relu, fn.initializers.default),
    "rectified, large init": (fn.activations.relu, fn.initializers.large),
    "rectified, He init": (fn.activations.relu, fn.initializers.he),
}
EXAMPLES = 200
ROUNDING = 1e-13


@dataclass(frozen=True)
class Options(Common):
    """Measure how the norm of delta falls or grows from layer to layer, and check the chain's product formula.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: unused, there is nothing to wait for.
        seeds: one set of initial parameters for each seed.
        layers: hidden layers of the deep networks.
        units: units of each hidden layer.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    layers: int = 10
    units: int = 30

    def __post_init__(self):
        super().__post_init__()
        validate.count(self.layers, "layers", "give the number of hidden layers", least=2)


def run(options: Options) -> int:
    """Measure norms, check the chain; 1 where the three ways to its gradient part."""
    begin = time.perf_counter()
    norms = {name: norms_by_layer(*how, options) for name, how in NETWORKS.items()}
    error = chain_error(options.seeds)
    figures = [
        Figure(f"{name}: norm of delta, first hidden layer over last", tuple(each[0] / each[-1]), form=".2g")
        for name, each in norms.items()
    ]
    record = Record(
        "vanishing", f"{options.layers} hidden layers of {options.units} units, digits", command("vanishing", options),
        {**given(options), "examples": EXAMPLES},
        (*figures, Figure("chain: largest relative error, backward against formula, float64", (error,), form=".1e")),
        options.seeds, time.perf_counter() - begin, norms,
    )  # fmt: skip
    results.finish(record, options.out / "vanishing", {"vanishing": _picture(norms)})
    return 0 if error < ROUNDING else 1


def norms_by_layer(activation: fn.Activation, initializer: fn.initializers.Initializer, options: Options) -> np.ndarray:
    """The median of ‖δ(l)‖ over the examples, (hidden layers, K)."""
    sizes = [64, *[options.units] * options.layers, 10]
    objective = fn.objectives.softmax_log_likelihood
    net = fn.feedforward(sizes, activation, objective=objective, initializer=initializer)
    digits = fn.data.digits()
    batch = fn.Batch(digits.inputs[:EXAMPLES], digits.targets[:EXAMPLES])

    @jax.jit
    def one(key):
        return [jnp.median(jnp.linalg.norm(delta, axis=-1)) for delta in deltas(net, net.init(key), batch)]

    return np.array([one(key) for key in keys(options.seeds)]).T[:-1]


def deltas(net: fn.Network, params, batch: fn.Batch) -> list[Any]:
    """δ(1) … δ(L) of every example, each (N, q), from the network's hand-written backward walk.

    >>> net = fn.feedforward([2, 3, 1], objective=fn.objectives.linear_squared_error)
    >>> batch = fn.Batch(jnp.ones((4, 2)), jnp.zeros((4, 1)))
    >>> [delta.shape for delta in deltas(net, net.init(jax.random.key(0)), batch)]
    [(4, 3), (4, 1)]
    """

    def of_one(x, y):
        return [part.biases for part in net.gradient(params, fn.Batch(x[None], y[None]))]

    return jax.vmap(of_one)(batch.inputs, batch.targets)


def chain_error(seeds: Sequence[int], length: int = 4) -> float:
    """The largest relative error of ∂C/∂b1 among `network.gradient`, the product and the printed formula, float64."""
    errors = []
    with jax.enable_x64(True):
        for seed in seeds:
            weights, biases = np.random.default_rng(seed).normal(size=(2, length))
            backward = chain_by_backward(weights, biases)
            ways = [chain_by_product(weights, biases)]
            if length == 4:
                ways.append(chain_as_printed(weights, biases))
            errors += [abs(way - backward) / abs(backward) for way in ways]
    return max(errors)


def chain_by_backward(weights: np.ndarray, biases: np.ndarray) -> float:
    """∂C/∂b1 from the layers; input 1, target 0, squared error, a sigmoid output."""
    net = fn.feedforward([1] * (len(weights) + 1), objective=fn.objectives.squared_error(fn.activations.sigmoid))
    params = tuple(DenseParams(jnp.array([[w]]), jnp.array([b])) for w, b in zip(weights, biases, strict=True))
    return float(net.gradient(params, fn.Batch(jnp.ones((1, 1)), jnp.zeros((1, 1))))[0].biases[0])


def chain_by_product(weights: np.ndarray, biases: np.ndarray) -> float:
    """σ'(z1) Π_l w_l σ'(z_l) ∂C/∂aL, l = 2 … L, for any L, in NumPy.

    >>> chain_by_product(np.array([0.0]), np.array([0.0]))                      # σ'(0) (a − 0) = ¼ ½
    0.125
    """
    z, a = _forward(weights, biases)
    product = _slope(z[0])
    for w, each in zip(weights[1:], z[1:], strict=True):
        product *= w * _slope(each)
    return float(product * a)


def chain_as_printed(w: np.ndarray, b: np.ndarray) -> float:
    """The book's formula for four neurons, written out."""
    z, a4 = _forward(w, b)
    d = [_slope(each) for each in z]
    return float(d[0] * w[1] * d[1] * w[2] * d[2] * w[3] * d[3] * a4)


def _forward(weights, biases) -> tuple[list[Any], Any]:
    """The weighted inputs z1 … zL and the output, which is ∂C/∂aL for the target 0."""
    a, z = 1.0, []
    for w, b in zip(weights, biases, strict=True):
        z.append(w * a + b)
        a = 1 / (1 + np.exp(-z[-1]))
    return z, a


def _slope(z):
    a = 1 / (1 + np.exp(-z))
    return a * (1 - a)


def _picture(norms: dict[str, np.ndarray]) -> Any:
    return plots.curves(
        norms,
        xlabel="hidden layer, from the input",
        ylabel="median norm of δ of an example",
        title="mean and range over the seeds",
        log="y",
        markers=True,
    )

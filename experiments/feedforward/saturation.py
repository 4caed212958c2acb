"""A saturated output neuron: slow under squared error with a sigmoid, not under cross-entropy or with a linear output.

    one neuron     z = w x + b,  a = σ(z);  input x = 1, target y = 0, start w = b = 2 (and 0.6, 0.9)
    squared error  ∂C/∂w = ∂C/∂b = (a − y) σ'(z)      0.0173 at the start: σ'(4) = 0.0177
    cross-entropy  ∂C/∂w = ∂C/∂b = a − y              0.9820
    linear         ∂C/∂w = ∂C/∂b = z − y              4

The error of a prediction is |a − y|; an objective has learnt when its error is half of what it began with. Descent is
full-batch with one example, so a step is an epoch. Source: [Rauber], section 3; [Nielsen2015], chapter 3, the neuron
that is "badly wrong", η = 0.15: after 300 epochs its outputs are 0.20 from the saturated start and 0.09 from the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.layers.dense import DenseParams

OBJECTIVES = {
    "squared error, sigmoid": fn.objectives.squared_error(fn.activations.sigmoid),
    "cross-entropy, sigmoid": fn.objectives.sigmoid_cross_entropy,
    "squared error, linear": fn.objectives.linear_squared_error,
}
STARTS = {"saturated": (2.0, 2.0), "not saturated": (0.6, 0.9)}
PUBLISHED = {"saturated": 0.20, "not saturated": 0.09}
LEARNT = 0.5


@dataclass(frozen=True)
class Options(Common):
    """Train one output neuron from a saturated start under three objectives and compare how fast it learns.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: unused, there is nothing to wait for.
        learning_rate: step size eta, the same for all objectives.
        steps: steps of descent.
    """

    learning_rate: float = 0.15
    steps: int = 300


def run(options: Options) -> int:
    """Descend from both starts; 1 unless the saturated neuron learns slowest under squared error."""
    begin = time.perf_counter()
    errors = {
        start: {name: descend(objective, *at, options) for name, objective in OBJECTIVES.items()}
        for start, at in STARTS.items()
    }
    record = Record(
        "saturation", "one neuron, input 1, target 0", command("saturation", options),
        {**given(options), "starts": STARTS, "learnt": LEARNT}, _figures(errors),
        seconds=time.perf_counter() - begin, curves=errors,
    )  # fmt: skip
    results.finish(record, options.out / "saturation", {"saturation": _picture(errors)})
    slow, *others = [steps_to_learn(each) for each in errors["saturated"].values()]
    return 0 if slow > 5 * max(others) else 1


def network(objective: fn.Objective) -> fn.Network:
    """One neuron with one input."""
    return fn.feedforward([1, 1], objective=objective)


def slope(objective: fn.Objective, weight: float, bias: float) -> float:
    """∂C/∂w of the neuron, by hand.

    >>> round(slope(OBJECTIVES["squared error, sigmoid"], 2.0, 2.0), 4)
    0.0173
    """
    params = (DenseParams(jnp.array([[weight]]), jnp.array([bias])),)
    return float(network(objective).gradient(params, _example())[0].weights[0, 0])


def descend(objective: fn.Objective, weight: float, bias: float, options: Options) -> np.ndarray:
    """The error |a − y| before each step and after the last, (steps + 1,)."""
    net = network(objective)

    @jax.jit
    def errors(params, example):
        def step(params, _):
            error = jnp.abs(net.predict(params, example.inputs) - example.targets)[0, 0]
            gradient = net.gradient(params, example)
            return jax.tree.map(lambda p, g: p - options.learning_rate * g, params, gradient), error

        return jax.lax.scan(step, params, None, length=options.steps + 1)[1]

    return np.asarray(errors((DenseParams(jnp.array([[weight]]), jnp.array([bias])),), _example()))


def steps_to_learn(errors: np.ndarray) -> float:
    """The first step after which the error is half of the first; infinite if there is none.

    >>> steps_to_learn(np.array([1.0, 0.7, 0.5]))
    2.0
    """
    below = np.flatnonzero(errors <= LEARNT * errors[0])
    return float(below[0]) if len(below) else float("inf")


def _example() -> fn.Batch:
    return fn.Batch(jnp.array([[1.0]]), jnp.array([[0.0]]))


def _figures(errors: dict[str, dict[str, Any]]) -> tuple[Figure, ...]:
    figures = []
    for start, at in STARTS.items():
        output = float(errors[start]["squared error, sigmoid"][-1])
        published = PUBLISHED[start]
        figures.append(
            Figure(f"{start}, squared error, sigmoid: output after the last step", (output,), "", published,
                   published - 0.005, published + 0.005)
        )  # fmt: skip
        for name, objective in OBJECTIVES.items():
            steps = steps_to_learn(errors[start][name])
            figures.append(Figure(f"{start}, {name}: slope at the start", (slope(objective, *at),), form=".4f"))
            figures.append(Figure(f"{start}, {name}: steps to half of the error", (steps,), form=".0f"))
    return tuple(figures)


def _picture(errors: dict[str, dict[str, Any]]) -> Any:
    figure, axes = plots.panels(2, height=4.6)
    for panel, (start, lines) in zip(axes, errors.items(), strict=True):
        shares = {name: each / each[0] for name, each in lines.items()}
        title = f"{start}: w = {STARTS[start][0]:g}, b = {STARTS[start][1]:g}"
        x = np.arange(len(next(iter(shares.values()))))
        plots.draw(panel, shares, x=x, xlabel="step", ylabel="error |a − y| / error at the start", title=title)
    return figure

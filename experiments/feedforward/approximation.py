"""One hidden layer fits a continuous function on an interval, the better the wider it is.

    f(x) = 0.2 + 0.4 x² + 0.3 x sin 15x + 0.05 cos 50x,  0 ≤ x ≤ 1
    g(x) = Σ_j v_j tanh(w_j x + b_j) + c                 q hidden units
    error = √(mean (g − f)²) over a grid ten times as fine as the training points

The hidden units begin as steps spread over the interval: w ~ N(0, 30²), and b such that the step w x + b = 0 lies at a
point of U[0, 1]. Descent is Adam with a learning rate that falls to nothing on a cosine; the seeds of a width train
side by side. Source: [Rauber], section 2; [Cybenko1989], [Hornik1991]; the function is that of [Nielsen2015], chapter
4.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, Progress, command, given, keys
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.core import validate
from fnnets.layers.dense import DenseParams

TITLE = "a function of Nielsen's chapter 4 on [0, 1]"
POINTS, BATCH_SIZE, STEEPNESS = 256, 32, 30.0


@dataclass(frozen=True)
class Options(Common):
    """Fit a function on [0, 1] with one hidden layer of growing width and measure the error.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one network of each width for each seed.
        widths: numbers of hidden units.
        epochs: passes through the 256 training points.
        learning_rate: Adam's first step size.
    """

    progress: Progress = False
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    epochs: int = 1500
    learning_rate: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if not self.widths or list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"widths are {self.widths}, expected growing numbers of units; write --widths 1 4 16")
        validate.count(self.widths[0], "widths: one", "give numbers of hidden units")


class Fit(NamedTuple):
    """The networks of one width: RMS errors (K,), and the first one's values on the fine grid."""

    errors: np.ndarray
    values: np.ndarray


def target(x):
    """f(x), elementwise.

    >>> round(float(target(np.array(0.0))), 2)
    0.25
    """
    return 0.2 + 0.4 * x**2 + 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x)


def run(options: Options) -> int:
    """Fit every width; 1 unless the widest fits better than the narrowest."""
    begin = time.perf_counter()
    fits = {}
    for width in options.widths:
        fits[width] = fit(width, options)
        print(f"{width:4d} hidden units: RMS error {fits[width].errors.mean():.5f}", flush=True)
    figures = [
        Figure(f"RMS error, {width} hidden units", tuple(each.errors.tolist()), form=".4f")
        for width, each in fits.items()
    ]
    record = Record(
        "approximation", TITLE, command("approximation", options),
        {**given(options), "points": POINTS, "batch_size": BATCH_SIZE}, tuple(figures), options.seeds,
        time.perf_counter() - begin,
    )  # fmt: skip
    results.finish(record, options.out / "approximation", {"approximation": _picture(fits)})
    means = [each.errors.mean() for each in fits.values()]
    return 0 if len(means) < 2 or means[-1] < means[0] else 1


def fit(width: int, options: Options) -> Fit:
    """Train a network of this width for each seed."""
    x = jnp.linspace(0, 1, POINTS)[:, None]
    net = network(width)
    schedule = optax.cosine_decay_schedule(options.learning_rate, options.epochs * POINTS // BATCH_SIZE)
    result = fn.training.fit_many(
        lambda: (net, optax.adam(schedule)), fn.Batch(x, jnp.asarray(target(np.asarray(x)))), keys=keys(options.seeds),
        epochs=options.epochs, batch_size=BATCH_SIZE, progress=options.progress,
    )  # fmt: skip
    grid = jnp.linspace(0, 1, 10 * POINTS)[:, None]
    values = np.asarray(jax.vmap(net.predict, in_axes=(0, None))(result.params, grid))[..., 0]
    errors = np.sqrt(((values - target(np.asarray(grid)[:, 0])) ** 2).mean(axis=1))
    return Fit(errors, values[0])


def network(width: int) -> fn.Network:
    """[1, width, 1] with tanh units whose steps are spread over [0, 1], and a linear output."""
    hidden = fn.layers.dense(width, fn.activations.tanh)

    def init(key, shape):
        weights_key, places_key = jax.random.split(key)
        weights = STEEPNESS * jax.random.normal(weights_key, (width, 1))
        biases = -weights[:, 0] * jax.random.uniform(places_key, (width,))
        return DenseParams(weights, biases), (width,)

    layer = fn.chain(hidden._replace(init=init), fn.layers.dense(1))
    return fn.network(layer, fn.objectives.linear_squared_error, (1,))


def _picture(fits: dict[int, Fit]) -> Any:
    figure, [left, right] = plots.panels(2, height=4.8)
    grid = np.linspace(0, 1, 10 * POINTS)
    widths = list(fits)
    shown = dict.fromkeys([widths[0], widths[len(widths) // 2], widths[-1]])
    lines = {"f(x)": target(grid), **{f"{width} units": fits[width].values for width in shown}}
    styles = [{"color": "black", "alpha": 0.3, "linewidth": 5, "linestyle": "-"}]
    styles += [{"color": colour} for colour in plots.COLOURS[: len(shown)]]
    plots.draw(
        left, lines, x=grid, xlabel="x", ylabel="f(x) and networks", title="fits of the first seed", styles=styles
    )
    errors = {"mean, and range over seeds": np.array([each.errors for each in fits.values()])}
    plots.draw(right, errors, x=widths, xlabel="hidden units", ylabel="RMS error", log="xy", markers=True,
               title="error: mean and range over the seeds")  # fmt: skip
    return figure

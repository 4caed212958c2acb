"""Pictures of a restricted Boltzmann machine: filters, fantasies, reconstructions.

    filters            the rows of W, an image each
    fantasies          E[v | h] at the end of long chains: plain, from independent units with the visible biases; and
                       annealed, β from 0 to 1 over the first half of the steps
    reconstructions    E[v | E[h | v]] of test images, without sampling
    η_t                = η (1 − t / T)

The RBM is trained by persistent contrastive divergence on binary images, 1 where a grey level is at least 0.5.
MNIST: 784-500; digits, where there is no MNIST: 64-100.

| symbol | name in code | shape |
|---|---|---|
| W | `params.weights` | (q, p) |
| fantasies | `fantasies(…)` | (30, p) of each kind |

Source: [Tieleman2008] for the steps that fall to zero; [Hinton2010], sections 8 and 10, for biases and weight cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command
from experiments.harness.results import Figure, Record
from experiments.harness.training import Choice, steps
from experiments.rbm import training
from experiments.rbm.training import Images
from fnnets import plots

SUBSET, WEIGHT_COST = 2000, 1e-4
FILTERS, COLUMNS, LINES = 100, 10, 3
PSEUDO_TRAIN, PSEUDO_TEST = "pseudo-log-likelihood of training images", "pseudo-log-likelihood of test images"
GAP, ACTIVITY = "free-energy gap", "mean activity of hidden units"


class Settings(NamedTuple):
    """Settings for MNIST or digits; there are as many chains as images in a minibatch."""

    hidden: int
    epochs: int
    batch_size: int


SETTINGS = {"MNIST": Settings(500, 60, 100), "digits": Settings(100, 200, 20)}


@dataclass(frozen=True)
class Options(Common):
    """Train an RBM and draw its filters, its fantasies, and what it makes of test images.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        images: MNIST, scikit-learn's digits, or MNIST where it is and digits elsewhere.
        seeds: the seed of the RBM; of more than one, an RBM each and the pictures of the first.
        hidden: hidden units; 500 for MNIST and 100 for digits if none is given.
        epochs: passes through the training images; 60 for MNIST and 200 for digits if none is given.
        learning_rate: the first step size eta.
        steps: Gibbs steps of each fantasy.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
    """

    images: Choice = "auto"
    seeds: tuple[int, ...] = (0,)
    hidden: int | None = None
    epochs: int | None = None
    learning_rate: float = 0.05
    steps: int = 2000
    data_dir: Path | None = None


def run(options: Options) -> int:
    """Train, judge, draw, write."""
    begin = time.perf_counter()
    images = training.load(options.images, options.data_dir, "rbm_samples")
    train, test = training.binary(images.train), training.binary(images.test)
    chosen = settings(images.name, options)
    net, optimizer = build(chosen, train, options.learning_rate)
    how: dict[str, Any] = {"epochs": chosen.epochs, "batch_size": chosen.batch_size, "progress": options.progress}
    trained = [training.last(training.train(net, optimizer, train, seed, **how)) for seed in options.seeds]
    drawn = pictures(net, trained[0], test, images, options)
    record = Record(
        "rbm_samples", f"{images.name}, {train.shape[1]}-{chosen.hidden}, PCD-1",
        command("rbm_samples", training.repeated(options, images)), _settings(chosen, options),
        figures([judged(net, params, train, test) for params in trained]), options.seeds,
        time.perf_counter() - begin,
    )  # fmt: skip
    return results.finish(record, options.out / "rbm_samples", drawn)


def settings(name: str, options: Options) -> Settings:
    """The settings for MNIST or digits, with what the options give.

    >>> settings("digits", Options(epochs=3))
    Settings(hidden=100, epochs=3, batch_size=20)
    """
    its = SETTINGS[name]
    return its._replace(hidden=options.hidden or its.hidden, epochs=options.epochs or its.epochs)


def build(chosen: Settings, train: np.ndarray, learning_rate: float) -> tuple[fn.Network, Any]:
    """The RBM and its descent."""
    n, p = train.shape
    chains = fn.boltzmann.persistent_contrastive_divergence(1, chains=chosen.batch_size)
    net = fn.rbm(p, chosen.hidden, sampler=chains, mean=train.mean(axis=0), l2=WEIGHT_COST * n)
    schedule = optax.linear_schedule(learning_rate, 0.0, steps(n, chosen.epochs, chosen.batch_size))
    return net, fn.training.momentum(schedule)


def judged(net: fn.Network, params: Any, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """The figures of a trained RBM."""
    pseudo = {name: v[:SUBSET] for name, v in ((PSEUDO_TRAIN, train), (PSEUDO_TEST, test))}
    return {
        **{name: float(fn.boltzmann.pseudo_log_likelihood(net, params, v)) for name, v in pseudo.items()},
        GAP: float(fn.boltzmann.free_energy_gap(net, params, train[: len(test)], test)),
        ACTIVITY: float(jnp.mean(net.predict(params, test))),
    }


def figures(found: list[dict[str, float]]) -> tuple[Figure, ...]:
    """The figures of all seeds.

    >>> figures([{"free-energy gap": 1.0}, {"free-energy gap": 3.0}])[0].mean
    2.0
    """
    return tuple(
        Figure(name, tuple(each[name] for each in found), "" if name == ACTIVITY else "nats") for name in found[0]
    )


def pictures(net: fn.Network, params: Any, test: np.ndarray, images: Images, options: Options) -> dict[str, Any]:
    """Filters, fantasies and reconstructions."""
    weights = np.asarray(params.weights)[:FILTERS]
    which = "all" if len(weights) == len(params.weights) else f"the first {FILTERS} of"
    title = f"{images.name}: filters of {which} {len(params.weights)} hidden units"
    drawn = {"filters": plots.filters(weights, images.shape, title=title)}
    drawn["fantasies"] = _grid(
        fantasies(net, params, options), images, f"{images.name}: fantasies after {options.steps} Gibbs steps"
    )
    shown = test[:COLUMNS]
    h = fn.boltzmann.hidden_given_visible(net, params, shown)
    again = fn.boltzmann.visible_given_hidden(net, params, h)
    title = f"{images.name}: test images, and their reconstructions from E[h | v]"
    drawn["reconstructions"] = _grid({"image": shown, "reconstruction": again}, images, title)
    return drawn


def fantasies(net: fn.Network, params: Any, options: Options) -> dict[str, Any]:
    """E[v | h] at the end of plain and annealed chains."""
    how: dict[str, Any] = {"chains": LINES * COLUMNS, "steps": options.steps, "means": True}
    keys = jax.random.split(jax.random.fold_in(jax.random.key(options.seeds[0]), 1))
    return {
        name: fn.boltzmann.sample(net, params, key=key, annealed=name == "annealed", **how)
        for name, key in zip(("plain", "annealed"), keys, strict=True)
    }


def _grid(kinds: dict[str, Any], images: Images, title: str) -> Any:
    """Rows of images, the first row of each kind labelled."""
    rows = [label for name, v in kinds.items() for label in (name, *[""] * (len(v) // COLUMNS - 1))]
    cells = np.concatenate([np.asarray(v) for v in kinds.values()]).reshape(-1, *images.shape)
    return plots.maps(cells, columns=COLUMNS, rows=rows, title=title)


def _settings(chosen: Settings, options: Options) -> dict[str, Any]:
    return {
        **chosen._asdict(), "learning_rate": f"{options.learning_rate:g}, linear to 0", "weight_cost": WEIGHT_COST,
        "visible_biases": "log-odds of the data", "steps_of_fantasies": options.steps,
    }  # fmt: skip

"""30 networks [784, 30, 10], minibatches of 10: trained by `fit_many`, and one after another by `fit`.

    one after another     fit(…, key=k_1), …, fit(…, key=k_30)
    fit_many              fit_many(…, keys=(k_1 … k_30))
    on 2 devices          the same on 2 forced host devices, in a process of its own

Each member's parameters after an epoch are compared with those of its fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.benchmarks import report
from experiments.benchmarks.agreement import TOLERANCE
from experiments.benchmarks.scaling_setting import (
    DESCENT,
    Answer,
    Options,
    Part,
    Table,
    ask,
    dense,
    difference,
    epoch_ratio,
    timed,
)
from experiments.benchmarks.setting import random_examples
from experiments.benchmarks.timing import summary

HIDDEN, SIZE, DEVICES, LOW = 30, 10, 2, 3.0
SINGLE, TOGETHER, SHARDED = "one after another", "fit_many", f"fit_many on {DEVICES} devices"
TEXT = (
    "Seconds are for an epoch of all networks; \"all else\" is what a run of all adds once, the compilation included, "
    "which fit_many does in each call and a fit only in the first of a process. On a CPU a step of 10 examples is one "
    "core's work of small operations; the members run in groups, a core each, so what there is to gain is the other "
    "cores and the share of a step that does not grow with the members. The row of forced devices comes from another "
    "process, so its ratio is one of medians."
)  # fmt: skip


def job(examples: int, networks: int, more: int, rounds: int) -> Answer:
    """On all devices of this process: seconds, and the members' parameters after an epoch."""
    run = _together(_data(examples), _keys(networks), devices="all")
    params = [np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(run(1)))]
    return Answer(timed({SHARDED: run}, more, rounds)[SHARDED], params)


def measure(options: Options) -> dict[str, Any]:
    """All three, the members compared first; devices that do not divide the networks are left out."""
    count = max(SIZE, options.examples // 10)
    train, keys = _data(count), _keys(options.networks)
    runs = {SINGLE: _single(train, keys), TOGETHER: _together(train, keys)}
    each = runs[SINGLE](1)
    far = {TOGETHER: difference(runs[TOGETHER](1), each)}
    more = max(1, options.epochs // 2)  # as there are so many networks
    found = timed(runs, more, options.rounds)
    if options.networks % DEVICES == 0:
        given = {"examples": count, "networks": options.networks, "more": more, "rounds": options.rounds}
        (answer,) = ask("many", given, devices=DEVICES)
        found[SHARDED], far[SHARDED] = answer.found, difference(answer.arrays, each)
    return {"networks": options.networks, "examples": count, "differences": far, "runs": found}


def _data(count: int) -> fn.Batch:
    inputs, labels = random_examples(count)
    return fn.Batch(jnp.asarray(inputs), jnp.asarray(labels))


def _keys(networks: int) -> Any:
    return jax.random.split(jax.random.key(0), networks)


def _single(train, keys):
    net = dense(HIDDEN)

    def run(epochs):
        fits = [
            fn.fit(
                net, DESCENT, train, key=key, epochs=epochs, batch_size=SIZE, evaluate_training=False, progress=False
            ).params
            for key in keys
        ]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits)

    return run


def _together(train, keys, devices=None):
    net = dense(HIDDEN)

    def run(epochs):
        return fn.training.fit_many(
            lambda: (net, DESCENT), train, keys=keys, epochs=epochs, batch_size=SIZE, evaluate_training=False,
            progress=False, devices=devices,
        ).params  # fmt: skip

    return run


def rows(part: Mapping[str, Any]) -> Table:
    """The table as text, the header first."""
    table: Table = [("networks", "epoch s", "min", "max", "faster by", "all else s", "difference", "trained")]
    runs = part["runs"]
    for name, run in runs.items():
        cells = [f"{number:.3f}" for number in summary(run["epoch"])]
        far = f"{part['differences'][name]:.0e}" if name in part["differences"] else ""
        rest = f"{summary(run['rest']).median:.2f}"
        table.append((str(part["networks"]), *cells, f"{_faster(runs, name):.2f}", rest, far, name))
    return table


def _faster(runs, name: str) -> float:
    if name == SHARDED:  # whose rounds were not those of the others
        return summary(runs[SINGLE]["epoch"]).median / summary(runs[name]["epoch"]).median
    return 1 / epoch_ratio(runs, name, SINGLE)


def bars(part: Mapping[str, Any]) -> list[report.Bar]:
    """At least 3 times as fast as one after another."""
    name = f"{part['networks']} of 784-{HIDDEN}-10:{SIZE}, {part['examples']} examples"
    return [report.Bar("one after another / fit_many", name, _faster(part["runs"], TOGETHER), low=LOW)]


def wrong(part: Mapping[str, Any]) -> list[str]:
    """Each member must equal its fit, to rounding."""
    far = part["differences"].items()
    return [f"many: {name} has a member {value:.1e} from its fit" for name, value in far if not value <= TOLERANCE]


MANY = Part("Many networks", TEXT, measure, rows, wrong, bars)

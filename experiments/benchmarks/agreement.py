"""Before the clock starts: every contestant takes the same steps from the same parameters and must arrive at the same.

    difference  max over leaves of max |w − w*| / max |w*|          w* those of `fit` with the explicit gradient

| symbol | name in code | shape |
|---|---|---|
| w | `walk(inputs, targets)` | pairs (q, p), (q,) |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.benchmarks.contestants import drawn_order
from experiments.benchmarks.setting import Parameters, Setting, Trainer

STEPS = 300
TOLERANCE = 1e-3  # float32, after hundreds of steps that each round


def compare(setting: Setting, trainers: Sequence[Trainer], drawing: Sequence[str]) -> dict[str, float]:
    """The difference of each trainer from the first after `STEPS` steps, by name.

    Args:
        setting: network and examples.
        trainers: the contestants; one without a walk is passed over.
        drawing: names of those that draw the order themselves; the others are given that order.
    """
    count = min(STEPS * setting.batch_size, len(setting.inputs))
    inputs, targets = setting.inputs[:count], setting.targets[:count]
    order = drawn_order(count)
    walked = {}
    for each in trainers:
        if each.walk is not None:
            given = (inputs, targets) if each.name in drawing else (inputs[order], targets[order])
            walked[each.name] = each.walk(*given)
    first, *others = walked
    return {name: difference(walked[name], walked[first]) for name in others}


def difference(params: Parameters, reference: Parameters) -> float:
    """The largest difference of a leaf, relative to the largest element of the reference's leaf; NaN is infinite.

    >>> difference([(np.array([[1.0]]), np.array([4.0]))], [(np.array([[1.0]]), np.array([2.0]))])
    1.0
    """
    pairs = [(a, b) for one, other in zip(params, reference, strict=True) for a, b in zip(one, other, strict=True)]
    worst = max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) if np.isfinite(a).all() else np.inf for a, b in pairs)
    return worst


def disagreeing(differences: dict[str, float]) -> list[str]:
    """Names of those that arrived elsewhere.

    >>> disagreeing({"a": 1e-5, "b": 0.2, "c": float("inf")})
    ['b', 'c']
    """
    return [name for name, value in differences.items() if not value <= TOLERANCE]

"""What happened in training, epoch by epoch, as arrays for plots and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np


class History(NamedTuple):
    """Metrics at the end of each epoch; a field is None where that data set was not monitored.

    Costs are C with the penalty of the training set's n, in the objective's units; accuracies lie in [0, 1]
    and are None where the targets name no classes. `fit` has arrays of shape (E,), `fit_many` (E, members).

    Attributes:
        cost, accuracy: on the training data, by the deterministic network at the epoch's end.
        validation_cost, validation_accuracy: the same on the validation data.
    """

    cost: Any = None
    accuracy: Any = None
    validation_cost: Any = None
    validation_accuracy: Any = None


def history(reports: Sequence[Any]) -> History:
    """Stack the epochs' reports; no epochs give a history of None."""
    if not reports:
        return History()
    stacked: Any = jax.tree.map(lambda *values: np.stack(values), *[report.metrics for report in reports])
    fields = {}
    for name, prefix in (("training", ""), ("validation", "validation_")):
        if name in stacked:
            fields[f"{prefix}cost"], fields[f"{prefix}accuracy"] = stacked[name]
    return History(**fields)

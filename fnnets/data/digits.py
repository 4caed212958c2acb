"""Scikit-learn's embedded digits: real handwriting that needs no download.

    x = pixels / 16                       pixels are 0 … 16, so x lies in [0, 1]

| symbol | name in code | shape |
|---|---|---|
| x | `digits().inputs` | (1797, 64): 8 x 8 images, row by row |
| y | `digits().targets` | (1797,) labels 0 … 9 |

Source: [Alpaydin1998] (its test set). The order is that of the source: neighbours were written by the same hands, so a
shuffled split is easier than first half against second half.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from fnnets.core import calls
from fnnets.core.types import Batch
from fnnets.storage import errors


@calls.strict("digits")
def digits() -> Batch:
    """All 1797 digits in the source's order: inputs (1797, 64) float32 in [0, 1], labels (1797,) int32.

    Raises:
        ImportError: scikit-learn is not installed.

    >>> batch = digits()
    >>> batch.inputs.shape, float(batch.inputs.max()), batch.targets[:5].tolist()
    ((1797, 64), 1.0, [0, 1, 2, 3, 4])
    """
    rows = _rows()
    return Batch(jnp.asarray(rows[:, :-1] / 16, np.float32), jnp.asarray(rows[:, -1], np.int32))


def _rows() -> np.ndarray:
    """Pixels and label of each digit, (1797, 65), from scikit-learn's file; to import it takes seconds."""
    try:
        found = importlib.util.find_spec("sklearn")
    except (ModuleNotFoundError, ValueError):
        found = None
    if found is not None and found.origin is not None:
        place = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if place.is_file():
            return np.loadtxt(place, delimiter=",")
    source = errors.scikit_learn("datasets", "digits").load_digits()  # another layout of its files, or the message
    return np.column_stack([source.data, source.target])

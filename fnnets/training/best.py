"""The best parameters of a run in a portable file beside its saves: `best.safetensors`, with their epoch and score."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fnnets import portable
from fnnets.training import saves

BEST = "best.safetensors"


def score(directory: Path) -> float:
    """The score of the best parameters that a directory holds; infinity where it holds none that can be read."""
    path = directory / BEST
    if not path.exists():
        return float("inf")
    try:
        return float(portable.about(path)["score"])
    except (ValueError, LookupError, OSError) as error:  # DataError among them
        saves.warn(f"fit: checkpoint {path} is damaged ({saves.line(error)}); the next best parameters replace it")
        return float("inf")


def copied(params: Any) -> Any:
    """The parameters as arrays of NumPy that share no memory with them."""
    return jax.tree.map(_on_host, params)


def write(directory: Path, params: Any, about: dict[str, str]) -> None:
    """Put the parameters in the place of those in the directory, with `about`; process 0 alone does it."""
    if jax.process_index() != 0:
        return
    # Under orbax's mark for what is not yet whole, so that the next run removes what a killed one leaves.
    folder = directory / f"{BEST}{saves.TEMPORARY}"
    folder.mkdir(exist_ok=True)
    portable.save(params, folder / BEST, about)
    os.replace(folder / BEST, directory / BEST)
    folder.rmdir()


def _on_host(leaf) -> np.ndarray:
    if leaf.is_fully_addressable or leaf.is_fully_replicated:
        return np.array(leaf)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

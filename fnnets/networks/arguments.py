"""Checks of arguments that several families of networks have, under the name of the function that was called."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from fnnets.activations import Activation
from fnnets.core import validate
from fnnets.core.types import Objective
from fnnets.initializers import Initializer

WORDS = {2: "two", 3: "three"}


def sizes(value: object, user: str, least: int, remedy: str) -> tuple[int, ...]:
    """`value` as sizes of layers: a sequence, or an array of one axis, of at least so many ints ≥ 1.

    >>> sizes(np.array([4, 3]), "feedforward", 2, "write [inputs, …, outputs]")
    (4, 3)
    """
    is_array = isinstance(value, np.ndarray | jax.Array) and value.ndim == 1 and validate.is_concrete(value)
    found = list(np.asarray(value)) if is_array else value  # type: ignore[arg-type]
    if not isinstance(found, Sequence) or isinstance(found, str | bytes) or len(found) < least:
        came = f"an array of shape {value.shape}" if isinstance(value, np.ndarray | jax.Array) else repr(value)
        raise ValueError(f"{user}: sizes is {came}, expected at least {WORDS[least]} sizes; {remedy}")
    return validate.shape(tuple(found), f"{user}: sizes")


def objective(value: object, user: str) -> None:
    """Raise a TypeError unless `value` is an `Objective`."""
    validate.is_instance(value, Objective, f"{user}: objective", "take one from fnnets.objectives")


def activation(value: object, user: str, name: str = "activation") -> None:
    """Raise a TypeError unless `value` is an `Activation`."""
    validate.is_instance(value, Activation, f"{user}: {name}", "take one from fnnets.activations")


def initializer(value: object, user: str) -> None:
    """Raise a TypeError unless `value` is an `Initializer`."""
    validate.is_instance(value, Initializer, f"{user}: initializer", "take one from fnnets.initializers")

"""The members of `fit_many`: their keys and numbers, and what is checked before they are one traced program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import validate
from fnnets.core.types import Network
from fnnets.training import builds, gradients, inputs
from fnnets.training.builds import Build

if TYPE_CHECKING:
    from jaxtyping import PyTree


def numbers(build, keys, hyperparameters) -> tuple[int, dict[str, np.ndarray]]:
    """K, and for each argument of `build` K numbers, in the dtype that JAX gives them."""
    members = validate.keys(keys, "fit_many: keys")
    if not validate.is_concrete(keys):
        raise TypeError(
            "fit_many: keys are traced, expected keys with values; call fit_many outside of jit, vmap and grad"
        )
    given = {} if hyperparameters is None else hyperparameters
    remedy = "write {'rate': [0.1, 0.3, 1.0]}, K numbers for each argument of build"
    if not isinstance(given, Mapping):
        raise TypeError(f"fit_many: hyperparameters is of type {type(given).__name__}, expected a dict; {remedy}")
    if not all(isinstance(name, str) for name in given):
        raise TypeError(f"fit_many: hyperparameters have the names {tuple(given)}, expected strings; {remedy}")
    columns = {name: _column(values, members, f"fit_many: hyperparameters[{name!r}]") for name, values in given.items()}
    builds.check_arguments(build, tuple(columns), "fit_many", "hyperparameters")
    return members, columns


def _column(values, members: int, name: str) -> np.ndarray:
    values = validate.array(list(values) if isinstance(values, Iterator) else values, name)
    if values.dtype == bool:
        raise TypeError(f"{name} holds True and False, expected numbers; train one after the other what is no number")
    if values.shape != (members,):
        raise ValueError(f"{name} has shape {values.shape}, expected ({members},); give each member one number")
    with np.errstate(over="ignore"):
        column = np.asarray(values).astype(jnp.result_type(float))
    validate.finite(column, name, "give each member a number that its dtype holds")
    return column


def check_settings(batch_size, gradient, evaluate_training, progress) -> None:
    """Raise unless the settings that do not depend on the network are of their kinds."""
    validate.count(batch_size, "fit_many: batch_size", "give the number of examples in a minibatch")
    gradients.check_gradient(gradient)
    validate.flag(evaluate_training, "fit_many: evaluate_training", "True costs a forward pass through the data")
    validate.choice(progress, (True, False, "auto"), "fit_many: progress")


def network(build: Build, columns: dict[str, np.ndarray], epochs, batch_size, monitor) -> Network:
    """The first member's network, once those of all are made: while JAX traces, their numbers are not known.

    Raises:
        TypeError, ValueError: what `build` raises for one of them; networks of several shapes; settings that are none.

    >>> import optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> network(lambda rate: (net, optax.sgd(rate)), {"rate": np.array([0.1, 0.2])}, 1, 10, "cost") is net
    True
    """
    rows = list(dict.fromkeys(zip(*(column.tolist() for column in columns.values()), strict=True))) or [()]
    nets: dict[int, Network] = {}
    shapes: list[PyTree] = []
    for row in rows:
        numbers = dict(zip(columns, row, strict=True))
        net, optimizer = builds.built(build, numbers, "fit_many", str(numbers))
        if not nets:
            inputs.check_settings(net, optimizer, epochs, batch_size, None, monitor)
        if id(net) not in nets:
            nets[id(net)] = net
            shapes.append(jax.eval_shape(net.init, jax.random.key(0)))
            remedy = "keep shapes out of hyperparameters, as all members are one program; search trains others apart"
            validate.like(shapes[-1], shapes[0], f"fit_many: params of what build gives for {numbers}", remedy)
    return next(iter(nets.values()))

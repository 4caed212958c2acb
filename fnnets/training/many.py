"""Many networks of one shape trained side by side: `fit`, vmapped over keys and numeric hyperparameters.

    state_k ← epoch(state_k, examples),  k = 1 … K       one compiled program, each member with its own order

Each member equals its own `fit` to rounding: same key, same hyperparameters, same epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnnets import checks
from fnnets.core import Batch, Network
from fnnets.training.boundary import check_selection, check_settings, derive, prepare
from fnnets.training.epoch import TrainingState, advance, start
from fnnets.training.history import History, history
from fnnets.training.interrupt import interruptible
from fnnets.training.metrics import are_classes
from fnnets.training.progress import Kind
from fnnets.training.progress import progress as show_progress

if TYPE_CHECKING:
    from jaxtyping import Array

Build = Callable[..., tuple[Network, optax.GradientTransformation]]


class ManyResult(NamedTuple):
    """What training K members hands back; every array has the members' axis where it says.

    Attributes:
        params: the last parameters, leaves (K, …).
        history: metrics, arrays (E, K).
        state: the whole state, leaves (K, …); `state.best` holds each member's best on validation data.
        diverged: (K,) whether a cost or parameter became NaN or infinite; such a member stays as it was before.
    """

    params: Any
    history: History
    state: TrainingState
    diverged: np.ndarray


def fit_many(
    build: Build,
    train: Batch,
    *,
    keys: Array,
    hyperparameters: Mapping[str, Any] | None = None,
    epochs: int = 30,
    batch_size: int = 10,
    validation: Batch | None = None,
    gradient: str | Callable[..., Any] = "explicit",
    select: str = "cost",
    monitor_training: bool = True,
    progress: Kind = "auto",
) -> ManyResult:
    """Train K members at once: an ensemble over keys, or a sweep over numbers.

    Ctrl-C ends training after the running epoch and returns what was learnt; the history is then shorter.

    Args:
        build: `(**hyperparameters) -> (network, optimizer)`; called while JAX traces, with one member's numbers,
            so they may enter arithmetic (learning rate, momentum, λ) but no shape.
        train: the examples, shared by all members.
        keys: (K,) PRNG keys, one a member: `jax.random.split(key, K)`.
        hyperparameters: for each argument of `build`, K numbers.
        epochs, batch_size, validation, gradient, select, monitor_training, progress: as for `fit`.

    Raises:
        TypeError, ValueError: as for `fit`; hyperparameters that are not K numbers each.

    >>> import jax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (40, 2))
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> sweep = fn.training.fit_many(
    ...     lambda rate: (net, fn.training.momentum(rate)), fn.Batch(x, (x[:, 0] > 0).astype(int)),
    ...     keys=jax.random.split(jax.random.key(1), 3), hyperparameters={"rate": [0.01, 0.1, 1.0]},
    ...     epochs=2, progress="silent")
    >>> sweep.history.cost.shape
    (2, 3)
    """
    columns = _columns(keys, hyperparameters or {})
    net, optimizer = build(**{name: column[0] for name, column in columns.items()})
    check_settings(net, optimizer, epochs, batch_size, None, select)
    train, judged = prepare(net, train, validation, batch_size, monitor_training)
    check_selection(judged, None, select)
    classes = {name: are_classes(part.targets, part.mask) for name, part in judged.items()}

    def step(numbers, state, train, judged):
        net, optimizer = build(**numbers)
        return advance(net, optimizer, derive(net, gradient), batch_size, classes, select)(state, train, judged)

    together = jax.jit(jax.vmap(step, in_axes=(0, 0, None, None)), donate_argnums=1)
    state = jax.vmap(lambda numbers, key: start(*build(**numbers), key))(columns, keys)
    reports = []
    with show_progress(progress, epochs, "fit_many") as show, interruptible() as interrupted:
        for epoch in range(1, epochs + 1):
            state, report = together(columns, state, train, judged)
            reports.append(jax.device_get(report))
            show(_line(epoch, reports[-1]))
            if interrupted():
                break
    diverged = ~np.all([np.ones(len(keys), bool)] + [report.finite for report in reports], axis=0)
    return ManyResult(state.params, history(reports), state, diverged)


def _columns(keys, hyperparameters) -> dict[str, Array]:
    if not (isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key) and keys.ndim == 1):
        raise TypeError(f"fit_many: keys is {keys!r}, expected (K,) PRNG keys; use jax.random.split(key, K)")
    columns = {}
    for name, values in hyperparameters.items():
        column = jnp.asarray(checks.array(values, f"fit_many: hyperparameters[{name!r}]"), jnp.result_type(float))
        if column.shape != keys.shape:
            raise ValueError(
                f"fit_many: hyperparameters[{name!r}] has shape {column.shape}, expected {keys.shape}; "
                "give each member one number"
            )
        checks.finite(column, f"fit_many: hyperparameters[{name!r}]")
        columns[name] = column
    return columns


def _line(epoch, report) -> str:
    parts = [f"epoch {epoch}"]
    for name, metrics in report.metrics.items():
        values = metrics.cost if metrics.accuracy is None else metrics.accuracy
        parts.append(
            f"{name} {'cost' if metrics.accuracy is None else 'accuracy'} {values.min():.4f}…{values.max():.4f}"
        )
    return "  ".join(parts)

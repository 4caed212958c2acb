"""Training: `fit` moves one state through jitted epochs and stops when told, when done, or when it no longer helps.

    state ← epoch(state, examples)           one `lax.scan` over a fresh random partition into minibatches

Full-batch descent is `batch_size=len(inputs)`, online descent `batch_size=1`: it is all the same function.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fnnets import checks
from fnnets.core import Batch, Network
from fnnets.training.boundary import check_selection, check_settings, derive, prepare
from fnnets.training.epoch import EpochReport, TrainingState, advance, start
from fnnets.training.history import History, history
from fnnets.training.interrupt import interruptible
from fnnets.training.metrics import are_classes
from fnnets.training.progress import Kind
from fnnets.training.progress import progress as show_progress

if TYPE_CHECKING:
    from jaxtyping import Array


class Result(NamedTuple):
    """What training hands back.

    Attributes:
        params: the last parameters; with `patience` the best ones on the validation data.
        history: metrics for each epoch.
        state: the whole state; `fit(…, state=result.state)` goes on from it.
        stopped: why training ended, in words.
    """

    params: Any
    history: History
    state: TrainingState
    stopped: str


def fit(
    net: Network,
    optimizer: optax.GradientTransformation,
    train: Batch,
    *,
    key: Array | None = None,
    epochs: int = 30,
    batch_size: int = 10,
    validation: Batch | None = None,
    params: Any = None,
    state: TrainingState | None = None,
    gradient: str | Callable[..., Any] = "explicit",
    patience: int | None = None,
    select: str = "cost",
    monitor_training: bool = True,
    progress: Kind = "auto",
) -> Result:
    """Train a network on examples, the same for the same key, bit for bit on one machine.

    Ctrl-C ends training after the running epoch and returns what was learnt (a second one raises). A cost
    or parameter that becomes NaN or infinite ends it too, with a warning and the last good parameters.

    Args:
        net: the network.
        optimizer: any optax transformation; `fn.training.momentum` is that of the notes.
        train: the examples, (N, …) inputs and their targets.
        key: PRNG key: initial parameters, orders, dropout. Needed unless `state` is given.
        epochs: passes through the data, from here on.
        batch_size: examples in a minibatch; a short last one is used, not dropped.
        validation: examples to judge by after each epoch; they are never trained on.
        params: initial parameters in place of `net.init`; they are left as they are.
        state: an earlier result's state to go on from, in place of `key` and `params`.
        gradient: "explicit" (by hand), "automatic" (`jax.grad`), or any `(params, batch, key) -> d_params`.
        patience: epochs without a better validation score after which training stops; then the best
            parameters are returned.
        select: "cost" or "accuracy": the validation score that patience looks at.
        monitor_training: judge the training data after each epoch too, which costs a forward pass through it.
        progress: "auto", "bar", "lines" or "silent".

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; NaN in the data.

    >>> import jax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (40, 2))
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> examples = fn.Batch(x, (x[:, 0] > x[:, 1]).astype(int))
    >>> result = fn.training.fit(net, fn.training.momentum(0.5), examples, key=jax.random.key(1),
    ...                          epochs=20, progress="silent")
    >>> bool(result.history.accuracy[-1] > 0.9), result.stopped
    (True, 'finished 20 epochs')
    """
    check_settings(net, optimizer, epochs, batch_size, patience, select)
    train, judged = prepare(net, train, validation, batch_size, monitor_training)
    check_selection(judged, patience, select)
    state = _begin(net, optimizer, key, params, state)
    classes = tuple((name, are_classes(part.targets, part.mask)) for name, part in judged.items())
    step = _compiled(net, optimizer, gradient, batch_size, classes, select)
    state, reports, stopped = _loop(step, state, train, judged, epochs, patience, progress)
    return Result(state.best.params if patience is not None else state.params, history(reports), state, stopped)


def _begin(net, optimizer, key, params, state) -> TrainingState:
    """A fresh state, or a copy of the given one, whose buffers the epochs may take over."""
    if state is None:
        checks.is_key(key, "fit: key")
        return start(net, optimizer, key, params)
    if key is not None or params is not None:
        raise ValueError("fit: state is given together with key or params, expected state alone; it holds both")
    checks.is_instance(state, TrainingState, "fit: state", "take it from an earlier result's .state")
    return jax.tree.map(jnp.copy, state)


def _loop(step, state, train, judged, epochs, patience, kind):
    reports: list[EpochReport] = []
    with show_progress(kind, epochs, "fit") as show, interruptible() as interrupted:
        for _ in range(epochs):
            state, report = step(state, train, judged)
            report = jax.device_get(report)
            if not report.finite:
                return state, reports, _diverged(int(state.epoch) + 1)
            reports.append(report)
            show(_line(int(state.epoch), report))
            if interrupted():
                return state, reports, f"interrupted after epoch {int(state.epoch)}"
            if patience is not None and int(state.epoch) - int(state.best.epoch) >= patience:
                return state, reports, f"no better for {patience} epochs; best epoch {int(state.best.epoch)}"
    return state, reports, f"finished {epochs} epochs"


@functools.lru_cache(maxsize=32)
def _compiled(net, optimizer, gradient, batch_size, monitored, select):
    """The jitted epoch; the same settings compile once a process."""
    run = advance(net, optimizer, derive(net, gradient), batch_size, dict(monitored), select)
    return jax.jit(run, donate_argnums=0)


def _diverged(epoch: int) -> str:
    text = (
        f"the cost or a parameter became NaN or infinite in epoch {epoch}; "
        f"the parameters are those of epoch {epoch - 1}. "
        "Try a smaller learning rate, optax.clip_by_global_norm, or smaller initial weights"
    )
    warnings.warn(text, RuntimeWarning, stacklevel=4)
    return text


def _line(epoch: int, report: EpochReport) -> str:
    parts = [f"epoch {epoch}"]
    for name, metrics in report.metrics.items():
        accuracy = "" if metrics.accuracy is None else f" accuracy {metrics.accuracy:.4f}"
        parts.append(f"{name} cost {metrics.cost:.4f}{accuracy}")
    return "  ".join(parts)

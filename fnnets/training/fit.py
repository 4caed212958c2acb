"""Training by `fit`: one state through jitted epochs, until they are done, interrupted, or no longer an improvement.

    state ← epoch(state, examples)           one `lax.scan` over a fresh random partition into minibatches

Full-batch descent is `batch_size=len(inputs)`, online descent `batch_size=1`: it is all the same function. Examples
that stream come in chunks instead (`streamed`), several devices share each minibatch (`sharding`), and states are kept
on disk (`checkpoint`): the state, its keys and the loop below are the same.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import optax

from fnnets.core import calls
from fnnets.core.types import Batch, Network
from fnnets.data.sources import Source
from fnnets.storage.progress import Progress
from fnnets.storage.progress import progress as show_progress
from fnnets.training import program
from fnnets.training.beginning import begin
from fnnets.training.checkpoint import manager as checkpoints
from fnnets.training.checkpoint.manager import Checkpoint, CheckpointManager
from fnnets.training.checkpoint.serialisation import CheckpointAheadError
from fnnets.training.distributed import processes, sharding, worth
from fnnets.training.epoch import EpochReport, TrainingState
from fnnets.training.gradients import check_gradient, derive
from fnnets.training.inputs import (
    Data,
    check_selection,
    check_settings,
    check_train,
    class_flags,
    in_memory,
    prepare_either,
)
from fnnets.training.interrupt import interruptible
from fnnets.training.metrics import History, history

if TYPE_CHECKING:
    import os

    from jax.sharding import Mesh
    from jaxtyping import Array, PyTree

INTERRUPT_EVERY = 16  # chunks after which processes exchange Ctrl-C, which waits for the running one


class Result(NamedTuple):
    """Result of `fit`.

    Attributes:
        params: the last parameters; with `patience` the best ones on the validation data, by more than `min_delta`.
        history: metrics for each epoch.
        state: the whole state; `fit(…, state=result.state)` goes on from it.
        stopped: why training ended, in words.
    """

    params: PyTree
    history: History
    state: TrainingState
    stopped: str


def _one_by_one(name: str, args: tuple[object, ...]) -> str | None:
    """The answer to inputs and targets that are given one by one in the place of a batch."""
    if len(args) != 4 or isinstance(args[2], Batch) or not (hasattr(args[2], "shape") and hasattr(args[3], "shape")):
        return None
    return (
        f"{name}: inputs and targets are given one by one, expected a batch of both; write "
        f"{name}(net, optimizer, fnnets.Batch(inputs, targets), key=…)"
    )


@calls.strict("fit", _one_by_one)
def fit(
    net: Network,
    optimizer: optax.GradientTransformation,
    train: Data,
    *,
    key: Array | None = None,
    epochs: int = 30,
    batch_size: int | None = None,
    validation: Batch | None = None,
    params: PyTree = None,
    state: TrainingState | None = None,
    gradient: str | Callable[..., PyTree] = "explicit",
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: str = "cost",
    evaluate_training: bool | None = None,
    progress: Progress = "auto",
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    mesh: Mesh | None = None,
    devices: str | None = None,
) -> Result:
    """Train a network on examples, the same for the same key, bit for bit on one machine.

    Ctrl-C ends training after the running epoch and returns what was learnt (a second one raises). A cost
    or parameter that becomes NaN or infinite ends it too, with a warning and the last good parameters.

    Args:
        net: the network.
        optimizer: any optax transformation; `optax.sgd(rate, momentum=…)` is that of the notes.
        train: the examples, (N, …) inputs and their targets; or what streams: a source from `fnnets.data.stream`, an
            iterable of batches (`Batch`, tuples of inputs and targets, dicts of both) that can be iterated again in
            each epoch, or a function epoch -> iterable, of the epochs done so far.
        key: PRNG key: initial parameters, orders, dropout. Needed unless `state` is given.
        epochs: passes through the data, from here on; with a checkpoint, from where its run began.
        batch_size: examples in a minibatch, 10 unless given, or all of fewer; a short last one is used, not dropped.
            Iterables have their own.
        validation: examples on which the network is evaluated after each epoch; they are never trained on.
        params: initial parameters in place of `net.init`; they are left as they are.
        state: an earlier result's state to go on from, in place of `key` and `params`.
        gradient: "explicit" (by hand), "automatic" (`jax.grad`), or any `(params, batch, *, key) -> d_params`.
        patience: epochs without a better validation score after which training stops; then the best
            parameters are returned.
        min_delta: how much better a score must be to count: only one that is better than the best so far by more than
            this becomes the best, for `patience` and for the parameters that are returned alike. A later score
            may thus be better than theirs, by `min_delta` at most. In the units of `monitor`: nats (or those of
            the objective), or a fraction of the examples. Needs `patience`; a run that goes on keeps it.
        monitor: "cost" or "accuracy": the validation score that patience looks at.
        evaluate_training: evaluate the network on the training data after each epoch too, which costs a forward pass
            through it. None does so for arrays, and not for what streams.
        progress: True for a bar on a terminal and plain lines elsewhere, False for nothing, "auto" for True with
            plain lines where rich is missing.
        checkpoint: a directory, or a `Checkpoint` that also says when and how many: where the state is saved, and where
            an earlier call with the same arguments stopped. This one goes on from there.
        mesh: devices that share each minibatch, an axis "data" of them; None is one device.
        devices: "all" has all devices share each minibatch, of all processes: on accelerators always, and the cores of
            a CPU where that is faster by an estimate of the step (`fnnets.training.distributed.worth`), after
            `fnnets.use_all_cores()`; those do not share what an iterable gives, and the result lies on the first of
            them. None is one device.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; NaN in the data; processes that disagree.
        DataError: a stream that cannot be read, or holds what the network does not take.
        CheckpointError: a checkpoint of another run, damaged, or that cannot be written; `CheckpointAheadError` of a
            run that has come further than `epochs`.

    >>> import jax, optax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (40, 2))
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> examples = fn.Batch(x, (x[:, 0] > x[:, 1]).astype(int))
    >>> result = fn.fit(net, optax.sgd(0.5), examples, key=jax.random.key(1),
    ...                          epochs=20, progress=False)
    >>> bool(result.history.accuracy[-1] > 0.9), result.stopped
    (True, 'finished 20 epochs')
    """
    check_settings(net, optimizer, epochs, batch_size, patience, monitor, min_delta)
    check_gradient(gradient)
    check_train(train, epochs)
    settings, placed = checkpoints.settings(checkpoint), sharding.placement(mesh, devices)
    train, monitored, size = prepare_either(net, train, validation, batch_size, evaluate_training)
    check_selection(monitored, patience, monitor)
    has_start = state is not None or params is not None
    state = sharding.on_one(begin(net, optimizer, key, params, state, in_memory(train)))
    if devices is not None:
        placed = worth.chosen(placed, net, derive(net, gradient), train, size)
    config = program.Config(net, optimizer, gradient, size, monitor, placed, float(min_delta))
    identity = functools.cache(functools.partial(program.identity, config, train, monitored, state, has_start))
    if jax.process_count() > 1:
        processes.agree(identity())
    if placed is not None:
        state = sharding.place(placed, state, sharding.of_state(placed, state))
    run = _run(config, train, monitored) if in_memory(train) else program.streaming(config, train, monitored)
    end = int(state.epoch) + epochs
    over = functools.partial(_over, end=end, epochs=epochs, patience=patience, min_delta=config.min_delta)
    with _managed(settings, identity, state) as manager:
        state, reports, stopped = _loop(run, state, manager, over, end, progress)
    if placed is not None and worth.is_one_cpu(placed) and mesh is None:  # what follows runs as after one device
        state = sharding.on_one(state)
    return Result(state.best.params if patience is not None else state.params, history(reports), state, stopped)


def _run(config: program.Config, train: Batch, monitored: Mapping[str, Batch | Source]) -> program.Run:
    """The run on examples in memory."""
    step, placed = program.compiled_epoch(config, class_flags(config.net, monitored)), train
    if config.placed is not None:
        placed = sharding.everywhere(config.placed, train)
        monitored = {
            name: placed if part is train else sharding.everywhere(config.placed, part)
            for name, part in monitored.items()
        }

    def run(state, pause):
        state, report = step(state, placed, monitored)
        return state, report, None

    return run


@contextlib.contextmanager
def _managed(settings: Checkpoint | None, identity, state) -> Iterator[CheckpointManager | None]:
    if settings is None:
        yield None
        return
    with checkpoints.managed(settings, identity(), state) as manager:
        yield manager


def _loop(run: program.Run, state, manager: CheckpointManager | None, over, end, kind):
    """From the state, or where the directory's run has come to, until it is over; (state, reports, why it ended)."""
    saved = None if manager is None else manager.restore()
    if saved is not None:
        _check_end(saved.state, int(state.epoch), end)
    state, reports = (state, []) if saved is None else (saved.state, list(saved.reports))
    shown: Progress = kind if processes.is_first() else False
    if saved is not None and shown is not False:
        print(f"fit: goes on after {_place(state)}, from its checkpoint", file=sys.stderr, flush=True)
    pauses = itertools.count(1)
    with show_progress(shown, max(0, end - int(state.epoch)), "fit") as show, interruptible() as interrupted:

        def pause(state):
            if manager is not None and manager.due(state, False):
                manager.save(state, reports)
            if processes.count() > 1 and next(pauses) % INTERRUPT_EVERY:
                return None
            return "interrupted" if processes.anywhere(interrupted()) else None

        while not (stopped := over(state)):
            state, report, why = run(state, pause)
            report = jax.device_get(report)
            if why is None and (report is None or not report.finite):
                return state, reports, _diverged(state)
            if report is not None:
                reports.append(report)
                show(_line(int(state.epoch), report))
                why = "interrupted" if processes.anywhere(interrupted()) else None
            if why:
                stopped = f"interrupted after {_place(state)}"
                break
            if manager is not None and manager.due(state, True):
                manager.save(state, reports)
    if manager is not None:
        manager.save(state, reports)
    return state, reports, stopped


def _check_end(saved: TrainingState, begin: int, end: int) -> None:
    """Raise where a directory's run has come further than is asked for: its parameters are not those of that epoch."""
    position = int(saved.epoch), int(saved.position)
    if position > (end, 0):
        least = position[0] - begin + (position[1] > 0)
        text = (
            f"fit: epochs is {end - begin}, but checkpoint.directory holds a run that has come to {_place(saved)}, "
            f"expected at least {least}; give epochs={least} to end there, or another directory to train afresh"
        )
        raise CheckpointAheadError(text, least)


def _over(state, end: int, epochs: int, patience: int | None, min_delta: float) -> str | None:
    """The reason to stop, in words; None to go on."""
    epoch = int(state.epoch)
    if patience is not None and epoch - int(state.best.epoch) >= patience and int(state.position) == 0:
        better = f"better by more than {min_delta:g}" if min_delta else "better"
        return f"no {better} for {patience} epochs; best epoch {int(state.best.epoch)}"
    return f"finished {epochs} epochs" if epoch >= end else None


def _place(state) -> str:
    position = int(state.position)
    return f"{position} minibatches of epoch {int(state.epoch) + 1}" if position else f"epoch {int(state.epoch)}"


def _diverged(state: TrainingState) -> str:
    text = (
        f"the cost or a parameter became NaN or infinite in epoch {int(state.epoch) + 1}; "
        f"the parameters are those of {_place(state)}. "
        "Try a smaller learning rate, optax.clip_by_global_norm, or smaller initial weights"
    )
    warnings.warn(text, RuntimeWarning, stacklevel=5)
    return text


def _line(epoch: int, report: EpochReport) -> str:
    parts = [f"epoch {epoch}"]
    for name, metrics in report.metrics.items():
        accuracy = "" if metrics.accuracy is None else f" accuracy {metrics.accuracy:.4f}"
        parts.append(f"{name} cost {metrics.cost:.4f}{accuracy}")
    return "  ".join(parts)

"""Training states on disk: saved while training goes on, whole or not there, and read back bit for bit.

    directory/1/, directory/2/, …          one folder a checkpoint, numbered in their order; the newest few are kept
    directory/best.safetensors             the best parameters on validation data, which no later checkpoint removes

orbax-checkpoint writes in a thread of its own, under a temporary name until all is on disk, and deletes old ones.
This module decides when to save, to which run a directory belongs, and what to do where one is damaged or a disk full.

    with managed(settings, fingerprint, like=state) as manager:
        saved = manager.restore()                       # None where there is nothing yet
        if manager.due(state, ended=True):
            manager.save(state, reports)

The best parameters are written when the checkpoint that holds them is whole. Several processes share one directory: all
call the same functions in the same order, and process 0 writes.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from fnnets.core import calls, validate
from fnnets.training.checkpoint import directories
from fnnets.training.checkpoint.fingerprint import Fingerprint
from fnnets.training.checkpoint.serialisation import CheckpointError, Saved, serialise
from fnnets.training.epoch import EpochReport, TrainingState

if TYPE_CHECKING:
    from jaxtyping import PyTree


@calls.record
class Checkpoint(NamedTuple):
    """A directory of checkpoints, and when `fit` saves to it.

    Attributes:
        directory: the folder of one run; it is made if need be.
        every: epochs from one save to the next; None for none so.
        minutes: minutes from one save to the next, within an epoch too where the data is a stream; None for none so.
        keep: how many of the newest stay on disk.
        on_error: what a full disk or a read-only directory does: "raise" raises a `CheckpointError`, "continue" warns.
    """

    directory: str | os.PathLike[str]
    every: int | None = 1
    minutes: float | None = None
    keep: int = 3
    on_error: str = "raise"


class CheckpointManager(NamedTuple):
    """The functions by which a run reads and writes its directory.

    Attributes:
        restore: `() -> Saved | None`, the newest checkpoint that is whole; None where there is none at all.
        due: `(state, ended) -> bool`, whether to save now; `ended`: the state stands between two epochs.
        save: `(state, reports) -> None`; copies the state at once and writes it in the background. A state at the
            place of the last one is not written again.
    """

    restore: Callable[[], Saved | None]
    due: Callable[[TrainingState, bool], bool]
    save: Callable[[TrainingState, Sequence[EpochReport]], None]


def settings(value: object, name: str = "fit: checkpoint") -> Checkpoint | None:
    """`value` as a `Checkpoint`: one, a path, or None for no checkpoints.

    Raises:
        TypeError, ValueError: a field of the wrong kind or range; a directory that cannot be made or written.

    >>> settings("runs/a")
    Checkpoint(directory='runs/a', every=1, minutes=None, keep=3, on_error='raise')
    >>> settings(Checkpoint("runs/a", every=0))
    Traceback (most recent call last):
    ValueError: fit: checkpoint.every is 0, expected at least 1; give the number of epochs between two checkpoints
    """
    if value is None:
        return None
    made = value if isinstance(value, Checkpoint) else Checkpoint(value)  # type: ignore[arg-type]
    if not isinstance(made.directory, str | os.PathLike) or not os.fspath(made.directory):
        raise TypeError(
            f"{name} is {made.directory!r} of type {type(made.directory).__name__}, expected the path of a directory; "
            "give one, or fnnets.training.Checkpoint(directory, …)"
        )
    if made.every is not None:
        validate.count(made.every, f"{name}.every", "give the number of epochs between two checkpoints")
    if made.minutes is not None:
        validate.above(made.minutes, 0.0, f"{name}.minutes", "give the time between two checkpoints")
    if made.every is None and made.minutes is None:
        raise ValueError(f"{name}: every and minutes are both None, expected one; every=1 checkpoints after each epoch")
    validate.count(made.keep, f"{name}.keep", "give the number of checkpoints to keep")
    validate.choice(made.on_error, ("raise", "continue"), f"{name}.on_error")
    if made.on_error == "raise":
        directories.check_place(Path(made.directory).absolute(), f"{name}.directory")
    return made


@contextlib.contextmanager
def managed(settings: Checkpoint, fingerprint: Fingerprint, like: TrainingState) -> Iterator[CheckpointManager]:
    """The directory of a run, open for saving until the block ends, which waits for the last checkpoint.

    Args:
        settings: where and when.
        fingerprint: what the run is (`fnnets.training.checkpoint.fingerprint.of`); saved with each state.
        like: a state of the run; the restored one has its types, dtypes and shardings.

    Raises:
        ImportError: orbax-checkpoint or safetensors is not installed.
        CheckpointError: the path is a file, or the directory holds other things, another run, or damaged checkpoints
            alone; nothing in it is touched. What is to be written cannot be, and `on_error` is "raise".

    >>> import tempfile, jax, optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> state = fn.training.start(net, optax.sgd(0.1), key=jax.random.key(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with managed(Checkpoint(folder), {}, state) as manager:
    ...         manager.save(state._replace(epoch=state.epoch + 7), [])
    ...     with managed(Checkpoint(folder), {}, state) as manager:
    ...         saved = manager.restore()
    >>> int(saved.state.epoch)
    7
    """
    if settings.on_error == "continue" and jax.process_count() > 1:
        raise ValueError(
            "fit: checkpoint.on_error is 'continue' in a run of several processes, expected 'raise'; "
            "the others would wait for the process whose save failed"
        )
    directory = Path(settings.directory).absolute()
    directories.check_run(directory, fingerprint)
    run = _Run(settings, directory, fingerprint, directories.best_score(directory), ThreadPoolExecutor(1, "checkpoint"))
    with directories.quiet():
        _open(run)
        try:
            yield CheckpointManager(
                lambda: _restore(run, like),
                lambda state, ended: _due(run, state, ended),
                lambda state, reports: _save(run, state, reports),
            )
        except BaseException:
            run.settings = run.settings._replace(on_error="continue")
            _close(run)
            raise
        _close(run)


@dataclass
class _Run:
    """The values that change between the checkpoints of a run."""

    settings: Checkpoint
    directory: Path
    fingerprint: Fingerprint
    score: float  # of the best parameters on disk
    thread: ThreadPoolExecutor
    orbax: Any = None  # its CheckpointManager
    saving: Future[object] | None = None
    best: tuple[PyTree, dict[str, str]] | None = None  # to be written when the checkpoint that holds them is whole
    place: tuple[int, int] | None = None
    time: float = 0.0


def _open(run: _Run) -> None:
    orbax = directories.orbax()
    options = orbax.CheckpointManagerOptions(
        max_to_keep=run.settings.keep,
        cleanup_tmp_directories=True,
        lightweight_initialize=True,  # it does not read the checkpoints, of which some may be damaged
        # Else one that fails early leaves a thread that waits minutes for a folder which is never made.
        async_options=orbax.AsyncOptions(create_directories_asynchronously=False),
    )
    handler = orbax.PyTreeCheckpointHandler(use_ocdbt=False)
    run.time = time.monotonic()
    try:
        run.orbax = orbax.CheckpointManager(run.directory, item_handlers=handler, options=options)
    except OSError as error:
        _failed(run, error)


def _restore(run: _Run, like: TrainingState) -> Saved | None:
    saved = directories.newest(run.directory, like)
    if saved is not None:
        run.place = _place(saved.state)
        run.best = _better(run, saved.state)
    return saved


def _due(run: _Run, state: TrainingState, ended: bool) -> bool:
    epoch, _ = place = _place(state)
    every, minutes = run.settings.every, run.settings.minutes
    if place == run.place:
        return False
    if every is not None and ended and epoch % every == 0:
        return True
    return minutes is not None and _as_in_process_0(time.monotonic() - run.time >= 60 * minutes)


def _save(run: _Run, state: TrainingState, reports: Sequence[EpochReport]) -> None:
    place = _place(state)
    if place == run.place:
        return
    _settle(run)
    if run.orbax is None:
        _open(run)
    if run.orbax is None:
        return
    item, content = serialise(state, reports)
    about = {"fingerprint": run.fingerprint, "content": content, "epoch": place[0], "position": place[1]}
    step = max(run.orbax.all_steps(), default=0) + 1
    save = functools.partial(
        run.orbax.save, step, args=directories.orbax().args.PyTreeSave(item), custom_metadata=about, force=True
    )
    # orbax starts a dozen threads before it returns; here another waits for them, so that training does not.
    # Of several processes all must call it in the order in which they exchange anything else, thus from this thread.
    run.saving = run.thread.submit(save) if jax.process_count() == 1 else _done(save)
    run.place, run.time, run.best = place, time.monotonic(), _better(run, state)


def _settle(run: _Run) -> None:
    """Wait until the last checkpoint is on disk, and write the best parameters if they are new."""
    if run.orbax is None:
        return
    try:
        if run.saving is not None:
            run.saving.result()
        run.orbax.wait_until_finished()
        if run.best is not None:
            directories.write_best(run.directory, *run.best)
            run.score = float(run.best[1]["score"])
    except Exception as error:  # of the file system, in whichever of orbax's and TensorStore's types
        with contextlib.suppress(Exception):  # it may tell of the same error again
            run.orbax.close()
        run.orbax = run.place = None  # the next save opens the directory anew, which removes what is left of this one
        _failed(run, error)
    finally:
        run.best = run.saving = None


def _close(run: _Run) -> None:
    try:
        _settle(run)
    finally:
        run.thread.shutdown()
        if run.orbax is not None:
            run.orbax.close()


def _done(function: Callable[[], object]) -> Future[object]:
    future: Future[object] = Future()
    try:
        future.set_result(function())
    except Exception as error:  # raised by `result`
        future.set_exception(error)
    return future


def _failed(run: _Run, error: BaseException) -> None:
    """Raise, or warn, that something cannot be written."""
    stops = run.settings.on_error == "raise"
    text = (
        f"fit: checkpoint: a save to {run.directory} failed ({directories.line(error)}), "
        f"training {'stops' if stops else 'goes on'}; free space there, or give a directory that can be written"
    )
    if stops:
        raise CheckpointError(text) from error
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _place(state: TrainingState) -> tuple[int, int]:
    return int(state.epoch), int(state.position)


def _as_in_process_0(here: bool) -> bool:
    """The value of process 0, whose clock all follow."""
    if jax.process_count() == 1:
        return here
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(here)))


def _better(run: _Run, state: TrainingState) -> tuple[PyTree, dict[str, str]] | None:
    """A copy of the best parameters and their notes, where they are better than those on disk."""
    score = float(state.best.score)
    if not (math.isfinite(score) and score < run.score):
        return None
    return directories.on_host(state.best.params), {"epoch": str(int(state.best.epoch)), "score": repr(score)}

"""Training states on disk: saved while training goes on, whole or not there, and read back bit for bit.

    directory/1/, directory/2/, …          one folder a save, numbered in their order; the newest few are kept
    directory/best.safetensors             the best parameters on validation data, which no later save removes

orbax-checkpoint writes, in a thread of its own, under a temporary name that it changes when all is on disk; it deletes
old saves, and what killed ones have left. Here stands what to save when, to which run a directory belongs, and what
to do where a save is damaged or the disk is full.

    with keeping(settings, fingerprint, like=state) as keeper:
        saved = keeper.restore()                       # None where there is nothing yet
        …
        if keeper.due(state, ended=True):
            keeper.save(state, reports)

The best parameters are written when the save that holds them is whole, so a directory never has them alone.
Several processes share one directory: all call the same functions in the same order, and process 0 writes.
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
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnets import checks
from fnnets.training import best, saves
from fnnets.training.epoch import EpochReport, TrainingState
from fnnets.training.packing import Saved, pack


class Checkpoint(NamedTuple):
    """Where and when `fit` saves.

    Attributes:
        directory: the folder of one run; it is made if need be.
        every: epochs from one save to the next; None for none so.
        minutes: minutes from one save to the next, within an epoch too where the data is a stream; None for none so.
        keep: how many of the newest saves stay on disk.
        failure: what a full disk or a read-only directory does: "stop" raises an OSError, "continue" warns.
    """

    directory: str | os.PathLike[str]
    every: int | None = 1
    minutes: float | None = None
    keep: int = 3
    failure: str = "stop"


class Keeper(NamedTuple):
    """What a run does with its directory.

    Attributes:
        restore: `() -> Saved | None`, the newest save that is whole; None where there is none at all.
        due: `(state, ended) -> bool`, whether to save now; `ended` says that the state stands between two epochs.
        save: `(state, reports) -> None`; copies the state at once and writes it in the background. A state at the
            place of the last save is not written again.
    """

    restore: Callable[[], Saved | None]
    due: Callable[[TrainingState, bool], bool]
    save: Callable[[TrainingState, Sequence[EpochReport]], None]


def settings(value: Any, name: str = "fit: checkpoint") -> Checkpoint | None:
    """`value` as a `Checkpoint`: one, a path, or None for no checkpoints.

    Raises:
        TypeError, ValueError: a field of the wrong kind or range.

    >>> settings("runs/a")
    Checkpoint(directory='runs/a', every=1, minutes=None, keep=3, failure='stop')
    >>> settings(Checkpoint("runs/a", every=0))
    Traceback (most recent call last):
    ValueError: fit: checkpoint.every is 0, expected at least 1; give the number of epochs between two saves
    """
    if value is None:
        return None
    made = value if isinstance(value, Checkpoint) else Checkpoint(value)
    if not isinstance(made.directory, str | os.PathLike) or not os.fspath(made.directory):
        raise TypeError(
            f"{name} is {made.directory!r} of type {type(made.directory).__name__}, expected the path of a directory "
            "or fnnets.training.Checkpoint(directory, …)"
        )
    if made.every is not None:
        checks.count(made.every, f"{name}.every", "give the number of epochs between two saves")
    if made.minutes is not None:
        checks.above(made.minutes, 0.0, f"{name}.minutes", "give the time between two saves")
    if made.every is None and made.minutes is None:
        raise ValueError(f"{name}: every and minutes are both None, expected one; every=1 saves after each epoch")
    checks.count(made.keep, f"{name}.keep", "give the number of saves to keep")
    if made.failure not in ("stop", "continue"):
        raise ValueError(f"{name}.failure is {made.failure!r}, expected 'stop' or 'continue'; choose one")
    return made


@contextlib.contextmanager
def keeping(settings: Checkpoint, fingerprint: dict[str, Any], like: TrainingState) -> Iterator[Keeper]:
    """The directory of a run, open for saving until the block ends, which waits for the last save.

    Args:
        settings: where and when.
        fingerprint: what the run is (`fnnets.training.fingerprint.of`); saved with each state.
        like: a state of the run; the restored one has its types, dtypes and shardings.

    Raises:
        ImportError: orbax-checkpoint or safetensors is not installed.
        DataError: the path is a file, or the directory holds other things, another run, or damaged saves alone;
            nothing in it is touched.
        OSError: what is to be written cannot be, and `failure` is "stop".

    >>> import tempfile, jax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> state = fn.training.start(net, fn.training.momentum(0.1), jax.random.key(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with keeping(Checkpoint(folder), {}, state) as keeper:
    ...         keeper.save(state._replace(epoch=state.epoch + 7), [])
    ...     with keeping(Checkpoint(folder), {}, state) as keeper:
    ...         saved = keeper.restore()
    >>> int(saved.state.epoch)
    7
    """
    if settings.failure == "continue" and jax.process_count() > 1:
        raise ValueError(
            "fit: checkpoint.failure is 'continue' in a run of several processes, expected 'stop'; "
            "the others would wait for the process whose save failed"
        )
    directory = Path(settings.directory).absolute()
    saves.examine(directory, fingerprint)
    run = _Run(settings, directory, fingerprint, best.score(directory), ThreadPoolExecutor(1, "checkpoint"))
    with saves.quiet():
        _open(run)
        try:
            yield Keeper(
                lambda: _restore(run, like),
                lambda state, ended: _due(run, state, ended),
                lambda state, reports: _save(run, state, reports),
            )
        except BaseException:
            run.settings = run.settings._replace(failure="continue")
            _close(run)
            raise
        _close(run)


@dataclass
class _Run:
    """What changes between the saves of a run."""

    settings: Checkpoint
    directory: Path
    fingerprint: dict[str, Any]
    score: float  # of the best parameters on disk
    thread: ThreadPoolExecutor
    manager: Any = None
    saving: Future[Any] | None = None
    best: tuple[Any, dict[str, str]] | None = None  # parameters that wait until the save that holds them is whole
    place: tuple[int, int] | None = None
    time: float = 0.0


def _open(run: _Run) -> None:
    orbax = saves.orbax()
    options = orbax.CheckpointManagerOptions(
        max_to_keep=run.settings.keep,
        cleanup_tmp_directories=True,
        lightweight_initialize=True,  # it does not read the saves, of which some may be damaged
        # Else a save that fails early leaves a thread that waits minutes for a folder which nobody makes.
        async_options=orbax.AsyncOptions(create_directories_asynchronously=False),
    )
    handler = orbax.PyTreeCheckpointHandler(use_ocdbt=False)
    run.time = time.monotonic()
    try:
        run.manager = orbax.CheckpointManager(run.directory, item_handlers=handler, options=options)
    except OSError as error:
        _failed(run, error)


def _restore(run: _Run, like: TrainingState) -> Saved | None:
    saved = saves.newest(run.directory, like)
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
    if run.manager is None:
        _open(run)
    if run.manager is None:
        return
    item, packed = pack(state, reports)
    about = {"fingerprint": run.fingerprint, "packed": packed, "epoch": place[0], "position": place[1]}
    step = max(run.manager.all_steps(), default=0) + 1
    save = functools.partial(
        run.manager.save, step, args=saves.orbax().args.PyTreeSave(item), custom_metadata=about, force=True
    )
    # orbax starts a dozen threads before it returns; here another waits for them, so that training does not.
    # Of several processes all must call it in the order in which they exchange anything else, thus from this thread.
    run.saving = run.thread.submit(save) if jax.process_count() == 1 else _done(save)
    run.place, run.time, run.best = place, time.monotonic(), _better(run, state)


def _settle(run: _Run) -> None:
    """Wait until the last save is on disk, and write the best parameters if they are new."""
    if run.manager is None:
        return
    try:
        if run.saving is not None:
            run.saving.result()
        run.manager.wait_until_finished()
        if run.best is not None:
            best.write(run.directory, *run.best)
            run.score = float(run.best[1]["score"])
    except Exception as error:  # of the file system, in whichever of orbax's and TensorStore's types
        with contextlib.suppress(Exception):  # it may tell of the same error again
            run.manager.close()
        run.manager = run.place = None  # the next save opens the directory anew, which removes what is left of this one
        _failed(run, error)
    finally:
        run.best = run.saving = None


def _close(run: _Run) -> None:
    try:
        _settle(run)
    finally:
        run.thread.shutdown()
        if run.manager is not None:
            run.manager.close()


def _done(function: Callable[[], Any]) -> Future[Any]:
    """A call made at once, with its outcome as a future."""
    future: Future[Any] = Future()
    try:
        future.set_result(function())
    except Exception as error:  # whoever asks for the result has it
        future.set_exception(error)
    return future


def _failed(run: _Run, error: BaseException) -> None:
    """Raise, or warn, that something cannot be written."""
    stops = run.settings.failure == "stop"
    text = (
        f"fit: checkpoint: a save to {run.directory} failed ({saves.line(error)}), "
        f"training {'stops' if stops else 'goes on'}; free space there, or give a directory that can be written"
    )
    if stops:
        raise OSError(text) from error
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _place(state: TrainingState) -> tuple[int, int]:
    return int(state.epoch), int(state.position)


def _as_in_process_0(here: bool) -> bool:
    """What holds in process 0, whose clock all follow."""
    if jax.process_count() == 1:
        return here
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(here)))


def _better(run: _Run, state: TrainingState) -> tuple[Any, dict[str, str]] | None:
    """A copy of the best parameters and what to say of them, where they are better than those on disk."""
    score = float(state.best.score)
    if not (math.isfinite(score) and score < run.score):
        return None
    return best.copied(state.best.params), {"epoch": str(int(state.best.epoch)), "score": repr(score)}

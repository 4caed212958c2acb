"""Directories of runs: their checkpoints, of which run and whether whole, and the best parameters beside them.

A checkpoint is a folder whose name is a number; orbax renames it there when all of it is on disk. A folder that cannot
be read all the same, or whose checksum differs, is damaged: it is passed over, not removed. `best.safetensors` is a
portable file of the best parameters, with their epoch and score; nothing else is written here.
"""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import jax
import numpy as np

from fnnets.storage import safetensors
from fnnets.training.checkpoint import fingerprint
from fnnets.training.checkpoint.fingerprint import Fingerprint
from fnnets.training.checkpoint.serialisation import CheckpointError, Saved, restore, verify
from fnnets.training.distributed import processes
from fnnets.training.epoch import TrainingState

if TYPE_CHECKING:
    from jaxtyping import PyTree

ITEM = "default"  # orbax's name for the content of a checkpoint
BEST = "best.safetensors"
TEMPORARY = ".orbax-checkpoint-tmp"  # orbax's mark for what a killed process has left


def orbax() -> ModuleType:
    """The module `orbax.checkpoint`, imported only now, since `import fnnets` must stay fast.

    Raises:
        ImportError: it, or safetensors, is not installed; the message names the extra that brings both.

    >>> orbax().__name__
    'orbax.checkpoint'
    """
    try:
        importlib.import_module("safetensors")
        return importlib.import_module("orbax.checkpoint")
    except ModuleNotFoundError as error:
        raise ImportError(
            "fit: checkpoint needs orbax-checkpoint and safetensors; pip install fnnets[checkpoint]"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Within it orbax logs nothing: what goes wrong is raised or warned of here, in one line."""
    logger = logging.getLogger("absl")

    def is_of_others(record: logging.LogRecord) -> bool:
        return "orbax" not in Path(record.pathname).parts

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)


def steps(directory: Path) -> list[int]:
    """The numbers of the checkpoints in a directory, damaged ones included, the newest first.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("2", "10", "notes", "11.orbax-checkpoint-tmp"):
    ...     (folder / name).mkdir()
    >>> steps(folder)
    [10, 2]
    """
    if not directory.is_dir():
        return []
    names = [entry.name for entry in directory.iterdir() if entry.is_dir()]
    return sorted((int(name) for name in names if name.isascii() and name.isdecimal()), reverse=True)


def check_place(directory: Path, name: str) -> None:
    """Raise unless a directory can be written, or be made.

    Raises:
        CheckpointError: it is a file, lies below one, or belongs to another user.

    >>> check_place(Path("runs/a").absolute(), "directory")
    """
    if "\0" in str(directory):
        raise CheckpointError(f"{name} is {str(directory)!r}, expected a path without a null character; give another")
    try:
        os.lstat(directory)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise CheckpointError(
            f"{name} {directory} cannot be looked at ({error.strerror}), expected a path of this disk; give another"
        ) from None
    there = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not there.is_dir():
        kind = "file" if there.exists() else "link to nothing"
        what = f"is a {kind}" if there == directory else f"lies below the {kind} {there}"
        raise CheckpointError(f"{name} {directory} {what}, expected a directory; give another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise CheckpointError(
            f"{name} {directory} cannot be written, as {there} is read-only to this user, expected a directory of "
            "one's own; give another path"
        )


def check_run(directory: Path, now: Fingerprint) -> None:
    """Raise unless a run with the fingerprint `now` may use the directory.

    Raises:
        CheckpointError: it is a file, holds other things, checkpoints of another run, or damaged ones alone.
    """
    if directory.exists() and not directory.is_dir():
        raise CheckpointError(
            f"fit: checkpoint.directory is {directory}, a file, expected a directory; give another path"
        )
    if not directory.exists():
        return
    found = steps(directory)
    others = sorted(entry.name for entry in directory.iterdir() if TEMPORARY not in entry.name)
    if not found and others:
        raise CheckpointError(
            f"fit: checkpoint.directory {directory} holds {others[0]!r} and no checkpoints, expected an empty "
            "directory or that of this run; give another path"
        )
    reasons = []
    for step in found:
        try:
            saved = metadata(directory / str(step))["fingerprint"]
        except CheckpointError as error:
            reasons.append(f"{step}: {error}")
            continue
        difference = fingerprint.differences(saved, now)
        if difference:
            raise CheckpointError(f"fit: checkpoint.directory {directory} belongs to another run: {difference}")
        caveat = fingerprint.caveat(saved, now)
        if caveat:
            warn(f"fit: checkpoint {directory / str(step)} was {caveat}")
        return
    if found:
        raise CheckpointError(_all_damaged(directory, reasons))


def newest(directory: Path, like: TrainingState) -> Saved | None:
    """The newest checkpoint that is whole, with a warning for each newer one that is not; None where there are none.

    Raises:
        CheckpointError: every checkpoint is damaged, or the newest whole one is not of a state like `like`.
    """
    reasons: list[str] = []
    for step in steps(directory):
        item, about, reason = _read(directory / str(step))
        if processes.anywhere(bool(reason)):
            reasons.append(f"{step}: {reason or 'another process cannot read it'}")
            continue
        for damaged in reasons:
            warn(f"fit: checkpoint {directory / damaged}; going on from {directory / str(step)} instead")
        return restore(item, about["content"], like)
    if reasons:
        raise CheckpointError(_all_damaged(directory, reasons))
    return None


def _read(path: Path) -> tuple[dict[str, np.ndarray], Fingerprint, str]:
    """A checkpoint's arrays and metadata, or why it is damaged."""
    try:
        about = metadata(path)
        item = _arrays(path)
        verify(item, about["content"])
    except CheckpointError as error:
        return {}, {}, str(error)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a table of other content
        return {}, {}, f"is damaged, its table cannot be read ({line(error)})"
    return item, about, ""


def metadata(path: Path) -> Fingerprint:
    """The metadata of a checkpoint: fingerprint, epoch, position, and what its bytes hold.

    Raises:
        CheckpointError: it cannot be read.
    """
    checkpoint = orbax()
    try:
        with quiet():
            about = checkpoint.Checkpointer(_handler()).metadata(path).custom_metadata
    except Exception as error:  # whatever a parser raises on a damaged file
        raise CheckpointError(f"is damaged, its metadata cannot be read ({line(error)})") from error
    parts = [about.get(name) if isinstance(about, dict) else None for name in ("content", "fingerprint")]
    if not all(isinstance(part, dict) for part in parts):
        raise CheckpointError("is damaged, or of another program: its metadata cannot be read")
    return about


def _arrays(path: Path) -> dict[str, np.ndarray]:
    checkpoint = orbax()
    try:
        with quiet():
            handler = _handler()
            names = handler.metadata(path / ITEM).tree
            as_numpy = jax.tree.map(lambda _: checkpoint.RestoreArgs(restore_type=np.ndarray), dict(names))
            return handler.restore(path / ITEM, args=checkpoint.args.PyTreeRestore(restore_args=as_numpy))
    except Exception as error:  # whatever a parser raises on a damaged file
        raise CheckpointError(f"is damaged, its arrays cannot be read ({line(error)})") from error


def _handler():
    # Without OCDBT, which gathers many small arrays in few files: there is one array here.
    return orbax().PyTreeCheckpointHandler(use_ocdbt=False)


def _all_damaged(directory: Path, reasons: list[str]) -> str:
    return (
        f"fit: checkpoint.directory {directory} holds {len(reasons)} checkpoints and each is damaged, the newest "
        f"{reasons[0]}; expected one that is whole: restore the directory, or give another path to begin afresh"
    )


def warn(text: str) -> None:
    """Warn in process 0 alone."""
    if jax.process_index() == 0:
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def line(error: BaseException) -> str:
    """An error in one line: of a long one the beginning and the end, where TensorStore names the cause."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) < 200 else f'{text[:60]} … {text[-120:]}'}"


def best_score(directory: Path) -> float:
    """The score of the best parameters that a directory holds; infinity where it holds none that can be read."""
    path = directory / BEST
    if not path.exists():
        return float("inf")
    try:
        return float(safetensors.about(path)["score"])
    except (ValueError, LookupError, OSError) as error:  # a damaged file of any kind
        warn(f"fit: checkpoint {path} is damaged ({line(error)}); the next best parameters replace it")
        return float("inf")


def on_host(params: PyTree) -> PyTree:
    """The parameters as arrays of NumPy that share no memory with them."""
    return jax.tree.map(_leaf_on_host, params)


def write_best(directory: Path, params: PyTree, about: dict[str, str]) -> None:
    """Put the parameters in the place of those in the directory, with `about`; process 0 alone does it."""
    if jax.process_index() != 0:
        return
    # Under orbax's mark for what is not yet whole, so that the next run removes what a killed one leaves.
    folder = directory / f"{BEST}{TEMPORARY}"
    folder.mkdir(exist_ok=True)
    safetensors.save(params, folder / BEST, about)
    os.replace(folder / BEST, directory / BEST)
    folder.rmdir()


def _leaf_on_host(leaf) -> np.ndarray:
    if leaf.is_fully_addressable or leaf.is_fully_replicated:
        return np.array(leaf)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

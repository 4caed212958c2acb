"""What lies in a run's directory: whose it is, which saves are whole, and what the newest whole one holds.

Nothing here writes or deletes. A save is a folder whose name is a number; orbax renames it there when all of it is on
disk. A folder that cannot be read all the same, or whose checksum differs, is damaged: it is passed over, not removed.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from fnnets.data.errors import DataError
from fnnets.training import fingerprint, processes
from fnnets.training.epoch import TrainingState
from fnnets.training.packing import DamagedError, Saved, unpack, verify

ITEM = "default"  # orbax's name for what a save holds
TEMPORARY = ".orbax-checkpoint-tmp"  # by which orbax knows what a killed save has left


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
    """The numbers of the saves in a directory, damaged ones included, the newest first.

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


def examine(directory: Path, now: dict[str, Any]) -> None:
    """Raise unless a run with the fingerprint `now` may use the directory.

    Raises:
        DataError: it is a file, holds things that are no saves, saves of another run, or damaged ones alone.
    """
    if directory.exists() and not directory.is_dir():
        raise DataError(f"fit: checkpoint.directory is {directory}, a file, expected a directory; give another path")
    if not directory.exists():
        return
    found = steps(directory)
    others = sorted(entry.name for entry in directory.iterdir() if TEMPORARY not in entry.name)
    if not found and others:
        raise DataError(
            f"fit: checkpoint.directory {directory} holds {others[0]!r} and no checkpoints, expected an empty "
            "directory or that of this run; give another path"
        )
    reasons = []
    for step in found:
        try:
            saved = metadata(directory / str(step))["fingerprint"]
        except DamagedError as error:
            reasons.append(f"{step}: {error}")
            continue
        difference = fingerprint.differences(saved, now)
        if difference:
            raise DataError(f"fit: checkpoint.directory {directory} belongs to another run: {difference}")
        caveat = fingerprint.caveat(saved, now)
        if caveat:
            warn(f"fit: checkpoint {directory / str(step)} was {caveat}")
        return
    if found:
        raise DataError(_all_damaged(directory, reasons))


def newest(directory: Path, like: TrainingState) -> Saved | None:
    """The newest save that is whole, with a warning for each newer one that is not; None where there are none.

    Raises:
        DataError: every save is damaged, or the newest whole one is not of a state like `like`.
    """
    reasons: list[str] = []
    for step in steps(directory):
        item, about, reason = _read(directory / str(step))
        if processes.anywhere(bool(reason)):
            reasons.append(f"{step}: {reason or 'another process cannot read it'}")
            continue
        for damaged in reasons:
            warn(f"fit: checkpoint {directory / damaged}; going on from {directory / str(step)} instead")
        return unpack(item, about["packed"], like)
    if reasons:
        raise DataError(_all_damaged(directory, reasons))
    return None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A save's arrays and what it says of them, or why it is damaged."""
    try:
        about = metadata(path)
        item = _arrays(path)
        verify(item, about["packed"])
    except DamagedError as error:
        return {}, {}, str(error)
    return item, about, ""


def metadata(path: Path) -> dict[str, Any]:
    """What a save says of itself: fingerprint, epoch, position, and what its bytes hold.

    Raises:
        DamagedError: it cannot be read.
    """
    checkpoint = orbax()
    try:
        with quiet():
            about = checkpoint.Checkpointer(_handler()).metadata(path).custom_metadata
    except Exception as error:  # whatever a parser meets in a damaged file
        raise DamagedError(f"is damaged, its metadata cannot be read ({line(error)})") from error
    if not about or "packed" not in about or "fingerprint" not in about:
        raise DamagedError("is damaged, its metadata cannot be read")
    return about


def _arrays(path: Path) -> dict[str, np.ndarray]:
    checkpoint = orbax()
    try:
        with quiet():
            handler = _handler()
            names = handler.metadata(path / ITEM).tree
            as_numpy = jax.tree.map(lambda _: checkpoint.RestoreArgs(restore_type=np.ndarray), dict(names))
            return handler.restore(path / ITEM, args=checkpoint.args.PyTreeRestore(restore_args=as_numpy))
    except Exception as error:  # whatever a parser meets in a damaged file
        raise DamagedError(f"is damaged, its arrays cannot be read ({line(error)})") from error


def _handler():
    # Without OCDBT, which gathers many small arrays in few files: there is one array here.
    return orbax().PyTreeCheckpointHandler(use_ocdbt=False)


def _all_damaged(directory: Path, reasons: list[str]) -> str:
    return (
        f"fit: checkpoint.directory {directory} holds {len(reasons)} saves and each is damaged, the newest "
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

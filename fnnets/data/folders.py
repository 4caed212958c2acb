"""The folder of data from outside: named by an argument, or else by the environment variable FNNETS_DATA."""

from __future__ import annotations

import os
from pathlib import Path

from fnnets.storage import files
from fnnets.storage.errors import DataNotFoundError

VARIABLE = "FNNETS_DATA"


def folder(data_dir: str | os.PathLike[str] | None, user: str, content: str) -> Path:
    """The folder `data_dir`; that of FNNETS_DATA where it is None.

    Args:
        data_dir: what the user gave.
        user: what needs it, and `content`: what should be in it; both for the messages.

    Raises:
        DataNotFoundError: no folder is given, or it does not exist.
        TypeError, ValueError: `data_dir` is no path.

    >>> folder("nowhere", "mnist", "MNIST's IDX files")
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotFoundError: mnist: data_dir nowhere is no directory, expected a directory;
    give one with MNIST's IDX files
    """
    name, given = "data_dir", data_dir
    if given is None:
        name, given = VARIABLE, os.environ.get(VARIABLE)
    if given is None or given == "":
        raise DataNotFoundError(
            f"{user}: data_dir is {data_dir!r} and {VARIABLE} gives no directory either, expected one; "
            f"give one of them the directory with {content}"
        )
    path = files.path(given, f"{user}: {name}")
    try:
        is_folder = path.is_dir()
    except OSError:  # may not be looked at
        is_folder = False
    if not is_folder:
        what = "a file" if path.is_file() else "no directory"
        raise DataNotFoundError(f"{user}: {name} {path} is {what}, expected a directory; give one with {content}")
    return path

"""Paths that users give, files that are read, and files that are whole or not there.

A file is written under a temporary name in a folder beside it, then moved. Whatever is wrong with a path or a file is
one line that names it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fnnets.core import validate
from fnnets.storage.errors import DataError, DataNotFoundError, DataNotWrittenError

PathLike = str | os.PathLike[str]


def path(value: object, name: str) -> Path:
    """`value` as a path, with the home folder in the place of a leading ~.

    Raises:
        TypeError: it is no string and no path.
        ValueError: it is empty, holds a zero byte, or names a home folder that there is not.

    >>> path("", "load: path")
    Traceback (most recent call last):
    ValueError: load: path is '', expected the path of a file or folder; give one
    """
    remedy = "give a string or a pathlib.Path"
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} is {validate.shown(value)}, expected a path; {remedy}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"{name} is {text!r} of type {type(text).__name__}, expected a path; write os.fsdecode(path)")
    if not text or "\0" in text:
        raise ValueError(f"{name} is {text!r}, expected the path of a file or folder; give one")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{name} is {text!r}, expected a home folder that there is; write the path in full") from None


def readable(value: object, name: str, remedy: str) -> Path:
    """`value` as the path of a file that can be opened.

    Args:
        value: what the user gave.
        name: the argument, as "load: path".
        remedy: what to do where there is no such file.

    Raises:
        TypeError, ValueError: as `path`.
        DataNotFoundError: there is no such file.
        DataError: it is a folder, or may not be read.

    >>> readable("no/such/file", "load: path", "save writes it")
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotFoundError: load: path is no/such/file, expected a file, but there is none;
    save writes it
    """
    file = path(value, name)
    with reading(file, name, remedy):
        if file.is_dir():
            raise IsADirectoryError
        with file.open("rb"):
            return file


@contextlib.contextmanager
def reading(file: Path, name: str, remedy: str) -> Iterator[None]:
    """Within it, that a file cannot be read is a `DataError`, which names the file."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise DataNotFoundError(f"{name} is {file}, expected a file, but there is none; {remedy}") from None
    except IsADirectoryError:
        raise DataError(f"{name} is {file}, a folder, expected a file; {remedy}") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{name} is {file}, which cannot be read ({reason}), expected a readable file; {remedy}"
        ) from None


def writable(value: object, name: str) -> Path:
    """`value` as the path of a file that can be written as far as that shows before.

    Raises:
        TypeError, ValueError: as `path`.
        DataNotWrittenError: it is a folder, or lies below a file.

    >>> writable(".", "save: path")
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotWrittenError: save: path is ., a folder, expected the name of a file; add one
    """
    file = path(value, name)
    is_folder = isinstance(value, str) and value.endswith(("/", os.sep))
    try:
        is_folder |= file.is_dir()
        above = next(folder for folder in (file.absolute().parent, *file.absolute().parents) if folder.exists())
        is_below_file = not above.is_dir()
    except OSError as error:
        raise _not_written(file, name, error) from None
    if is_folder:
        raise DataNotWrittenError(f"{name} is {file}, a folder, expected the name of a file; add one")
    if is_below_file:
        raise DataNotWrittenError(f"{name} is {file}, but {above} is a file, expected a folder; give another path")
    if file.exists() and not os.access(file, os.W_OK):
        raise DataNotWrittenError(f"{name} is {file}, which is write-protected, expected none such; give another path")
    return file


def write(path: PathLike, save: Callable[[Path], object], name: str = "path") -> Path:
    """Have `save` fill a temporary file of the same name, then move it to `path`; the folder is made if need be.

    A device or a pipe stays what it is, and is written into.

    Args:
        path: the file.
        save: a function of the temporary path.
        name: the argument that the path came by, for messages.

    Raises:
        TypeError, ValueError: no path.
        DataNotWrittenError: an `OSError` too: the operating system refuses, or `path` is a folder; what was at `path`
            is still there, and no more than that.

    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder / "a.txt", lambda temporary: temporary.write_text("whole")).read_text()
    'whole'
    """
    file = writable(path, name)
    if file.exists() and not file.is_file():
        return _written_into(file, save, name)
    target = Path(os.path.realpath(file)) if file.is_symlink() else file  # the link stays
    made = [folder for folder in target.absolute().parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as beside:
            temporary = Path(beside) / target.name
            save(temporary)
            os.replace(temporary, target)
    except BaseException as error:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) and not isinstance(error, DataError):
            raise _not_written(file, name, error) from error
        raise
    return file


def _written_into(file: Path, save: Callable[[Path], object], name: str) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / file.name
        save(temporary)
        try:
            with file.open("wb") as stream:
                stream.write(temporary.read_bytes())
        except OSError as error:
            raise _not_written(file, name, error) from error
    return file


def _not_written(file: Path, name: str, error: OSError) -> DataNotWrittenError:
    reason = error.strerror or error
    return DataNotWrittenError(
        f"{name} is {file}, which cannot be written ({reason}), expected one that can; make room or give another path"
    )

"""Usage errors on one line, and files that a command writes: checked before the work, and whole or not there."""

from __future__ import annotations

import importlib.util
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from fnnets.storage import files

FIGURES = (".png", ".pdf", ".svg")
PACKAGE = str(Path(__file__).parent.parent)
LONGEST = 600


class UsageError(Exception):
    """Bad input; the message is one line with the value, the expected one and the remedy."""


def one_line(text: str) -> str:
    r"""`text` on one line, cut where it is very long.

    >>> one_line("two\n   lines")
    'two lines'
    """
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def raised(doing: str, error: BaseException) -> UsageError:
    """The usage error for an exception raised while `doing` something, with the innermost line of the user's files.

    >>> str(raised("importing it", ValueError("no such thing")))
    'importing it raised ValueError: no such thing'
    """
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_users(each.filename)]
    is_shown = not frames or getattr(error, "is_located", False)  # a check of it begins with the line
    place = "" if is_shown else f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
    message = f": {error}" if str(error) else ""
    return UsageError(one_line(f"{doing} raised {type(error).__name__}{message}{place}"))


def is_own(error: BaseException) -> bool:
    """Whether a line of this package raised the error, and none of the user's files that it calls."""
    frames = traceback.extract_tb(error.__traceback__)
    return not frames or frames[-1].filename.startswith(PACKAGE)


def _is_users(filename: str) -> bool:
    foreign = ("site-packages", "dist-packages", "importlib", "<frozen")
    return not filename.startswith(PACKAGE) and not any(part in filename for part in foreign)


def check(path: Path | None, option: str) -> None:
    """Raise for a path that cannot be written, as far as that shows before.

    >>> from pathlib import Path
    >>> check(Path("."), "--json")
    Traceback (most recent call last):
    fnnets.command.files.UsageError: --json is '.', a folder, expected the name of a file
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option} is {str(path)!r}, a folder, expected the name of a file")
    above = next(folder for folder in (path.absolute().parent, *path.absolute().parents) if folder.exists())
    if not above.is_dir():
        raise UsageError(
            f"{option} is {str(path)!r}, but {above.name!r} is a file, expected a folder; give another path"
        )
    if not os.access(above, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{option} is {str(path)!r}, which may not be written; give another path")


def check_figure(path: Path | None, option: str) -> None:
    """Raise as `check` does, and for an ending that is no figure's, and for a missing matplotlib."""
    check(path, option)
    if path is None:
        return
    if path.suffix.lower() not in FIGURES:
        raise UsageError(f"{option} is {str(path)!r}, expected a name that ends in {', '.join(FIGURES)}; add .png")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"{option} needs matplotlib, which is not installed; run: pip install 'fnnets[plots]'")


def write(path: Path, save: Callable[[Path], object]) -> None:
    """As `fnnets.storage.files.write`.

    Raises:
        UsageError: the operating system refuses.
    """
    try:
        files.write(path, save)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` and a newline, as `write` does."""
    write(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))

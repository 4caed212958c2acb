"""Files that a command writes: known to be writable before the work, and moved into place when they are whole."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from fnnets import files
from fnnets.command.errors import Refusal

PICTURES = (".png", ".pdf", ".svg")


def check(path: Path | None, option: str) -> None:
    """Refuse a path that cannot be written, as far as that is known before.

    >>> from pathlib import Path
    >>> check(Path("."), "--json")
    Traceback (most recent call last):
    fnnets.command.errors.Refusal: --json is '.', a folder, expected the name of a file
    """
    if path is None:
        return
    if path.is_dir():
        raise Refusal(f"{option} is {str(path)!r}, a folder, expected the name of a file")
    above = next(folder for folder in (path.absolute().parent, *path.absolute().parents) if folder.exists())
    if not above.is_dir():
        raise Refusal(f"{option} is {str(path)!r}, but {above.name!r} is a file, expected a folder; give another path")
    if not os.access(above, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise Refusal(f"{option} is {str(path)!r}, which may not be written; give another path")


def check_picture(path: Path | None, option: str) -> None:
    """As `check`, and refuse kinds of files that are no pictures, and a missing matplotlib."""
    check(path, option)
    if path is None:
        return
    if path.suffix.lower() not in PICTURES:
        raise Refusal(f"{option} is {str(path)!r}, expected a name that ends in {', '.join(PICTURES)}; add .png")
    if importlib.util.find_spec("matplotlib") is None:
        raise Refusal(f"{option} needs matplotlib, which is not installed; run: pip install 'fnnets[plots]'")


def write(path: Path, save: Callable[[Path], object]) -> None:
    """As `fnnets.files.write`.

    Raises:
        Refusal: the operating system says no.
    """
    try:
        files.write(path, save)
    except OSError as error:
        raise Refusal(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` and a newline, as `write` does."""
    write(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))

"""Files that are whole or not there: written under a temporary name in their own folder, then moved."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write(path: Path, save: Callable[[Path], object]) -> Path:
    """Have `save` fill a temporary file of the same name, then move it to `path`; the folder is made if need be.

    Raises:
        OSError: the operating system refuses; what was at `path` is still there.

    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder / "a.txt", lambda temporary: temporary.write_text("whole")).read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        temporary = Path(folder) / path.name
        save(temporary)
        os.replace(temporary, path)
    return path

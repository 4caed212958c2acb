"""The thing that TARGET names, in a module or a file.

package.module:thing       the current folder is importable
path/to/file.py:thing      the file's own folder is importable; within a package it is a module of that package
module:thing.part          attributes of attributes
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from fnnets.command.files import UsageError, raised

EXPECTED = "expected package.module:thing or path/to/file.py:thing"


def load(target: str) -> object:
    """The thing that `target` names.

    Raises:
        UsageError: no such module, file or attribute, or one that raises when it is imported.

    >>> load("math:pi")
    3.141592653589793
    >>> load("math:sine")
    Traceback (most recent call last):
    fnnets.command.files.UsageError: math has no 'sine'; similar: sin, sinh, asin
    """
    place, _, name = target.rpartition(":")
    parts = name.split(".")
    if not place or not all(part.isidentifier() for part in parts):
        remedy = f"; write {target}:NAME" if ":" not in target and target.strip("./") else ""
        raise UsageError(f"TARGET is {target!r}, {EXPECTED}{remedy}")
    is_file = place.endswith(".py") or "/" in place or os.sep in place
    found: object = _of_file(Path(place)) if is_file else _of_module(place)
    for number, part in enumerate(parts):
        found = _attribute(found, ".".join([place, *parts[:number]]), part)
    return found


def _attribute(owner: object, name: str, part: str) -> object:
    try:
        return getattr(owner, part)
    except AttributeError:
        names = [each for each in dir(owner) if not each.startswith("_")]
        close = difflib.get_close_matches(part, names, 3, 0.5)
        if close:
            raise UsageError(f"{name} has no {part!r}; similar: {', '.join(close)}") from None
        own = [each for each in names if not isinstance(getattr(owner, each, None), ModuleType)]
        listed = ", ".join(own[:8]) + ", …" * (len(own) > 8)
        raise UsageError(f"{name} has no {part!r}; it has {listed or 'no public names'}") from None
    except Exception as error:
        raise raised(f"reading {name}.{part}", error) from error


def _of_module(name: str) -> ModuleType:
    _importable(Path.cwd())
    return _imported(name, lambda: importlib.import_module(name))


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"the file {str(path)!r} {what}, {EXPECTED}")
    if path.suffix != ".py":
        raise UsageError(f"the file {str(path)!r} is no Python file, {EXPECTED}")
    path = path.resolve()
    parts, root = [path.stem], path.parent
    while (root / "__init__.py").is_file():
        parts, root = [root.name, *parts], root.parent
    _importable(path.parent)
    _importable(root)
    if len(parts) > 1:
        module = _imported(path.name, lambda: importlib.import_module(".".join(parts)))
        if Path(module.__file__ or "").resolve() == path:
            return module
    return _imported(path.name, lambda: _executed(path))


def _executed(path: Path) -> ModuleType:
    """The module made of a file, whatever other module has its name."""
    is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem} of {path.parent.name}" if is_taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _imported(name: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            message = f"there is no module {error.name!r}, neither in this folder nor installed, {EXPECTED}"
            raise UsageError(message) from None
        raise raised(f"importing {name}", error) from error
    except (Exception, SystemExit) as error:
        raise raised(f"importing {name}", error) from error


def _importable(folder: Path) -> None:
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()

"""JAX's persistent compilation cache in the user's cache directory, for programs; importing fnnets sets up none.

    FNNETS_COMPILATION_CACHE=FOLDER      keeps compiled programs there
    FNNETS_COMPILATION_CACHE=0           keeps none
    JAX_COMPILATION_CACHE_DIR, JAX_ENABLE_COMPILATION_CACHE     JAX's own settings; where one is set, it decides alone

Without any of them the folder is fnnets/jax/HOST in $XDG_CACHE_HOME or ~/.cache (macOS: ~/Library/Caches; Windows:
%LOCALAPPDATA%). Each host has its own, as a program is compiled for the instructions of one processor. Where the folder
cannot be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import jax

SWITCH = "FNNETS_COMPILATION_CACHE"
OWN = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
LEAST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
SECONDS = 0.1  # of compilation from which a program is kept: JAX's own bound, 1 s, leaves out what `fit` begins with


def keep() -> Path | None:
    """Have JAX keep what it compiles; the folder, or None where nothing is kept or JAX's settings decide."""
    if any(name in os.environ for name in OWN) or jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return None
    place = folder()
    if place is None or not _is_writable(place):
        return None
    jax.config.update("jax_compilation_cache_dir", str(place))
    if LEAST not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    return place


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """A context in which JAX compiles everything anew and keeps nothing: for what times compilation."""
    from jax.experimental.compilation_cache import compilation_cache

    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX reads the setting once
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def folder() -> Path | None:
    """Where compiled programs are kept by the environment; None for nowhere.

    >>> os.environ[SWITCH] = "0"
    >>> folder() is None
    True
    >>> del os.environ[SWITCH]
    """
    given = os.environ.get(SWITCH)
    if given is not None:
        return None if given in ("", "0") else Path(given).expanduser()
    base = _base()
    return None if base is None else base / "fnnets" / "jax" / (platform.node() or "host")


def _base() -> Path | None:
    """The user's cache directory, as each system has it; None for a user without a home."""
    for name in ("XDG_CACHE_HOME", *(["LOCALAPPDATA"] if sys.platform == "win32" else [])):
        if os.path.isabs(os.environ.get(name, "")):
            return Path(os.environ[name])
    with contextlib.suppress(RuntimeError):
        return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return None


def _is_writable(place: Path) -> bool:
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        return os.access(place, os.W_OK | os.X_OK)
    return False

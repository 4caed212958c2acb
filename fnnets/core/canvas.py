"""Matplotlib, imported when first used, and figures that notebooks show.

    module("axes").Axes          a module of matplotlib
    figure(figsize=(5, 4))       a Figure with `_repr_png_`, which Jupyter calls for the last value of a cell

No display and no global state of matplotlib is needed. A notebook shows figures of `matplotlib.pyplot` alone, unless a
figure knows its own picture.
"""

from __future__ import annotations

import functools
import importlib
import io
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def module(name: str) -> ModuleType:
    """A module of matplotlib.

    Raises:
        ImportError: matplotlib is not installed.

    >>> module("figure").__name__
    'matplotlib.figure'
    """
    try:
        return importlib.import_module(f"matplotlib.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        raise ImportError("fnnets.plots needs matplotlib; run: pip install fnnets[plots]", name="matplotlib") from None


def figure(**how: Any) -> Figure:
    """An empty figure; `how` as matplotlib's Figure takes it.

    >>> figure(figsize=(2, 2))._repr_png_()[1:4]
    b'PNG'
    """
    return _shown(module("figure").Figure)(**how)


@functools.cache
def _shown(kind: type[Figure]) -> type[Figure]:
    class Shown(kind):  # type: ignore[misc, valid-type]
        """A figure that a notebook shows."""

        def _repr_png_(self) -> bytes:
            written = io.BytesIO()
            self.savefig(written, format="png")
            return written.getvalue()

    Shown.__name__ = Shown.__qualname__ = "Figure"
    return Shown

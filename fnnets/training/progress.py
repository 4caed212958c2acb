"""Progress of long work on standard error: a bar on a terminal, plain lines when piped, silence on request."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Kind = Literal["auto", "bar", "lines", "silent"]


@contextmanager
def progress(kind: Kind, total: int, title: str) -> Iterator[Callable[[str], None]]:
    """A function to call with one line of text at each of `total` steps.

    Args:
        kind: "auto" is "bar" on a terminal where rich is installed, and "lines" elsewhere.
        total: number of steps.
        title: what the work is.

    Raises:
        ValueError: another `kind`.
        ImportError: a bar is asked for and rich is missing.
    """
    if kind not in ("auto", "bar", "lines", "silent"):
        raise ValueError(f"progress is {kind!r}, expected one of 'auto', 'bar', 'lines', 'silent'; choose one")
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() and importlib.util.find_spec("rich") else "lines"
    if kind == "silent":
        yield lambda text: None
    elif kind == "lines":
        yield lambda text: print(f"{title}: {text}", file=sys.stderr, flush=True)
    else:
        with _bar(total, title) as step:
            yield step


@contextmanager
def _bar(total, title):
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        raise ImportError("progress='bar' needs rich; pip install fnnets[progress], or progress='lines'") from None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda text: bar.update(task, advance=1, description=f"{title} {text}")

"""Progress of long work on standard error: a bar on a terminal, plain lines when piped, silence on request.

Of more than `LINES` steps about as many lines are printed, those of the first two steps and of the last among them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

LINES = 10
Progress = bool | Literal["auto"]


@contextmanager
def progress(shown: Progress, total: int, title: str) -> Iterator[Callable[[str], None]]:
    """A function to call with one line of text at each of `total` steps.

    Args:
        shown: True for a bar on a terminal and plain lines elsewhere; "auto" for the same, with lines on a terminal
            where rich is missing; False for nothing.
        total: number of steps.
        title: what the work is.

    Raises:
        ValueError: `shown` is none of the three.
        ImportError: `shown` is True, standard error is a terminal, and rich is missing.
    """
    if not (isinstance(shown, bool) or shown == "auto"):
        raise ValueError(f"progress is {shown!r}, expected True, False or 'auto'; choose one")
    has_bar = sys.stderr.isatty() and (shown is True or importlib.util.find_spec("rich") is not None)
    if shown is False:
        yield lambda text: None
    elif not has_bar:
        with _lines(total, title) as step:
            yield step
    else:
        with _bar(total, title) as step:
            yield step


@contextmanager
def _lines(total: int, title: str) -> Iterator[Callable[[str], None]]:
    every, done, waiting = max(1, round(total / LINES)), 0, ""

    def show(text: str) -> None:
        print(f"{title}: {text}", file=sys.stderr, flush=True)

    def step(text: str) -> None:
        nonlocal done, waiting
        done, waiting = done + 1, text
        if done <= 2 or done % every == 0:
            show(text)
            waiting = ""

    try:
        yield step
    finally:
        if waiting:
            show(waiting)


@contextmanager
def _bar(total, title):
    try:
        from rich import progress as bars
        from rich.console import Console
    except ImportError:
        raise ImportError(
            "progress=True needs rich on a terminal; pip install fnnets[progress], or progress='auto'"
        ) from None
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda text: bar.update(task, advance=1, description=f"{title} {text}")

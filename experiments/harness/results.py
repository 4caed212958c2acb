"""Results of an experiment: figures as JSON, with all that is needed to get them again, and pictures.

    mean     m = 1/K Σ v_k                         over K seeds
    spread   s = √(Σ (v_k − m)² / (K − 1))         sample standard deviation; none for one seed

| symbol | name in code | shape |
|---|---|---|
| v | `figure.values` | (K,), one a seed |

Files are written under a temporary name and moved, so that none is ever seen half written.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax

from fnnets import plots
from fnnets.storage import files


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes:
        name: what it is, in words.
        values: one for each seed; a single one where nothing is drawn.
        unit: "%", "s", …; empty for pure numbers.
        published: the figure in the source, None where it gives none.
        low, high: the bar: the mean should lie in between; None leaves a side open.
        form: how numbers are shown, as in f"{mean:.2f}".
    """

    name: str
    values: tuple[float, ...]
    unit: str = ""
    published: float | None = None
    low: float | None = None
    high: float | None = None
    form: str = ".2f"

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The sample standard deviation, None for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def verdict(self) -> str:
        """Whether the bar is "reached" or "missed"; the empty string without a bar.

        >>> Figure("accuracy", (97.0, 98.0), low=97.6).verdict
        'missed'
        """
        if self.low is None and self.high is None:
            return ""
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        return "reached" if low <= round(self.mean, 9) <= high else "missed"


@dataclass(frozen=True)
class Record:
    """One run of an experiment, or of one row of it.

    Attributes:
        name: its file's name: the experiment's, or "experiment-row".
        title: what was done, for people.
        command: the command that does it again.
        settings: everything that was chosen.
        figures: what was measured.
        seeds: the seeds; empty where nothing is drawn.
        seconds: wall time, compilation included.
        curves: longer series for plots; they are not handed on to the committed table.
    """

    name: str
    title: str
    command: str
    settings: Mapping[str, Any]
    figures: tuple[Figure, ...]
    seeds: tuple[int, ...] = ()
    seconds: float = 0.0
    curves: Mapping[str, Any] = field(default_factory=dict)


def environment() -> dict[str, Any]:
    """Versions and the device, without names of machines or folders.

    >>> sorted(environment())
    ['device', 'versions']
    """
    import numpy
    import optax

    import fnnets

    modules = {"jax": jax, "numpy": numpy, "optax": optax, "fnnets": fnnets}
    versions = {"python": platform.python_version(), **{name: m.__version__ for name, m in modules.items()}}
    return {"versions": versions, "device": device()}


def device() -> str:
    """The device's name: "CPU, 2 cores", or the accelerator's."""
    first = jax.devices()[0]
    if first.platform != "cpu":
        return first.device_kind
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} cores"


def content(record: Record) -> dict[str, Any]:
    """A record as JSON content, figures with mean and spread.

    >>> content(Record("a", "b", "c", {}, (Figure("d", (1.0, 3.0)),)))["figures"][0]["mean"]
    2.0
    """
    figures = []
    for figure in record.figures:
        derived = {"mean": figure.mean, "spread": figure.spread}
        figures.append({**asdict(figure), **derived, "verdict": figure.verdict})
    plain = {name: getattr(record, name) for name in ("name", "title", "command", "settings", "seeds")}
    return {**plain, "seconds": round(record.seconds, 1), **environment(), "figures": figures, "curves": record.curves}


def finish(record: Record, folder: Path, pictures: Mapping[str, Any]) -> int:
    """Save a record and its pictures by name, print the figures; 1 where a bar is missed, else 0."""
    save(record, folder)
    for name, picture in pictures.items():
        plots.save(picture, folder / f"{name}.png")
    print(f"{show(record)}\nResults{' and pictures' * bool(pictures)}: {folder} ({record.seconds:.0f} s)", flush=True)
    return int(any(figure.verdict == "missed" for figure in record.figures))


def save(record: Record, folder: Path) -> Path:
    """Write a record to `folder`/NAME.json."""
    return save_json(content(record), folder / f"{record.name}.json")


def save_json(value: Any, path: Path) -> Path:
    """Write JSON, strict and readable; numbers that are not finite become null."""
    text = json.dumps(_strict(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it there."""
    return files.write(path, write)


def show(record: Record) -> str:
    """A record's figures as lines for the terminal.

    >>> print(show(Record("a", "A claim", "c", {}, (Figure("right", (9.5, 10.5), "%", 11.0, low=9.0),))))
    A claim
      right: 10.00 ± 0.71 %   published 11.00   reached
    """
    lines = [record.title]
    for figure in record.figures:
        parts = [f"  {figure.name}: {measured(figure)}"]
        if figure.published is not None:
            parts.append(f"published {figure.published:{figure.form}}")
        lines.append("   ".join([*parts, *([figure.verdict] if figure.verdict else [])]))
    return "\n".join(lines)


def measured(figure: Figure) -> str:
    """Mean ± spread with the unit."""
    spread = "" if figure.spread is None else f" ± {figure.spread:{figure.form}}"
    return f"{figure.mean:{figure.form}}{spread} {figure.unit}".strip()


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(each) for key, each in value.items()}
    if hasattr(value, "tolist"):
        return _strict(value.tolist())
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value

"""Options that experiments share, and the one-line complaint about a bad one.

Each experiment's own options are a frozen dataclass that extends `Common`; the command line is made from it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

import fnnets as fn
from fnnets.command import parsing
from fnnets.command.files import UsageError
from fnnets.core import validate

Progress = bool | Literal["auto"]
LEAST = {"seed": 0, "copies": 0, "processes": 0}
HIGHEST = {"momentum": 1.0}
LOWEST = {"l2": 0.0, "momentum": 0.0, "pixels": 0.0, "degrees": 0.0, "scale": 1.0}


@dataclass(frozen=True)
class Common:
    """Options of every experiment.

    Whole numbers are counts, from 1 or from what `LEAST` has; others are positive, or from what `LOWEST` has, and below
    what `HIGHEST` has.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
    """

    out: Path = Path("results")
    progress: Progress = "auto"

    def __post_init__(self):
        for field in fields(self):
            _check(field.name, getattr(self, field.name))


def _check(name: str, value: Any) -> None:
    if name == "out":
        check_folder(value)
    elif name == "seeds" and value is not None:
        check_seeds(value)
    elif name == "dropout":
        fn.layers.dropout(value)  # raises for a rate outside [0, 1)
    elif name in LOWEST:
        validate.at_least(value, LOWEST[name], name, "give a number")
        if value >= HIGHEST.get(name, float("inf")):
            raise ValueError(f"{name} is {value}, expected below {HIGHEST[name]:g}; give less, such as 0.9")
    elif isinstance(value, int) and not isinstance(value, bool):
        validate.count(value, name, least=LEAST.get(name, 1))
    elif isinstance(value, float):
        validate.above(value, 0.0, name, "give a number")


def check_folder(out: Path) -> None:
    """Raise unless results can be written into `out`, as far as that shows before."""
    above = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ValueError(f"out is {out}, expected a folder that can be written, unlike {above}; give another")


class OptionError(ValueError):
    """An option that cannot be used; the message is one line."""


def parse(options: type, arguments: Sequence[str], name: str) -> Any:
    """The dataclass `options` filled in from the command line.

    Raises:
        OptionError: an unknown option or a bad value.
        SystemExit: after `--help`, which is printed.

    >>> parse(Common, ["--out", "elsewhere"], "digits").out.name
    'elsewhere'
    >>> parse(Common, ["--out"], "digits")                                        # doctest: +ELLIPSIS
    Traceback (most recent call last):
    experiments.harness.options.OptionError: digits: Missing value for argument '--out'. ...
    """
    try:
        return parsing.parse(options, arguments, f"python -m experiments {name}")
    except UsageError as error:
        raise OptionError(f"{name}: {error}") from None


def arguments(options: Any) -> list[str]:
    """The command line that `parse` makes these options from, for a process that is to run with the same ones.

    >>> arguments(Common(out=Path("elsewhere")))
    ['--out', 'elsewhere', '--progress', 'auto']
    """
    words: list[str] = []
    for field in fields(options):
        value, name = getattr(options, field.name), field.name.replace("_", "-")
        if field.type in (bool, "bool"):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
    return words


def given(options: Any, *left_out: str) -> dict[str, Any]:
    """The options as settings for a record, without folders, progress, seeds and those left out.

    >>> given(Common())
    {}
    """
    names = ("out", "progress", "seeds", "data_dir", *left_out)
    return {name: value for name, value in asdict(options).items() if name not in names}


def command(name: str, options: Any) -> str:
    """The command line that runs an experiment again with these options; it names no folders.

    >>> command("digits", Common(out=Path("elsewhere")))
    'python -m experiments digits'
    """
    words = [f"python -m experiments {name}"]
    for field in fields(options):
        value, option = getattr(options, field.name), "--" + field.name.replace("_", "-")
        if field.name in ("out", "progress", "seeds", "data_dir") or value == field.default:
            continue
        shown = " ".join(shlex.quote(str(each)) for each in (value if isinstance(value, tuple) else (value,)))
        words.append(option if field.type in (bool, "bool") else f"{option} {shown}")
    words += ["--data-dir …"] * (getattr(options, "data_dir", None) is not None)
    seeds = getattr(options, "seeds", None) or ()
    return " ".join([*words, *(["--seeds", *map(str, seeds)] if seeds else [])])


def find(names: Sequence[str], rows: Iterable[Any]) -> tuple[Any, ...]:
    """The rows of the given names, all of them for none.

    Raises:
        ValueError: there is no such row.
    """
    known = {row.name: row for row in rows}
    for name in names:
        if name not in known:
            raise ValueError(f"rows has {name!r}, expected some of {', '.join(known)}")
    return tuple(known[name] for name in names or known)


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raise unless there are seeds, none below zero and none twice.

    >>> check_seeds((0, 0))
    Traceback (most recent call last):
    ValueError: seeds are (0, 0), expected at least one and each once; write --seeds 0 1 2
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are {seeds}, expected at least one and each once; write --seeds 0 1 2")
    for seed in seeds:
        validate.count(seed, "seeds: one", "give whole numbers from 0", least=0)


def keys(seeds: Sequence[int]):
    """One PRNG key a seed, (K,).

    >>> keys((0, 1)).shape
    (2,)
    """
    return jax.vmap(jax.random.key)(jnp.asarray(seeds))

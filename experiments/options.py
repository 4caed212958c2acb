"""Options that experiments share, and the one-line complaint about a bad one.

Each experiment's own options are a frozen dataclass that extends `Common`; the command line is made from it.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from fnnets import checks

Progress = Literal["auto", "bar", "lines", "silent"]


@dataclass(frozen=True)
class Common:
    """What every experiment takes.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: progress of training on standard error: a bar, plain lines, or nothing.
    """

    out: Path = Path("results")
    progress: Progress = "auto"


class OptionError(ValueError):
    """An option that cannot be used; the message is one line."""


def parse(options: type, arguments: Sequence[str], name: str) -> Any:
    """The dataclass `options` filled in from the command line.

    Raises:
        OptionError: an unknown option or a bad value.
        SystemExit: `--help` was asked for, and printed.

    >>> parse(Common, ["--out", "elsewhere"], "digits").out.name
    'elsewhere'
    >>> parse(Common, ["--out"], "digits")                                        # doctest: +ELLIPSIS
    Traceback (most recent call last):
    experiments.options.OptionError: digits: Missing value for argument '--out'. ...
    """
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(options, args=list(arguments), prog=f"python -m experiments {name}")
    except SystemExit as end:
        if end.code in (0, None):
            raise
    raise OptionError(f"{name}: {_one_line(complaint.getvalue())}; see python -m experiments {name} --help")


def arguments(options: Any) -> list[str]:
    """The command line that `parse` makes these options from, for a process that is to run with the same ones.

    >>> arguments(Common(out=Path("elsewhere")))
    ['--out', 'elsewhere', '--progress', 'auto']
    """
    words: list[str] = []
    for field in fields(options):
        value, name = getattr(options, field.name), field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
    return words


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raise unless there are seeds, none below zero and none twice.

    >>> check_seeds((0, 0))
    Traceback (most recent call last):
    ValueError: seeds are (0, 0), expected at least one and each once; write --seeds 0 1 2
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are {seeds}, expected at least one and each once; write --seeds 0 1 2")
    for seed in seeds:
        checks.count(seed, "seeds: one", "give whole numbers from 0", least=0)


def keys(seeds: Sequence[int]):
    """One PRNG key a seed, (K,).

    >>> keys((0, 1)).shape
    (2,)
    """
    return jax.vmap(jax.random.key)(jnp.asarray(seeds))


def _one_line(box: str) -> str:
    """What tyro says in its frame, between the title and the hints; the frame is of ASCII where it must be."""
    parts = re.split(r"[─-]{3,}", re.sub(r"[│╭╮╰╯|+]", " ", box))
    pieces = [re.sub(r"\s+", " ", part).strip(" ─-.") for part in parts]
    pieces = [piece for piece in pieces if piece]
    return pieces[1] if len(pieces) > 1 else "".join(pieces)

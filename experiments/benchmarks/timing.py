"""Contestants timed in turn, A B C … C A B …, so that a slow minute of the computer falls on all of them.

    sample   t_ik   seconds of contestant i in round k, until its outputs are there
    time     median over k of t_ik
    ratio    median over k of t_ik / t_jk, of the rounds that both ran

| symbol | name in code | shape |
|---|---|---|
| t_i | `samples[name]` | (rounds,) |

Each round has an order of its own, drawn from a fixed seed: who follows whom matters, since the threads of some
libraries go on spinning for a while. For the same reason nobody starts at once after another.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from fnnets.core import validate

SETTLE = 0.05  # seconds


class Contestant(NamedTuple):
    """A function that is timed.

    Attributes:
        name: what tables call it.
        run: does the work once; what it returns is waited for.
        rounds: runs only in the first so many rounds, for slow ones; None is all of them.
        units: how many units of the work `run` does; a sample is the time of one.
    """

    name: str
    run: Callable[[], Any]
    rounds: int | None = None
    units: int = 1


class Summary(NamedTuple):
    """Seconds: median, shortest and longest sample."""

    median: float
    low: float
    high: float


def interleave(
    contestants: Sequence[Contestant],
    rounds: int,
    settle: float = SETTLE,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, tuple[float, ...]]:
    """Seconds of each contestant in each round; before the first, each runs once untimed, to compile and warm up.

    Args:
        contestants: who runs, each under its own name.
        rounds: samples of each contestant that sets no limit of its own.
        settle: seconds of rest before each sample.
        clock: seconds since some moment.

    Raises:
        TypeError, ValueError: `rounds` is no int ≥ 1, or two contestants have one name.

    >>> samples = interleave([Contestant("nothing", lambda: None), Contestant("once", lambda: None, rounds=1)], 3)
    >>> {name: len(seconds) for name, seconds in samples.items()}
    {'nothing': 3, 'once': 1}
    """
    validate.count(rounds, "interleave: rounds", "give the number of samples")
    samples: dict[str, list[float]] = {each.name: [] for each in contestants}
    if len(samples) < len(contestants):
        names = [each.name for each in contestants]
        raise ValueError(f"interleave: contestants are named {names}, expected each name once; rename one")
    for each in contestants:
        jax.block_until_ready(each.run())
    order = random.Random(0)
    for number in range(rounds):
        for each in order.sample(contestants, len(contestants)):
            if each.rounds is None or number < each.rounds:
                time.sleep(settle)
                samples[each.name].append(_seconds(each.run, clock) / each.units)
    return {name: tuple(seconds) for name, seconds in samples.items()}


def summary(seconds: Sequence[float]) -> Summary:
    """Median and extremes.

    >>> summary([3.0, 1.0, 2.0])
    Summary(median=2.0, low=1.0, high=3.0)
    """
    return Summary(statistics.median(seconds), min(seconds), max(seconds))


def ratio(samples: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """Ratio of the times of `name` and `base`: the median of the ratios round by round.

    >>> ratio({"a": [1.0, 1.0, 4.0], "b": [2.0, 2.2]}, "b", "a")
    2.1
    """
    return statistics.median(t / t_base for t, t_base in zip(samples[name], samples[base], strict=False))


def _seconds(run, clock) -> float:
    begin = clock()
    jax.block_until_ready(run())
    return clock() - begin

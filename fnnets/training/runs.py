"""A run of training: what is compiled for it, how it takes a state through an epoch, and what it is known by.

    run(state, pause) -> (state, report, why)

takes a state to the end of its epoch. `pause(state)` is called wherever a stream may be left, and its words, handed on
as `why`, end the run there; the report is None then, and where a stream's parameters were no longer finite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from fnnets.core import Batch, Network
from fnnets.data.sources import Source
from fnnets.training import feeds, fingerprint, sharding, streamed
from fnnets.training.boundary import HEAD, derive, in_memory
from fnnets.training.epoch import EpochReport, TrainingState, advance
from fnnets.training.metrics import are_classes

Pause = Callable[[TrainingState], str | None]
Run = Callable[[TrainingState, Pause], tuple[TrainingState, EpochReport | None, str | None]]


class Chosen(NamedTuple):
    """What decides which programs are compiled; the same settings compile once a process."""

    net: Network
    optimizer: optax.GradientTransformation
    gradient: str | Callable[..., Any]
    batch_size: int
    select: str
    placed: sharding.Placement | None
    min_delta: float = 0.0


def of(chosen: Chosen, train: Any, judged: dict[str, Any]) -> Run:
    """The run on examples in memory, or on those that stream."""
    return _in_memory(chosen, train, judged) if in_memory(train) else _streaming(chosen, train, judged)


def identity(chosen: Chosen, train: Any, judged: dict[str, Any], state: TrainingState, given: bool) -> dict[str, Any]:
    """The fingerprint of a run that begins with `state`; `given`: its parameters do not follow from its key."""
    run = {
        "batch_size": chosen.batch_size,
        "gradient": str(getattr(chosen.gradient, "__qualname__", chosen.gradient)),
        "select": chosen.select,
        "min_delta": chosen.min_delta or None,  # as in runs that were saved before there was one
        "judged": sorted(judged),
        "key": np.asarray(jax.random.key_data(state.key)).tolist(),
        "first epoch": int(state.epoch),
        "first position": int(state.position),
        "initial parameters": fingerprint.contents(state.params) if given else None,
        "validation": fingerprint.contents(judged["validation"]) if "validation" in judged else None,
    }
    return fingerprint.of(chosen.net, chosen.optimizer, train, state, run)


def _in_memory(chosen: Chosen, train: Batch, judged: dict[str, Batch]) -> Run:
    step = _epoch(chosen, _classes(judged))
    placed = sharding.everywhere(chosen.placed, train)
    judged = {
        name: placed if part is train else sharding.everywhere(chosen.placed, part) for name, part in judged.items()
    }

    def run(state, pause):
        state, report = step(state, placed, judged)
        return state, report, None

    return run


def _streaming(chosen: Chosen, train: Any, judged: dict[str, Any]) -> Run:
    data = {name: part for name, part in judged.items() if not isinstance(part, Source)}
    transform = train.transform if isinstance(train, Source) else None
    feed = feeds.of(chosen.net, train, chosen.batch_size, chosen.placed)
    epoch = streamed.epoch(_chunks(chosen, _classes(data)), feed, transform)
    data = sharding.everywhere(chosen.placed, data)
    classes = dict(_classes(judged)).get("training", False)

    def run(state, pause):
        state, report, why = epoch(state, data, pause)
        if report is not None and "training" in judged:
            training = streamed.evaluate(chosen.net, state.params, train, classes, chosen.placed)
            report = report._replace(metrics={"training": training, **report.metrics})
        return state, report, why

    return run


def _classes(judged: dict[str, Any]) -> tuple[tuple[str, bool], ...]:
    """For each monitored set whether its targets are classes; of one that streams the first ones tell."""
    return tuple((name, are_classes(*_shown(part))) for name, part in judged.items())


def _shown(part: Any) -> tuple[Any, Any]:
    if not isinstance(part, Source) or part.targets is None:
        return part.targets, part.mask
    return (part.targets[:HEAD], None) if part.mask is None else (part.targets[:, :HEAD], part.mask[:, :HEAD])


@functools.lru_cache(maxsize=32)
def _epoch(chosen: Chosen, classes):
    net, optimizer, gradient, batch_size, select, _, min_delta = chosen
    run = advance(net, optimizer, derive(net, gradient), batch_size, dict(classes), select, min_delta)
    settled = _settled(chosen)

    def epoch(state, train, judged):
        state, report = run(state, train, judged)
        return settled(state), report

    return jax.jit(epoch, donate_argnums=0)


@functools.lru_cache(maxsize=32)
def _chunks(chosen: Chosen, classes):
    net, optimizer, gradient, _, select, _, min_delta = chosen
    derived, settled = derive(net, gradient), _settled(chosen)
    return streamed.programs(net, optimizer, derived, dict(classes), select, min_delta, settled)


def _settled(chosen: Chosen):
    """The function that has each leaf of a traced state stay where it lies."""
    placed = chosen.placed
    if placed is None:
        return lambda state: state

    def settled(state):
        return jax.lax.with_sharding_constraint(state, sharding.of_state(placed, chosen.optimizer, state))

    return settled

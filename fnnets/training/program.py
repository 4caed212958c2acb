"""The program of a run: what is compiled, how it takes a state through an epoch, and the fingerprint of the run.

    run(state, pause) -> (state, report, why)

takes a state to the end of its epoch. `pause(state)` is called wherever a stream may be left; a text that it
returns, handed on as `why`, ends the run there. The report is None then, and where a stream's parameters were no
longer finite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import PartitionSpec

from fnnets.core.types import Batch, Network
from fnnets.data.sources import Source
from fnnets.training.checkpoint import fingerprint
from fnnets.training.distributed import sharding
from fnnets.training.epoch import EpochReport, TrainingState, advance
from fnnets.training.gradients import derive
from fnnets.training.inputs import Data, class_flags
from fnnets.training.streaming import loader, streaming_epoch

if TYPE_CHECKING:
    from jax.sharding import Mesh
    from jax.stages import Wrapped
    from jaxtyping import PyTree

WHOLE = PartitionSpec()  # an array that lies whole on every device
Classes = tuple[tuple[str, bool], ...]  # of each monitored data set whether its targets are classes
Pause = Callable[[TrainingState], str | None]
Run = Callable[[TrainingState, Pause], tuple[TrainingState, EpochReport | None, str | None]]


class Config(NamedTuple):
    """The settings that decide which programs are compiled; equal ones compile once a process."""

    net: Network
    optimizer: optax.GradientTransformation
    gradient: str | Callable[..., PyTree]
    batch_size: int
    monitor: str
    placed: Mesh | None
    min_delta: float = 0.0


def identity(
    config: Config, train: Data, monitored: Mapping[str, Batch | Source], state: TrainingState, given: bool
) -> fingerprint.Fingerprint:
    """The fingerprint of a run that begins with `state`; `given`: its parameters do not follow from its key."""
    run = {
        "batch_size": config.batch_size,
        "gradient": str(getattr(config.gradient, "__qualname__", config.gradient)),
        "monitor": config.monitor,
        "min_delta": config.min_delta or None,
        "monitored": sorted(monitored),
        "key": np.asarray(jax.random.key_data(state.key)).tolist(),
        "first epoch": int(state.epoch),
        "first position": int(state.position),
        "initial parameters": fingerprint.contents(state.params) if given else None,
        "validation": fingerprint.contents(monitored["validation"]) if "validation" in monitored else None,
    }
    return fingerprint.of(config.net, config.optimizer, train, state, run)


def streaming(config: Config, train: Data, monitored: Mapping[str, Batch | Source]) -> Run:
    """The run on examples that stream."""
    data = {name: part for name, part in monitored.items() if not isinstance(part, Source)}
    transform, source = train.transform if isinstance(train, Source) else None, monitored.get("training")
    chunks = loader.of(config.net, train, config.batch_size, config.placed)
    programs = compiled_chunks(config, class_flags(config.net, data))
    step = streaming_epoch.train_chunks(programs, chunks, transform, _examine(config.net, train))
    data = sharding.everywhere(config.placed, data)
    classes = dict(class_flags(config.net, monitored)).get("training", False)

    def run(state, pause):
        state, report, why = step(state, data, pause)
        if report is not None and isinstance(source, Source):
            training = streaming_epoch.evaluate(config.net, state.params, source, classes, config.placed)
            report = report._replace(metrics={"training": training, **report.metrics})
        return state, report, why

    return run


def _examine(net: Network, train: Data) -> Callable[[np.ndarray | None], None]:
    """The function that looks at rows of a source; batches of an iterable were looked at as they came."""
    if not isinstance(train, Source):
        return lambda rows: None
    return functools.partial(streaming_epoch.examine, net, train)


@functools.lru_cache(maxsize=32)
def compiled_epoch(config: Config, classes: Classes) -> Wrapped:
    """The epoch on examples in memory, compiled: `(state, train, monitored) -> (state, report)`; it donates state."""
    net, optimizer, gradient, batch_size, monitor, mesh, min_delta = config
    step = advance(net, optimizer, derive(net, gradient), batch_size, dict(classes), monitor, min_delta)

    def on_devices(state, train, monitored):
        specs = sharding.of_state(mesh, state)
        return sharding.over(mesh, step, specs, WHOLE, WHOLE, out=(specs, WHOLE))(state, train, monitored)

    return jax.jit(on_devices, donate_argnums=0)


@functools.lru_cache(maxsize=32)
def compiled_chunks(config: Config, classes: Classes) -> streaming_epoch.Programs:
    """The programs of an epoch on examples that stream."""
    net, optimizer, gradient, _, monitor, mesh, min_delta = config
    return streaming_epoch.programs(net, optimizer, derive(net, gradient), dict(classes), monitor, min_delta, mesh)

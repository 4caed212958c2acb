"""An epoch of examples that stream: chunk after chunk of minibatches, each one `lax.scan`, then the evaluation.

    state ← chunk(state, K minibatches)       as many as the loader gives; the keys are those of an epoch in memory

Where a source's pool holds everything, the minibatches too are those of an epoch in memory. A chunk that ends in
parameters which are not finite, or that held targets outside their domain, leaves the state as it was, and so do those
after it. Its examples are then looked at one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import batches, sequences
from fnnets.core.types import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import Source
from fnnets.storage.errors import DataError
from fnnets.training.distributed import sharding
from fnnets.training.distributed.sharding import Placement
from fnnets.training.epoch import EpochReport, TrainingState, all_finite, evaluation, keep_if, keys, updating
from fnnets.training.metrics import CHUNK, Metrics, sums
from fnnets.training.streaming.loader import Loader, in_file_order

if TYPE_CHECKING:
    from jaxtyping import Array, Bool


class Programs(NamedTuple):
    """The compiled functions of a stream.

    Attributes:
        chunk: `(state, alive, batch, n) -> (state, alive)`, with `size` and `transform` static.
        end: `(state, monitored) -> (state, report)`: the epoch's end and its evaluation.
    """

    chunk: Callable[..., tuple[TrainingState, Bool[Array, ""]]]
    end: Callable[..., tuple[TrainingState, EpochReport]]


def programs(net: Network, optimizer, gradient, classes, monitor, min_delta, settled) -> Programs:
    """Compiled for a network, as `advance` is; `settled` keeps each leaf of a state where it lies."""
    update = updating(net, optimizer, gradient)
    evaluate_monitored = evaluation(net, classes, monitor, min_delta)

    def chunk(state: TrainingState, alive, batch: Batch, n, size: int, transform):
        _, step_key = keys(state)
        count = len(batch.inputs)

        def step(moving, number_and_part):
            number, part = number_and_part
            part = first_examples(net, part, size, transform)._replace(dataset_size=n)
            moving = update(moving, part, jax.random.fold_in(step_key, number))
            return moving, None if transform is None else batches.holds(net, part)

        moving = state.params, state.optimizer_state, state.memory
        numbers = state.position + jnp.arange(count, dtype=jnp.int32)
        moving, good = jax.lax.scan(step, moving, (numbers, batch))
        good = _hold(net, batch, size) if transform is None else good.all()
        params, optimizer_state, memory = moving
        position = state.position + jnp.int32(count)
        new = state._replace(params=params, optimizer_state=optimizer_state, memory=memory, position=position)
        alive = alive & all_finite(new.params) & good
        return settled(keep_if(alive, new, state)), alive

    def end(state: TrainingState, monitored):
        ended = state._replace(epoch=state.epoch + 1, position=jnp.zeros_like(state.position))
        state, report = evaluate_monitored(ended, monitored)
        return settled(state), report

    return Programs(
        jax.jit(chunk, static_argnames=("size", "transform"), donate_argnums=0), jax.jit(end, donate_argnums=0)
    )


def _hold(net: Network, batch: Batch, size: int) -> Bool[Array, ""]:
    """Whether the values of minibatches (K, …) lie in the network's domain, without those that fill them up."""

    def cut(array, axis):
        return None if array is None else jax.lax.slice_in_dim(array, 0, size, axis=1 + axis)

    where = sequences.axes_of_fields(net.layer.time)
    fields = zip((batch.inputs, batch.targets, batch.mask), where, strict=True)
    return batches.holds(net, Batch(*(cut(array, axis) for array, axis in fields)))


def first_examples(net: Network, part: Batch, size: int, transform) -> Batch:
    """The first `size` examples, cut over the devices and transformed."""
    part = sharding.cut(net, sequences.span(net.layer.time, part, 0, size))
    return part if transform is None else transform(part)


def train_chunks(
    compiled: Programs,
    loader: Loader,
    transform: Callable[[Batch], Batch] | None,
    examine: Callable[[np.ndarray | None], None] = lambda rows: None,
) -> Callable[..., tuple[TrainingState, EpochReport | None, str | None]]:
    """The function that takes a state from its position to the epoch's end: as in `program`, with the monitored data.

    Args:
        compiled: the programs.
        loader: the chunks.
        transform: as `Source` has it.
        examine: `(rows) -> None`, which raises a DataError where one of those rows does not fit the network.

    Raises:
        DataError: the stream cannot be read, or gives what the network does not take.
    """

    def run(state: TrainingState, monitored, pause):
        number = int(state.epoch)
        alive: Array | np.bool_ = np.bool_(True)
        before = None  # of the chunk before, so that looking at it does not wait for the running one
        last: list[np.ndarray | None] = []  # the rows of the chunk before and of this one
        chunks = loader(sharding.local(keys(state)[0]), number, int(state.position))
        while (chunk := _next(chunks, number, state)) is not None:
            state, alive = compiled.chunk(state, alive, chunk.batch, chunk.dataset_size, chunk.size, transform)
            last = [*last[-1:], chunk.rows]
            if before is not None and not before:
                break
            before = alive
            if why := pause(state):
                chunks.close()
                return state, None, why
        if not alive:
            for rows in last:
                examine(rows)
            return state, None, None
        state, report = compiled.end(state, monitored)
        return state, report, None

    return run


def evaluate(net: Network, params, source: Source, classes: bool, placed: Placement | None) -> Metrics:
    """Cost and accuracy on all examples of a source, read as they lie."""
    total: Array = 0  # type: ignore[assignment]
    for chunk in in_file_order(net, source, min(CHUNK, sequences.count(net.layer.time, source)), placed):
        total = total + _sums(net, params, chunk.batch, chunk.size, chunk.dataset_size, source.transform, classes)
    cost, accuracy = total / sequences.count(net.layer.time, source)
    return Metrics(cost, jnp.where(jnp.isnan(cost), cost, accuracy) if classes else None)


@functools.partial(jax.jit, static_argnames=("net", "size", "transform", "classes"))
def _sums(net, params, batch, size, n, transform, classes):
    def one(part):
        return sums(net, params, first_examples(net, part, size, transform)._replace(dataset_size=n), classes)

    return jax.lax.map(one, batch).sum(axis=0)


def examine(net: Network, source: Source, rows: np.ndarray | None) -> None:
    """Look at examples of a source one by one.

    Raises:
        DataError: an example that the network does not take, by its row in the source.
    """
    for row in () if rows is None else rows.ravel():
        one = sources.rows(source, sequences.axes_of_fields(net.layer.time), np.array([row]))
        try:
            batches.checked(net, one if source.transform is None else source.transform(one), "train")
        except (TypeError, ValueError) as error:
            raise DataError(f"fit: train has a row {row} that the network does not take: {error}") from None


def _next(chunks, number, state):
    try:
        return next(chunks, None)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"fit: train failed in epoch {number + 1}, after {int(state.position)} of its minibatches: {error}"
        ) from error

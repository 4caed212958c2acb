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
from jax.sharding import Mesh, PartitionSpec

from fnnets.core import averages, batches, sequences, shares
from fnnets.core.types import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import Source
from fnnets.storage.errors import DataError
from fnnets.training.distributed import sharding
from fnnets.training.epoch import EpochReport, TrainingState, all_finite, evaluation, keep_if, keys, updating
from fnnets.training.metrics import CHUNK, Metrics, of_sums, sums
from fnnets.training.streaming import chunks
from fnnets.training.streaming.loader import Loader, in_file_order

if TYPE_CHECKING:
    from jaxtyping import Array, Bool


MOVING = ("params", "optimizer_state", "memory")  # what a step changes


class Programs(NamedTuple):
    """The compiled functions of a stream.

    Attributes:
        chunk: `(state, alive, batch, n) -> (state, alive)`, with `size` and `transform` static.
        end: `(state, monitored) -> (state, report)`: the epoch's end and its evaluation.
    """

    chunk: Callable[..., tuple[TrainingState, Bool[Array, ""]]]
    end: Callable[..., tuple[TrainingState, EpochReport]]


def programs(net: Network, optimizer, gradient, classes, monitor, min_delta, mesh: Mesh | None = None) -> Programs:
    """Compiled for a network, as `advance` is, on one device or on those of a mesh."""
    update = updating(net, optimizer, gradient)
    evaluate_monitored = evaluation(net, classes, monitor, min_delta)

    def chunk(state: TrainingState, alive, batch: Batch, n, size: int, transform):
        _, step_key = keys(state)
        count = len(batch.inputs)

        def step(moving, number_and_part):
            number, part = number_and_part
            part = own_examples(net, part, size, transform)._replace(dataset_size=n)
            moving = update(moving, part, jax.random.fold_in(step_key, number), size)
            return moving, None if transform is None else batches.holds(net, part, sharding.are_real(size))

        moving = state.params, state.optimizer_state, state.memory
        numbers = state.position + jnp.arange(count, dtype=jnp.int32)
        moving, good = jax.lax.scan(step, moving, (numbers, batch))
        good = batches.holds(net, batch, sharding.are_real(size)) if transform is None else good.all()
        good = shares.total((~good).astype(jnp.int32)) == 0
        new = state._replace(**dict(zip(MOVING, moving, strict=True)), position=state.position + jnp.int32(count))
        alive = alive & all_finite(new.params) & good
        return keep_if(alive, new, state), alive

    def end(state: TrainingState, monitored):
        ended = state._replace(epoch=state.epoch + 1, position=jnp.zeros_like(state.position))
        return evaluate_monitored(ended, monitored)

    def chunk_on_devices(state, alive, batch, n, size, transform):
        specs, whole = sharding.of_state(mesh, state), PartitionSpec()

        def own_chunk(state, alive, batch, n):
            return chunk(state, alive, batch, n, size, transform)

        cut = chunks.specs(net.layer.time, batch)
        return sharding.over(mesh, own_chunk, specs, whole, cut, whole, out=(specs, whole))(state, alive, batch, n)

    def end_on_devices(state, monitored):
        specs, whole = sharding.of_state(mesh, state), PartitionSpec()
        return sharding.over(mesh, end, specs, whole, out=(specs, whole))(state, monitored)

    return Programs(
        jax.jit(chunk_on_devices, static_argnames=("size", "transform"), donate_argnums=0),
        jax.jit(end_on_devices, donate_argnums=0),
    )


def own_examples(net: Network, part: Batch, size: int, transform) -> Batch:
    """The examples of a minibatch of `size`, or a device's share of them, transformed.

    Where they have weights, W is the sum over all shares: one more collective.
    """
    part = part if transform is None else transform(part)
    if shares.count() == 1:
        return part
    own = sharding.real(part, size)
    if part.weights is None:
        return own._replace(total_weight=size)
    return own._replace(total_weight=shares.total(averages.weight(net.layer.time, own)))


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
        coming = loader(sharding.local(keys(state)[0]), number, int(state.position))
        while (chunk := _next(coming, number, state)) is not None:
            state, alive = compiled.chunk(state, alive, chunk.batch, chunk.dataset_size, chunk.size, transform)
            last = [*last[-1:], chunk.rows]
            if before is not None and not before:
                break
            before = alive
            if why := pause(state):
                coming.close()
                return state, None, why
        if not alive:
            for rows in last:
                examine(rows)
            return state, None, None
        state, report = compiled.end(state, monitored)
        return state, report, None

    return run


def evaluate(net: Network, params, source: Source, classes: bool, placed: Mesh | None) -> Metrics:
    """Cost and accuracy on all examples of a source, read as they lie."""
    total: Array = 0  # type: ignore[assignment]
    for chunk in in_file_order(net, source, min(CHUNK, sequences.count(net.layer.time, source)), placed):
        n, transform = chunk.dataset_size, source.transform
        total = total + _sums(net, params, chunk.batch, n, chunk.size, transform, classes, placed)
    return of_sums(total, classes)


@functools.partial(jax.jit, static_argnames=("net", "size", "transform", "classes", "mesh"))
def _sums(net, params, batch, n, size, transform, classes, mesh):
    def own(params, batch, n):
        def one(part):
            return sums(net, params, own_examples(net, part, size, transform)._replace(dataset_size=n), classes)

        return shares.total(jax.lax.map(one, batch).sum(axis=0))

    whole = PartitionSpec()
    return sharding.over(mesh, own, whole, chunks.specs(net.layer.time, batch), whole, out=whole)(params, batch, n)


def examine(net: Network, source: Source, rows: np.ndarray | None) -> None:
    """Look at examples of a source one by one.

    Raises:
        DataError: an example that the network does not take, by its row in the source.
    """
    for row in () if rows is None else rows.ravel():
        one = sources.rows(source, sequences.axes_of_fields(net.layer.time, source.weights), np.array([row]))
        try:
            batches.checked(net, one if source.transform is None else source.transform(one), "train")
        except (TypeError, ValueError) as error:
            raise DataError(f"fit: train has a row {row} that the network does not take: {error}") from None


def _next(coming, number, state):
    try:
        return next(coming, None)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"fit: train failed in epoch {number + 1}, after {int(state.position)} of its minibatches: {error}"
        ) from error

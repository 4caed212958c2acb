"""Many networks of one shape trained side by side: `fit`, vmapped over keys and numeric hyperparameters.

    state_k ← epoch(state_k, examples),  k = 1 … K       one compiled program, each member with its own order

Each member equals its own `fit` to rounding: same key, same hyperparameters, same epochs.

| where | how members run together |
|---|---|
| an accelerator | all in one vmapped program |
| a CPU | in vmapped groups whose states fit a core's cache; threads, one a core, take the groups in turn |
| a mesh with the axis "members" | each device runs its share alone, under `shard_map`: no message between them |

On a CPU the products of a minibatch are as small under vmap as without, and states that leave the cache are read from
memory at each step. Groups that fit it cost what as many fits cost, and cores that share no work do not wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from fnnets.core import calls
from fnnets.core.types import Batch
from fnnets.storage.progress import Progress
from fnnets.storage.progress import progress as show_progress
from fnnets.training import builds, members
from fnnets.training.builds import Build
from fnnets.training.distributed import sharding
from fnnets.training.epoch import EpochReport, TrainingState, advance, start
from fnnets.training.gradients import derive
from fnnets.training.inputs import check_selection, class_flags, prepare
from fnnets.training.interrupt import interruptible
from fnnets.training.metrics import History, history

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Step = Callable[..., tuple[TrainingState, EpochReport]]
MEMBERS = "members"  # the axis of a mesh
CACHE = 1 << 20  # bytes of a group's states that a core keeps near, half of what it mostly has


class ManyResult(NamedTuple):
    """Result of training K members; the members' axis is K.

    Attributes:
        params: the last parameters, leaves (K, …).
        history: metrics, arrays (E, K).
        state: the whole state, leaves (K, …); `state.best` holds each member's best on validation data.
        diverged: (K,) whether a cost or parameter became NaN or infinite; such a member stays as it was before.
    """

    params: PyTree
    history: History
    state: TrainingState
    diverged: np.ndarray


@calls.strict("fit_many")
def fit_many(
    build: Build,
    train: Batch,
    *,
    keys: Array,
    hyperparameters: Mapping[str, ArrayLike | Sequence[float]] | None = None,
    epochs: int = 30,
    batch_size: int = 10,
    validation: Batch | None = None,
    gradient: str | Callable[..., PyTree] = "explicit",
    monitor: str = "cost",
    evaluate_training: bool = True,
    progress: Progress = "auto",
    mesh: Mesh | None = None,
    devices: str | None = None,
) -> ManyResult:
    """Train K members at once: an ensemble over keys, or a sweep over numbers.

    Ctrl-C ends training after the running epoch and returns what was learnt; the history is then shorter.
    `fn.ensembles` has the members' mean prediction and their vote.

    Args:
        build: `(**hyperparameters) -> (network, optimizer)`; called once with each member's numbers, which checks
            them, and then while JAX traces, so they may enter arithmetic (learning rate, momentum, λ) but no shape.
        train: the examples, shared by all members.
        keys: (K,) PRNG keys, one a member: `jax.random.split(key, K)`; of the older kind too.
        hyperparameters: for each argument of `build`, K numbers.
        epochs, batch_size, validation, gradient, monitor, evaluate_training, progress: as for `fit`.
        mesh: devices that share the members, one axis "members" of them, which divides K; None is one device.
        devices: "all" makes a mesh of all devices.

    Raises:
        TypeError, ValueError: as for `fit`; hyperparameters that are not K numbers each, or not the arguments of
            `build`; a `build` that gives anything else than a network and an optimizer, networks of several shapes, or
            that needs the values of traced numbers; a mesh with other axes, with devices of other processes, or with a
            number of devices that does not divide K.

    >>> import jax, optax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (40, 2))
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> sweep = fn.training.fit_many(
    ...     lambda rate: (net, optax.sgd(rate)), fn.Batch(x, (x[:, 0] > 0).astype(int)),
    ...     keys=jax.random.split(jax.random.key(1), 3), hyperparameters={"rate": [0.01, 0.1, 1.0]},
    ...     epochs=2, progress=False)
    >>> sweep.history.cost.shape
    (2, 3)
    """
    count, columns = members.numbers(build, keys, hyperparameters)
    with calls.named_as("fit_many", instead_of="fit"):
        members.check_settings(batch_size, gradient, evaluate_training, progress)
        placed = _placed(mesh, devices, count)
        net = members.network(build, columns, epochs, batch_size, monitor)
        train, monitored = prepare(net, train, validation, batch_size, evaluate_training)
        check_selection(monitored, None, monitor)
    classes = dict(class_flags(net, monitored))

    def step(numbers, state, train, monitored):
        net, optimizer = build(**numbers)
        return advance(net, optimizer, derive(net, gradient), batch_size, classes, monitor)(state, train, monitored)

    def begin(numbers, key):
        return start(*build(**numbers), key=key)

    numbers = {name: jnp.asarray(column) for name, column in columns.items()}
    builds.check_traced(jax.vmap(begin), numbers, keys, user="fit_many")
    state = jax.vmap(begin)(numbers, keys)
    run, states = _grouped(step, placed, numbers, state, train, monitored)
    state, reports = _loop(run, states, epochs, progress)
    diverged = ~np.all([np.ones(count, bool)] + [report.finite for report in reports], axis=0)
    return ManyResult(state.params, history(reports), state, diverged)


def _loop(run, states: list[TrainingState], epochs: int, kind: Progress) -> tuple[TrainingState, list[EpochReport]]:
    """Every group through all epochs; the state of all members, and their reports."""
    reports = []
    with (
        show_progress(kind, epochs, "fit_many") as show,
        interruptible() as interrupted,
        ThreadPoolExecutor(min(len(states), os.cpu_count() or 1), "fit_many") as threads,
    ):
        for epoch in range(1, epochs + 1):
            outcomes = list(threads.map(run, range(len(states)), states))
            states = [state for state, _ in outcomes]
            reports.append(jax.tree.map(lambda *parts: np.concatenate(parts), *[report for _, report in outcomes]))
            show(_line(epoch, reports[-1]))
            if interrupted():
                break
    return states[0] if len(states) == 1 else jax.tree.map(lambda *parts: jnp.concatenate(parts), *states), reports


def _grouped(step: Step, placed: Mesh | None, columns, state, train, monitored):
    """`(run, states)`: the states of the groups that run one by one, and `run(i, state) -> (state, report)`.

    All is traced and compiled here: which precision the caller has set is known in its thread alone.
    """
    members, together = len(state.epoch), jax.vmap(step, in_axes=(0, 0, None, None))
    size, bytes_each = members, sum(leaf.nbytes for leaf in jax.tree.leaves(state)) // members
    if placed is None:
        size = _group(members, bytes_each, jax.default_backend())
    else:
        alone = _group(members // placed.size, bytes_each, placed.devices.flat[0].platform)
        together = _sharded(placed, together, alone)
        split = NamedSharding(placed, PartitionSpec(MEMBERS))
        columns, state = jax.device_put((columns, state), split)
    train, monitored = _everywhere(placed, train, monitored)
    columns, states = (_cut(tree, members, size) for tree in (columns, state))
    program = jax.jit(together, donate_argnums=1).lower(columns[0], states[0], train, monitored).compile()

    def run(i, state):
        state, report = program(columns[i], state, train, monitored)
        return state, jax.device_get(report)

    return run, states


def _cut(tree, members: int, size: int) -> list[PyTree]:
    """The trees of the groups of `size` members."""
    if size == members:
        return [tree]
    return [jax.tree.map(lambda leaf, i=i: leaf[i : i + size], tree) for i in range(0, members, size)]


def _everywhere(placed: Mesh | None, train: Batch, monitored: dict[str, Batch]) -> tuple[Batch, dict[str, Batch]]:
    """The data as arrays, on every device; numbers too, as they have another dtype in threads of another precision."""

    def put(batch):
        batch = jax.tree.map(jnp.asarray, batch)
        return batch if placed is None else jax.device_put(batch, NamedSharding(placed, PartitionSpec()))

    shared = put(train)
    return shared, {name: shared if part is train else put(part) for name, part in monitored.items()}


def _sharded(placed: Mesh, together: Step, size: int) -> Step:
    """`together`, with each device running its members alone, `size` at a time."""

    def alone(columns, state, train, monitored):
        def group(numbers_and_state):
            return together(*numbers_and_state, train, monitored)

        cut = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), (columns, state))
        done = jax.lax.map(group, cut)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), done)

    split, shared = PartitionSpec(MEMBERS), PartitionSpec()
    return jax.shard_map(
        alone, mesh=placed, in_specs=(split, split, shared, shared), out_specs=split, check_vma=False
    )  # nothing is equal on all devices, so there is nothing to check


def _group(members: int, bytes_each: int, platform: str) -> int:
    """The number of members in one vmap: all, or on a CPU the largest divisor of their number that fits the cache.

    >>> _group(6, 400_000, "cpu"), _group(6, 400_000, "gpu"), _group(7, 400_000, "cpu"), _group(7, 4_000, "cpu")
    (2, 6, 1, 7)
    """
    if platform != "cpu":
        return members
    fitting = min(members, max(1, CACHE // max(1, bytes_each)))
    return next(size for size in range(fitting, 0, -1) if members % size == 0)


def _placed(mesh: Mesh | None, devices: str | None, members: int) -> Mesh | None:
    """The mesh by the arguments, validated; None is one device."""
    mesh = sharding.given_mesh("fit_many", mesh, devices, MEMBERS)
    if mesh is None:
        return None
    if tuple(mesh.axis_names) != (MEMBERS,):
        raise ValueError(
            f"fit_many: mesh has the axes {tuple(mesh.axis_names)}, expected 'members' alone; "
            'make one with jax.make_mesh((4,), ("members",))'
        )
    if any(device.process_index != jax.process_index() for device in mesh.devices.flat):
        raise ValueError(
            "fit_many: mesh holds devices of other processes, expected this one's; give each process keys of its own "
            "and Mesh(np.array(jax.local_devices()), ('members',))"
        )
    if members % mesh.size:
        raise ValueError(
            f"fit_many: keys are {members}, which the {mesh.size} devices of the axis 'members' do not divide; "
            f"give {members + -members % mesh.size} keys, or a mesh of {np.gcd(members, mesh.size)} devices"
        )
    return mesh


def _line(epoch, report) -> str:
    parts = [f"epoch {epoch}"]
    for name, metrics in report.metrics.items():
        values = metrics.cost if metrics.accuracy is None else metrics.accuracy
        parts.append(
            f"{name} {'cost' if metrics.accuracy is None else 'accuracy'} {values.min():.4f}…{values.max():.4f}"
        )
    return "  ".join(parts)

"""How the peers of the benchmark of training are tried: each candidate takes the same steps, the fastest is entered.

    one device    an ordinary loop: a jitted call a step, parameters donated where the library does that
    all devices   the same with the minibatch cut over all devices by `NamedSharding`; XLA adds the gradients
    scan          an epoch in one `lax.scan`, for steps so short that a call from Python weighs

| symbol | name in code | shape |
|---|---|---|
| order | `order` | (n,), the examples of an epoch |
| x, y | `take(examples, indices)` | the minibatch, cut over the mesh if there is one |
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.benchmarks.contestants import drawn_order
from experiments.benchmarks.recurrent_peers import cross_entropy
from experiments.benchmarks.setting import cut
from experiments.benchmarks.timing import Contestant, interleave, summary
from experiments.benchmarks.training_rows import RATE, Dense, Row

ONE_DEVICE, ALL_DEVICES, SCAN = "one device", "all devices", "one device, an epoch in a scan"
PROBES, PROBE_SECONDS = 3, 0.1
SHORT = 1e8  # FLOP of a step, below which a call from Python weighs


class Session(NamedTuple):
    """A peer in one configuration, from the row's parameters on.

    Attributes:
        how: the configuration.
        epoch: takes the steps of an order, (n,); goes on from its own state; returns what is to be waited for.
        flat: the parameters now, as `Row.flat`.
    """

    how: str
    epoch: Callable[[np.ndarray], Any]
    flat: Callable[[], list[np.ndarray]]


class Entered(NamedTuple):
    """What is timed: the fastest session, and the largest difference of any candidate after an epoch."""

    session: Session
    difference: float


def enter(row: Row, candidates: Iterable[Session], reference: list[np.ndarray]) -> Entered:
    """Take an epoch with each candidate in the order of `fit`, compare, and keep the fastest."""
    order, sessions, worst = drawn_order(row.size * row.steps), list(candidates), 0.0
    for each in sessions:
        each.epoch(order)
        worst = max(worst, difference(each.flat(), reference, row.flat(row.params)))
    return Entered(fastest(row, sessions, order), worst)


def fastest(row: Row, sessions: list[Session], order: np.ndarray) -> Session:
    """The session whose steps take least here, by the median of a few rounds in turn."""
    if len(sessions) == 1:
        return sessions[0]
    steps = row.steps if row.flops < SHORT else max(2, min(row.steps, round(PROBE_SECONDS * RATE / row.flops)))
    part = order[: steps * row.size]
    samples = interleave([Contestant(each.how, functools.partial(each.epoch, part)) for each in sessions], PROBES)
    return min(sessions, key=lambda each: summary(samples[each.how]).median)


def difference(found: list[np.ndarray], reference: list[np.ndarray], begin: list[np.ndarray] | None = None) -> float:
    """max over leaves of ‖w − w*‖ / ‖w* − w₀‖: how far off, relative to the way that the reference went.

    Where rounding makes another unit the largest of a pooling's window, a few weights of many differ; another learning
    rate is seen in all. Without a beginning, as for gradients, it is ‖w − w*‖ / ‖w*‖. NaN is infinite.

    >>> difference([np.array([5.0, 1.0])], [np.array([4.0, 1.0])], [np.array([0.0, 1.0])])
    0.25
    """
    starts = [np.zeros_like(leaf) for leaf in reference] if begin is None else begin
    worst = 0.0
    for w, exact, start in zip(found, reference, starts, strict=True):
        if w.shape != exact.shape:
            raise ValueError(f"a leaf has the shape {w.shape}, expected {exact.shape}")
        off = float(np.linalg.norm(w - exact) / (np.linalg.norm(exact - start) or 1.0))
        worst = max(worst, off if np.isfinite(off) else np.inf)
    return worst


def meshes(row: Row) -> dict[str, Mesh | None]:
    """Where the steps of a peer on JAX can run: on one device, and on all that divide the minibatch."""
    count = jax.device_count()
    shared = count > 1 and row.size % count == 0
    return {ONE_DEVICE: None} | ({ALL_DEVICES: Mesh(np.array(jax.devices()), ("data",))} if shared else {})


def place(tree: Any, mesh: Mesh | None) -> Any:
    """Copies of the arrays, whole on every device of the mesh."""
    copies = jax.tree.map(jnp.array, tree)
    return copies if mesh is None else jax.device_put(copies, NamedSharding(mesh, PartitionSpec()))


def taker(row: Row, mesh: Mesh | None) -> Callable[[Any, Any], tuple[Any, Any]]:
    """`(examples, indices) -> (x, y)`, cut over the mesh; y is x where the row has no targets."""

    def cut_over(array):
        if mesh is None:
            return array
        spec = PartitionSpec(*[None] * row.axis, "data")
        return jax.lax.with_sharding_constraint(array, NamedSharding(mesh, spec))

    def take(examples, indices):
        found = [cut_over(part[:, indices] if row.axis else part[indices]) for part in examples]
        return found[0], found[-1]

    return take


def examples(row: Row, mesh: Mesh | None, channels_first: bool = False) -> tuple[Any, ...]:
    """Inputs and targets on the devices; images (n, C, H, W) for libraries that want them so."""
    inputs = np.ascontiguousarray(row.inputs.transpose(0, 3, 1, 2)) if channels_first else row.inputs
    return place(tuple(part for part in (inputs, row.targets) if part is not None), mesh)


def cost(row: Row) -> Callable[[Any, Any], Any]:
    """`(z, y) -> C` of the last weighted inputs: cross-entropy of labels, or of x with itself, a mean over examples."""
    if isinstance(row.model, Dense) and row.model.is_autoencoder:
        return lambda z, x: optax.sigmoid_binary_cross_entropy(z, x).sum(-1).mean()
    return cross_entropy


def stepping(row: Row, step: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    """An epoch of calls of `step(indices)`, whose last answer is to be waited for."""

    def epoch(order):
        answer = None
        for indices in cut(order, row.size):
            answer = step(indices)
        return answer

    return epoch


def scanning(row: Row, state: Any, step: Callable[[Any, Any, Any], Any], flat: Callable[[Any], Any]) -> Session:
    """A session of epochs in one `lax.scan` of `(state, x, y) -> state`, the state donated."""
    take, data, kept = taker(row, None), examples(row, None), [state]

    @functools.partial(jax.jit, donate_argnums=0)
    def walk(state, data, orders):
        return jax.lax.scan(lambda state, indices: (step(state, *take(data, indices)), None), state, orders)[0]

    def epoch(order):
        kept[0] = walk(kept[0], data, order.reshape(-1, row.size))
        return kept[0]

    return Session(SCAN, epoch, lambda: flat(kept[0]))

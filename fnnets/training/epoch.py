"""One epoch of minibatch descent as one pure function of one pytree: what `fit` jits and `fit_many` vmaps.

    the examples in a random order, cut into minibatches; the last one is short where the size does not divide
    for each minibatch:  ∂C  by `gradient`,  w ← w + optimiser(∂C)

| symbol | name in code | shape |
|---|---|---|
| w | `state.params` | the network's |
| number of examples | `n` | () |
| minibatch | `indices` | (batch_size,), the last one (n mod batch_size,) |

Where the gradient needs samples of the model, the network's sampler completes each minibatch first.

The order and the dropout of epoch e depend on `state.key` and e alone, so a resumed run goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fnnets.core import calls, sequences, shares, validate
from fnnets.core.types import Batch, Network
from fnnets.training import extras
from fnnets.training.distributed import sharding
from fnnets.training.metrics import Metrics, of_checked
from fnnets.training.shuffle import shuffle

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PyTree


SAMPLER = 0x5A  # folded into a key where samples are drawn, so that a network without them draws what it drew


class Best(NamedTuple):
    """The parameters with the best validation score so far, that score (lower is better) and their epoch.

    With a least improvement δ > 0, "best" means the last that was better than the best before it by more than δ.
    """

    params: PyTree
    score: Float[Array, ""]
    epoch: Int[Array, ""]


class TrainingState(NamedTuple):
    """State of training in one pytree: it can be saved, resumed, sharded and vmapped.

    Attributes:
        params: the network's parameters.
        optimizer_state: optax's state.
        key: PRNG key of the whole run.
        epoch: number of finished epochs, int32.
        best: the best parameters on validation data, as far as there is any.
        memory: what a network's sampler keeps from step to step, such as persistent chains; () where it keeps nothing.
        position: minibatches of the running epoch that are done, int32; 0 at an epoch's end, where only streams stop
            before it.
    """

    params: PyTree
    optimizer_state: PyTree
    key: Array
    epoch: Int[Array, ""]
    best: Best
    memory: PyTree = ()
    position: Int[Array, ""] = 0  # type: ignore[assignment]


class EpochReport(NamedTuple):
    """Report of an epoch: whether it stayed finite, and the metrics of each monitored data set."""

    finite: Bool[Array, ""]
    metrics: dict[str, Metrics]


@calls.strict("start")
def start(net: Network, optimizer: optax.GradientTransformation, *, key: Array, params: PyTree = None) -> TrainingState:
    """The state before the first epoch; parameters are drawn from the key unless they are given.

    Raises:
        TypeError, ValueError: no network, optimiser or key, or parameters of another network.

    >>> import jax, optax, fnnets as fn
    >>> net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    >>> int(fn.training.start(net, optax.sgd(0.1), key=jax.random.key(0)).epoch)
    0
    """
    validate.is_instance(net, Network, "start: net", "make one with fnnets.feedforward or fnnets.network")
    validate.is_optimizer(optimizer, "start: optimizer")
    validate.is_key(key, "start: key")
    if params is not None:
        validate.like(params, jax.eval_shape(net.init, key), "start: params")
    init_key, run_key = jax.random.split(key)
    params = jax.tree.map(jnp.array, net.init(init_key) if params is None else params)  # buffers of the state's own
    best = Best(jax.tree.map(jnp.copy, params), jnp.asarray(jnp.inf, jnp.float32), jnp.asarray(0, jnp.int32))
    memory = () if net.sampler is None else net.sampler.start(params, jax.random.fold_in(run_key, SAMPLER))
    zeros = [jnp.asarray(0, jnp.int32) for _ in range(2)]  # two buffers, as both are given away
    optimizer_state = _apart(optimizer.init(params), params)
    return TrainingState(params, optimizer_state, run_key, zeros[0], best, memory, zeros[1])


def _apart(tree: PyTree, params: PyTree) -> PyTree:
    """The tree, whose leaves share no buffer with each other or the parameters: each buffer is given away once."""
    taken = set(map(id, jax.tree.leaves(params)))

    def own(leaf):
        is_shared = id(leaf) in taken
        taken.add(id(leaf))
        return jnp.copy(leaf) if is_shared else leaf

    return jax.tree.map(own, tree)


def updating(
    net: Network, optimizer: optax.GradientTransformation, gradient: Callable[..., PyTree]
) -> Callable[..., PyTree]:
    """The function `((params, optimizer_state, memory), batch, key, size) -> the same after one minibatch`.

    The batch is a minibatch of `size` examples, or a device's share of it.

    Args:
        net: the network.
        optimizer: an optax transformation; one that reads them is given the value of the cost, its gradient and a
            function of the parameters that gives the value, as optax's extra arguments `value`, `grad`, `value_fn`.
        gradient: `(params, batch, *, key) -> ∂C/∂params`.
    """
    transformation = optax.with_extra_args_support(optimizer)

    def whole(params, batch, *, key):
        return shares.total(gradient(params, batch, key=key))

    def derive(params, memory, batch, key, size):
        own_key = sharding.key_of(net, key, size)
        if net.sampler is None:
            return whole(params, batch, key=own_key), memory, batch
        sampling_key = sharding.key_of_chains(net, jax.random.fold_in(key, SAMPLER), params, size)
        batch, memory = net.sampler.draw(params, memory, batch, sampling_key)
        return net.sampler.transform_gradient(memory, whole(params, batch, key=own_key)), memory, batch

    def update(moving, batch: Batch, key, size: int):
        params, optimizer_state, memory = moving
        d_params, memory, batch = derive(params, memory, batch, key, size)
        extra: dict[str, PyTree] = {}
        if extras.are_read(transformation, optimizer_state, params):
            extra = extras.of(net, whole, params, batch, sharding.key_of(net, key, size), d_params)
        updates, optimizer_state = transformation.update(d_params, optimizer_state, params, **extra)
        return optax.apply_updates(params, updates), optimizer_state, memory

    return update


def keys(state: TrainingState) -> tuple[Array, Array]:
    """The keys of the running epoch: of its order, and of its steps, to be folded with their number."""
    order_key, step_key = jax.random.split(jax.random.fold_in(state.key, state.epoch))
    return order_key, step_key


def train_epoch(
    net: Network, optimizer: optax.GradientTransformation, gradient: Callable[..., PyTree], batch_size: int
) -> Callable[[TrainingState, Batch], TrainingState]:
    """The function that takes a state through every example of a data set once.

    Args:
        net, optimizer, gradient: as for `updating`.
        batch_size: examples in a minibatch.
    """
    update = updating(net, optimizer, gradient)

    def run(state: TrainingState, train: Batch) -> TrainingState:
        n = sequences.count(net.layer.time, train)
        order_key, step_key = keys(state)
        order = shuffle(order_key, n)
        steps, rest = divmod(n, batch_size)

        def step(moving, position_and_indices):
            position, indices = position_and_indices
            batch = minibatch(net, train, indices)
            return update(moving, batch, jax.random.fold_in(step_key, position), len(indices)), None

        whole = order[: steps * batch_size].reshape(steps, batch_size)
        moving = state.params, state.optimizer_state, state.memory
        moving, _ = jax.lax.scan(step, moving, (jnp.arange(steps), whole))
        if rest:
            moving, _ = step(moving, (steps, order[n - rest :]))
        params, optimizer_state, memory = moving
        return state._replace(params=params, optimizer_state=optimizer_state, epoch=state.epoch + 1, memory=memory)

    return run


def advance(
    net: Network,
    optimizer: optax.GradientTransformation,
    gradient: Callable[..., PyTree],
    batch_size: int,
    classes: Mapping[str, bool],
    monitor: str,
    min_delta: float = 0.0,
) -> Callable[..., tuple[TrainingState, EpochReport]]:
    """An epoch and its evaluation, `(state, train, monitored) -> (state, report)`, with the monitored data sets.

    An epoch that ends in parameters or costs that are not finite leaves the state as it was.

    Args:
        net, optimizer, gradient, batch_size: as for `train_epoch`.
        classes: for each name of a monitored data set, whether its targets are classes.
        monitor: "cost" or "accuracy", by which the best parameters on "validation" are kept.
        min_delta: δ ≥ 0; only a score that is better by more than δ takes the place of the best.
    """
    run = train_epoch(net, optimizer, gradient, batch_size)
    evaluate_monitored = evaluation(net, classes, monitor, min_delta)

    def advanced(state: TrainingState, train: Batch, monitored: dict[str, Batch]) -> tuple[TrainingState, EpochReport]:
        new, report = evaluate_monitored(run(state, train), monitored)
        return keep_if(report.finite, new, state), report

    return advanced


def evaluation(
    net: Network, classes: Mapping[str, bool], monitor: str, min_delta: float = 0.0
) -> Callable[[TrainingState, dict[str, Batch]], tuple[TrainingState, EpochReport]]:
    """Evaluation at an epoch's end, `(state, monitored) -> (state, report)`: metrics, and the best parameters so far.

    Args:
        net, classes, monitor, min_delta: as for `advance`.
    """

    def evaluated(new: TrainingState, monitored: dict[str, Batch]) -> tuple[TrainingState, EpochReport]:
        metrics = {name: of_checked(net, new.params, monitored[name], found) for name, found in classes.items()}
        finite = all_finite((new.params, [each.cost for each in metrics.values()]))
        if "validation" in metrics:
            new = new._replace(best=_better(new, metrics["validation"], monitor, min_delta))
        return new, EpochReport(finite, metrics)

    return evaluated


def keep_if(good: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    """`new`, or `old` where it is not good."""
    return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number of every leaf is finite."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def minibatch(net: Network, batch: Batch, indices) -> Batch:
    """The examples at `indices`, or a device's share of them, with n of the penalty: the data set's size.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
    >>> part = minibatch(net, fn.Batch(jnp.arange(6.0).reshape(3, 2), jnp.arange(3)), jnp.array([2]))
    >>> part.inputs.tolist(), part.targets.tolist(), part.dataset_size
    ([[4.0, 5.0]], [2], 3)
    """
    n = sequences.count(net.layer.time, batch) if batch.dataset_size is None else batch.dataset_size
    take = sequences.take if shares.count() == 1 else sharding.share
    return take(net.layer.time, batch, indices)._replace(dataset_size=n)


def _better(state: TrainingState, metrics: Metrics, monitor: str, min_delta: float = 0.0) -> Best:
    score = jnp.asarray(metrics.cost if metrics.accuracy is None or monitor == "cost" else -metrics.accuracy)
    now = Best(state.params, score.astype(jnp.float32), state.epoch)
    return keep_if(now.score < state.best.score - min_delta, now, state.best)  # NaN is not less than anything

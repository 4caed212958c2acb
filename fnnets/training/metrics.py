"""Metrics: the cost C of a network on a set of examples, the fraction that it classifies rightly, and their history.

    cost      C = 1/N Σ c(z, y) + λ/2n Σ w²
    accuracy  1/N Σ [argmax a = argmax y];  for a single output, 1/N Σ [(a > ½) = (y > ½)]
    where there is an answer at every step, each sequence counts with the mean over its own real steps, in both
    with weights, C = Σ w c / Σ w + λ/2n Σ w², and the accuracy is Σ w [right] / Σ w

| symbol | name in code | shape |
|---|---|---|
| C | `Metrics.cost` | () |
| accuracy | `Metrics.accuracy`, None where the targets are no classes | () |

The network is that of prediction (no dropout). Examples pass in chunks, so that memory does not grow with N.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import averages, batches, calls, sequences, shares, validate
from fnnets.core.calls import unchecked
from fnnets.core.types import Batch, Network
from fnnets.training.distributed import sharding
from fnnets.training.inputs import are_classes

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

CHUNK = 1000
SEQUENCE_STEPS = 20_000


class Metrics(NamedTuple):
    """C in the objective's units, and the accuracy in [0, 1] or None."""

    cost: Float[Array, ""]
    accuracy: Float[Array, ""] | None


class History(NamedTuple):
    """Metrics at the end of each epoch; a field is None where that data set was not monitored.

    Costs are C with the penalty of the training set's n, in the objective's units; accuracies lie in [0, 1]
    and are None where the targets name no classes. `fit` has arrays of shape (E,), `fit_many` (E, members).

    Attributes:
        cost, accuracy: on the training data, by the deterministic network at the epoch's end.
        validation_cost, validation_accuracy: the same on the validation data.
    """

    cost: PyTree = None
    accuracy: PyTree = None
    validation_cost: PyTree = None
    validation_accuracy: PyTree = None


@calls.strict("evaluate")
def evaluate(net: Network, params, batch: Batch, classes: bool | None = None) -> Metrics:
    """Cost and accuracy of the deterministic network on all examples of `batch`.

    Args:
        net: the network.
        params: its parameters.
        batch: N examples.
        classes: whether the targets are classes; None looks at their values (see `are_classes`).

    Where the cost is NaN, as with NaN among the parameters, the accuracy is NaN as well.

    Raises:
        TypeError, ValueError: no network, parameters of another one, no batch, or one that the network does not take;
            values are looked at once, before anything is traced.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    >>> metrics = fn.evaluate(net, params, fn.Batch(jnp.ones((4, 2)), jnp.array([0, 0, 0, 1])))
    >>> round(float(metrics.cost), 4), float(metrics.accuracy)          # log 2 nats, and class 0 for all
    (0.6931, 0.75)
    """
    validate.is_instance(net, Network, "evaluate: net", "write evaluate(net, params, batch)")
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), "evaluate: params")
    batch = batches.checked(net, batch, "evaluate: batch")
    validate.flag(classes, "evaluate: classes", "None looks at the targets", or_none=True)
    classes = are_classes(batch.targets, batch.mask) if classes is None else classes
    return of_checked(net, params, batch, classes)


def of_checked(net: Network, params, batch: Batch, classes: bool) -> Metrics:
    """`evaluate` of a batch that the network is known to take, as a program of its own or a part of a traced one."""
    chunk, n = _chunk(net.layer.time, batch), batch.dataset_size
    if not all(map(validate.is_concrete, jax.tree.leaves((params, batch, net.l2)))):
        return _evaluated(net, classes, chunk, params, batch)  # a part of the program that is being traced
    if isinstance(n, int):
        return _compiled(net, classes, chunk, n)(params, batch._replace(dataset_size=None))
    return _compiled(net, classes, chunk, None)(params, batch)


@functools.lru_cache(maxsize=64)
def _compiled(net: Network, classes: bool, chunk: int, n: int | None):
    """`_evaluated` as one program of parameters and batch, whose dataset_size is `n` unless that is None."""

    def evaluated(params, batch):
        return _evaluated(net, classes, chunk, params, batch if n is None else batch._replace(dataset_size=n))

    return jax.jit(evaluated)


def _evaluated(net: Network, classes: bool, chunk: int, params, batch: Batch) -> Metrics:
    examples = sequences.count(net.layer.time, batch)
    chunks, rest = divmod(examples, chunk)
    parts = []
    if chunks:
        starts = chunk * jnp.arange(chunks)
        whole = jax.lax.map(lambda start: sums(net, params, _part(net, batch, start, chunk), classes), starts)
        parts.append(whole.sum(axis=0))
    if rest or not chunks:
        parts.append(sums(net, params, _part(net, batch, examples - rest, rest), classes))
    return of_sums(shares.total(sum(parts)), classes)


def of_sums(total: Float[Array, " 3"], classes: bool) -> Metrics:
    """The metrics by the sums over all examples."""
    cost, accuracy = total[:2] / shares.positive(total[2])
    return Metrics(cost, jnp.where(jnp.isnan(cost), cost, accuracy) if classes else None)


def _chunk(time: str, batch: Batch) -> int:
    """Examples that pass at once; of sequences as many as have about as many steps."""
    return max(1, SEQUENCE_STEPS // batch.inputs.shape[0]) if time != "pointwise" else CHUNK


def sums(net: Network, params, part: Batch, classes: bool):
    """W C, W times the fraction that is right, and W: the number of examples, or the sum of their weights.

    Of a share the three add up over all shares.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    >>> batch = fn.Batch(jnp.ones((4, 2)), jnp.array([0, 0, 0, 1]))
    >>> [round(float(value), 4) for value in sums(net, params, batch, True)]                   # 4 log 2 nats, 3 right
    [2.7726, 3.0, 4.0]
    """
    cost = unchecked(net.cost)(params, part)
    dtype = cost.dtype if jnp.finfo(cost.dtype).bits >= 32 else jnp.float32  # sums of many need more than 16 bits
    own = jnp.asarray(averages.weight(net.layer.time, part), dtype)
    whole = own if part.total_weight is None else jnp.asarray(part.total_weight, dtype)
    right = jnp.asarray(0, dtype)
    if classes:
        found = _right(unchecked(net.predict)(params, part.inputs, part.mask), part.targets).astype(dtype)
        mask = part.mask if net.layer.time == "sequence to sequence" else None
        right = whole * averages.mean(found, mask, part.weights, part.total_weight)
    return jnp.stack([whole * cost.astype(dtype), right, own])


def _part(net, batch, start, size):
    if shares.count() == 1:
        part = sequences.span(net.layer.time, batch, start, size)
    else:
        part = sharding.share(net.layer.time, batch, start + jnp.arange(size))
    return part._replace(dataset_size=_size(net, batch))


def _right(a, targets):
    if targets.ndim < a.ndim:
        return jnp.argmax(a, axis=-1).astype(jnp.int32) == targets.astype(jnp.int32)
    targets = targets.astype(a.dtype)
    if a.shape[-1] == 1:
        return ((a > 0.5) == (targets > 0.5))[..., 0]
    return jnp.argmax(a, axis=-1) == jnp.argmax(targets, axis=-1)


def _size(net, batch):
    return sequences.count(net.layer.time, batch) if batch.dataset_size is None else batch.dataset_size


def history(reports: Sequence[PyTree]) -> History:
    """Stack the epochs' reports; no epochs give a history of None."""
    if not reports:
        return History()
    stacked = jax.tree.map(lambda *values: np.stack(values), *[report.metrics for report in reports])
    fields = {}
    for name, prefix in (("training", ""), ("validation", "validation_")):
        if name in stacked:
            fields[f"{prefix}cost"], fields[f"{prefix}accuracy"] = stacked[name]
    return History(**fields)

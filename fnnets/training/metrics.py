"""How good a network is on a set of examples: its cost C and the fraction of examples it classifies rightly.

    cost      C = 1/N Σ c(z, y) + λ/2n Σ w²
    accuracy  1/N Σ [argmax a = argmax y];  for a single output, 1/N Σ [(a > ½) = (y > ½)]

| symbol | name in code | shape |
|---|---|---|
| C | `Metrics.cost` | () |
| accuracy | `Metrics.accuracy`, None where the targets are no classes | () |

The network is that of prediction (no dropout). Examples pass in chunks, so that memory does not grow with N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import Batch, Network

if TYPE_CHECKING:
    from jaxtyping import Array, Float

CHUNK = 1000


class Metrics(NamedTuple):
    """C in the objective's units, and the accuracy in [0, 1] or None."""

    cost: Float[Array, ""]
    accuracy: Float[Array, ""] | None


def evaluate(net: Network, params, batch: Batch, classes: bool | None = None) -> Metrics:
    """Cost and accuracy of the deterministic network on all examples of `batch`.

    Args:
        net: the network.
        params: its parameters.
        batch: N examples.
        classes: whether the targets are classes; None looks at their values (see `are_classes`).

    Raises:
        ValueError: no examples, or examples that the network does not take.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    >>> metrics = fn.training.evaluate(net, params, fn.Batch(jnp.ones((4, 2)), jnp.array([0, 0, 0, 1])))
    >>> round(float(metrics.cost), 4), float(metrics.accuracy)          # log 2 nats, and class 0 for all
    (0.6931, 0.75)
    """
    classes = are_classes(batch.targets) if classes is None else classes
    examples = len(batch.inputs)
    chunks, rest = divmod(examples, CHUNK)
    sums = []
    if chunks:
        whole = jax.tree.map(
            lambda a: a[: chunks * CHUNK].reshape(chunks, CHUNK, *a.shape[1:]), (batch.inputs, batch.targets)
        )
        sums.append(jax.lax.map(lambda part: _sums(net, params, batch, part[0], part[1], classes), whole).sum(axis=0))
    if rest or not chunks:
        sums.append(_sums(net, params, batch, batch.inputs[-rest:], batch.targets[-rest:], classes))
    cost, accuracy = sum(sums) / examples
    return Metrics(cost, accuracy if classes else None)


def are_classes(targets) -> bool:
    """Whether targets name classes: integers, one-hot rows, or a single column of zeros and ones.

    >>> import numpy as np
    >>> are_classes(np.array([3, 1])), are_classes(np.eye(3)), are_classes(np.array([[0.5, 0.5]]))
    (True, True, False)
    """
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return True
    values = np.asarray(targets)
    is_binary = bool(np.all((values == 0) | (values == 1)))
    return is_binary and values.ndim == 2 and (values.shape[1] == 1 or bool(np.all(values.sum(axis=1) == 1)))


def _sums(net, params, batch, inputs, targets, classes):
    """The chunk's size times its cost, and the number of its examples that are right."""
    size = len(inputs)
    cost = net.cost(params, batch._replace(inputs=inputs, targets=targets, dataset_size=_size(batch)))
    right = jnp.sum(_right(net.predict(params, inputs), targets)) if classes else 0
    dtype = cost.dtype if jnp.finfo(cost.dtype).bits >= 32 else jnp.float32  # sums of many need more than 16 bits
    return jnp.stack([size * cost.astype(dtype), jnp.asarray(right, dtype)])


def _right(a, targets):
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return jnp.argmax(a, axis=-1) == targets
    if a.shape[-1] == 1:
        return ((a > 0.5) == (targets > 0.5))[..., 0]
    return jnp.argmax(a, axis=-1) == jnp.argmax(targets, axis=-1)


def _size(batch):
    return len(batch.inputs) if batch.dataset_size is None else batch.dataset_size

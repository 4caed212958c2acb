"""The preparation of a batch: validation, targets that are not given, one precision, phases.

    targets "given"      y as it comes
    targets "inputs"     y = x where none are given: an autoencoder
    targets "samples"    y are samples v' of the model (M, p), held fixed; both phases are stacked, and the mean over
                         the N + M examples of ±(N + M)/N z or ±(N + M)/M z is mean z(v) − mean z(v'); with weights
                         each example has (N + M) w/W in place of (N + M)/N

Empty batches: layers, objectives and `predict` give empty or zero results; `cost` and `gradient` refuse them, as the
mean of nothing is undefined.

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (N, …) |
| y, v' | `batch.targets` | as the network takes them; (M, p) samples |
| signs | the stacked batch's `targets` | (N + M, 1): (N + M)/N for data, −(N + M)/M for samples |

Without samples the second phase is missing: mean z(v) alone, by which data are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from fnnets.core import arrays, averages, sequences, shares
from fnnets.core.types import Batch, Network, Time

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

GIVEN, INPUTS, SAMPLES = "given", "inputs", "samples"


def checked(net: Network, batch: Batch, name: str = "batch") -> Batch:
    """The batch with inputs, targets and mask as arrays, after every check that the network's boundary makes.

    Raises:
        TypeError, ValueError: a batch that this network does not take.
    """
    shapes = net.input_shape, net.output_shape, net.objective, name
    if net.layer.is_sequential:
        return sequences.batch(batch, *shapes, net.layer.time)
    arrays.is_batch(batch, name)
    if net.targets == SAMPLES:
        return _with_samples(net, batch, name)
    return arrays.batch(batch, *shapes, is_own_target=net.targets == INPUTS and batch.targets is None)


def holds(net: Network, batch: Batch, is_real: Array | None = None) -> Array:
    """Whether the values of a batch lie in the network's domain, as `checked` has it: a traced bool, for programs.

    With `is_real`, (N,), those of its examples alone.
    """
    if net.targets == SAMPLES or batch.targets is None:
        return arrays.lies_in(net.domain, batch.inputs).all()  # what fills up a share lies in every domain
    mask = batch.mask if net.layer.time == "sequence to sequence" else None
    counts = mask if is_real is None else is_real if mask is None else mask & is_real
    return arrays.hold(net.objective, batch.targets, net.output_shape[-1], counts)


class Prepared(NamedTuple):
    """A batch that is computed with.

    Attributes:
        batch: arrays in the parameters' precision, phases stacked, n filled in; weights are those of the mean of c.
        n: N, the number of data, which are the first examples.
        portion: W_s/W of a share, its part of the penalty; 1 of a whole batch.
        data: weights and W of the data alone.
    """

    batch: Batch
    n: int
    portion: PyTree
    data: tuple[PyTree, PyTree]


def preparing(time: Time, targets: str, labels: bool) -> Callable[[Batch, PyTree], Prepared]:
    """A function that makes of a checked batch what is computed with.

    Arrays have the parameters' precision, but for integer labels, where `labels` says that the objective takes them.
    """

    def prepared(batch: Batch, params: PyTree) -> Prepared:
        n = sequences.count(time, batch)
        answers = batch.inputs if targets == INPUTS and batch.targets is None else batch.targets
        mask = batch.mask if time == "sequence to sequence" else None
        batch = batch._replace(
            inputs=cast(batch.inputs, params),
            targets=None if answers is None else _cast_targets(answers, params, labels, mask),
            dataset_size=n if batch.dataset_size is None else batch.dataset_size,
        )
        data = None if batch.weights is None else batch.weights[..., :n], batch.total_weight
        found = stacked(batch) if targets == SAMPLES else batch
        return Prepared(found, n, _portion(time, batch, params), data)

    return prepared


def _portion(time: Time, batch: Batch, params: PyTree) -> PyTree:
    """W_s/W of a share, in the parameters' dtype; 1 of a whole batch."""
    if batch.total_weight is None:
        return 1
    return cast(averages.weight(time, batch) / batch.total_weight, params)


def cast(inputs: ArrayLike, params: PyTree) -> Array:
    """`inputs` in the parameters' dtype, which decides the precision of everything."""
    leaves = jax.tree.leaves(params)
    return jnp.asarray(inputs, leaves[0].dtype) if leaves else jnp.asarray(inputs)


def stacked(batch: Batch) -> Batch:
    """Data and samples one after the other, with the signs of their phases for targets, which hold the weights.

    Samples count alike, as the model's, unless the weights have theirs too, (N + M,). Of a share the data are part of
    W; so are its samples where they have weights, and else each share holds equally many of them.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> both = stacked(fn.Batch(jnp.ones((2, 2)), jnp.zeros((2, 2))))
    >>> both.inputs.shape, both.targets.ravel().tolist()
    ((4, 2), [2.0, 2.0, -2.0, -2.0])
    >>> stacked(fn.Batch(jnp.ones((2, 2)), jnp.zeros((2, 2)), weights=jnp.array([3.0, 1.0]))).targets.ravel().tolist()
    [3.0, 1.0, -2.0, -2.0]
    """
    n, weights, whole = len(batch.inputs), batch.weights, batch.total_weight
    has_samples = batch.targets is not None and len(batch.targets) > 0
    phases = [(1, batch.inputs, None if weights is None else weights[:n], whole)]
    if has_samples:
        own = None if weights is None or len(weights) == n else weights[n:]
        of_samples = len(batch.targets) * shares.count() if own is None and whole is not None else whole
        phases.append((-1, batch.targets, own, of_samples))
    rows = sum(len(v) for _, v, _, _ in phases)
    signs = [sign * _signs(len(v), rows, own, whole, batch.inputs.dtype) for sign, v, own, whole in phases]
    joined = [jnp.concatenate(parts) for parts in ([v for _, v, _, _ in phases], signs)]
    return batch._replace(inputs=joined[0], targets=joined[1], weights=None, total_weight=None)


def _signs(count: int, rows: int, weights, whole, dtype):
    """How much each of `count` examples counts in a mean over `rows`: rows · w/W, (count, 1)."""
    if weights is None:
        return jnp.full((count, 1), rows / (count if whole is None else whole), dtype)
    whole = jnp.sum(weights) if whole is None else jnp.asarray(whole, weights.dtype)
    return (rows * weights / shares.positive(whole))[:, None].astype(dtype)


def _with_samples(net, batch, name):
    arrays.no_mask(batch.mask, name)
    v = arrays.inputs(batch.inputs, net.input_shape, f"{name}.inputs")
    if len(v) == 0:
        raise ValueError(
            f"{name}.inputs holds no examples, expected at least one: the mean cost of none is undefined; give some"
        )
    samples = batch.targets
    if samples is not None:
        samples = arrays.inputs(samples, net.input_shape, f"{name}.targets")
        if len(samples) == 0:
            raise ValueError(f"{name}.targets holds no samples, expected at least one; None leaves them out")
    for part, values in (("inputs", v), ("targets", samples)):
        if values is not None and net.domain is not None:
            arrays.in_domain(values, net.domain, f"{name}.{part}")
    arrays.dataset_size(batch.dataset_size, name)
    both = len(v) + (0 if samples is None else len(samples))
    return batch._replace(inputs=v, targets=samples, weights=arrays.weights(batch, [(len(v),), (both,)], name))


def _cast_targets(targets, params, labels: bool, mask):
    if not (labels and jnp.issubdtype(targets.dtype, jnp.integer)):
        return cast(targets, params)
    targets = jnp.asarray(targets, jnp.int32)  # a label is below the number of outputs, which uint8 need not hold
    return targets if mask is None else jnp.where(mask, targets, 0)  # at padded steps any label stands for none

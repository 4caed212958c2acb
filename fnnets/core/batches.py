"""The preparation of a batch: validation, targets that are not given, one precision, phases.

    targets "given"      y as it comes
    targets "inputs"     y = x where none are given: an autoencoder
    targets "samples"    y are samples v' of the model (M, p), held fixed; both phases are stacked, and the mean over
                         the N + M examples of ±(N + M)/N z or ±(N + M)/M z is mean z(v) − mean z(v')

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
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from fnnets.core import arrays, devices, sequences
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


def holds(net: Network, batch: Batch) -> Array:
    """Whether the values of a batch lie in the network's domain, as `checked` has it: a traced bool, for programs."""
    if net.targets == SAMPLES or batch.targets is None:
        return arrays.lies_in(net.domain, batch.inputs).all()
    mask = batch.mask if net.layer.time == "sequence to sequence" else None
    return arrays.hold(net.objective, batch.targets, net.output_shape[-1], mask)


def preparing(
    time: Time, targets: str, has_activity: bool, labels: bool
) -> Callable[[Batch, PyTree], tuple[Batch, int]]:
    """A function that makes of a checked batch what is computed with, and N, the number of data.

    Arrays have the parameters' precision, but for integer labels, where `labels` says that the objective takes them.
    Phases are stacked, n is filled in. An activity reads the data's rows, the first N, so that its phases are not dealt
    to several devices.
    """

    def prepared(batch: Batch, params: PyTree) -> tuple[Batch, int]:
        n = sequences.count(time, batch)
        answers = batch.inputs if targets == INPUTS and batch.targets is None else batch.targets
        mask = batch.mask if time == "sequence to sequence" else None
        batch = batch._replace(
            inputs=cast(batch.inputs, params),
            targets=None if answers is None else _cast_targets(answers, params, labels, mask),
            dataset_size=n if batch.dataset_size is None else batch.dataset_size,
        )
        if targets == SAMPLES:
            batch = stacked(batch, 1 if has_activity else devices.parts())
        return batch, n

    return prepared


def cast(inputs: ArrayLike, params: PyTree) -> Array:
    """`inputs` in the parameters' dtype, which decides the precision of everything."""
    leaves = jax.tree.leaves(params)
    return jnp.asarray(inputs, leaves[0].dtype) if leaves else jnp.asarray(inputs)


def stacked(batch: Batch, parts: int = 1) -> Batch:
    """Data and samples one after the other, with the signs of their phases for targets.

    With several parts each has its share of the data and then its share of the samples, so that devices which hold
    both exchange nothing; rows of zeros with the sign 0, which count for nothing, fill up the last parts.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> both = stacked(fn.Batch(jnp.ones((2, 2)), jnp.zeros((2, 2))))
    >>> both.inputs.shape, both.targets.ravel().tolist()
    ((4, 2), [2.0, 2.0, -2.0, -2.0])
    >>> stacked(fn.Batch(jnp.ones((3, 2)), jnp.zeros((2, 2))), parts=2).targets.ravel().tolist()
    [2.0, 2.0, -3.0, 2.0, 0.0, -3.0]
    """
    has_samples = batch.targets is not None and len(batch.targets) > 0
    phases = [(1, batch.inputs), *([(-1, batch.targets)] if has_samples else [])]
    rows = sum(-(-len(v) // parts) * parts for _, v in phases)
    signs = [jnp.full((len(v), 1), sign * rows / len(v), batch.inputs.dtype) for sign, v in phases]
    return batch._replace(inputs=_dealt([v for _, v in phases], parts), targets=_dealt(signs, parts))


def _dealt(arrays, parts: int):
    """The rows of all arrays, a part's share of each side by side; filled up with zeros where `parts` do not divide."""
    if parts == 1:
        return jnp.concatenate(arrays)
    full = [jnp.pad(array, ((0, -len(array) % parts), (0, 0))) for array in arrays]
    shares = [array.reshape(parts, -1, array.shape[1]) for array in full]
    return jnp.concatenate(shares, axis=1).reshape(-1, arrays[0].shape[1])


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
    return batch._replace(inputs=v, targets=samples)


def _cast_targets(targets, params, labels: bool, mask):
    if not (labels and jnp.issubdtype(targets.dtype, jnp.integer)):
        return cast(targets, params)
    targets = jnp.asarray(targets, jnp.int32)  # a label is below the number of outputs, which uint8 need not hold
    return targets if mask is None else jnp.where(mask, targets, 0)  # at padded steps any label stands for none

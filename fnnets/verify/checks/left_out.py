"""What a check of a network leaves out, for want of numbers that show it: one sentence each.

| left out | where |
|---|---|
| the training pass | no key is given, and what the layers give depends on one |
| λ/n against λ/m | the penalty's n is N, the batch's own size |
| the penalty | λ = 0 |
| padding | the layers read sequences, and no mask is given |
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import batches, construction, sequences, taps
from fnnets.core.types import Batch, Context, Layer, Network
from fnnets.verify.tracing import dependence, interpreter

if TYPE_CHECKING:
    from jax.tree_util import PyTreeDef
    from jaxtyping import Array, PyTree

TRAINING = (
    "the training pass (with a key) was not checked, which differs from that of prediction here: "
    "give key=jax.random.key(0)"
)
PENALTY = "λ is 0, so the gradient of the penalty was not checked"
MASK = "no mask was given, so padding was not checked: give a batch of sequences of different lengths"


def remarks(net: Network, params: PyTree, batch: Batch, key: Array | None) -> tuple[str, ...]:
    """The sentences that hold for these arguments of `verify.network`."""
    found = [TRAINING] if key is None and draws(net, params, batch) else []
    if isinstance(net.l2, int | float) and net.l2 == 0:
        found.append(PENALTY)
    else:
        n = sequences.count(net.layer.time, batch)
        if batch.dataset_size in (None, n):
            found.append(
                f"n of the penalty is the size of the batch, {n}, so λ/n was not told from λ/m: give the batch another "
                f"dataset_size, such as {3 * n + 2}"
            )
    return (*found, MASK) if net.layer.is_sequential and batch.mask is None else tuple(found)


def draws(net: Network, params: PyTree, batch: Batch) -> bool:
    """Whether what the layers give depends on a key."""
    numbers = params, batch.inputs, batch.mask, batch.weights, batch.total_weight
    leaves, structure = jax.tree.flatten(numbers)
    shapes = tuple((np.shape(leaf), np.dtype(jnp.result_type(leaf))) for leaf in leaves)
    try:
        return _remembered(net.layer, structure, shapes)
    except TypeError:  # a layer that cannot be hashed
        return _depends(net.layer, structure, shapes)


def _depends(layer: Layer, structure: PyTreeDef, shapes: tuple[tuple[tuple[int, ...], np.dtype], ...]) -> bool:
    """Whether what a layer gives depends on a key, at numbers of these shapes."""
    given = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*each) for each in shapes])

    def outputs(key, given):
        params, x, mask, weights, total = given
        y, _ = layer.forward(params, batches.cast(x, params), Context(key, mask, None, weights, total))
        return [taps.tap("output", leaf.astype(float)) for leaf in jax.tree.leaves(y)]

    try:
        traced = interpreter.trace(outputs, jax.eval_shape(jax.random.key, 0), given)
    except Exception:  # a layer of one's own may take no key at all
        return False
    [(_, name)] = dependence.first_taps(traced, 1)
    return bool(name)


_remembered = functools.lru_cache(maxsize=64)(_depends)
construction.forgets(_remembered.cache_clear)

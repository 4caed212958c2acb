"""What a row of the contract's table holds, and the batches of its networks."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import fnnets as fn

BAD_BATCHES = {
    "axes": lambda batch: batch._replace(inputs=batch.inputs[:, None, None]),
    "batch axis first": lambda batch: batch._replace(inputs=batch.inputs[0]),
    "examples of shape": lambda batch: batch._replace(inputs=batch.inputs[:, 1:]),
    "one for each": lambda batch: batch._replace(targets=batch.targets[1:]),
    "no examples": lambda batch: batch._replace(inputs=batch.inputs[:0], targets=batch.targets[:0]),
    "NaN": lambda batch: batch._replace(inputs=batch.inputs * np.nan),
    "no sequences": lambda batch: batch._replace(mask=jnp.ones(len(batch.inputs))),
}


class LayerRow(NamedTuple):
    """A layer, the shape of one example (or step), whether its context has a key, and what its `init` must refuse."""

    layer: fn.Layer
    shape: tuple[int, ...]
    with_key: bool = False
    per_example: bool = True  # whether each example's output depends on that example alone
    bad_shape: tuple[int, ...] | None = None
    message: str = ""
    steps: int | None = None  # T of a layer of sequences
    padded: bool = False  # whether its context has a mask
    vanishing: bool = False  # whether all its gradients are zero, so that no factor is a fault


class NetworkRow(NamedTuple):
    """A network, a function `(seed, N) -> batch` of float32 or, under x64, float64 examples, and what it refuses."""

    net: fn.Network
    batch: Any
    with_key: bool = False
    bad_batches: dict[str, Any] = BAD_BATCHES
    gated: bool = (
        False  # whether o(1 − o) of saturated gates is rounding, so that small leaves have no digits of their own
    )
    additive: bool = True  # whether the cost is the mean of its examples' costs, and not one of the whole batch


def examples(input_shape, outputs, labels=False):
    """A function `(seed, N) -> batch` out of 50 examples, with soft targets, or labels."""

    def batch(seed, size):
        random = np.random.default_rng(seed)
        dtype = jnp.result_type(float)
        inputs = np.asarray(0.1 + random.normal(size=(size, *input_shape)), dtype)
        targets = random.integers(0, outputs, size) if labels else soft(random, size, outputs)
        return fn.Batch(inputs, np.asarray(targets, np.int32 if labels else dtype), None, 50)

    return batch


def soft(random, size, outputs):
    """Rows of targets in [0, 1] that sum to 1.008, which a softmax takes and is not 1; of one output any number."""
    rows = random.random((size, outputs))
    return rows if outputs == 1 else 1.008 * rows / rows.sum(axis=-1, keepdims=True)


def padding(steps, size):
    """A (T, N) mask: sequence n is padded at n of its steps, from the end, every second one from within too."""
    mask = np.ones((steps, size), bool)
    for n in range(1, size):
        mask[steps - 1 - n % (steps - 2) :, n] = False
        mask[1, n] = n % 2 == 0
    return mask

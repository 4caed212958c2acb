"""Data, optimisers, training and accuracies that several experiments share.

    η_t = ½ η (1 + cos(π t / T)),  t = 0 … T steps, for Adam

Adam: [Kingma2015]; the cosine: [Loshchilov2017].
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import optax

import fnnets as fn

Choice = Literal["auto", "mnist", "digits"]


def mnist(choice: Choice, data_dir: Path | None, name: str, **how: Any) -> fn.data.Mnist | None:
    """MNIST; None where digits take its place, as chosen, or as "auto" has it where there is no MNIST.

    Raises:
        DataError: `choice` is "mnist", and it is not found; a file of it is damaged.
    """
    if choice == "digits":
        return None
    try:
        return fn.data.mnist(data_dir, **how)
    except fn.data.DataNotFoundError as error:
        if choice == "mnist":
            raise
        print(f"{name}: digits in place of MNIST: {error}")
        return None


def first(batch: fn.Batch, count: int | None) -> fn.Batch:
    """The first `count` examples, all of them for None.

    >>> first(fn.Batch(np.ones((5, 4)), np.zeros(5)), 3).inputs.shape
    (3, 4)
    """
    return batch._replace(inputs=batch.inputs[:count], targets=batch.targets[:count])


@functools.cache
def adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam, whose step size falls to zero along a cosine; one object for equal arguments, so that `fit` compiles once.

    >>> adam(0.1, 10) is adam(0.1, 10)
    True
    """
    return optax.adam(optax.cosine_decay_schedule(learning_rate, steps))


def steps(examples: int, epochs: int, batch_size: int) -> int:
    """The number of minibatches in `epochs` passes, short last ones counted.

    >>> steps(25, 3, 10)
    9
    """
    return epochs * -(-examples // batch_size)


def train(net: fn.Network, optimizer: Any, examples: fn.Batch, seed: int | None = None, **how: Any) -> Any:
    """`fit` on every core that pays, with Ctrl-C as an exception: half a result is none. The seed is that of `key`.

    Raises:
        KeyboardInterrupt: training was interrupted.
    """
    if seed is not None:
        how["key"] = jax.random.key(seed)
    result = fn.fit(net, optimizer, examples, evaluate_training=False, devices="all", **how)
    if result.stopped.startswith("interrupted"):
        raise KeyboardInterrupt
    return result


def accuracies(net: fn.Network, params: Any, batch: fn.Batch) -> np.ndarray:
    """Per cent of the examples whose most probable class is theirs, (K,), of members with parameters (K, …)."""
    return 100 * np.asarray(_accuracies(net)(params, batch))


@functools.cache
def _accuracies(net: fn.Network):
    return jax.jit(jax.vmap(lambda member, batch: fn.evaluate(net, member, batch, True).accuracy, (0, None)))

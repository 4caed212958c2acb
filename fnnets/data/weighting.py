"""Weights of examples by their classes, so that rare classes count as much as frequent ones.

    w_n = N / (K N_k)          k the class of example n, N_k the number of its examples, K the number of classes

| symbol | name in code | shape |
|---|---|---|
| w | result | (N,) |
| N_k | `counts` | (K,) |

The weights sum to N, and those of each class to N/K; classes without examples do not count among the K. A network's
cost is then Σ w c / Σ w, `fnnets.Batch.weights`.

Source: [King2001], section 4, for weights by class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fnnets.core import calls, validate

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


@calls.strict("class_weights")
def class_weights(targets: ArrayLike, of_classes: ArrayLike | None = None) -> Float[Array, "*n"]:
    """A weight for each example by its class: `fn.Batch(inputs, targets, weights=fn.data.class_weights(targets))`.

    Args:
        targets: (N,) integer labels, or (N, K) one-hot rows; with an answer at every step (T, N) or (T, N, K).
        of_classes: (K,) numbers >= 0, the weight of each class; None for N / (K N_k), with which all classes count
            alike.

    Returns:
        (N,), or (T, N), in JAX's default float dtype.

    Raises:
        TypeError, ValueError: targets that name no classes, or classes without a weight; weights that are no (K,)
            numbers >= 0.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.data.class_weights(jnp.array([0, 0, 0, 1])).tolist()
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    >>> fn.data.class_weights(jnp.array([0, 0, 1]), [1.0, 5.0]).tolist()
    [1.0, 1.0, 5.0]
    """
    labels = _labels(targets)
    if of_classes is None:
        counts = np.bincount(labels.ravel())
        return jnp.asarray(labels.size / (np.count_nonzero(counts) * counts[labels]), jnp.result_type(float))
    name, remedy = "class_weights: of_classes", "give each class one number >= 0"
    weights = np.asarray(validate.array(of_classes, name))
    if weights.ndim != 1:
        raise ValueError(f"{name} has shape {weights.shape}, expected (K,); {remedy}")
    if len(weights) <= labels.max():
        raise ValueError(
            f"class_weights: targets holds the label {labels.max()}, expected less than {len(weights)}, the number of "
            f"weights in of_classes; {remedy}"
        )
    validate.finite(weights, name, remedy)
    if weights.min() < 0:
        raise ValueError(f"{name} holds {weights.min():g}, expected numbers >= 0; 0 leaves a class out")
    return jnp.asarray(weights[labels], jnp.result_type(float))


def _labels(targets: ArrayLike) -> np.ndarray:
    """Labels from 0 on, of labels or one-hot rows."""
    given: PyTree = validate.array(targets, "class_weights: targets")
    values = np.asarray(given)
    expected = "expected integer labels or one-hot rows; write labels.astype(int)"
    if values.size == 0:
        raise ValueError(f"class_weights: targets has shape {values.shape}, expected at least one label; give some")
    if np.issubdtype(values.dtype, np.integer):
        if values.min() < 0:
            raise ValueError(
                f"class_weights: targets holds the label {values.min()}, expected 0 or more; renumber them"
            )
        return values
    is_one_hot = values.ndim > 1 and np.isin(values, (0, 1)).all() and (values.sum(axis=-1) == 1).all()
    if not is_one_hot:
        raise ValueError(f"class_weights: targets of dtype {values.dtype} name no classes, {expected}")
    return values.argmax(axis=-1)

"""The L2 penalty: on weights, never on biases.

    forward:   C ← C + λ/2n Σ w²
    backward:  ∂C/∂w ← ∂C/∂w + λ/n w
    descent:   w ← w − η (∂C/∂w + λ/n w) = (1 − ηλ/n) w − η ∂C/∂w        weight decay, of any size of minibatch

| symbol | name in code | shape |
|---|---|---|
| λ/n | `decay` | () |
| w | the leaves of `params` that are weights | as the layers have them |

A leaf is a weight if its field's name ends in "weights". n is the size of the data set. Source: [Rauber], section 4.

A minibatch carries n as `Batch.dataset_size`; None means that the batch is the data set. `fit` fills it in, for
validation data too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import calls

if TYPE_CHECKING:
    from jaxtyping import PyTree


def is_weight(path) -> bool:
    """Whether the leaf at a key path is a weight, and not a bias.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error)
    >>> leaves = jax.tree_util.tree_leaves_with_path(net.init(jax.random.key(0)))
    >>> [(jax.tree_util.keystr(path), is_weight(path)) for path, _ in leaves]
    [('[0].weights', True), ('[0].biases', False)]
    """
    return bool(path) and str(getattr(path[-1], "name", "")).endswith("weights")


@calls.strict("weight_mask")
def weight_mask(params: PyTree) -> PyTree:
    """True for the leaves that are weights and False for the others: which ones the penalty reads, as optax masks are.

    With it weight decay does without `l2`: `optax.chain(optax.add_decayed_weights(λ / n, weight_mask), optax.sgd(η))`
    makes the steps that `optax.sgd(η)` makes with `l2=λ`, and so with any other transformation in its place.

    Args:
        params: the parameters of a layer or a network, or their shapes.

    Raises:
        TypeError: `params` is no tree of arrays.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error)
    >>> weight_mask(net.init(jax.random.key(0)))
    (DenseParams(weights=True, biases=False),)
    """
    _check_arrays(params)
    return jax.tree_util.tree_map_with_path(lambda path, leaf: is_weight(path), params)


def _check_arrays(params: PyTree) -> None:
    """Raise unless parameters are arrays or their shapes, or the empty tuple of a layer that has none."""
    leaves = jax.tree.leaves(params)
    if params is None or not all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves):
        raise TypeError(
            f"weight_mask: params is of type {type(params).__name__}, expected a tree of arrays; give what init of a "
            "network or a layer returns"
        )


def value(decay, params):
    """λ/2n Σ w², a scalar.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> params = fn.layers.dense(1).init(jax.random.key(0), (2,))[0]._replace(weights=jnp.array([[3.0, 4.0]]))
    >>> float(value(0.1, params))
    1.25
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return 0.5 * decay * sum(jnp.sum(w * w) for path, w in leaves if is_weight(path))


def gradient(decay, params, d_params):
    """`d_params` with λ/n w added to the weights' leaves, dtypes kept.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> params = fn.layers.dense(1).init(jax.random.key(0), (2,))[0]._replace(weights=jnp.array([[3.0, 4.0]]))
    >>> gradient(0.5, params, jax.tree.map(jnp.zeros_like, params)).weights.tolist()
    [[1.5, 2.0]]
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, w, d_w: d_w + (decay * w).astype(d_w.dtype) if is_weight(path) else d_w, params, d_params
    )

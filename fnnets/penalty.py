"""The L2 penalty: on weights, never on biases.

    forward:   C ← C + λ/2n Σ w²
    backward:  ∂C/∂w ← ∂C/∂w + λ/n w

| symbol | name in code | shape |
|---|---|---|
| λ/n | `decay` | () |
| w | the leaves of `params` that are weights | as the layers have them |

A leaf is a weight if its field's name ends in "weights". n is the size of the data set. Source: section 3 of the notes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def is_weight(path) -> bool:
    """Whether the leaf at a key path is a weight, and not a bias.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 2], objective=fn.objectives.linear_squared_error)
    >>> leaves = jax.tree_util.tree_leaves_with_path(net.init(jax.random.key(0)))
    >>> [(jax.tree_util.keystr(path), is_weight(path)) for path, _ in leaves]
    [('[0].weights', True), ('[0].biases', False)]
    """
    return bool(path) and str(getattr(path[-1], "name", "")).endswith("weights")


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

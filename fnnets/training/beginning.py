"""The state from which training begins: drawn from a key, of given parameters, or an earlier result's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax

from fnnets.core import validate
from fnnets.core.types import Network
from fnnets.training.epoch import TrainingState, start

if TYPE_CHECKING:
    from jaxtyping import PyTree


def begin(
    net: Network, optimizer: optax.GradientTransformation, key, params: PyTree, state, is_array: bool
) -> TrainingState:
    """A fresh state, or a copy of the given one, whose buffers the epochs may take over."""
    if state is None:
        validate.is_key(key, "fit: key")
        if params is not None:
            _check_params(net, params, "fit: params")
        return start(net, optimizer, key=key, params=params)
    if key is not None or params is not None:
        raise ValueError("fit: state is given together with key or params, expected state alone; it holds both")
    validate.is_instance(state, TrainingState, "fit: state", "take it from an earlier result's .state")
    _check_params(net, state.params, "fit: state.params")
    of_optimizer = jax.eval_shape(optimizer.init, state.params)
    remedy = "go on with the optimizer that the state comes from, or give fit(…, params=state.params, key=key)"
    validate.like(state.optimizer_state, of_optimizer, "fit: state.optimizer_state", remedy)
    if net.sampler is not None:
        of_sampler = jax.eval_shape(net.sampler.start, state.params, jax.random.key(0))
        validate.like(state.memory, of_sampler, "fit: state.memory", "go on with the network that the state comes from")
    if is_array and int(state.position) != 0:
        raise ValueError(
            f"fit: state stands after {int(state.position)} minibatches of an epoch, expected 0 for arrays in memory; "
            "go on with the stream that it comes from"
        )
    return jax.tree.map(jnp.copy, state)


def _check_params(net: Network, params, name: str) -> None:
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), name)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        where = f"{name}{jax.tree_util.keystr(path)}"
        validate.finite(validate.array(leaf, where), where, "draw new ones with net.init, or take earlier ones")

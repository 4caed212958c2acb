"""Optax's extra arguments: the value of the cost, its gradient, and the cost as a function of the parameters.

    value = C(w),  grad = ∂C/∂w,  value_fn(w') = C(w')          of the same minibatch, with the same dropout

Line searches and `optax.lbfgs` read all three, `optax.contrib.reduce_on_plateau` reads the value. JAX derives
`value_fn` by the gradient that training uses, so a line search descends what is derived by hand.

| symbol | name in code |
|---|---|
| w, w' | `params` |
| ∂C/∂w | `gradient(params, batch, key=key)` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax

from fnnets.core import shares, uses
from fnnets.core.calls import unchecked
from fnnets.core.types import Batch, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


def are_read(optimizer: optax.GradientTransformationExtraArgs, state: PyTree, params: PyTree) -> bool:
    """Whether the update of an optimiser depends on `value`, or calls `value_fn`.

    Most do not, and their programs then hold no cost.

    >>> import optax
    >>> w = jnp.zeros(2)
    >>> [are_read(optimizer, optimizer.init(w), w) for optimizer in (optax.adam(0.1), optax.lbfgs())]
    [False, True]
    """
    calls = []

    def value_fn(params):
        calls.append(params)
        return jnp.sum(jnp.stack([jnp.sum(leaf) for leaf in jax.tree.leaves(params)]))

    def update(value, d_params, state, params):
        return optimizer.update(d_params, state, params, value=value, grad=d_params, value_fn=value_fn)

    value = jax.ShapeDtypeStruct((), _dtype(params))
    program = jax.make_jaxpr(update)(value, params, state, params).jaxpr
    return bool(calls) or uses.is_read(program, program.invars[0])


def of(
    net: Network, gradient: Callable[..., PyTree], params: PyTree, batch: Batch, key: Array, d_params: PyTree
) -> dict[str, PyTree]:
    """The extra arguments for a minibatch at `params`, whose gradient is `d_params`."""

    def cost(params, batch, *, key):
        return shares.total(unchecked(net.cost)(params, batch, key=key))

    @jax.custom_vjp
    def value_fn(params):
        return cost(params, batch, key=key)

    def forward(params):
        return value_fn(params), gradient(params, batch, key=key)

    def backward(d_params, d_value):
        return (jax.tree.map(lambda leaf: d_value * leaf, d_params),)

    value_fn.defvjp(forward, backward)
    return {"value": cost(params, batch, key=key), "grad": d_params, "value_fn": value_fn}


def _dtype(params: PyTree) -> jnp.dtype:
    """That of the cost."""
    return jnp.result_type(*jax.tree.leaves(params))

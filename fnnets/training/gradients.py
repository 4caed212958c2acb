"""The gradient that training descends: by hand, by `jax.grad`, or a function of one's own.

    by hand, by jax.grad     of C, or of a share's part C_s of it: both read the weights of a batch and its W
    one's own                of C as well; of a share either that of C_s, or of the mean over the examples that it is
                             given, which counts W_s/W: which of the two shows in what the function reads

| symbol | name in code | shape |
|---|---|---|
| W, W_s | `batch.total_weight`, the sum of `batch.weights` | () |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import averages, uses, validate
from fnnets.core.calls import unchecked
from fnnets.core.types import Batch, Network

if TYPE_CHECKING:
    from jaxtyping import PyTree


def derive(net: Network, gradient: str | Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The function `(params, batch, *, key) -> ∂C/∂params`, or of a share ∂C_s/∂params."""
    if callable(gradient):
        return _of_shares(net, _as_params(gradient, "fit: gradient"))
    if gradient == "explicit":
        return _as_params(unchecked(net.gradient), "fit: net.gradient")
    return jax.grad(unchecked(net.cost))


def check_gradient(gradient: object) -> None:
    """Raise unless `gradient` is one of the two words, or a function of parameters, batch and key."""
    if not callable(gradient):
        remedy = "give a function (params, batch, *, key) -> d_params, or one of the two words"
        validate.choice(gradient, ("explicit", "automatic"), "fit: gradient", remedy)
        return
    check_arguments(gradient, (None, None), {"key": None}, "fit: gradient", "(params, batch, *, key) -> d_params")


def check_arguments(function: Callable[..., object], args: tuple, named: dict, name: str, expected: str) -> None:
    """Raise a TypeError unless the function can be called with such arguments; one without a signature passes."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return
    try:
        signature.bind(*args, **named)
    except TypeError as error:
        raise TypeError(
            f"{name} is a function of other arguments ({error}), expected {expected}; write it so"
        ) from None


def _as_params(gradient: Callable[..., PyTree], name: str) -> Callable[..., PyTree]:
    """A gradient of one's own, refused while it is traced unless it is like the parameters."""

    def checked(params, batch, *, key=None):
        d_params = gradient(params, batch, key=key)
        remedy = "give a derivative for each number of each parameter, summed over the examples"
        validate.like(d_params, params, f"{name}(…)", remedy)
        return d_params

    return checked


def _of_shares(net: Network, gradient: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """A gradient of one's own, of batches with weights and of shares as well."""

    def derived(params, batch: Batch, *, key=None):
        reads = _reader(gradient, params, batch, key)
        if batch.weights is not None and not reads("weights"):
            raise ValueError(
                "fit: gradient reads no batch.weights, and here examples have weights: train has them, or the devices "
                "do not divide a minibatch, whose last share is filled up with examples of weight 0; expected "
                "Σ w c / Σ w; read them, or choose a batch_size, and a number of examples, that the devices divide"
            )
        if batch.total_weight is None or reads("total_weight"):
            return gradient(params, batch, key=key)
        portion = averages.weight(net.layer.time, batch) / batch.total_weight
        d_params = gradient(params, batch._replace(total_weight=None), key=key)
        return jax.tree.map(lambda leaf: leaf * jnp.asarray(portion, leaf.dtype), d_params)

    return derived


def _reader(gradient, params, batch: Batch, key) -> Callable[[str], bool]:
    """Whether a gradient depends on a field of the batch."""

    def reads(field: str) -> bool:
        value = jnp.asarray(getattr(batch, field), jnp.result_type(float))
        program = jax.make_jaxpr(lambda x: gradient(params, batch._replace(**{field: x}), key=key))(value).jaxpr
        return uses.is_read(program, program.invars[0])

    return reads

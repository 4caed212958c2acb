"""A cell as a layer of sequences: `init`, `forward` and `backward`, and `start` and `step` for streams.

    forward:   s[t] = cell(s[t−1], x[t]),  y[t] = the first part of s[t]
    backward:  δ[t] by the reverse scan (8), the weights' gradients from it (9)-(14): `fnnets.kernels.scan`
    stream:    s, y = step(params, s, x),  one x at a time

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m), time-major; (N, m) for `step` |
| s[t] | `state` | a tuple of (N, h) |
| s[0] | `params.initial_state` where it is learnt, zeros where not, `context.state` where it is handed on | (N, h) |
| padding | `context.mask` | (T, N) bool |

Padded steps leave a state as it was, so that padding within a sequence, reversal by length and the last step need no
case of their own.

Source: [Rauber], section 6, for the simple layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from fnnets.core import validate
from fnnets.core.types import Context, Layer, Time
from fnnets.kernels import scan
from fnnets.kernels.scan import Cell, Options, RecurrentTrace

if TYPE_CHECKING:
    from jaxtyping import PyTree


def options(
    name: str, learn_initial_state: bool, truncate: int | None, checkpoint_every: int | None, return_sequences: bool
) -> Options:
    """The checked options of the layer `name`.

    >>> options("lstm", False, 5, None, True)
    Options(learn_initial_state=False, truncate=5, checkpoint_every=None, return_sequences=True)
    """
    for flag, value in {"learn_initial_state": learn_initial_state, "return_sequences": return_sequences}.items():
        validate.is_instance(value, bool, f"{name}: {flag}", "write True or False")
    for option, steps in {"truncate": truncate, "checkpoint_every": checkpoint_every}.items():
        if steps is not None:
            validate.count(steps, f"{name}: {option}", "give a number of steps, or None")
    return Options(learn_initial_state, truncate, checkpoint_every, return_sequences)


def layer(cell: Cell, chosen: Options) -> Layer:
    """The layer that runs `cell` over (T, N, m), with `start` and `step` for streams."""

    def init(key, shape):
        if len(shape) != 1:
            raise ValueError(
                f"{cell.name}: steps have shape {shape}, expected one axis (m,); flatten each step, and give the "
                "shape of a step without the axes of time and batch"
            )
        params = cell.init(key, shape[0])
        if chosen.learn_initial_state:
            zeros = tuple(jnp.zeros(part.shape[1:], part.dtype) for part in cell.start(params, 1))
            params = params._replace(initial_state=zeros)
        return params, (cell.size,)

    def start(params, n):
        if chosen.learn_initial_state:
            return tuple(jnp.broadcast_to(part, (n, *part.shape)) for part in params.initial_state)
        return cell.start(params, n)

    def forward(params, x, context: Context):
        check_steps(cell.name, x, context.mask, jax.tree.leaves(params)[0].shape[1])
        began = start(params, x.shape[1]) if context.state is None else context.state
        check_state(cell.name, began, jax.eval_shape(lambda: start(params, x.shape[1])))
        y, states, saved = scan.forward(cell, chosen, cell.pack(params), began, x, context.mask)
        carried = None if context.state is None else jnp.zeros((x.shape[1], 0), x.dtype)
        return y, RecurrentTrace(x, context.mask, began, states, saved, carried)

    def backward(params, trace: RecurrentTrace, d_y):
        d_packed, d_start, d_x = scan.backward(cell, chosen, cell.pack(params), trace, d_y)
        d_params = cell.unpack(params, d_packed)
        if chosen.learn_initial_state:
            counted = 1 if trace.is_carried is None else 0
            d_params = d_params._replace(initial_state=tuple(counted * jnp.sum(part, axis=0) for part in d_start))
        return d_params, d_x

    def step(params, state, x):
        packed = cell.pack(params)
        state, _ = cell.step(packed, state, cell.project(packed, x[None])[0])
        return state, state[0]

    statements = cell.statements
    if chosen.learn_initial_state:
        count = len(jax.eval_shape(lambda: cell.start(cell.init(jax.random.key(0), 1), 1)))
        statements = statements._replace(initial_state=("ds[0]",) * count)
    approximation = f"its backward pass is truncated to {chosen.truncate} steps" if chosen.truncate else ""
    time: Time = "sequence to sequence" if chosen.return_sequences else "sequence to vector"
    return Layer(
        init,
        forward,
        backward,
        cell.name,
        statements,
        time=time,
        start=start,
        step=step,
        approximation=approximation,
        input_statement=cell.input_statement,
    )


def check_steps(name: str, x, mask, features: int) -> None:
    """Raise unless x is (T, N, m) with T ≥ 1 and m features, and the mask, if there is one, is (T, N) bool."""
    if x.ndim != 3:
        raise ValueError(
            f"{name}: x has shape {x.shape}, expected (T, N, m): sequences are time-major; "
            "for a single sequence (T, m) write x[:, None]"
        )
    if x.shape[2] != features:
        raise ValueError(
            f"{name}: x has shape {x.shape}, expected (T, N, {features}); give it as many features as its weights have "
            "columns"
        )
    if x.shape[0] == 0:
        raise ValueError(f"{name}: x has shape {x.shape}: no steps, expected T >= 1; leave out empty sequences")
    if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != bool):
        raise ValueError(
            f"{name}: mask has shape {mask.shape} and dtype {mask.dtype}, expected {x.shape[:2]} of bool, True at real "
            "steps; fnnets.data.pad makes both"
        )


def check_state(name: str, state: PyTree, expected: PyTree) -> None:
    """Raise unless a state that was handed on has the parts, shapes and dtypes of this layer's."""
    structures: list[Any] = [jax.tree.structure(tree) for tree in (state, expected)]
    if structures[0] != structures[1]:
        raise ValueError(
            f"{name}: state has the structure {structures[0]}, expected {structures[1]}; "
            "take it from this layer's start or step"
        )
    for part, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        if (part.shape, part.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"{name}: state holds {part.dtype} of shape {part.shape}, expected {wanted.dtype} of shape "
                f"{wanted.shape}; take it from start(params, N) with the N of this batch"
            )

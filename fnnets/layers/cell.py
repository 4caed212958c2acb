"""The plain scan: a cell run over time, forward and back, which every recurrent layer shares.

    forward:   s[t] = step(s[t−1], x[t]),  t = 1 … T;  y[t] = the first part of s[t]
    backward:  δ[t] = back(∂C/∂y[t], δ[t+1]),  t = T … 1,  δ[T+1] = 0                  (8)
    then:      dW, dω, db, dx, ds[0] = gradient(δ[1], …, δ[T])                          (9)-(14), over all steps at once

| symbol | name in code | shape |
|---|---|---|
| x | `x` | (T, N, m), time-major |
| s[t] | `state` | a tuple of (N, h) |
| s[0] | `start` | a tuple of (N, h) |
| ∂C/∂y[t] | `d_y`, what comes from above | (T, N, h) |
| δ[t], δ[t+1] | `delta`, `after` | as the cell has it, of (N, h) |
| what back and gradient read of a step | `trace` | the cell's own NamedTuple, of (N, ·) |
| padding | `mask` | (T, N) bool, True at real steps |

*Padding.* A padded step leaves the state as it was, s[t] = s[t−1] and y[t] = y[t−1]. Going back, its δ is 0, as `back`
is linear and gets zeros, and the step before it gets what it was given: ∂C/∂y of both, and the δ of the next real step.
So padding within a sequence, reversal by length and the last step need no case of their own.

*Truncation* to k steps cuts the sequence into segments of k steps that δ does not leave [Williams1990]: an
approximation. `forward` stops the gradient of the state there too, so that `jax.grad` agrees and central differences do
not.

Source: [Rauber], section 6, statements (8)-(14), for the simple layer; [Werbos1990].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class Cell(NamedTuple):
    """A cell: the functions of one recurrent layer; arrays of a step are (N, ·), states are tuples of (N, h).

    Attributes:
        name: what reports call the layer.
        units: h, features of y.
        init: `(key, m) -> params`.
        start: `(zeros) -> s[0]`, from zeros (N, h).
        end: `(zeros) -> δ[T+1]`, from zeros (N, h).
        step: `(params, s[t−1], x[t]) -> (s[t], trace)`.
        back: `(params, trace, ∂C/∂y[t], δ[t+1]) -> δ[t]`, linear in both.
        gradient: `(params, traces, (δ[1], …, δ[T]), δ of the first real step) -> (d_params, d_x, ds[0])`.
        statements: those of the parameters' gradients.
        input_statement: that of d_x.
        expects: x and the parameters in letters.
    """

    name: str
    units: int
    init: Callable[..., PyTree]
    start: Callable[..., PyTree]
    end: Callable[..., PyTree]
    step: Callable[..., PyTree]
    back: Callable[..., PyTree]
    gradient: Callable[..., PyTree]
    statements: PyTree
    input_statement: str = "dx"
    expects: str = "x (T, N, m), weights (h, m), recurrent_weights (h, h), biases (h)"


def forward(cell: Cell, params: PyTree, start: PyTree, x: Float[Array, "t n m"], mask: Array, cuts: Array):
    """The outputs y (T, N, h), and the traces of all steps."""

    def step(state, inputs):
        x_t, is_real, is_cut = inputs
        state = _where(is_cut, lax.stop_gradient(state), state)
        new, trace = cell.step(params, state, x_t)
        state = _where(is_real[:, None], new, state)
        return state, (state[0], trace)

    return lax.scan(step, start, (x, mask, cuts))[1]


def backward(cell: Cell, params: PyTree, trace: PyTree, d_y: Float[Array, "t n h"], mask: Array, cuts: Array):
    """The gradients (d_params, d_x, ds[0])."""

    def back(carry, inputs):
        trace_t, d_y_t, is_real, is_cut = inputs
        handed, after = carry
        d_a = d_y_t + handed
        zeros = jax.tree.map(jnp.zeros_like, (d_a, after))
        delta = cell.back(params, trace_t, *_where(is_real[:, None], (d_a, after), zeros))
        carry = _where(is_real[:, None], (zeros[0], delta), (d_a, after))
        return _where(is_cut, zeros, carry), delta

    zeros = jnp.zeros_like(d_y[0])
    (handed, first), delta = lax.scan(back, (zeros, cell.end(zeros)), (trace, d_y, mask, cuts), reverse=True)
    d_params, d_x, d_start = cell.gradient(params, trace, delta, first)
    return d_params, d_x, (d_start[0] + handed, *d_start[1:])


def cuts(truncate: int | None, steps: int) -> Array:
    """The steps (T,) before which the state's gradient stops: every k-th, or none.

    >>> cuts(2, 5).astype(int).tolist(), cuts(None, 3).any().tolist()
    ([0, 0, 1, 0, 1], False)
    """
    t = jnp.arange(steps)
    return (t % (truncate or steps) == 0) & (t > 0)


def _where(condition: Array, tree: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(lambda one, two: jnp.where(condition, one, two), tree, other)

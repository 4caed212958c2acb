"""The weight of an early step in a late answer: the gradient of the state, step by step, from the backward pass.

    g[t] = ∂c/∂s[t],   t = 0 … τ        s[t]: the state after step t;  c: the cost of the answer given after step τ
    simple layer:  g[t−1] = (g[t] ⊙ σ'(z[t])) ω                              (8)
    LSTM:          its part of the cell: ∂c/∂c[t−1] ≈ ∂c/∂c[t] ⊙ f[t]        the rest of ∂c/∂s passes through gates

A masked step leaves the state as it is, so the network that begins at s[t] and reads steps t + 1 … τ alone gives the
same c. In a simple layer each step multiplies by σ' ω, and ‖g[t]‖ falls or grows like a power of the steps to go; in
an LSTM it multiplies a cell by its forget gate, which is 1 in the form of 1997.

| symbol | where it comes from | shape |
|---|---|---|
| s[t] | `layer.step`, one step after another | a tuple of (T, N, h) |
| g[t] | `network.gradient` of a learnt initial state that takes the place of s[t], steps up to t being masked | as s |
| ‖g[t]‖ | `state_gradients`, its Euclidean norm over all parts of the state | (T, N) |
| τ | `ends` | (N,) |

Source: [Rauber], section 6, statement (8); [Hochreiter1997], section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

import fnnets as fn

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def state_gradients(net: fn.Network, params: Any, batch: fn.Batch, ends: Any) -> Float[Array, "t n"]:
    """‖∂c/∂s[t]‖ of each sequence's own cost; NaN after the step of the answer. May be called while JAX traces.

    Args:
        net: from `fn.recurrent(…, return_sequences=False, learn_initial_state=True)`, with one recurrent layer.
        params: its parameters, or those of a network that is the same but for the answer and the initial state.
        batch: inputs (T, N, m), and targets (N, d), one answer a sequence.
        ends: (N,) τ, the step after which each sequence answers.

    >>> net = fn.recurrent([2, 3, 1], objective=fn.objectives.linear_squared_error, return_sequences=False,
    ...                    learn_initial_state=True)
    >>> batch = fn.Batch(jnp.ones((4, 1, 2)), jnp.ones((1, 1)))
    >>> norms = state_gradients(net, net.init(jax.random.key(0)), batch, jnp.array([2]))
    >>> (norms[:, 0] > 0).tolist(), norms.shape
    ([True, True, True, False], (4, 1))
    """
    steps = jnp.arange(batch.inputs.shape[0])
    states = _states(net, params, batch.inputs)

    def of_one(t, state, x, y, end):
        mask = (t < steps) & (steps <= end)
        rest = fn.Batch(x[:, None], y[None], mask[:, None])
        d_state = net.gradient(_starting(params, state), rest)[0].initial_state
        return jnp.where(t <= end, jnp.sqrt(sum(jnp.sum(part * part) for part in d_state)), jnp.nan)

    of_all: Any = jax.vmap(of_one, in_axes=(None, 0, 1, 0, 0))
    return jax.lax.map(lambda at: of_all(*at, batch.inputs, batch.targets, ends), (steps, states))


def _states(net, params, inputs):
    """s[t] of the first layer after every step, (T, N, h)."""
    empty = jax.eval_shape(net.init, jax.random.key(0))[0].initial_state
    params = _starting(params, tuple(jnp.zeros(part.shape, part.dtype) for part in empty))

    def step(state, x):
        state, _ = net.layer.step(params, state, x)
        return state, state[0]

    return jax.lax.scan(step, net.layer.start(params, inputs.shape[1]), inputs)[1]


def _starting(params, state):
    return (params[0]._replace(initial_state=state), *params[1:])

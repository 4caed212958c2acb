"""Training on streams of text, whose state is carried from segment to segment, and the test cost of `characters`.

    z, trace  ← forward(w, x_k, s_k)              segment k of B streams, from the state s_k
    δ(L)      = (a − y)/(L B)                     (7)
    ∂C, _     ← backward(w, trace, δ(L))          (2)-(6), and the cells' own; δ does not pass into segment k − 1
    s_{k+1}   = the trace's last states, or 0 with probability 1/16 in each stream;  s_0 = 0
    w         ← w − r Adam(clip(∂C))

| symbol | name in code | shape |
|---|---|---|
| x_k, y_k | `data.inputs[k]`, `data.targets[k]`, int32 codes, one-hot inside the step | (L, B) |
| s_k | `moving.state`: (h, c) of each layer, None for layers without a state | (B, h) each |
| r | `rate` | () |

A network with the state 0 only where the streams begin would learn with states that grew over thousands of steps,
and predict badly from the beginning of a text on; the states that are set to 0 at random prevent that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import fnnets as fn

ROUND, STREAMS, CLIP, FORGETTING = 20, 20, 1.0, 1 / 16


class Moving(NamedTuple):
    """The moving state of training: parameters, the optimiser's state, the layers' state in each stream, the key."""

    params: Any
    optimizer_state: Any
    state: Any
    key: Any


def trainer(net: fn.Network, data: fn.Batch) -> tuple[Any, Any]:
    """`start(key)`, and the compiled `(moving, updates so far, rate, data) -> (moving, mean cost)` of a round."""
    segments, _, streams = data.inputs.shape
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam())

    def start(key) -> Moving:
        init_key, key = jax.random.split(key)
        params = net.init(init_key)
        return Moving(params, optimizer.init(params), net.start(params, streams), key)

    def update(moving: Moving, x, y, is_first, rate):
        key, own, forgetting = jax.random.split(moving.key, 3)
        forgets = is_first | jax.random.bernoulli(forgetting, FORGETTING, (streams, 1))
        state = jax.tree.map(lambda part: jnp.where(forgets, jnp.zeros_like(part), part), moving.state)
        cost, d_params, state = gradient(net, moving.params, fn.Batch(x, y), state, own)
        change, optimizer_state = optimizer.update(d_params, moving.optimizer_state)
        params = jax.tree.map(lambda leaf, part: leaf - rate * part, moving.params, change)
        return Moving(params, optimizer_state, state, key), cost

    @jax.jit
    def round_of(moving: Moving, updates, rate, data):
        def one(moving, number):
            at = (updates + number) % segments
            x = fn.data.one_hot(data.inputs[at], net.input_shape[0])
            return update(moving, x, data.targets[at], at == 0, rate)

        moving, costs = jax.lax.scan(one, moving, jnp.arange(ROUND))
        return moving, jnp.mean(costs)

    return start, round_of


def gradient(net: fn.Network, params: Any, batch: fn.Batch, state: Any, key=None) -> tuple[Any, Any, Any]:
    """The cost of a segment that goes on from `state`, ∂C/∂params by the layers' own backward, and the state after it.

    >>> net = fn.recurrent([3, 4, 3], cell="lstm", objective=fn.objectives.softmax_log_likelihood)
    >>> params = net.init(jax.random.key(0))
    >>> batch = fn.Batch(jnp.ones((5, 2, 3)), jnp.zeros((5, 2), int))
    >>> cost, d_params, state = gradient(net, params, batch, net.start(params, 2))
    >>> bool(jnp.allclose(cost, net.cost(params, batch))), [part.shape for part in state[0]], state[1]
    (True, [(2, 4), (2, 4)], None)
    """
    z, trace = net.layer.forward(params, batch.inputs, fn.Context(key, state=state))
    d_z = net.objective.delta(z, batch.targets) / batch.targets.size
    d_params, _ = net.layer.backward(params, trace, d_z)
    after = tuple(
        None if own is None else tuple(each[-1] for each in part.states)
        for own, part in zip(state, trace.parts, strict=True)
    )
    return jnp.mean(net.objective.value(z, batch.targets)), d_params, after


def judge(net: fn.Network, codes: Any) -> Any:
    """The compiled `params -> nats a character` of a text, read in one pass by `STREAMS` streams.

    >>> net = fn.recurrent([3, 4, 3], cell="lstm", objective=fn.objectives.softmax_log_likelihood)
    >>> params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    >>> round(float(judge(net, [0, 1, 2] * 20)(params)), 4)                                             # log 3
    1.0986
    """
    length, size = (len(codes) - 1) // STREAMS, net.input_shape[0]
    inputs, targets, *_ = fn.data.streams(codes, length, size, STREAMS)

    @jax.jit
    def cost(params, inputs, targets):
        return net.cost(params, fn.Batch(fn.data.one_hot(inputs, size), targets))

    return lambda params: cost(params, inputs[0], targets[0])

"""Networks of sequences one step at a time: online use, segments that go on from one another, sampling.

    s ← start(N);   for each step: s, z[t] = layer.step(s, x[t]),  a[t] = objective.predict(z[t])
    sampling:       P(symbol k) = softmax(z / τ)_k,  the drawn symbol, one-hot, is the next x      τ → 0: the likeliest

| symbol | name in code | shape |
|---|---|---|
| s | `state` | a tuple like the parameters, leaves (N, h) |
| x[t] | `inputs` | (N, m) for `step`, (T, N, m) for `run` |
| a[t] | result | (N, d), (T, N, d) |
| τ | `temperature` | () |

Every step is that of the whole sequence: `run` over two segments, the second from the state after the first, equals
`net.predict` over both. A network with one answer for a sequence gives the answer so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from fnnets.core import arrays, batches, sequences, validate
from fnnets.core.types import Network

if TYPE_CHECKING:
    from jaxtyping import Array, Int, PyTree


def start(net: Network, params: PyTree, n: int) -> Any:
    """The state before the first step of `n` sequences.

    Raises:
        TypeError, ValueError: a network without a state, or that reads sequences from both ends; `n` is no int ≥ 1.

    >>> import jax, fnnets as fn
    >>> net = fn.recurrent([3, 8, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> [part[0].shape for part in start(net, net.init(jax.random.key(0)), 4) if part]
    [(4, 8)]
    """
    layer = _streaming(net, "start")
    return layer.start(params, validate.count(n, "start: n", "give the number of sequences"))


def step(net: Network, params: PyTree, state: PyTree, inputs: PyTree) -> tuple[Any, Any]:
    """One step of N sequences: the state after it, and the prediction (N, d).

    Args:
        net: a network of sequences.
        params: its parameters.
        state: from `start`, or from the step before.
        inputs: (N, m).

    Raises:
        TypeError, ValueError: a network that cannot be streamed, inputs or a state that do not fit.

    >>> import jax, fnnets as fn
    >>> net = fn.recurrent([3, 8, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> params = net.init(jax.random.key(0))
    >>> state, a = step(net, params, start(net, params, 4), jax.numpy.ones((4, 3)))
    >>> a.shape
    (4, 2)
    """
    layer = _streaming(net, "step")
    _check_order(net, state, inputs, "step", "step(params, state, inputs)")
    inputs = arrays.inputs(inputs, net.input_shape, "step: inputs")
    _check_state(net, params, state, inputs.shape[0], "step: state")
    state, z = layer.step(params, state, batches.cast(inputs, params))
    return state, net.objective.predict(z)


def run(net: Network, params: PyTree, inputs: PyTree, state: PyTree | None = None) -> tuple[Any, Any]:
    """All steps of a segment: the state after it, and the predictions (T, N, d), from `state` on.

    Args:
        net: a network of sequences.
        params: its parameters.
        inputs: (T, N, m).
        state: from the segment before; None begins afresh.

    Raises:
        TypeError, ValueError: a network that cannot be streamed, inputs or a state that do not fit.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.recurrent([3, 8, 2], cell="gru", objective=fn.objectives.softmax_log_likelihood)
    >>> params, x = net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (7, 4, 3))
    >>> state, first = run(net, params, x[:3])
    >>> _, second = run(net, params, x[3:], state)
    >>> bool(jnp.allclose(jnp.concatenate([first, second]), net.predict(params, x), atol=1e-6))
    True
    """
    layer = _streaming(net, "run")
    _check_order(net, state, inputs, "run", "run(params, inputs, state)")
    inputs = sequences.inputs(inputs, net.input_shape, "run: inputs")
    state = layer.start(params, inputs.shape[1]) if state is None else state
    _check_state(net, params, state, inputs.shape[1], "run: state")
    state, z = jax.lax.scan(lambda state, x: layer.step(params, state, x), state, batches.cast(inputs, params))
    return state, net.objective.predict(z)


def sample(
    net: Network, params: PyTree, prompt: PyTree, length: int, temperature: float = 1.0, *, key: Array
) -> Int[Array, "length n"]:
    """Symbols drawn one after another, each fed back as the next input.

    Args:
        net: a network that predicts the next of d symbols from one-hot inputs of d features.
        params: its parameters.
        key: PRNG key.
        prompt: (T, N) int codes that come first, T ≥ 1.
        length: symbols to draw.
        temperature: τ > 0: below 1 the likely symbols become likelier.

    Returns:
        (length, N) int32: the symbols after the prompt.

    Raises:
        TypeError, ValueError: a network of other sizes, a prompt that is empty or holds codes out of range.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.recurrent([5, 8, 5], objective=fn.objectives.softmax_log_likelihood)
    >>> sample(net, net.init(jax.random.key(0)), jnp.array([[0], [3]]), 9, key=jax.random.key(1)).shape
    (9, 1)
    """
    layer = _streaming(net, "sample")
    validate.finite_leaves(params, "sample: params")  # symbols would be drawn from probabilities that are NaN
    validate.is_key(key, "sample: key")
    validate.count(length, "sample: length", "give the number of symbols to draw")
    validate.above(temperature, 0.0, "sample: temperature", "1 draws as predicted, less prefers the likely")
    (d,) = net.output_shape
    if net.input_shape != (d,) or not net.objective.labels:
        raise ValueError(
            f"sample: net takes steps of shape {net.input_shape} and gives {net.output_shape} by "
            f"{net.objective.name}, expected as many inputs as outputs and softmax_log_likelihood; it must predict "
            "the next of the symbols that it reads"
        )
    prompt = _prompt(prompt, d)

    def read(state, code):
        x = jax.nn.one_hot(code, d, dtype=jax.tree.leaves(params)[0].dtype)
        return layer.step(params, state, x)

    def draw(carry, key):
        state, z = carry
        code = jax.random.categorical(key, z / jnp.asarray(temperature, z.dtype)).astype(jnp.int32)
        return read(state, code), code

    state, z = jax.lax.scan(read, layer.start(params, prompt.shape[1]), prompt)
    return jax.lax.scan(draw, (state, z[-1]), jax.random.split(key, length))[1]


def _streaming(net: Network, user: str):
    validate.is_instance(net, Network, f"{user}: net", "make one with fnnets.recurrent")
    if not net.layer.is_sequential or net.layer.step is None or net.layer.start is None:
        why = "reads sequences from both ends" if net.layer.is_sequential else "reads no sequences"
        raise ValueError(
            f"{user}: net {why}, expected layers with a step of their own; "
            "make it with fnnets.recurrent and bidirectional=False"
        )
    return net.layer


def _check_order(net, state, inputs, user, call) -> None:
    """Raise where the state and the inputs have changed places."""
    if isinstance(inputs, tuple) and hasattr(state, "shape"):
        raise TypeError(
            f"{user}: state is an array and inputs of type tuple, expected them the other way; write {call}"
        )


def _check_state(net, params, state, n, name) -> None:
    expected = jax.eval_shape(lambda params: net.layer.start(params, n), params)
    validate.like(
        state, expected, name, "take it from start with the number of these sequences, or from the step before"
    )


def _prompt(prompt, d):
    if isinstance(prompt, str):
        raise TypeError(f"sample: prompt is {prompt!r}, expected ints (T, N); give the code of each of its symbols")
    prompt = validate.array(prompt, "sample: prompt")
    is_integer = jnp.issubdtype(prompt.dtype, jnp.integer)
    if prompt.ndim != 2 or prompt.shape[0] == 0 or not is_integer:
        is_one = prompt.ndim == 1 and prompt.size and is_integer
        remedy = "for one text write prompt[:, None]" if is_one else "give the code of each symbol"
        raise ValueError(
            f"sample: prompt has shape {prompt.shape} and dtype {prompt.dtype}, expected ints (T, N), T >= 1; " + remedy
        )
    arrays.in_range(prompt, d, "sample: prompt")
    return jnp.asarray(prompt, jnp.int32)

"""Layers one after another, which is a layer: the one place where backward passes are composed.

    forward:   x(l) = layer_l(x(l-1)),  l = 1 … k
    backward:  d_x(l-1) = layer_l.backward(d_x(l)),  l = k, …, 1          (2), the walk from back to front

| symbol | name in code | shape |
|---|---|---|
| x(l) | `x` | (N, …); sequences (T, N, …) |
| what the parts remember | `trace.parts` | as the parts have it |
| what the parts carry from step to step | `states` | a tuple, None for parts without a state |

Source: [Rauber], section 2, statement (2), its left factor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from fnnets.core import sequences, shares, taps, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Context, Layer


class ChainTrace(NamedTuple):
    """The traces of a chain's parts, first to last."""

    parts: tuple[Any, ...]


@constructor
def chain(*layers: Layer) -> Layer:
    """Layers applied one after another, which is a layer: y = layer_k(… layer_1(x)).

        forward:   x(l) = layer_l(x(l-1))
        backward:  d_x(l-1) = layer_l.backward(d_x(l)),  l = k, …, 1          (2), the walk from back to front

    Its parameters are the tuple of its parts' parameters; the key of the context is split among the parts.

    Raises:
        TypeError: a part is not a `Layer`.
        ValueError: a part needs time that one before it has dropped.

    >>> import jax, fnnets as fn
    >>> two = fn.chain(fn.layers.dense(5, fn.activations.relu), fn.layers.dense(2))
    >>> params, shape = two.init(jax.random.key(0), (3,))
    >>> shape, params[0].weights.shape
    ((2,), (5, 3))
    """
    for position, part in enumerate(layers):
        validate.is_instance(part, Layer, f"chain: part {position}", _remedy(part))

    def init(key, shape):
        params = []
        for part_key, part in zip(_split(key, len(layers)), layers, strict=True):
            part_params, shape = part.init(part_key, shape)
            params.append(part_params)
        return tuple(params), shape

    def forward(params, x, context):
        traces: list[Any] = []
        states = (None,) * len(layers) if context.state is None else context.state
        for key, state, part, own in zip(_keys(context.key, layers), states, layers, params, strict=True):
            with taps.scope(str(len(traces))):
                x, trace = part.forward(own, x, context._replace(key=key, state=state))
            traces.append(trace)
        return x, ChainTrace(tuple(traces))

    def backward(params, trace, d_y):
        d_params: list[Any] = []
        for part, part_params, part_trace in zip(layers[::-1], params[::-1], trace.parts[::-1], strict=True):
            with taps.scope(str(len(layers) - 1 - len(d_params))):
                part_d_params, d_y = part.backward(part_params, part_trace, d_y)
            d_params.append(part_d_params)
        return tuple(d_params[::-1]), d_y

    def check(params, x, context: Context):
        _check_parts(len(layers), params, "params", "take the parameters of this chain from its init")
        if context.state is not None:
            _check_parts(len(layers), context.state, "state", "take it from start or step of this chain")

    def answer(params, trace: ChainTrace):
        _check_parts(len(layers), params, "params", "take the parameters of this chain from its init")
        _check_parts(len(layers), trace.parts, "trace", "take it from forward of this chain")
        return layers[-1].answer(params[-1], trace.parts[-1]) if layers and layers[-1].answer else None

    return Layer(
        init, forward, backward, "chain", tuple(part.statements for part in layers), layers, **_streamed(layers),
        time=sequences.composed([part.time for part in layers], [part.name for part in layers]),
        approximation="; ".join(f"{part.name}: {part.approximation}" for part in layers if part.approximation),
        input_statement=layers[0].input_statement if layers else "dx", check=check, trace=ChainTrace, answer=answer,
        means=sum(part.means for part in layers), within=lambda change: chain(*map(change, layers)),
    )  # fmt: skip


def _keys(key, layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    """A key for each layer's forward pass; examples lie along the first axis behind the one that drops time."""
    keys, drops_time = [], False
    for one, part in zip(_split(key, len(layers)), layers, strict=True):
        keys.append(shares.along(one, 0) if drops_time and one is not None else one)
        drops_time = drops_time or part.time == "sequence to vector"
    return tuple(keys)


def _streamed(layers: tuple[Layer, ...]) -> dict[str, Any]:
    """`start` and `step` of the chain; neither where a part reads whole sequences alone."""
    if not all(part.step for part in layers if part.is_sequential):
        return {}

    def start(params, n):
        return tuple(part.start(own, n) if part.start else None for part, own in zip(layers, params, strict=True))

    def step(params, states, x):
        after = []
        for part, own, state in zip(layers, params, states, strict=True):
            state, x = part.step(own, state, x) if part.step else (None, part.forward(own, x, Context())[0])
            after.append(state)
        return tuple(after), x

    return {"start": start, "step": step}


def _remedy(part: object) -> str:
    """What to do about a part that is no layer."""
    kind = type(part).__name__
    by_kind = {
        "list": "give the layers one by one, fnnets.chain(*layers)",
        "tuple": "give the layers one by one, fnnets.chain(*layers)",
        "Network": "give its layer, net.layer",
        "Activation": "make a layer of it with fnnets.layers.activate(…)",
    }
    return by_kind.get(kind, "make one with fnnets.layers or fnnets.Layer(…)")


def _check_parts(count: int, parts: Any, name: str, remedy: str) -> None:
    """Raise unless there is one part for each layer."""
    if not isinstance(parts, tuple | list) or len(parts) != count:
        came = f"{len(parts)} parts" if isinstance(parts, tuple | list) else f"a {type(parts).__name__}"
        raise TypeError(f"chain: {name} is {came}, expected a tuple of {count}, one for each layer; {remedy}")


def _split(key, count):
    return (None,) * count if key is None else tuple(jax.random.split(key, count))

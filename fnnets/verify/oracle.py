"""A network taken apart: one `jax.vjp`, with a zero added at every layer boundary, yields every true ∂C/∂y(l).

    injected:       y(l) ← y(l) + 0(l)                    the cotangent of 0(l) is ∂C/∂y(l), the true one
    teacher-forced: layer_l.backward(∂C/∂y(l))            held against ∂C/∂params(l) and ∂C/∂y(l-1)
    explained:      chain.backward by the layers as they are, + penalty by `jax.grad`

Since each backward is run on the oracle's cotangent, independent faults are each found in their own layer; a
whole gradient that equals `explained` is wrong only because of them.

| symbol | name in code | shape |
|---|---|---|
| 0(l) | `taps[l − 1]` | as y(l) |
| ∂C/∂y(l) | `d_taps[l − 1]` | as y(l) |

Source: the injection is that of flax's `perturb`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import chaining, core, notes
from fnnets.chaining import ChainTrace
from fnnets.core import Context, Layer, Network


class Visit(NamedTuple):
    """What a layer met on the forward pass, params, x and context, and what came of it: y and the trace."""

    inputs: tuple[Any, Any, Context]
    passed: tuple[Any, Any]


class Place(NamedTuple):
    """A layer that is no chain, its part of the parameters (or of their gradient), and where it stands."""

    layer: Layer
    params: Any
    position: tuple[int, ...]


def walkable(net: Network, params: Any, rebuild: Callable[[Any], tuple[Any, Any]], arrays: Any) -> Layer:
    """The network's layer, its `parts` kept only where they are those of a chain, which its trace shows."""
    opaque = net.layer._replace(parts=())
    visits = jax.eval_shape(lambda params, arrays: _run(net, opaque, params, *rebuild(arrays))[1], params, arrays)
    return _pruned(net.layer, visits[0].passed[1])


def title(place: Place) -> str:
    """What reports call a layer: "layer 1 dense", counted as the entries of the parameters; "layer dense" alone."""
    return " ".join(filter(None, ("layer", ".".join(map(str, place.position)), place.layer.name)))


def numbered_output(net: Network) -> Callable[[str], str]:
    """What the statements of the output layer are called: those through time where there is an answer at every step."""
    return notes.through_time if net.layer.time == "kept" else str


def numbered(layer: Layer, places: Sequence[Place]) -> tuple[Callable[[str], str], ...]:
    """For each place, what the statements of its layer are called: those through time where it works on every step."""
    is_through_time, found = layer.time != "", []
    for place in places:
        is_through_time = is_through_time and place.layer.time != "dropped"
        found.append(notes.through_time if is_through_time else str)
    return tuple(found)


def places(layer: Layer, params: Any, position: tuple[int, ...] = ()) -> list[Place]:
    """The layers that are no chains, first to last, with their parts of a tree like the parameters."""
    if not layer.parts:
        return [Place(layer, params, position)]
    parts = enumerate(zip(layer.parts, params, strict=True))
    return [place for i, (part, own) in parts for place in places(part, own, (*position, i))]


class Met(NamedTuple):
    """What objective, activity and layers meet.

    Attributes:
        output: (z, y) of the objective.
        kept: weighted inputs that the network's activity looks at, None without one.
        visits: (x, context, ∂C/∂y) of each layer that is no chain, first to last.
    """

    output: tuple[Any, Any]
    kept: Any
    visits: tuple[tuple[Any, Context, Any], ...]


def met(net: Network, layer: Layer, params: Any, batch: Any, key: Any) -> Met:
    """Where each part of the network stands, and the true cotangent of each layer's output."""
    _, visits, output, kept = _run(net, layer, params, batch, key)
    taps = [jnp.zeros_like(visit.passed[0]) for visit in visits]
    d_taps = jax.grad(lambda taps: _run(net, layer, params, batch, key, taps)[0])(taps)
    seen = ((*visit.inputs[1:], d_y) for visit, d_y in zip(visits, d_taps, strict=True))
    return Met(output, kept, tuple(seen))


def explained(net: Network, layer: Layer, params: Any, batch: Any, key: Any) -> Any:
    """The gradient that the layers as they are lead to, with a mean and a penalty that are right."""
    whole = jax.grad(net.cost)(params, batch, key)
    data = _data(net, _rebuilt(layer), params)
    of_data = jax.grad(_data(net, layer, params).cost)(params, batch, key)
    return jax.tree.map(lambda d, w, right: d + (w - right), data.gradient(params, batch, key), whole, of_data)


def _run(net: Network, layer: Layer, params: Any, batch: Any, key: Any, taps: Any = None) -> Any:
    """The data cost, what layers, objective and activity met; zeros are added where `taps` are given."""
    visits: list[Visit] = []
    outputs: list[Any] = []
    kept: list[Any] = [None]

    def see(visit: Visit):
        visits.append(visit)
        y, _ = visit.passed
        return y if taps is None else y + taps[len(visits) - 1]

    def value(z, y):
        outputs.append((z, y))
        return net.objective.value(z, y)

    def cost_of_activity(t):
        kept.append(t)
        return net.activity.value(t)

    objective = net.objective._replace(value=value)
    activity = None if net.activity is None else net.activity._replace(value=cost_of_activity)
    data = _data(net._replace(objective=objective, activity=activity), _observed(layer, see), params)
    return data.cost(params, batch, key), visits, outputs[-1], kept[-1]


def _data(net: Network, layer: Layer, params: Any) -> Network:
    """The network without its penalty, made of `layer`; it is to be used with parameters of these shapes only."""
    expected = jax.eval_shape(lambda: params)
    whole = layer, net.objective, net.input_shape, 0.0, expected, net.output_shape
    return core.assemble(*whole, targets=net.targets, activity=net.activity)


def _observed(layer: Layer, see: Callable[[Visit], Any]) -> Layer:
    """`layer` with `see` behind each of its layers that is no chain; what it returns goes on as y."""
    if layer.parts:
        return chaining.chain(*(_observed(part, see) for part in layer.parts))

    def forward(params, x, context):
        y, trace = layer.forward(params, x, context)
        return see(Visit((params, x, context), (y, trace))), trace

    return layer._replace(forward=forward)


def _rebuilt(layer: Layer) -> Layer:
    """`layer` with its chains made anew, so that nothing but its parts' own backward passes is at work."""
    return chaining.chain(*map(_rebuilt, layer.parts)) if layer.parts else layer


def _pruned(layer: Layer, trace: Any) -> Layer:
    if not isinstance(trace, ChainTrace) or len(trace.parts) != len(layer.parts):
        return layer._replace(parts=())
    return layer._replace(parts=tuple(map(_pruned, layer.parts, trace.parts)))

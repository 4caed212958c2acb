"""The oracle of a network: one `jax.vjp`, with a zero added at every layer boundary, yields every true δ.

    injected:       y(l) ← y(l) + 0(l)                    the cotangent of 0(l) is ∂C/∂y(l), the true one
    teacher-forced: layer_l.backward(∂C/∂y(l))            held against ∂C/∂params(l) and ∂C/∂y(l-1)
    explained:      chain.backward by the layers as they are, + penalty by `jax.grad`

Since each backward is run on the oracle's cotangent, independent faults are each found in their own layer; a
whole gradient that equals `explained` is wrong only because of them.

| symbol | name in code | shape |
|---|---|---|
| 0(l) | `taps[l]`; `taps[0]` is at the input | as y(l) |
| ∂C/∂y(l) | `d_taps[l]` | as y(l) |

Source: the injection is that of flax's `perturb`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import chaining, core
from fnnets.chaining import ChainTrace
from fnnets.core import Context, Layer, Network
from fnnets.verify import walk
from fnnets.verify.evidence import Evidence, attempt, largest, problems


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


def places(layer: Layer, params: Any, position: tuple[int, ...] = ()) -> list[Place]:
    """The layers that are no chains, first to last, with their parts of a tree like the parameters."""
    if not layer.parts:
        return [Place(layer, params, position)]
    parts = enumerate(zip(layer.parts, params, strict=True))
    return [place for i, (part, own) in parts for place in places(part, own, (*position, i))]


def gather(net: Network, layer: Layer, params: Any, drawn: tuple[Any, Any], arrays: Any) -> tuple[Evidence, ...]:
    """Evidence on the objective, then on each layer from the last to the first, then on the whole gradient.

    `drawn` are batch and key, `arrays` what the whole cost's terms take them from.
    """
    batch, key = drawn
    _, visits, (z, y) = _run(net, layer, params, batch, key)
    taps = [jnp.zeros_like(array) for array in (visits[0].inputs[1], *(visit.passed[0] for visit in visits))]

    def data_cost(params, taps):
        return _run(net, layer, params, batch, key, taps)[0]

    d_params, d_taps = jax.grad(data_cost, argnums=(0, 1))(params, taps)
    walked = [
        walk.evidence(place.layer, visit.inputs, visit.passed, d_y, (place.params, d_x))
        for place, visit, d_x, d_y in zip(places(layer, d_params), visits, d_taps[:-1], d_taps[1:], strict=True)
    ]
    whole = _of_whole(net, layer, params, batch, key, d_params)
    return (_of_objective(net, z, y), *walked[::-1], whole._replace(rest=arrays))


def _of_objective(net: Network, z: Any, y: Any) -> Evidence:
    """Statement (1), one example's: the mean over the batch belongs to the whole gradient."""
    values = net.objective.value(z, y)
    automatic = jax.grad(lambda z: jnp.sum(net.objective.value(z, y)))(z)
    return Evidence(attempt(net.objective.delta, z, y), automatic, z, y, largest(values), jnp.sum(values))


def _of_whole(net: Network, layer: Layer, params: Any, batch: Any, key: Any, d_data: Any) -> Evidence:
    value, automatic = jax.value_and_grad(net.cost)(params, batch, key)

    def explain():
        d_params = _data(net, _rebuilt(layer), params).gradient(params, batch, key)
        if isinstance(problems(d_params, automatic), str):
            return d_params
        return jax.tree.map(lambda d, whole, data: d + (whole - data), d_params, automatic, d_data)

    explicit = attempt(net.gradient, params, batch, key)
    return Evidence(explicit, automatic, params, (), largest(value, automatic), value, attempt(explain))


def _run(net: Network, layer: Layer, params: Any, batch: Any, key: Any, taps: Any = None) -> Any:
    """The data cost, what each layer met, and what the objective met; zeros are added where `taps` are given."""
    visits: list[Visit] = []
    met: list[Any] = []

    def see(visit: Visit):
        visits.append(visit)
        y, _ = visit.passed
        return y if taps is None else y + taps[len(visits)]

    def value(z, y):
        met.append((z, y))
        return net.objective.value(z, y)

    seen = _observed(layer, see)

    def forward(params, x, context):
        return seen.forward(params, x if taps is None else x + taps[0], context)

    data = _data(net._replace(objective=net.objective._replace(value=value)), seen._replace(forward=forward), params)
    return data.cost(params, batch, key), visits, met[-1]


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

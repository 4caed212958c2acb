"""Decomposition of a network into its layers.

One `jax.vjp`, with a zero added at every layer boundary, yields every true ∂C/∂y(l).

    injected:       y(l) ← y(l) + 0(l)                    the cotangent of 0(l) is ∂C/∂y(l), the true one
    teacher-forced: layer_l.backward(∂C/∂y(l))            compared with ∂C/∂params(l) and ∂C/∂y(l-1)
    explained:      chain.backward by the layers as they are, + penalty by `jax.grad`

Since each backward is run on the true cotangent, independent faults are each found in their own layer; a
whole gradient that equals `explained` is wrong only because of them.

| symbol | name in code | shape |
|---|---|---|
| 0(l) | `taps[l − 1]` | as y(l) |
| ∂C/∂y(l) | `d_taps[l − 1]` | as y(l) |

Source: the injection is that of flax's `perturb`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import chain, network, notes
from fnnets.core.chain import ChainTrace
from fnnets.core.types import Batch, Context, Layer, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


Visit = tuple["Array", Context, "Array", "PyTree"]
"""x, context, y and trace of a layer on the forward pass."""


class Place(NamedTuple):
    """A layer that is no chain, its part of the parameters (or of their gradient), and where it stands."""

    layer: Layer
    params: PyTree
    position: tuple[int, ...]


def decomposed(net: Network, params: PyTree, rebuild: Callable[..., PyTree], arrays: Sequence[Array]) -> Layer:
    """The network's layer, its `parts` kept only where they are those of a chain, which its trace shows.

    A chain as `chain` makes it needs no trace: of equal parts it is one object.
    """
    if _is_chain(net.layer):
        return net.layer
    opaque = net.layer._replace(parts=())
    visits = jax.eval_shape(lambda params, arrays: _run(net, opaque, params, *rebuild(arrays))[1], params, arrays)
    return _pruned(net.layer, visits[0][3])


def title(place: Place) -> str:
    """A layer's name in reports: "layer 1 dense", counted as the entries of the parameters; "layer dense" alone."""
    return " ".join(filter(None, ("layer", ".".join(map(str, place.position)), place.layer.name)))


def numbered_output(net: Network) -> Callable[[str], str]:
    """The names of the output layer's statements: those through time where there is an answer at every step."""
    return notes.through_time if net.layer.time == "sequence to sequence" else str


def numbered(layer: Layer, places: Sequence[Place]) -> tuple[Callable[[str], str], ...]:
    """For each place, the names of its layer's statements: those through time where it works on every step."""
    is_through_time, found = layer.time != "pointwise", []
    for place in places:
        is_through_time = is_through_time and place.layer.time != "sequence to vector"
        found.append(notes.through_time if is_through_time else str)
    return tuple(found)


def places(layer: Layer, params: PyTree, position: tuple[int, ...] = ()) -> list[Place]:
    """The layers that are no chains, first to last, with their parts of a tree like the parameters."""
    if not layer.parts:
        return [Place(layer, params, position)]
    parts = enumerate(zip(layer.parts, params, strict=True))
    return [place for i, (part, own) in parts for place in places(part, own, (*position, i))]


def inputs(
    net: Network, layer: Layer, params: PyTree, batch: Batch, key: Array | None
) -> tuple[tuple[Array, Array], Array | None, list[tuple[Array, Context, Array]]]:
    """The inputs of each part of the network, with the true cotangent of each layer's output.

    Returns:
        (z, y) of the objective; weighted inputs that the network's activity looks at, None without one; and
        (x, context, ∂C/∂y) of each layer that is no chain, first to last.
    """

    def run(taps):
        cost, visits, output, kept = _run(net, layer, params, batch, key, taps)
        return cost, (output, kept, [(x, context) for x, context, *_ in visits])

    shapes = jax.eval_shape(lambda: [y for _, _, y, _ in _run(net, layer, params, batch, key)[1]])
    taps = jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), shapes)
    d_taps, (output, kept, visits) = jax.grad(run, has_aux=True)(taps)
    return output, kept, [(*visit, d_y) for visit, d_y in zip(visits, d_taps, strict=True)]


def explained(net: Network, layer: Layer, params: PyTree, batch: Batch, *, key: Array | None) -> PyTree:
    """The gradient that the layers as they are lead to, with a mean and a penalty that are right."""
    whole = jax.grad(net.cost)(params, batch, key=key)
    data = _data(net, _rebuilt(layer), params)
    of_data = jax.grad(_data(net, layer, params).cost)(params, batch, key=key)
    return jax.tree.map(lambda d, w, right: d + (w - right), data.gradient(params, batch, key=key), whole, of_data)


def _run(
    net: Network, layer: Layer, params: PyTree, batch: Batch, key: Array | None, taps: list[Array] | None = None
) -> tuple[Array, list[Visit], tuple[Array, Array], Array | None]:
    """The data cost, and the inputs of layers, objective and activity; zeros are added where `taps` are given."""
    visits: list[Visit] = []
    outputs: list[tuple[Array, Array]] = []
    kept: list[Array | None] = [None]

    def see(visit: Visit):
        visits.append(visit)
        y = visit[2]
        return y if taps is None else jax.tree.map(jnp.add, y, taps[len(visits) - 1])

    def value(z, y):
        outputs.append((z, y))
        return net.objective.value(z, y)

    def cost_of_activity(t, *weights):
        kept.append(t)
        return net.activity.value(t, *weights)

    objective = net.objective._replace(value=value)
    activity = None if net.activity is None else net.activity._replace(value=cost_of_activity)
    data = _data(net._replace(objective=objective, activity=activity), _observed(layer, see), params)
    return data.cost(params, batch, key=key), visits, outputs[-1], kept[-1]


def _data(net: Network, layer: Layer, params: PyTree) -> Network:
    """The network without its penalty, made of `layer`; it is to be used with parameters of these shapes only."""
    expected = jax.eval_shape(lambda: params)
    whole = layer, net.objective, net.input_shape, 0.0, expected, net.output_shape
    return network.assemble(*whole, targets=net.targets, activity=net.activity)


def _observed(layer: Layer, see: Callable[[Visit], Array]) -> Layer:
    """`layer` with `see` behind each of its layers that is no chain; what it returns goes on as y."""
    if layer.parts:
        return chain.chain(*(_observed(part, see) for part in layer.parts))

    def forward(params, x, context):
        y, trace = layer.forward(params, x, context)
        return see((x, context, y, trace)), trace

    return layer._replace(forward=forward)


def _rebuilt(layer: Layer) -> Layer:
    """`layer` with its chains made anew, so that nothing but its parts' own backward passes is at work."""
    return chain.chain(*map(_rebuilt, layer.parts)) if layer.parts else layer


def _is_chain(layer: Layer) -> bool:
    """Whether a layer is without parts, or is what `chain` makes of such layers."""
    return not layer.parts or (layer is chain.chain(*layer.parts) and all(map(_is_chain, layer.parts)))


def _pruned(layer: Layer, trace: PyTree) -> Layer:
    if not isinstance(trace, ChainTrace) or len(trace.parts) != len(layer.parts):
        return layer._replace(parts=())
    return layer._replace(parts=tuple(map(_pruned, layer.parts, trace.parts)))

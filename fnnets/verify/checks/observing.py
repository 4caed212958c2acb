"""A network whose every layer marks its output, and the gradient by it, beside what the layer marks itself.

    forward:   "input": x;  within `FORWARD` the layers' own taps, and `OUTPUT`: the output of each layer but the last
    backward:  within `BACKWARD` the layers' own deltas, and `OUTPUT`: the d_y that each layer is handed;  "input": d_x

A backward pass that runs steps forward again taps again, within `BACKWARD`, which tells these taps from the first ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import jax

from fnnets.core import calls, network, taps, validate
from fnnets.core.chain import chain
from fnnets.core.types import Layer, Network

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

FORWARD, BACKWARD, OUTPUT = "forward pass", "backward pass", "output of the layer"


def observed(net: Network) -> Callable[..., tuple[Array, PyTree]]:
    """`(params, batch, key) -> (C, ∂C/∂params)` of checked arguments, with these marks.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.feedforward([3, 4, 2], objective=fn.objectives.linear_squared_error)
    >>> batch = fn.Batch(jnp.ones((5, 3)), jnp.zeros((5, 2)))
    >>> text = str(jax.make_jaxpr(observed(net))(net.init(jax.random.key(0)), batch, None))
    >>> text.count("output of the layer")
    2
    """
    expected = jax.eval_shape(net.init, jax.random.key(0))
    layer = _whole(net.layer)
    made = network.assemble(
        layer, net.objective, net.input_shape, net.l2, expected, net.output_shape,
        targets=net.targets, activity=net.activity, domain=net.domain,
    )  # fmt: skip
    run = calls.unchecked(made.cost_and_gradient)
    return lambda params, batch, key: run(params, batch, key=key)


def page(layer: Layer) -> Layer:
    """The layer as its page has it, and so the layers that it is made of.

    >>> import fnnets as fn
    >>> [each.trace.__name__ for each in (fn.layers.lstm(3), page(fn.layers.lstm(3)))]
    ['ScanTrace', 'CellTrace']
    """
    return layer.plain or (layer.within(page) if layer.within else layer)


def _whole(layer: Layer) -> Layer:
    """The layer with marks on its input, and with scopes that tell its two passes apart."""
    inner = _marking(layer, None)

    def forward(params, x, context):
        x = _mapped(taps.tap, "input", x)
        with taps.scope(FORWARD):
            return inner.forward(params, x, context)

    def backward(params, trace, d_y):
        with taps.scope(BACKWARD):
            d_params, d_x = inner.backward(params, trace, d_y)
        return d_params, _mapped(partial(taps.delta, statement=layer.input_statement), "input", d_x)

    return inner._replace(forward=forward, backward=backward)


def _marking(layer: Layer, above: str | None) -> Layer:
    """The layer as its page has it, which marks its output, and what it is made of theirs.

    `above` is the statement of the gradient by its output; None marks nothing, as what holds the layer does so.
    """
    inner = layer.plain or layer
    if layer.parts and layer.within:
        statements = [*(part.input_statement for part in layer.parts[1:]), above]
        return chain(*map(_marking, layer.parts, statements))
    if layer.within:
        inner = layer.within(lambda part: _marking(part, None))
    if above is None:
        return inner

    def forward(params, x, context):
        y, trace = inner.forward(params, x, context)
        return _mapped(taps.tap, OUTPUT, y), trace

    def backward(params, trace, d_y):
        return inner.backward(params, trace, _mapped(partial(taps.delta, statement=above), OUTPUT, d_y))

    return inner._replace(forward=forward, backward=backward)


def _mapped(mark: Callable[..., Array], name: str, tree: PyTree) -> PyTree:
    """Every array of floats in a tree marked by a name, and by its path where there are several leaves."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    marked = [
        mark(name + (jax.tree_util.keystr(path) if len(leaves) > 1 else ""), leaf) if _is_floating(leaf) else leaf
        for path, leaf in leaves
    ]
    return jax.tree.unflatten(structure, marked)


def _is_floating(leaf: object) -> bool:
    return hasattr(leaf, "dtype") and validate.is_float(leaf.dtype)

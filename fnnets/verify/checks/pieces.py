"""The pieces of a network that are proven one by one: objective, activity, layers, penalty, the whole.

    penalty     λ/n w is far below the data's part of a gradient; at a small n it is far above, and so is its error
    whole       by the leaves of the parameters, those of the last layer first

| symbol | name in code | shape |
|---|---|---|
| n of the isolated penalty | `SHARE * λ` | () |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import penalty as decay
from fnnets.core import sequences
from fnnets.core.types import Batch, Layer, Network
from fnnets.verify.checks import composition, decompose
from fnnets.verify.reference.subject import Subject, largest, of_layer, paths, statements

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

    Rebuild = Callable[..., tuple[Batch, Array | None]]

SHARE = 0.01
"""n of the isolated penalty, in parts of λ: with n = λ/100 the penalty's gradient is 100 w, far above the data's."""


def of(function: Callable[..., PyTree], rebuild: Rebuild) -> Callable[..., PyTree]:
    """`function(params, batch, key=key)` as a function of θ and the rest."""

    def of(at, rest):
        batch, key = rebuild(rest)
        return function(at, batch, key=key)

    return of


def objective(net: Network) -> Subject:
    """Statement (1), one example's: the mean over the batch belongs to the whole."""

    def terms(z, y):
        return jnp.asarray(net.objective.value(z, y))

    statement = decompose.numbered_output(net)("1")
    return Subject("objective", (f"delta of {net.objective.name}",), (statement,), terms, net.objective.delta)


def activity(net: Network) -> Subject:
    """The δ of a cost within the network."""
    return Subject(
        "activity", (f"delta of {net.activity.name}",), ("∂S/∂t",),
        lambda t, rest: net.activity.value(t), lambda t, rest: net.activity.delta(t),
    )  # fmt: skip


def layers(layer: Layer, params: PyTree) -> list[Subject]:
    """The layers, last to first: "layer 1 dense", counted as the entries of the parameters; "layer dense" alone."""
    places = decompose.places(layer, params)
    pairs = zip(places, decompose.numbered(layer, places), strict=True)
    return [of_layer(each.layer, each.params, decompose.title(each), number=number) for each, number in pairs][::-1]


def penalty(net: Network, layer: Layer, params: PyTree, rebuild: Rebuild) -> Subject:
    """λ/n w alone: what a small n adds to the same batch's cost and gradient, of order one whatever λ is."""

    def difference(function, at, rest):
        arrays, few = rest
        batch, key = rebuild(arrays)
        n = batch.dataset_size or sequences.count(net.layer.time, batch)
        large, small = (function(at, batch._replace(dataset_size=each), key=key) for each in (n, few))
        return jax.tree.map(lambda x, y: y - x, large, small)

    weights = [decay.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    return Subject(
        "penalty", paths(params, "penalty"), tuple("λ/n w" if each else "none" for each in weights),
        lambda at, rest: difference(net.cost, at, rest), lambda at, rest: difference(net.gradient, at, rest),
        explained=lambda at, rest: difference(partial(decompose.explained, net, layer), at, rest),
        scale=lambda at, rest: largest(at) / SHARE, marks=(),
    )  # fmt: skip


def whole(net: Network, layer: Layer, params: PyTree, rebuild: Rebuild, order: composition.Order) -> Subject:
    """The cost and its gradient, by the leaves of the parameters, those of the last layer first."""
    places = decompose.places(layer, params)
    found = [
        number(statement)
        for place, number in zip(places, decompose.numbered(layer, places), strict=True)
        for statement in statements(place.layer, place.params)
    ]
    weights = [decay.is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    added = "" if isinstance(net.l2, int | float) and net.l2 == 0 else " + λ/n w"
    numbers = tuple(s + added * is_weight for s, is_weight in zip(found, weights, strict=True))
    cost = of(net.cost, rebuild)
    return Subject(
        "gradient", order.ordered(paths(params, "gradient")), order.ordered(numbers),
        lambda at, rest: cost(order.restored(at), rest), order.gradient(of(net.gradient, rebuild)),
        net.layer.approximation,
        explained=order.gradient(of(partial(decompose.explained, net, layer), rebuild)),
        marks=("output", "output activity"), number=decompose.numbered_output(net),
    )  # fmt: skip

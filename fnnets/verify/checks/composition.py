"""The whole gradient's rows, from the output backwards, and what they say of layers that are right each by itself.

    rows         the leaves of the last layer first; within a layer as its parameters have them
    composition  each layer's backward pass is right on the true ∂C/∂y(l), and yet the whole gradient is wrong: what is
                 handed from layer to layer is another δ. The boundary lies between the last layer whose gradient is
                 right and the first one whose gradient is wrong, counted from the output

| symbol | name in code | shape |
|---|---|---|
| θ, in the order of the rows | `order.taken(params)` | a tuple of leaves |
| θ, as the network takes it | `order.restored(at)` | as the parameters |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from fnnets.core.types import Layer
from fnnets.verify.checks import decompose
from fnnets.verify.reference.subject import Failure, problems
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report

if TYPE_CHECKING:
    from jax.tree_util import PyTreeDef
    from jaxtyping import Array, PyTree

RIGHT = ("ok", "rounding", "convention", "approximation")


class Order(NamedTuple):
    """Leaves of the parameters from the last layer to the first.

    Attributes:
        structure: of the parameters.
        leaves: of each row the position of its leaf among those of the parameters.
        layers: of each row the name of its layer.
    """

    structure: PyTreeDef
    leaves: tuple[int, ...]
    layers: tuple[str, ...]

    def ordered(self, rows: Sequence[str]) -> tuple[str, ...]:
        """What belongs to each leaf, in the order of the rows."""
        return tuple(rows[i] for i in self.leaves)

    def taken(self, tree: PyTree) -> tuple[Any, ...]:
        """The leaves of a tree like the parameters, in the order of the rows."""
        leaves = jax.tree.leaves(tree)
        return tuple(leaves[i] for i in self.leaves)

    def restored(self, at: Sequence[Array]) -> PyTree:
        """The parameters that have these leaves."""
        places = {leaf: row for row, leaf in enumerate(self.leaves)}
        return jax.tree.unflatten(self.structure, [at[places[i]] for i in range(len(at))])

    def gradient(self, function: Callable[..., PyTree]) -> Callable[..., PyTree]:
        """A gradient by the parameters as one by their leaves; a `Failure` where it has another structure."""

        def of_leaves(at, rest):
            params = self.restored(at)
            found = function(params, rest)
            if jax.tree.structure(found) != self.structure:
                complaint = problems(found, params)
                return Failure(complaint) if isinstance(complaint, str) else found
            return self.taken(found)

        return of_leaves


def order(layer: Layer, params: PyTree) -> Order:
    """The order of the rows: last layer first.

    >>> import jax, fnnets as fn
    >>> layer = fn.chain(fn.layers.dense(4), fn.layers.dense(2))
    >>> order(layer, layer.init(jax.random.key(0), (3,))[0]).leaves
    (2, 3, 0, 1)
    """
    blocks: list[list[tuple[int, str]]] = []
    for place in decompose.places(layer, params):
        start = sum(map(len, blocks))
        count = len(jax.tree.leaves(place.params))
        blocks.append([(start + i, decompose.title(place)) for i in range(count)])
    rows = [row for block in blocks[::-1] for row in block]
    return Order(jax.tree.structure(params), tuple(i for i, _ in rows), tuple(title for _, title in rows))


def named(report: Report, where: Sequence[str], layers: Sequence[str]) -> Report:
    """The report, its first wrong row with the boundary where the δ goes wrong, if no layer is wrong by itself.

    Args:
        report: on a network.
        where: the rows of the whole gradient, from the output backwards.
        layers: the layer of each.
    """
    first = next((i for i, row in enumerate(report.rows) if row.verdict == "wrong"), None)
    rows = {row.where: row for row in report.rows}
    if first is None or any(row.verdict not in RIGHT for row in report.rows[:first]):
        return report
    row = report.rows[first]
    if row.where not in where or any(each not in rows for each in where):
        return report
    sentence = _boundary([(layer, rows[each]) for each, layer in zip(where, layers, strict=True)], row)
    changed = row._replace(diagnosis=f"{row.diagnosis}; it {sentence}" if row.diagnosis else sentence)
    return dataclasses.replace(report, rows=(*report.rows[:first], changed, *report.rows[first + 1 :]))


def _boundary(pairs: Sequence[tuple[str, Row]], first: Row) -> str:
    """Where the gradient of layers that are right goes wrong, as the end of a sentence."""
    names = list(dict.fromkeys(layer for layer, _ in pairs))
    wrong = {layer for layer, row in pairs if row.verdict not in RIGHT}
    here = next(layer for layer, row in pairs if row is first)
    position = names.index(here)
    before = names[position - 1] if position else "the output"
    if len(names) == 1:
        return f"goes wrong between the output and {here}, which is right by itself"
    if names[position + 1 :] and not wrong & set(names[position + 1 :]):
        return (
            f"is wrong at {here} alone: each layer is right by itself and the delta that goes on is right, so this "
            "gradient is not what that layer gives"
        )
    return f"goes wrong between {before} and {here}: each layer is right by itself, their composition is not"

"""The tables that networks and layers print: columns of text, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


def initial(layer: Any, key: Array, shape: tuple[int, ...]) -> tuple[PyTree, tuple[int, ...]]:
    """Shapes of the layer's parameters, and of its output, without computing anything."""
    outputs = []

    def init(key):
        params, after = layer.init(key, shape)
        outputs.append(after)
        return params

    return jax.eval_shape(init, key), outputs[0]


def is_walkable(layer: Any) -> bool:
    """Whether a layer with parts is a chain of them, and no other composition, such as tied weights."""
    return not layer.parts or (layer.name == "chain" and all(map(is_walkable, layer.parts)))


def size(params: PyTree) -> int:
    """The number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def statements(leaves: list[tuple[str, Any]]) -> list[tuple[str, ...]]:
    """Rows of layers with their places: each parameter, and the input, with the statement of its gradient."""
    return [
        (place, part.name, jax.tree_util.keystr(tuple(path)).lstrip(".") or "input", str(statement))
        for place, part in leaves
        for path, statement in [*jax.tree_util.tree_leaves_with_path(part.statements), ((), part.input_statement)]
    ]


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of words in columns, without those columns that are empty."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    kept = [i for i, width in enumerate(widths) if width]
    return "\n".join("  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in rows)

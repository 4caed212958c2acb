"""Validation of the arguments of checks, before anything is compiled; each message is one line.

Each message names the argument, what came, what is expected and the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.core.types import Context, Layer
from fnnets.verify.reference.subject import problems, reason
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

TRACEABLE = "write it with jax.numpy, and without Python branches on the values of arrays"


def functions(**named: object) -> None:
    """Raise a TypeError unless each argument can be called."""
    for name, function in named.items():
        if not callable(function):
            raise TypeError(f"{name} is {function!r}, expected a function (params, *args)")


def floating(params: PyTree, name: str, may_be_empty: bool = False) -> PyTree:
    """`params` with JAX arrays for leaves, all of a real floating dtype."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves and not may_be_empty:
        raise ValueError(f"{name} holds no arrays, expected at least one to differentiate by; give the parameters")
    for path, leaf in leaves:
        where = f"{name}{jax.tree_util.keystr(path)}"
        if not (is_array(leaf) or isinstance(leaf, float)) or not precision.is_floating(np.asarray(leaf)):
            came = f"an array of dtype {leaf.dtype}" if hasattr(leaf, "dtype") else repr(leaf)
            raise TypeError(f"{where} is {came}, expected floating numbers; pass what is no parameter as an argument")
    return jax.tree.map(jnp.asarray, params)


def scalar(cost: Callable[..., PyTree], name: str, *args: PyTree) -> None:
    """Raise unless `cost(*args)` is a scalar, of a floating dtype."""
    value = traced(cost, name, *args)
    if not hasattr(value, "shape"):
        raise TypeError(f"{name} returns {type(value).__name__}, expected a scalar array; return one number")
    if value.shape != ():
        raise ValueError(f"{name} returns shape {value.shape}, expected a scalar of shape (); reduce it with jnp.mean")
    if not precision.is_floating(value):
        raise TypeError(
            f"{name} returns dtype {value.dtype}, expected a floating scalar; compute it from the parameters"
        )


def output(layer: Layer, params: PyTree, x: Array, context: Context) -> PyTree:
    """Shape and dtype of the layer's output, or of each where there are two."""
    shapes = traced(layer.forward, "layer.forward", params, x, context)
    is_pair = isinstance(shapes, tuple) and len(shapes) == 2
    if not (is_pair and all(hasattr(y, "shape") for y in (shapes[0] if isinstance(shapes[0], tuple) else shapes[:1]))):
        raise TypeError(f"layer.forward returns {type(shapes).__name__}, expected the pair (y, trace), y an array")
    return shapes[0]


def finite(value: Array | float, name: str) -> None:
    """Raise a ValueError where that which was differentiated is not finite, even in float64."""
    if not np.isfinite(value):
        raise ValueError(
            f"{name} is {value} here, expected a finite number: at such a point no gradient can be judged; "
            "give other parameters or inputs"
        )


def traceable(function: Callable[..., PyTree], name: str, *args: PyTree) -> None:
    """Raise a TypeError unless JAX can trace the function."""
    try:
        jax.eval_shape(function, *args)
    except Exception as error:
        raise TypeError(f"{name} {reason(error)}; {TRACEABLE}") from error


def alike(expected: PyTree, came: PyTree) -> None:
    """Raise a ValueError unless both functions give outputs of one structure, shape and dtype."""
    complaints = problems(came, expected)
    if isinstance(complaints, list):
        pairs = zip(jax.tree.leaves(came), jax.tree.leaves(expected), strict=True)
        complaints = next(
            (f"{c.shape} of {c.dtype}, expected {e.shape} of {e.dtype}" for c, e in pairs if _differ(c, e)), ""
        )
    if complaints:
        shown = complaints.replace("the gradient has", "another structure:")
        raise ValueError(f"f returns {shown}, as the reference does; give a reference of the same outputs")


def repeatable(function: Callable[..., PyTree], name: str, *args: PyTree) -> None:
    """Raise a ValueError where two traces of a function differ: it draws numbers that are no argument of it."""
    # JAX remembers what it has traced: each trace is of a function of its own
    traces = [jax.make_jaxpr(lambda *args: function(*args))(*args) for _ in range(2)]
    if not jaxprs.same(*traces):
        raise ValueError(
            f"{name} is another function each time that it is traced, expected one without hidden state; "
            "make randomness an argument, such as a PRNG key"
        )


def _differ(one, other) -> bool:
    return (one.shape, one.dtype) != (other.shape, other.dtype)


def traced(function: Callable[..., PyTree], name: str, *args: PyTree) -> PyTree:
    """The shapes that `function` returns, or one clear line on why it cannot be traced."""
    try:
        return jax.eval_shape(function, *args)
    except ValueError as error:
        raise ValueError(f"{name} {reason(error)}") from error
    except Exception as error:
        raise TypeError(f"{name} {reason(error)}; {TRACEABLE}") from error


def is_array(leaf: object) -> bool:
    """Whether a leaf is an array of numbers, of booleans or of PRNG keys."""
    if isinstance(leaf, jax.Array):
        return True
    return isinstance(leaf, np.ndarray | np.generic) and (leaf.dtype.kind in "biufc" or precision.is_floating(leaf))


def separate(tree: PyTree) -> tuple[list[Array], Callable[..., PyTree]]:
    """The arrays of a tree, and a function that puts such arrays back among its other leaves.

    Numbers, strings and functions must not be traced: a cost may branch on them.
    """
    leaves, structure = jax.tree.flatten(tree)
    where = [position for position, leaf in enumerate(leaves) if is_array(leaf)]

    def rebuild(arrays: Sequence[Array]) -> PyTree:
        filled = list(leaves)
        for position, array in zip(where, arrays, strict=True):
            filled[position] = array
        return jax.tree.unflatten(structure, filled)

    return [leaves[position] for position in where], rebuild

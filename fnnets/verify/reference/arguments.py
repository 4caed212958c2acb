"""Validation of the arguments of checks, before anything is compiled; each message is one line.

Each message names the argument, what came, what is expected and the remedy.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from fnnets.core import jaxprs, validate
from fnnets.core.types import Batch, Context, Layer, Network, Objective
from fnnets.verify.reference import raised
from fnnets.verify.reference.subject import problems
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

TRACEABLE = "write it with jax.numpy, and without Python branches on the values of arrays"
DECIDES = "True lets float64 decide, False the parameters' own precision"
NONE = (Network, Layer, Objective, Batch)
"""Trees that are no parameters, and that a call with its arguments in another order gives in their place."""


def functions(check: str, remedies: dict[str, str], **named: object) -> None:
    """Raise a TypeError unless each argument can be called; `remedies` say how one is made."""
    for name, function in named.items():
        validate.is_function(function, f"{check}: {name}", remedies[name])


def taken(check: str, args: tuple[PyTree, ...], **named: Callable[..., PyTree]) -> None:
    """Raise a TypeError unless each function takes these arguments; one without signature passes."""
    for name, function in named.items():
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            continue
        try:
            signature.bind(*args)
        except TypeError:
            raise TypeError(
                f"{check}: {name} takes the arguments {signature}, but params and {len(args) - 1} others are given, "
                f"expected as many; write {check}(cost, gradient, params, *args) with those that both take"
            ) from None


def ordered(name: str, value: PyTree, order: str) -> None:
    """Raise a TypeError where a network, a layer or a batch stands in the place of parameters."""
    if isinstance(value, NONE):
        kind = type(value).__name__
        raise TypeError(f"{name} is of type {kind}, expected parameters: arrays of floating numbers; write {order}")


def floating(params: PyTree, name: str, may_be_empty: bool = False) -> PyTree:
    """`params` with JAX arrays for leaves, all of a real floating dtype and finite."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves and not may_be_empty:
        raise ValueError(f"{name} holds no arrays, expected at least one to differentiate by; give the parameters")
    for path, leaf in leaves:
        where = f"{name}{jax.tree_util.keystr(path)}"
        if not (isinstance(leaf, float) or (is_array(leaf) and precision.is_floating(leaf))):
            came = f"an array of dtype {leaf.dtype}" if hasattr(leaf, "dtype") else f"{leaf!r} of type {_type(leaf)}"
            raise TypeError(f"{where} is {came}, expected floating numbers; {_remedy(leaf)}")
        validate.array(leaf, where)  # none wider than JAX has them
        if np.size(leaf) == 0:
            raise ValueError(f"{where} holds no numbers, expected at least one; leave it out")
        validate.finite(
            leaf if is_array(leaf) else np.asarray(leaf), where, "give parameters at which the cost is finite"
        )
    # `jnp.asarray` compiles a program for NumPy's arrays, and more is to be checked
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf), params)


def _remedy(leaf: object) -> str:
    """What to do with a leaf that holds no floating numbers."""
    if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
        return f"register its class: jax.tree_util.register_dataclass({_type(leaf)})"
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), np.complexfloating):
        return "give real and imaginary parts as arrays of their own"
    if not (hasattr(leaf, "dtype") or isinstance(leaf, int)) or isinstance(leaf, bool):
        return "pass what is no parameter as an argument"
    return "convert it to float32, or pass it as an argument if it is no parameter"


def _type(value: object) -> str:
    return type(value).__name__


def scalar(cost: Callable[..., PyTree], name: str, *args: PyTree, like: PyTree = None) -> None:
    """Raise unless `cost(*args)` is a scalar, of a floating dtype; `like` is the structure of a gradient."""
    one_number(traced(cost, name, *args), name, lambda value: like is not None and _is_like(value, like))


def one_number(value: PyTree, name: str, is_gradient: Callable[[PyTree], bool] = bool) -> None:
    """Raise unless what a cost returned, or its shape, is a floating scalar; `is_gradient` of what has its place."""
    if getattr(value, "shape", None) != () and is_gradient(value):
        raise ValueError(
            f"{name} returns arrays like params, as a gradient does, expected a scalar of shape (); give the cost "
            "first and the gradient second, or reduce what it returns with jnp.mean"
        )
    if not hasattr(value, "shape"):
        raise TypeError(
            f"{name} returns {_came(value)}, expected a scalar array; return one number, and nothing beside it"
        )
    if value.shape != ():
        raise ValueError(f"{name} returns shape {value.shape}, expected a scalar of shape (); reduce it with jnp.mean")
    if not precision.is_floating(value):
        raise TypeError(
            f"{name} returns dtype {value.dtype}, expected a floating scalar; compute it from the parameters"
        )


def _is_like(value: PyTree, like: PyTree) -> bool:
    return not isinstance(problems(value, like), str) and not any(problems(value, like))


def _came(value: PyTree) -> str:
    """What a function returns, in words: of a forgotten `return` as well."""
    return "None" if value is None else f"a {_type(value)} of {len(jax.tree.leaves(value))} arrays"


def output(layer: Layer, params: PyTree, x: Array, context: Context) -> PyTree:
    """Shape and dtype of the layer's output, or of each where there are two."""
    shapes = traced(layer.forward, "layer.forward", params, x, context)
    is_pair = isinstance(shapes, tuple) and len(shapes) == 2
    if not (is_pair and all(hasattr(y, "shape") for y in (shapes[0] if isinstance(shapes[0], tuple) else shapes[:1]))):
        came = type(shapes).__name__
        raise TypeError(f"layer.forward returns {came}, expected the pair (y, trace), y an array; return y, trace")
    return shapes[0]


def finite(value: Array | float, name: str) -> None:
    """Raise a ValueError where that which was differentiated is not finite, even in float64."""
    if not np.isfinite(value):
        raise ValueError(
            f"{name} is {value} here, expected a finite number: at such a point no gradient can be judged; "
            "give other parameters or inputs"
        )


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


def repeatable(function: Callable[..., PyTree], name: str, *args: PyTree) -> jaxprs.Program:
    """The function traced; a ValueError where two traces differ: it keeps or draws what is no argument of it."""
    try:
        # JAX remembers what it has traced: each trace is of a function of its own
        traces = [jax.make_jaxpr(lambda *args: function(*args))(*args) for _ in range(2)]
    except jax.errors.UnexpectedTracerError:
        raise ValueError(_state(name)) from None
    held = [each for trace in traces for each in getattr(trace, "consts", ())]
    if any(isinstance(each, jax.core.Tracer) for each in held) or not jaxprs.same(*traces):
        raise ValueError(_state(name))
    return traces[0]


def _state(name: str) -> str:
    return (
        f"{name} is another function each time that it is traced, expected one without hidden state, such as a sum "
        "that goes on from call to call; return all that it computes, and make randomness an argument, such as a PRNG "
        "key"
    )


def same_twice(first: PyTree, second: PyTree, name: str) -> None:
    """Raise a ValueError where two calls of a function on the host gave different numbers."""
    pairs = [tuple(map(np.asarray, each)) for each in zip(*map(jax.tree.leaves, (first, second)), strict=False)]
    if not all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs):
        raise ValueError(_state(name).replace("that it is traced", "that it is called"))


def _differ(one, other) -> bool:
    return (one.shape, one.dtype) != (other.shape, other.dtype)


def traced(function: Callable[..., PyTree], name: str, *args: PyTree, hint: Callable[[], str] = str) -> PyTree:
    """The shapes that `function` returns.

    Raises:
        TypeError: it cannot be traced, or returns something else than arrays and numbers.
        ValueError: it has kept values of an earlier trace.
        Exception: whatever the function itself raises, its line first.
    """
    try:
        return shapes(function, name, *args, hint=hint)
    except Exception as error:
        if not raised.is_untraceable(error):
            raise
        raise untraceable(name, error) from None


def shapes(function: Callable[..., PyTree], name: str, *args: PyTree, hint: Callable[[], str] = str) -> PyTree:
    """The shapes that `function` returns; JAX's own exceptions come as they are where it cannot trace it."""

    def of_arrays(*args):
        value = function(*args)
        for path, leaf in jax.tree_util.tree_leaves_with_path(value):
            is_zero = getattr(leaf, "dtype", None) == jax.dtypes.float0  # JAX's own, of an integer's derivative
            if not (is_array(leaf) or is_zero or isinstance(leaf, int | float | complex)):
                place = f" at {jax.tree_util.keystr(path)}" if path else ""
                raise TypeError(
                    f"{name} returns {leaf!r} of type {_type(leaf)}{place}, expected arrays; return numbers alone"
                )
        return value

    try:
        with raised.located(name, hint):
            return jax.eval_shape(of_arrays, *args)
    except jax.errors.UnexpectedTracerError:
        raise ValueError(_state(name)) from None


def untraceable(name: str, error: Exception) -> TypeError:
    """The error of a function that JAX cannot trace, in one line."""
    place = raised.line(error)
    return TypeError(
        f"{name} raised {_type(error)}: {raised.first_line(error)}{f' ({place})' if place else ''}, "
        f"expected a function that JAX can trace; {TRACEABLE}"
    )


def is_array(leaf: object) -> bool:
    """Whether a leaf is an array of numbers, of booleans or of PRNG keys."""
    if isinstance(leaf, jax.Array):
        return True
    return isinstance(leaf, np.ndarray | np.generic) and (leaf.dtype.kind in "biufc" or precision.is_floating(leaf))


def separate(tree: PyTree, is_traced: Callable[[object], bool] = is_array) -> tuple[list[Array], Callable[..., PyTree]]:
    """The leaves of a tree that are traced, its arrays, and a function that puts such ones back among the others.

    Numbers, strings and functions must not be traced: a cost may branch on them.
    """
    leaves, structure = jax.tree.flatten(tree)
    where = [position for position, leaf in enumerate(leaves) if is_traced(leaf)]

    def rebuild(arrays: Sequence[Array]) -> PyTree:
        filled = list(leaves)
        for position, array in zip(where, arrays, strict=True):
            filled[position] = array
        return jax.tree.unflatten(structure, filled)

    return [leaves[position] for position in where], rebuild

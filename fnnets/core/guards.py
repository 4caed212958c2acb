"""The checks around the three functions of a layer: their arguments, what they give, and its shapes.

    init        a key, the shape of one example                  gives parameters and a shape
    forward     parameters, x as declared, a context             gives an answer and a trace
    backward    the same parameters, a trace of this layer's forward, a cotangent of the answer's shape

What is declared is in `fnnets.core.shapes`; shapes and dtypes are static, so they are checked while JAX traces.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from fnnets.core import calls, keys, shapes

if TYPE_CHECKING:
    from jaxtyping import PyTree

FUNCTIONS = ("init", "forward", "backward")
SIGNATURES = {
    "init": inspect.signature(lambda key, shape: ()),
    "forward": inspect.signature(lambda params, x, context: ()),
    "backward": inspect.signature(lambda params, trace, d_y: ()),
    "start": inspect.signature(lambda params, n: ()),
    "step": inspect.signature(lambda params, state, x: ()),
}


def guarded(layer: Any, times: tuple[str, ...]) -> tuple[Any, ...]:
    """The fields of a `Layer` whose three functions check what they are given, and give two values each."""
    _check_fields(layer, times)
    init, forward, backward = layer[:3]
    expected = None if layer.expects == "" else shapes.parsed(layer.expects, layer.name)

    def checked_init(key, shape):
        if key is not None or (expected is not None and expected.params):
            keys.is_key(key, f"{layer.name}: init: key")
        shapes.check_sizes(layer.name, shape)
        if expected is not None:
            shapes.check_example(layer.name, expected, shape, layer.window)
        params, outputs = _two(init(key, shape), layer.name, "init", "(params, output_shape)")
        _check_output_shape(outputs, layer.name)
        return params, outputs

    def checked_forward(params, x, context):
        _check_context(context, layer.name)
        if expected is not None:
            shapes.check_input(layer, expected, params, x, context)
        if layer.check is not None:
            layer.check(params, x, context)
        return _two(forward(params, x, context), layer.name, "forward", "(y, trace)")

    def checked_backward(params, trace, d_y):
        if expected is not None:
            shapes.check_params(layer.name, expected, params)
        check_walk(layer, params, trace, d_y)
        return _two(backward(params, trace, d_y), layer.name, "backward", "(d_params, d_x)")

    checked: tuple[Callable, ...] = (checked_init, checked_forward, checked_backward)
    three = (_called(one, own, layer.name) for one, own in zip(checked, layer[:3], strict=True))
    fields = dict(zip(type(layer)._fields, (*three, *layer[3:]), strict=True))
    fields |= _streamed(layer, expected)
    return tuple(fields.values())


def _streamed(layer: Any, expected: shapes.Expected | None) -> dict[str, Any]:
    """The fields `start` and `step` with their checks; None where the layer has none."""

    def checked_start(params, n):
        if not hasattr(n, "__index__") or isinstance(n, bool):  # sizes of an exported program have one too
            raise TypeError(f"{layer.name}: start: n is {n!r}, expected an int; give the number of sequences")
        return layer.start(params, n)

    def checked_step(params, state, x):
        if expected is not None and expected.x[:2] == shapes.STEPS:
            shapes.check_step(layer, expected, params, x)
        return layer.step(params, state, x)

    checked: dict[str, Callable] = {"start": checked_start, "step": checked_step}
    own = {name: getattr(layer, name) for name in checked}
    return {name: own[name] and _called(one, own[name], layer.name) for name, one in checked.items()}


def _called(checked: Callable, own: Callable, layer: str) -> Callable:
    """The checked function under the name of the own one, with a sentence where the arguments are others."""
    name = checked.__name__.removeprefix("checked_")
    signature = SIGNATURES[name]

    @functools.wraps(own)
    def call(*args, **named):
        if named or len(args) != len(signature.parameters):
            args = calls.bound(f"{layer}: {name}", signature, args, named).args
        return checked(*args)

    call.unchecked = own  # type: ignore[attr-defined]
    return call


def _check_fields(layer: Any, times: tuple[str, ...]) -> None:
    """Raise unless the fields are functions where functions are called, and the time is one of the three."""
    if not isinstance(layer.name, str):
        raise TypeError(f"Layer: name is {layer.name!r}, expected a string; give what reports call the layer")
    for name in (*FUNCTIONS, "start", "step", "check"):
        function = getattr(layer, name)
        if not callable(function) and (name in FUNCTIONS or function is not None):
            remedy = "write fn.Layer(init, forward, backward)" if name in FUNCTIONS else "None stands for none"
            raise TypeError(f"{layer.name}: {name} is {function!r}, expected a function; {remedy}")
        elif name in SIGNATURES and function is not None:
            _check_signature(function, name, layer.name)
    if layer.time not in times:
        *most, last = map(repr, times)
        raise ValueError(
            f"{layer.name}: time is {layer.time!r}, expected {', '.join(most)} or {last}; choose what the layer does "
            "with the axis of time"
        )


def _check_signature(function: Callable, name: str, layer: str) -> None:
    """Raise unless a function takes as many arguments by position as it is called with."""
    wanted = list(SIGNATURES[name].parameters)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in function without one
        return
    try:
        signature.bind(*wanted)
    except TypeError:
        raise TypeError(
            f"{layer}: {name} takes the arguments {signature}, expected ({', '.join(wanted)}); give it these"
        ) from None


def _check_context(context: Any, layer: str) -> None:
    if not all(hasattr(context, field) for field in ("key", "mask", "state")):
        raise TypeError(
            f"{layer}: context is of type {type(context).__name__}, expected a fnnets.Context; write fnnets.Context() "
            "for prediction, fnnets.Context(key) for training"
        )
    if context.key is not None:
        keys.is_key(context.key, f"{layer}: context.key")


def _check_output_shape(shape: Any, layer: str) -> None:
    """Raise unless a shape is a tuple of ints, or of tuples of ints where a layer gives several outputs."""
    is_shape = isinstance(shape, tuple | list) and all(
        isinstance(size, tuple | list | int | np.integer) and not isinstance(size, bool) for size in shape
    )
    if not is_shape:
        number = isinstance(shape, int | np.integer)
        remedy = f"return (params, ({shape},))" if number else "give the shape of one example's output"
        raise TypeError(f"{layer}: init returned the output_shape {shape!r}, expected a tuple of ints; {remedy}")


def _two(values: Any, layer: str, function: str, names: str) -> Any:
    """The values, if they are two; a gradient of two leaves is one value."""
    is_named = hasattr(values, "_fields")
    if isinstance(values, tuple | list) and len(values) == 2 and not is_named:
        return values
    is_one = is_named or not isinstance(values, tuple | list)
    kind = type(values).__name__
    came = f"one value of type {kind}" if is_one else f"a {kind} of length {len(values)}"
    came = f"one array of shape {values.shape}" if hasattr(values, "shape") else came
    raise TypeError(f"{layer}: {function} returned {came}, expected two, {names}; return both")


def check_walk(layer: Any, params: PyTree, trace: PyTree, d_y: PyTree) -> None:
    """Raise unless a trace is of the layer's kind, and the cotangent of the shape that its answer has, in floats."""
    if layer.trace is not None and not isinstance(trace, layer.trace):
        raise TypeError(
            f"{layer.name}: trace is of type {type(trace).__name__}, expected {layer.trace.__name__}, as this layer's "
            "forward gives it; take it from there, with the same implementation"
        )
    if layer.answer is None:
        return
    wanted = layer.answer(params, trace)
    if wanted is None:
        return
    letters = str(tuple("N" if size is None else size for size in wanted)).replace("'", "")
    if not hasattr(d_y, "shape") or not jnp.issubdtype(d_y.dtype, jnp.floating):
        came = f"has dtype {d_y.dtype}" if hasattr(d_y, "dtype") else f"is of type {type(d_y).__name__}"
        raise TypeError(
            f"{layer.name}: d_y {came}, expected an array of floats of shape {letters}; give the derivative by each "
            "number of the layer's answer"
        )
    same = len(d_y.shape) == len(wanted) and all(w in (None, size) for w, size in zip(wanted, d_y.shape, strict=True))
    if not same:
        raise ValueError(
            f"{layer.name}: d_y has shape {d_y.shape}, expected {letters}, as the layer's answer has; give the "
            "derivative by each of its numbers"
        )


def shape_of(part: str) -> Callable[[PyTree, PyTree], tuple[int, ...]]:
    """An `answer` of the shape that a part of the trace has.

    >>> from fnnets.layers.dense import DenseTrace
    >>> shape_of("z")((), DenseTrace(None, np.ones((4, 3))))
    (4, 3)
    """
    return lambda params, trace: getattr(trace, part).shape

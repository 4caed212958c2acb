"""Which check a thing asks for.

network                                    numbers are drawn           verify.network
(net, params, batch[, key])                                            verify.network
layer, (layer, shape)                      numbers are drawn           verify.layer
(layer, params, x[, context])              the cotangent is drawn      verify.layer
(f, reference, *args)                      f a `jax.custom_vjp`        verify.custom_vjp
(cost, gradient, params, *args)                                        verify.gradient
report                                                                 as it is
function, of nothing or of `key` or `seed`                             what it returns, which is one of these
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from fnnets import verify
from fnnets.command import generic
from fnnets.command.errors import Refusal, one_line, raised
from fnnets.core import Context, Layer, Network
from fnnets.verify import Report

KINDS = (
    "a network, a layer, (net, params, batch), (layer, params, x), (cost, gradient, params, *args), "
    "(custom_vjp, reference, *args), a report, or a function that returns one of these"
)


class Asked(NamedTuple):
    """What the command line says of the check.

    Attributes:
        shape: of one example, for a layer; () where it is not given.
        float64: whether float64 decides.
        is_repeated: whether several draws are asked for.
    """

    shape: tuple[int, ...] = ()
    float64: bool = True
    is_repeated: bool = False


def report(thing: Any, seed: int, asked: Asked) -> Report:
    """The report on `thing`, whatever it is, at the draw of `seed`.

    Raises:
        Refusal: a thing that no check takes, or arguments that its check refuses.

    >>> import fnnets as fn
    >>> report(fn.layers.dense(3), 0, Asked()).subject
    'layer dense, examples of shape (5,)'
    """
    is_drawn = False
    if callable(thing) and not isinstance(thing, jax.custom_vjp):
        thing, is_drawn = _called(thing, seed)
    if isinstance(thing, Network):
        return _network(thing, seed, asked)
    if isinstance(thing, Layer):
        return _layer(thing, asked.shape, seed, asked)
    if isinstance(thing, tuple | list) and len(thing) >= 2 and isinstance(thing[0], Layer):
        return _layer_with(thing, seed, asked)
    if asked.is_repeated and not is_drawn and isinstance(thing, Report | tuple | list):
        raise Refusal("--seeds asks for different draws, but TARGET holds its numbers; make it a function of `seed`")
    if isinstance(thing, Report):
        if not asked.float64:
            raise Refusal("--no-x64 comes too late for a finished report; give float64=False to what makes it")
        return thing
    return _tuple(thing, asked)


def _tuple(thing: Any, asked: Asked) -> Report:
    if isinstance(thing, jax.custom_vjp):
        raise Refusal("TARGET is a jax.custom_vjp alone, expected (f, reference, *args); return these from a function")
    if not isinstance(thing, tuple | list) or not thing:
        raise Refusal(f"TARGET is {_kind(thing)}, expected {KINDS}")
    first, rest = thing[0], thing[1:]
    if isinstance(first, Network):
        if len(rest) not in (2, 3):
            raise Refusal(f"TARGET is a network and {len(rest)} more, expected (net, params, batch) or with a key")
        return _door(verify.network, asked, *thing)
    if not (callable(first) and rest and callable(rest[0])):
        raise Refusal(f"TARGET is ({', '.join(map(_kind, thing))}), expected {KINDS}")
    if isinstance(first, jax.custom_vjp):
        if len(rest) < 2:
            raise Refusal("TARGET is (f, reference) without arguments, expected (f, reference, *args); return these")
        return _door(verify.custom_vjp, asked, *thing)
    if len(rest) < 2:
        raise Refusal(
            "TARGET is (cost, gradient) without parameters, expected (cost, gradient, params, *args); "
            "return these from a function"
        )
    return _door(verify.gradient, asked, *thing)


def _network(net: Network, seed: int, asked: Asked) -> Report:
    drawn = _guarded("drawing parameters and examples", generic.of_network, net, seed)
    return _door(verify.network, asked, net, *drawn)


def _layer(layer: Layer, shape: tuple[int, ...], seed: int, asked: Asked) -> Report:
    shape = shape or generic.guessed(layer)
    if min(shape) < 1:
        raise Refusal(f"--shape is {shape}, expected sizes of at least 1")
    drawn = _guarded(f"drawing parameters and examples of shape {shape}", generic.of_layer, layer, shape, seed)
    found = _door(verify.layer, asked, layer, *drawn)
    return dataclasses.replace(found, subject=f"{found.subject}, examples of shape {shape}")


def _layer_with(thing: Any, seed: int, asked: Asked) -> Report:
    layer, *rest = thing
    if len(rest) == 1 and isinstance(rest[0], tuple | list) and all(isinstance(size, int) for size in rest[0]):
        return _layer(layer, tuple(rest[0]) or asked.shape, seed, asked)
    if len(rest) not in (2, 3):
        raise Refusal(
            f"TARGET is a layer and {len(rest)} more, expected (layer, shape) or (layer, params, x[, context])"
        )
    params, x, context = (*rest, Context())[:3]
    return _door(verify.layer, asked, layer, params, x, context, jax.random.key(seed))


def _called(function: Callable[..., Any], seed: int) -> tuple[Any, bool]:
    """What a function returns, and whether it takes the seed."""
    name = getattr(function, "__name__", "TARGET")
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise Refusal(f"TARGET is {_kind(function)} of unknown arguments, expected {KINDS}") from None
    numbers = {"seed": seed, "key": jax.random.key(seed)}
    given = {
        each.name: numbers[each.name] for each in taken if each.name in numbers and each.kind is not each.VAR_KEYWORD
    }
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    lacking = [
        each.name
        for each in taken
        if each.default is each.empty and each.kind not in variable and each.name not in given
    ]
    if lacking:
        raise Refusal(
            f"{name} takes {', '.join(lacking)}, expected a function of nothing, or of `key` or `seed`; "
            f"write one that returns {KINDS.removesuffix(', or a function that returns one of these')}"
        )
    found = _guarded(f"calling {name}", function, **given)
    if callable(found) and not isinstance(found, jax.custom_vjp):
        raise Refusal(f"{name} returns {_kind(found)}, expected {KINDS}")
    return found, bool(given)


def _guarded(doing: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return function(*args, **named)
    except Refusal:
        raise
    except (Exception, SystemExit) as error:
        raise raised(doing, error) from error


def _door(check: Callable[..., Report], asked: Asked, *args: Any) -> Report:
    """A check's report; what it refuses, it says in one line of its own."""
    try:
        return check(*args, float64=asked.float64)
    except (TypeError, ValueError) as error:
        raise Refusal(one_line(str(error))) from error
    except (Exception, SystemExit) as error:
        raise raised("the check", error) from error


def _kind(thing: Any) -> str:
    """What a thing is, for a complaint."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if inspect.isroutine(thing):
        return f"the function {thing.__name__}"
    if thing is None or isinstance(thing, bool | int | float | str):
        return one_line(repr(thing))[:60]
    name = type(thing).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"

"""The check for a thing.

network                                    numbers are drawn           verify.network, of each pass
(net, params, batch[, key])                                            verify.network
layer, (layer, shape)                      numbers are drawn           verify.layer, of each pass
(layer, params, x[, context])              the cotangent is drawn      verify.layer
(f, reference, *args)                      f a `jax.custom_vjp`        verify.custom_vjp
(cost, gradient, params, *args)                                        verify.gradient
report                                                                 as it is
function, of nothing or of `key` or `seed`                             what it returns, which is one of these
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import jax

from fnnets import verify
from fnnets.activations import Activation, CoupledActivation
from fnnets.command import generic
from fnnets.command.files import UsageError, is_own, one_line, raised
from fnnets.core.types import Context, Layer, Network, Objective
from fnnets.verify import Report
from fnnets.verify.checks import left_out

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

T = TypeVar("T")
TRAINING, PREDICTION = "with the key of training", "without a key"
KINDS = (
    "a network, a layer, (net, params, batch), (layer, params, x), (cost, gradient, params, *args), "
    "(custom_vjp, reference, *args), a report, or a function that returns one of these"
)


class Request(NamedTuple):
    """Options of the check.

    Attributes:
        shape: of one example, for a layer; () where it is not given.
        x64: whether float64 decides.
        is_repeated: whether there are several draws.
    """

    shape: tuple[int, ...] = ()
    x64: bool = True
    is_repeated: bool = False


def report(thing: object, seed: int, request: Request) -> Report:
    """The report on `thing` at the draw of `seed`.

    Raises:
        UsageError: a thing that no check takes, or arguments that its check rejects.

    >>> import fnnets as fn
    >>> report(fn.layers.dense(3), 0, Request()).subject
    'layer dense, examples of shape (5,)'
    """
    is_drawn = False
    if callable(thing) and not isinstance(thing, jax.custom_vjp):
        thing, is_drawn = called(thing, seed)
    _check(thing, request)
    if isinstance(thing, Network):
        return _network(thing, seed, request)
    if isinstance(thing, Layer):
        return _layer(thing, request.shape, seed, request)
    if isinstance(thing, tuple | list) and len(thing) >= 2 and isinstance(thing[0], Layer):
        return _layer_with(thing[0], thing[1:], seed, request)
    if request.is_repeated and not is_drawn and isinstance(thing, Report | tuple | list):
        raise UsageError("--seeds means different draws, but TARGET holds its numbers; make it a function of `seed`")
    if isinstance(thing, Report):
        if not request.x64:
            raise UsageError("--no-x64 comes too late for a finished report; give x64=False to what makes it")
        return thing
    return _tuple(thing, request)


def _check(thing: object, request: Request) -> None:
    """Raise a UsageError for parts in another order, for what no check takes, and for a shape that nothing reads."""
    if isinstance(thing, Activation | CoupledActivation | Objective):
        made = "fnnets.verify.network" if isinstance(thing, Objective) else "fnnets.verify.activation"
        raise UsageError(f"TARGET is {_kind(thing)}, expected {KINDS}; return the report of {made} from a function")
    is_whole = isinstance(thing, Network | Layer) or not isinstance(thing, tuple | list)
    parts = (thing,) if is_whole else tuple(thing)  # type: ignore[arg-type]
    if any(isinstance(each, Network | Layer) for each in parts[1:]):
        shown = ", ".join(map(_kind, parts))
        raise UsageError(f"TARGET is ({shown}), expected the network or the layer first: (net, params, batch)")
    if request.shape and parts and isinstance(parts[0], Network | Report):
        raise UsageError(f"--shape is {request.shape}, but TARGET is {_kind(parts[0])}, expected a layer; leave it out")


def _tuple(thing: object, request: Request) -> Report:
    if isinstance(thing, jax.custom_vjp):
        raise UsageError(
            "TARGET is a jax.custom_vjp alone, expected (f, reference, *args); return these from a function"
        )
    if not isinstance(thing, tuple | list) or not thing:
        raise UsageError(f"TARGET is {_kind(thing)}, expected {KINDS}")
    first, rest = thing[0], thing[1:]
    if isinstance(first, Network):
        if len(rest) not in (2, 3):
            raise UsageError(f"TARGET is a network and {len(rest)} more, expected (net, params, batch) or with a key")
        params, batch, key = (*rest, None)[:3]
        return _checked(verify.network, request, first, params, batch, key=key)
    if not (callable(first) and rest and callable(rest[0])):
        raise UsageError(f"TARGET is ({', '.join(map(_kind, thing))}), expected {KINDS}")
    if isinstance(first, jax.custom_vjp):
        if len(rest) < 2:
            raise UsageError("TARGET is (f, reference) without arguments, expected (f, reference, *args); return these")
        return _checked(verify.custom_vjp, request, *thing)
    if len(rest) < 2:
        expected = "(cost, gradient, params, *args); return these from a function"
        raise UsageError(f"TARGET is (cost, gradient) without parameters, expected {expected}")
    return _checked(verify.gradient, request, *thing)


def _network(net: Network, seed: int, request: Request) -> Report:
    params, batch, key = _run("drawing parameters and examples", generic.of_network, net, seed)
    return _passes(lambda key: _checked(verify.network, request, net, params, batch, key=key), key)


def _passes(check: Callable[[Array | None], Report], key: Array | None) -> Report:
    """The report on the one pass of what draws nothing; else on those of training and of prediction.

    Of two it is the first that does not pass, or that of training, with a remark on the other.
    """
    if key is None:
        return check(None)
    names = TRAINING, PREDICTION
    reports = [check(each) for each in (key, None)]
    found = [
        dataclasses.replace(each, subject=f"{each.subject}, {name}") for each, name in zip(reports, names, strict=True)
    ]
    chosen = next((i for i, report in enumerate(found) if not report.ok), 0)
    remarks = [each for each in found[chosen].remarks if each != left_out.TRAINING]
    other = 1 - chosen
    remark = f"the other pass, {names[other]}: {found[other].verdict} ({len(found[other].rows)} rows)"
    return dataclasses.replace(found[chosen], remarks=(*remarks, remark))


def _layer(layer: Layer, shape: tuple[int, ...], seed: int, request: Request) -> Report:
    shape = shape or generic.guessed(layer, seed)
    if min(shape) < 1:
        raise UsageError(f"--shape is {shape}, expected sizes of at least 1")
    doing = f"drawing parameters and examples of shape {shape}"
    params, x, context, key = _run(doing, generic.of_layer, layer, shape, seed)

    def check(drawn):
        return _checked(verify.layer, request, layer, params, x, context._replace(key=drawn), key=key)

    found = _passes(check, context.key)
    return dataclasses.replace(found, subject=f"{found.subject}, examples of shape {shape}")


def _layer_with(layer: Layer, rest: Sequence[PyTree], seed: int, request: Request) -> Report:
    if len(rest) == 1 and isinstance(rest[0], tuple | list) and all(isinstance(size, int) for size in rest[0]):
        return _layer(layer, tuple(rest[0]) or request.shape, seed, request)
    if len(rest) not in (2, 3):
        expected = "(layer, shape) or (layer, params, x[, context])"
        raise UsageError(f"TARGET is a layer and {len(rest)} more, expected {expected}")
    params, x, context = (*rest, Context())[:3]
    return _checked(verify.layer, request, layer, params, x, context, key=jax.random.key(seed))


def called(function: Callable[..., object], seed: int) -> tuple[object, bool]:
    """A function's result, and whether it takes the seed."""
    name = getattr(function, "__name__", "TARGET")
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise UsageError(f"TARGET is {_kind(function)} of unknown arguments, expected {KINDS}") from None
    numbers = {"seed": seed, "key": jax.random.key(seed)}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = {each.name: numbers[each.name] for each in taken if each.name in numbers and each.kind != variable[1]}
    needed = [each.name for each in taken if each.default is each.empty and each.kind not in variable]
    lacking = [each for each in needed if each not in given]
    if lacking:
        raise UsageError(
            f"{name} takes {', '.join(lacking)}, expected a function of nothing, or of `key` or `seed`; "
            f"write one that returns {KINDS.removesuffix(', or a function that returns one of these')}"
        )
    found = _run(f"calling {name}", function, **given)
    if callable(found) and not isinstance(found, jax.custom_vjp):
        raise UsageError(f"{name} returns {_kind(found)}, expected {KINDS}")
    return found, bool(given)


def _run(doing: str, function: Callable[..., T], *args: object, **named: object) -> T:
    try:
        return function(*args, **named)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(doing, error) from error


def _checked(check: Callable[..., Report], request: Request, *args: object, **named: object) -> Report:
    """A check's report; its errors on bad arguments as usage errors of one line, others with their place."""
    try:
        return check(*args, **named, x64=request.x64)
    except (TypeError, ValueError) as error:
        raise UsageError(one_line(str(error))) if is_own(error) else raised("the check", error) from error
    except (Exception, SystemExit) as error:
        raise raised("the check", error) from error


def _kind(thing: object) -> str:
    """The kind of a thing, for a message."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if inspect.isroutine(thing):
        return f"the function {thing.__name__}"
    if thing is None or isinstance(thing, bool | int | float | str):
        return one_line(repr(thing))[:60]
    name = type(thing).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"

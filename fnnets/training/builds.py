"""Functions of one's own that build a network and an optimizer, and the check of what they take and give."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import optax

from fnnets.core import batches, validate
from fnnets.core.types import Network

if TYPE_CHECKING:
    from jaxtyping import PyTree

Build = Callable[..., tuple[Network, optax.GradientTransformation]]
UNKNOWN = (
    jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, jax.errors.TracerIntegerConversionError
)  # fmt: skip


def check_arguments(build: object, names: Sequence[str], user: str, source: str) -> None:
    """Raise unless `build` is a function of exactly the arguments of these names.

    Args:
        build: the function.
        names: the names.
        user: whose argument `build` is.
        source: where the names come from, as "candidates[3]"; "" where there are none.

    Raises:
        TypeError: it is no function, lacks an argument or has one too many.

    >>> check_arguments(lambda rate: rate, ["rates"], "search", "candidates[0]")
    Traceback (most recent call last):
    TypeError: search: build takes (rate), but candidates[0] give ('rates',), expected the same \
names; give each argument of build, and no others
    """
    remedy = "give a function of the hyperparameters that returns network, optimizer"
    validate.is_function(build, f"{user}: build", remedy)
    try:
        signature = inspect.signature(build)  # type: ignore[arg-type]
    except ValueError:  # a function that has no signature to read
        return
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError:
        if not source:
            raise TypeError(
                f"{user}: build takes {signature}, expected no arguments, as it is called without; "
                "write lambda: build(…) with their values"
            ) from None
        raise TypeError(
            f"{user}: build takes {signature}, but {source} give {tuple(names)}, expected the same names; "
            "give each argument of build, and no others"
        ) from None


def built(
    build: Build, arguments: Mapping[str, object], user: str, source: str, *, scaled: bool = False
) -> tuple[Network, optax.GradientTransformation]:
    """What `build` gives, checked to be a network and an optimizer; `scaled` refuses an RBM.

    Raises:
        TypeError, ValueError: it gives anything else. What it raises itself has a note that says where it was called.

    >>> import optax, fnnets as fn
    >>> built(lambda: fn.rbm(3, 2), {}, "cross_validate", "")
    Traceback (most recent call last):
    TypeError: cross_validate: build gives a network alone, expected two values; write return network, optax.adam(1e-3)
    """
    try:
        made: PyTree = build(**arguments)
    except Exception as error:
        error.add_note(f"{user}: raised by build of {source or 'no arguments'}")
        raise
    if isinstance(made, Network) or not isinstance(made, tuple | list) or len(made) != 2:
        came = "a network alone" if isinstance(made, Network) else f"{_shown(made)}"
        raise TypeError(f"{user}: build gives {came}, expected two values; write return network, optax.adam(1e-3)")
    net, optimizer = made
    for value, what, is_right in (
        (net, "an fnnets.Network", isinstance(net, Network)),
        (optimizer, "an optax transformation", hasattr(optimizer, "init") and hasattr(optimizer, "update")),
    ):
        if not is_right:
            raise TypeError(
                f"{user}: build gives {_shown(value)} in place of {what}, expected (network, optimizer); "
                "write return network, optax.adam(1e-3)"
            )
    if scaled and net.targets == batches.SAMPLES:
        raise ValueError(
            f"{user}: build gives an RBM, expected a network whose cost has a scale; "
            "compare log-likelihoods, fn.boltzmann"
        )
    return net, optimizer


def check_traced(call: Callable[..., object], *arguments: object, user: str) -> None:
    """Raise unless a function that calls `build` can be traced, with numbers whose values are not known.

    Raises:
        TypeError: it needs their values.
    """
    try:
        jax.eval_shape(call, *arguments)
    except UNKNOWN as error:
        first = str(error).split("\n")[0].rstrip(".")
        raise TypeError(
            f"{user}: build needs the values of its numbers ({first}), expected arithmetic alone, as all members are "
            "one program; keep them out of if, int, float and shapes, or train such members one by one with fit"
        ) from None


def _shown(value: object) -> str:
    text = repr(value)
    return f"a {type(value).__name__}" if "\n" in text or len(text) > 60 else f"{text} of type {type(value).__name__}"

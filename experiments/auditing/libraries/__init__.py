"""Calls into public libraries, each of which reaches a derivative rule of its own: what `audit` is run over.

A module of this package has one library's calls, at ordinary points; the library is imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LIBRARIES = (
    ("jax_nn", "jax"),
    ("jax_numpy", "jax"),
    ("jax_special", "jax"),
    ("jax_stats", "jax"),
    ("jax_linalg", "jax"),
    ("jax_solvers", "jax"),
    ("optax", "optax"),
    ("flax", "flax"),
    ("equinox", "equinox"),
    ("lineax", "lineax"),
    ("optimistix", "optimistix"),
    ("diffrax", "diffrax"),
    ("distrax", "distrax"),
    ("numpyro", "numpyro"),
    ("tfp_math", "tfp-nightly"),
    ("tfp_distributions", "tfp-nightly"),
    ("ott", "ott-jax"),
    ("jaxopt", "jaxopt"),
)
"""Each module of this package, and the distribution that its calls need."""


class Call(NamedTuple):
    """A function of a library by its public name, and arguments at which it is ordinary."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]


def named(place: str, module: object, points: Mapping[str, tuple[Any, ...]]) -> list[Call]:
    """A call of each function of a module at its point.

    >>> import math
    >>> [(call.name, call.args) for call in named("math", math, {"sin": (0.5,)})]
    [('math.sin', (0.5,))]
    """
    return [Call(f"{place}.{name}", getattr(module, name), args) for name, args in points.items()]


def methods(
    place: str, make: Callable[..., Any], params: tuple[Any, ...], points: Mapping[str, tuple[Any, ...]]
) -> list[Call]:
    """A call of each method of what `make` makes, as a function of the method's arguments and of the parameters.

    A name with a sign behind it, as "log_prob above", is the method before the blank, at another point.

    >>> [(call.name, call.function(*call.args)) for call in methods("float", float, (2.0,), {"__add__": (3.0,)})]
    [('float.__add__', 5.0)]
    """

    def function(name: str, count: int) -> Callable[..., Any]:
        def call(*args):
            return getattr(make(*args[count:]), name)(*args[:count])

        return call

    return [
        Call(f"{place}.{name}", function(name.partition(" ")[0], len(args)), (*args, *params))
        for name, args in points.items()
    ]

"""Names for quantities inside a forward pass, and for their gradients inside a hand-written backward pass.

    forward:   z = tap("z", x Wᵀ + b)
    backward:  δ = delta("z", d_a ⊙ σ'(z))                  the gradient of the cost by what was tapped as "z"

Both return what they are given and cost nothing: verification alone looks at them. It adds a zero to each tapped
value, takes the cost's derivative by that zero, and holds what `delta` marks against it, at every step of a scan; so
a fault is found at the equation in which it is, and not only in the parameters that it reaches.

| symbol | name in code | shape |
|---|---|---|
| z | `value` of `tap` | any |
| ∂C/∂z | `value` of `delta` | as z |

A layer taps its weighted inputs and states, and marks at least its δ. Names stay in the jaxpr, in scans as well, where
the verifier finds them; branches side by side are told apart by `scope`.

Source: the injection is that of flax's `perturb`; the names are those of `jax.ad_checkpoint.checkpoint_name`.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from jax.ad_checkpoint import checkpoint_name

from fnnets.core import calls, validate

if TYPE_CHECKING:
    from jaxtyping import Array

PREFIX, BETWEEN = "fnnets", "|"
_SCOPE: contextvars.ContextVar[str] = contextvars.ContextVar("scope", default="")


class Tag(NamedTuple):
    """The tag of a tap or a delta: its kind, "tap" or "delta", its name, its statement and its scale."""

    kind: str
    name: str
    statement: str
    scale: float


@calls.strict("tap")
def tap(name: str, value: Array, scale: float = 1.0) -> Array:
    """`value` as it is, named for verification.

    Args:
        name: what reports call it. The same name may come again, as in a loop: the n-th from the front belongs to the
            n-th `delta` from the back. Branches side by side need names of their own.
        value: an array of a floating dtype.
        scale: of what `value` holds: `value` = scale · quantity, where the code keeps the quantity scaled.

    Raises:
        TypeError, ValueError: a name that is no string, is empty, or has "|" in it; a value that is no array of floats;
            a scale that is no finite number, or 0.

    >>> import jax.numpy as jnp
    >>> tap("z", jnp.array([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    validate.number(scale, "tap: scale", "leave it out where the code keeps the quantity itself")
    if not 0 < abs(scale) < math.inf:
        raise ValueError(f"tap: scale is {scale}, expected a finite number other than 0; leave it out for 1")
    return checkpoint_name(_floating(value, "tap"), _encoded("tap", name, "", scale))


@calls.strict("delta")
def delta(name: str, value: Array, statement: str = "") -> Array:
    """`value` as it is, named as the gradient by what the forward pass tapped as `name`.

    Args:
        name: the name of the tap.
        value: ∂C/∂(tapped value), of the same shape.
        statement: number of the equation, for reports.

    Raises:
        TypeError, ValueError: a name or statement that is no string, or has "|" in it; a name that is empty; a value
            that is no array of floats.

    >>> import jax.numpy as jnp
    >>> delta("z", jnp.array([1.0, 2.0]), "2").tolist()
    [1.0, 2.0]
    """
    return checkpoint_name(_floating(value, "delta"), _encoded("delta", name, statement, 1.0))


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Names within begin with `name`, on both passes: for parts of one kind that are walked in any order.

    >>> with scope("ahead"):
    ...     print(_encoded("tap", "z", "", 1.0))
    fnnets|tap|ahead/z||1.0
    """
    token = _SCOPE.set(f"{_SCOPE.get()}{name}/")
    try:
        yield
    finally:
        _SCOPE.reset(token)


def decoded(text: str) -> Tag | None:
    """The tag that `tap` or `delta` made of its arguments, None for a name of other origin.

    >>> decoded("fnnets|delta|z|2|1.0")
    Tag(kind='delta', name='z', statement='2', scale=1.0)
    >>> decoded("my own checkpoint")
    """
    parts = text.split(BETWEEN)
    return Tag(parts[1], parts[2], parts[3], float(parts[4])) if parts[0] == PREFIX and len(parts) == 5 else None


def _floating(value: Array, kind: str) -> Array:
    """The value, which is a number or an array of floats: no other has a derivative."""
    dtype = getattr(value, "dtype", None)
    if isinstance(value, float) or (dtype is not None and validate.is_float(dtype)):
        return value
    came = f"of type {type(value).__name__}" if dtype is None else f"an array of dtype {dtype}"
    raise TypeError(f"{kind}: value is {came}, expected an array of floats; mark what has a derivative")


def _encoded(kind: str, name: str, statement: str, scale: float) -> str:
    for argument, text in (("name", name), ("statement", statement)):
        if not isinstance(text, str):
            raise TypeError(f"{kind}: {argument} is {text!r}, expected a string; write {kind}('z', …)")
        if not text and argument == "name":
            raise ValueError(f"{kind}: name is '', expected what reports call the quantity; write {kind}('z', …)")
        if BETWEEN in text:
            raise ValueError(f"{kind}: {argument} is {text!r}, expected no {BETWEEN!r} in it; leave it out")
    return BETWEEN.join((PREFIX, kind, _SCOPE.get() + name, statement, repr(float(scale))))

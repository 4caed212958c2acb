"""Programs with a backward pass by hand, right or with one fault, over the arrays of JAX or of PyTorch.

    right      backward = the vector-Jacobian product of forward
    fault      the same with one change; the arguments' values are those of right code
    second     right to first order, but backward takes its arguments as constants, so that its derivative is wrong

A family is a function of a draw and of a fault's name, "" for right code. It returns forward `(xp, *args) -> y`,
backward `(xp, d_y, *args) -> gradients` and the arguments by name. What is saved for the way back are the arguments
alone, so that the backward pass can be differentiated again in both frameworks.

| symbol | name in code | shape |
|---|---|---|
| N(0, 1), exact in float32 | `draw(*shape)` | shape |
| the gradient that enters | `d_y` | as y |
"""

from __future__ import annotations

import types
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.verify import delta, tap

SHARED = ("einsum", "exp", "log", "logaddexp", "ones_like", "roll", "sqrt", "stack", "tanh", "where", "zeros_like")
STOP = jax.lax.stop_gradient  # by its value, since chex puts another function under its name
Forward = Callable[..., Any]
Draw = Callable[..., np.ndarray]
Make = Callable[[Draw, str], tuple[Forward, Forward, dict[str, np.ndarray]]]


class Family(NamedTuple):
    """Right code, and its faults.

    Attributes:
        kind: the line of the table.
        name: what the code computes.
        make: `(draw, fault) -> (forward, backward, arguments)`.
        faults: each with the marks and arguments whose equation is wrong.
        right: right code at several kinds of values, "" for generic ones.
        is_smooth: whether second derivatives are there, and depend on the arguments.
    """

    kind: str
    name: str
    make: Make
    faults: Mapping[str, str]
    right: tuple[str, ...]
    is_smooth: bool


class Program(NamedTuple):
    """One program for every verifier.

    Attributes:
        kind: its family's.
        name: family and fault.
        role: "fault", "right", "second" or "smooth", which is right code for second derivatives.
        places: the marks and arguments whose equation is wrong.
        forward: `(xp, *args) -> y`.
        backward: `(xp, d_y, *args) -> gradients`.
        right: the backward pass without the fault.
        arguments: by name, float64.
    """

    kind: str
    name: str
    role: str
    places: tuple[str, ...]
    forward: Forward
    backward: Forward
    right: Forward
    arguments: dict[str, np.ndarray]


FAMILIES: list[Family] = []


def family(
    kind: str, name: str, faults: Mapping[str, str], right: tuple[str, ...] = ("",), is_smooth: bool = True
) -> Callable[[Make], Make]:
    """Add a family to the catalogue."""

    def add(make: Make) -> Make:
        FAMILIES.append(Family(kind, name, make, faults, right, is_smooth))
        return make

    return add


def programs(each: Family, seed: int) -> list[Program]:
    """A family's programs: its faults, its right code, and the same for second derivatives."""
    found = []
    for role, names in (("fault", tuple(each.faults)), ("right", each.right)):
        for name in names:
            forward, backward, arguments = each.make(drawing(each.name, seed), name)
            right = each.make(drawing(each.name, seed), "")[1]
            places = tuple(each.faults.get(name, "").split())
            title = f"{each.name}: {name}" if name else each.name
            found.append(Program(each.kind, title, role, places, forward, backward, right, arguments))
    if each.is_smooth:
        plain = next(program for program in found if program.role == "right")
        held = plain._replace(role="second", name=f"{plain.name}: arguments held", backward=holding(plain.backward))
        found += [held, plain._replace(role="smooth")]
    return found


def holding(backward: Forward) -> Forward:
    """The same backward pass with its arguments as constants."""
    return lambda xp, d_y, *args: backward(xp, d_y, *map(xp.stop, args))


def drawing(name: str, seed: int) -> Draw:
    """Standard normal numbers that float32 holds exactly; the same ones for the same name and seed.

    >>> bool((drawing("a", 0)(3) == drawing("a", 0)(3)).all())
    True
    """
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return lambda *shape: random.normal(size=shape).astype(np.float32).astype(np.float64)


def jax_arrays() -> Any:
    """What both frameworks have, in JAX's; marks are those of the verifier."""
    return types.SimpleNamespace(
        **{name: getattr(jnp, name) for name in SHARED},
        amax=lambda x, axis: jnp.max(x, axis, keepdims=True), concatenate=jnp.concatenate, sigmoid=jax.nn.sigmoid,
        pad=lambda x, by: jnp.pad(x, ((0, 0), (by, by), (by, by), (0, 0))), stop=STOP, tap=tap, delta=delta,
        like=lambda constant, x: jnp.asarray(constant, x.dtype), cast=lambda x, to: x.astype(to),
    )  # fmt: skip


def torch_arrays() -> Any:
    """The same in PyTorch's, which has no marks."""
    import torch

    plain = lambda name, value, *_: value  # noqa: E731
    return types.SimpleNamespace(
        **{name: getattr(torch, name) for name in SHARED},
        amax=lambda x, axis: torch.amax(x, axis, keepdim=True), concatenate=torch.cat, sigmoid=torch.sigmoid,
        pad=lambda x, by: torch.nn.functional.pad(x, (0, 0, by, by, by, by)), stop=lambda x: x.detach(),
        tap=plain, delta=plain, like=lambda constant, x: torch.as_tensor(constant, dtype=x.dtype),
        cast=lambda x, to: x.to(getattr(torch, to) if isinstance(to, str) else to),
    )  # fmt: skip


def unmarked(name: str, value: Any) -> Any:
    """`value` as it is, where the way back computes again what the way forward marked."""
    return value

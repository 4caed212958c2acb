"""Marked quantities of a traced function: found, read, moved and replaced.

    sites(jaxpr)                      every tap and delta in the order of execution, those inside scans with their axes
    evaluate(jaxpr, …, change)        the same function with `change(value, given)` at each site, and all values seen
    added:     value + given          zeros given: the cotangent of a zero is the true δ            (reference)
    replaced:  given                  the true δ in place of the explicit one                       (teacher-forcing)

Inside a scan what is given is one of the scan's `xs` and what is seen one of its `ys`, so every step has its own.

| symbol | name in code | shape |
|---|---|---|
| values at sites | `given`, `seen` | (scan lengths…, shape of the value) |

A site inside `while_loop`, `cond`, a custom derivative rule or another opaque primitive cannot be reached, which is
an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from fnnets.core import jaxprs, taps

if TYPE_CHECKING:
    from jax.tree_util import PyTreeDef
    from jaxtyping import Array, PyTree


class Site(NamedTuple):
    """One marked quantity: its tag, the lengths of the scans around it, and its own shape and dtype."""

    tag: taps.Tag
    lengths: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype


class Traced(NamedTuple):
    """A function as a jaxpr: `jaxpr.consts` and inner arrays included, `structure` that of its result."""

    closed: core.ClosedJaxpr
    structure: PyTreeDef
    sites: tuple[Site, ...]


def trace(function: Callable[..., PyTree], *args: PyTree) -> Traced:
    """`function(*args)` as a jaxpr, with its sites.

    Raises:
        ValueError: a site where none can be reached.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    return Traced(closed, jax.tree.structure(shapes), tuple(sites(closed.jaxpr)))


def run(
    traced: Traced, args: PyTree, given: Sequence[Array | None], change: Callable[..., Array]
) -> tuple[PyTree, list[Array]]:
    """The results of the traced function with `change` at its sites, and the values seen there before it.

    `given` has an entry for each site, None where nothing is to be changed.
    """
    flat = jax.tree.leaves(args)
    outs, seen = evaluate(jaxprs.opened(traced.closed), flat, given, change)
    return jax.tree.unflatten(traced.structure, outs), seen


def added(value: Array, given: Array | None) -> Array:
    """The value with something added, which leaves it as it is where that is zero."""
    return value if given is None else value + given


def replaced(value: Array, given: Array | None) -> Array:
    """What is given in place of the value."""
    return value if given is None else given


def sites(jaxpr: Any, lengths: tuple[int, ...] = ()) -> list[Site]:
    """All sites of a jaxpr, in the order of execution."""
    found: list[Site] = []
    for equation in jaxpr.eqns:
        tag = tag_of(equation)
        if tag is not None:
            value = equation.outvars[0].aval
            found.append(Site(tag, lengths, value.shape, value.dtype))
        elif _name(equation) == "scan":
            loop = jaxprs.loop(equation)
            found += sites(loop.body.jaxpr, (*lengths, loop.length))
        elif _name(equation) in jaxprs.INLINED:
            found += sites(jaxprs.inlined(equation).jaxpr, lengths)
        else:
            _refuse(equation)
    return found


def evaluate(
    program: jaxprs.Body, args: Sequence[Array], given: Sequence[Array | None], change: Callable[..., Array]
) -> tuple[list[Array], list[Array]]:
    """The results of a program and the values seen at its sites."""
    seen: list[Array] = []

    def at(equation, inputs):
        tag, inner = tag_of(equation), _sites_within(equation)
        if tag is not None:
            here = given[len(seen)]
            seen.append(inputs[0] / tag.scale if tag.scale != 1 else inputs[0])
            return [change(inputs[0], here if here is None else (tag.scale * here).astype(inputs[0].dtype))]
        if inner:
            part = given[len(seen) : len(seen) + len(inner)]
            step = _scan if _name(equation) == "scan" else _call
            outs, new = step(equation, inputs, part, change)
            seen.extend(new)
            return outs
        return jaxprs.bind(equation, inputs)

    return jaxprs.evaluate(program, args, at), seen


def _scan(equation, inputs, given, change) -> tuple[list[Array], list[Array]]:
    def step(program, args, here):
        return evaluate(program, args, here, change)

    return looped(equation, inputs, given, step)


def looped(
    equation: core.JaxprEqn, inputs: list[Array], given: PyTree, step: Callable[..., PyTree]
) -> tuple[list[Array], PyTree]:
    """What a scan gives if `step(program, args, given of this step)` returns (results, seen); seen is stacked."""
    loop = jaxprs.loop(equation)
    consts, carry, xs = _parted(inputs, loop.consts, loop.carries)

    def body(carry, slices):
        x, here = slices
        outs, seen = step(loop.body, [*consts, *carry, *x], here)
        return outs[: loop.carries], (outs[loop.carries :], seen)

    carry, (ys, seen) = lax.scan(body, carry, (xs, given), **loop.settings)
    return [*carry, *ys], seen


def _parted(inputs: list[Array], *sizes: int) -> tuple[list[Array], list[Array], list[Array]]:
    first, second = sizes[0], sizes[0] + sizes[1]
    return inputs[:first], inputs[first:second], inputs[second:]


def _call(equation, inputs, given, change) -> tuple[list[Array], list[Array]]:
    return evaluate(jaxprs.inlined(equation), inputs, given, change)


def _sites_within(equation) -> list[Site]:
    return sites(jaxprs.body(equation).jaxpr) if _name(equation) in ("scan", *jaxprs.INLINED) else []


def _name(equation) -> str:
    return equation.primitive.name


def tag_of(equation: core.JaxprEqn) -> taps.Tag | None:
    """The tag of an equation that is a site, None for all others."""
    if _name(equation) != "name":
        return None
    if "name" not in equation.params:
        raise jaxprs.unknown(equation, "a parameter name")
    return taps.decoded(equation.params["name"])


def _refuse(equation) -> None:
    """Raise where an opaque equation has a site within."""
    for inner in jaxprs.inner(equation):
        found = sites(inner)
        if found:
            raise ValueError(
                f"{found[0].tag.kind}({found[0].tag.name!r}, …) stands inside {_name(equation)}, expected it in plain "
                "code, jit or lax.scan, where its gradient can be followed; move it out"
            )


def narrows(jaxpr: Any) -> bool:
    """Whether a computation that was given float64 squeezes some of it through fewer digits on the way."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "convert_element_type":
            before, after = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
            if before == jnp.float64 and jnp.issubdtype(after, jnp.floating) and after != jnp.float64:
                return True
        if any(map(narrows, jaxprs.inner(equation))):
            return True
    return False

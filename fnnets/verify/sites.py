"""Where a traced function marks quantities, and how they are read, moved or replaced.

    sites(jaxpr)                      every tap and delta in the order of execution, those inside scans with their axes
    evaluate(jaxpr, …, change)        the same function with `change(value, given)` at each site, and all values seen
    added:     value + given          zeros given: the cotangent of a zero is the true δ            (oracle)
    replaced:  given                  the true δ in place of the explicit one                       (teacher-forcing)

Inside a scan what is given is one of the scan's `xs` and what is seen one of its `ys`, so every step has its own.

| symbol | name in code | shape |
|---|---|---|
| values at sites | `given`, `seen` | (scan lengths…, shape of the value) |

A site inside `while_loop`, `cond`, a custom derivative rule or another opaque primitive cannot be reached, which is
said and not passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.extend import core

from fnnets import taps
from fnnets.verify import precision

INLINED = ("jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "remat2")


class Site(NamedTuple):
    """One marked quantity: its tag, the lengths of the scans around it, and its own shape and dtype."""

    tag: taps.Tag
    lengths: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any


class Traced(NamedTuple):
    """A function as a jaxpr: `jaxpr.consts` and inner arrays included, `structure` that of its result."""

    closed: Any
    structure: Any
    sites: tuple[Site, ...]


def trace(function: Callable[..., Any], *args: Any) -> Traced:
    """`function(*args)` as a jaxpr, with its sites.

    Raises:
        ValueError: a site where none can be reached.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    return Traced(closed, jax.tree.structure(shapes), tuple(sites(closed.jaxpr)))


def run(traced: Traced, args: Any, given: list[Any], change: Callable[[Any, Any], Any]) -> tuple[Any, list[Any]]:
    """What the traced function returns with `change` at its sites, and the values seen there before it.

    `given` has an entry for each site, None where nothing is to be changed.
    """
    flat = jax.tree.leaves(args)
    outs, seen = evaluate(traced.closed.jaxpr, traced.closed.consts, flat, given, change)
    return jax.tree.unflatten(traced.structure, outs), seen


def added(value: Any, given: Any) -> Any:
    """The value with something added, which leaves it as it is where that is zero."""
    return value if given is None else value + given


def replaced(value: Any, given: Any) -> Any:
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
            found += sites(within(equation)[0], (*lengths, equation.params["length"]))
        elif _name(equation) in INLINED:
            found += sites(within(equation)[0], lengths)
        else:
            _refuse(equation)
    return found


def evaluate(jaxpr: Any, consts: Any, args: Any, given: list[Any], change: Callable) -> tuple[list[Any], list[Any]]:
    """The results of a jaxpr and the values seen at its sites."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    seen: list[Any] = []

    def read(atom):
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        tag, inner = tag_of(equation), _sites_within(equation)
        if tag is not None:
            here = given[len(seen)]
            outs = [change(inputs[0], here if here is None else (tag.scale * here).astype(inputs[0].dtype))]
            seen.append(inputs[0] / tag.scale if tag.scale != 1 else inputs[0])
        elif inner:
            part = given[len(seen) : len(seen) + len(inner)]
            step = _scan if _name(equation) == "scan" else _call
            outs, new = step(equation, inputs, part, change)
            seen += new
        else:
            outs = bound(equation, inputs)
        values.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars], seen


def bound(equation, inputs) -> list[Any]:
    """What one equation gives, as it is."""
    parameters = equation.primitive.get_bind_params(equation.params)
    subfunctions: tuple[Any, ...] = ()
    if isinstance(parameters, tuple):  # JAX before 0.9 gives functions apart
        subfunctions, parameters = parameters
    with equation.ctx.manager:
        outs = equation.primitive.bind(*subfunctions, *inputs, **parameters)
    return list(outs) if equation.primitive.multiple_results else [outs]


def _scan(equation, inputs, given, change) -> tuple[list[Any], list[Any]]:
    def step(jaxpr, consts, args, here):
        return evaluate(jaxpr, consts, args, here, change)

    return looped(equation, inputs, given, step)


def looped(equation: Any, inputs: list[Any], given: Any, step: Callable[..., Any]) -> tuple[list[Any], Any]:
    """What a scan gives if `step(jaxpr, consts, args, given of this step)` returns (results, seen); seen is stacked."""
    p = equation.params
    consts, carry = inputs[: p["num_consts"]], inputs[p["num_consts"] :][: p["num_carry"]]
    xs = inputs[p["num_consts"] + p["num_carry"] :]

    def body(carry, slices):
        x, here = slices
        outs, seen = step(*within(equation), [*consts, *carry, *x], here)
        return outs[: p["num_carry"]], (outs[p["num_carry"] :], seen)

    settings = {"length": p["length"], "reverse": p["reverse"], "unroll": p["unroll"]}
    carry, (ys, seen) = lax.scan(body, carry, (xs, given), **settings)
    return [*carry, *ys], seen


def _call(equation, inputs, given, change) -> tuple[list[Any], list[Any]]:
    return evaluate(*within(equation), inputs, given, change)


def within(equation: Any) -> tuple[Any, Any]:
    """The jaxpr that an equation runs, and its constants."""
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())


def _sites_within(equation) -> list[Site]:
    return sites(within(equation)[0]) if _name(equation) in ("scan", *INLINED) else []


def _name(equation) -> str:
    return equation.primitive.name


def tag_of(equation: Any) -> taps.Tag | None:
    """The tag of an equation that is a site, None for all others."""
    return taps.decoded(equation.params["name"]) if _name(equation) == "name" else None


def _refuse(equation) -> None:
    """Raise where an opaque equation has a site within."""
    for inner in precision.inner(equation):
        found = sites(inner)
        if found:
            raise ValueError(
                f"{found[0].tag.kind}({found[0].tag.name!r}, …) stands inside {_name(equation)}, expected it in plain "
                "code, jit or lax.scan, where its gradient can be followed; move it out"
            )

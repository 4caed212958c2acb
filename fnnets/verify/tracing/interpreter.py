"""Marked quantities of a traced function: found, read, moved and replaced.

    sites(jaxpr)                      every tap and delta in the order of execution, those inside scans with their axes
    evaluate(jaxpr, …, change)        the same function with `change(value, given)` at each site, and all values seen
    added:     value + given          zeros given: the cotangent of a zero is the true δ            (reference)
    replaced:  given                  the true δ in place of the explicit one                       (teacher-forcing)
    walk(jaxpr, …, is_site, change)   the same at equations of any kind

Inside a scan what is given is one of the scan's `xs` and what is seen one of its `ys`, so every step has its own.
Inside `cond` what is given goes to all branches, and what is seen in those that are not taken is zero.

| symbol | name in code | shape |
|---|---|---|
| values at sites | `given`, `seen` | (scan lengths…, shape of the value) |

A site inside `while_loop`, a custom derivative rule or another opaque primitive cannot be followed: nothing is compared
there, and `Traced.unfollowed` says so.
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

IsSite = Callable[[core.JaxprEqn], bool]
Change = Callable[[core.JaxprEqn, "list[Array]", Any], "tuple[list[Array], PyTree]"]
"""(equation, its inputs, what is given there) -> (its outputs, what is seen there)."""
Branch = tuple[int, int, int]
"""A branch of a `cond`: two numbers of the latter, the sites before it and its depth, and that of the branch."""


class Site(NamedTuple):
    """One marked quantity.

    Attributes:
        tag: what marks it.
        lengths: of the scans around it.
        shape, dtype: of the value at one step.
        branches: the branches around it.
        is_batched: whether it was traced inside `jax.vmap`, which may have put the batch's axis anywhere.
    """

    tag: taps.Tag
    lengths: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    branches: tuple[Branch, ...] = ()
    is_batched: bool = False


class Unfollowed(NamedTuple):
    """A tap or delta where it cannot be followed, and the primitive that it stands in; `str` of it is a sentence."""

    kind: str
    name: str
    primitive: str

    def __str__(self) -> str:
        return (
            f"{self.kind}({self.name!r}, …) stands inside {self.primitive}, where it is not followed: nothing is "
            "compared there; move it into plain code, jit, lax.scan or lax.cond"
        )


class Traced(NamedTuple):
    """A function as a jaxpr: `jaxpr.consts` and inner arrays included, `structure` that of its result."""

    closed: core.ClosedJaxpr
    structure: PyTreeDef
    sites: tuple[Site, ...]
    unfollowed: tuple[Unfollowed, ...] = ()


def trace(function: Callable[..., PyTree], *args: PyTree) -> Traced:
    """`function(*args)` as a jaxpr, with its sites."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    found = tuple(sites(closed.jaxpr)), tuple(dict.fromkeys(unfollowed(closed.jaxpr)))
    return Traced(closed, jax.tree.structure(shapes), *found)


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


def sites(jaxpr: Any) -> list[Site]:
    """All sites of a jaxpr that can be followed, in the order of execution."""
    found: list[Site] = []
    _find(jaxpr, (), (), found)
    return found


def _find(jaxpr: Any, lengths: tuple[int, ...], branches: tuple[Branch, ...], found: list[Site]) -> None:
    for equation in jaxpr.eqns:
        tag, name = tag_of(equation), _name(equation)
        if tag is not None:
            value, is_batched = equation.outvars[0].aval, "vmap" in str(equation.source_info.name_stack)
            found.append(Site(tag, lengths, value.shape, value.dtype, branches, is_batched))
        elif name == "scan":
            loop = jaxprs.loop(equation)
            _find(loop.body.jaxpr, (*lengths, loop.length), branches, found)
        elif name in jaxprs.INLINED:
            _find(jaxprs.inlined(equation).jaxpr, lengths, branches, found)
        elif name == "cond":
            start = len(found)
            for i, branch in enumerate(bodies(equation)):
                _find(branch.jaxpr, lengths, (*branches, (start, len(branches), i)), found)


def unfollowed(jaxpr: Any) -> list[Unfollowed]:
    """All taps and deltas of a jaxpr that cannot be followed."""
    found: list[Unfollowed] = []
    for equation in jaxpr.eqns:
        if is_followed(equation):
            for each in bodies(equation):
                found += unfollowed(each.jaxpr)
            continue
        tags = [tag_of(each) for inner in jaxprs.inner(equation) for each in jaxprs.equations(inner)]
        found += [Unfollowed(tag.kind, tag.name, _name(equation)) for tag in tags if tag is not None]
    return found


def is_followed(equation: core.JaxprEqn) -> bool:
    """Whether what stands in the bodies of an equation can be reached."""
    return _name(equation) in ("scan", "cond", *jaxprs.INLINED)


def bodies(equation: core.JaxprEqn) -> list[jaxprs.Body]:
    """The bodies of an equation that is followed, one for each branch of a `cond`."""
    if _name(equation) == "cond":
        if "branches" not in equation.params:
            raise jaxprs.unknown(equation, "a parameter branches")
        return [jaxprs.opened(each) for each in equation.params["branches"]]
    return [jaxprs.body(equation)]


def evaluate(
    program: jaxprs.Body, args: Sequence[Array], given: Sequence[Array | None], change: Callable[..., Array]
) -> tuple[list[Array], list[Array]]:
    """The results of a program and the values seen at its sites."""

    def at(equation, inputs, here):
        tag, value = tag_of(equation), inputs[0]
        assert tag is not None
        seen = value / tag.scale if tag.scale != 1 else value
        return [change(value, here if here is None else (tag.scale * here).astype(value.dtype))], seen

    return walk(program, args, given, lambda equation: tag_of(equation) is not None, at)


def walk(
    program: jaxprs.Body, args: Sequence[Array], given: Sequence[PyTree], is_site: IsSite, change: Change
) -> tuple[list[Array], list[PyTree]]:
    """The results of a program with `change` at each equation that is a site, and what is seen there."""
    seen: list[PyTree] = []

    def at(equation, inputs):
        if is_site(equation):
            outs, here = change(equation, inputs, given[len(seen)])
            seen.append(here)
            return outs
        counts = [count(each.jaxpr, is_site) for each in bodies(equation)] if is_followed(equation) else []
        if sum(counts) == 0:
            return jaxprs.bind(equation, inputs)
        part = given[len(seen) : len(seen) + sum(counts)]
        outs, new = _within(
            equation, inputs, part, counts, lambda program, args, here: walk(program, args, here, is_site, change)
        )
        seen.extend(new)
        return outs

    return jaxprs.evaluate(program, args, at), seen


def count(jaxpr: Any, is_site: IsSite) -> int:
    """How many sites of a kind a jaxpr has."""
    found = 0
    for equation in jaxpr.eqns:
        if is_site(equation):
            found += 1
        elif is_followed(equation):
            found += sum(count(each.jaxpr, is_site) for each in bodies(equation))
    return found


def _within(equation, inputs, given, counts, step) -> tuple[list[Array], list[PyTree]]:
    """`step(body, args, given)` in place of an equation that is followed."""
    if _name(equation) == "scan":
        return looped(equation, inputs, given, step)
    if _name(equation) == "cond":
        return branched(equation, inputs, given, counts, step)
    return step(jaxprs.inlined(equation), inputs, given)


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


def branched(equation, inputs, given, counts, step) -> tuple[list[Array], list[PyTree]]:
    """What a `cond` gives, and what is seen in all its branches: zeros in those that are not taken."""
    index, *inputs = inputs
    parts, start = [], 0
    for size in counts:
        parts.append(given[start : start + size])
        start += size
    own = [
        lambda inputs, parts, body=body, i=i: step(body, inputs, parts[i]) for i, body in enumerate(bodies(equation))
    ]
    shapes = [jax.eval_shape(each, inputs, parts)[1] for each in own]

    def branch(i, inputs, parts):
        outs, seen = own[i](inputs, parts)
        zeros = [jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), each) for each in shapes]
        return list(outs), [each for n, part in enumerate(zeros) for each in (seen if n == i else part)]

    branches = [lambda inputs, parts, i=i: branch(i, inputs, parts) for i in range(len(own))]
    return lax.switch(index, branches, inputs, parts)


def _parted(inputs: list[Array], *sizes: int) -> tuple[list[Array], list[Array], list[Array]]:
    first, second = sizes[0], sizes[0] + sizes[1]
    return inputs[:first], inputs[first:second], inputs[second:]


def _name(equation) -> str:
    return equation.primitive.name


def tag_of(equation: core.JaxprEqn) -> taps.Tag | None:
    """The tag of an equation that is a site, None for all others."""
    if _name(equation) != "name":
        return None
    if "name" not in equation.params:
        raise jaxprs.unknown(equation, "a parameter name")
    return taps.decoded(equation.params["name"])


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

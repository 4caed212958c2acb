"""Derivatives that are left out, or replaced, on purpose: declared by a place in the program and a factor.

    at a place     x → y of one shape: the value stays y, the derivative is factor · identity
    {"z": 0.0}               nothing flows back through what is tapped as z
    {"stop_gradient": 0.0}   nor through any `jax.lax.stop_gradient` of the function
    {"round": 1.0}           straight through: a primitive, or a function with a rule of its own, by name
    {"reverse": -1.0}        a gradient that is reversed

    differentiated     y₀ + factor · (x − x₀), x₀ and y₀ without a derivative: for automatic differentiation
    held               the same with x₀ and y₀ of one point: for central differences around it

At a tap the mark stands behind the declaration: its δ is what arrives, and factor · δ goes on. Where JAX itself stops a
gradient, as in `logsumexp`, nothing is declared. Places inside `while_loop` and inside rules are not followed.

| symbol | name in code | shape |
|---|---|---|
| factor | `declared.taps`, `.functions`, `.primitives`, by name | () |
| x₀, y₀ | `seen`, at each place | (scan lengths…, shape of x) |
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from fnnets.core import jaxprs, validate
from fnnets.verify.tracing import compiled, interpreter, places, rules
from fnnets.verify.tracing.interpreter import Traced

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

LISTED = 4
NAMED = (*places.STEPPING, places.STOPPED)
"""Primitives that messages list; a function of JAX that uses one of them is no such place."""


class Declared(NamedTuple):
    """Factors by name: of taps, of functions with rules of their own, of primitives."""

    taps: Mapping[str, float] = {}
    functions: Mapping[str, float] = {}
    primitives: Mapping[str, float] = {}

    def factor(self, equation: core.JaxprEqn) -> float | None:
        """The factor that is declared for an equation, None for most."""
        tag = interpreter.tag_of(equation)
        if tag is not None:
            return self.taps.get(tag.name) if tag.kind == "tap" else None
        if self.functions:
            rule = rules.of(equation)
            if rule is not None and rule.name in self.functions:
                return self.functions[rule.name]
        return self.primitives.get(equation.primitive.name) if _may_be_named(equation) else None


def parse(expects: object, forward: Traced, where: str) -> Declared:
    """What a user declares, held against the program.

    Args:
        expects: a mapping from names of places to factors, or None.
        forward: the traced function.
        where: what messages call the argument.

    Raises:
        TypeError: no mapping, a name that is no string, a factor that is no number.
        ValueError: a name that matches nothing, a factor that is not finite, a place whose value has another shape than
            what enters it.
    """
    if expects is None:
        return Declared()
    if not isinstance(expects, Mapping):
        raise TypeError(
            f"{where} is {validate.shown(expects)}, expected a mapping from places to factors; write "
            "{'stop_gradient': 0.0}, or the name of a tap"
        )
    found = Declared({}, {}, {})
    for name, factor in expects.items():
        validate.text(name, f"{where}: a place", "name a tap, a primitive, or a function with a rule of its own")
        validate.number(factor, f"{where}[{name!r}]", "give 0 for a stop, 1 for straight through")
        if not math.isfinite(factor):
            raise ValueError(f"{where}[{name!r}] is {factor}, expected a finite number; give 0 for a stop")
        _kind(name, forward, found, where)[name] = float(factor)
    for equation in _equations(jaxprs.opened(forward.closed).jaxpr):
        given = found.factor(equation)
        if given is not None:
            _check_shapes(equation, given, where)
    return found


def differentiated(terms: Callable[..., Array], declared: Declared) -> Callable[..., Array]:
    """The function with the same values, and the derivative that is declared at each place."""
    if not any(declared):
        return terms

    def declared_terms(*args):
        def change(equation, inputs, _):
            x, y = _entering(equation, inputs, declared)
            return _leaving(equation, declared, x, y, *lax.stop_gradient((x, y))), None

        return _walked(interpreter.trace(terms, *args), args, declared, None, change)[0]

    return declared_terms


def held(terms: Callable[..., Array], declared: Declared) -> Callable[..., Callable[..., Array]]:
    """`(*point) -> terms`: the function whose places keep the values of that point but for factor times the change."""

    def around(*point):
        def seen_at(*args):
            def change(equation, inputs, _):
                x, y = _entering(equation, inputs, declared)
                return _leaving(equation, declared, x, y, x, y), (x, y)

            return _walked(interpreter.trace(terms, *args), args, declared, None, change)[1]

        is_traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(point))
        with compiled.keeping({}):  # the name does not tell one function from another
            seen = seen_at(*point) if is_traced else compiled.call("held", seen_at, *point)

        def held_terms(*args):
            def change(equation, inputs, here):
                return _leaving(equation, declared, *_entering(equation, inputs, declared), *here), None

            return _walked(interpreter.trace(terms, *args), args, declared, seen, change)[0]

        return held_terms

    return around


def suggestion(forward: Traced, expects: Sequence[str] = ()) -> str:
    """The places of a program that could be declared beside `expects`, in a sentence; "" where there are none."""
    found: dict[str, str] = {}
    for equation, line in _lined(jaxprs.opened(forward.closed).jaxpr):
        name, rule = equation.primitive.name, rules.own(equation)
        if name in expects or (rule is not None and rule.name in expects):
            continue
        # what is declared is traced again, from the equations and not from their lines
        at = f" at line {line.number} of {Path(line.file).name}" if line and not expects else ""
        if rule is not None:
            found.setdefault(rule.name, f"{rule}: expects={{{rule.name!r}: 0.0}}, or another factor, declares it")
        elif name in NAMED and _may_be_named(equation):
            factor = 0.0 if name == places.STOPPED else 1.0
            found.setdefault(name, f"{name}{at}: expects={{{name!r}: {factor}}} declares it")
    # what stops or replaces a derivative comes before what merely could
    ordered = sorted(found, key=lambda name: name in places.STEPPING)
    return "; ".join(found[name] for name in ordered[:LISTED])


def _walked(
    traced: Traced, args: PyTree, declared: Declared, given: list[PyTree] | None, change: interpreter.Change
) -> tuple[PyTree, list[PyTree]]:
    """The result of a traced function with `change` at each declared place, and what is seen there."""
    program = jaxprs.opened(traced.closed)

    def is_place(equation):
        return declared.factor(equation) is not None

    given = [None] * interpreter.count(program.jaxpr, is_place) if given is None else given
    outs, seen = interpreter.walk(program, jax.tree.leaves(args), given, is_place, change)
    return jax.tree.unflatten(traced.structure, outs), seen


def _entering(equation: core.JaxprEqn, inputs: list[Array], declared: Declared) -> tuple[Array | None, list[Array]]:
    """x and y of a place, y without a derivative; x is None where the factor is 0, y is x at a tap."""
    if interpreter.tag_of(equation) is not None:
        return inputs[0], [inputs[0]]
    outs = jaxprs.bind(equation, [lax.stop_gradient(each) if _is_float(each) else each for each in inputs])
    position = _position(equation) if declared.factor(equation) else None
    return None if position is None else inputs[position], outs


def _leaving(
    equation: core.JaxprEqn,
    declared: Declared,
    x: Array | None,
    y: list[Array],
    x0: Array | None,
    y0: list[Array],
) -> list[Array]:
    """What a place gives: y₀ + factor · (x − x₀); the mark of a tap stands behind it."""
    factor = declared.factor(equation)
    outs = y0 if not factor or x is None or x0 is None else [y0[0] + factor * (x - x0)]
    return jaxprs.bind(equation, outs) if interpreter.tag_of(equation) is not None else list(outs)


def _kind(name: str, forward: Traced, found: Declared, where: str) -> dict[str, float]:
    """The dictionary that a name belongs to: of taps first, then of functions, then of primitives."""
    equations = list(_equations(jaxprs.opened(forward.closed).jaxpr))
    taps = [tag.name for tag in map(interpreter.tag_of, equations) if tag is not None and tag.kind == "tap"]
    functions = [rule.name for rule in map(rules.of, equations) if rule is not None]
    primitives = [equation.primitive.name for equation in equations if _may_be_named(equation)]
    named = zip((taps, functions, primitives), found, strict=True)
    for names, part in named:
        if name in names:
            return part  # type: ignore[return-value]
    own = [rule.name for rule in map(rules.own, equations) if rule is not None]
    listed = list(dict.fromkeys([*taps, *own, *(each for each in primitives if each in NAMED)]))
    near = difflib.get_close_matches(name, listed, 1)
    expected = f"expected one of {', '.join(map(repr, listed))}" if listed else "expected a place that it has"
    remedy = f"write {near[0]!r}" if near else "name the value with fnnets.verify.tap, and declare it by that name"
    raise ValueError(
        f"{where}[{name!r}] matches nothing in the function{_unreached(name, forward)}, {expected}; {remedy}"
    )


def _unreached(name: str, forward: Traced) -> str:
    """Why a place of a name that the program has is not reached, "" where it has none."""
    for each in forward.unfollowed:
        if each.name == name:
            return f" that can be followed, but stands inside {each.primitive}"
    everywhere = [each.primitive.name for each in jaxprs.equations(jaxprs.opened(forward.closed).jaxpr)]
    return (
        " that can be declared, for it has no input like its output, or stands inside a loop, a rule or JAX's functions"
        if name in everywhere
        else ""
    )


def _equations(jaxpr: core.Jaxpr) -> list[core.JaxprEqn]:
    """All equations that can be followed; an equation with a rule stands for its body."""
    return [equation for equation, _ in _lined(jaxpr)]


def _lined(jaxpr: core.Jaxpr, outer: jaxprs.Line | None = None) -> list[tuple[core.JaxprEqn, jaxprs.Line | None]]:
    """The same, and the line of each: the outer one within JAX's own functions."""
    found: list[tuple[core.JaxprEqn, jaxprs.Line | None]] = []
    for equation in jaxpr.eqns:
        line = places.line(equation) or outer
        if interpreter.is_followed(equation):
            for each in interpreter.bodies(equation):
                found += _lined(each.jaxpr, line)
        else:
            found.append((equation, line))
    return found


def _may_be_named(equation: core.JaxprEqn) -> bool:
    """Whether an equation is called by its primitive: an elementwise one of floats, a stop that is the user's own."""
    if equation.primitive.name in NAMED and not places.is_own(equation):
        return False
    is_plain = equation.primitive.name != "name" and rules.of(equation) is None and not jaxprs.inner(equation)
    return is_plain and len(equation.outvars) == 1 and _position(equation) is not None


def _position(equation: core.JaxprEqn) -> int | None:
    """Which input of a place is x: the one of y's shape and dtype, of a rule's the first of them; None without any."""
    if len(equation.outvars) != 1 or not _is_float(equation.outvars[0].aval):
        return None
    found = [
        i
        for i, atom in enumerate(equation.invars)
        if not jaxprs.is_literal(atom) and _type(atom) == _type(equation.outvars[0])
    ]
    if rules.of(equation) is not None:
        found = [i for i in found if i >= equation.params.get("num_consts", 0)][:1]
    return found[0] if len(found) == 1 else None


def _check_shapes(equation: core.JaxprEqn, factor: float, where: str) -> None:
    """Raise a ValueError where a factor other than 0 is declared for a place that has no x of y's shape."""
    if factor == 0 or _position(equation) is not None:
        return
    rule, line = rules.of(equation), places.shown(places.line(equation))
    name, at = equation.primitive.name if rule is None else rule.name, f" at {line}" if line else ""
    came, out = (", ".join(str(_type(each)[0]) for each in side) for side in (equation.invars, equation.outvars))
    raise ValueError(
        f"{where}[{name!r}] is {factor}, but it makes {out} of {came}{at}, expected one value of the "
        "shape of what enters; declare 0.0, or tap a value of that shape"
    )


def _type(atom: jaxprs.Atom) -> tuple[tuple[int, ...], object]:
    return atom.aval.shape, atom.aval.dtype


def _is_float(x: object) -> bool:
    return jnp.issubdtype(x.dtype if hasattr(x, "dtype") else jnp.result_type(x), jnp.floating)

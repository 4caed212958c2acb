"""A function with a derivative of its own, a `jax.custom_vjp` or a kernel, against a plain one that computes the same.

    values:     f(*args)               against  reference(*args)              a property, since no derivative shows it
                f's own forward rule   against  f(*args)                      likewise
    explicit:   vjp(f, *args)(d_y)     against  vjp(reference, *args)(d_y)        for a random d_y, of no symmetry
    differences: central ones of Σ reference(*args) ⊙ d_y
    second:     the derivative of vjp(f, *args)(d_y) against that of the reference: reported, and no condition

A complex output is its real and its imaginary part, so that d_y is a complex cotangent in JAX's convention: with
d_y = c + di, what is differentiated is Σ c·Re y + d·Im y. `verify.tap` in the reference and `verify.delta` in the
backward pass of f mark quantities, as in `verify.gradient`.

| symbol | name in code | shape |
|---|---|---|
| d_y | drawn from N(0, 1), for every floating output | as y |
| ∂/∂args | rows "x", … of the floating arguments, by the names that f or the reference has | as the arguments |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import calls, validate
from fnnets.verify.checks import ended
from fnnets.verify.checks.case import Case
from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import departures, properties
from fnnets.verify.reference import arguments, cotangents, partition, signatures
from fnnets.verify.reference.expected import declaring
from fnnets.verify.reference.partition import Parts
from fnnets.verify.reference.settings import allowing
from fnnets.verify.reference.subject import Subject, largest, size
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import compiled, precision, rules

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

REMEDIES = {
    "f": "give the function with the derivative of its own, a jax.custom_vjp",
    "reference": "give a plain function of the same values, such as the one that jax.custom_vjp decorates",
}
SECOND, MANY = 1e-4, 1 << 16
"""The relative departure of second derivatives that is reported, and the numbers above which they are left out."""
NOTHING = "args hold no floating arrays, expected at least one to differentiate by; give the inputs of f as arrays"


@calls.strict("custom_vjp")
def custom_vjp(
    f: Callable[..., PyTree],
    reference: Callable[..., PyTree],
    *args: PyTree,
    argnums: int | Sequence[int] | None = None,
    expects: Mapping[str, float] | None = None,
    x64: bool = True,
) -> Report:
    """Check a function with a hand-written derivative against one that JAX differentiates.

    Args:
        f: a `jax.custom_vjp` function, or one that calls such functions, such as a kernel.
        reference: `(*args) -> y` of the same values; for a `custom_vjp` mostly its undecorated primal. Outputs may be
            complex.
        args: at least one of them an array, or a pytree, of floating numbers; those are differentiated by.
        argnums: the arguments to differentiate by, counted as by `jax.grad`. None for all that have floating numbers,
            but for those for which f's backward rule returns None; a remark of the report names them.
        x64: let float64 decide; False judges by the rounding of the arguments' own precision.
        expects: what f leaves out on purpose, by its place in `reference`, as in `verify.gradient`.

    Raises:
        TypeError, ValueError: something that is no function, a function without any derivative rule of its own, no
            floating argument, complex arguments, arguments or outputs that are not finite, outputs of another
            structure, shape or dtype, a function that JAX cannot trace.
        Exception: whatever the two functions raise themselves, their line first.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> plain = lambda x: jnp.log1p(jnp.exp(x))
    >>> softplus = jax.custom_vjp(plain)
    >>> softplus.defvjp(lambda x: (plain(x), x), lambda x, d_y: (d_y * jax.nn.sigmoid(x),))
    >>> fn.verify.custom_vjp(softplus, plain, jnp.array([-1.0, 0.5, 2.0])).ok
    True
    """
    arguments.functions("verify.custom_vjp", REMEDIES, f=f, reference=reference)
    validate.flag(x64, "verify.custom_vjp: x64", arguments.DECIDES)
    if reference is f:
        raise ValueError(f"verify.custom_vjp: reference is f, expected another function; {REMEDIES['reference']}")
    if isinstance(f, jax.custom_vjp) and (f.fwd is None or f.bwd is None):
        raise TypeError("f is a jax.custom_vjp without rules, expected both; call f.defvjp(forward, backward) before")
    with precision.pinned():
        parts, remarks = _parts(f, reference, args, argnums)
        outputs = _outputs(f, reference, parts)
        _check_rule(f, lambda held: f(*parts.rebuild(*held)), (parts.leaves, parts.held))
        d_y = [properties.drawn(y, i + 1) for i, y in enumerate(jax.eval_shape(_real, outputs))]
        inputs = parts.leaves, (parts.held, d_y)
        subject, pull = _subject(f, reference, parts)
        subject = declaring(subject, expects, "verify.custom_vjp: expects", inputs)
        arguments.traced(subject.explicit, "the derivative of f", *inputs)
        arguments.repeatable(subject.explicit, "the derivative of f", *inputs)
        with allowing():
            return _reported((subject, pull), (f, reference), parts, inputs, remarks, x64)


def _reported(
    compared: tuple[Subject, Callable[..., PyTree]],
    functions: tuple[Callable[..., PyTree], Callable[..., PyTree]],
    parts: Parts,
    inputs: tuple[PyTree, PyTree],
    remarks: tuple[str, ...],
    x64: bool,
) -> Report:
    (subject, pull), (f, reference) = compared, functions
    tests = (
        properties.same_values(_terms(f, parts), subject.terms), _forward_rule(f, parts),
        properties.linear((subject._replace(pull=pull),)), properties.hygiene(subject, is_eager=False),
    )  # fmt: skip
    case = Case(
        "custom_vjp", (subject,), lambda inputs: [inputs], inputs, "reference", tests,
        annotate.Setting(names=parts.held_where), remarks=remarks,
    )  # fmt: skip
    differentiated = {"reference": jax.grad(lambda at, rest: jnp.sum(subject.terms(at, rest))), "f": subject.explicit}
    report = ended.run(case, x64, differentiated)
    row = _second_order(_of_one(f, parts), _of_one(reference, parts), inputs, x64) if report.ok else None
    return report if row is None else dataclasses.replace(report, properties=(*report.properties, row))


def _subject(
    f: Callable[..., PyTree], reference: Callable[..., PyTree], parts: Parts
) -> tuple[Subject, Callable[..., PyTree]]:
    """What is compared, and `(at, rest) -> (cotangent -> ∂/∂θ)` of f, which the subject has for itself."""
    where = tuple(f"gradient {name}" for name in parts.where)

    def pull(at, rest):
        back = jax.vjp(lambda at: _real(f(*parts.rebuild(at, rest[0]))), at)[1]
        return lambda d_y: back(d_y)[0]

    return Subject(
        "gradient", where, ("",) * len(where), _terms(reference, parts), lambda at, rest: pull(at, rest)(rest[1]),
        scale=lambda at, rest: largest(rest[1]),
    ), pull  # fmt: skip


def _terms(function: Callable[..., PyTree], parts: Parts) -> Callable[..., Array]:
    """`(θ, (held, d_y)) -> y ⊙ d_y`, all outputs in one vector."""

    def terms(at, rest):
        held, d_y = rest
        pairs = zip(_real(function(*parts.rebuild(at, held))), d_y, strict=True)
        return jnp.concatenate([(y * d).ravel() for y, d in pairs])

    return terms


def _parts(
    f: Callable[..., PyTree], reference: Callable[..., PyTree], args: tuple[PyTree, ...], argnums: object
) -> tuple[Parts, tuple[str, ...]]:
    """The arguments that are differentiated by and those that are held, and sentences on what is not compared."""
    others = [f"args[{i}]" for i in range(len(args))]
    # the name of an only argument tells it from none
    names = signatures.names([reference, f], others) if len(args) > 1 else others
    if argnums is not None:
        parts = partition.parted(args, argnums, names, "verify.custom_vjp")
        return parts, parts.remarks()
    chosen = tuple(i for i, each in enumerate(args) if any(map(_has_derivative, jax.tree.leaves(each))))
    if not chosen:
        raise ValueError(NOTHING)
    arrays, rebuild = arguments.separate(args)
    absent = cotangents.absent(f, rebuild, arrays, names)
    every = partition.parted(args, chosen, names, "verify.custom_vjp")
    parts = partition.parted(
        args, chosen, names, "verify.custom_vjp", lambda where: cotangents.is_within(where, absent)
    )
    left = [where for where in every.where if where not in parts.where]
    if not parts.leaves:
        raise ValueError(
            f"f returns no cotangent, None, for {', '.join(left)}, expected one for at least one floating argument; "
            "return its cotangent, or name what is to be compared by argnums"
        )
    sentence = (
        f"the backward rule of f returns None for {', '.join(left)}, which declares it as not differentiated: it was "
        "not compared; argnums=… compares it"
    )
    return parts, (*parts.remarks(), *([sentence] if left else []))


def _has_derivative(leaf: Any) -> bool:
    return arguments.is_array(leaf) and (precision.is_floating(leaf) or jnp.issubdtype(leaf.dtype, np.complexfloating))


def _check_rule(f: Callable[..., PyTree], of_arrays: Callable[..., PyTree], arrays: PyTree) -> None:
    """Raise a ValueError where neither f nor anything in it has a derivative rule of its own."""
    if not (isinstance(f, jax.custom_vjp | jax.custom_jvp) or rules.has_rule(of_arrays, arrays)):
        raise ValueError(
            f"f, {getattr(f, '__name__', type(f).__name__)}, has no derivative rule of its own, expected a "
            "jax.custom_vjp, or a function that calls one, as JAX's own derivative of both would be compared; "
            "decorate it with jax.custom_vjp, or check a gradient with fnnets.verify.gradient"
        )


def _outputs(f: Callable[..., PyTree], reference: Callable[..., PyTree], parts: Parts) -> PyTree:
    """The shapes of the outputs, which both functions have."""
    functions = {"reference": reference, "f": f}

    def shapes(name, other):
        def hint():
            try:
                jax.eval_shape(lambda at, held: functions[other](*parts.rebuild(at, held)), parts.leaves, parts.held)
            except Exception:
                return ""
            return f"; {other} takes the same arguments without an error"

        of_parts = lambda at, held: functions[name](*parts.rebuild(at, held))  # noqa: E731
        return arguments.traced(of_parts, name, parts.leaves, parts.held, hint=hint)

    expected, came = shapes("reference", "f"), shapes("f", "reference")
    arguments.alike(expected, came)
    if not jax.eval_shape(_real, expected):
        raise ValueError("f returns no floating array, expected at least one; return what is to be differentiated")
    return expected


def _real(outputs: PyTree) -> list[Array]:
    """The outputs that have a derivative, a complex one as its real and its imaginary part."""
    found: list[Array] = []
    for leaf in jax.tree.leaves(outputs):
        if precision.is_floating(leaf):
            found.append(leaf)
        elif jnp.issubdtype(jnp.result_type(leaf), np.complexfloating):
            found += [jnp.real(leaf), jnp.imag(leaf)]
    return found


def _forward_rule(f: Callable[..., PyTree], parts: Parts) -> properties.Property:
    """The values that `jax.vjp` returns, by f's own forward rule, against f's."""

    def measure(points, scale):
        def both(at, held):
            plain = lambda at: _real(f(*parts.rebuild(at, held)))  # noqa: E731
            return jax.vjp(plain, at)[0], plain(at)

        at, (held, _) = points[-1]
        pairs = zip(*jax.device_get(compiled.call("forward rule", both, at, held)), strict=True)
        number = float(np.max([departures.apart(value, ruled, 0.0) for ruled, value in pairs if value.size], initial=0))
        return [properties.Departure("same values under differentiation", "f", number)]

    return properties.Property(measure, needs_smooth=False)


def _of_one(function: Callable[..., PyTree], parts: Parts) -> Callable[..., list[Array]]:
    """`(θ, (held, d_y), v) -> ∂/∂θ ⟨vjp(function)(d_y), v⟩`, reverse over reverse."""

    def second(at, rest, v):
        def along(at):
            back = jax.vjp(lambda at: _real(function(*parts.rebuild(at, rest[0]))), at)[1](rest[1])[0]
            return sum(jnp.sum(d * way) for d, way in zip(back, v, strict=True))

        return jax.grad(along)(at)

    return second


def _second_order(
    f: Callable[..., list[Array]], reference: Callable[..., list[Array]], inputs: tuple[PyTree, PyTree], x64: bool
) -> Row | None:
    """A row on second derivatives, which no verdict rests on; None where they cannot be had."""
    if size(inputs) > MANY:
        return None
    at, rest = precision.to_double(inputs) if x64 else precision.to_single(inputs)
    v = [properties.drawn(leaf, 2) for leaf in at]
    with precision.double() if x64 else precision.pinned():
        try:
            both = lambda *given: (f(*given), reference(*given))  # noqa: E731
            came, expected = jax.device_get(compiled.call("second order", both, at, rest, v))
        except Exception:  # a rule need not have a derivative of its own
            return None
    with np.errstate(all="ignore"):
        scale = departures.greatest(expected) + departures.ROUNDING * departures.greatest(rest[1])
        apart = [x - y for x, y in zip(came, expected, strict=True)]
        number = departures.greatest(apart) / scale
    is_ok = number <= SECOND
    decided = f"departure {number:.1e} {'<=' if is_ok else '>'} {SECOND:.0e}, reported only"
    return Row("", "second order", "ok" if is_ok else "departs", error_float64=float(number), decided=decided)

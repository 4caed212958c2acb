"""Any cost against any hand-written gradient of it; neither needs to come from fnnets.

    explicit:    gradient(params, *args)
    automatic:   jax.grad(cost)(params, *args)
    differences: (cost(params + h) − cost(params − h)) / 2h

With `verify.tap("z", z)` in the cost each row names the quantity by which its leaf reaches C, nearest to the output
first, and wrong values are compared with contractions with that quantity's true δ. With `verify.delta("z", d_z)` in the
gradient as well each marked quantity has a row of its own, at every step of a scan, and what follows from it is
computed from its true value: a fault is named where it is.

What JAX cannot trace, such as a gradient in NumPy, runs on the host with concrete arrays; what needs its derivative is
then left out, and the report says so.

| symbol | name in code | shape |
|---|---|---|
| C | `cost(params, *args)` | () |
| ∂C/∂params | `gradient(params, *args)`; by other arguments with `argnums` | as `params` |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from fnnets.core import calls, validate
from fnnets.verify.checks import ended
from fnnets.verify.checks.case import Case
from fnnets.verify.diagnosis import annotate
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments, host, partition, raised, signatures
from fnnets.verify.reference.expected import declaring
from fnnets.verify.reference.partition import Parts
from fnnets.verify.reference.settings import allowing
from fnnets.verify.reference.subject import Failure, Subject
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import dependence, interpreter, precision, rules

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

REMEDIES = {
    "cost": "write it as cost(params, *args) -> a scalar",
    "gradient": "write it as gradient(params, *args) -> a tree like params",
}
AUX = "True where the cost returns (value, auxiliary values)"
ON_HOST = "gradient is no code that JAX traces and ran on the host; what needs its derivative was left out"


class Sides(NamedTuple):
    """Both functions of (θ, arrays that are held), as JAX traces them.

    Attributes:
        cost, gradient: C, and ∂C/∂θ as a list like θ, or a `Failure`.
        hosts: those that run on the host.
        has_derivative: whether the gradient has a derivative itself.
        tolerance: relative error of the cost's derivative, where it is none of `jax.grad`.
        remarks: sentences on what runs where.
    """

    cost: Callable[..., Array]
    gradient: Callable[..., PyTree]
    hosts: tuple[host.Host, ...] = ()
    tolerance: float = 0.0
    has_derivative: bool = True
    remarks: tuple[str, ...] = ()


@calls.strict("gradient")
def gradient(
    cost: Callable[..., Array],
    gradient: Callable[..., PyTree],
    params: PyTree,
    *args: PyTree,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    expects: Mapping[str, float] | None = None,
    x64: bool = True,
) -> Report:
    """Hold a hand-written gradient against `jax.grad`, mark by mark and leaf by leaf.

    Args:
        cost: `(params, *args) -> C`, a scalar. Both functions are traced with arrays for `params` and for the
            arrays in `args`; numbers, strings and functions among `args` arrive as they are. Randomness is an
            argument: with a PRNG key among `args`, all sides see the same draws. NumPy code, and code that branches on
            values, runs on the host; a cost in NumPy is differentiated there by differences, for up to 4096 numbers.
        gradient: `(params, *args) -> ∂C/∂params`, of the structure, shapes and dtypes of `params`.
        params: a pytree, an Equinox module or an nnx state among them. Its floating arrays are differentiated, other
            leaves are held as they are; there the gradient may have anything, or nothing.
        args: whatever else the two take.
        argnums: the arguments to differentiate by, counted as by `jax.grad`; with a tuple the gradient is a tuple too.
        has_aux: whether the cost returns (C, auxiliary values); the gradient may then return a pair as well.
        x64: let float64 decide; False judges by the rounding of the parameters' own precision.
        expects: what the cost leaves out on purpose, by its place: `{"z": 0.0}` where nothing flows back through
            `tap("z", …)`, `{"stop_gradient": 0.0}`, `{"round": 1.0}` for straight through, `{"reverse": -1.0}` for a
            function `reverse` with a rule of its own. At a place x → y the derivative is factor · identity.

    Raises:
        TypeError, ValueError: nothing to differentiate by, leaves that are complex or not finite, a cost that is not a
            finite scalar, functions that are others at each call, a gradient in NumPy of another shape, a place in
            `expects` that matches nothing.
        Exception: whatever the two functions raise themselves, their line first.

    >>> import jax.numpy as jnp, numpy as np, fnnets as fn
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w**2, jnp.array([1.0, 2.0])).ok
    True
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * w, jnp.array([1.0, 2.0])).first_wrong.worst
    (1,)
    >>> fn.verify.gradient(lambda w: jnp.sum(w**3), lambda w: 3 * np.square(w), jnp.array([1.0, 2.0])).ok
    True
    """
    arguments.functions("verify.gradient", REMEDIES, cost=cost, gradient=gradient)
    validate.flag(has_aux, "verify.gradient: has_aux", AUX)
    validate.flag(x64, "verify.gradient: x64", arguments.DECIDES)
    arguments.ordered("verify.gradient: params", params, "verify.gradient(cost, gradient, params, *args)")
    every = (params, *args)
    arguments.taken("verify.gradient", every, cost=cost, gradient=gradient)
    others = ["params", *(f"args[{i}]" for i in range(len(args)))]
    parts = partition.parted(every, argnums, signatures.names([cost, gradient], others), "verify.gradient")
    with precision.pinned():
        sides = _sides(cost, gradient, parts, has_aux)
        where = tuple(f"gradient {name}" for name in parts.where)
        subject = Subject("gradient", where, ("",) * len(where), sides.cost, sides.gradient)
        subject = declaring(subject, expects, "verify.gradient: expects", (parts.leaves, parts.held))
        with allowing():
            return _reported(subject, parts, sides, x64)


def _reported(subject: Subject, parts: Parts, sides: Sides, x64: bool) -> Report:
    """The report on both sides, its leaves ordered by their taps."""
    tests = [properties.hygiene(subject)]
    # a declared derivative has no second one
    if subject.held is None and not any(each.name == "cost" for each in sides.hosts):
        tests.append(properties.calculus(subject, has_second_order=sides.has_derivative))
    remarks = (*parts.remarks(), *sides.remarks)
    case = Case(
        "gradient", (subject,), lambda inputs: [inputs], (parts.leaves, parts.held), "cost", tuple(tests),
        setting=annotate.Setting(names=parts.held_where), tolerance=sides.tolerance, remarks=remarks,
    )  # fmt: skip
    report = ended.run(case, x64, {"cost": jax.grad(sides.cost), "gradient": sides.gradient}, sides.hosts)
    found = dependence.first_taps(interpreter.trace(subject.terms, parts.leaves, parts.held), len(parts.where))
    return _from_the_output(report, found)


def _sides(cost: Callable[..., Any], gradient: Callable[..., Any], parts: Parts, has_aux: bool) -> Sides:
    """Both functions, checked at the point that is given, each traced or on the host."""
    point = parts.leaves, parts.held

    def value(at, held):
        found = cost(*parts.rebuild(at, held))
        return _without_aux(found) if has_aux else found

    def whole(at, held):
        found = gradient(*parts.rebuild(at, held))
        if found is None:
            raise TypeError("gradient returns None, expected one array for each of params; return what it computes")
        return found

    def collect(found):
        collected = parts.collect(found)
        is_pair = has_aux and isinstance(found, tuple) and len(found) == 2
        return parts.collect(found[0]) if is_pair and isinstance(collected, Failure) else collected

    sides = Sides(value, lambda at, held: collect(whole(at, held)))
    try:
        came = arguments.shapes(value, "cost", *point, hint=_beside(sides.gradient, "gradient", point))
    except Exception as error:
        if not raised.is_untraceable(error):
            raise
        runs = host.Host(value, "cost", error, point)
        arguments.one_number(_as_array(runs.first), "cost", parts.is_like)
        traced, tolerance, remark = host.cost(runs, *point)
        sides = sides._replace(cost=traced, hosts=(runs,), tolerance=tolerance, remarks=(remark,))
    else:
        arguments.one_number(came, "cost", parts.is_like)
        arguments.repeatable(value, "cost", *point)
    try:
        arguments.shapes(sides.gradient, "gradient", *point, hint=_beside(value, "cost", point))
    except Exception as error:
        if not raised.is_untraceable(error):
            raise
        runs = host.Host(whole, "gradient", error, point)
        traced = host.gradient(runs, collect, parts.where, parts.leaves)
        return sides._replace(
            gradient=traced, hosts=(*sides.hosts, runs), has_derivative=False, remarks=(*sides.remarks, ON_HOST)
        )
    program = arguments.repeatable(sides.gradient, "gradient", *point)
    return sides._replace(has_derivative=not rules.has_callback(program))


def _as_array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, int | float | complex) else value


def _without_aux(found: Any) -> Any:
    if not (isinstance(found, tuple) and len(found) == 2):
        raise TypeError(
            "cost returns one value, or a container of another kind, expected a pair (value, auxiliary values) with "
            "has_aux=True; return both, or leave has_aux out"
        )
    return found[0]


def _beside(other: Callable[..., PyTree], name: str, point: tuple[Any, Any]) -> Callable[[], str]:
    """A sentence on whether the other function runs with the same arguments."""

    def hint():
        try:
            jax.eval_shape(other, *point)
        except Exception:
            return ""
        return f"; {name} takes the same arguments without an error"

    return hint


def _from_the_output(report: Report, found: list[tuple[int, str]]) -> Report:
    """The rows of leaves ordered by the tap by which they reach the cost, the last one first, and so called."""
    marked, leaves = report.rows[: -len(found)], report.rows[-len(found) :]
    if len(report.rows) < len(found) or not any(name for _, name in found):
        return report
    named = [
        row._replace(where=f"{row.where} via {tap}" if tap else row.where)
        for row, (_, tap) in zip(leaves, found, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda i: -found[i][0])
    return dataclasses.replace(report, rows=(*marked, *(named[i] for i in order)))

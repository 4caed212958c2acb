"""An activation's derivative, written by hand, against `jax.vjp` of its value, where z is small, whole and large.

    σ'         derivative(z)        against  ∂/∂z Σ σ(z)             elementwise, so that the sum has σ' for a gradient
    σ'(a)      slope(σ(z))          against  the same                where the activation has one
    Jᵀ d_a     pullback(z, d_a)     against  ∂/∂z Σ σ(z) ⊙ d_a       coupled activations, for a random d_a
    differences  central ones of the same sums

Points of their own have rows of their own, so that its own size decides about each: numbers between whole ones, up to
6; whole numbers, where kinks mostly are; and numbers up to 10⁴, where exponentials overflow. Of the latter those are
left out where σ itself is too large for the dtype, as exp is.

| symbol | name in code | shape |
|---|---|---|
| z | the points | (points,); coupled (examples, units) |
| d_a | drawn from N(0, 1) | as z |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from fnnets.activations import Activation, CoupledActivation
from fnnets.core import calls, validate
from fnnets.verify.checks.case import Case
from fnnets.verify.checks.run import run
from fnnets.verify.judging import properties
from fnnets.verify.reference import arguments, settings
from fnnets.verify.reference.subject import Subject
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array

Pair = Activation | CoupledActivation

MOST, LARGE, EXAMPLES, UNITS = 6, (8.5, 21.3, 64.7, 130.6, 1043.2, 10234.5), 8, 5


@calls.strict("activation")
def activation(activation: Pair, z: Array | None = None, *, x64: bool = True) -> Report:
    """Check an activation's derivative, and its slope where it has one, against `jax.vjp` of its value.

    Args:
        activation: an `Activation`, or a `CoupledActivation`, whose pullback is then checked against the same.
        z: weighted inputs, floating numbers of any shape, (…, d) for a coupled one; None for points from −10⁴ to 10⁴.
        x64: let float64 decide; False judges by the rounding of z's own precision.

    Raises:
        TypeError, ValueError: an argument of another kind, no numbers, a value that is not finite or not of the shape
            and dtype of z, a function that JAX cannot trace.
        Exception: whatever the activation's functions raise themselves, as it is.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> fn.verify.activation(fn.Activation(jnp.sin, jnp.cos, "sine")).ok
    True
    >>> fn.verify.activation(fn.Activation(jnp.sin, jnp.sin, "sine")).first_wrong.where
    'derivative of sine'
    """
    is_coupled = isinstance(activation, CoupledActivation)
    if not is_coupled:
        remedy = "take one from fnnets.activations, or make one: fnnets.Activation(value, derivative)"
        validate.is_instance(activation, Activation, "verify.activation: activation", remedy)
    validate.flag(x64, "verify.activation: x64", arguments.DECIDES)
    for part in ("value", "pullback" if is_coupled else "derivative"):
        own = getattr(activation, part)
        validate.is_function(own, f"verify.activation: activation.{part}", "give both a value and its derivative")
    with precision.pinned(), settings.allowing():
        points = _points(activation, (EXAMPLES, UNITS) if is_coupled else None) if z is None else {"": _given(z)}
        for each in points.values():
            _check(activation, each)
        halves: list[tuple[Callable[..., Subject], str]] = (
            [(_pullback, "pullback")] if is_coupled else [(_derivative, "derivative"), (_slope, "slope")]
        )
        named = [
            (make(activation, f"{half} of {activation.name}{suffix}"), each)
            for make, half in halves
            if half != "slope" or getattr(activation, "slope", None) is not None
            for suffix, each in points.items()
        ]
        subjects, inputs = zip(*(named[1:] + named[:1]), strict=True)  # properties look at the last
        report = run(_case(activation, subjects, inputs), x64)
    return report if len(report.rows) != len(named) else _ordered(report, inputs, is_coupled)


def _case(activation: Pair, subjects: tuple[Subject, ...], inputs: tuple[Array, ...]) -> Case:
    tests = [properties.hygiene(subjects[-1]), properties.calculus(subjects[-1])]
    if isinstance(activation, CoupledActivation):
        pull = lambda z, rest: lambda d_a: activation.pullback(z, d_a)  # noqa: E731
        tests.append(properties.linear([subject._replace(pull=pull) for subject in subjects]))

    def place(inputs):
        return [(z, properties.drawn(z, 1)) for z in inputs]  # d_a, which an elementwise pair leaves alone

    return Case(f"activation {activation.name}", subjects, place, inputs, "activation.value", tuple(tests))


def _derivative(activation: Activation, where: str) -> Subject:
    def explicit(z, d_a):
        return activation.derivative(z)

    return Subject(where, (where,), ("σ'",), lambda z, d_a: activation.value(z), explicit)


def _slope(activation: Activation, where: str) -> Subject:
    def explicit(z, d_a):
        return activation.slope(activation.value(z))

    return Subject(where, (where,), ("σ'(a)",), lambda z, d_a: activation.value(z), explicit)


def _pullback(activation: CoupledActivation, where: str) -> Subject:
    return Subject(where, (where,), ("Jᵀ d_a",), lambda z, d_a: activation.value(z) * d_a, activation.pullback)


def _points(activation: Pair, shape: tuple[int, int] | None) -> dict[str, Array]:
    """The points, by what follows the activation's name: those of no symmetry first."""
    random, most, large = np.random.default_rng(0), MOST, np.array(LARGE)
    if shape is None:
        whole = np.arange(-most, most + 1)
        between, large = whole[:-1] + random.uniform(0.1, 0.9, len(whole) - 1), np.concatenate([-large[::-1], large])
    else:
        whole, between = random.integers(-most // 2, most // 2 + 1, shape), random.normal(0, 2, shape)
        large = random.choice(large, shape) * random.choice([-1, 1], shape)
    dtype = jnp.result_type(float)
    _check(activation, jnp.asarray(large, dtype))
    is_finite = np.isfinite(np.asarray(activation.value(jnp.asarray(large, dtype))))
    large = large[is_finite if shape is None else is_finite.all(axis=-1)]
    points = {"": between, ", whole z": whole, **({", large z": large} if large.size else {})}
    return {name: jnp.asarray(each, dtype) for name, each in points.items()}


def _given(z: Array) -> Array:
    z = validate.array(z, "verify.activation: z")
    if z.size == 0:
        raise ValueError("verify.activation: z holds no numbers, expected at least one; leave it out for a default")
    validate.finite(z, "verify.activation: z")
    return arguments.floating(z, "verify.activation: z")


def _check(activation: Pair, z: Array) -> None:
    """Raise unless σ(z) has the shape and dtype of z."""
    came = arguments.traced(activation.value, "activation.value", z)
    if getattr(came, "shape", None) != z.shape or came.dtype != z.dtype:
        shown = f"{came.shape} of {came.dtype}" if hasattr(came, "shape") else type(came).__name__
        raise ValueError(f"activation.value returns {shown}, expected {z.shape} of {z.dtype}, as z is; keep both")


def _ordered(report: Report, inputs: tuple[Array, ...], is_coupled: bool) -> Report:
    """The rows with the last one first, each with the z of its worst element."""
    rows = report.rows
    if not is_coupled:
        numbers = [np.asarray(z) for z in inputs]
        rows = tuple(
            row._replace(place=f"z = {z[row.worst]:g}") if row.worst else row
            for row, z in zip(rows, numbers, strict=True)
        )
    return dataclasses.replace(report, rows=rows[-1:] + rows[:-1])

"""Conventions at kinks: whether a gradient that differs there is one that another rule for ties would give.

    nudged      every comparison of the cost, x against y, is decided as if x were a little larger, or a little smaller;
                the winner among equal numbers is the first, the last, or that of another place
    valid       a nudge by which f itself jumps, as at a mask of zeros, is no choice of a slope: it is left out
    gradients   the automatic gradient under 2^K choices for K comparisons, and under some drawn ones where K is large
    convention  all rows that differ equal the gradient of one choice, or of the mean of two opposite ones;
                or each element lies between those of the choices, and along (1, …, 1), where f has one slope, so has e

The values of the cost stay what they are; only the derivative is that of the nudged comparison. An element that no
choice moves stands at no kink, and what differs there is wrong.

| symbol | name in code | shape |
|---|---|---|
| the choice of each comparison, 1 or −1 | `choices` | (choices, K) |
| e | explicit values of the rows that differ | as the row |
| gradients under each choice | `Choices.marks`, `.leaves` | (choices, …) |
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.core import jaxprs
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Subject, size
from fnnets.verify.tracing import compiled, interpreter, kinks, precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

NUDGE = {"float64": 1e-11, "float32": 1e-5}
EQUAL = {"float64": 1e-7, "float32": 2e-4}
ALL, DRAWN, TURNS = 4, 12, 12
"""Comparisons whose choices are all tried, how many are drawn where there are more, and how many places are preferred
by turns."""
ELEMENTWISE = ("max", "min", "gt", "ge", "lt", "le", "abs", "clamp")
CHOOSING = (
    "reduce_max", "reduce_min", "argmax", "argmin", "reduce_window_max", "reduce_window_min", "cummax", "cummin",
    "scatter-max", "scatter-min",
)  # fmt: skip


Chosen = tuple[int, int, np.ndarray, float]
"""A row: its part, its position there, the explicit values, and their relative error."""


class Choices(NamedTuple):
    """The automatic gradient under each choice: marks and leaves, each (choices, …); and relative equality."""

    marks: Sequence[np.ndarray]
    leaves: Sequence[np.ndarray]
    slack: float


def choices(subject: Subject, reference: Reference, candidate: Candidate) -> Choices | None:
    """The gradients under other choices at comparisons, None where the cost compares nothing."""
    at, rest = reference.point
    sizes: list[int] = []
    with precision.traced():
        jax.eval_shape(lambda *args: nudged(reference.forward, sizes, None, args), *precision.like((at, rest)))
    if not sizes:
        return None
    slack = EQUAL["float64" if all(each.dtype == jnp.float64 for each in jax.tree.leaves(at)) else "float32"]
    options = _options(sizes, size(at))
    keeps = _is_continuous(reference, len(sizes), slack)[(options < 0).astype(int), range(len(sizes))]
    options = np.where(keeps, options, 0)

    def under(options, at, rest):
        def one(option):
            forward = _traced(reference, option, (at, rest))
            automatic, cotangents, *_ = evaluate.differentiated(subject, forward, at, rest)
            return evaluate.true_deltas(forward, cotangents, candidate.matches), jax.tree.leaves(automatic)

        return lax.map(one, options)

    found = compiled.call(("choices", subject.name, candidate.matches), under, options, at, rest)
    marks, leaves = jax.device_get(found)
    return Choices(marks, leaves, slack)


def _is_continuous(reference: Reference, count: int, slack: float) -> np.ndarray:
    """Whether f keeps its terms where one comparison is nudged, (2, comparisons): upwards, downwards."""
    single = np.eye(count)

    def terms(options, at, rest):
        return lax.map(lambda option: nudged(reference.forward, [], option, (at, rest)), options)

    given = [np.zeros((1, count)), single, -single]
    found = np.asarray(compiled.call("nudged terms", terms, np.concatenate(given), *reference.point), np.float64)
    usual, moved = found[0], found[1:]
    apart = np.abs(moved - usual).reshape(2, count, -1).max(axis=-1, initial=0.0)
    return ~(apart > slack * np.abs(usual).max(initial=0.0))


def equals_one(choices: Choices, rows: Sequence[Chosen]) -> bool:
    """Whether one choice, or the mean of the first two, gives all rows."""
    fits = None
    for part, n, explicit, error in rows:
        found = _of(choices, part, n)
        mean = (found[0] + found[1]) / 2
        here = np.array([_is_equal(each, explicit, found, min(choices.slack, error / 4)) for each in (*found, mean)])
        fits = here if fits is None else fits & here
    return bool(fits is not None and fits.any())


def lies_between(choices: Choices, part: int, n: int, explicit: np.ndarray, error: float) -> bool:
    """Whether each element lies between those of the choices; what is off by less than any choice moves does not."""
    found = _of(choices, part, n)
    low, high = found.min(axis=0), found.max(axis=0)
    slack = min(choices.slack, error / 4) * max(float(np.abs(found).max(initial=0.0)), 1e-300)
    return explicit.shape == low.shape and bool(np.all((low - slack <= explicit) & (explicit <= high + slack)))


def nudged(forward: interpreter.Traced, found: list[int], option: Any, args: PyTree) -> PyTree:
    """What the traced forward pass gives, each comparison nudged by its choice.

    `found` collects for each comparison how many numbers it chooses from, 1 where it takes them one by one.
    """
    outs = _evaluated(jaxprs.opened(forward.closed), jax.tree.leaves(args), found, option)
    return jax.tree.unflatten(forward.structure, outs)


def _traced(reference: Reference, option: Array, point: PyTree) -> interpreter.Traced:
    """The nudged forward pass as a traced one, with its sites."""
    found = interpreter.trace(lambda *args: nudged(reference.forward, [], option, args), *point)
    return found._replace(structure=reference.forward.structure)


def _options(sizes: Sequence[int], numbers: int) -> np.ndarray:
    """The choices: all equal ones first, so that the mean of the first two is that of opposite choices.

    1 and −1 prefer the last and the first among equal numbers, ±(2 + r) the number of place r − 1 among them.
    """
    count = len(sizes)
    if numbers > precision.LARGE:
        return np.array([[1.0] * count, [-1.0] * count])
    if count <= ALL:
        every = np.array(list(itertools.product((1.0, -1.0), repeat=count)))
        found = np.concatenate([every[:1], every[-1:], every[1:-1]])
    else:
        drawn = np.random.default_rng(count).choice([-1.0, 1.0], (DRAWN, count))
        found = np.concatenate([np.ones((1, count)), -np.ones((1, count)), drawn])
    turns = np.arange(max(sizes))[:TURNS] if max(sizes) > 2 else np.zeros(0)
    return np.concatenate([found, *(np.full((1, count), way * (2 + r)) for r in turns for way in (1.0, -1.0))])


def _evaluated(program: jaxprs.Body, args: Sequence[Any], found: list[int], option: Any) -> list[Any]:
    def at(equation, inputs):
        name = equation.primitive.name
        is_ours = name == "custom_jvp_call" and kinks.is_of_jax(equation) and not kinks.is_smooth(equation)
        compares = name in (*jaxprs.INLINED, "scan") or is_ours
        if compares and any(map(kinks.compares, jaxprs.inner(equation))):
            if name == "scan":
                step = lambda body, args, _: (_evaluated(body, args, found, option), ())  # noqa: E731
                return interpreter.looped(equation, inputs, None, step)[0]
            inner = jaxprs.body(equation) if is_ours else jaxprs.inlined(equation)
            return _evaluated(inner, inputs, found, option)
        if name in (*ELEMENTWISE, *CHOOSING) and _is_about_floats(name, inputs):
            found.append(_places(equation, inputs[_which(name)])[1] if name in CHOOSING else 1)
            way = 0.0 if option is None else option[len(found) - 1]
            return _nudged(equation, inputs, way)
        return jaxprs.bind(equation, inputs)

    return jaxprs.evaluate(program, args, at)


def _is_about_floats(name: str, inputs: list[Any]) -> bool:
    which = inputs[_which(name)]
    return precision.is_floating(which) and which.dtype in (jnp.float64, jnp.float32)


def _which(name: str) -> int:
    """Which input of a primitive is nudged: what is compared, the updates of a scatter."""
    return {"clamp": 1, "scatter-max": 2, "scatter-min": 2}.get(name, 0)


def _nudged(equation: Any, inputs: list[Any], way: Any) -> list[Any]:
    """The outputs as they are, with the derivatives of those at inputs that are moved a little."""
    name, which = equation.primitive.name, _which(equation.primitive.name)
    x = inputs[which]
    others = [each for each in inputs if hasattr(each, "dtype") and each.dtype == x.dtype]
    largest = [jnp.abs(jnp.where(jnp.isfinite(each), each, 0)).max(initial=0.0) for each in others]
    amount = jnp.sign(way) * (NUDGE[str(x.dtype)] * jnp.stack(largest).max() + 1e-30)
    if name in CHOOSING:
        places, count = _places(equation, x)
        in_order = (1 + jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape) / x.size
        turned = (1 + (places + jnp.abs(way) - 2) % count).astype(x.dtype) / count
        amount = amount * jnp.where(jnp.abs(way) < 2, in_order, turned)
    moved = [*inputs[:which], x + lax.stop_gradient(jnp.asarray(amount, x.dtype)), *inputs[which + 1 :]]
    pairs = zip(jaxprs.bind(equation, inputs), jaxprs.bind(equation, moved), strict=True)
    return [_with_derivative(*pair) for pair in pairs]


def _places(equation: Any, x: Array) -> tuple[np.ndarray, int]:
    """The place of each number among those that it is chosen from, and how many those are."""
    p = equation.params
    if "window_dimensions" in p:
        lengths = dict(enumerate(p["window_dimensions"]))
    else:
        lengths = {axis: x.shape[axis] for axis in p.get("axes", (p.get("axis", 0),)) if axis < x.ndim}
    places, count = np.zeros(x.shape, int), 1
    for axis, length in lengths.items():
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        places = places * length + (np.arange(x.shape[axis]) % length).reshape(shape)
        count *= length
    return places, count


def _with_derivative(value: Array, nudged: Array) -> Array:
    if not precision.is_floating(value):
        return nudged
    apart = value - nudged
    return nudged + lax.stop_gradient(jnp.where(jnp.isfinite(apart), apart, 0))


def _of(choices: Choices, part: int, n: int) -> np.ndarray:
    return np.asarray((choices.marks, choices.leaves)[part][n], np.float64)


def _is_equal(found: np.ndarray, explicit: np.ndarray, every: np.ndarray, slack: float) -> bool:
    if found.shape != explicit.shape:
        return False
    return bool(np.all(np.abs(found - explicit) <= slack * max(float(np.abs(every).max(initial=0.0)), 1e-300)))

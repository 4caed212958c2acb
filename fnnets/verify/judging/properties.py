"""Properties of a gradient beside its values: those that hold for every right one, each measured by a number.

    linear         backward(αg) = α backward(g) for α = 2⁻¹⁰, 2¹⁰;  backward(g + h) = backward(g) + backward(h);  0 to 0
    vmap           `jax.vmap` of backward = backward, one cotangent at a time
    repeatable     two runs give the same bits
    eager          the same numbers without `jax.jit`
    batch mean     the gradient of a batch is the mean of its examples', where its cost is theirs
    forward mode   ⟨g, v⟩ = derivative of the cost along v by `jax.jvp`, which no transpose has touched
    second order   ⟨u, Hv⟩ = ∂²C/∂u∂v by `jax.jvp` twice, Hv by `jax.jvp` of the hand-written gradient
    symmetry       ⟨u, Hv⟩ = ⟨v, Hu⟩

A property that holds has one row, one that does not a row for each place. Those that forward mode cannot reach (a
custom VJP inside the cost) have none. Second derivatives are reported and are no condition: a right gradient need not
have any.

| symbol | name in code | shape |
|---|---|---|
| g, h | cotangents, N(0, 1) | as y |
| u, v | directions, N(0, 1) | as the parameters |
| departure, relative to what is compared | `Departure.number` | () |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fnnets.verify.judging import departures
from fnnets.verify.judging.departures import LARGE, LITTLE, ROUNDING
from fnnets.verify.reference.subject import Point, Subject, largest, size
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import compiled, precision
from fnnets.verify.tracing.precision import LARGE as MANY

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

SLACK, LEAVES = 10, 100


class Departure(NamedTuple):
    """How far one thing is from what it should be, relatively, and where; reported only where it is no condition."""

    name: str
    where: str
    number: float
    is_exact: bool = False
    is_condition: bool = True


class Property(NamedTuple):
    """`(points, scale) -> departures` of all subjects' points and the size of the whole's numbers.

    There are none where it does not apply; `needs_smooth` where a kink or a wrong row spoils it.
    """

    measure: Callable[..., Sequence[Departure]]
    needs_smooth: bool = True


def rows(tests: Sequence[Property], points: Sequence[Point], scale: Any, tolerance: float) -> list[Row]:
    """A row for each property that holds, and one for each place where it does not."""
    departures = [departure for test in tests for departure in test.measure(points, scale)]
    found: list[Row] = []
    for name in dict.fromkeys(each.name for each in departures):
        here = [each for each in departures if each.name == name]
        limits = [0.0 if each.is_exact else SLACK * tolerance for each in here]
        wrong = [(each, limit) for each, limit in zip(here, limits, strict=True) if not each.number <= limit]
        word = "wrong" if here[0].is_condition else "departs"
        found += [_row(f"{each.where} {name}", each, limit, word) for each, limit in wrong]
        if not wrong:
            worst = max(range(len(here)), key=lambda i: here[i].number)
            found.append(_row(name, here[worst], limits[worst], "ok"))
    return found


def linear(subjects: Sequence[Subject], first: int = 0) -> Property:
    """Linear in the cotangent, also under `vmap`: subjects that have one, standing at the `first` point and behind."""

    def pulled(subject, at, rest, pair):
        g, h = pair
        many = lambda g, h: jnp.stack([g, h, LITTLE * g, LARGE * g, g + h, 0 * g]).astype(g.dtype)  # noqa: E731
        stack = jax.tree.map(many, g, h)
        back = subject.pull(at, rest)
        pull = lambda each: jax.tree.map(_few, back(each))  # noqa: E731
        one_by_one = jax.lax.map(pull, stack)
        at_once = one_by_one if _is_large(at) else jax.vmap(pull)(stack)
        return jax.tree.leaves(one_by_one), jax.tree.leaves(at_once)

    def measure(points, scale):
        pairs = zip(subjects, points[first:], strict=False)
        chosen = [(s, point) for s, point in pairs if s.pull is not None and jax.tree.leaves(point[0])]
        if not chosen:
            return []
        points = [(*point, [drawn(point[1][-1], seed) for seed in (1, 2)]) for _, point in chosen]
        together = [i for i, (_, point) in enumerate(chosen) if not _is_large(point[0])]
        numbers: dict[int, np.ndarray] = {}
        for group in [*([together] if together else []), *([i] for i in range(len(chosen)) if i not in together)]:

            def all_of(points, group=group):
                return [pulled(chosen[i][0], *point) for i, point in zip(group, points, strict=True)]

            found = jax.device_get(compiled.call(("linear", *group), all_of, [points[i] for i in group]))
            for i, (one_by_one, at_once) in zip(group, found, strict=True):
                numbers[i] = departures.nonlinear(one_by_one, at_once, points[i])
        names = "linear in its cotangent", "vmap = loop"
        return [
            Departure(name, subject.name, float(numbers[n][i]))
            for i, name in enumerate(names)
            for n, (subject, point) in enumerate(chosen)
            if i == 0 or not _is_large(point[0])
        ]

    return Property(measure, needs_smooth=False)


def hygiene(subject: Subject, is_eager: bool = True) -> Property:
    """The same bits from two runs, the same numbers without `jax.jit` where the code does not fix a dtype."""

    def measure(points, scale):
        at, rest = points[-1]
        program = compiled.program("explicit", subject.explicit, at, rest)
        first, second = (jax.tree.leaves(program(at, rest)) for _ in range(2))
        bits = [np.asarray(x).tobytes() != np.asarray(y).tobytes() for x, y in zip(first, second, strict=True)]
        found = [Departure("repeatable", subject.name, float(any(bits)), is_exact=True)]
        # JAX's programs for single operations take NumPy's float64 for float32 where they ran without float64 before
        is_held = any(isinstance(each, np.ndarray) for each in program.consts)
        if is_eager and not (program.is_widened or is_held):
            by_hand = jax.tree.leaves(subject.explicit(*jax.tree.map(jnp.asarray, (at, rest))))
            slack = float(ROUNDING * _at_least_one(scale))
            apart = [departures.apart(np.asarray(x), np.asarray(y), slack) for x, y in zip(by_hand, first, strict=True)]
            found.append(Departure("jit = eager", subject.name, max(apart, default=0.0)))
        return found

    return Property(measure)


def same_values(
    one: Callable[..., PyTree], other: Callable[..., PyTree], title: str = "same values as the reference"
) -> Property:
    """Two functions of the same values, of which one has the derivative of the other."""

    def measure(points, scale):
        at, rest = points[-1]
        apart = compiled.call(("values", title), lambda at, rest: _apart(one(at, rest), other(at, rest)), at, rest)
        return [Departure(title, "f", float(apart))]

    return Property(measure, needs_smooth=False)


def fast_products(subject: Subject, point: Point) -> list[Row]:
    """A row for how far the gradient moves when matrix products run at the device's default precision: rounding.

    A CPU's products have no other precision. Elsewhere the default may be TF32 or bfloat16, which no check here uses.
    """
    if jax.default_backend() == "cpu":
        return []
    exact = jax.tree.leaves(compiled.call("exact products", subject.explicit, *point))
    with jax.default_matmul_precision("default"):
        fast = jax.tree.leaves(compiled.call("fast products", lambda *point: subject.explicit(*point), *point))
    gap = max((float(_apart(x, y)) for x, y in zip(fast, exact, strict=True)), default=0.0)
    limit = 8 * precision.epsilon(precision.name(point[0]))
    found = Departure("matrix products at the default precision", subject.name, gap)
    return [_row(found.name, found, limit, "ok" if gap <= limit else "rounding")]


def calculus(subject: Subject, has_second_order: bool = True) -> Property:
    """First and second derivatives along two directions, in forward mode.

    Not of many leaves, for which such programs take long to compile; the Taylor test looks along a direction as well.
    """

    def measure(points, scale):
        at, rest = points[-1]
        if len(jax.tree.leaves(at)) > LEAVES:
            return []
        u, v = [drawn(at, seed) for seed in (1, 2)]
        slack = ROUNDING * float(_at_least_one(scale))
        second = _measured("second order", partial(_second, subject), at, rest, u, v) if has_second_order else None
        first = second[:2] if second else _measured("forward mode", partial(_first, subject), at, rest, v)
        departs: list[Departure] = []
        if first is not None:
            departs.append(Departure("forward mode", subject.name, departures.slope(v, slack, *first)))
        if second is not None:
            pair = departures.curvature(u, v, slack, *second[2:])
            departs += [
                Departure(name, subject.name, number, is_condition=False)
                for name, number in zip(("second order", "symmetric Hessian"), pair, strict=True)
            ]
        return departs

    return Property(measure)


def _first(subject: Subject, at: PyTree, rest: PyTree, v: PyTree) -> PyTree:
    """The explicit gradient, and the cost's derivative along v."""
    slope = jax.jvp(lambda at: jnp.sum(subject.terms(at, rest)), (at,), (v,))[1]
    return jax.tree.leaves(subject.explicit(at, rest)), slope


def _second(subject: Subject, at: PyTree, rest: PyTree, u: PyTree, v: PyTree) -> PyTree:
    """What `_first` gives, the cost's second derivative along u and v, the explicit gradient's derivatives along each.

    θ is one vector here, so that a tree of many leaves costs no more to compile.
    """
    flat, unravel = ravel_pytree(at)
    ways = jnp.stack([ravel_pytree(u)[0], ravel_pytree(v)[0]])
    cost = lambda x: jnp.sum(subject.terms(unravel(x), rest))  # noqa: E731
    explicit = lambda x: ravel_pytree(subject.explicit(unravel(x), rest))[0]  # noqa: E731
    along = lambda x: jax.jvp(cost, (x,), (ways[1],))[1]  # noqa: E731
    slope, curvature = jax.jvp(along, (flat,), (ways[0],))
    g, pushed = jax.linearize(explicit, flat)
    return jax.tree.leaves(unravel(g)), slope, curvature, [pushed(ways[0])], [pushed(ways[1])]


def batch_mean(whole: Callable[..., PyTree], examples: Callable[..., PyTree]) -> Property:
    """A batch's (cost, gradient) by `whole(at, rest)` against the means of `examples(at, rest)`, stacked.

    It applies where the cost is the mean of the examples' costs: a layer may look at the batch as a whole.
    """

    def measure(points, scale):
        at, rest = points[-1]

        def both(at, rest):
            return [jax.tree.leaves(each) for each in (whole(at, rest), examples(at, rest))]

        found = _measured("mean", both, at, rest)
        if found is None:
            return []
        (cost, *g), (costs, *gs) = found
        with np.errstate(all="ignore"):
            apart = departures.greatest([x - np.mean(y, axis=0) for x, y in zip(g, gs, strict=True)])
            of_cost = np.abs(cost - np.mean(costs)) / departures.not_zero(np.abs(cost))
        number = apart / (departures.greatest(g) + ROUNDING * float(_at_least_one(scale)))
        return [Departure("mean of its examples'", "gradient", number)] if of_cost <= 1e-3 else []

    return Property(measure)


def drawn(like: PyTree, seed: int) -> PyTree:
    """Numbers from N(0, 1) in the shapes and dtypes of a tree, drawn on the host: they cost no compilation."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: np.asarray(random.normal(size=leaf.shape)).astype(leaf.dtype), like)


def _measured(name: str, function: Callable[..., PyTree], *args: PyTree) -> PyTree | None:
    """What a function measures, on the host; None where JAX has no derivative of it to offer."""
    try:
        return jax.device_get(compiled.call(name, function, *args))
    except (TypeError, ValueError, NotImplementedError, jax.errors.JaxRuntimeError):
        return None


def _is_large(at: PyTree) -> bool:
    return size(at) > MANY


def _few(leaf: Array) -> Array:
    """A large leaf as one number, the sum of its elements with weights that no symmetry has."""
    if leaf.size <= MANY // 8:
        return leaf
    weights = jnp.cos(1.7 * jnp.arange(leaf.size, dtype=leaf.dtype) + 0.3)
    return jnp.sum(leaf.ravel() * weights)[None]


def _apart(x: PyTree, y: PyTree) -> Float[Array, ""]:
    return largest(x - y) / _safe(largest(y))


def _at_least_one(scale: Float[Array, ""]) -> np.ndarray:
    """The size of the numbers on the way; what a scalar is the rest of may have been of order one."""
    return np.maximum(np.asarray(scale), 1)


def _safe(number: Array) -> Array:
    return jnp.where(number > 0, number, 1)


def _row(where: str, departure: Departure, limit: float, verdict: str) -> Row:
    sign = "<=" if verdict == "ok" else ">" if departure.number == departure.number else "is not <="
    return Row(
        "",
        where,
        verdict,
        error_float64=departure.number,
        decided=f"departure {departure.number:.1e} {sign} {limit:.0e}",
    )

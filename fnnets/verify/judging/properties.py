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
custom VJP inside the cost) have none.

| symbol | name in code | shape |
|---|---|---|
| g, h | cotangents, N(0, 1) | as y |
| u, v | directions, N(0, 1) | as the parameters |
| departure, relative to what is compared | `Departure.number` | () |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.verify.judging import departures
from fnnets.verify.judging.departures import LARGE, LITTLE, ROUNDING
from fnnets.verify.reference.evaluate import LARGE as MANY
from fnnets.verify.reference.subject import Point, Subject, largest, size
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

SLACK = 10


class Departure(NamedTuple):
    """How far one thing is from what it should be, relatively, and where."""

    name: str
    where: str
    number: float
    is_exact: bool = False


class Property(NamedTuple):
    """`(points, scale) -> departures` of all subjects' points and the size of the whole's numbers.

    There are none where it does not apply; `needs_smooth` where a kink or a wrong row spoils it.
    """

    measure: Callable[..., Sequence[Departure]]
    needs_smooth: bool = True


def rows(tests: Sequence[Property], points: Sequence[Point], scale: Float[Array, ""], tolerance: float) -> list[Row]:
    """A row for each property that holds, and one for each place where it does not."""
    departures = [departure for test in tests for departure in test.measure(points, scale)]
    found: list[Row] = []
    for name in dict.fromkeys(each.name for each in departures):
        here = [each for each in departures if each.name == name]
        limits = [0.0 if each.is_exact else SLACK * tolerance for each in here]
        wrong = [(each, limit) for each, limit in zip(here, limits, strict=True) if not each.number <= limit]
        found += [_row(f"{each.where} {name}", each, limit, "wrong") for each, limit in wrong]
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
    """The same bits from two runs, the same numbers without `jax.jit`."""

    def measure(points, scale):
        at, rest = points[-1]
        program = compiled.program("explicit", subject.explicit, at, rest)
        first, second = (jax.tree.leaves(program(at, rest)) for _ in range(2))
        bits = [np.asarray(x).tobytes() != np.asarray(y).tobytes() for x, y in zip(first, second, strict=True)]
        found = [Departure("repeatable", subject.name, float(any(bits)), is_exact=True)]
        if is_eager:
            by_hand = jax.tree.leaves(subject.explicit(*jax.tree.map(jnp.asarray, (at, rest))))
            slack = float(ROUNDING * _at_least_one(scale))
            apart = [departures.apart(np.asarray(x), np.asarray(y), slack) for x, y in zip(by_hand, first, strict=True)]
            found.append(Departure("jit = eager", subject.name, max(apart, default=0.0)))
        return found

    return Property(measure)


def same_values(one: Callable[..., PyTree], other: Callable[..., PyTree]) -> Property:
    """Two functions of the same values, of which one has the derivative of the other."""

    def measure(points, scale):
        at, rest = points[-1]
        apart = compiled.call("values", lambda at, rest: _apart(one(at, rest), other(at, rest)), at, rest)
        return [Departure("same values as the reference", "f", float(apart))]

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
    """First and second derivatives along two directions, in forward mode."""

    def measure(points, scale):
        at, rest = points[-1]
        u, v = [drawn(at, seed) for seed in (1, 2)]

        def both(at, rest, u, v):
            cost = lambda at: jnp.sum(subject.terms(at, rest))  # noqa: E731
            along = lambda at, way: jax.jvp(cost, (at,), (way,))[1]  # noqa: E731
            explicit = lambda at: subject.explicit(at, rest)  # noqa: E731
            if not has_second_order:
                return jax.tree.leaves(explicit(at)), along(at, v)
            slope, curvature = jax.jvp(lambda at: along(at, v), (at,), (u,))
            same, both_ways = jax.vmap(lambda way: jax.jvp(explicit, (at,), (way,)))(_stacked(u, v))
            return _leaves_of(0, same), slope, curvature, _leaves_of(0, both_ways), _leaves_of(1, both_ways)

        found = _measured("calculus", both, at, rest, u, v)
        numbers = [] if found is None else departures.calculus(u, v, ROUNDING * float(_at_least_one(scale)), *found)
        names = "forward mode", "second order", "symmetric Hessian"
        return [Departure(*each) for each in zip(names, 3 * [subject.name], numbers, strict=False)]

    return Property(measure)


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
    """What a function measures, on the host; None where forward mode cannot go."""
    try:
        return jax.device_get(compiled.call(name, function, *args))
    except TypeError as error:
        if "custom_vjp" in str(error) or "forward-mode" in str(error):
            return None
        raise


def _is_large(at: PyTree) -> bool:
    return size(at) > MANY


def _few(leaf: Array) -> Array:
    """A large leaf as one number, the sum of its elements with weights that no symmetry has."""
    if leaf.size <= MANY // 8:
        return leaf
    weights = jnp.cos(1.7 * jnp.arange(leaf.size, dtype=leaf.dtype) + 0.3)
    return jnp.sum(leaf.ravel() * weights)[None]


def _stacked(u: PyTree, v: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: jnp.stack([x, y]), u, v)


def _leaves_of(i: int, tree: PyTree) -> list[Array]:
    return [leaf[i] for leaf in jax.tree.leaves(tree)]


def _apart(x: PyTree, y: PyTree) -> Float[Array, ""]:
    return largest(x - y) / _safe(largest(y))


def _at_least_one(scale: Float[Array, ""]) -> np.ndarray:
    """The size of the numbers on the way; what a scalar is the rest of may have been of order one."""
    return np.maximum(np.asarray(scale), 1)


def _safe(number: Array) -> Array:
    return jnp.where(number > 0, number, 1)


def _row(where: str, departure: Departure, limit: float, verdict: str) -> Row:
    sign = "<=" if verdict == "ok" else ">" if departure.number == departure.number else "is not"
    return Row(
        "",
        where,
        verdict,
        error_float64=departure.number,
        decided=f"departure {departure.number:.1e} {sign} {limit:.0e}",
    )

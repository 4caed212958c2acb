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

from fnnets.verify.reference.evaluate import LARGE as MANY
from fnnets.verify.reference.subject import Point, Subject, largest, size
from fnnets.verify.report.data import Row
from fnnets.verify.tracing import compiled, precision

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

SLACK = 10
LITTLE, LARGE = 2.0**-10, 2.0**10
ROUNDING = 1e-5
"""Of the numbers that a value is computed from: what is smaller than that is judged relative to them."""


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

    def departures(subject, at, rest, pair):
        g, h = pair
        many = lambda g, h: jnp.stack([g, h, LITTLE * g, LARGE * g, g + h, 0 * g]).astype(g.dtype)  # noqa: E731
        stack = jax.tree.map(many, g, h)
        back = subject.pull(at, rest)
        pull = lambda each: jax.tree.map(_few, back(each))  # noqa: E731
        one_by_one = jax.lax.map(pull, stack)
        at_once = one_by_one if _is_large(at) else jax.vmap(pull)(stack)
        # the numbers that a leaf is computed from leave their rounding in it
        slack = ROUNDING * largest(rest[-1], g, h)

        def of(out, same):
            g, h, little, large, both, none = out
            size = largest(g, h) + slack
            apart = jnp.stack([largest(x) for x in (little / LITTLE - g, large / LARGE - g, both - g - h, none)])
            return jnp.stack([apart.max(), largest(out[:2] - same[:2])]) / size

        pairs = zip(jax.tree.leaves(one_by_one), jax.tree.leaves(at_once), strict=True)
        return jnp.stack([of(*pair) for pair in pairs]).max(axis=0)

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
                return [departures(chosen[i][0], *point) for i, point in zip(group, points, strict=True)]

            found = jax.device_get(compiled.call(("linear", *group), all_of, [points[i] for i in group]))
            numbers.update(zip(group, found, strict=True))
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
            apart = [_departure(np.asarray(x), np.asarray(y), slack) for x, y in zip(by_hand, first, strict=True)]
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
        ways, scale = [drawn(at, seed) for seed in (1, 2)], _at_least_one(scale)

        def both(at, rest, u, v, scale):
            cost = lambda at: jnp.sum(subject.terms(at, rest))  # noqa: E731
            along = lambda at, way: jax.jvp(cost, (at,), (way,))[1]  # noqa: E731
            explicit = lambda at: subject.explicit(at, rest)  # noqa: E731
            length, slack = jnp.sqrt(_inner(u, u)), ROUNDING * scale
            if not has_second_order:
                g = explicit(at)
                return jnp.stack(
                    [jnp.abs(_inner(g, v) - along(at, v)) / _safe((jnp.sqrt(_inner(g, g)) + slack) * length)]
                )
            slope, curvature = jax.jvp(lambda at: along(at, v), (at,), (u,))
            same, both_ways = jax.vmap(lambda way: jax.jvp(explicit, (at,), (way,)))(_stacked(u, v))
            g, hu, hv = _row_of(0, same), _row_of(0, both_ways), _row_of(1, both_ways)
            first = jnp.abs(_inner(g, v) - slope) / _safe((jnp.sqrt(_inner(g, g)) + slack) * length)
            total = _safe((jnp.sqrt(_inner(hv, hv)) + slack * length) * length + jnp.abs(curvature))
            return jnp.stack(
                [first, jnp.abs(_inner(u, hv) - curvature) / total, jnp.abs(_inner(u, hv) - _inner(v, hu)) / total]
            )

        names = "forward mode", "second order", "symmetric Hessian"
        return [
            Departure(*each)
            for each in zip(names, 3 * [subject.name], _numbers("calculus", both, at, rest, *ways, scale), strict=False)
        ]

    return Property(measure)


def batch_mean(whole: Callable[..., PyTree], examples: Callable[..., PyTree]) -> Property:
    """A batch's (cost, gradient) by `whole(at, rest)` against the means of `examples(at, rest)`, stacked.

    It applies where the cost is the mean of the examples' costs: a layer may look at the batch as a whole.
    """

    def measure(points, scale):
        at, rest = points[-1]

        def both(at, rest, scale):
            (cost, g), (costs, gs) = whole(at, rest), examples(at, rest)
            mean = jax.tree.map(lambda each: jnp.mean(each, axis=0), gs)
            apart = [largest(x - y) for x, y in zip(*map(jax.tree.leaves, (g, mean)), strict=True)]
            of_cost = jnp.abs(cost - jnp.mean(costs)) / _safe(jnp.abs(cost))
            return jnp.stack([of_cost, jnp.stack(apart).max() / _safe(largest(g) + ROUNDING * scale)])

        of_cost, number = _numbers("mean", both, at, rest, _at_least_one(scale))
        return [Departure("mean of its examples'", "gradient", number)] if of_cost <= 1e-3 else []

    return Property(measure)


def drawn(like: PyTree, seed: int) -> PyTree:
    """Numbers from N(0, 1) in the shapes and dtypes of a tree, drawn on the host: they cost no compilation."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: np.asarray(random.normal(size=leaf.shape)).astype(leaf.dtype), like)


def _numbers(name: str, function: Callable[..., Array], *args: PyTree) -> list[float]:
    """The numbers that a function measures, none where forward mode cannot go; NaN is never within a limit."""
    try:
        return np.asarray(compiled.call(name, function, *args), float).tolist()
    except TypeError as error:
        if "custom_vjp" in str(error) or "forward-mode" in str(error):
            return []
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


def _row_of(i: int, tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _inner(x: PyTree, y: PyTree) -> Array | int:
    return sum(jnp.sum(a * b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def _apart(x: PyTree, y: PyTree) -> Float[Array, ""]:
    return largest(x - y) / _safe(largest(y))


def _departure(x: np.ndarray, y: np.ndarray, slack: float) -> float:
    """How far two arrays are apart, relative to the first; on the host, where nothing is compiled for it."""
    with np.errstate(all="ignore"):
        apart, size = (float(np.abs(each).max(initial=0.0)) for each in (x - y, x))
    return apart / (size + slack)


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

"""Central differences with Richardson extrapolation, in float64, at a few coordinates of every leaf.

    D(h)   = (f(θ + h) − f(θ − h)) / 2h                     error O(h²)
    R(h)   = (4 D(h/2) − D(h)) / 3                          Richardson: error O(h⁴)
    u(h)   = abs(D(h/2) − D(h)) / 3 + rounding              what R may be off by, at most
    kink   : (f(θ + h) − f(θ))/h and (f(θ) − f(θ − h))/h do not approach each other as h shrinks

Two steps h are tried, one 32 times the other, and the R of the smaller u counts: the large one resists rounding,
the small one keeps clear of kinks. f is given as terms whose sum it is, so that differences cancel term by term.

| symbol | name in code | shape |
|---|---|---|
| θ | `at`, raveled | (parameters,) |
| f | `terms(at, rest)`, summed | () |
| R, u | `Estimate.value`, `.uncertainty` | (leaf's coordinates,) |

Source: [Richardson1911]; the choice of h for R in float64 is ε^(1/5) of the parameter's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fnnets.verify.judging import arrays
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.tracing import compiled
from fnnets.verify.tracing.compiled import Programs
from fnnets.verify.tracing.matching import Match
from fnnets.verify.tracing.precision import EPSILON

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Pair = tuple[np.ndarray, np.ndarray]
"""Explicit and automatic values of a mark or a leaf."""
STEP = 1e-3
GROSS = 1e-4
"""Relative to the leaf, the least contradiction between both gradients and the differences that counts."""
DIFFERING, SAME, VISITS = 1e-6, 1e-10, 12
FRACTIONS = np.array([1.0, 1 / 2, 1 / 32, 1 / 64])


class Estimate(NamedTuple):
    """Central differences at the sampled coordinates of one leaf.

    Attributes:
        flat: the coordinates, as positions in the raveled leaf.
        value: the derivative there.
        uncertainty: what it may be off by.
        kink: whether the two one-sided slopes disagree there.
        low, high: the smaller and the larger of the one-sided slopes.
    """

    flat: np.ndarray
    value: np.ndarray
    uncertainty: np.ndarray
    kink: np.ndarray
    low: np.ndarray
    high: np.ndarray


def central(
    subject: Subject,
    reference: Reference,
    matches: Sequence[Match],
    marked: list[Pair],
    leaves: list[Pair] | None,
    programs: Programs,
) -> list[Estimate]:
    """Central differences for each mark and each leaf of θ, given as pairs of explicit and automatic values.

    Leaves of None have a structure of their own: differences are then taken at the marks alone.
    """
    (fixed, rest), forward = reference.point, evaluate.differenced(subject, reference)
    added = [np.zeros(automatic.shape) for _, automatic in marked]
    at, terms = (added, fixed if leaves is not None else ()), evaluate.injected(forward, matches)
    if leaves is None:
        inner = terms
        terms = lambda at, rest: inner((at[0], fixed), rest)  # noqa: E731
    pairs = [*marked, *(leaves or [])]
    flats = [sample(*pair) for pair in pairs]
    arrays = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(at)]
    starts = np.cumsum([0, *(leaf.size for leaf in arrays)])[:-1]
    points = np.concatenate([start + flat for start, flat in zip(starts, flats, strict=True)])
    steps = np.concatenate([step(*pair) for pair in zip(arrays, flats, strict=True)])
    if not len(points):
        return [Estimate(*(6 * [np.zeros(0, int)])) for _ in pairs]
    name = ("differences", subject.name, matches, leaves is None)
    program = compiled.program(
        name, lambda *args: differences(terms, *args), at, rest, points, steps, programs=programs
    )
    forward, backward, size = jax.device_get(program(at, rest, points, steps))
    return estimates(points, steps, flats, forward, backward, float(size))


def sample(explicit: np.ndarray, automatic: np.ndarray) -> np.ndarray:
    """Coordinates worth a visit: the worst, one near it, the largest, one drawn, and some of all that differ.

    Where nothing differs the largest and the one drawn serve as a sample of the automatic side. What differs is
    visited from the worst to the least, so that a fault cannot hide behind kinks that differ more.
    """
    if automatic.size == 0:
        return np.zeros(0, int)
    drawn = int(np.random.default_rng(automatic.size).integers(automatic.size))
    largest = _largest(automatic)
    if explicit.shape != automatic.shape:
        return np.array([largest, largest, largest, drawn])
    difference = arrays.apart(explicit, automatic).ravel()
    if np.all(difference <= SAME * arrays.largest(automatic)):
        return np.array([largest, drawn], int)
    difference[~np.isfinite(difference)] = np.inf  # in place, for a leaf may be large
    worst = int(np.argmax(difference))
    differing = np.flatnonzero(difference > DIFFERING * np.abs(automatic).max())
    differing = differing[np.argsort(-difference[differing], kind="stable")]
    second = int(differing[1]) if len(differing) > 1 else (worst + 1) % len(difference)
    # always as many, so that the program that visits them is compiled once
    spread = differing[np.linspace(0, len(differing) - 1, VISITS).astype(int)] if len(differing) > 2 else []
    return np.array([worst, second, largest, drawn, *spread], int)


def _largest(array: np.ndarray) -> int:
    """The place of the largest magnitude among raveled elements, NaN apart."""
    if arrays.are_finite(array):
        low, high = int(np.argmin(array)), int(np.argmax(array))
        return low if -array.flat[low] > array.flat[high] else high
    return int(np.argmax(np.nan_to_num(np.abs(array))))


def differences(
    terms: Callable[..., Array], at: PyTree, rest: PyTree, points: Array, steps: Array
) -> tuple[Array, Array, Array]:
    """Forward and backward slopes at raveled coordinates, both (points, fractions), and the terms' size."""
    flat, unravel = ravel_pytree(at)

    def moved(point, offset):
        return terms(unravel(flat.at[point].add(offset)), rest)

    each = np.outer(FRACTIONS, [1.0, -1.0]).astype(steps.dtype)
    offsets = (steps[:, None, None] * each).ravel()
    found, size = changes(moved, (jnp.repeat(points, 2 * len(FRACTIONS)), offsets))
    slopes = (found / offsets).reshape(len(points), len(FRACTIONS), 2)
    return slopes[..., 0], slopes[..., 1], size


def changes(moved: Callable[..., Array], ways: tuple[Array, ...]) -> tuple[Array, Array]:
    """Σ f(way) − f for each of the `ways` from a point, which end in offsets, and the size of f's terms.

    One loop computes f itself as well, at an offset of zero, so that f is compiled once.
    """
    ways = jax.tree.map(lambda each: jnp.concatenate([each[:1], each]), ways)
    ways = *ways[:-1], ways[-1].at[0].set(0)
    first = jax.eval_shape(moved, *(each[0] for each in ways))

    def body(base, each):
        is_first, way = each
        there = moved(*way)
        base = jnp.where(is_first, there, base)
        return base, jnp.sum(there - base)

    base = jnp.zeros(first.shape, first.dtype)
    base, found = jax.lax.scan(body, base, (jnp.arange(len(ways[-1])) == 0, ways))
    # A single number may be what is left of larger ones that cancelled inside the cost.
    size = jnp.sum(jnp.abs(base)) if base.ndim else jnp.maximum(jnp.abs(base), 1)
    return found[1:], size


def step(leaf: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """h for each coordinate: a thousandth of its size, or of the leaf's typical size, or of one."""
    typical = float(np.sqrt(np.sum(leaf * leaf) / max(leaf.size, 1))) or 1.0
    return STEP * np.maximum(np.abs(leaf.ravel()[flat]), typical)


def estimates(
    points: np.ndarray,
    steps: np.ndarray,
    flats: list[np.ndarray],
    forward: np.ndarray,
    backward: np.ndarray,
    size: float,
) -> list[Estimate]:
    """Slopes at four fractions of h, made leaf by leaf a derivative, its uncertainty, and whether there is a kink."""
    h = steps[:, None] * FRACTIONS
    rounding = 8 * EPSILON * size / h
    central, jump = (forward + backward) / 2, np.abs(forward - backward)
    coarse, fine = central[:, 0::2], central[:, 1::2]
    value, uncertainty = (4 * fine - coarse) / 3, np.abs(fine - coarse) / 3 + rounding[:, 1::2]
    # where both pairs of steps contradict each other there is a kink between them, and neither is to be trusted
    apart = np.abs(value[:, :1] - value[:, 1:])
    uncertainty = uncertainty + np.where(apart > 4 * uncertainty.sum(axis=1, keepdims=True), apart, 0)
    best = np.argmin(np.nan_to_num(uncertainty, nan=np.inf), axis=1)[:, None]
    value, uncertainty = (np.take_along_axis(array, best, axis=1)[:, 0] for array in (value, uncertainty))
    is_kink = (jump[:, -1] > 0.25 * jump[:, 0]) & (jump[:, -1] > 16 * rounding[:, -1])
    sides = np.sort(np.stack([forward[:, -1], backward[:, -1]]), axis=0) + 0.0  # a step back may give −0
    columns = (value, uncertainty, is_kink, *sides)
    bounds = np.cumsum([len(flat) for flat in flats])[:-1]
    return [Estimate(flat, *leaf) for flat, *leaf in zip(flats, *(np.split(c, bounds) for c in columns), strict=True)]


def supports(estimate: Estimate, explicit: np.ndarray, automatic: np.ndarray) -> str:
    """The side that central differences support at the sampled coordinates of a leaf.

    The worst element decides; where it stands at a kink or too near to rounding, the next ones do.
    """
    if not len(estimate.flat):
        return ""
    e, a = explicit.ravel()[estimate.flat], automatic.ravel()[estimate.flat]
    found = _sides(estimate, e, a)
    if "neither" in found and not _is_gross(estimate, e, a, automatic):
        found = ["undecided" if side == "neither" else side for side in found]
    decided = [side for side in found if side in ("explicit", "automatic", "neither")]
    return decided[0] if decided else found[0]


def are_all(estimate: Estimate | None, explicit: np.ndarray, automatic: np.ndarray) -> bool:
    """Whether each visited coordinate at which the two sides differ has the explicit value."""
    if estimate is None:
        return False
    found = _sides(estimate, *(side.ravel()[estimate.flat] for side in (explicit, automatic)))
    return all(side in ("explicit", "both", "undecided", "kink") for side in found) and "explicit" in found


def contradict(estimate: Estimate, explicit: np.ndarray) -> bool:
    """Whether differences contradict the explicit side at a visited coordinate, wherever they are finite."""
    e = explicit.ravel()[estimate.flat]
    least = np.fmax(100 * estimate.uncertainty, GROSS * np.abs(explicit).max(initial=0.0))
    return bool(np.any((np.abs(estimate.value - e) > least) & ~estimate.kink))


def along_ones(subject: Subject, reference: Reference, candidate: Candidate) -> list[tuple[float, float, float]]:
    """Slopes along (1, …, 1) of each mark and each leaf: ahead, behind, and what they may be off by."""
    (at, rest), forward = reference.point, evaluate.differenced(subject, reference)
    terms = evaluate.injected(forward, candidate.matches)
    zeros = [np.zeros(delta.shape) for delta in evaluate.true_deltas(forward, reference.cotangents, candidate.matches)]
    leaves, structure = jax.tree.flatten((zeros, at))
    steps = STEP * np.array([float(np.sqrt(np.mean(np.square(np.asarray(each, float))))) or 1.0 for each in leaves])
    fractions = np.array([1.0, -1.0, 1 / 32, -1 / 32])
    offsets = (steps[:, None] * fractions).ravel()

    def measure(leaves, rest, which, offsets):
        def moved(i, offset):
            there = [each + jnp.where(i == n, offset, 0).astype(each.dtype) for n, each in enumerate(leaves)]
            return terms(jax.tree.unflatten(structure, there), rest)

        return changes(moved, (which, offsets))[0]

    which = np.repeat(np.arange(len(leaves)), len(fractions))
    found = np.asarray(compiled.call(("ones", subject.name, candidate.matches), measure, leaves, rest, which, offsets))
    slopes = (found / offsets).reshape(-1, 4)
    slack = np.abs(slopes[:, :2] - slopes[:, 2:]).max(axis=1) + 1e-7 * np.abs(slopes).max(axis=1)
    return [(float(s[2]), float(s[3]), float(off)) for s, off in zip(slopes, slack, strict=True)]


def _sides(estimate: Estimate, e: np.ndarray, a: np.ndarray) -> list[str]:
    """The side that each visited coordinate supports."""
    slack = 10 * estimate.uncertainty + 1e-8 * np.fmax(np.abs(e), np.abs(a))
    for_e, for_a = (np.abs(estimate.value - side) <= slack for side in (e, a))
    differ = ~(np.abs(e - a) <= 2 * slack)
    return [_side(*each) for each in zip(for_e, for_a, differ, estimate.kink, strict=True)]


def _side(for_explicit: bool, for_automatic: bool, differ: bool, kink: bool) -> str:
    if kink:
        return "kink"
    if for_explicit and for_automatic:
        return "undecided" if differ else "both"
    if not (for_explicit or for_automatic):
        return "neither"
    if not differ:
        return "both"
    return "explicit" if for_explicit else "automatic"


def _is_gross(estimate: Estimate, e: np.ndarray, a: np.ndarray, automatic: np.ndarray) -> bool:
    """A contradiction to both sides far above the uncertainty of the differences, at a coordinate without a kink."""
    away = np.fmin(np.abs(estimate.value - e), np.abs(estimate.value - a))
    least = np.fmax(100 * estimate.uncertainty, GROSS * np.abs(automatic).max(initial=0.0))
    return bool(np.any((away > least) & ~estimate.kink))

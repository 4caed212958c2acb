"""Two arrays held against each other, and what the witness says about it.

    relative   max abs(e − a) / max abs(a), over the leaf            0 where both are zero throughout
    agreement  in float64: relative ≤ 1e-10, or abs(e − a) ≤ floor everywhere
    floor      16 · max(ε₆₄ · scale, ε₆₄/ε₃₂ · max abs(a₃₂ − a₆₄))   what float64 itself rounds away

The scale is that of the numbers that the leaf is computed from: a saturated unit passes 1e-13 of what it gets, and
those 1e-13 carry the rounding of numbers of order one. Its second part is the noise that the automatic gradient
shows between float32 and float64, scaled to float64: sums that cancel.

| symbol | name in code | shape |
|---|---|---|
| e, a | `explicit`, `automatic` | as the leaf |
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fnnets.verify.precision import EPSILON
from fnnets.verify.witness import DIFFERING, Estimate

GROSS = 1e-4
"""Relative to the leaf, the least contradiction between both gradients and the witness that is believed."""


class Discrepancy(NamedTuple):
    """How far an explicit leaf is from the automatic one; errors are NaN where a value is not finite."""

    relative: float
    absolute: float
    worst: tuple[int, ...]
    explicit: float
    automatic: float


def discrepancy(explicit: np.ndarray, automatic: np.ndarray) -> Discrepancy:
    """The largest difference between two arrays of one shape, and where it is; the first element not finite wins."""
    if automatic.size == 0:
        return Discrepancy(0.0, 0.0, (), math.nan, math.nan)
    difference = np.where(np.isfinite(explicit) & np.isfinite(automatic), np.abs(explicit - automatic), np.nan)
    flat = int(np.argmax(difference))  # a NaN counts as the largest
    index = tuple(int(i) for i in np.unravel_index(flat, difference.shape))
    absolute, largest = float(difference.max()), float(np.abs(automatic).max())
    relative = absolute / largest if largest > 0 else math.inf if absolute > 0 else absolute
    return Discrepancy(relative, absolute, index, float(explicit[index]), float(automatic[index]))


def floor(automatic: np.ndarray, automatic_native: np.ndarray, scale: float) -> float:
    """The absolute difference below which float64 cannot tell two arrays apart."""
    noise = np.abs(automatic - automatic_native).max(initial=0.0) * EPSILON / np.finfo(np.float32).eps
    return 16 * float(np.nan_to_num(max(EPSILON * scale, noise), nan=0.0, posinf=0.0))


def supports(estimate: Estimate, explicit: np.ndarray, automatic: np.ndarray) -> str:
    """Whom central differences support at the sampled coordinates of a leaf.

    The worst element speaks first; where it stands at a kink or too near to rounding, the others are heard.
    """
    if not len(estimate.flat):
        return ""
    e, a = explicit.ravel()[estimate.flat], automatic.ravel()[estimate.flat]
    slack = 10 * estimate.uncertainty + 1e-8 * np.fmax(np.abs(e), np.abs(a))
    for_e, for_a = (np.abs(estimate.value - side) <= slack for side in (e, a))
    differ = ~(np.abs(e - a) <= 2 * slack)
    votes = [_vote(*ballot) for ballot in zip(for_e, for_a, differ, estimate.kink, strict=True)]
    if "neither" in votes and not _is_gross(estimate, e, a, automatic):
        votes = ["undecided" if vote == "neither" else vote for vote in votes]
    decided = [vote for vote in votes if vote in ("explicit", "automatic", "neither")]
    return decided[0] if decided else votes[0]


def between_slopes(estimate: Estimate, explicit: np.ndarray, automatic: np.ndarray) -> bool:
    """Whether each visited element that differs stands at a kink, both values between its two one-sided slopes."""
    e, a = (side.ravel()[estimate.flat] for side in (explicit, automatic))
    room = 1e-3 * (estimate.high - estimate.low)
    is_between = (estimate.low - room <= np.fmin(e, a)) & (np.fmax(e, a) <= estimate.high + room)
    is_same = np.abs(e - a) <= DIFFERING * np.abs(automatic).max(initial=0.0)
    return bool(np.all(is_same | (estimate.kink & is_between)))


def _vote(for_explicit, for_automatic, differ, kink) -> str:
    if kink:
        return "kink"
    if for_explicit and for_automatic:
        return "undecided" if differ else "both"
    if not (for_explicit or for_automatic):
        return "neither"
    if not differ:
        return "both"
    return "explicit" if for_explicit else "automatic"


def _is_gross(estimate: Estimate, e, a, automatic: np.ndarray) -> bool:
    """A contradiction to both sides far above the witness's own doubt, at a coordinate without a kink."""
    away = np.fmin(np.abs(estimate.value - e), np.abs(estimate.value - a))
    least = np.fmax(100 * estimate.uncertainty, GROSS * np.abs(automatic).max(initial=0.0))
    return bool(np.any((away > least) & ~estimate.kink))

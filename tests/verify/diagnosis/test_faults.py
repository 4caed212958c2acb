"""Faults of terms, sums, examples and statistics: each is named, and its right twin has no diagnosis.

The right values are computed in NumPy from drawn numbers; a fault is the same formula with one change.
"""

import numpy as np
import pytest

from fnnets.verify.diagnosis import diagnose
from fnnets.verify.diagnosis.clues import Clues, delta

EXAMPLE, SEQUENCE = ("example", "unit"), ("step", "example", "unit")
IMAGE, BATCH_FIRST = ("example", "row", "column", "channel"), ("example", "step", "unit")
MATRIX, UNIT = ("row", "column"), ("element",)


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


Z, D, W = draw(0, 6, 4), draw(1, 6, 4), draw(2, 4, 3)
P = softmax(Z)
S, SD, C, H = draw(3, 7, 5, 4), draw(4, 7, 5, 4), draw(5, 7, 5, 4), draw(6, 7, 5, 4)
PICTURE = draw(7, 3, 6, 5, 2)
TANH = 1 - np.tanh(S) ** 2
OF_P = {"values": {"z": Z}, "deltas": {"p": D}}
OF_C = {"values": {"c": C, "h": H}, "deltas": {"h": SD}}
K, OUT = draw(9, 3, 4, 4), draw(10, 3, 4, 5)
IDS = np.array([0, 2, 2, 3, 1, 2])


def normal(z, d, axis, mean=1, variance=1):
    """The gradient of (z − mean)/σ by z, with its two statistics or without."""
    n = (z - z.mean(axis, keepdims=True)) / z.std(axis, keepdims=True)
    of_mean, of_variance = d.mean(axis, keepdims=True), n * (d * n).mean(axis, keepdims=True)
    return (d - mean * of_mean - variance * of_variance) / z.std(axis, keepdims=True)


def by_square(z, d, has_square=1):
    """The gradient of z over the root of its mean square, over units."""
    r = np.sqrt((z**2).mean(-1, keepdims=True))
    return d / r - has_square * z * (d * z).mean(-1, keepdims=True) / r**3


def before(x, k=1):
    """The values k steps before, zeros in front."""
    return np.concatenate([np.zeros_like(x[:k]), x[:-k]])


def looked_up(rows, is_set=False):
    found = np.zeros((5, 4))
    if is_set:
        found[IDS] = rows
    else:
        np.add.at(found, IDS, rows)
    return found


def exchanged(x):
    return np.concatenate([x[:, 2:], x[:, :2]], axis=1)


BIAS = draw(11, 4)
TWO = D + Z
FAULTS = {
    "another example": (np.roll(D, 2, 0), D, EXAMPLE, {}, "is the right one of another example: rolled by 2"),
    "examples in another order": (
        D[[3, 1, 0, 2, 5, 4]], D, EXAMPLE, {}, "has the right values in another order along example"),
    "gates exchanged": (exchanged(D), D, EXAMPLE, {}, "is the right one rolled by 2 along unit"),
    "two gates of three": (
        D[:, [2, 3, 0, 1]][:, :3], D[:, :3], EXAMPLE, {}, ""),
    "blocks": (SD[:, :, [1, 0, 2, 3]], SD, SEQUENCE, {}, "has unit 0 and unit 1 exchanged"),
    "two steps before": (before(SD, 2), SD, SEQUENCE, {}, "is the right one of 2 steps before"),
    "a row down": (
        np.pad(PICTURE, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1], PICTURE, IMAGE, {},
        "is the right one moved by 1 row down, as with padding on the other side"),
    "a row up and a column left": (
        np.pad(PICTURE, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:], PICTURE, IMAGE, {},
        "is the right one moved by 1 row up and 1 column to the left, as with padding on the other side"),
    "another example's answer": (
        0.5 * (D - np.roll(Z, 1, 0)), 0.5 * (D - Z), EXAMPLE, {"values": {"y": Z}},
        "has a term with y of another example, rolled by 1"),
    "factor missing": (SD, SD * C, SEQUENCE, OF_C, "misses the factor c"),
    "factor twice": (SD * C**2, SD * C, SEQUENCE, OF_C, "has a factor c too many"),
    "c for c before": (
        SD * C, SD * before(C), SEQUENCE, OF_C, "has the factor c in place of c of the step before"),
    "c before for c": (SD * before(C), SD * C, SEQUENCE, OF_C, "has the factor c of the step before"),
    "h for c": (SD * H, SD * C, SEQUENCE, OF_C, "has the factor h in place of c"),
    "c for tanh(c)": (SD * C, SD * np.tanh(C), SEQUENCE, OF_C, "has the factor c in place of tanh(c)"),
    "slope two steps before": (
        SD * (1 - np.tanh(before(S, 2)) ** 2), SD * TANH, SEQUENCE, {"values": {"z": S}},
        "has σ'(z) of tanh of 2 steps before"),
    "1 − a²": (
        D * np.tanh(Z) * (1 - np.tanh(Z)), D * (1 - np.tanh(Z) ** 2), EXAMPLE, {"values": {"z": Z}},
        "has σ (1 − σ) of tanh in place of σ'(z)"),
    "a slope in a term": (
        H + SD * (1 - C**2), H + SD * (1 - np.tanh(C) ** 2), SEQUENCE, OF_C,
        "has 1 − c² of tanh in place of σ'(c), in the term with ∂C/∂h"),
    "a slope in a term, behind a gate": (
        SD * np.tanh(S), SD * np.tanh(S) * (1 - np.tanh(C) ** 2) , SEQUENCE,
        {"values": {"c": C}, "deltas": {"h": SD}}, "misses the factor σ'(c) of tanh"),
    "no slope in a term, beside a gate": (
        H + SD * np.tanh(S[..., :4]), H + SD * np.tanh(S[..., :4]) * (1 - np.tanh(C) ** 2), SEQUENCE,
        {"values": {"c": C, "z": np.concatenate([H, S], -1)}, "deltas": {"h": SD}},
        "misses the factor σ'(c) of tanh, in the term with ∂C/∂h"),
    "a path forgotten": (TWO - D, TWO, EXAMPLE, {"deltas": {"u": D}}, "misses the term ∂C/∂u: one of several paths"),
    "a path twice": (TWO + D, TWO, EXAMPLE, {"deltas": {"u": D}}, "has the term ∂C/∂u once too often"),
    "a path turned": (TWO - 2 * D, TWO, EXAMPLE, {"deltas": {"u": D}}, "has the term ∂C/∂u with its sign turned"),
    "a path alone": (D, TWO, EXAMPLE, {"deltas": {"u": D}}, "equals ∂C/∂u alone: a term is missing"),
    "a factor alone": (
        D, D * draw(12, 6, 4), EXAMPLE, {"deltas": {"u": D}},
        "equals ∂C/∂u, without a factor that the right one has"),
    "penalty": (
        W, W + 0.01 * draw(13, 4, 3), MATRIX, {"values": {"w": draw(13, 4, 3)}, "own": "w"},
        "is too small by 0.01 times w itself, as without a penalty of it"),
    "no sum in softmax": (
        P * D, P * (D - (P * D).sum(-1, keepdims=True)), EXAMPLE, OF_P,
        "misses the sum over units in the Jacobian of softmax(z)"),
    "diagonal of softmax": (
        P * (1 - P) * D, P * (D - (P * D).sum(-1, keepdims=True)), EXAMPLE, OF_P,
        "has the diagonal of the Jacobian of softmax(z) alone"),
    "softmax summed over examples": (
        P * (D - (P * D).sum(0)), P * (D - (P * D).sum(-1, keepdims=True)), EXAMPLE, OF_P,
        "has the sum in the Jacobian of softmax(z) with ∂C/∂p over example in place of unit"),
    "mean of a batch": (normal(Z, D, 0, mean=0), normal(Z, D, 0), EXAMPLE, OF_P, "takes the mean over example"),
    "variance of a batch": (
        normal(Z, D, 0, variance=0), normal(Z, D, 0), EXAMPLE, OF_P,
        "takes the variance of z over example as a constant"),
    "both of a batch": (
        normal(Z, D, 0, 0, 0), normal(Z, D, 0), EXAMPLE, OF_P,
        "takes the mean and the variance of z over example as constants"),
    "both of units": (
        normal(Z.T, D.T, -1, 0, 0), normal(Z.T, D.T, -1), EXAMPLE, {"values": {"z": Z.T}},
        "takes the mean and the variance of z over unit as constants"),
    "mean square": (
        by_square(Z.T, D.T, 0), by_square(Z.T, D.T), EXAMPLE, {"values": {"z": Z.T}},
        "takes the mean square of z over unit as a constant"),
    "set for added": (
        looked_up(D, is_set=True), looked_up(D), MATRIX, {"indices": {"ids": IDS}},
        "is wrong just at the rows that ids has more than once: set there in place of added"),
    "plus a number": (W + 0.25, W, MATRIX, {}, "is the right one plus 0.25"),
    "the diagonal": (np.eye(4) * draw(14, 4, 4), draw(14, 4, 4), MATRIX, {}, "is the diagonal of the right one alone"),
    "a cost without it": (W, 0 * W, MATRIX, {}, "is not zero, but the cost does not depend on it here"),
    "summed over units": (
        SD.sum((1, 2)), SD.sum((0, 1))[[0, 1, 2, 3, 0, 1, 2]], UNIT, {"deltas": {"z": SD}}, ""),
    "summed over the wrong axis": (
        D[:4].sum(1), D[:4].sum(0), UNIT, {"deltas": {"z": D[:4]}}, "is the sum of δ over unit in place of example"),
    "z for n": (
        (D * Z).sum(0), (D * np.tanh(Z)).sum(0), UNIT, {"deltas": {"y": D}, "values": {"z": Z, "n": np.tanh(Z)}},
        "is the sum of ∂C/∂y ⊙ z in place of ∂C/∂y ⊙ n"),
    "of x in y": (
        Z.T @ D, np.roll(Z, 1, 0).T @ D, MATRIX, {"deltas": {"z": D}, "values": {"x": Z}},
        "is the contraction of δ with x in place of δ with x of another example, rolled by 1"),
    "a contraction missing": (
        Z.T @ D, Z.T @ D + np.tanh(Z).T @ D, MATRIX, {"deltas": {"z": D}, "values": {"x": Z, "a": np.tanh(Z)}},
        "misses the contraction of δ with a"),
    "a contraction and more": (
        Z.T @ D, Z.T @ D + draw(15, 4, 4), MATRIX, {"deltas": {"z": D}, "values": {"x": Z}},
        "is the contraction of δ with x alone, which the right one is not"),
    "not transposed": (
        K @ OUT, np.swapaxes(K, 1, 2) @ OUT, BATCH_FIRST, {"values": {"a": K}, "deltas": {"o": OUT}},
        "is a ∂C/∂o in place of aᵀ ∂C/∂o"),
    "through time": (
        np.concatenate([draw(16, 6, 5, 4), SD[-1:]]), SD, SEQUENCE, {},
        "is right at the last step alone: the part that comes from the next step is missing or wrong"),
    "not from above": (
        np.concatenate([draw(17, 6, 5, 4), 0 * SD[-1:]]), SD, SEQUENCE, {},
        "is zero at the last step: the part that comes from the step's own output is missing"),
}  # fmt: skip


def diagnosed(explicit, automatic, axes, **clues):
    return diagnose.diagnose(explicit, automatic, Clues({"N": 6}, axes, **clues))


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault(explicit, automatic, axes, clues, expected):
    found = diagnosed(explicit, automatic, axes, **clues)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
def test_the_same_in_float32(explicit, automatic, axes, clues, expected):
    """The values rounded to float32, and the tolerance of that: the same words."""
    explicit, automatic = (np.float64(np.float32(x)) for x in (explicit, automatic))
    assert diagnosed(explicit, automatic, axes, tolerance=1e-5, **clues).startswith(expected)


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("tolerance", [1e-8, 1e-5, 3e-2])
def test_the_right_twin_has_none(explicit, automatic, axes, clues, expected, tolerance):
    """The right values with rounding on them, and every clue of the fault at hand."""
    size = np.abs(automatic).max()
    rounded = automatic + 0.3 * tolerance * size * draw(20, *automatic.shape).clip(-1, 1)
    assert diagnosed(rounded, automatic, axes, tolerance=tolerance, **clues) == ""


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
def test_every_element_must_agree(explicit, automatic, axes, clues, expected):
    """One element spoilt by some thousandths of the largest, and the diagnosis is another, or gone."""
    spoilt = explicit.copy()
    spoilt.flat[spoilt.size // 2] += 4.3e-3 * max(np.abs(automatic).max(), np.abs(explicit).max())
    is_loose = expected.startswith(("is wrong just", "is not zero", "is zero at the last step", "is right at the last"))
    assert is_loose or not expected or not diagnosed(spoilt, automatic, axes, **clues).startswith(expected)


@pytest.mark.parametrize("seed", range(60))
def test_unrelated_values_have_none(seed):
    """Numbers that have nothing to do with each other, in small leaves, with every clue at hand."""
    rng = np.random.default_rng(seed)
    steps, count, q = rng.integers(3, 6, 3)
    for shape, axes in (((steps, count, q), SEQUENCE), ((count, q), EXAMPLE), ((q,), UNIT), ((q, q), MATRIX)):
        given = {
            "values": {name: rng.normal(size=shape) for name in ("z", "c", "w")},
            "deltas": {name: rng.normal(size=shape) for name in ("u", "d_y")},
            "own": "w", "indices": {"ids": rng.integers(0, q, count)},
        }  # fmt: skip
        for tolerance in (1e-8, 1e-5):
            explicit, automatic = rng.normal(size=shape), rng.normal(size=shape)
            assert diagnosed(explicit, automatic, axes, tolerance=tolerance, **given) == ""


@pytest.mark.parametrize(
    ("count", "tolerance", "expected"),
    [(1, 1e-8, "is 2 times"), (1, 1e-5, "is 2 times"), (1, 3e-2, ""), (9, 3e-2, "is 2 times"), (1, 4e-3, "")],
)
def test_few_digits_need_more_elements(count, tolerance, expected):
    """One number has 8 digits in float64, 5 in float32, 1.5 in bfloat16: the last say nothing of a factor."""
    right = draw(21, count)
    found = diagnosed(2 * right, right, UNIT, tolerance=tolerance)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_marks_have_names_of_their_own():
    assert [delta(name) for name in ("z", "z_o", "z1", "h", "d_y", "zeta")] == [
        "δ", "δ_o", "δ1", "∂C/∂h", "d_y", "∂C/∂zeta",
    ]  # fmt: skip

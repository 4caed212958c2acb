"""Diagnoses: a planted fault for each, and numbers that have none.

Expected phrases follow from how the fault is planted: the explicit values are made from the automatic ones by it.
"""

import numpy as np
import pytest

from fnnets.verify.diagnosis import diagnose
from fnnets.verify.diagnosis.clues import Clues

SIZES = {"N": 5, "T": 7, "n": 60}
MATRIX, SEQUENCE, EXAMPLE, UNIT = ("unit", "input"), ("step", "example", "unit"), ("example", "unit"), ("unit",)
KERNEL = ("row", "column", "channel", "filter")


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def of_sigmoid(z):
    return sigmoid(z) * (1 - sigmoid(z))


def of_tanh(z):
    return 1 - np.tanh(z) ** 2


def earlier(z):
    return np.concatenate([np.zeros_like(z[:1]), z[:-1]])


def contracted(d, u):
    return np.einsum("...q,...p->qp", d, u) if d.ndim == 1 else np.einsum("aq,ap->qp", flat(d), flat(u))


def flat(array):
    return array.reshape(-1, array.shape[-1])


def total(d):
    return flat(d).sum(axis=0)


W, SQUARE, K = draw(0, 4, 3), draw(1, 3, 3), draw(2, 3, 3, 2, 2)
TERM = 0.1 * draw(3, 4, 3)
Z, D = draw(4, 7, 5, 3), draw(5, 7, 5, 3)
DELTA, X, H = draw(6, 7, 5, 4), draw(7, 7, 5, 3), draw(8, 7, 5, 3)
MASK = np.ones((7, 5), bool)
MASK[4:, 1] = MASK[2:, 3] = False
REAL = MASK[..., None]
IMAGE = draw(9, 5, 4, 3, 6)
OF_TERM = {"terms": {"λ/n w": TERM}}
OF_Z = {"values": {"z": Z}}
OF_W = {"values": {"x": X, "h": H}, "deltas": {"z": DELTA}, "mask": MASK}
OF_IMAGE = {"deltas": {"z": IMAGE}}
STRAY = {"terms": {"stray λ/n w": TERM}}


def diagnosed(explicit, automatic, axes, sizes=SIZES, **clues):
    return diagnose.diagnose(explicit, automatic, Clues(sizes, axes, **clues))


RATIOS = [
    (5, SIZES, "is N times the right one (N = 5)"),
    (1 / 5, SIZES, "is 1/N times the right one (N = 5)"),
    (1 / 7, SIZES, "is 1/T times the right one (T = 7)"),
    (12, SIZES, "is n/N times the right one (n = 60, N = 5)"),
    (1 / 12, SIZES, "is N/n times the right one (N = 5, n = 60)"),
    (1 / 25, SIZES, "is 1/N² times the right one (N = 5)"),
    (35, SIZES, "is N·T times the right one (N = 5, T = 7)"),
    (1 / 35, SIZES, "is 1/(N·T) times the right one (N = 5, T = 7)"),
    (2, SIZES, "is 2 times the right one"),
    (0.5, SIZES, "is 1/2 times the right one"),
    (2 / 5, SIZES, "is 2/N times the right one (N = 5)"),
    (-1, SIZES, "has the sign of the right one turned"),
    (-1 / 5, SIZES, "is −1/N times the right one (N = 5)"),
    (1.01, SIZES, "is 1.01 times the right one"),
    (-1.25, {}, "is −1.25 times the right one"),
    (0.2, {"N": 5, "T": 5}, "is 1/N times the right one (N = T = 5)"),
    (0.5, {"N": 2}, "is 1/2 times the right one (N = 2)"),
    (3, {"N": 1, "T": 3}, "is T times the right one (T = 3)"),
    (3, {"N": 0, "T": 3}, "is T times the right one (T = 3)"),
]


@pytest.mark.parametrize(("ratio", "sizes", "expected"), RATIOS)
def test_ratio(ratio, sizes, expected):
    assert diagnosed(ratio * W, W, MATRIX, sizes) == expected


FAULTS = {
    "zero": (0 * W, W, MATRIX, {}, "is zero"),
    "transposed": (SQUARE.T, SQUARE, MATRIX, {}, "is the transpose of the right one"),
    "channels": (K.swapaxes(2, 3), K, KERNEL, {}, "has the axes channel and filter exchanged"),
    "turned": (K[::-1, ::-1], K, KERNEL, {}, "is the right one turned along row and column"),
    "turned once": (K[:, ::-1], K, KERNEL, {}, "is the right one turned along column"),
    "shifted": (earlier(D), D, SEQUENCE, {}, "is the right one of the step before"),
    "shifted back": (earlier(D[::-1])[::-1], D, SEQUENCE, {}, "is the right one of the step behind"),
    "clipped": (np.clip(W, -0.4, 0.4), W, MATRIX, {}, "is the right one clipped at 0.4"),
    "left out": (D * (np.arange(7) != 0)[:, None, None], D, SEQUENCE, {}, "is zero where it differs"),
    "padding": (D, D * REAL, SEQUENCE, {}, "is not zero where the right one is zero"),
    "term missing": (W, W + TERM, MATRIX, OF_TERM, "misses the term λ/n w"),
    "term twice": (W + 2 * TERM, W + TERM, MATRIX, OF_TERM, "has the term λ/n w 2 times"),
    "term halved": (W + TERM / 2, W + TERM, MATRIX, OF_TERM, "has the term λ/n w 1/2 times"),
    "term turned": (W - TERM, W + TERM, MATRIX, OF_TERM, "has the term λ/n w with its sign turned"),
    "λ/N": (W + 12 * TERM, W + TERM, MATRIX, OF_TERM, "has the term λ/n w n/N times"),
    "stray": (W + TERM, W, MATRIX, STRAY, "has λ/n w in it, which does not belong there"),
    "stray λ/N": (W + 12 * TERM, W, MATRIX, STRAY, "has n/N times λ/n w in it, which does not belong there"),
    "no slope": (D, D * of_sigmoid(Z), SEQUENCE, OF_Z, "misses the factor σ'(z) of sigmoid"),
    "no slope of tanh": (D, D * of_tanh(Z), SEQUENCE, OF_Z, "misses the factor σ'(z) of tanh"),
    "no slope of softplus": (D, D * sigmoid(Z), SEQUENCE, OF_Z, "misses the factor σ'(z) of softplus"),
    "no slope of relu": (D, D * (Z > 0), SEQUENCE, {**OF_Z, "deltas": {"d_y": D}}, "misses the factor σ'(z) of relu"),
    "slope twice": (
        D * of_tanh(Z) ** 2, D * of_tanh(Z), SEQUENCE, OF_Z, "has a factor σ'(z) of tanh too many"),
    "slope kept": (D * of_sigmoid(Z), D, SEQUENCE, OF_Z, "has a factor σ'(z) of sigmoid too many"),
    "relu kept": (D * (Z > 0), D, SEQUENCE, OF_Z, "has a factor σ'(z) of relu too many"),
    "few zeros": (
        D[:1, :1] * (Z[:1, :1] > 0), D[:1, :1], SEQUENCE, {"values": {"z": Z[:1, :1]}}, "is zero where it differs"),
    "slope at a": (
        D * of_sigmoid(sigmoid(Z)), D * of_sigmoid(Z), SEQUENCE, OF_Z,
        "has σ' at σ(z) of sigmoid in place of σ'(z)"),
    "1 − z²": (D * (1 - Z**2), D * of_tanh(Z), SEQUENCE, OF_Z, "has 1 − z² of tanh in place of σ'(z)"),
    "z (1 − z)": (D * Z * (1 - Z), D * of_sigmoid(Z), SEQUENCE, OF_Z, "has z (1 − z) of sigmoid in place of σ'(z)"),
    "f (1 + f)": (
        D * sigmoid(Z) * (1 + sigmoid(Z)), D * of_sigmoid(Z), SEQUENCE, OF_Z,
        "has σ (1 + σ) of sigmoid in place of σ'(z)"),
    "of another": (D * of_tanh(Z), D * of_sigmoid(Z), SEQUENCE, OF_Z, "has σ'(z) of tanh in place of sigmoid"),
    "of relu": (D * (Z > 0), D * of_tanh(Z), SEQUENCE, OF_Z, "has σ'(z) of relu in place of tanh"),
    "slope before": (
        D * of_tanh(earlier(Z)), D * of_tanh(Z), SEQUENCE, OF_Z, "has σ'(z) of tanh at the step before"),
    "slope of another example": (
        D[:, 0] * of_tanh(earlier(Z[:, 0])), D[:, 0] * of_tanh(Z[:, 0]), EXAMPLE, {"values": {"z": Z[:, 0]}},
        "has σ'(z) of tanh of another example"),
    "unknown factor": (
        D, D * draw(20, 7, 5, 3), SEQUENCE, {"deltas": {"d_y": D}},
        "equals d_y, without a factor that the right one has"),
    "inverted": (
        D * (Z <= 0), D * (Z > 0), SEQUENCE, {"deltas": {"d_y": D}},
        "is zero where the right one is not, and not zero where that is: a derivative inverted"),
    "u before": (
        contracted(DELTA, earlier(X)), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with x of the step before in place of δ with x"),
    "u for u before": (
        contracted(DELTA, X), contracted(DELTA, earlier(X)), MATRIX, OF_W,
        "is the contraction of δ with x in place of δ with x of the step before"),
    "another u": (
        contracted(DELTA, H), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with h in place of δ with x"),
    "another δ": (
        contracted(DELTA[::-1], X), contracted(DELTA, X), MATRIX,
        {**OF_W, "deltas": {"z_i": DELTA, "z_f": DELTA[::-1]}},
        "is the contraction of δ_f with x in place of δ_i with x"),
    "no first step": (
        contracted(DELTA[1:], X[1:]), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with x without the first step"),
    "no last step": (
        contracted(DELTA[:-1], X[:-1]), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with x without the last step"),
    "last step alone": (
        contracted(DELTA[-1], X[-1]), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with x at the last step alone"),
    "padding left out": (
        contracted(DELTA * REAL, X), contracted(DELTA, X), MATRIX, OF_W,
        "is the contraction of δ with x without padding"),
    "padding included": (
        contracted(DELTA, X), contracted(DELTA * REAL, X), MATRIX, OF_W,
        "is the contraction of δ with x in place of δ with x without padding"),
    "contraction transposed": (
        contracted(D, X).T, contracted(D, H), MATRIX, {"values": {"x": X, "h": H}, "deltas": {"z": D}},
        "is the contraction of δ with x, transposed in place of δ with h"),
    "bias without first step": (
        total(DELTA[1:]), total(DELTA), UNIT, OF_W, "is the sum of δ without the first step"),
    "bias without last step": (
        total(DELTA[:-1]), total(DELTA), UNIT, OF_W, "is the sum of δ without the last step"),
    "bias of an example": (
        total(DELTA[:, 2]), total(DELTA), UNIT, OF_W, "is the sum of δ at example 2 alone"),
    "bias with padding": (
        total(DELTA), total(DELTA * REAL), UNIT, OF_W, "is the sum of δ over all in place of that without padding"),
    "bias without a row": (
        total(IMAGE[:, 1:]), total(IMAGE), UNIT, OF_IMAGE, "is the sum of δ without the first row"),
    "bias without an image": (
        total(IMAGE[:-1]), total(IMAGE), UNIT, OF_IMAGE, "is the sum of δ without the last example"),
    "bias of a pixel": (
        total(IMAGE[:, 1, 2]), total(IMAGE), UNIT, OF_IMAGE, "is the sum of δ at row 1, column 2 alone"),
}  # fmt: skip


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault(explicit, automatic, axes, clues, expected):
    assert diagnosed(explicit, automatic, axes, **clues) == expected


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues", "expected"), FAULTS.values(), ids=FAULTS)
def test_every_element_must_agree(explicit, automatic, axes, clues, expected):
    """One element spoilt by a thousandth of the largest, and the diagnosis is gone."""
    spoilt = explicit.copy()
    spoilt.flat[spoilt.size // 2] += 1.3e-3 * np.abs(automatic).max()
    assert diagnosed(spoilt, automatic, axes, **clues) != expected


STILL = np.broadcast_to(draw(10, 1, 5, 3), (7, 5, 3)).copy()
RESTARTED = np.concatenate([draw(11, 1, 5, 3), STILL[1:]])
FIRST = D * (np.arange(7) == 0)[:, None, None]
NAN = np.where(np.arange(3) == 1, np.nan, W)
NOTHING = {
    "equal": (W, W, MATRIX, {}),
    "equal to rounding": (W * (1 + 1e-12), W, MATRIX, {}),
    "both zero": (0 * W, 0 * W, MATRIX, {}),
    "of nothing": (np.zeros((0, 3)), np.zeros((0, 3)), MATRIX, {}),
    "of other shapes": (W.T, W, MATRIX, {}),
    "NaN": (NAN, W, MATRIX, {}),
    "NaN in the reference": (W, NAN, MATRIX, {}),
    "infinite": (W * np.inf, W, MATRIX, {}),
    "symmetric": (draw(12, 3, 3), SQUARE + SQUARE.T, MATRIX, {}),
    "a number": (np.array(1.37), np.array(0.91), (), {}),
    "a unit": (np.array([1.37]), np.array([0.91]), UNIT, {}),
    "one that is not zero": (np.array([0, 0, 1.37]), np.array([0, 0, 0.91]), UNIT, {}),
    "the largest wrong": (np.array([1.0, 2.0, 7.0]), np.array([1.0, 2.0, 10.0]), UNIT, {}),
    "still but for the first": (RESTARTED, STILL, SEQUENCE, {}),
    "the first step alone": (FIRST * Z, FIRST, SEQUENCE, {"values": {"z": draw(13, 7, 5, 3)}}),
    "still slopes": (np.concatenate([Z[:1], D[1:]]), D, SEQUENCE, {"values": {"z": STILL}}),
    "values without axes": (
        draw(14, 4, 3), W, MATRIX, {"values": {"x": np.array(2.0)}, "deltas": {"z": np.array(1.0)}}),
    "values that are NaN": (draw(14, 4, 3), W, MATRIX, {"values": {"x": X * np.nan}, "deltas": {"z": DELTA}}),
    "values that are infinite": (Z, D, SEQUENCE, {"values": {"z": Z * np.inf}}),
    "a term of another leaf": (draw(14, 4, 3), W, MATRIX, {"terms": {"λ/n w": SQUARE}}),
    "a term that is zero": (draw(14, 4, 3), W, MATRIX, {"terms": {"λ/n w": 0 * W}}),
    "a term of one element": (
        W + (np.arange(12) == 5).reshape(4, 3), W, MATRIX, {"terms": {"λ/n w": np.eye(1, 12, 5).reshape(4, 3)}}),
}  # fmt: skip


@pytest.mark.parametrize(("explicit", "automatic", "axes", "clues"), NOTHING.values(), ids=NOTHING)
def test_there_is_no_diagnosis(explicit, automatic, axes, clues):
    assert diagnosed(explicit, automatic, axes, **clues) == ""


@pytest.mark.parametrize("seed", range(100))
def test_unrelated_errors_have_no_diagnosis(seed):
    """Random errors of every size, in small leaves, with every clue at hand."""
    rng = np.random.default_rng(seed)
    steps, count, q, p = rng.integers(1, 5, 4)
    lead, size = (steps, count), 10.0 ** rng.integers(-6, 1)
    deltas = {"z": rng.normal(size=(*lead, q)), "d_y": rng.normal(size=(*lead, p))}
    values = {"z": rng.normal(size=(*lead, q)), "x": rng.normal(size=(*lead, p))}
    mask = rng.random(lead) > 0.3
    sizes = {"T": float(steps), "N": float(count), "n": float(rng.integers(1, 9))}
    for right, axes in (
        (contracted(deltas["z"], values["x"]), MATRIX), (total(deltas["z"]), UNIT),
        (deltas["z"] * of_tanh(values["z"]), SEQUENCE), (deltas["z"] * (values["z"] > 0), SEQUENCE),
    ):  # fmt: skip
        wrong = right + size * rng.normal(size=right.shape) * (right != 0)
        terms = {"λ/n w": rng.normal(size=right.shape)}
        assert diagnosed(wrong, right, axes, sizes, values=values, deltas=deltas, mask=mask, terms=terms) == ""


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("tolerance", [1e-5, 3e-2])
def test_unrelated_errors_have_no_diagnosis_where_values_have_few_digits(seed, tolerance):
    """The same as above, at the tolerances of float32 and bfloat16."""
    rng = np.random.default_rng(seed)
    steps, count, q, p = rng.integers(2, 5, 4)
    lead, size = (steps, count), 10.0 ** rng.integers(-6, 1)
    deltas = {"z": rng.normal(size=(*lead, q)), "d_y": rng.normal(size=(*lead, p))}
    values = {"z": rng.normal(size=(*lead, q)), "x": rng.normal(size=(*lead, p))}
    sizes = {f"x.shape[{i}]": float(n) for i, n in enumerate((steps, count, q, p))}
    for right, axes in (
        (contracted(deltas["z"], values["x"]), MATRIX), (total(deltas["z"]), UNIT),
        (deltas["z"] * of_tanh(values["z"]), SEQUENCE), (rng.normal(size=1), UNIT), (rng.normal(size=2), UNIT),
    ):  # fmt: skip
        wrong = right + size * rng.normal(size=right.shape)
        given = {"values": values, "deltas": deltas, "terms": {"λ/n w": rng.normal(size=right.shape)}}
        assert diagnosed(wrong, right, axes, sizes, tolerance=tolerance, **given) == ""


def test_large_leaves_are_not_searched_for_long():
    """Values of millions are left out."""
    lead = (10, 20)
    clues = {"values": {"x": np.ones((*lead, 20_000))}, "deltas": {"z": np.ones((*lead, 20_000))}}
    assert diagnosed(draw(15, 20_000), draw(16, 20_000), UNIT, **clues) == ""

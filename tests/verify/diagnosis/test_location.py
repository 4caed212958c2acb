"""Places in words: each phrase against a pattern made for it, and against one that must not have it."""

import numpy as np
import pytest

from fnnets.verify.diagnosis import location

IMAGE = ("example", "row", "column", "channel")
SEQUENCE = ("step", "example", "unit")
MATRIX = ("unit", "input")


@pytest.mark.parametrize(
    ("where", "ndim", "kind", "expected"),
    [
        ("layer 1 dense .weights", 2, "parameters", MATRIX),
        ("layer 0 recurrent .hidden_weights", 2, "parameters", MATRIX),
        ("gradient [0].weights", 4, "parameters", ("row", "column", "channel", "filter")),
        ("layer 1 dense .biases", 1, "parameters", ("unit",)),
        ("layer 1 lstm .peepholes", 2, "parameters", ("axis 0", "axis 1")),
        ("layer 1 odd .weights", 3, "parameters", ("axis 0", "axis 1", "axis 2")),
        ("layer 0 recurrent z", 3, "sequence", SEQUENCE),
        ("layer 0 convolution d_x", 4, "image", IMAGE),
        ("layer 0 dense d_x", 2, "example", ("example", "unit")),
        ("layer 0 odd d_x", 5, "image", ("axis 0", "axis 1", "axis 2", "axis 3", "axis 4")),
        ("a number", 0, "parameters", ()),
    ],
)
def test_axes(where, ndim, kind, expected):
    assert location.axes(where, ndim, kind) == expected


def test_place():
    assert location.place((4, 0, 3), SEQUENCE) == "step 4, example 0, unit 3"
    assert location.place((), ()) == ""


def at(shape, *indices):
    """True at these indices alone."""
    differs = np.zeros(shape, bool)
    for index in indices:
        differs[index] = True
    return differs


BORDER = np.pad(np.zeros((2, 3, 3, 1), bool), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=True)
PADDING = np.ones((6, 4), bool)
PADDING[4:, 1] = PADDING[2, 3] = False


@pytest.mark.parametrize(
    ("differs", "axes", "expected"),
    [
        (np.ones((3, 2), bool), MATRIX, "everywhere"),
        (np.array(True), (), "everywhere"),
        (np.zeros((4, 4), bool), MATRIX, "nowhere"),
        (np.array(False), (), "nowhere"),
        (at((6, 4, 5), (4, 0, 3)), SEQUENCE, "only at step 4, example 0, unit 3"),
        (at((5,), 3), ("unit",), "only at unit 3"),
        (at((6, 4, 5), 0), SEQUENCE, "only at step 0"),
        (at((6, 4, 5), 5), SEQUENCE, "only at the last step, 5"),
        (~at((6, 4, 5), 5), SEQUENCE, "at every step but the last"),
        (~at((6, 4, 5), 0), SEQUENCE, "at every step but the first"),
        (~at((6, 4, 5), 2), SEQUENCE, "at every step but 2"),
        (at((6, 4, 5), np.s_[1:3, :, 3]), SEQUENCE, "only at unit 3"),
        (at((6, 4, 5), np.s_[1:3, 2]), SEQUENCE, "only at example 2"),
        (at((3, 4), np.s_[:, 3]), MATRIX, "only at input 3"),
        (BORDER, IMAGE, "only on the border"),
        (at((3, 3, 2, 2), np.s_[0], np.s_[2]), ("row", "column", "channel", "filter"), "at 24 of 36 elements"),
        (np.eye(4, dtype=bool), MATRIX, "only on the diagonal"),
        (~np.eye(4, dtype=bool), MATRIX, "only off the diagonal"),
        (at((4, 5), (0, 1), (2, 3), (3, 0)), MATRIX, "at 3 of 20 elements"),
        (np.ones((1, 1), bool), MATRIX, "everywhere"),
    ],
)
def test_support(differs, axes, expected):
    assert location.support(differs, axes) == expected


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 2, 3)])
def test_padding(shape):
    axes = tuple(f"axis {i}" for i in range(len(shape)))
    outside = np.broadcast_to(~PADDING.reshape(6, 4, *[1] * (len(shape) - 2)), shape)
    assert location.support(outside, axes, PADDING) == "only at padding"
    assert location.support(outside, axes, np.ones_like(PADDING)) == f"at {outside.sum()} of {outside.size} elements"
    touched = outside.copy()
    touched[0, 0] = True
    assert "padding" not in location.support(touched, axes, PADDING)


def test_padding_of_another_leaf():
    """A mask that is not of the leaf's axes is left out."""
    assert location.support(at((4, 5), (0, 1), (2, 3)), MATRIX, PADDING) == "at 2 of 20 elements"


def test_profile():
    """The largest error of each step over the largest number of the whole leaf, here 8."""
    right = np.array([[[1.0, -8.0]], [[2.0, 2.0]], [[0.0, 0.0]]])
    wrong = right + np.array([[[0.0, 0.0]], [[0.5, -2.0]], [[0.0, 4.0]]])
    assert location.profile(wrong, right, SEQUENCE) == (0.0, 0.25, 0.5)
    assert location.profile(wrong[:, 0], right[:, 0], ("example", "unit")) == (0.5,)
    assert location.profile(np.array(3.0), np.array(2.0), ()) == (0.5,)


def test_profile_that_is_not_finite():
    """No warning, no exception: the NaN is seen at its step."""
    right = np.array([[1.0], [np.inf], [2.0]])
    assert np.isnan(location.profile(right, right, ("step", "unit"))[1])
    one = np.array([[np.nan], [2.0]])
    assert np.isnan(location.profile(one, np.ones((2, 1)), ("step", "unit"))).tolist() == [True, False]


def test_profile_of_nothing():
    zero = np.zeros((2, 1, 3))
    assert location.profile(zero, zero, SEQUENCE) == (0.0, 0.0)
    assert location.profile(np.array([[1.0], [0.0]]), np.zeros((2, 1)), ("step", "unit")) == (np.inf, 0.0)
    assert location.profile(np.zeros((0, 3)), np.zeros((0, 3)), ("step", "unit")) == ()
    assert location.profile(np.zeros(2), np.zeros(3), ("unit",)) == ()

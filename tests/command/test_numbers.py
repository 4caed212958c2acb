"""Arrays as lines of text: aligned, abbreviated, and of any number of axes."""

import numpy as np
import pytest

from fnnets.command import numbers


def test_rows_are_aligned_and_minus_zero_is_zero():
    assert numbers.shown(np.array([[1.0, -0.25], [-0.0, 100.0]]), 3) == ["    1  -0.25", "    0    100"]


def test_many_numbers_lose_their_middle():
    lines = numbers.shown(np.arange(400.0).reshape(20, 20), 3)
    assert len(lines) == numbers.ROWS
    assert lines[3] == "…"
    assert lines[0].split() == ["0", "1", "2", "3", "…", "17", "18", "19"]
    assert lines[-1].split()[-1] == "399"


@pytest.mark.parametrize(
    ("shape", "is_stepped", "head"),
    [
        ((), False, "0"), ((3,), False, "0  1  2"), ((4,), True, "t = 1  0"), ((3, 2), True, "t = 1  0  1"),
        ((4, 4, 2), False, "[:, :, 0], one of 2 like it"), ((4, 4, 1), False, "[:, :, 0]"),
        ((2, 3, 4, 5), True, "[0, :, :, 0], one of 10 like it"),
        ((2, 2, 3, 3, 1, 4), False, "[0, 0, :, :, 0, 0], one of 16 like it"),
    ],
)  # fmt: skip
def test_arrays_of_any_number_of_axes(shape, is_stepped, head):
    lines = numbers.shown(np.arange(float(np.prod(shape))).reshape(shape), 3, is_stepped)
    assert lines[0] == head
    assert all(len(line) < 110 for line in lines)

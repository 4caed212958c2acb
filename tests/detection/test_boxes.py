"""Boxes against values worked out by hand."""

import numpy as np
import pytest

from fnnets.detection import boxes

FAR = [90.0, 90.0, 98.0, 98.0]


def at(*corners, side=10.0):
    return [[top, left, top + side, left + side] for top, left in corners]


def test_overlaps_are_shared_area_over_joint_area():
    a = [[0, 0, 10, 10], [0, 0, 4, 20]]
    b = [[0, 5, 10, 15], [2, 2, 6, 6], [10, 0, 20, 10], [0, 0, 10, 10]]
    expected = [[50 / 150, 16 / 100, 0.0, 1.0], [40 / 140, 8 / 88, 0.0, 40 / 140]]
    np.testing.assert_allclose(boxes.overlaps(a, b), expected)


def test_a_map_gives_boxes_in_the_pixels_of_the_image():
    confidences = np.zeros((3, 4, 3))
    confidences[2, 1] = 0.1, 0.6, 0.7
    confidences[0, 3] = 0.5, 0.2, 0.9
    found = boxes.from_map(confidences, (4, 2), (16, 12), 0.5, scale=(0.5, 0.25), background=2)
    assert found.edges.tolist() == [[0.0, 24.0, 32.0, 72.0], [16.0, 8.0, 48.0, 56.0]]
    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == [0.5, 0.6]


def test_suppression_keeps_the_surest_of_those_that_overlap():
    # 0 and 1 share 70/130, 1 and 2 too; 0 and 2 share 40/160 = 0.25; 3 is of another class
    edges = at((0, 0), (0, 3), (0, 6), (0, 1), (50, 50))
    found = boxes.make(edges, [1, 1, 1, 2, 1], [0.7, 0.9, 0.8, 0.6, 0.1])
    assert boxes.suppress(found, 0.5).scores.tolist() == [0.9, 0.6, 0.1]
    assert boxes.suppress(found, 0.5, per_class=False).scores.tolist() == [0.9, 0.1]
    assert boxes.suppress(found, 0.6).scores.tolist() == [0.9, 0.8, 0.7, 0.6, 0.1]
    without = boxes.chosen(found, [0, 2, 3])  # without 1, nothing stands between 0 and 2
    assert boxes.suppress(without, 0.3).scores.tolist() == [0.8, 0.7, 0.6]
    assert boxes.suppress(without, 0.2).scores.tolist() == [0.8, 0.6]


def test_each_truth_is_taken_once_by_the_surest():
    truth = boxes.make(at((0, 0), (0, 6), (50, 50)), [1, 1, 2])
    found = boxes.make([*at((0, 1), (0, 0), (0, 2), (50, 50), (50, 50)), FAR], [1, 1, 1, 1, 2, 1],
                       [0.8, 0.9, 0.7, 0.6, 0.5, 0.4])  # fmt: skip
    # the surest takes the first truth; the others reach the second by 50/150 and 60/140 only; 4 has the wrong class
    assert boxes.match(found, truth).tolist() == [False, True, False, False, True, False]
    assert boxes.match(found, truth, 0.4).tolist() == [False, True, True, False, True, False]


def test_average_precision_is_the_area_under_the_interpolated_curve():
    hits = [True, False, True, True, False]
    # P = 1, 1/2, 2/3, 3/4, 3/5; interpolated 1, 3/4, 3/4, 3/4, 3/5; R = 1/4, 1/4, 2/4, 3/4, 3/4
    expected = 1 / 4 * 1 + 1 / 4 * 3 / 4 + 1 / 4 * 3 / 4
    assert boxes.average_precision(hits, [0.9, 0.8, 0.7, 0.6, 0.5], 4) == pytest.approx(expected)
    order = [3, 0, 4, 2, 1]
    shuffled = boxes.average_precision(np.array(hits)[order], np.array([0.9, 0.8, 0.7, 0.6, 0.5])[order], 4)
    assert shuffled == pytest.approx(expected)
    assert boxes.average_precision([], [], 4) == 0.0


def test_evaluation_of_several_images():
    truth = [boxes.make(at((0, 0), (50, 50)), [1, 2]), boxes.make([], []), boxes.make(at((20, 0)), [1])]
    found = [
        boxes.make(at((0, 1), (50, 50)), [1, 2], [0.9, 0.3]),
        boxes.make(at((0, 0)), [2], [0.6]),
        boxes.make(at((0, 0)), [1], [0.8]),
    ]
    result = boxes.evaluate(found, truth)
    assert result.precision == pytest.approx(1 / 3)
    assert result.recall == pytest.approx(1 / 3)
    # all: hits 0.9, 0.3 of 0.9, 0.8, 0.6, 0.3; class 1: 1 of 2 truths; class 2: the second box
    assert result.average_precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 1 / 2)
    assert result.mean_average_precision == pytest.approx((1 / 2 + 1 / 2) / 2)
    np.testing.assert_allclose(result.curve, [[1 / 3, 1 / 3, 1 / 3, 2 / 3], [1, 1 / 2, 1 / 3, 1 / 2]])


def test_an_evaluation_without_boxes_is_precise():
    nothing = boxes.evaluate([boxes.make([], [])], [boxes.make([FAR], [1])])
    assert (nothing.precision, nothing.recall, nothing.average_precision) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boxes.make([[0, 0, 8]], [1]), r"edges have shape \(1, 3\), expected \(B, 4\)"),
        (lambda: boxes.make([[0, 8, 8, 8]], [1]), "expected top < bottom and left < right"),
        (lambda: boxes.make([FAR], [1, 2]), r"classes have shape \(2,\), expected \(1,\)"),
        (lambda: boxes.make([FAR], [1], [0.5, 0.4]), r"scores have shape \(2,\)"),
        (lambda: boxes.from_map(np.ones((1, 2, 2, 3)), 4, 8, 0.5), r"confidences has shape \(1, 2, 2, 3\)"),
        (lambda: boxes.from_map(np.ones((2, 2, 3)), 4, 8, 0.5, background=3), "background is 3, expected below 3"),
        (lambda: boxes.make([FAR], [1], [float("nan")]), "boxes: scores holds 1 values that are NaN"),
        (lambda: boxes.make([[0, 0, 8, float("inf")]], [1]), "boxes: edges holds 1 values that are NaN"),
        (lambda: boxes.make([0, 0, 8, 8], [1]), r"for one box write \[edges\]"),
        (lambda: boxes.from_map(np.full((2, 2, 3), np.nan), 4, 8, 0.5), "from_map: confidences holds 12 values"),
        (lambda: boxes.from_map(np.ones((2, 2, 3)), 0, 8, 0.5), "from_map: stride is 0"),
        (lambda: boxes.from_map(np.ones((2, 2, 3)), 4, (8, 8, 8), 0.5), r"from_map: size is \(8, 8, 8\), expected one"),
        (lambda: boxes.from_map(np.ones((2, 2, 3)), 4, 8, 0.5, scale=0.0), "from_map: scale is 0.0"),
        (lambda: boxes.average_precision([True] * 3, [0.9, 0.8, 0.7], 2), "truths is 2 with 3 hits, expected as many"),
        (lambda: boxes.average_precision([False], [0.9], 0), "truths is 0, expected at least 1"),
        (lambda: boxes.average_precision([2, 0], [0.9, 0.1], 2), "hits holds other numbers, expected bools"),
        (lambda: boxes.suppress(boxes.make([FAR], [1]), 30), r"overlap is 30, .* write 30 / 100 for per cent"),
        (lambda: boxes.suppress(boxes.make([FAR], [1]), -0.1), "overlap is -0.1"),
        (lambda: boxes.evaluate([], [boxes.make([FAR], [1])]), "found has 0 images and truth 1"),
        (lambda: boxes.evaluate([boxes.make([], [])], [boxes.make([], [])]), "recall of nothing is undefined"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_truth_of_another_class_or_place_is_no_hit_even_where_any_overlap_counts():
    truth = boxes.make(at((0, 0), (50, 50)), [1, 2])
    found = boxes.make([FAR, FAR, *at((8, 8))], [1, 2, 1], [0.9, 0.8, 0.7])
    assert boxes.match(found, truth, overlap=0.0).tolist() == [False, False, True]


@pytest.mark.parametrize("field", ["edges", "scores"])
def test_boxes_that_are_made_by_hand_are_checked_where_they_are_used(field):
    good = boxes.make([FAR], [1])
    bad = good._replace(**{field: getattr(good, field) * np.nan})
    for call in (
        lambda: boxes.suppress(bad),
        lambda: boxes.match(bad, good),
        lambda: boxes.match(good, bad),
        lambda: boxes.evaluate([bad], [good]),
        lambda: boxes.evaluate([good], [bad]),
        lambda: boxes.join([bad]),
    ):
        with pytest.raises(ValueError, match=rf"{field} holds \d values that are NaN"):
            call()


def test_classes_are_whole_numbers():
    with pytest.raises(TypeError, match=r"boxes: classes have dtype float64, expected integers; use classes.astype"):
        boxes.make([FAR], [1.5])


def test_one_image_alone_is_no_list_of_images():
    good = boxes.make([FAR], [1])
    with pytest.raises(TypeError, match=r"found is of type Boxes, expected a list of Boxes; for one image write"):
        boxes.evaluate(good, [good])


@pytest.mark.parametrize("edges", [[0, 0, 1e200, 1e200], [0, 0, 1e-200, 1e-200]])
def test_areas_that_no_float_holds_are_refused(edges):
    with pytest.raises(ValueError, match="overlaps: a hold"):
        boxes.overlaps([edges], [edges])


def test_an_index_of_no_box_is_refused():
    with pytest.raises(ValueError, match=r"chosen: which does not fit \(index 5 .*\), expected an index or mask"):
        boxes.chosen(boxes.make([FAR], [1]), [5])

"""Boxes of a class map, the suppression of those that overlap, and their evaluation; on the host, in NumPy.

    edges     (y·S / f, x·S / f, (y·S + h) / f, (x·S + w) / f)      of position (y, x) in an image scaled by f
    IoU       |A ∩ B| / |A ∪ B|
    hit       by falling score: the truth of equal class, not yet taken, with the greatest IoU ≥ 0.5
    P_k, R_k  hits / k, hits / truths                       among the k surest boxes
    AP        Σ_k (R_k − R_{k−1}) max_{j ≥ k} P_j           the area under the interpolated curve, all points

| symbol | name in code | shape |
|---|---|---|
| edges | `boxes.edges`: top, left, bottom, right, half-open | (B, 4) pixels |
| score, class | `boxes.scores`, `boxes.classes` | (B,) |
| S, h and w, f | `stride`, `size`, `scale` | 2 numbers each |
| P, R | `precision`, `recall` | (B,) |

Source: [Everingham2015], AP as since 2010. There a box never turns to its second best truth, here to the best that is
left; a second box on one truth misses in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from fnnets.core import calls, validate
from fnnets.detection import checking
from fnnets.detection.checking import Boxes

Numbers = ArrayLike | Sequence[float] | Sequence[Sequence[float]]


class Evaluation(NamedTuple):
    """The fit of boxes to the truth.

    Attributes:
        precision, recall: of the boxes with at least the threshold's score; precision is 1 where there are none.
        average_precision: AP of all boxes in one curve.
        mean_average_precision: the mean over the truth's classes of each one's AP.
        curve: (2, B) recall and precision among the k surest boxes.
    """

    precision: float
    recall: float
    average_precision: float
    mean_average_precision: float
    curve: np.ndarray


def make(edges: Numbers, classes: Numbers, scores: Numbers | None = None) -> Boxes:
    """Checked `Boxes`; scores of 1 where none are given.

    Raises:
        TypeError, ValueError: edges that are not finite numbers (B, 4) with top < bottom and left < right; not an
            integer class and a finite score for each.

    >>> make([[0, 0, 8, 8]], [3]).scores.tolist()
    [1.0]
    """
    return checking.arrays_of(edges, scores, classes, "boxes: ")


def from_map(
    confidences: ArrayLike,
    stride: Numbers,
    size: Numbers,
    threshold: float,
    *,
    scale: Numbers = 1.0,
    background: int | None = None,
) -> Boxes:
    """A box for every position and class with a confidence of at least `threshold`.

    Args:
        confidences: (H', W', d), the class map of one image.
        stride: pixels from one position to the next, `detection.map_stride(net)`.
        size: (h, w) of a crop, `net.input_shape[:2]`.
        threshold: the least confidence.
        scale: size of the map's image / size of the image in whose pixels the boxes are; one number or two.
        background: the class that gives no boxes.

    Raises:
        TypeError, ValueError: a map of another rank or that is not finite, a background that is none of its classes,
            a negative threshold, sizes that are not one or two positive numbers.

    >>> from_map([[[0.1], [0.8]]], 4, (8, 8), 0.5, scale=0.5).edges.tolist()
    [[0.0, 8.0, 16.0, 24.0]]
    """
    confidences = np.asarray(validate.array(confidences, "from_map: confidences"))
    if confidences.ndim != 3:
        raise ValueError(
            f"from_map: confidences has shape {confidences.shape}, expected (H', W', d) of one image; "
            "for a class map of several write confidences[i]"
        )
    validate.finite(confidences, "from_map: confidences")
    validate.at_least(threshold, 0.0, "from_map: threshold", "give the least confidence")
    stride, size, scale = (
        checking.pair(value, f"from_map: {name}")
        for value, name in ((stride, "stride"), (size, "size"), (scale, "scale"))
    )
    is_chosen = confidences >= threshold
    if background is not None:
        is_chosen[..., checking.background(background, confidences.shape[2], "from_map: background")] = False
    *places, classes = np.nonzero(is_chosen)
    corner = np.stack(places, axis=-1) * stride
    edges = np.concatenate([corner, corner + size], axis=-1)
    return Boxes(edges / np.tile(scale, 2), confidences[is_chosen].astype(float), classes)


def join(parts: Sequence[Boxes]) -> Boxes:
    """The boxes of several sources, such as the levels of a pyramid, as one.

    Raises:
        TypeError, ValueError: no list of boxes, or boxes as from no `make`.

    >>> join([make([[0, 0, 8, 8]], [3]), make([[1, 1, 9, 9]], [5])]).classes.tolist()
    [3, 5]
    """
    parts = checking.list_of(parts, "join: parts")
    edges, scores, classes = (np.concatenate(each) for each in zip(make([], []), *parts, strict=True))
    return Boxes(edges, scores, classes)


def chosen(boxes: Boxes, which: np.ndarray) -> Boxes:
    """The boxes of an index or a mask.

    >>> chosen(make([[0, 0, 8, 8], [1, 1, 9, 9]], [3, 5]), [1]).classes.tolist()
    [5]
    """
    boxes = checking.checked(boxes, "chosen: boxes")
    try:
        return Boxes(boxes.edges[which], boxes.scores[which], boxes.classes[which])
    except IndexError as error:
        raise ValueError(
            f"chosen: which does not fit ({error}), expected an index or mask of the boxes; give one"
        ) from None


@calls.strict("overlaps")
def overlaps(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """IoU of edges (A, 4) with edges (B, 4), (A, B).

    Raises:
        TypeError, ValueError: edges that are not as for `make`.

    >>> overlaps([[0, 0, 2, 2]], [[0, 0, 2, 2], [0, 1, 2, 3], [2, 2, 4, 4]]).round(3).tolist()
    [[1.0, 0.333, 0.0]]
    """
    return _overlaps(checking.edges(a, "overlaps: a"), checking.edges(b, "overlaps: b"))


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=-1) for each in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


@calls.strict("suppress")
def suppress(boxes: Boxes, overlap: float = 0.3, *, per_class: bool = True) -> Boxes:
    """Keep a box unless a surer one that is kept overlaps it by more than `overlap`; the surest come first.

    Args:
        boxes: of one image.
        overlap: the greatest IoU of two that are both kept.
        per_class: whether boxes of different classes may overlap as they like.

    Raises:
        TypeError, ValueError: no `Boxes` as `make` gives them, an overlap that is no number in [0, 1].

    >>> suppress(make([[0, 0, 8, 8], [0, 1, 8, 9], [9, 9, 17, 17]], [3, 3, 3], [0.6, 0.9, 0.7])).scores.tolist()
    [0.9, 0.7]
    """
    boxes = checking.checked(boxes, "suppress: boxes")
    checking.overlap(overlap, "suppress: overlap")
    validate.flag(per_class, "suppress: per_class")
    order = np.argsort(-boxes.scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        is_covered = _overlaps(boxes.edges[None, best], boxes.edges[order])[0] > overlap
        is_same = boxes.classes[order] == boxes.classes[best]
        order = order[~(is_covered & (is_same | (not per_class)))]
    return chosen(boxes, np.array(kept, int))


@calls.strict("match")
def match(found: Boxes, truth: Boxes, overlap: float = 0.5) -> np.ndarray:
    """The boxes that hit, (B,): by falling score each takes a truth of its class with IoU ≥ `overlap`, each once.

    A box that shares no area with a truth does not hit it, even with an `overlap` of 0.

    Raises:
        TypeError, ValueError: no `Boxes` as `make` gives them, an overlap that is no number in [0, 1].

    >>> truth = make([[0, 0, 8, 8]], [3])
    >>> match(make([[0, 0, 8, 8], [0, 1, 8, 9], [0, 0, 8, 8]], [3, 3, 5], [0.6, 0.9, 0.8]), truth).tolist()
    [False, True, False]
    """
    found, truth = checking.checked(found, "match: found"), checking.checked(truth, "match: truth")
    checking.overlap(overlap, "match: overlap")
    fits = np.where(found.classes[:, None] == truth.classes, _overlaps(found.edges, truth.edges), 0.0)
    hits = np.zeros(len(found.scores), bool)
    for one in np.argsort(-found.scores, kind="stable"):
        best = int(fits[one].argmax()) if fits.shape[1] else -1
        if best >= 0 and fits[one, best] >= overlap and fits[one, best] > 0:
            hits[one] = True
            fits[:, best] = -1.0
    return hits


@calls.strict("average_precision")
def average_precision(hits: ArrayLike, scores: ArrayLike, truths: int) -> float:
    """AP: the area under the interpolated curve of boxes with these scores, of which some hit one of the truths.

    Args:
        hits: (B,) bools, or zeros and ones.
        scores: (B,) finite numbers.
        truths: how many truths there are, at least one and as many as hits.

    Raises:
        TypeError, ValueError: other ones.

    >>> round(average_precision([True, False, True], [0.9, 0.8, 0.7], 2), 4)     # 1/2 · 1 + 1/2 · 2/3
    0.8333
    """
    hits, scores = checking.hits(hits, scores)
    truths = validate.count(
        truths, "average_precision: truths", "give the number of truths; the AP of none is undefined"
    )
    if hits.sum() > truths:
        raise ValueError(
            f"average_precision: truths is {truths} with {int(hits.sum())} hits, expected as many truths at least; "
            "count the truths of all images, and let each be hit once"
        )
    return _average_precision(hits, scores, truths)


def _average_precision(hits: np.ndarray, scores: np.ndarray, truths: int) -> float:
    recall, precision = _curve(hits, scores, truths)
    greatest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * greatest))


@calls.strict("evaluate")
def evaluate(
    found: Sequence[Boxes], truth: Sequence[Boxes], threshold: float = 0.5, overlap: float = 0.5
) -> Evaluation:
    """Judge the boxes of several images by the truth of each.

    Args:
        found, truth: one `Boxes` an image.
        threshold: the least score of the boxes that precision and recall count; AP counts all.
        overlap: the least IoU of a hit.

    Raises:
        TypeError, ValueError: not one truth for each image, or no object in any; no `Boxes` as `make` gives them;
            a threshold that is no number, an overlap that is none in [0, 1].

    >>> truth = [make([[0, 0, 8, 8], [9, 9, 17, 17]], [3, 5])]
    >>> result = evaluate([make([[0, 0, 8, 8], [0, 9, 8, 17]], [3, 3], [0.9, 0.6])], truth)
    >>> result.precision, result.recall, result.average_precision
    (0.5, 0.5, 0.5)
    """
    found, truth = checking.list_of(found, "evaluate: found"), checking.list_of(truth, "evaluate: truth")
    validate.at_least(threshold, -np.inf, "evaluate: threshold", "give the least score")
    checking.overlap(overlap, "evaluate: overlap")
    if len(found) != len(truth):
        raise ValueError(
            f"evaluate: found has {len(found)} images and truth {len(truth)}, expected as many; give one truth for each"
        )
    hits = np.concatenate([np.zeros(0, bool), *(match(*pair, overlap) for pair in zip(found, truth, strict=True))])
    boxes, wanted = join(found), join(truth).classes
    if not len(wanted):
        raise ValueError("evaluate: truth holds no boxes, expected at least one; the recall of nothing is undefined")
    is_sure = boxes.scores >= threshold
    precision = float(hits[is_sure].mean()) if is_sure.any() else 1.0
    each = []
    for kind, truths in zip(*np.unique(wanted, return_counts=True), strict=True):
        is_kind = boxes.classes == kind
        each.append(_average_precision(hits[is_kind], boxes.scores[is_kind], int(truths)))
    return Evaluation(
        precision, float(hits[is_sure].sum()) / len(wanted), _average_precision(hits, boxes.scores, len(wanted)),
        float(np.mean(each)), np.stack(_curve(hits, boxes.scores, len(wanted))),
    )  # fmt: skip


def _curve(hits, scores, truths) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision among the k surest, k = 1 … B."""
    count = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    return count / truths, count / np.arange(1, len(count) + 1)

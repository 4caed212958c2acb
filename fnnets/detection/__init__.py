"""Detection: a classifier of small images slid over large ones, its boxes, and how they are scored."""

from fnnets.detection import boxes
from fnnets.detection.boxes import Boxes, Evaluation, average_precision, evaluate, match, overlaps, suppress
from fnnets.detection.detection import class_map, detect, exhaustive_map, map_stride, pyramid, stitched_map

__all__ = [
    "Boxes",
    "Evaluation",
    "average_precision",
    "boxes",
    "class_map",
    "detect",
    "evaluate",
    "exhaustive_map",
    "map_stride",
    "match",
    "overlaps",
    "pyramid",
    "stitched_map",
    "suppress",
]

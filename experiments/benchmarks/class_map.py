"""The class map of a large image in one pass, against the same network on every crop.

    python -m experiments.benchmarks class_map [--quick] [--sizes 56 112 224]

Nielsen's two convolutions on 28 x 28 pixels, unpadded, random parameters, one image, float32, a crop every 4 pixels,
which is the map's own stride. First both are compared, then timed in turn. From the geometry alone:

    operations   2 · positions · h·w·C·K of each convolution, 2 · positions · p·q of each fully connected layer
    crops        those of a 28 x 28 image, times ⌊(H − 28)/4 + 1⌋²

| symbol | name in code | shape |
|---|---|---|
| ratio of times | crops / map, the median over rounds | () |
| ratio of operations | crops / map; poolings and activations are not counted | () |

Crops share most of their pixels with their neighbours; the map computes a feature once where the crops compute it for
each of those that see it, hence the larger the image, the larger the ratio, up to that of its inner positions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnets as fn
from experiments.benchmarks import command, report, timing
from experiments.benchmarks.timing import Contestant, interleave, summary
from fnnets.core import validate
from fnnets.detection import sliding

SIDE = 28
TABLE = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"
MAP, CROPS = "class map", "crops"
CLOSE = 1e-5
QUICK: dict[str, Any] = {"sizes": (56, 112), "rounds": 3}


@dataclass(frozen=True)
class Options:
    """Time the class map of growing images against crop by crop evaluation.

    Attributes:
        sizes: sides of the images in pixels.
        rounds: samples of each.
        block: crops that are evaluated together.
        out: folder for the results.
        quick: two sizes and three rounds, to see that all works.
    """

    sizes: tuple[int, ...] = (56, 112, 224)
    rounds: int = 11
    block: int = 256
    out: Path = Path("results/benchmarks")
    quick: bool = False


def run(options: Options) -> int:
    """Compare, time, print and write; 1 if the map is not the network's output for the crops."""
    if options.quick:
        options = replace(options, **QUICK)
    validate.count(options.rounds, "rounds", "give the number of samples")
    for size in options.sizes:
        validate.count(size, "sizes: one", f"the network reads {SIDE} x {SIDE} pixels", least=SIDE)
    net = network()
    params = net.init(jax.random.key(0))
    rows = []
    for size in options.sizes:
        rows.append(measure(net, params, size, options))
        if not rows[-1]["difference"] < CLOSE:
            print(f"class_map: {size} pixels: maps differ by {rows[-1]['difference']:.1e}", file=sys.stderr)
            return 1
    print(table(rows).rstrip())
    settings = {"table": TABLE, "rounds": options.rounds, "block": options.block}
    return command.finish("class_map", options.out, {"settings": settings, "images": rows})


def network() -> fn.Network:
    """Nielsen's network of two convolutions, without padding."""
    objective = fn.objectives.softmax_log_likelihood
    return fn.convolutional((SIDE, SIDE, 1), TABLE, fn.activations.relu, objective=objective)


def measure(net: fn.Network, params: Any, size: int, options: Options) -> dict[str, Any]:
    """One size: the largest difference, the samples, and the operations of both."""
    image = np.random.default_rng(size).random((1, size, size, 1), np.float32)
    stride = fn.detection.map_stride(net)
    whole = jax.jit(partial(fn.detection.class_map, net))
    crops = jax.jit(partial(fn.detection.exhaustive_map, net, stride=stride, block=options.block))
    ours, plain = np.asarray(whole(params, image)), np.asarray(crops(params, image))
    row: dict[str, Any] = {"size": size, "positions": ours.shape[1:3], "difference": _difference(ours, plain)}
    if row["difference"] < CLOSE:
        row["samples"] = interleave(
            [Contestant(MAP, partial(whole, params, image)), Contestant(CROPS, partial(crops, params, image))],
            options.rounds,
        )
    height, width = (SIDE + (count - 1) * s for count, s in zip(ours.shape[1:3], stride, strict=True))
    crops_operations = math.prod(ours.shape[1:3]) * operations(net, (SIDE, SIDE))
    # Pixels behind the last crop are cut off before the map is made.
    return row | {"operations": {MAP: operations(net, (height, width)), CROPS: crops_operations}}


def operations(net: fn.Network, shape: tuple[int, int]) -> int:
    """Additions and multiplications of the weighted sums in the class map of one image of (H, W) pixels.

    >>> two = fn.convolutional((6, 6, 1), "conv3-2 maxpool2 | fc-5", objective=fn.objectives.sigmoid_cross_entropy)
    >>> operations(two, (6, 6)) == 2 * (4 * 4 * 9 * 2 + 2 * 2 * 2 * 5)
    True
    """
    pieces = sliding.cut(net, jax.eval_shape(net.init, jax.random.key(0)), "operations", False)
    total = 0
    for layer, params in pieces.front:
        shape = shape if layer.window is None else layer.window.positions(shape)
        total += 2 * math.prod(shape) * params.weights.size if layer.name == "convolution" else 0
    positions = math.prod(have - need + 1 for have, need in zip(shape, pieces.size, strict=True))
    dense = [params for layer, params in (pieces.first, *pieces.rest) if layer.name == "dense"]
    return total + sum(2 * positions * params.weights.size for params in dense)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    columns = ("pixels", "crops", "map ms", "crops ms", "ratio of times", "ratio of operations", "difference")
    lines: list[tuple[str, ...]] = [columns]
    for row in rows:
        ms = [f"{1e3 * summary(row['samples'][name]).median:.2f}" for name in (MAP, CROPS)]
        ratio = timing.ratio(row["samples"], CROPS, MAP)
        saved = row["operations"][CROPS] / row["operations"][MAP]
        sizes = str(row["size"]), str(math.prod(row["positions"]))
        lines.append((*sizes, *ms, f"{ratio:.1f}", f"{saved:.1f}", f"{row['difference']:.1e}"))
    return report.table(lines)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of two confidences; infinite for maps of different shapes."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "class_map", arguments)

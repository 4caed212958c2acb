"""Digits found in scenes: a network trained on crops runs over whole scenes, and its class maps give boxes.

    rounds     crops of training scenes → network → boxes in these scenes → those on no object replace random crops
    detection  class maps of a pyramid of scales, a box for each confidence ≥ 0.05, the surest of those that overlap
    AP         area under the interpolated curve of precision against recall, IoU ≥ 0.5 and the right digit

Each position of a map tells ten digits from no digit. A crop of a part of a digit, of two, or of a fragment has to be
learnt as no digit: such crops come from the scenes at first, and then are those that the network itself mistook.
Training scenes hold digits of the training half, test scenes those of the test half, which other hands wrote. The test
scenes are the same for all seeds. Source: [Sung1998] for the rounds; [Everingham2015] for AP.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results, training
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from fnnets import plots
from fnnets.core import validate
from fnnets.data import Scenes
from fnnets.data.resizing import cut
from fnnets.data.scenes import FAR
from fnnets.detection import Boxes, Evaluation, boxes

BACKGROUND, ROUNDS, BATCH_SIZE, PER_OBJECT, PER_SCENE = 10, 3, 32, 4, 20
SCALES = (1.0, 0.84, 0.71, 0.59, 0.5)
LEAST, MISTAKEN, OVERLAP = 0.05, 0.1, 0.2
TEST_KEY = 2_000_000
BAR = 0.9
COLOURS = (*plots.COLOURS[:6], "#F0E442", "#FFFFFF", "#9467BD", "#8C564B")


@dataclass(frozen=True)
class Options(Common):
    """Train a network with a class for no digit on crops, and find digits of several sizes in cluttered scenes.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one network for each; its scenes to train with follow from it too.
        images: MNIST, scikit-learn's digits, or MNIST where it is and digits elsewhere.
        data_dir: folder with MNIST's IDX files; the environment variable FNNETS_DATA if none is given.
        scenes: scenes to train with.
        test_scenes: scenes to judge by.
        epochs: passes through the crops in each of the three rounds.
        learning_rate: step size eta at the beginning of a round; it falls to a tenth.
        threshold: the least confidence of the boxes that precision and recall count.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    images: training.Choice = "auto"
    data_dir: Path | None = None
    scenes: int = 300
    test_scenes: int = 50
    epochs: int = 4
    learning_rate: float = 0.06
    threshold: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        validate.within(self.threshold, 0.0, 1.0, "threshold", "it is a confidence")


class Images(NamedTuple):
    """Digits to compose scenes of, the side of the network's input in pixels, and the network's table."""

    name: str
    train: fn.Batch
    test: fn.Batch
    side: int
    table: str


class Found(NamedTuple):
    """A trained network, what it found in the test scenes, and how well that fits."""

    params: Any
    boxes: list[Boxes]
    evaluation: Evaluation
    mistaken: int


def run(options: Options) -> int:
    """Train and judge a network for each seed; 1 if the average precision misses its bar."""
    begin = time.perf_counter()
    images = load(options)
    net, test = network(images), scenes(images, images.test, TEST_KEY, options.test_scenes)
    found = [find(net, train(net, images, seed, options), test, options.threshold) for seed in options.seeds]
    record = Record(
        "detection", f"{images.name} in scenes of clutter", command("detection", options),
        _settings(options, images), _figures([each.evaluation for each in found], options.threshold), options.seeds,
        time.perf_counter() - begin, {"recall and precision": [each.evaluation.curve for each in found]},
    )  # fmt: skip
    pictures = {"detection": picture(net, found[0], test, options.threshold)}
    return results.finish(record, options.out / "detection", pictures)


def load(options: Options) -> Images:
    """The digits of MNIST, or the embedded ones: first half against second half.

    >>> images = load(Options(images="digits"))
    >>> len(images.train.inputs), len(images.test.inputs)
    (898, 899)
    """
    mnist = training.mnist(options.images, options.data_dir, "detection")
    if mnist is not None:
        table = "conv5-8 maxpool2 | conv5-16 maxpool2 | dropout0.3 fc-64 fc-11"
        return Images("MNIST", mnist.train, mnist.test, 28, table)
    train, test = fn.data.split(fn.data.digits(), (898, 899), key=None)
    return Images("digits", train, test, 16, "conv5-8 maxpool2 | conv3-16 | dropout0.3 fc-64 fc-11")


def network(images: Images) -> fn.Network:
    """Unpadded, so that its class map holds its outputs for all crops."""
    shape = (images.side, images.side, 1)
    return fn.convolutional(shape, images.table, fn.activations.relu, objective=fn.objectives.softmax_log_likelihood)


def scenes(images: Images, digits: fn.Batch, seed: int, count: int) -> Scenes:
    """Scenes of six times the network's input, with four digits from its size to twice that."""
    side = images.side
    return fn.data.scenes(digits, count, key=jax.random.key(seed), shape=(6 * side, 6 * side), sizes=(side, 2 * side))


def train(net: fn.Network, images: Images, seed: int, options: Options) -> tuple[Any, int]:
    """Parameters after all rounds, and how many mistaken crops took the place of random ones."""
    keys = jax.random.split(jax.random.key(seed), ROUNDS + 1)
    some = scenes(images, images.train, seed, options.scenes)
    examples = fn.data.crops(
        some, images.side, key=keys[-1], background=BACKGROUND, per_object=PER_OBJECT, per_scene=PER_SCENE
    )
    inputs, targets = np.array(examples.inputs), examples.targets
    params, first = None, int(np.flatnonzero(targets == BACKGROUND)[0])
    begin, steps = first, training.steps(len(inputs), options.epochs, BATCH_SIZE)
    for number, key in enumerate(keys[:ROUNDS]):
        if number:
            begin = renew(inputs, begin, mistaken(net, params, some), np.random.default_rng([seed, number]))
        params = training.train(
            net, momentum(options.learning_rate, steps), fn.Batch(jnp.asarray(inputs), targets), key=key, params=params,
            epochs=options.epochs, batch_size=BATCH_SIZE, progress=options.progress,
        ).params  # fmt: skip
    return params, begin - first


@functools.lru_cache
def momentum(learning_rate: float, steps: int) -> Any:
    """One optimiser for all rounds and seeds, so that the epoch is compiled once; η falls to a tenth in each round."""
    return fn.training.momentum(optax.linear_schedule(learning_rate, learning_rate / 10, steps), 0.9)


def mistaken(net: fn.Network, params: Any, scenes: Scenes) -> np.ndarray:
    """Crops (M, h, w, 1) to which the network gives a digit where there is none."""
    side = net.input_shape[0]
    crops = []
    every = _detect(net, params, scenes, MISTAKEN, 0.5)
    for image, edges, found in zip(scenes.images[..., 0], scenes.edges, every, strict=True):
        is_wrong = fn.detection.overlaps(found.edges, edges).max(axis=1) < FAR
        crops += [cut(image, place, side) for place in np.round(found.edges[is_wrong]).astype(int)]
    return np.array(crops, np.float32).reshape(-1, side, side, 1)


def renew(inputs: np.ndarray, begin: int, crops: np.ndarray, random: np.random.Generator) -> int:
    """Put crops, or as many as half of the room, in place of the inputs from `begin` on; returns where they end.

    The number of examples stays the same, so that the epoch need not be compiled again.

    >>> inputs = np.arange(6.0)
    >>> renew(inputs, 2, np.full(9, -1.0), np.random.default_rng(0)), inputs.tolist()
    (4, [0.0, 1.0, -1.0, -1.0, 4.0, 5.0])
    """
    chosen = random.permutation(crops)[: (len(inputs) - begin) // 2]
    inputs[begin : begin + len(chosen)] = chosen
    return begin + len(chosen)


def find(net: fn.Network, trained: tuple[Any, int], test: Scenes, threshold: float) -> Found:
    """The boxes that the network finds in the test scenes, with their precision and recall."""
    params, count = trained
    found = _detect(net, params, test, LEAST, OVERLAP)
    truth = [boxes.make(edges, classes) for edges, classes in zip(test.edges, test.classes, strict=True)]
    return Found(params, found, fn.detection.evaluate(found, truth, threshold), count)


def picture(net: fn.Network, found: Found, test: Scenes, threshold: float) -> Any:
    """The first test scene, its class maps at each scale, and the boxes in it."""
    from matplotlib.figure import Figure as Canvas

    image = test.images[:1]
    truth = boxes.make(test.edges[0], test.classes[0])
    sure = boxes.chosen(found.boxes[0], found.boxes[0].scores >= threshold)
    canvas = Canvas(figsize=(10.5, 5.5), dpi=plots.DPI, layout="constrained")
    grid = canvas.subplots(2, 4)
    _draw_scene(grid[0, 0], image[0, ..., 0], truth, ["white"] * len(truth.classes), "scene and truth")
    levels = fn.detection.pyramid(image, SCALES)
    for axes, level in zip(grid.flat[1:], levels, strict=False):
        shown = _draw_map(axes, net, found.params, image[0, ..., 0], level)
    colours = ["#56B4E9" if hit else "#D55E00" for hit in fn.detection.match(sure, truth)]
    _draw_scene(grid.flat[len(levels) + 1], image[0, ..., 0], sure, colours, "boxes: hits blue, misses orange")
    for axes in grid.flat[len(levels) + 2 :]:
        axes.remove()
    used = list(grid.flat)[: len(levels) + 2]
    canvas.colorbar(shown, ax=used, shrink=0.8, label="digit; as opaque as it is sure", ticks=range(10))
    return canvas


def _draw_scene(axes, image, found, colours, title) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(image, cmap="gray", extent=(0, image.shape[1], image.shape[0], 0))
    for (top, left, bottom, right), score, label, colour in zip(*found, colours, strict=True):
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.5))
        text = f"{label}" if score == 1 else f"{label}: {score:.2f}"
        on_black = {"facecolor": "black", "edgecolor": "none", "pad": 0.8, "alpha": 0.7}
        axes.text(left + 1, top + 1, text, color=colour, fontsize=7, va="top", bbox=on_black)
    axes.set_title(title, fontsize=10)
    axes.set(xticks=[], yticks=[])


def _draw_map(axes, net, params, image, level) -> Any:
    """The class of each position in its colour, as opaque as it is sure, over the scene; positions at their centres."""
    from matplotlib.colors import ListedColormap

    confidences = np.asarray(fn.detection.class_map(net, params, level))[0]
    digits = np.delete(confidences, BACKGROUND, axis=-1)
    f = level.shape[1] / image.shape[0]
    stride, side = fn.detection.map_stride(net)[0], net.input_shape[0]
    begin, end = (side - stride) / 2 / f, ((side - stride) / 2 + stride * digits.shape[0]) / f
    axes.imshow(image, cmap="gray", alpha=0.35, extent=(0, image.shape[1], image.shape[0], 0))
    shown = axes.imshow(
        digits.argmax(-1), cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=9.5, alpha=digits.max(-1),
        extent=(begin, end, end, begin), interpolation="nearest",
    )  # fmt: skip
    axes.set_title(f"class map at scale {f:.2f}", fontsize=10)
    axes.set(xticks=[], yticks=[], xlim=(0, image.shape[1]), ylim=(image.shape[0], 0), facecolor="black")
    return shown


def _detect(net, params, scenes, threshold, overlap) -> list[Boxes]:
    return fn.detection.detect(
        net, params, scenes.images, SCALES, threshold=threshold, background=BACKGROUND, overlap=overlap,
        per_class=False,
    )  # fmt: skip


def _figures(found: list[Evaluation], threshold: float) -> tuple[Figure, ...]:
    names = ("precision", "recall", "average_precision", "mean_average_precision")
    values = [tuple(100 * getattr(each, name) for each in found) for name in names]
    return (
        Figure("average precision, all digits in one curve", values[2], "%", low=100 * BAR),
        Figure("average precision, mean over digits", values[3], "%"),
        Figure(f"precision at confidence {threshold:g}", values[0], "%"),
        Figure(f"recall at confidence {threshold:g}", values[1], "%"),
    )


def _settings(options: Options, images: Images) -> dict[str, Any]:
    chosen = {"images": images.name, "table": images.table, "scales": SCALES, "rounds": ROUNDS}
    return {**given(options), **chosen, "batch_size": BATCH_SIZE, "least_iou": 0.5}

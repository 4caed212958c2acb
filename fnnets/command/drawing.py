"""A passage as a figure: values above, the gradients by them below, from the input at the left to the output.

    vectors of few units      nodes: coloured by a above and by δ below; edges: W above, ∂c/∂W below
    images, sequences, more   a heat map for each value and for its δ: units against steps, the channels of an image
                              side by side, many units in rows

| symbol | name in code | shape |
|---|---|---|
| units that are drawn as nodes, at most | `NODES` | |
| maps side by side, at most | `COLUMNS` | |
| numbers that are written into a map, into an image, at most | `CELLS`, `FEW` | |

Colours are white at 0, purple above and orange below. Nodes share a scale in each row; each map has its own, ±m, where
m stands above it. Needs the extra `plots`.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fnnets import plots
from fnnets.command.passage import Line, Passage
from fnnets.core import notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NODES, COLUMNS, CELLS, FEW = 10, 6, 48, 12
COLOURS, DARK, FLAT = "PuOr", 0.6, 0.4
RADIUS, APART = 0.36, 2.6
GREY = "#BBBBBB"


class Column(NamedTuple):
    """The units of a layer, or of the input: its names, a and δ, and W and ∂c/∂W between it and the column before."""

    name: str
    value: np.ndarray
    delta: np.ndarray
    labels: tuple[str, str]
    weights: np.ndarray | None = None
    d_weights: np.ndarray | None = None


def draw(found: Passage, title: str) -> Figure:
    """The figure of a passage.

    Raises:
        ImportError: matplotlib is not installed.

    >>> import jax
    >>> from fnnets.command import passage
    >>> from fnnets.verify.checks import equations
    >>> net, batch = equations.families()["feedforward"]
    >>> found = passage.of(net, net.init(jax.random.key(0)), batch, None, 0)
    >>> [axes.get_title(loc="left") for axes in draw(found, "one").axes][:2]
    ['forward pass: x, a(l); edges W(l)', 'backward pass: δ(l), ∂c/∂x; edges ∂c/∂W(l)']
    """
    columns = _columns(found)
    if columns and all(each.value.ndim == 1 and each.value.size <= NODES for each in columns):
        return _nodes(columns, title)
    return _maps(found, title)


def _columns(found: Passage) -> list[Column]:
    """The input and the output of each layer; [] where a layer is made of others, or an output is not known."""
    forward, backward = ({line.name: line for line in lines} for lines in (found.forward, found.backward))
    columns = [Column("input", forward["input"].value, _value(backward, "input"), ("x", "∂c/∂x"))]
    places = found.net.layer.leaves()
    if any(part.within and part.name != "chain" for _, part in places):  # whose own layers columns would hide
        return []
    for number, (place, part) in enumerate(places):
        title = " ".join(filter(None, ("layer", place, part.name)))
        is_last = number == len(places) - 1
        output = "prediction" if "prediction" in forward else "output"
        shown = output if is_last else next((f"{title} {a}" for a in "ya" if f"{title} {a}" in forward), "")
        delta = "output" if is_last else f"{title} z" if f"{title} z" in backward else shown
        if shown not in forward:
            return []
        labels = ("a(L)", "δ(L)") if is_last else ("a", "δ" if delta.endswith(" z") else "∂c/∂a")
        own = f"{title} .weights"
        edges = [_value(lines, own) if own in lines else None for lines in (forward, backward)]
        columns.append(Column(title, forward[shown].value, _value(backward, delta), labels, *edges))
    return columns


def _value(lines: dict[str, Line], name: str) -> np.ndarray:
    return lines[name].value if name in lines else np.full((), np.nan)


def _nodes(columns: list[Column], title: str) -> Figure:
    tallest = max(each.value.size for each in columns)
    height = 1.6 + 0.62 * tallest
    figure, _ = plots.panels(width=1.4 + 2.0 * len(columns), height=2 * height + 0.4)
    figure.clear()
    figure.set_layout_engine("constrained")
    above, below = figure.subplots(2, 1)
    _row(above, columns, [each.value for each in columns], [each.weights for each in columns], 0)
    _row(below, columns, [each.delta for each in columns], [each.d_weights for each in columns], 1)
    above.set_title("forward pass: x, a(l); edges W(l)", loc="left", fontsize=10)
    below.set_title("backward pass: δ(l), ∂c/∂x; edges ∂c/∂W(l)", loc="left", fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _row(
    axes: Axes, columns: list[Column], values: list[np.ndarray], edges: list[np.ndarray | None], side: int
) -> None:
    """One row of nodes, with edges between the columns and the scale of the colours at the right."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Circle

    largest = max((float(np.abs(each).max(initial=0.0)) for each in values if np.isfinite(each).all()), default=0.0)
    scale = ScalarMappable(Normalize(-(largest or 1.0), largest or 1.0), COLOURS)
    for number, (column, value) in enumerate(zip(columns, values, strict=True)):
        x, places = APART * number, _places(column.value.size)
        if number:
            _edges(axes, edges[number], x, _places(columns[number - 1].value.size), places)
        numbers = value if value.shape == column.value.shape else np.full(column.value.shape, np.nan)
        for y, each in zip(places, numbers, strict=True):
            colour = scale.to_rgba(each) if np.isfinite(each) else GREY
            axes.add_patch(Circle((x, y), RADIUS, facecolor=colour, edgecolor="#555555", linewidth=0.8, zorder=3))
            ink = "white" if abs(each) > DARK * largest else "black"
            axes.text(x, y, f"{each:.2g}", ha="center", va="center", fontsize=7, color=ink, zorder=4)
        axes.text(x, places[0] + 0.62, column.labels[side], ha="center", va="bottom", fontsize=10)
        axes.text(x, places[-1] - 0.62, column.name, ha="center", va="top", fontsize=8)
    tallest = max(column.value.size for column in columns)
    axes.set(xlim=(-1, APART * (len(columns) - 1) + 1), ylim=(-tallest / 2 - 0.9, tallest / 2 + 0.9), aspect="equal")
    axes.set_axis_off()
    bar = axes.figure.colorbar(scale, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label(("δ" if side else "a") + " of the nodes", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _places(size: int) -> np.ndarray:
    """The heights of the nodes of a column, the first unit at the top."""
    return (size - 1) / 2 - np.arange(size)


def _edges(axes: Axes, weights: np.ndarray | None, x: float, before: np.ndarray, places: np.ndarray) -> None:
    """Lines from the column before: as wide as weights are large; grey where each unit reads its own alone."""
    ends = x - APART + RADIUS, x - RADIUS
    if weights is None or weights.shape != (len(places), len(before)):
        for one, other in zip(before, places, strict=False):
            axes.plot(ends, (one, other), color=GREY, linewidth=0.8, zorder=1)
        return
    finite = np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0)  # others have no width
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    for (to, of), weight in np.ndenumerate(finite):
        share = abs(float(weight)) / largest
        colour = "#5E3C99" if weight > 0 else "#E66101"
        axes.plot(
            ends,
            (before[of], places[to]),
            color=colour,
            linewidth=0.3 + 2.7 * share,
            alpha=0.25 + 0.7 * share,
            zorder=2,
        )


def _maps(found: Passage, title: str) -> Figure:
    """Bands of maps: in each the values in the order of computation, and below each value its δ."""
    deltas = {line.name: line for line in found.backward}
    shown = [line for line in found.forward if line.name in found.found.values and not _is_shown_again(found, line)]
    bands, columns = -(-len(shown) // COLUMNS), min(COLUMNS, len(shown))
    figure, _ = plots.panels(width=2.5 * columns, height=4.2 * bands + 0.5)
    figure.clear()
    figure.set_layout_engine("constrained")
    grid = figure.subplots(2 * bands, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, line in enumerate(shown):
        band, column = divmod(number, COLUMNS)
        _map(grid[2 * band, column], line, line.name)
        if line.name in deltas:
            delta = deltas[line.name]
            by = f"({delta.statement})" if delta.statement in notes.STATEMENTS else delta.statement
            _map(grid[2 * band + 1, column], delta, f"∂c/∂ of it, by {by}")
    about = "above values, below them the gradients by them; 0 is white, above it purple, below it orange, from −m to m"
    figure.suptitle(textwrap.fill(f"{title}; {about}", 32 * columns), x=0.01, ha="left", fontsize=10)
    return figure


def _is_shown_again(found: Passage, line: Line) -> bool:
    """Whether a value is what the output shows: z of a linear layer."""
    output = next(each for each in found.forward if each.name == "output")
    return line is not output and line.name.endswith("z") and np.array_equal(line.value, output.value)


def _map(axes: Axes, line: Line, title: str) -> None:
    """A heat map, with numbers in its cells where these are few."""
    image, is_image = _image(line.value, line.is_stepped)
    finite = image[np.isfinite(image)]
    largest = float(np.abs(finite).max(initial=0.0))
    limit = largest or 1.0
    axes.set_axis_on()
    axes.set_facecolor(GREY)
    axes.imshow(image, cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_aspect("equal" if is_image else FLAT if image.shape[1] == 1 else "auto")
    axes.set_title(f"{title}\nm = {largest:.2g}", fontsize=8)
    axes.set(xticks=[], yticks=[])
    if line.is_stepped:
        steps = range(0, image.shape[1], -(-image.shape[1] // 10))
        axes.set_xticks(steps, [str(step + 1) for step in steps], fontsize=7)
        axes.set_xlabel("step t", fontsize=7)
    elif not is_image and image.shape[1] == 2:  # an RBM's phases
        axes.set_xticks([0, 1], ["example", "sample"], fontsize=7)
    if not is_image:
        axes.set_ylabel("units", fontsize=7)
    if image.size <= (FEW if line.value.ndim == 3 else CELLS) and image.shape[1] <= 7:
        _numbers(axes, image, limit)


def _numbers(axes: Axes, image: np.ndarray, limit: float) -> None:
    """The numbers in the cells, with as many decimals as the largest one needs."""
    decimals = max(0, 1 - math.floor(math.log10(limit)))
    for (row, column), number in np.ndenumerate(image):
        if np.isfinite(number):
            ink = "white" if abs(number) > DARK * limit else "black"
            shown = f"{round(float(number), decimals) + 0.0:.{decimals}f}"
            axes.text(column, row, shown, ha="center", va="center", fontsize=6, color=ink)


def _image(value: np.ndarray, is_stepped: bool) -> tuple[np.ndarray, bool]:
    """A value as a matrix, and whether it is an image: channels side by side in rows, gaps between them."""
    if is_stepped:
        return value.reshape(len(value), -1).T, False
    if value.ndim == 3:
        height, width, channels = value.shape
        across = math.ceil(math.sqrt(channels))
        padded = np.pad(value.astype(float), ((0, 1), (0, 1), (0, 0)), constant_values=np.nan)
        empty = np.full((height + 1, width + 1, -channels % across), np.nan)
        tiles = np.moveaxis(np.concatenate([padded, empty], axis=2), 2, 0)
        rows = [np.concatenate(list(tiles[n : n + across]), axis=1) for n in range(0, len(tiles), across)]
        return np.concatenate(rows)[:-1, :-1], True
    if value.ndim == 2:
        return value.T, False
    flat = value.reshape(-1).astype(float)
    if flat.size <= FEW:
        return flat[:, None], False
    across = math.ceil(math.sqrt(flat.size))  # many units in rows: 784 pixels are an image again
    folded = np.concatenate([flat, np.full(-flat.size % across, np.nan)]).reshape(-1, across)
    return folded, True

"""Figures of training and of learnt weights: curves, images, confusion of classes.

    figure = learning_curves({"explicit": result.history})          a matplotlib Figure; a notebook shows it
    save(figure, "curves.png")                                      written under a temporary name, then moved

Matplotlib is imported when first used; its global state is left alone, and no display is needed.
| symbol | name in code | shape |
|---|---|---|
| curves | `lines[label]` | (E,), or (E, K): the mean of K members and the band from the lowest to the highest |
| weights | `weights` | (q, p): q images of p pixels |
| confusion | `matrix` | (classes, classes): row the true class, column the predicted one |

Colours: [Okabe2008]; lines differ in dashes as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fnnets.core import calls, canvas, drawable, validate
from fnnets.storage import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (8, 2)))
WIDTH, HEIGHT, DPI = 5.0, 3.8, 120
Style = dict[str, Any]  # properties of a line, as matplotlib names them


@calls.strict("panels")
def panels(columns: int = 1, *, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """An empty figure with a row of axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError, ValueError: a number of columns that is no int ≥ 1, a size that is no number above 0.

    >>> figure, axes = panels(2)
    >>> len(axes)
    2
    """
    columns = validate.count(columns, "panels: columns", "give the number of axes")
    validate.above(width, 0, "panels: width", "give inches for one panel")
    validate.above(height, 0, "panels: height", "give inches")
    figure = canvas.figure(figsize=(columns * width, height), dpi=DPI, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


@calls.strict("draw")
def draw(
    axes: Axes,
    lines: Mapping[str, ArrayLike],
    *,
    x: ArrayLike | None = None,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log: str = "",
    markers: bool = False,
    styles: Sequence[Style] = (),
) -> None:
    """Curves into the given axes, with a legend outside their way where there is more than one.

    Args:
        axes: from `panels`.
        lines: label -> (E,), or (E, K) for the mean of K members in a band from the lowest to the highest. Numbers that
            are not finite are gaps.
        x: (E,) positions; None for 1 … E.
        xlabel, ylabel: labels of the axes, with units.
        title: above the panel.
        log: "", "x", "y" or "xy": the axes that are logarithmic.
        markers: draw a dot at each point, for few points.
        styles: matplotlib's line properties for each line, in place of the colours and dashes in order.

    Raises:
        TypeError, ValueError: no axes; a line of no points, or of another number of points than `x`; no positive
            number on a logarithmic axis;
            labels that are no strings; another `log`; another number of styles than of lines.
    """
    _are_axes(axes, "draw: axes")
    found = drawable.lines(lines, "draw: lines")
    x = drawable.positions(x, found, "draw: x", "lines")
    drawable.styles(styles, len(found), "draw: styles")
    for name, value in (("xlabel", xlabel), ("ylabel", ylabel), ("title", title)):
        validate.text(value, f"draw: {name}")
    validate.choice(log, drawable.SCALES, "draw: log", "name the axes that are logarithmic")
    validate.flag(markers, "draw: markers")
    drawable.positive(found, x, log)
    for number, (label, values) in enumerate(found.items()):
        positions = np.arange(1, len(values) + 1) if x is None else x
        style: Style = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
        style |= styles[number] if styles else {}
        if values.ndim == 2:
            axes.fill_between(positions, values.min(1), values.max(1), color=style["color"], alpha=0.15, linewidth=0)
            values = values.mean(1)
        marker = "osD^vP*"[number % 7] if markers or len(values) == 1 else None
        axes.plot(positions, values, marker=marker, markersize=4, label=label, **style)
    for axis in log:
        getattr(axes, f"set_{axis}scale")("log")
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.grid(alpha=0.3)
    if len(lines) > 1:
        legend(axes)


@calls.strict("legend")
def legend(axes: Axes) -> None:
    """A legend below the axes, where it hides nothing; `draw` sets one for more than one line.

    >>> figure, [axes] = panels()
    >>> draw(axes, {"one": [1.0, 2.0]}, xlabel="epoch", ylabel="cost")
    >>> legend(axes)
    >>> len(axes.get_legend().get_texts())
    1
    """
    _are_axes(axes, "legend: axes")
    columns = min(2, len(axes.get_legend_handles_labels()[1]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns, frameon=False)


@calls.strict("curves")
def curves(lines: Mapping[str, ArrayLike], *, xlabel: str, ylabel: str, **how: Any) -> Figure:
    """One panel of curves; arguments as for `draw`.

    >>> figure = curves({"train": [3.0, 2.0], "test": [3.5, 2.5]}, xlabel="epoch", ylabel="cost / nats")
    >>> figure.axes[0].get_ylabel()
    'cost / nats'
    """
    drawable.visible(drawable.lines(lines, "curves: lines"), "curves: lines")
    figure, [axes] = panels(1, width=6.4, height=4.6)
    draw(axes, lines, xlabel=xlabel, ylabel=ylabel, **how)
    return figure


@calls.strict("learning_curves")
def learning_curves(histories: Mapping[str, object], unit: str = "") -> Figure:
    """Cost, and accuracy where there is one, against the epoch: a line for each run and data set.

    Args:
        histories: label -> `fnnets.training.History`, from `fit` or `fit_many`.
        unit: unit of the cost, such as "nats".

    Raises:
        TypeError, ValueError: no mapping of histories; none with an epoch; a unit that is no string.

    >>> import fnnets as fn
    >>> history = fn.training.History(cost=np.array([2.0, 1.0]), validation_cost=np.array([2.5, 1.5]))
    >>> len(learning_curves({"run": history}).axes)
    1
    """
    drawable.mapping(histories, "learning_curves: histories", "write {'run': result.history}")
    validate.text(unit, "learning_curves: unit", "write the unit of the cost, such as 'nats'")
    what = {"cost": f"cost C / {unit}" if unit else "cost C", "accuracy": "accuracy / %"}
    found = {}
    for field, ylabel in what.items():
        lines = drawable.series(histories, field, 100 if field == "accuracy" else 1)
        if any(line.size for line in lines.values()):
            drawable.visible(lines, f"learning_curves: {field} of histories")
            found[ylabel] = lines
    if not found:
        raise ValueError("learning_curves: histories hold no epochs, expected at least one; train first")
    figure, axes = panels(len(found), height=4.4)
    for panel, (ylabel, lines) in zip(axes, found.items(), strict=True):
        draw(panel, lines, xlabel="epoch", ylabel=ylabel, styles=drawable.nested(list(lines), COLOURS, DASHES))
    return figure


@calls.strict("filters")
def filters(weights: ArrayLike, image_shape: Sequence[int], columns: int = 10, title: str = "") -> Figure:
    """Each unit's incoming weights as an image, all on one colour scale that is white at zero.

    Args:
        weights: (q, p).
        image_shape: (H, W) with H·W = p.
        columns: images in a row.
        title: above the figure.

    Raises:
        TypeError, ValueError: weights that are not (q, H·W) or not finite; columns that are no int ≥ 1.

    >>> figure = filters(np.ones((3, 64)), (8, 8))
    >>> len(figure.axes)                                             # three images and the colour scale
    4
    """
    weights, shape = drawable.units(weights, image_shape)
    validate.text(title, "filters: title")
    columns = min(validate.count(columns, "filters: columns", "give the number of images in a row"), len(weights))
    rows = -(-len(weights) // columns)
    figure = canvas.figure(figsize=(0.75 * columns + 1.2, 0.75 * rows + 0.6), dpi=DPI)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    limit = float(np.abs(weights).max()) or 1.0
    for axes, unit in zip(grid.flat, weights, strict=False):
        image = axes.imshow(unit.reshape(shape), cmap="PuOr", vmin=-limit, vmax=limit)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes in list(grid.flat)[len(weights) :]:
        axes.remove()
    figure.colorbar(image, ax=figure.axes, label="weight", shrink=0.9)
    figure.suptitle(title)
    return figure


@calls.strict("maps")
def maps(images: ArrayLike, columns: int = 8, rows: Sequence[str] = (), title: str = "") -> Figure:
    """A grid of images, such as a layer's activations, all on one scale from the lowest to the highest number.

    Args:
        images: (K, H, W).
        columns: images in a row.
        rows: a label for each row of the grid; none for no labels.
        title: above the figure.

    Raises:
        TypeError, ValueError: images that are not (K, H, W) with K ≥ 1, or not finite; columns that are no int ≥ 1;
            another number of labels than of rows.

    >>> len(maps(np.ones((3, 8, 8)), columns=2).axes)                      # a grid of 2 x 2 and the scale
    5
    """
    images = drawable.images(images, "K, H, W", "maps: images")
    columns = min(validate.count(columns, "maps: columns", "give the number of images in a row"), len(images))
    lines = -(-len(images) // columns)
    drawable.labels(rows, lines, "maps: rows")
    validate.text(title, "maps: title")
    side = 0.75 * (images.shape[1] / images.shape[2])
    figure = canvas.figure(figsize=(0.75 * columns + 1.2, side * lines + 0.7), dpi=DPI)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[], frame_on=False)
    for axes, image in zip(grid.flat, images, strict=False):
        shown = axes.imshow(image, cmap="viridis", vmin=images.min(), vmax=images.max())
    for axes, name in zip(grid[:, 0], rows, strict=False):
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.colorbar(shown, ax=list(grid.flat), shrink=0.7)
    figure.suptitle(title)
    return figure


@calls.strict("confusion")
def confusion(matrix: ArrayLike, title: str = "") -> Figure:
    """The confusion of classes: counts in the cells, shares of the true class as colours.

    Args:
        matrix: (classes, classes) counts, row the true class, column the predicted one.
        title: above the figure.

    Raises:
        TypeError, ValueError: a matrix that is not square, or holds other than counts.

    >>> confusion([[3, 1], [0, 4]]).axes[0].get_xlabel()
    'predicted class'
    """
    counts = drawable.counts(matrix, "confusion: matrix")
    validate.text(title, "confusion: title")
    figure, [axes] = panels(1, width=5.4, height=4.8)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.argwhere(counts):
        colour, text = "white" if share[row, column] > 0.5 else "black", str(counts[row, column])
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    ticks = range(len(counts))
    axes.set(xlabel="predicted class", ylabel="true class", title=title, xticks=ticks, yticks=ticks)
    figure.colorbar(image, ax=axes, label="share of the true class / %")
    return figure


@calls.strict("save")
def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG, first under a temporary name in the same folder, made if need be; returns the path.

    Raises:
        TypeError, ValueError: no figure; a path that is a folder, or ends in another suffix than .png.
    """
    return files.write(drawable.png(path, figure, "save"), lambda temporary: figure.savefig(temporary, format="png"))


def _are_axes(value: object, name: str) -> None:
    validate.is_instance(value, canvas.module("axes").Axes, name, "take them from panels, one at a time")

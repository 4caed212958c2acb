"""A report as a figure: the place and time of differences between gradients, and the Taylor remainders.

    left      a line for each row, a cell for each time step (one cell where there is no time): relative error, on a
              scale that is blue up to the tolerance, and yellow to red above it
    right     abs(f(θ + hv) − f(θ) − h⟨g, v⟩) against h: parallel to h² where g is the gradient, to h where it is not

| symbol | name in code | shape |
|---|---|---|
| relative error of a row at each step | `row.profile` | (T,), or (1,) |
| remainders of both gradients | `report.taylor.explicit`, `.automatic` | as `report.taylor.steps` |

matplotlib is imported when first used, and none of its global state is touched. Needs the extra `plots`.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from fnnets import plots
from fnnets.verify.report import text
from fnnets.verify.report.data import Findings, Row
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure, SubFigure

LINE, MAP_WIDTH, TAYLOR_WIDTH, TAYLOR_HEIGHT = 0.24, 8.8, 5.0, 4.2
LONGEST = 52
LOWEST, HIGHEST = -17.0, 0.0
ABSENT = "#BBBBBB"
SHADES = ((0.0, "#F7F9FB"), (0.5, "#9DC3E0"), (0.5, "#FDD08A"), (1.0, "#B2182B"))
"""From no error to the tolerance, and from there to an error as large as the gradient."""
EDGE = "#D5D9DD"
ACCEPTED = ("rounding", "convention", "approximation")
"""Verdicts of rows whose errors count for nothing, and are pale."""
MARKS = {"wrong": "#D55E00", "downstream": "#8A6D00", "inconclusive": "#8E4585"}


def draw(report: Findings) -> Figure:
    """The heat map of relative errors and, where remainders were taken, their plot.

    Args:
        report: what a check found.

    Raises:
        ImportError: matplotlib is not installed.

    >>> from fnnets.verify import Report, Row
    >>> figure = draw(Report("gradient", "float32", (Row("2", "gradient", "ok", profile=(1e-16, 2e-16)),)))
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['gradient (2)']
    """
    has_taylor = report.taylor is not None
    width = 150 if has_taylor else 95
    shown = [text.summary(report), *map(text.of_remark, report.remarks)]
    title = "\n".join(textwrap.fill(each, width) for each in shown)
    map_height, head = LINE * max(5, len(report.rows)) + 1.2, 0.17 * (title.count("\n") + 1) + 0.15
    height = max(map_height, TAYLOR_HEIGHT if has_taylor else 0.0) + head
    figure, _ = plots.panels(width=MAP_WIDTH + TAYLOR_WIDTH * has_taylor, height=height)
    figure.clear()
    left, right = _layout(figure, map_height, height - head, has_taylor)
    _map(left, report)
    if right is not None:
        _remainders(right.subplots(), report)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _layout(figure: Figure, map_height: float, height: float, has_taylor: bool) -> tuple[SubFigure, SubFigure | None]:
    """Figures for the map and for the remainders; neither grows with the other, and both begin at the top."""
    widths = (MAP_WIDTH, TAYLOR_WIDTH)[: 1 + has_taylor]
    heights = (map_height, TAYLOR_HEIGHT)
    parts = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)[0]
    rests = [max(height - own, 1e-3) for own in heights]
    tops = [
        part.subfigures(2, 1, height_ratios=(own, rest))[0]
        for part, own, rest in zip(parts, heights, rests, strict=False)
    ]
    return tops[0], tops[1] if has_taylor else None


def _map(figure: SubFigure, report: Findings) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    axes = figure.subplots()
    in_float64 = any(math.isfinite(row.error_float64) for row in report.rows)
    decides = "float64" if in_float64 else report.precision
    tolerance = precision.TOLERANCE.get(decides, precision.TOLERANCE["float32"])
    kind = "tolerated" if in_float64 else "rounding"
    shades = LinearSegmentedColormap.from_list("error", SHADES)
    colours = ScalarMappable(TwoSlopeNorm(math.log10(tolerance), LOWEST, HIGHEST), shades)
    steps = max([len(row.profile) for row in report.rows], default=1) or 1
    for number, row in enumerate(report.rows):
        _cells(axes, number, row, steps, colours)
    _name(axes, report, steps)
    bar = figure.colorbar(colours, ax=axes, pad=0.01, fraction=0.04, aspect=24, anchor=(0.0, 1.0))
    exponents = [exponent for exponent in range(-16, 1, 4) if abs(exponent - math.log10(tolerance)) > 1.6]
    bar.set_ticks(
        [*exponents, math.log10(tolerance)],
        labels=[*(f"$10^{{{exponent}}}$" for exponent in exponents), f"{tolerance:g} {kind}"],
        fontsize=8,
    )
    bar.ax.minorticks_off()
    bar.set_label(f"relative error ({decides})", fontsize=8)


def _cells(axes: Axes, number: int, row: Row, steps: int, colours: ScalarMappable) -> None:
    """A row's cells, each over its share of the time axis; hatched where there is no finite number."""
    from matplotlib.patches import Rectangle

    profile = row.profile or (math.nan,)
    width = steps / len(profile)
    for step, error in enumerate(profile):
        level = math.log10(error) if error > 0 and math.isfinite(error) else LOWEST
        known = math.isfinite(error)
        colour = colours.to_rgba(np.clip(level, LOWEST, HIGHEST)) if known else ABSENT
        cell = Rectangle((step * width, number), width, 1, facecolor=colour, edgecolor=EDGE, linewidth=0.4)
        cell.set_alpha(0.35 if row.verdict in ACCEPTED else None)
        cell.set_hatch("" if known else "////")
        axes.add_patch(cell)


def _name(axes: Axes, report: Findings, steps: int) -> None:
    """The names of rows, their verdicts where these are not "ok", and the time axis."""
    rows = report.rows
    axes.set(xlim=(0, steps), ylim=(max(1, len(rows)), 0), title="where and when" if steps > 1 else "where")
    axes.set_yticks(np.arange(len(rows)) + 0.5, [_label(row) for row in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        if row.verdict in MARKS:
            tick.set(color=MARKS[row.verdict], fontweight="bold" if row.verdict == "wrong" else "normal")
    _verdicts(axes, [(number, row) for number, row in enumerate(rows) if row.verdict != "ok"])
    if steps == 1:
        axes.set_xticks([])
        return
    every = -(-steps // 12)
    shown = np.arange(0, steps, every)
    axes.set_xticks(shown + 0.5, [str(step) for step in shown], fontsize=8)
    axes.set_xlabel("time step; one wide cell where a row has no time")


def _verdicts(axes: Axes, rows: list[tuple[int, Row]]) -> None:
    """The verdicts that are not "ok", beside their rows."""
    axis = axes.secondary_yaxis("right")
    axis.set_yticks([number + 0.5 for number, _ in rows], [row.verdict for _, row in rows], fontsize=8)
    axis.tick_params(axis="y", length=0)
    for tick, (_, row) in zip(axis.get_yticklabels(), rows, strict=True):
        tick.set(color=MARKS.get(row.verdict, "#000000"), fontweight="bold" if row.verdict == "wrong" else "normal")


def _label(row: Row) -> str:
    where = text.cut(row.where, LONGEST)
    return f"{where} ({row.statement})" if row.statement else where


def _remainders(axes: Axes, report: Findings) -> None:
    """Both remainders, with guide lines of slope 1 and 2 above them."""
    steps, explicit, automatic, slopes = report.taylor or ((), (), (), (math.nan, math.nan))
    lines = {}
    for name, remainders, slope in zip(("explicit", "automatic"), (explicit, automatic), slopes, strict=True):
        fitted = "too small to fit" if math.isnan(slope) else f"slope {slope:.2f}"
        lines[f"{name}: {fitted}"] = [value if value > 0 and math.isfinite(value) else math.nan for value in remainders]
    known = [value for values in lines.values() for value in values if value > 0]
    styles = ({"color": plots.COLOURS[1], "linestyle": "-"}, {"color": plots.COLOURS[0], "linestyle": "--"})
    plots.draw(
        axes, lines, x=steps, xlabel="step h", ylabel="|f(θ + hv) − f(θ) − h⟨g, v⟩|",
        title="Taylor remainder: slope 2 is right, 1 is wrong", log="xy" if known else "x", styles=styles, markers=True,
    )  # fmt: skip
    if not known:
        axes.text(0.5, 0.5, "no remainder above zero", ha="center", transform=axes.transAxes)
        return
    for slope, dash in ((1, ":"), (2, "-.")):
        guide = 3 * max(known) * (np.asarray(steps) / max(steps)) ** slope
        axes.plot(steps, guide, color="#888888", linestyle=dash, linewidth=1, label=f"guide: slope {slope}")
    plots.legend(axes)

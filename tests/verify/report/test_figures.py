"""The figure of a report: every row is there, what is wrong is marked, and nothing is cut or covered."""

import dataclasses
import itertools
import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.verify import Report, Row
from fnnets.verify.report import figures
from fnnets.verify.report.data import Taylor

STEPS = (1e-1, 1e-2, 1e-3, 1e-4)
TAYLOR = Taylor(STEPS, tuple(0.3 * h for h in STEPS), tuple(0.5 * h * h for h in STEPS), (1.0, 2.0))


def row(number, verdict="ok", profile=(1e-16,), where="layer {} lstm .forget_gate.recurrent_weights"):
    return Row("dW_f + λ/n w", where.format(number), verdict, 1e-7, max(profile), profile=profile)


def report(count, taylor=TAYLOR):
    rows = [row(number, profile=tuple(10.0 ** -(11 + t) for t in range(7))) for number in range(count - 2)]
    return Report(
        "network",
        "float32",
        (*rows, row(98, "wrong", (0.0,) * 6 + (0.5,)), row(99, "downstream", (0.1,))),
        taylor=taylor,
    )


def cells(axes):
    return [(cell.get_x(), cell.get_y(), cell.get_width()) for cell in axes.patches]


def labels(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def test_each_row_has_a_cell_for_each_step_or_one_wide_cell():
    axes = figures.draw(report(5)).axes[0]
    drawn = cells(axes)
    assert [sum(y == number for _, y, _ in drawn) for number in range(5)] == [7, 7, 7, 7, 1]
    assert drawn[-1] == (0.0, 4, 7.0)
    assert axes.get_xlabel().startswith("time step")
    assert labels(axes)[0] == "layer 0 lstm .forget_gate.recurrent_weights (dW_f + λ/n w)"


def test_errors_above_the_tolerance_have_another_colour_and_their_verdict_beside_them():
    figure = figures.draw(report(5))
    axes = figure.axes[0]
    below, above = axes.patches[0].get_facecolor(), axes.patches[-2].get_facecolor()
    assert below[2] > below[0]  # blue
    assert above[0] > above[2]  # red
    assert labels(axes.child_axes[0]) == ["wrong", "downstream"]
    weights = [label.get_fontweight() for label in axes.get_yticklabels()]
    assert weights == ["normal"] * 3 + ["bold", "normal"]


def test_the_scale_names_the_tolerance_that_decided():
    def scale(found):
        return [label for axes in figures.draw(found).axes for label in labels(axes) if label.startswith("1e-")]

    assert scale(report(5)) == ["1e-10 tolerated"]
    alone = tuple(each._replace(error_float64=math.nan) for each in report(5).rows)
    assert scale(dataclasses.replace(report(5), rows=alone)) == ["1e-05 rounding"]


def test_a_number_that_is_none_is_hatched_and_a_row_of_nothing_is_there():
    found = Report("gradient", "float32", (row(0, "wrong", (1e-16, math.nan, math.inf)), Row("", "params", "wrong")))
    hatched = [bool(cell.get_hatch()) for cell in figures.draw(found).axes[0].patches]
    assert hatched == [False, True, True, True]


def test_errors_that_count_for_nothing_are_pale():
    found = Report("gradient", "float32", (row(0, "rounding", (1.0,)), row(1, "wrong", (1.0,))))
    assert [cell.get_alpha() for cell in figures.draw(found).axes[0].patches] == [0.35, None]


def test_remainders_are_drawn_with_their_slopes_and_two_guides():
    axes = _taylor(figures.draw(report(5)))
    explicit, automatic, *guides = axes.get_lines()
    assert explicit.get_ydata() == pytest.approx(TAYLOR.explicit)
    assert automatic.get_ydata() == pytest.approx(TAYLOR.automatic)
    assert len(guides) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == [
        "explicit: slope 1.00", "automatic: slope 2.00",
    ]  # fmt: skip
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def _taylor(figure):
    return next(axes for axes in figure.axes if axes.get_xlabel() == "step h")


@pytest.mark.parametrize("remainder", [0.0, math.nan, math.inf])
def test_remainders_that_are_no_numbers_are_left_out(remainder):
    taylor = Taylor(STEPS, (remainder,) * 4, (remainder,) * 4, (math.nan, math.nan))
    figure = figures.draw(report(5, taylor))
    figure.draw_without_rendering()
    assert "explicit: too small to fit" in [text.get_text() for text in _taylor(figure).get_legend().get_texts()]


@pytest.mark.parametrize("count", [2, 5, 40])
@pytest.mark.parametrize("taylor", [None, TAYLOR])
def test_nothing_is_cut_and_no_label_covers_another(count, taylor):
    figure = figures.draw(report(count, taylor))
    figure.draw_without_rendering()
    whole = figure.bbox
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(one.y0 >= other.y1 for one, other in itertools.pairwise(boxes))
    texts = [*axes.get_yticklabels(), *axes.child_axes[0].get_yticklabels(), axes.xaxis.label]
    texts += [] if taylor is None else [*_taylor(figure).get_legend().get_texts(), _taylor(figure).yaxis.label]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= whole.x0 - 1
        assert box.x1 <= whole.x1 + 1
        assert box.y0 >= whole.y0 - 1
        assert box.y1 <= whole.y1 + 1


def test_a_real_report_with_a_planted_fault_is_drawn_where_the_fault_is():
    layer = fn.layers.recurrent(3)
    right = layer.backward
    wrong = layer._replace(backward=lambda params, trace, d_y: right(params, trace, d_y.at[2].set(0)))
    params, _ = layer.init(jax.random.key(0), (2,))
    found = fn.verify.layer(wrong, params, jax.random.normal(jax.random.key(1), (5, 4, 2)))
    axes = figures.draw(found).axes[0]
    number = found.rows.index(found.first_wrong)
    reds = [cell.get_x() for cell in axes.patches if cell.get_y() == number and cell.get_facecolor()[2] < 0.4]
    assert 2 in reds
    assert found.verdict == "wrong"


def test_an_empty_report_and_a_plain_one_are_drawn():
    figures.draw(Report("gradient", "float32", ())).draw_without_rendering()
    figures.draw(fn.verify.gradient(jnp.sum, jnp.ones_like, jnp.array([1.0, 2.0]))).draw_without_rendering()


def test_matplotlib_is_imported_when_a_figure_is_drawn():
    code = "import sys, fnnets.verify.report.figures; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"

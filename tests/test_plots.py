import subprocess
import sys

import numpy as np
import pytest

from fnnets import plots
from fnnets.training import History


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_members_are_drawn_as_their_mean_in_a_band():
    values = np.array([[1.0, 3.0], [2.0, 6.0]])
    [axes] = plots.curves({"runs": values}, xlabel="epoch", ylabel="cost").axes
    [line] = axes.get_lines()
    assert line.get_ydata().tolist() == [2.0, 4.0]
    assert line.get_xdata().tolist() == [1, 2]
    [band] = axes.collections
    assert (band.get_datalim(axes.transData).y0, band.get_datalim(axes.transData).y1) == (1.0, 6.0)


def test_axes_have_labels_scales_and_a_legend_only_for_several_lines():
    [axes] = plots.curves({"a": [1.0, 2.0]}, xlabel="x / s", ylabel="y / m", title="t", log="xy").axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x / s", "y / m", "t")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_legend() is None
    [axes] = plots.curves({"a": [1.0], "b": [2.0]}, xlabel="", ylabel="").axes
    assert texts(axes.get_legend()) == ["a", "b"]


def test_a_single_point_can_be_seen():
    [axes] = plots.curves({"a": [1.0]}, xlabel="", ylabel="").axes
    assert axes.get_lines()[0].get_marker() == "o"


def test_lines_differ_in_colour_and_in_dash():
    [axes] = plots.curves({name: [1.0, 2.0] for name in "abcdefg"}, xlabel="", ylabel="").axes
    assert len({line.get_color() for line in axes.get_lines()}) == 7
    assert len({str(line.__dict__["_unscaled_dash_pattern"]) for line in axes.get_lines()}) == 7


def test_learning_curves_show_what_the_histories_hold():
    half = np.array([0.5, 0.75])
    both = History(half, half, half, half)
    figure = plots.learning_curves({"one": both, "other": both}, "nats")
    cost, accuracy = figure.axes
    assert cost.get_ylabel() == "cost C / nats"
    assert accuracy.get_lines()[0].get_ydata().tolist() == [50.0, 75.0]
    labels = ["one, training", "one, validation", "other, training", "other, validation"]
    assert texts(cost.get_legend()) == labels
    widths = [line.get_linewidth() for line in cost.get_lines()]
    assert widths[0] > widths[2]  # a run below one that covers it
    [alone] = plots.learning_curves({"one": History(cost=half)}).axes
    assert alone.get_ylabel() == "cost C"


def test_a_history_without_epochs_is_refused():
    with pytest.raises(ValueError, match="histories hold no epochs"):
        plots.learning_curves({"run": History()})


def test_filters_are_images_on_one_scale_that_is_symmetric_about_zero():
    weights = np.arange(12.0).reshape(3, 4) - 3
    figure = plots.filters(weights, (2, 2), columns=2)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert [image.get_array().tolist() for image in images] == weights.reshape(3, 2, 2).tolist()
    assert {image.get_clim() for image in images} == {(-8.0, 8.0)}


@pytest.mark.parametrize(
    ("weights", "shape"), [(np.ones((3, 4)), (3, 3)), (np.ones(4), (2, 2)), (np.ones((3, 4)), (4,))]
)
def test_filters_that_are_no_images_are_refused(weights, shape):
    with pytest.raises(ValueError, match=r"filters: (weights have shape|image_shape is)"):
        plots.filters(weights, shape)


def test_confusion_shows_counts_and_shares():
    axes, _ = plots.confusion([[3, 1], [0, 0]]).axes
    assert [text.get_text() for text in axes.texts] == ["3", "1"]
    assert axes.images[0].get_array().tolist() == [[75.0, 25.0], [0.0, 0.0]]
    with pytest.raises(ValueError, match="confusion: matrix has shape"):
        plots.confusion([[1, 2]])


def test_a_figure_is_png_and_replaces_the_old_one_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.png"
    figure = plots.curves({"a": [1.0, 2.0]}, xlabel="", ylabel="")
    assert plots.save(figure, path) == path
    whole = path.read_bytes()
    assert whole.startswith(b"\x89PNG")

    class Broken:
        def savefig(self, target, format):
            target.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        plots.save(Broken(), path)
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(ImportError, match=r"pip install fnnets\[plots\]"):
        plots.panels()


def test_neither_import_nor_drawing_touches_global_state():
    program = (
        "import sys, fnnets.plots as p; assert 'matplotlib' not in sys.modules;"
        "p.curves({'a': [1.0]}, xlabel='', ylabel=''); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.curves({"a": [-1.0, -2.0]}, xlabel="", ylabel="", log="y"), "lines holds no number above 0"),
        (lambda: plots.curves({"a": [np.nan]}, xlabel="", ylabel=""), r"lines\['a'\] holds no finite number"),
        (
            lambda: plots.learning_curves({"run": History(cost=np.array([np.nan]))}),
            "cost of histories.*no finite number",
        ),
        (lambda: plots.learning_curves({"run": History(cost=np.ones(2), accuracy=0.5)}), r"has shape \(\), expected"),
        (lambda: plots.save(plots.panels()[0], "a.pdf"), "expected a name that ends in .png"),
    ],
)
def test_what_would_show_nothing_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_gaps_are_drawn_as_such():
    [axes] = plots.learning_curves({"run": History(cost=np.array([1.0, np.nan, np.inf]))}).axes
    assert len(axes.get_lines()) == 1

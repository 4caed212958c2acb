"""The figure of a passage: nodes for small layers, maps for images and sequences; every value in its place."""

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.command import drawing, passage
from fnnets.verify.checks import equations


def drawn(net, batch, example=0):
    found = passage.of(net, net.init(jax.random.key(0)), batch, None, example)
    return found, drawing.draw(found, "title")


def titles(figure):
    return [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_title()]


def test_nodes_show_a_above_and_delta_below():
    found, figure = drawn(*equations.families()["feedforward"])
    above, below = figure.axes[:2]
    texts = [[each.get_text() for each in axes.texts] for axes in (above, below)]
    for name, side in (("input", 0), ("layer 0 dense a", 0), ("prediction", 0)):
        assert {f"{number:.2g}" for number in np.asarray(found.found.values[name])[0]} <= set(texts[side])
    for name in ("input", "layer 0 dense z", "output"):
        assert {f"{number:.2g}" for number in np.asarray(found.found.deltas[name])[0]} <= set(texts[1])
    assert {"layer 0 dense", "layer 1 dense", "a(L)"} <= set(texts[0])
    assert len(above.patches) == len(below.patches) == 4 + 3 + 2
    assert len(above.get_lines()) == 4 * 3 + 3 * 2


@pytest.mark.parametrize("family", [each for each in equations.families() if each != "feedforward"])
def test_maps_show_each_value_and_its_delta(family):
    found, figure = drawn(*equations.families()[family])
    shown = titles(figure)
    values = [line.name for line in found.forward if line.name in found.found.values]
    again = [name for name in values if name not in shown]
    assert len(again) <= 1  # z of the last layer, which is the output
    assert sum(title.startswith("∂c/∂ of it") for title in shown) == len(set(values) - set(again) - {"prediction"})


def test_channels_stand_side_by_side_and_many_units_in_rows():
    image, is_image = drawing._image(np.arange(3 * 4 * 5.0).reshape(3, 4, 5), False)
    assert (image.shape, is_image) == ((2 * 3 + 1, 3 * 4 + 2), True)
    assert np.isnan(image[3]).all()
    np.testing.assert_array_equal(image[:3, 5:9], np.arange(60.0).reshape(3, 4, 5)[..., 1])
    assert drawing._image(np.ones(784), False)[0].shape == (28, 28)
    assert drawing._image(np.ones((6, 3)), True)[0].shape == (3, 6)
    assert drawing._image(np.ones(5), False)[0].shape == (5, 1)


def test_wide_layers_are_maps():
    net = fn.feedforward([20, 4, 2], objective=fn.objectives.softmax_log_likelihood)
    _, figure = drawn(net, fn.Batch(np.ones((2, 20), np.float32), np.array([0, 1])))
    assert titles(figure)[0] == "input"

import json

import jax
import numpy as np
import pytest

from experiments.harness import training
from experiments.images import convolutional, filters
from experiments.images.filters import Options
from fnnets import plots


@pytest.fixture(autouse=True)
def promotion(standard_promotion):
    """optax.adam mixes int32 with float32."""


def test_filters_and_maps_are_drawn_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(filters.TABLES, "digits", "conv3-3 maxpool2")
    images = convolutional.load()
    few = images._replace(**{name: training.first(getattr(images, name), 20) for name in images._fields[1:]})
    monkeypatch.setattr(convolutional, "load", lambda folder: few)
    monkeypatch.setattr(plots, "save", lambda picture, path: path.write_text(str(len(picture.axes))))
    assert filters.run(Options(out=tmp_path, epochs=1, progress=False, batch_size=20)) == 0
    pictures = {path.stem: path.read_text() for path in (tmp_path / "filters").glob("*.png")}
    assert pictures == {"filters": "4", "convolution-1": "41"}  # one is the scale
    content = json.loads((tmp_path / "filters" / "filters.json").read_text())
    assert [figure["name"] for figure in content["figures"]] == [
        "test accuracy", "convolution 1: dead filters"
    ]  # fmt: skip


def test_a_filter_that_never_fires_is_dead():
    net = convolutional.network((4, 4, 1), 2, "conv3-3")
    params = net.init(jax.random.key(0))
    biases = np.array([-1e3, 1e3, 1e3], np.float32)
    params = (params[0]._replace(biases=biases), *params[1:])
    assert filters.dead_filters(net, params, np.ones((2, 4, 4, 1), np.float32)) == {"convolution 1": 1}


def test_a_row_of_the_grid_is_an_image_and_its_maps_at_its_size():
    inputs, maps = np.ones((2, 4, 4)), np.arange(24.0).reshape(2, 3, 2, 2)
    figure = filters._grid(inputs, maps, np.array([3, 7]), "convolution 2")
    shown = [axes.get_images()[0].get_array() for axes in figure.axes[:8]]
    assert (shown[0] == 23).all()
    assert np.array_equal(shown[1], maps[0, 0].repeat(2, 0).repeat(2, 1))
    assert [figure.axes[place].get_ylabel() for place in (0, 4)] == ["3", "7"]

import json

import numpy as np
import pytest

import fnnets as fn
from experiments.images import detection
from experiments.images.detection import Options
from fnnets.data import Scenes
from fnnets.detection import boxes


@pytest.fixture
def small(monkeypatch):
    """One level, few crops and a smaller network: what takes time is compilation."""
    monkeypatch.setattr(detection, "SCALES", (0.5,))
    monkeypatch.setattr(detection, "ROUNDS", 2)
    right = detection.load
    monkeypatch.setattr(detection, "load", lambda options: right(options)._replace(table="conv5-2 maxpool2 | fc-11"))
    return {"scenes": 3, "test_scenes": 2, "epochs": 1, "seeds": (3,), "progress": False}


def test_the_experiment_trains_finds_judges_and_writes(tmp_path, small, monkeypatch, capsys):
    """A network after one epoch is poor, and is said to be."""
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    assert detection.run(Options(out=tmp_path, **small)) == 1
    said = capsys.readouterr().out
    assert "digits in place of MNIST" in said
    assert "average precision, all digits in one curve" in said
    assert "missed" in said
    content = json.loads((tmp_path / "detection" / "detection.json").read_text())
    assert content["seeds"] == [3]
    assert [figure["unit"] for figure in content["figures"]] == ["%"] * 4
    assert content["settings"]["images"] == "digits"
    assert (tmp_path / "detection" / "detection.png").stat().st_size > 10_000


def test_mnist_is_read_where_it_is(bars):
    images = detection.load(Options(data_dir=bars))
    assert (images.name, len(images.train.inputs), len(images.test.inputs), images.side) == ("MNIST", 100, 200, 28)
    net, some = detection.network(images), detection.scenes(images, images.train, 0, 1)
    assert some.images.shape == (1, 168, 168, 1)
    assert fn.detection.map_stride(net) == (4, 4)


def test_three_tenths_of_the_features_are_dropped_in_training():
    parts = detection.network(detection.load(Options(images="digits"))).layer.parts
    [dropout] = [part for part in parts if part.name == "dropout"]
    assert dropout.forward((), np.ones((1, 1), np.float32), fn.Context())[0] == pytest.approx(
        0.7
    )  # the share that is kept


def test_training_and_test_digits_are_apart():
    images = detection.load(Options(images="digits"))
    train, test = ({row.tobytes() for row in np.asarray(part.inputs)} for part in (images.train, images.test))
    assert len(train) > 890
    assert not train & test


def test_crops_on_no_object_are_mistaken(monkeypatch):
    image = np.arange(400.0, dtype=np.float32).reshape(1, 20, 20, 1)
    found = boxes.make([[2, 2, 10, 10], [2, 7, 10, 15], [11, 11, 19, 19]], [4, 4, 1])  # the second shares 3 columns
    monkeypatch.setattr(detection, "_detect", lambda *args: [found])
    net = fn.convolutional((8, 8, 1), "conv3-2 | fc-3", objective=fn.objectives.softmax_log_likelihood)
    crops = detection.mistaken(net, None, Scenes(image, np.array([[[2, 2, 10, 10]]]), np.array([[4]])))
    np.testing.assert_array_equal(crops[..., 0], [image[0, 2:10, 7:15, 0], image[0, 11:19, 11:19, 0]])


def test_mistaken_crops_take_half_of_the_room_at_most():
    inputs = np.zeros(10)
    assert detection.renew(inputs, 4, np.array([1.0]), np.random.default_rng(0)) == 5
    assert detection.renew(inputs, 5, np.full(9, 2.0), np.random.default_rng(0)) == 7
    assert inputs.tolist() == [0, 0, 0, 0, 1, 2, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("option", "value"), [("scenes", 0), ("epochs", 0), ("threshold", 1.5), ("learning_rate", 0.0)]
)
def test_settings_out_of_range_are_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        Options(**{option: value})

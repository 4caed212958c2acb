import json

import jax
import pytest

import fnnets as fn
from experiments.benchmarks import class_map
from experiments.benchmarks.__main__ import main


@pytest.fixture
def small(monkeypatch):
    """A network of which both sides are compiled soon."""
    objective = fn.objectives.softmax_log_likelihood
    net = fn.convolutional((28, 28, 1), "conv5-2 maxpool4 | fc-3", objective=objective)
    monkeypatch.setattr(class_map, "network", lambda: net)
    return net


def test_the_benchmark_compares_times_and_writes(tmp_path, small, capsys):
    assert main(["class_map", "--sizes", "33", "--rounds", "2", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "| 33 | 4 |" in said
    content = json.loads((tmp_path / "class_map.json").read_text())
    [row] = content["images"]
    assert row["positions"] == [2, 2]
    assert [len(samples) for samples in row["samples"].values()] == [2, 2]
    assert row["difference"] < 1e-5
    convolution, dense = 25 * 2, 6 * 6 * 2 * 3
    # crops at 0 and 4 see 32 of 33 pixels: 28 positions, 7 poolings, 2 x 2 places for a crop's 6 x 6
    assert row["operations"]["class map"] == 2 * (28 * 28 * convolution + 4 * dense)
    assert row["operations"]["crops"] == 4 * 2 * (24 * 24 * convolution + dense)
    assert content["command"] == "python -m experiments.benchmarks class_map"


def test_a_map_that_is_not_that_of_the_crops_is_not_timed(tmp_path, small, monkeypatch, capsys):
    params = small.init(jax.random.key(0))
    right = fn.detection.class_map
    monkeypatch.setattr(fn.detection, "class_map", lambda net, p, x: right(net, p, x)[:, ::-1])
    row = class_map.measure(small, params, 33, class_map.Options())
    assert row["difference"] > 1e-5
    assert "samples" not in row
    monkeypatch.setattr(class_map, "measure", lambda *args: row)
    assert class_map.main(["--sizes", "33", "--out", str(tmp_path)]) == 1
    assert "33 pixels: maps differ" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--sizes", "20"], "sizes: one is 20"), (["--rounds", "0"], "rounds")]
)
def test_bad_options_are_refused(arguments, said, capsys):
    assert class_map.main(arguments) == 2
    assert said in capsys.readouterr().err

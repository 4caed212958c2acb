import json

import jax.numpy as jnp

import fnnets as fn
from experiments.feedforward import anchors
from experiments.feedforward.anchors import Options


def test_darkness_takes_the_class_of_the_nearest_mean():
    train = fn.Batch(jnp.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]), jnp.array([7, 2, 2]))
    test = fn.Batch(jnp.array([[0.0, 1.9], [0.0, 2.1], [9.0, 9.0]]), jnp.array([7, 2, 7]))
    assert anchors.darkness(train, test) == 2  # means 0 and 4, the border at 2


def test_support_vectors_have_the_published_accuracy(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    assert anchors.run(Options(out=tmp_path)) == 0
    [figure] = json.loads((tmp_path / "anchors" / "anchors.json").read_text())["figures"]
    assert round(figure["mean"], 4) == 0.9689
    assert "left out" in capsys.readouterr().out


def test_other_images_miss_the_anchor(tmp_path, bars, capsys):
    assert anchors.run(Options(out=tmp_path, data_dir=bars)) == 1
    assert "missed" in capsys.readouterr().out


def test_a_shuffled_split_misses_the_anchor(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    digits = fn.data.digits()
    order = jnp.arange(len(digits.inputs)) * 5 % len(digits.inputs)
    shuffled = fn.Batch(digits.inputs[order], digits.targets[order])
    monkeypatch.setattr(fn.data, "digits", lambda: shuffled)
    assert anchors.run(Options(out=tmp_path)) == 1

import json

import numpy as np
import pytest

import fnnets as fn
from experiments.harness import training
from experiments.images import convolutional, digits_convolutional
from experiments.images.digits_convolutional import CANDIDATES, Options, Settings


@pytest.fixture
def seen(monkeypatch):
    """The examples of each training run, and of its test; nothing is trained."""
    calls = []

    def accuracy(settings, train, judged, seed, options):
        calls.append((train, judged))
        return 90.0 + len(calls) + settings.copies

    monkeypatch.setattr(digits_convolutional, "accuracy", accuracy)
    return calls


def test_the_whole_first_half_trains_and_the_second_judges(tmp_path, seen, capsys):
    assert digits_convolutional.run(Options(out=tmp_path, seeds=(0, 1))) == 1  # below the bar
    digits = np.asarray(fn.data.digits().inputs)
    for train, judged in seen:
        assert np.array_equal(train.inputs.reshape(-1, 64), digits[:898])
        assert np.array_equal(judged.inputs.reshape(-1, 64), digits[898:])
    content = json.loads((tmp_path / "digits_convolutional" / "digits_convolutional.json").read_text())
    assert content["command"] == "python -m experiments digits_convolutional --seeds 0 1"
    assert content["figures"][0]["values"] == [91.0, 92.0]
    assert content["figures"][0]["verdict"] == "missed"


def test_selection_never_sees_the_second_half_and_takes_the_best(tmp_path, seen, capsys):
    candidates = (Settings(copies=2), Settings(copies=99), Settings(copies=3))
    assert digits_convolutional.select(Options(out=tmp_path), candidates) == 0
    digits = np.asarray(fn.data.digits().inputs)
    assert len(seen) == 15
    folds = [np.asarray(judged.inputs).reshape(-1, 64) for _, judged in seen[:5]]
    assert np.array_equal(np.concatenate(folds), digits[:895])
    for train, judged in seen:
        together = np.concatenate([train.inputs, judged.inputs]).reshape(-1, 64)
        assert np.array_equal(np.unique(together, axis=0), np.unique(digits[:895], axis=0))
    assert json.loads((tmp_path / "digits_convolutional" / "selection.json").read_text())["best"] == 1


def test_the_defaults_are_one_of_the_candidates():
    assert Settings() in CANDIDATES
    assert tuple(getattr(Options(), name) for name in Settings._fields) == Settings()


def test_a_small_network_learns_something(standard_promotion):
    digits = training.first(convolutional.load().train, 100)
    settings = Settings("maxpool2", 16, batch_size=50, copies=0)
    assert digits_convolutional.accuracy(settings, digits, digits, 0, Options(progress=False)) > 50

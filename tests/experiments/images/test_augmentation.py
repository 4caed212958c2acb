import functools
import json

import numpy as np
import pytest

import fnnets as fn
from experiments.harness import training
from experiments.images import augmentation, convolutional
from experiments.images.augmentation import KINDS, Options
from fnnets import plots


@pytest.fixture
def descent(monkeypatch):
    """Plain descent in Adam's place, which takes longer to compile than to train here."""
    monkeypatch.setattr(training, "adam", functools.cache(lambda rate, steps: fn.training.momentum(rate)))


def test_every_kind_is_measured_with_as_many_images_and_written(tmp_path, descent, monkeypatch, capsys):
    monkeypatch.setattr(augmentation, "TABLE", "maxpool4 |")
    given = []
    fit = fn.fit
    monkeypatch.setattr(fn, "fit", lambda *args, **how: given.append(args[2]) or fit(*args, **how))
    monkeypatch.setattr(plots, "save", lambda picture, path: path.write_text(str(len(picture.axes))))
    options = Options(out=tmp_path, seeds=(0,), examples=(10,), epochs=1)
    assert augmentation.run(options) in (0, 1)  # the claim needs longer training
    assert [len(train.inputs) for train in given] == [50] * 3
    different = [len(np.unique(np.asarray(train.inputs).reshape(50, 64), axis=0)) for train in given]
    assert different == [10, 50, 50]
    content = json.loads((tmp_path / "augmentation" / "augmentation.json").read_text())
    assert [figure["name"] for figure in content["figures"]] == [f"test accuracy, 10 digits, {kind}" for kind in KINDS]
    pictures = {path.stem: path.read_text() for path in (tmp_path / "augmentation").glob("*.png")}
    assert pictures == {"augmentation": "1", "samples": "46"}  # one is the scale


def test_copies_have_the_label_of_their_image_and_follow_from_the_seed():
    digits = training.first(convolutional.load().train, 5)
    first, other = (augmentation.expand("affine", digits, seed, Options()) for seed in (0, 1))
    assert first.targets.tolist() == digits.targets.tolist() * 5
    assert np.array_equal(first.inputs[:5], digits.inputs)
    assert not np.array_equal(first.inputs[5:], other.inputs[5:])


@pytest.mark.parametrize("examples", [(), (200, 100), (5, 50), (50, 899)])
def test_sizes_out_of_range_are_refused(examples):
    with pytest.raises(ValueError, match="expected growing numbers from 10 to 898"):
        Options(examples=examples)

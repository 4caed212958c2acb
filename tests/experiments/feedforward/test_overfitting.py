import json

import jax.numpy as jnp
import pytest

from experiments.feedforward import overfitting
from experiments.feedforward.overfitting import Options


@pytest.fixture(scope="module")
def digits():
    return overfitting.load(Options(images="digits"))


def test_remedies_are_trained_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(overfitting, "REMEDIES", ("none", "early stopping"))
    options = Options(out=tmp_path, images="digits", seeds=(0, 1), epochs=3, hidden=5, progress=False)
    assert overfitting.run(options) in (0, 1)  # the claim needs longer training
    content = json.loads((tmp_path / "overfitting" / "overfitting.json").read_text())
    names = [figure["name"] for figure in content["figures"]]
    assert names == [f"{remedy}: {part} accuracy" for remedy in overfitting.REMEDIES for part in ("test", "training")]
    assert all(0 <= value <= 100 for figure in content["figures"] for value in figure["values"])
    assert (tmp_path / "overfitting" / "overfitting.png").exists()


def test_without_mnist_the_digits_are_taken_and_it_says_so(monkeypatch, capsys):
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    assert overfitting.load(Options()).name == "digits"
    assert "digits in place of MNIST" in capsys.readouterr().out


def test_mnist_gives_its_first_images(bars):
    images = overfitting.load(Options(data_dir=bars))
    assert images.name == "MNIST"
    assert [len(part.inputs) for part in images[1:4]] == [100, 1000, 200]
    assert images.shape == (28, 28)


def test_augmentation_keeps_the_images_and_adds_nine_others_of_the_same_class(digits):
    more = overfitting.augmented(digits)
    n = len(digits.train.inputs)
    assert more.inputs.shape == (10 * n, 64)
    assert (more.inputs[:n] == digits.train.inputs).all()
    assert (more.targets.reshape(10, n) == digits.train.targets[None]).all()
    assert all(bool(jnp.any(copy != digits.train.inputs)) for copy in more.inputs.reshape(10, n, 64)[1:])


def test_remedies_change_the_network_that_they_belong_to(digits):
    options = Options()
    nets = {remedy: overfitting.network(remedy, digits, options) for remedy in overfitting.REMEDIES}
    assert {remedy: net.l2 for remedy, net in nets.items() if net.l2} == {"L2": options.l2}
    dropping = [remedy for remedy, net in nets.items() if "dropout" in [part.name for part in net.layer.parts]]
    assert dropping == ["dropout"]

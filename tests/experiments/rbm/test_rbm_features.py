import json

import numpy as np
import pytest

from experiments.harness.options import OptionError, parse
from experiments.rbm import rbm_features
from experiments.rbm.rbm_features import Options


@pytest.fixture(scope="module")
def few():
    train, test = rbm_features.data()
    return train._replace(inputs=train.inputs[:200], targets=train.targets[:200]), test._replace(
        inputs=test.inputs[:50], targets=test.targets[:50]
    )


def test_the_digits_and_their_split_are_those_of_the_example():
    ndimage = pytest.importorskip("scipy.ndimage")
    datasets, preprocessing = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.preprocessing")
    selection = pytest.importorskip("sklearn.model_selection")
    digits, labels = datasets.load_digits(return_X_y=True)
    kernels = np.zeros((4, 3, 3))
    for kernel, (row, column) in zip(kernels, ((0, 1), (1, 0), (1, 2), (2, 1)), strict=True):
        kernel[row, column] = 1
    images = digits.reshape(-1, 8, 8)
    # one convolution of all images, each of which keeps to itself
    moved = [ndimage.convolve(images, kernel[None], mode="constant").reshape(-1, 64) for kernel in kernels]
    inputs = preprocessing.minmax_scale(np.concatenate([digits, *moved]).astype(np.float32))
    x, x_test, y, y_test = selection.train_test_split(inputs, np.tile(labels, 5), test_size=0.2, random_state=0)
    train, test = rbm_features.data()
    for found, expected in ((train.inputs, x), (train.targets, y), (test.inputs, x_test), (test.targets, y_test)):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rbms_and_pixels_are_measured_and_written(tmp_path, monkeypatch, few, capsys):
    monkeypatch.setattr(rbm_features, "data", lambda: few)
    options = Options(out=tmp_path, progress=False, seeds=(3, 5), hidden=8, epochs=2, batch_size=20)
    assert rbm_features.run(options) in (0, 1)  # the bar needs all digits
    content = json.loads((tmp_path / "rbm_features" / "rbm_features.json").read_text())
    command = "python -m experiments rbm_features --hidden 8 --epochs 2 --batch-size 20 --seeds 3 5"
    assert content["command"] == command
    again = parse(Options, command.split()[4:], "rbm_features")
    assert (again.seeds, again.hidden, again.epochs, again.batch_size) == ((3, 5), 8, 2, 20)
    ours, theirs, pixels = content["figures"][:3]
    assert [each["published"] for each in (ours, theirs, pixels)] == [94, 94, 78]
    assert (ours["low"], ours["high"]) == (92.5, 95.5)
    assert [len(each["values"]) for each in content["figures"]] == [2, 2, 1, 2, 2]
    assert pixels["values"][0] > 30  # chance is 10
    assert ours["values"] != theirs["values"]


def test_features_are_the_probabilities_of_the_hidden_units_of_a_trained_rbm(few):
    v = few[0].inputs
    learn = rbm_features.learner(v, Options(progress=False, hidden=4, epochs=1, batch_size=20))
    features = learn(0)
    found = features(v)
    assert found.shape == (200, 4)
    assert 0 < found.min() < found.max() < 1
    np.testing.assert_array_equal(found, learn(0)(v))
    assert not np.array_equal(found, learn(1)(v))


def test_a_bad_option_is_one_line():
    with pytest.raises(OptionError, match="hidden is 0"):
        parse(Options, ["--hidden", "0"], "rbm_features")

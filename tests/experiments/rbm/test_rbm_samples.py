import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.harness.options import OptionError, parse
from experiments.rbm import rbm_samples, training
from experiments.rbm.rbm_samples import Options
from fnnets import plots


@pytest.fixture(scope="module")
def digits():
    return training.load("digits", None, "test")


def test_an_rbm_is_trained_drawn_and_written(tmp_path, digits, monkeypatch, capsys, standard_promotion):
    few = digits._replace(train=digits.train[:40], test=digits.test[:20])
    monkeypatch.setattr(training, "load", lambda choice, data_dir, user: few)
    monkeypatch.setattr(rbm_samples, "COLUMNS", 3)
    # figures have a test of their own
    monkeypatch.setattr(rbm_samples, "judged", lambda net, params, train, test: {rbm_samples.GAP: len(test)})
    monkeypatch.setattr(plots, "save", lambda picture, path: path.write_text(str(len(picture.axes))))
    options = Options(out=tmp_path, progress=False, seeds=(3, 5), hidden=4, epochs=2, steps=3)
    assert rbm_samples.run(options) == 0
    folder = tmp_path / "rbm_samples"
    pictures = {path.stem: path.read_text() for path in folder.glob("*.png")}
    assert pictures == {"filters": "5", "fantasies": "19", "reconstructions": "7"}  # one is the scale
    content = json.loads((folder / "rbm_samples.json").read_text())
    command = "python -m experiments rbm_samples --images digits --hidden 4 --epochs 2 --steps 3 --seeds 3 5"
    assert content["command"] == command
    again = parse(Options, command.split()[4:], "rbm_samples")
    assert (again.images, again.hidden, again.epochs, again.steps, again.seeds) == ("digits", 4, 2, 3, (3, 5))
    assert [figure["values"] for figure in content["figures"]] == [[20, 20]]


def test_figures_of_an_rbm_without_weights_are_known(digits):
    v = training.binary(digits.train)
    net = fn.rbm(64, 2)
    params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    found = rbm_samples.judged(net, params, v[:30], v[30:50])
    assert found == {
        rbm_samples.PSEUDO_TRAIN: pytest.approx(-64 * np.log(2), rel=1e-5),
        rbm_samples.PSEUDO_TEST: pytest.approx(-64 * np.log(2), rel=1e-5),
        rbm_samples.GAP: pytest.approx(0, abs=1e-4),
        rbm_samples.ACTIVITY: 0.5,
    }


def test_kinds_of_images_stand_in_labelled_rows(digits):
    first, second = np.zeros((20, 64)), np.ones((10, 64))
    figure = rbm_samples._grid({"first": first, "second": second}, digits, "title")
    labels = [axes.get_ylabel() for axes in figure.axes[:30:10]]
    assert labels == ["first", "", "second"]
    shown = [float(axes.get_images()[0].get_array().mean()) for axes in figure.axes[:30:10]]
    assert shown == [0, 0, 1]


def test_steps_fall_to_zero_and_weights_cost(digits):
    chosen = rbm_samples.Settings(hidden=2, epochs=3, batch_size=20)
    net, optimizer = rbm_samples.build(chosen, training.binary(digits.train[:50]), 0.1)
    assert net.l2 == pytest.approx(1e-4 * 50)
    state, steps = optimizer.init(jnp.ones(())), []
    for _ in range(10):  # nine steps in three epochs
        step, state = optimizer.update(jnp.ones(()), state)
        steps.append(-float(step))
    assert steps == pytest.approx([0.1 * (1 - t / 9) for t in range(10)], abs=1e-7)


@pytest.mark.parametrize(("arguments", "said"), [(["--hidden", "0"], "hidden is 0"), (["--steps", "0"], "steps is 0")])
def test_a_bad_option_is_refused(arguments, said):
    with pytest.raises(OptionError, match=said):
        parse(Options, arguments, "rbm_samples")

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.__main__ import main
from experiments.harness.options import OptionError, command, parse
from experiments.rbm import rbm_likelihood, training
from experiments.rbm import rbm_likelihood_rows as rows
from experiments.rbm.rbm_likelihood import Options
from experiments.rbm.rbm_likelihood_rows import ROWS


@pytest.fixture(scope="module")
def digits():
    return training.load("digits", None, "test")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(rbm_likelihood, "CHAINS", 10)
    monkeypatch.setattr(rbm_likelihood, "TEMPERATURES", 20)


def test_rows_have_different_names_and_published_figures_inside_their_bars():
    names = {row.name for row in ROWS}
    assert len(names) == len(ROWS)
    for (name, way, _), bar in rows.BARS.items():
        row = next(row for row in ROWS if row.name == name)
        assert way in row.ways
        if bar.published is not None:
            assert (bar.low or -np.inf) <= bar.published <= (bar.high or np.inf)


def test_a_row_of_two_ways_is_measured_and_written_with_the_command_that_repeats_it(
    tmp_path, digits, monkeypatch, capsys
):
    row = ROWS[1]._replace(hidden=3, every=1)
    monkeypatch.setattr(rbm_likelihood, "ROWS", (row,))
    # what is found out about an RBM has a test of its own
    monkeypatch.setattr(
        rbm_likelihood, "judged",
        lambda net, params, data, key: {**rbm_likelihood.watched(net, params, data), rows.AIS_DISTANCE: 2.0},
    )  # fmt: skip
    few = digits._replace(train=digits.train[:40], test=digits.test[:20])
    monkeypatch.setattr(training, "load", lambda choice, data_dir, user: few)
    options = Options(out=tmp_path, progress=False, rows=("pcd-1",), seeds=(3, 5), epochs=2)
    assert rbm_likelihood.run(options) == 0
    folder = tmp_path / "rbm_likelihood"
    content = json.loads((folder / "rbm_likelihood-pcd-1.json").read_text())
    command = "python -m experiments rbm_likelihood --rows pcd-1 --images digits --epochs 2 --seeds 3 5"
    assert content["command"] == command
    again = parse(Options, command.split()[4:], "rbm_likelihood")
    assert (again.rows, again.images, again.epochs, again.seeds) == (("pcd-1",), "digits", 2, (3, 5))
    figures = {figure["name"]: figure for figure in content["figures"]}
    normal, centred = (np.array(figures[f"{way}: test log-likelihood"]["values"]) for way in ("normal", "centred"))
    difference = figures["test log-likelihood, centred − normal"]["values"]
    np.testing.assert_allclose(difference, centred - normal, atol=1e-4)  # JSON keeps six digits
    assert figures["normal: distance of AIS from log Z"]["verdict"] == "missed"  # 2 > 1
    assert all(figure["published"] is None for figure in figures.values())  # digits are not MNIST
    curves = content["curves"]
    assert curves["epochs"] == [1, 2]
    np.testing.assert_allclose(curves["centred"][-1], centred)
    assert (folder / "rbm_likelihood-pcd-1.png").exists()


def test_figures_of_an_rbm_without_weights_are_known(digits):
    data = rbm_likelihood.prepared(ROWS[0], digits)
    net, _ = rbm_likelihood.build(ROWS[0]._replace(hidden=2), "normal", data)
    params = jax.tree.map(jnp.zeros_like, net.init(jax.random.key(0)))
    # every pixel is on or off with probability 1/2, whatever the others are
    expected = -64 * np.log(2)
    found = rbm_likelihood.judged(net, params, data, jax.random.key(1))
    assert found["log Z"] == pytest.approx(66 * np.log(2), rel=1e-5)
    for name in ("test log-likelihood", rows.PSEUDO_TRAIN, rows.PSEUDO_TEST):
        assert found[name] == pytest.approx(expected, rel=1e-5)
    assert found["free-energy gap"] == pytest.approx(0, abs=1e-4)
    assert rbm_likelihood.watched(net, params, data) == {"test log-likelihood": found["test log-likelihood"]}


def test_annealing_is_compared_with_the_exact_value(digits, monkeypatch):
    data = rbm_likelihood.prepared(ROWS[0], digits)
    net, _ = rbm_likelihood.build(ROWS[0]._replace(hidden=2), "normal", data)
    params = net.init(jax.random.key(0))
    monkeypatch.setattr(
        fn.boltzmann, "annealed_importance_sampling",
        lambda net, params, key, **how: fn.boltzmann.Estimate(
            jnp.float32(7.0 if "reverse" in how else 3.0), jnp.float32(0.5), jnp.zeros(2), jnp.zeros(())
        ),
    )  # fmt: skip
    monkeypatch.setattr(fn.boltzmann, "log_partition", lambda net, params: jnp.float32(4.0))
    found = rbm_likelihood.judged(net, params, data, jax.random.key(1))
    assert found["distance of AIS from log Z"] == 1
    assert found["distance of reverse AIS from log Z"] == 3
    assert found["standard error of AIS"] == 0.5


def test_an_rbm_too_large_to_enumerate_is_judged_by_pseudo_likelihood_and_annealing(digits, monkeypatch):
    monkeypatch.setattr(rbm_likelihood, "LIMIT", 2)
    few = digits._replace(train=digits.train[:40], test=digits.test[:20])
    row = ROWS[-1]._replace(hidden=3, epochs=2)
    record, _ = rbm_likelihood.measure(row, few, Options(progress=False, seeds=(0,)))
    values = {figure.name: figure.values[0] for figure in record.figures}
    assert list(values) == [
        rows.FIRST, "test log-likelihood by AIS", "standard error of AIS", rows.PSEUDO_TRAIN, rows.PSEUDO_TEST,
        "free-energy gap",
    ]  # fmt: skip
    training = record.curves[rows.PSEUDO_TRAIN]
    assert training.shape == (2, 1)
    assert training[:, 0] == pytest.approx([values[rows.FIRST], values[rows.PSEUDO_TRAIN]])
    assert record.settings["trained_with"] == "grey levels"


def test_bars_are_those_of_mnist():
    values = {way: {"test log-likelihood": (-140.0, -150.0)} for way in ("normal", "centred")}
    normal, centred, difference = rbm_likelihood.figures(ROWS[1], values, "MNIST")
    assert (normal.published, normal.verdict) == (-149.05, "missed")
    assert (centred.published, centred.low, centred.high) == (-142.56, -144.06, -141.06)
    assert (difference.values, difference.verdict) == ((0.0, 0.0), "reached")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_builds_its_rbms(row, digits):
    data = rbm_likelihood.prepared(row, digits)
    assert (set(np.unique(data.inputs)) == {0, 1}) == (not row.grey)
    for way in row.ways:
        net, _ = rbm_likelihood.build(row, way, data)
        params = rbm_likelihood.begun(row, way, net, data, jax.random.key(0))
        assert params.weights.shape == (row.hidden, 64)
        deviation = row.deviation or 4 * (6 / (64 + row.hidden)) ** 0.5 / 3**0.5
        assert float(params.weights.std()) == pytest.approx(deviation, rel=0.1)
        if way == "normal":
            assert bool(jnp.any(params.visible_biases != 0)) == row.log_odds


def test_centred_rbms_begin_as_normal_ones_would_in_the_centred_form(digits):
    data = rbm_likelihood.prepared(ROWS[1], digits)
    nets = {way: rbm_likelihood.build(ROWS[1], way, data)[0] for way in ROWS[1].ways}
    params = {way: rbm_likelihood.begun(ROWS[1], way, net, data, jax.random.key(0)) for way, net in nets.items()}
    v, h = np.full((1, 64), 0.3, np.float32), np.full((1, 16), 0.2, np.float32)
    weights, b, c = params["normal"]
    visible, hidden = v - data.mean, h - 0.5
    plain = -(v @ params["centred"].visible_biases + h @ params["centred"].hidden_biases + v @ weights.T @ h[0])
    offset = -(visible @ b + hidden @ c + visible @ weights.T @ hidden[0])
    constant = data.mean @ b + 0.5 * c.sum() - 0.5 * data.mean @ weights.sum(0)
    np.testing.assert_allclose(plain, offset - constant, rtol=1e-4)


def test_mnist_is_taken_where_it_is_and_digits_where_it_is_not(bars, monkeypatch, capsys):
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    images = training.load("auto", bars, "rbm_likelihood")
    assert (images.name, images.shape, images.train.shape, images.test.shape) == (
        "MNIST", (28, 28), (10_100, 784), (200, 784),
    )  # fmt: skip
    options = training.repeated(Options(data_dir=bars), images)
    assert command("rbm_samples", options) == "python -m experiments rbm_samples --data-dir … --seeds 0 1 2"
    assert training.load("auto", None, "rbm_likelihood").name == "digits"
    assert "rbm_likelihood: digits in place of MNIST" in capsys.readouterr().out


def test_chains_and_steps_go_on_from_part_to_part(digits):
    v = training.binary(digits.train[:40])
    net = fn.rbm(64, 2, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=5))
    how = {"epochs": 3, "batch_size": 20, "progress": False}
    optimizer = fn.training.momentum(0.1)
    parts = list(training.train(net, optimizer, v, 0, every=2, **how))
    assert [epoch for epoch, _ in parts] == [2, 3]
    whole = training.last(training.train(net, optimizer, v, 0, **how))
    jax.tree.map(np.testing.assert_array_equal, parts[-1][1], whole)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--rows", "pcd-2"], "pcd-2"), (["--epochs", "0"], "epochs is 0"), (["--images", "faces"], "faces")],
)
def test_a_bad_option_is_refused(arguments, said):
    with pytest.raises(OptionError, match=said):
        parse(Options, arguments, "rbm_likelihood")


def test_mnist_that_is_not_there_is_one_line_and_status_2(monkeypatch, capsys):
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    assert main(["rbm_likelihood", "--images", "mnist"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.__main__ import main
from experiments.autoencoders import autoencoders, pretraining
from experiments.autoencoders.autoencoders import Images
from experiments.autoencoders.pretraining import (
    METHODS,
    OPTIMIZERS,
    SCHEDULES,
    STARTS,
    Descent,
    Options,
    Tuned,
)

TINY = SCHEDULES["digits"]._replace(
    sizes=(6, 2), pretraining_epochs=1, epochs=1, updates=4, rates=(0.01, 0.1, 1e38), batch_size=449
)


@pytest.fixture(autouse=True)
def no_data(monkeypatch, standard_promotion):
    monkeypatch.delenv("FNNETS_DATA", raising=False)


def test_beginnings_and_descents_are_compared_and_written(tmp_path, monkeypatch, capsys):
    began, drawn, fit, picture = [], [], fn.fit, pretraining.picture

    def spy(net, optimizer, train, **how):
        result = fit(net, optimizer, train, **how)
        began.append((how["params"], result.params))
        return result

    monkeypatch.setattr(fn, "fit", spy)
    monkeypatch.setattr(pretraining, "picture", lambda *parts: drawn.extend(parts) or picture(*parts))
    options = Options(out=tmp_path, seeds=(0, 1), **TINY._asdict())
    assert pretraining.run(options) in (0, 1)
    content = json.loads((tmp_path / "pretraining" / "pretraining-digits.json").read_text())
    assert "--sizes 6 2" in content["command"]
    assert "--rates 0.01 0.1 1e+38" in content["command"]
    assert content["settings"]["updates"] == 4
    assert (tmp_path / "pretraining" / "pretraining-digits.png").exists()
    figures = {figure["name"]: figure["values"] for figure in content["figures"]}
    tuned, descents, _ = drawn
    check_beginnings(began, tuned, figures)
    for (
        method,
        each,
    ) in descents.items():  # the chosen rate is that of the least mean; what diverges has an infinite one
        assert each.sweep[2].tolist() == [np.inf, np.inf]
        best = int(each.sweep.mean(axis=1).argmin())
        assert each.rate == TINY.rates[best]
        assert figures[f"training error after 4 updates, {method}"] == pytest.approx(each.sweep[best], rel=1e-5)
        assert f"{method} {each.rate:g}" in content["settings"]["best_rates"]
        assert each.curves.shape == (2, 2)
        assert np.isfinite(each.curves).all()


def check_beginnings(began, tuned, figures):
    images = autoencoders.load()
    net = autoencoders.network(images, TINY.sizes)
    for name in OPTIMIZERS:
        with_it, without = (tuned[name, start].errors for start in STARTS)
        assert figures[f"training error, {name}, pretrained"] == pytest.approx(with_it, rel=1e-5)
        difference = figures[f"training error, {name}: with pretraining minus without"]
        assert difference == pytest.approx(with_it - without, rel=1e-3)
    # every optimiser begins once at what the seed's RBMs learnt and once afresh
    assert [params is None for params, _ in began] == [False, True] * 4
    assert began[0][0] is began[2][0]
    expected = autoencoders.pretrained(net, images.train, jax.random.key(1), TINY)
    for one, other in zip(jax.tree.leaves(began[4][0]), jax.tree.leaves(expected), strict=True):
        assert np.array_equal(one, other)
    # began[7]: the second seed, Adam, not pretrained
    last, cost = began[7][1], jax.jit(net.cost)
    each = tuned["Adam", "not pretrained"]
    assert each.errors[1] == pytest.approx(autoencoders.judge(net, last, images.train), rel=1e-5)
    assert each.test[1] == pytest.approx(autoencoders.judge(net, last, images.test), rel=1e-5)
    least = float(cost(last, fn.Batch(images.train))) - each.curves[-1, 1]
    assert least == pytest.approx(pretraining.entropy(images.train), rel=1e-4)


def test_the_entropy_is_the_cost_of_a_perfect_reconstruction():
    x = np.array([[0.25, 0.9], [0.5, 0.001]])
    z = np.log(x / (1 - x))  # weighted inputs whose sigmoid is x
    cost = fn.objectives.sigmoid_cross_entropy.value(jnp.asarray(z), jnp.asarray(x)).mean()
    assert pretraining.entropy(x) == pytest.approx(float(cost), rel=1e-5)
    assert pretraining.entropy(np.array([[0.0, 1.0]])) == 0


@pytest.mark.parametrize("most", [0.9, 0.99])
def test_the_decay_rises_as_in_the_paper(most):
    for t in (0, 100, 249, 250, 251, 1000, 12_249, 12_250, 750_000):
        expected = min(1 - 2 ** (-1 - math.log2(t // 250 + 1)), most)
        assert float(pretraining.rising(most)(t)) == pytest.approx(expected, rel=1e-6)
        assert float(pretraining.rising(most)(jnp.asarray(t))) == pytest.approx(expected, rel=1e-6)


def test_descents_are_those_of_the_equations(strict_promotion):
    with jax.numpy_dtype_promotion("strict"):
        for method in METHODS:
            rule = pretraining.optimizer(method, 0.1)
            state = rule.init(jnp.zeros(()))
            velocity = w = expected = 0.0
            step = jax.jit(rule.update)
            for t in range(252):  # μ is 0.5 for 250 steps, then 0.75
                gradient = float(np.cos(t))
                update, state = step(jnp.asarray(gradient, jnp.float32), state)
                w += float(update)
                decay = 0.5 if t < 250 else 0.75
                velocity = decay * velocity - 0.1 * gradient
                ahead = decay * velocity - 0.1 * gradient
                expected += {"SGD": -0.1 * gradient, "momentum": velocity, "Nesterov": ahead}[method]
            assert w == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_sparse_weights_are_15_a_unit_from_a_normal_distribution():
    scheme = pretraining.sparse(15)
    draw = jax.jit(scheme.weights(1, 0), static_argnums=(1, 2))
    weights = np.asarray(draw(jax.random.key(0), (400, 60), jnp.float32))
    assert ((weights != 0).sum(axis=1) == 15).all()
    drawn = weights[weights != 0]  # 6000 numbers: 5 standard errors of the mean are 0.065, of the deviation 0.046
    assert abs(drawn.mean()) < 0.065
    assert abs(drawn.std() - 1) < 0.046
    # each input is chosen for 100 of 400 units, 5 standard deviations of the hypergeometric choice are 43
    assert (abs((weights != 0).sum(axis=0) - 100) < 44).all()
    net = fn.autoencoder([20, 6], initializer=scheme)
    for part in fn.autoencoders.halves(net, jax.jit(net.init)(jax.random.key(1)), "test"):
        [(drawn, biases)] = part
        assert ((drawn != 0).sum(axis=1) == min(15, drawn.shape[1])).all()  # all 6 of fewer than 15
        assert not biases.any()


def test_published_errors_stand_beside_the_published_network_alone():
    x = np.zeros((2, 784))
    images, schedule = Images("MNIST", x, x, x, x), SCHEDULES["MNIST"]._replace(batch_size=2, updates=7)
    errors = {"pretrained": 5.0, "not pretrained": 50.0}
    tuned = {(name, start): Tuned(*np.full((2, 1), errors[start]), None) for name in OPTIMIZERS for start in STARTS}
    errors = {"SGD": 9.0, "momentum": 6.0, "Nesterov": 6.2}
    descents = {method: Descent(0.1, np.array([errors[method]]), None, None) for method in METHODS}
    figures = {each.name: each for each in pretraining.figures(images, schedule, tuned, descents)}
    assert figures["training error of the average image"].values == (0.0,)
    assert figures["training error, Adam: with pretraining minus without"].verdict == "reached"
    published = [figures[f"training error after 7 updates, {method}"].published for method in METHODS]
    assert published == [2.1, 0.77, 0.73]
    assert figures["training errors, momentum / SGD"].values == (6 / 9,)
    assert figures["training errors, Nesterov / momentum"].verdict == "reached"  # 1.033 of at most 1.05
    others = pretraining.figures(images, schedule._replace(sizes=(30,)), tuned, descents)
    assert not [figure for figure in others if figure.published is not None]
    descents["Nesterov"] = descents["SGD"]
    assert pretraining.figures(images, schedule, tuned, descents)[-1].verdict == "missed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rates"], "rates are ()"),
        (["--rates", "0.1", "-1.0"], "rates: one is -1.0"),
        (["--updates", "0"], "updates is 0"),
        (["--descent-rate", "0.0"], "descent_rate is 0.0"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(arguments, said, capsys):
    assert main(["pretraining", *arguments]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert said in written.err


def test_divergence_of_fine_tuning_is_said():
    images = autoencoders.load()
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match=r"momentum 0.9, pretrained: .* in epoch 1"):
        pretraining.with_and_without(images, TINY._replace(descent_rate=1e38), (0,), False)

"""Model selection: candidates, the choice on validation data, retraining, and one look at the test data."""

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import selection
from tests.training.test_fit import KEY, blobs

SETTINGS = {"key": KEY, "epochs": 3}


def build(rate, hidden=5):
    net = fn.feedforward([4, hidden, 3], objective=fn.objectives.softmax_log_likelihood)
    return net, fn.training.momentum(rate)


def test_the_choice_is_that_of_single_fits():
    candidates = [{"rate": 1e-5}, {"rate": 0.3}]
    train, validation = blobs(40), blobs(30, jax.random.key(1))
    result = fn.training.search(build, candidates, train, validation, **SETTINGS)
    costs = []
    for candidate in candidates:
        net, descent = build(**candidate)
        fitted = fn.training.fit(net, descent, train, validation=validation, progress="silent", **SETTINGS)
        costs.append(fitted.history.validation_cost[-1])
    np.testing.assert_allclose(result.scores, costs, rtol=1e-4)
    assert result.best == candidates[int(np.argmin(costs))]


def test_the_winner_is_trained_on_all_but_the_test_data_which_is_looked_at_once(monkeypatch):
    train, validation, test = blobs(40), blobs(30, jax.random.key(1)), blobs(20, jax.random.key(2))
    looks = []

    def counted(net, params, batch):
        looks.append(batch)
        return fn.training.evaluate(net, params, batch)

    monkeypatch.setattr(selection, "evaluate", counted)
    candidates = fn.training.grid(rate=[0.1, 0.3])
    result = fn.training.search(build, candidates, train, validation, test, select="accuracy", **SETTINGS)
    assert len(looks) == 1
    assert looks[0] is test
    net, descent = build(**result.best)
    both = fn.Batch(
        np.concatenate([train.inputs, validation.inputs]), np.concatenate([train.targets, validation.targets])
    )
    alone = fn.training.fit(net, descent, both, progress="silent", **SETTINGS)
    np.testing.assert_allclose(result.params[0].weights, alone.params[0].weights, rtol=1e-5)
    assert result.test.accuracy == fn.training.evaluate(net, alone.params, test).accuracy


def test_numbers_train_together_and_shapes_apart():
    candidates = fn.training.grid(rate=[0.1, 0.2], hidden=[5, 6])
    assert selection._groups(candidates) == [[0, 2], [1, 3]]


def test_diverged_candidates_are_not_chosen():
    def regression(rate):
        return fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error), fn.training.momentum(rate)

    train = fn.Batch(blobs(40).inputs, jax.nn.one_hot(blobs(40).targets, 3))
    result = fn.training.search(regression, fn.training.grid(rate=[1e30, 0.01]), train, train, **SETTINGS)
    assert np.isnan(result.scores[0])
    assert result.best == {"rate": 0.01}
    with pytest.raises(ValueError, match="every candidate diverged"):
        fn.training.search(regression, [{"rate": 1e30}], train, train, **SETTINGS)


def test_random_candidates_repeat_for_a_key():
    space = {"rate": fn.training.log_uniform(1e-3, 1.0), "l2": fn.training.uniform(0, 5), "hidden": [10, 30]}
    first = fn.training.sample(KEY, 20, **space)
    assert first == fn.training.sample(KEY, 20, **space)
    assert first != fn.training.sample(jax.random.key(8), 20, **space)
    assert sum(one["rate"] < 0.03 for one in first) in range(5, 16)  # the middle of the logarithms
    assert {one["hidden"] for one in first} == {10, 30}


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="candidates is empty"):
        fn.training.search(build, [], blobs(40), blobs(30), **SETTINGS)
    with pytest.raises(ValueError, match="grid: rate is"):
        fn.training.grid(rate=0.1)
    with pytest.raises(ValueError, match="log_uniform: low is 0"):
        fn.training.log_uniform(0, 1)
    with pytest.raises(TypeError, match="search: key"):
        fn.training.search(build, [{"rate": 0.1}], blobs(40), blobs(30), key=0)

"""Model selection: candidates, the choice on validation data, retraining, and one look at the test data."""

import importlib

import jax
import numpy as np
import pytest

import fnnets as fn
from tests.training.test_fit import KEY, blobs

search_module = importlib.import_module("fnnets.training.search")  # the package has a function of this name

SETTINGS = {"key": KEY, "epochs": 3}


def build(rate, hidden=5):
    net = fn.feedforward([4, hidden, 3], objective=fn.objectives.softmax_log_likelihood)
    return net, fn.training.momentum(rate)


def test_the_choice_is_that_of_single_fits():
    candidates = [{"rate": 1e-5}, {"rate": 0.3}]
    train, validation = blobs(40), blobs(30, jax.random.key(1))
    result = fn.training.search(build, candidates, train, validation, **SETTINGS)
    costs = [fitted(train, validation, **candidate).history.validation_cost.min() for candidate in candidates]
    np.testing.assert_allclose(result.scores, costs, rtol=1e-4)
    assert result.best == candidates[int(np.argmin(costs))]


def fitted(train, validation, epochs=3, **candidate):
    return fn.fit(*build(**candidate), train, validation=validation, key=KEY, epochs=epochs, progress=False)


def overfitted():
    """Training data, and validation data with so many wrong labels that the first epochs are the best."""
    train, validation = blobs(40), blobs(30, jax.random.key(1))
    return train, validation._replace(targets=np.where(np.arange(30) % 5 < 2, 0, np.asarray(validation.targets)))


@pytest.mark.parametrize("monitor", ["cost", "accuracy"])
@pytest.mark.parametrize("score_at", ["best", "last"])
def test_the_winner_trains_again_for_the_epochs_that_were_best(monitor, score_at):
    """Every score and epoch from a single fit's history, and the parameters from a fit of as many epochs."""
    train, validation = overfitted()
    candidates = fn.training.grid(rate=[0.05, 0.6])
    result = fn.training.search(
        build, candidates, train, validation, key=KEY, epochs=9, monitor=monitor, score_at=score_at
    )
    histories = [fitted(train, validation, 9, **candidate).history for candidate in candidates]
    sign = 1 if monitor == "cost" else -1
    scores = np.array([sign * getattr(history, f"validation_{monitor}") for history in histories])
    rows = scores.argmin(axis=1) if score_at == "best" else np.array([8, 8])
    assert result.epochs.tolist() == (rows + 1).tolist()
    if score_at == "best":
        assert result.epochs.min() < 9  # else nothing would be told apart
    np.testing.assert_allclose(sign * result.scores, scores[[0, 1], rows], rtol=1e-4)
    winner = int(np.argmin(scores[[0, 1], rows]))
    assert result.best == candidates[winner]
    both = fn.Batch(
        *(np.concatenate([getattr(a, name) for a in (train, validation)]) for name in ("inputs", "targets"))
    )
    alone = fitted(both, None, int(result.epochs[winner]), **result.best)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), result.params, alone.params)


@pytest.mark.parametrize(
    ("monitor", "every"), [("cost", [[3, 2], [1, 2], [1, 4]]), ("accuracy", [[0, 1], [1, 1], [1, 0]])]
)
def test_of_equal_epochs_the_first_is_taken_and_diverged_ones_have_none(monitor, every):
    every = np.array(every, float)
    assert search_module._at(every, np.array([False, False]), monitor, "best")[1].tolist() == [2, 1]
    scores, epochs = search_module._at(every, np.array([True, False]), monitor, "last")
    assert np.isnan(scores[0])
    assert epochs.tolist() == [0, 3]


def test_the_winner_is_trained_on_all_but_the_test_data_which_is_looked_at_once(monkeypatch):
    train, validation, test = blobs(40), blobs(30, jax.random.key(1)), blobs(20, jax.random.key(2))
    looks = []

    def counted(net, params, batch):
        looks.append(batch)
        return fn.evaluate(net, params, batch)

    monkeypatch.setattr(search_module, "evaluate", counted)
    candidates = fn.training.grid(rate=[0.1, 0.3])
    result = fn.training.search(build, candidates, train, validation, test, monitor="accuracy", **SETTINGS)
    assert len(looks) == 1
    assert looks[0] is test
    net, descent = build(**result.best)
    both = fn.Batch(
        np.concatenate([train.inputs, validation.inputs]), np.concatenate([train.targets, validation.targets])
    )
    epochs = int(result.epochs[candidates.index(result.best)])
    alone = fn.fit(net, descent, both, progress=False, key=KEY, epochs=epochs)
    np.testing.assert_allclose(result.params[0].weights, alone.params[0].weights, rtol=1e-5)
    assert result.test.accuracy == fn.evaluate(net, alone.params, test).accuracy


def test_numbers_train_together_and_shapes_apart():
    candidates = fn.training.grid(rate=[0.1, 0.2], hidden=[5, 6])
    assert search_module._groups(candidates) == [[0, 2], [1, 3]]


def test_diverged_candidates_are_not_chosen():
    def regression(rate):
        return fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error), fn.training.momentum(rate)

    train = fn.Batch(blobs(40).inputs, jax.nn.one_hot(blobs(40).targets, 3))
    result = fn.training.search(regression, fn.training.grid(rate=[1e30, 0.01]), train, train, **SETTINGS)
    assert np.isnan(result.scores[0])
    assert result.epochs[0] == 0
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
    with pytest.raises(ValueError, match="search: epochs is 0, expected at least 1"):
        fn.training.search(build, [{"rate": 0.1}], blobs(40), blobs(30), key=KEY, epochs=0)
    with pytest.raises(ValueError, match="score_at is 'first', expected 'best' or 'last'"):
        fn.training.search(build, [{"rate": 0.1}], blobs(40), blobs(30), score_at="first", **SETTINGS)

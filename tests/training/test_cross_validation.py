"""Cross-validation against loops of fit and evaluate; its folds, standard errors, interruption and messages."""

import importlib

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import cross_validation
from fnnets.training.cross_validation import Scores
from tests.training.interrupting import Interrupting
from tests.training.test_fit import DESCENT, KEY, NET, blobs

ORDER, RUN = jax.random.split(KEY)
SETTINGS = {"epochs": 3, "batch_size": 7}
DATA = jax.tree.map(np.asarray, blobs(41))


def build():
    return NET, DESCENT


def validate(data, folds, make=build, **settings):
    return fn.training.cross_validate(make, data, folds, **{"key": KEY, **SETTINGS, **settings})


def by_hand(pairs, net=NET):
    """Scores of the loop that one would write, each fold with the key that the docstring names."""
    scores = []
    for i, (train, validation) in enumerate(pairs):
        key = jax.random.fold_in(RUN, i)
        result = fn.fit(net, DESCENT, train, key=key, progress=False, **SETTINGS)
        n = train.inputs.shape[1 if net.layer.is_sequential else 0]  # the penalty is that of training
        scores.append(fn.evaluate(net, result.params, validation._replace(dataset_size=n)))
    return np.array([[np.nan if value is None else float(value) for value in each] for each in scores]).T


def assert_scores(result, expected):
    np.testing.assert_allclose(result.scores.cost, expected[0], rtol=1e-6)
    np.testing.assert_allclose(result.scores.accuracy, expected[1], rtol=1e-6)


FOLDS = {
    "k": lambda: (4, fn.data.k_fold(DATA, 4, key=ORDER)),
    "k of numpy": lambda: (np.int64(2), fn.data.k_fold(DATA, 2, key=ORDER)),
    "a generator": lambda: (fn.data.k_fold(DATA, 3, key=KEY), fn.data.k_fold(DATA, 3, key=KEY)),
    "a list": lambda: (list(fn.data.k_fold(DATA, 3, key=None)), fn.data.k_fold(DATA, 3, key=None)),
    "the bootstrap": lambda: (fn.data.bootstraps(DATA, 3, key=KEY), fn.data.bootstraps(DATA, 3, key=KEY)),
    "one fold": lambda: ([fn.data.split(DATA, (30, 11), key=KEY)], [fn.data.split(DATA, (30, 11), key=KEY)]),
}


@pytest.mark.parametrize("name", FOLDS)
def test_the_scores_are_those_of_a_loop_of_fit_and_evaluate(name):
    folds, pairs = FOLDS[name]()
    pairs = list(pairs)
    result = validate(DATA, folds)
    assert_scores(result, by_hand(pairs))
    assert len(result.histories) == len(pairs)
    for history, cost in zip(result.histories, result.scores.cost, strict=True):
        assert history.validation_cost.shape == (3,)
        assert history.validation_cost[-1] == np.float32(cost)
        assert history.cost is None


def test_stratified_folds_are_those_of_k_fold():
    data = DATA._replace(targets=np.repeat([0, 1, 2], [25, 10, 6]))
    result = validate(data, 3, stratify=True)
    assert_scores(result, by_hand(fn.data.k_fold(data, 3, key=ORDER, stratify=True)))
    with pytest.raises(AssertionError, match="Mismatched"):  # the test of the test
        assert_scores(result, by_hand(fn.data.k_fold(data, 3, key=ORDER)))


@pytest.mark.parametrize("return_sequences", [True, False])
def test_sequences_lie_along_their_second_axis(return_sequences):
    net = fn.recurrent([2, 3, 2], objective=fn.objectives.softmax_log_likelihood, return_sequences=return_sequences)
    random = np.random.default_rng(0)
    mask = np.arange(5)[:, None] < random.integers(1, 6, 20)
    inputs = random.normal(size=(5, 20, 2)).astype(np.float32)
    data = fn.Batch(inputs, random.integers(0, 2, (5, 20) if return_sequences else 20), mask)
    result = validate(data, 2, lambda: (net, DESCENT))
    assert_scores(result, by_hand(fn.data.k_fold(data, 2, key=ORDER, sequences=True), net))


def test_targets_that_are_no_classes_have_no_accuracy():
    net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    data = fn.Batch(DATA.inputs, np.asarray(DATA.inputs[:, :3]))
    result = validate(data, 3, lambda: (net, fn.training.momentum(0.01)))
    assert result.scores.accuracy is result.mean.accuracy is result.standard_error.accuracy is None
    assert np.isfinite(result.scores.cost).all()


def test_an_autoencoder_needs_no_targets():
    net = fn.autoencoder([4, 2], code_activation=fn.activations.identity, objective=fn.objectives.linear_squared_error)
    given, own = (
        validate(fn.Batch(DATA.inputs, targets), 3, lambda: (net, fn.training.momentum(0.01)))
        for targets in (DATA.inputs, None)
    )
    np.testing.assert_array_equal(given.scores.cost, own.scores.cost)


def test_mean_and_standard_error_by_hand():
    """Of 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, variance 7, √(7/3)."""
    found = cross_validation._summary([Scores(1.0, 0.5), Scores(2.0, 0.5), Scores(6.0, 0.5)], [])
    assert found.mean == Scores(3.0, 0.5)
    np.testing.assert_allclose(found.standard_error, [np.sqrt(7 / 3), 0.0])
    assert np.isnan(cross_validation._summary([Scores(1.0, 0.5)], []).standard_error).all()


def test_a_fold_that_diverges_has_no_score():
    net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    train, validation = fn.data.split(DATA._replace(targets=np.eye(3)[DATA.targets]), (30, 11), key=KEY)
    far = train._replace(inputs=1e15 * train.inputs)
    with pytest.warns(RuntimeWarning, match="NaN or infinite in epoch 1"):
        result = validate(None, [(train, validation), (far, validation)], lambda: (net, fn.training.momentum(0.01)))
    assert np.isfinite(result.scores.cost).tolist() == [True, False]
    assert np.isnan(result.scores.accuracy).tolist() == [False, True]
    assert np.isnan(result.mean.cost)


def test_the_key_decides():
    first, again, other = (validate(DATA, 3, key=jax.random.key(seed)).scores.cost for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_equal_folds_compile_once(monkeypatch):
    from fnnets.training import program

    calls, derive = [], program.derive
    monkeypatch.setattr(program, "derive", lambda *arguments: calls.append(arguments) or derive(*arguments))
    net = fn.feedforward([4, 3], objective=fn.objectives.softmax_log_likelihood)
    validate(jax.tree.map(lambda leaf: leaf[:40], DATA), 4, lambda: (net, DESCENT))
    assert len(calls) == 1


def test_ctrl_c_ends_it(monkeypatch):
    monkeypatch.setattr("sys.stderr", Interrupting())
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after epoch 2 of folds\[0\]"):
        validate(DATA, 3, progress=True)


RBM = fn.rbm(4, 3)
OTHER = fn.Batch(np.ones((20, 5)), np.zeros(20, int))
PAIR = (DATA, DATA)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"folds": 1}, ValueError, "cross_validate: folds is 1, expected at least 2"),
        ({"folds": 42}, ValueError, "k_fold: k is 42 with 41 examples"),
        ({"folds": True}, TypeError, "cross_validate: folds is True"),
        ({"folds": 2.5}, TypeError, "folds is of type float, expected an int or an iterable of pairs"),
        ({"folds": DATA}, TypeError, "folds is of type Batch"),
        ({"folds": "five"}, TypeError, "folds is of type str"),
        ({"folds": PAIR}, TypeError, r"folds\[0\] is a Batch, expected two batches .* write \[\(train, validation\)\]"),
        ({"folds": [(DATA, DATA, DATA)]}, TypeError, r"folds\[0\] is a tuple of 3, expected two batches"),
        ({"folds": [PAIR, (DATA, None)]}, TypeError, r"folds\[1\] is a tuple of 2, expected two batches"),
        ({"folds": []}, ValueError, "folds holds no pairs"),
        ({"folds": iter(())}, ValueError, "folds holds no pairs.* an iterator serves only once"),
        ({"folds": [PAIR], "stratify": True}, ValueError, "stratify is True with folds that are pairs"),
        ({"folds": [PAIR, (DATA, OTHER)]}, ValueError, r"folds\[1\] validation.inputs has examples of shape \(5,\)"),
        ({"data": jax.tree.map(lambda a: a[:9], DATA), "folds": [PAIR]}, ValueError, "train holds 41 .* at most the 9"),
        ({"data": OTHER}, ValueError, r"cross_validate: data.inputs has examples of shape \(5,\), expected \(4,\)"),
        ({"data": DATA._replace(targets=DATA.targets + 1)}, ValueError, "data.targets holds labels from 1 to 3"),
        ({"data": None}, TypeError, "cross_validate: data is of type NoneType"),
        ({"key": 3}, TypeError, "cross_validate: key is 3"),
        ({"epochs": 0}, ValueError, "cross_validate: epochs is 0"),
        ({"batch_size": 40}, ValueError, "batch_size is 40, expected at most the"),
        ({"make": NET}, TypeError, "build is of type Network, expected a function"),
        ({"make": lambda: ("net", DESCENT)}, TypeError, "build gives 'net' of type str in place of an fnnets.Network"),
        ({"make": lambda: (RBM, DESCENT)}, ValueError, "build gives an RBM"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        validate(**{"data": DATA, "folds": 3, **arguments})


def test_folds_at_hand_are_all_checked_before_one_is_trained(monkeypatch):
    def trained(*_, **__):
        raise AssertionError("trained")

    module = importlib.import_module("fnnets.training.cross_validation")
    monkeypatch.setattr(module, "fit", trained)
    good = fn.Batch(np.ones((6, 4), np.float32), np.arange(6) % 3)
    net = fn.feedforward([4, 3], objective=fn.objectives.softmax_log_likelihood)
    settings = {"key": jax.random.key(0), "epochs": 1, "batch_size": 3}

    def run(*folds):
        return fn.training.cross_validate(lambda: (net, fn.training.momentum(0.1)), None, folds, **settings)

    with pytest.raises(AssertionError, match="trained"):  # the test of the test
        run((good, good))
    with pytest.raises(ValueError, match=r"folds\[1\] validation.targets is None"):
        run((good, good), (good, good._replace(targets=None)))
    small = fn.Batch(good.inputs[:2], good.targets[:2])
    with pytest.raises(ValueError, match=r"batch_size is 3, expected at most the 2 training examples of folds\[1\]"):
        run((good, good), (small, good))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((np.arange(3), np.arange(3, 6)), r"folds\[0\] is a tuple of 2, .*; make batches of arrays and indices"),
        (3, r"folds\[0\] is a int, expected two batches .*; write"),
    ],
)
def test_folds_of_indices_are_told_the_remedy(pair, message):
    net = fn.feedforward([4, 3], objective=fn.objectives.softmax_log_likelihood)
    with pytest.raises(TypeError, match=message):
        fn.training.cross_validate(lambda: (net, fn.training.momentum(0.1)), None, [pair], key=jax.random.key(0))


def test_a_build_with_arguments_is_refused():
    with pytest.raises(TypeError, match=r"build takes \(rate\), expected no arguments, .*; write lambda: build"):
        fn.training.cross_validate(lambda rate: None, None, [], key=jax.random.key(0))

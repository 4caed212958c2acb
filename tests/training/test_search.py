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


class Trained(Exception):
    """Something was trained before everything was checked."""


@pytest.fixture
def untrained(monkeypatch):
    def refuse(*_, **__):
        raise Trained

    monkeypatch.setattr(search_module, "fit_many", refuse)
    monkeypatch.setattr(search_module, "fit", refuse)


def regression(rate, outputs=3):
    return fn.feedforward([4, outputs], objective=fn.objectives.linear_squared_error), fn.training.momentum(rate)


def rows(batch):
    return batch._replace(targets=np.eye(3, dtype=np.float32)[np.asarray(batch.targets)] / 2 + 0.1)


def with_nan(batch):
    return batch._replace(inputs=np.asarray(batch.inputs) * np.array([1, 1, 1, np.nan]))


TRAIN, OTHER = blobs(40), blobs(30, jax.random.key(1))
REAL = {"train": rows(TRAIN), "validation": rows(OTHER), "test": rows(OTHER)}
RATES = [{"rate": 0.1}, {"rate": 0.2}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": None}, "search: validation is of type NoneType, expected a fnnets.Batch"),
        ({"validation": with_nan(OTHER)}, "search: validation.inputs holds 30 values that are NaN"),
        ({"test": OTHER._replace(targets=None)}, "search: test.targets is None"),
        ({"test": OTHER._replace(inputs=OTHER.inputs[:, :3])}, "search: test.inputs has examples of shape"),
        ({"test": OTHER._replace(targets=np.full(30, 3))}, "search: test.targets holds labels from 3 to 3"),
        ({"validation": OTHER._replace(targets=np.eye(3)[OTHER.targets])}, "validation.targets are of 2 axes"),
        ({"build": regression, "monitor": "accuracy"} | REAL, "no classes"),
        ({"build": lambda rate: (fn.rbm(4, 2), fn.training.momentum(rate))}, "build gives an RBM"),
        ({"build": lambda rate: regression(rate, 3 + (rate > 0.15))} | REAL, "shape"),
        ({"candidates": {"rate": [0.1]}}, "candidates is of type dict, expected a list of dicts"),
        ({"candidates": [{"rate": 0.1}, {"rats": 0.1}]}, r"build takes .*, but candidates\[1\] give \('rats',\)"),
        ({"candidates": [{"rate": 0.1}, {}]}, r"build takes .*, but candidates\[1\] give \(\)"),
        ({"candidates": [{"rate": 0.1}, {"rate": float("nan")}]}, r"candidates\[1\]\['rate'\] is nan"),
        ({"candidates": [{"rate": 0.1}, {"rate": -1.0}]}, "momentum: learning_rate is -1"),
        ({"batch_size": 41}, "batch_size is 41, expected at most the 40"),
        ({"epochs": 0}, "epochs is 0"),
        ({"progress": "atuo"}, "progress is 'atuo'.* write 'auto'"),
        ({"gradient": "explict"}, "gradient is 'explict'.* write 'explicit'"),
    ],
)  # fmt: skip
def test_everything_is_checked_before_anything_is_trained(untrained, change, message):
    arguments = {"build": build, "candidates": RATES, "train": TRAIN, "validation": OTHER, "test": OTHER}
    with pytest.raises((TypeError, ValueError), match=message):
        fn.training.search(**arguments | {"key": KEY, "epochs": 3} | change)


def test_an_untrained_search_would_be_seen(untrained):
    with pytest.raises(Trained):
        fn.training.search(build, RATES, TRAIN, OTHER, OTHER, **SETTINGS)


@pytest.mark.parametrize("kind", ["sequence to sequence", "autoencoder", "keys of the older kind"])
def test_the_winner_trains_on_the_examples_of_both_whatever_the_data(kind):
    descent = fn.training.momentum(0.1)
    random = np.random.default_rng(0)
    key = jax.random.PRNGKey(0) if kind.startswith("keys") else KEY
    if kind == "sequence to sequence":
        layers = fn.layers.recurrent(4), fn.layers.dense(2)
        net = fn.network(fn.chain(*layers), fn.objectives.softmax_log_likelihood, (1,))
        parts = [fn.Batch(random.normal(size=(7, 12, 1)), random.integers(0, 2, (7, 12))) for _ in range(2)]
        both = [np.concatenate([getattr(part, field) for part in parts], 1) for field in ("inputs", "targets")]
    elif kind == "autoencoder":
        net, parts = fn.autoencoder([4, 2]), [fn.Batch(random.random((n, 4))) for n in (20, 12)]
        both = [np.concatenate([part.inputs for part in parts])]
    else:
        (net, _), parts = build(0.1), [TRAIN, OTHER]
        both = [np.concatenate([getattr(part, field) for part in parts]) for field in ("inputs", "targets")]
    result = fn.training.search(lambda: (net, descent), [{}], *parts, key=key, epochs=1)
    alone = fn.fit(net, descent, fn.Batch(*both), key=key, epochs=1, progress=False)
    jax.tree.map(np.testing.assert_array_equal, result.params, alone.params)


def test_objects_of_one_text_are_no_one_candidate():
    """Networks print as tables, which may be equal, and long arrays print in part."""
    nets = [build(0.1)[0], build(0.1)[0]._replace(l2=0.0, family="another")]
    long = [np.zeros(2000), np.eye(1, 2000, 1000)[0]]
    assert str(nets[0]) == str(nets[1])
    for options in (nets, long):
        assert search_module._groups(fn.training.grid(it=options, rate=[0.1, 0.2])) == [[0, 1], [2, 3]]
    assert search_module._groups([{"sizes": [4, 3]}, {"sizes": [4, 3]}, {"sizes": [4, 2]}]) == [[0, 1], [2]]


def test_grids_take_whatever_holds_values_and_give_numbers_of_python():
    rates = np.logspace(-2, -1, 3)
    for given in (rates, jax.numpy.asarray(rates), tuple(rates), (rate for rate in rates)):
        made = [one["rate"] for one in fn.training.grid(rate=given)]
        np.testing.assert_allclose(made, rates, rtol=1e-6)
        assert [type(rate) for rate in made] == [float] * 3
    assert fn.training.grid(hidden=range(2, 4), flag=[True]) == [
        {"hidden": 2, "flag": True}, {"hidden": 3, "flag": True}
    ]  # fmt: skip
    assert fn.training.grid(name=np.array(["a", "b"])) == [{"name": "a"}, {"name": "b"}]
    hidden = [one["hidden"] for one in fn.training.sample(KEY, 3, hidden=np.arange(5))]
    assert [type(one) for one in hidden] == [int] * 3


@pytest.mark.parametrize("one", [fn.activations.sigmoid, fn.objectives.softmax_log_likelihood, build(0.1)[0], TRAIN])
def test_one_object_of_several_fields_is_no_list(one):
    with pytest.raises(
        ValueError, match=r"grid: it is of type \w+, expected a list of at least one value; write \[value"
    ):
        fn.training.grid(it=one)
    with pytest.raises(ValueError, match=r"sample: it is of type \w+, expected a list of at least one value; write"):
        fn.training.sample(KEY, 2, it=one)
    assert fn.training.grid(it=[one])[0]["it"] is one


def test_functions_of_a_sample_keep_whole_numbers_whole():
    drawn = fn.training.sample(KEY, 3, hidden=lambda key: jax.random.randint(key, (), 3, 5), rate=lambda key: 1)
    assert [(type(one["hidden"]), one["rate"]) for one in drawn] == [(int, 1)] * 3


def test_draws_stay_within_their_ends():
    """0.1 in float32 is more than 0.1."""
    assert fn.training.uniform(0.1, 0.1)(KEY) == 0.1
    assert 0.1 <= fn.training.log_uniform(0.1, 0.1)(KEY) <= 0.1
    for low, high in ((1e-50, 2e-50), (1e50, 2e50)):  # of which float32 holds neither
        assert low < fn.training.uniform(low, high)(KEY) < high


def test_floats_whose_values_shape_the_network_or_are_branched_on_train_apart():
    def built(width, dropout):
        net = fn.feedforward(
            [4, int(width), 3],
            objective=fn.objectives.softmax_log_likelihood,
            dropout=dropout if dropout > 0.1 else None,
        )
        return net, fn.training.momentum(0.1)

    candidates = fn.training.grid(width=[3.0, 4.0], dropout=[0.0, 0.5])
    result = fn.training.search(built, candidates, TRAIN, OTHER, key=KEY, epochs=1)
    costs = [
        fn.fit(*built(**one), TRAIN, validation=OTHER, key=KEY, epochs=1, progress=False).history.validation_cost[0]
        for one in candidates
    ]
    np.testing.assert_allclose(result.scores, costs, rtol=1e-4)


def test_lists_are_taken_for_data():
    lists = [fn.Batch(np.asarray(part.inputs).tolist(), np.asarray(part.targets).tolist()) for part in (TRAIN, OTHER)]
    found, expected = (
        fn.training.search(build, [{"rate": 0.1}], *parts, **SETTINGS) for parts in (lists, (TRAIN, OTHER))
    )
    np.testing.assert_array_equal(found.params[0].weights, expected.params[0].weights)

import functools
import json

import numpy as np
import pytest

import fnnets as fn
from experiments.harness import training
from experiments.images import convolutional, transfer
from experiments.images.transfer import METHODS, Options


@pytest.fixture
def descent(monkeypatch):
    """Plain descent in Adam's place, which takes longer to compile than to train here."""
    monkeypatch.setattr(training, "adam", functools.cache(lambda rate, steps: fn.training.momentum(rate)))


@pytest.fixture(scope="module")
def new():
    return transfer.classes(convolutional.load().validation, 5)


def test_every_way_is_measured_and_written(tmp_path, descent, monkeypatch, capsys):
    monkeypatch.setitem(transfer.TABLES, "digits", "maxpool2 | fc-4")
    begun = {}
    fit = fn.fit

    def spy(net, optimizer, train, **how):
        result = fit(net, optimizer, train, **how)
        begun.setdefault(len(train.inputs), []).append((how["params"], result.params))
        return result

    monkeypatch.setattr(fn, "fit", spy)
    options = Options(out=tmp_path, seeds=(0,), examples=(1,), base_epochs=1, epochs=1)
    assert transfer.run(options) == 0
    content = json.loads((tmp_path / "transfer" / "transfer.json").read_text())
    assert [figure["name"] for figure in content["figures"]] == [
        f"test accuracy, 1 a class, {method}" for method in METHODS
    ]
    assert (tmp_path / "transfer" / "transfer.png").exists()
    frozen, tuned, scratch = begun[5]
    hidden, last = 2, 3  # places in the chain
    assert np.array_equal(frozen[0][hidden].weights, frozen[1][hidden].weights)
    assert not np.array_equal(frozen[0][last].weights, frozen[1][last].weights)
    assert np.array_equal(frozen[0][hidden].weights, tuned[0][hidden].weights)
    assert not np.array_equal(tuned[0][hidden].weights, tuned[1][hidden].weights)
    assert scratch[0] is None


def test_classes_are_five_digits_from_zero():
    batch = convolutional.load().validation
    low, high = transfer.classes(batch, 0), transfer.classes(batch, 5)
    assert len(low.inputs) + len(high.inputs) == len(batch.inputs)
    assert set(np.asarray(low.targets).tolist()) == set(np.asarray(high.targets).tolist()) == set(range(5))


def test_no_more_examples_than_the_rarest_class_has(new):
    rarest = np.bincount(new.targets).min()
    assert transfer.numbers(new, Options(examples=(1, 5, 1000))) == [1, 5, rarest]


def test_few_examples_are_balanced_among_the_more_and_repeated(new):
    few, more = (transfer.drawn(new, count, 4, seed=3) for count in (2, 4))
    assert len(few.inputs) == len(more.inputs) == 20
    assert np.bincount(few.targets).tolist() == [4] * 5
    distinct = {image.tobytes() for image in np.asarray(few.inputs)}
    assert len(distinct) == 10
    assert distinct < {image.tobytes() for image in np.asarray(more.inputs)}
    assert not np.array_equal(few.inputs, transfer.drawn(new, 2, 4, seed=4).inputs)


def test_numbers_of_examples_that_do_not_grow_are_refused():
    with pytest.raises(ValueError, match=r"examples are \(5, 1\), expected growing numbers"):
        Options(examples=(5, 1))

import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import fnnets as fn
from experiments.sequences.ngrams import ngram_cost

FILE = "tinyshakespeare.txt"


def plain_cost(train, test, order, size):
    """The same by the equations, one symbol after another, with dictionaries."""

    def p(context, symbol):
        if context is None:
            return 1 / size
        lower = p(context[1:] if context else None, symbol)
        k = len(context)
        following = Counter(train[i + k] for i in range(len(train) - k) if train[i : i + k] == context)
        total, kinds = sum(following.values()), len(following)
        return (following[symbol] + kinds * lower) / (total + kinds) if total else lower

    return -np.mean([math.log(p(test[max(0, i - order + 1) : i], symbol)) for i, symbol in enumerate(test)])


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
def test_the_cost_is_that_of_the_equations(order):
    random = np.random.default_rng(order)
    train, test = random.integers(0, 4, 300).tolist(), random.integers(0, 5, 40).tolist()  # symbol 4 is never trained
    assert ngram_cost(train, test, order, 6) == pytest.approx(plain_cost(train, test, order, 6), rel=1e-12)


def test_probabilities_sum_to_one():
    train = [0, 1, 2, 0, 1, 1, 2, 2, 0]
    for order in (1, 2, 3):
        # the cost of one more symbol after a context, for each symbol in turn
        for context in ([0, 1], [3, 3], [2, 0]):
            rest = len(context) * ngram_cost(train, context, order, 4)
            costs = [(len(context) + 1) * ngram_cost(train, [*context, w], order, 4) - rest for w in range(4)]
            assert sum(math.exp(-cost) for cost in costs) == pytest.approx(1, rel=1e-9)


def test_context_is_worth_something_on_english():
    text = fn.data.python_topics()[:100_000]
    symbols = fn.data.vocabulary(text)
    codes = symbols.encode(text)
    costs = [ngram_cost(codes[:90_000], codes[90_000:], order, symbols.size) for order in (1, 2, 3)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] < math.log(symbols.size)
    # without a symbol that training lacks, the unigram is the cross entropy of the frequencies, up to the escape
    shares = np.bincount(codes[:90_000], minlength=symbols.size) / 90_000
    known = codes[90_000:][shares[codes[90_000:]] > 0]
    assert ngram_cost(codes[:90_000], known, 1, symbols.size) == pytest.approx(-np.log(shares[known]).mean(), abs=2e-3)


@pytest.mark.skipif(
    not (Path(os.environ.get("FNNETS_DATA", "nowhere")) / FILE).is_file(), reason=f"FNNETS_DATA holds no {FILE}"
)
def test_shakespeare_has_the_published_costs():
    text = fn.data.shakespeare()
    symbols = fn.data.vocabulary(text)
    codes = symbols.encode(text)
    cut = len(codes) * 9 // 10
    # the published 1.669 is reached with four symbols of context
    for order, published in ((1, 3.347), (2, 2.486), (5, 1.669)):
        assert round(ngram_cost(codes[:cut], codes[cut:], order, symbols.size), 3) == published


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"order": 0}, ValueError, "order is 0"),
        ({"order": 2.0}, TypeError, "order is 2.0"),
        ({"size": 0}, ValueError, "size is 0"),
        ({"order": 40}, ValueError, r"order is 40 with 3 symbols, expected size\*\*order < 2\*\*63"),
        ({"train_codes": [0, 1]}, ValueError, r"train_codes has shape \(2,\), expected \(n,\) with n >= 3"),
        ({"test_codes": np.zeros(0, int)}, ValueError, "n >= 1"),
        ({"test_codes": [[0]]}, ValueError, r"test_codes has shape \(1, 1\)"),
        ({"test_codes": [0, 3]}, ValueError, "test_codes holds 0 to 3, expected 0 to 2"),
        ({"train_codes": [0, -1, 2]}, ValueError, "train_codes holds -1 to 2"),
        ({"train_codes": [0.0, 1.0, 2.0]}, TypeError, "train_codes has dtype float64"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        ngram_cost(**{"train_codes": [0, 1, 2], "test_codes": [0], "order": 3, "size": 3} | change)

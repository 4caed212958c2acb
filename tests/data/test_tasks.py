from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.data import adding, copying, copying_baseline, long_lag, temporal_order
from fnnets.data.tasks import ORDER_SYMBOLS

KEY = jax.random.key(0)
MAKERS = {
    "adding": lambda key: adding(key, 40, 12),
    "copying": lambda key: copying(key, 40, 5),
    "temporal_order": lambda key: temporal_order(key, 40, 30),
    "long_lag": lambda key: long_lag(key, 40, 6),
}


def codes(batch):
    inputs = np.asarray(batch.inputs)
    assert set(np.unique(inputs)) == {0.0, 1.0}
    np.testing.assert_array_equal(inputs.sum(-1), 1)
    return inputs.argmax(-1)


@pytest.mark.parametrize("name", MAKERS)
def test_the_key_decides(name):
    first, again, other = (MAKERS[name](jax.random.key(seed)).inputs for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", MAKERS)
def test_dtypes_and_numbers_are_those_of_every_setting(name):
    narrow, compiled = MAKERS[name](KEY), jax.jit(MAKERS[name])(KEY)
    with jax.enable_x64(True):
        wide = MAKERS[name](jax.random.key(0))
    for batch in (narrow, compiled, wide):
        assert batch.inputs.dtype == np.float32
        assert batch.targets.dtype == (np.float32 if name == "adding" else np.int32)
        assert batch.mask is None
        np.testing.assert_allclose(batch.inputs, narrow.inputs, rtol=1e-6)
        np.testing.assert_allclose(batch.targets, narrow.targets, rtol=1e-6)


@pytest.mark.parametrize("length", [2, 7, 20])
def test_adding_marks_one_number_in_each_half(length):
    batch = adding(KEY, 500, length)
    values, markers = np.moveaxis(np.asarray(batch.inputs), -1, 0)
    assert values.shape == (length, 500)
    assert values.min() >= 0
    assert values.max() < 1
    half = length // 2
    for part in (markers[:half], markers[half:]):
        np.testing.assert_array_equal(np.sort(part, axis=0)[-1], 1)
        np.testing.assert_array_equal(part.sum(axis=0), 1)
        assert (part.sum(axis=1) > 0).all()  # every step of a half may be marked
    np.testing.assert_allclose(batch.targets[:, 0], (values * markers).sum(axis=0), rtol=1e-6)


def test_the_mean_predicts_a_sum_with_an_error_of_a_sixth():
    targets = np.asarray(adding(KEY, 100_000, 10).targets, np.float64)
    assert targets.shape == (100_000, 1)
    # the published 1/6; the mean of 10⁵ squared errors has a standard error of √(7/180) / √10⁵ = 0.0006
    assert abs(((targets - 1) ** 2).mean() - 1 / 6) < 0.003


@pytest.mark.parametrize(("delay", "symbols", "length"), [(100, 8, 10), (1, 2, 3), (7, 3, 1)])
def test_copying_reads_a_word_and_writes_it_after_the_marker(delay, symbols, length):
    batch = copying(KEY, 200, delay, symbols, length)
    found, labels = codes(batch), np.asarray(batch.targets)
    assert batch.inputs.shape == (delay + 2 * length, 200, symbols + 2)
    assert labels.shape == found.shape
    word, blank = found[:length], symbols
    assert set(np.unique(word)) == set(range(symbols))
    after = [blank] * (delay - 1) + [symbols + 1] + [blank] * length
    np.testing.assert_array_equal(found[length:], np.tile(np.array(after)[:, None], (1, 200)))
    np.testing.assert_array_equal(labels[: delay + length], blank)
    np.testing.assert_array_equal(labels[delay + length :], word)
    # the first symbol is wanted `delay` + `length` steps after it was read, and the marker stands just before
    assert (found[delay + length - 1] == symbols + 1).all()


def test_copying_without_memory_costs_what_is_published():
    # [Arjovsky2016]: 10 log 8 / (T + 20)
    assert round(copying_baseline(100), 4) == 0.1733
    assert round(copying_baseline(200), 4) == 0.0945
    # the best guess without memory: blanks surely, symbols by their frequency in many words
    labels = np.asarray(copying(KEY, 5000, 30, symbols=4, length=5).targets)
    cost = 0.0
    for step in labels:
        shares = np.bincount(step) / step.size
        cost -= (shares[shares > 0] * np.log(shares[shares > 0])).sum()
    assert abs(cost / len(labels) - copying_baseline(30, 4, 5)) < 1e-3


@pytest.mark.parametrize(
    ("relevant", "length", "ranges"),
    [
        (2, 100, ((10, 20), (50, 60))),  # the ranges of 1997
        (3, 100, ((10, 20), (33, 43), (66, 76))),
        (2, 10, ((1, 2), (5, 6))),
        (3, 10, ((1, 2), (3, 4), (6, 7))),
        (2, 35, ((3, 7), (17, 21))),
    ],
)
def test_temporal_order_shows_x_and_y_within_their_ranges(relevant, length, ranges):
    batch = temporal_order(KEY, 800, length, relevant)
    found, labels = codes(batch), np.asarray(batch.targets)
    assert found.shape == (length, 800)
    assert labels.shape == (800,)
    assert batch.inputs.shape[-1] == 8
    texts = ["".join(ORDER_SYMBOLS[code] for code in column) for column in found.T]
    assert all(text[0] == "E" and text[-1] == "B" and "E" not in text[1:] and "B" not in text[:-1] for text in texts)
    places = np.array([[place for place, symbol in enumerate(text) if symbol in "XY"] for text in texts])
    for column, (low, high) in zip(places.T, ranges, strict=True):
        assert set(column.tolist()) == set(range(low, high + 1))
    assert {symbol for text in texts for symbol in text} == set(ORDER_SYMBOLS)
    spelt = ["".join(symbol for symbol in text if symbol in "XY") for text in texts]
    assert labels.tolist() == [int(word.replace("X", "0").replace("Y", "1"), 2) for word in spelt]
    counts = Counter(labels.tolist())
    assert len(counts) == 2**relevant
    assert min(counts.values()) > 0.6 * 800 / 2**relevant


@pytest.mark.parametrize("lag", [2, 100])
def test_long_lag_ends_as_it_began(lag):
    batch = long_lag(KEY, 300, lag)
    found, labels = codes(batch), np.asarray(batch.targets)
    assert batch.inputs.shape == (lag, 300, lag + 1)
    assert labels.shape == (lag, 300)
    np.testing.assert_array_equal(labels[:-1], found[1:])
    np.testing.assert_array_equal(labels[-1], found[0])
    np.testing.assert_array_equal(found[1:], np.tile(np.arange(lag - 1)[:, None], (1, 300)))
    counts = Counter(found[0].tolist())
    assert set(counts) == {lag - 1, lag}
    assert min(counts.values()) > 110


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: adding(0, 1, 10), TypeError, "adding: key is 0, expected one PRNG key"),
        (lambda: adding(KEY, 0, 10), ValueError, "adding: n is 0"),
        (lambda: adding(KEY, 1, 1), ValueError, "adding: length is 1, expected at least 2"),
        (lambda: adding(KEY, 1, 10.0), TypeError, "adding: length is 10.0"),
        (lambda: copying(None, 1, 10), TypeError, "copying: key is None"),
        (lambda: copying(KEY, 1, 0), ValueError, "copying: delay is 0"),
        (lambda: copying(KEY, 1, 1, symbols=0), ValueError, "copying: symbols is 0"),
        (lambda: copying(KEY, 1, 1, length=0), ValueError, "copying: length is 0"),
        (lambda: copying_baseline(0), ValueError, "copying_baseline: delay is 0"),
        (lambda: temporal_order(KEY, 1, 9), ValueError, "length is 9, expected at least 10; the ranges"),
        (
            lambda: temporal_order(KEY, 1, 100, 4),
            ValueError,
            "relevant is 4, expected 2 or 3; write 2 for",
        ),
        (lambda: temporal_order(KEY, 1, 100, 2.0), TypeError, "relevant is 2.0"),
        (lambda: long_lag(KEY, 1, 1), ValueError, "long_lag: lag is 1"),
        (lambda: long_lag(jnp.zeros(2), 1, 5), TypeError, "long_lag: key is an array"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()

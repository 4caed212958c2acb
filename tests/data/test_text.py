import hashlib
import os
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnnets.data import (
    DataError,
    DataNotFoundError,
    Vocabulary,
    one_hot,
    python_topics,
    segments,
    shakespeare,
    streams,
    vocabulary,
)

FILE = "tinyshakespeare.txt"
ANY = st.characters()  # surrogates too


@settings(deadline=None, max_examples=100)
@given(text=st.text(ANY, min_size=1))
def test_decode_undoes_encode(text):
    found = vocabulary(text)
    codes = found.encode(text)
    assert codes.shape == (len(text),)
    assert codes.dtype == np.int32
    assert found.decode(codes) == text
    assert found.size == len(set(text)) == codes.max() + 1
    assert list(found.symbols) == sorted(set(text))


@settings(deadline=None, max_examples=50)
@given(symbols=st.lists(ANY, min_size=1, unique=True), data=st.data())
def test_codes_are_places_among_the_symbols_in_any_order(symbols, data):
    text = "".join(data.draw(st.lists(st.sampled_from(symbols))))
    codes = Vocabulary("".join(symbols)).encode(text)
    assert codes.tolist() == [symbols.index(symbol) for symbol in text]


def test_the_first_unknown_symbol_is_named_with_its_place():
    for unknown in "d\u0000\U0001f600":
        message = f"holds 2 unknown symbols, the first {unknown!r} at 2, expected only 'abc'"
        with pytest.raises(ValueError, match=re.escape(message)):
            Vocabulary("abc").encode(f"ab{unknown}a{unknown}")


def test_bad_texts_and_vocabularies_are_refused():
    with pytest.raises(TypeError, match="vocabulary: text is b'a' of type bytes"):
        vocabulary(b"a")
    with pytest.raises(ValueError, match="vocabulary: text is empty"):
        vocabulary("")
    with pytest.raises(TypeError, match=r"Vocabulary.encode: text is \['a'\]"):
        Vocabulary("a").encode(["a"])
    for symbols in ("", "aba"):
        with pytest.raises(ValueError, match=f"symbols are '{symbols}', expected at least one and each once"):
            Vocabulary(symbols).encode("a")
    with pytest.raises(TypeError, match=r"symbols is \['a'\] of type list, expected str"):
        Vocabulary(["a"]).encode("a")


@pytest.mark.parametrize(
    ("codes", "error", "message"),
    [
        ([0, 3, -1], ValueError, r"holds 3 at \(1,\), expected 0 to 2"),
        ([0, -1], ValueError, r"holds -1 at \(1,\)"),
        ([[0]], ValueError, r"shape \(1, 1\), expected \(n,\)"),
        ([0.0], TypeError, "dtype float64, expected integers"),
        ([True], TypeError, "dtype bool, expected integers"),
    ],
)
def test_bad_codes_are_refused(codes, error, message):
    with pytest.raises(error, match="Vocabulary.decode: codes .*" + message):
        Vocabulary("abc").decode(codes)
    for make in (segments, lambda *sizes: streams(*sizes, 1)):
        with pytest.raises(error, match=message):
            make(codes, 1, 3)


def test_one_hot_codes_have_one_one():
    codes = np.array([[0, 2], [1, 2]])
    found = one_hot(codes, 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.eye(3)[codes])
    np.testing.assert_array_equal(one_hot(jnp.asarray(codes, jnp.uint8), 3), found)
    np.testing.assert_array_equal(jax.jit(lambda c: one_hot(c, 3))(codes), found)
    constant = jnp.asarray(codes)
    np.testing.assert_array_equal(jax.jit(lambda x: one_hot(constant, 3) + x)(0.0), found)
    with pytest.raises(ValueError, match=r"one_hot: codes holds 2 at \(0, 1\), expected 0 to 1"):
        one_hot(codes, 2)
    with pytest.raises(TypeError, match="one_hot: codes has dtype float64"):
        one_hot(codes * 1.0, 3)
    with pytest.raises(ValueError, match="one_hot: size is 0"):
        one_hot(codes, 0)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(2, 60), length=st.integers(1, 9))
def test_segments_are_consecutive_and_their_targets_the_next_symbols(n, length):
    codes = np.random.default_rng(n).integers(0, 5, n)
    if n <= length:
        with pytest.raises(ValueError, match=f"segments: codes holds {n} symbols, expected more than {length}"):
            segments(codes, length, 5)
        return
    batch = segments(codes, length, 5)
    pieces = (n - 1) // length
    assert batch.inputs.shape == (length, pieces, 5)
    assert batch.inputs.dtype == np.float32
    assert batch.targets.dtype == np.int32
    assert batch.mask is None
    np.testing.assert_array_equal(batch.inputs.sum(-1), 1)
    np.testing.assert_array_equal(np.asarray(batch.inputs).argmax(-1).T.ravel(), codes[: pieces * length])
    np.testing.assert_array_equal(np.asarray(batch.targets).T.ravel(), codes[1 : pieces * length + 1])


@settings(deadline=None, max_examples=40)
@given(n=st.integers(2, 100), length=st.integers(1, 5), batch_size=st.integers(1, 5))
def test_streams_go_on_from_segment_to_segment(n, length, batch_size):
    codes = np.arange(n)
    if n <= length * batch_size:
        with pytest.raises(
            ValueError, match=f"expected more than {length * batch_size} for one segment of {length} in"
        ):
            streams(codes, length, n, batch_size)
        return
    batch = streams(codes, length, n, batch_size)
    inputs, targets = np.asarray(batch.inputs), np.asarray(batch.targets)
    assert inputs.shape == targets.shape == ((n - 1) // (length * batch_size), length, batch_size)
    assert inputs.dtype == targets.dtype == np.int32
    # the text is 0 1 2 …, so that the next symbol is one more, also from one segment to the next
    np.testing.assert_array_equal(targets, inputs + 1)
    alongside = inputs.reshape(-1, batch_size)
    assert (np.diff(alongside, axis=0) == 1).all()
    np.testing.assert_array_equal(alongside.T.ravel(), np.arange(inputs.size))
    assert n - 1 - inputs.size < length * batch_size


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ((0, 3, 1), ValueError, "streams: length is 0"),
        ((1.0, 3, 1), TypeError, "streams: length is 1.0"),
        ((1, 0, 1), ValueError, "streams: size is 0"),
        ((1, 3, 0), ValueError, "streams: batch_size is 0"),
    ],
)
def test_bad_numbers_are_refused(numbers, error, message):
    with pytest.raises(error, match=message):
        streams([0, 1, 2], *numbers)
    if "batch_size" not in message:
        with pytest.raises(error, match=message.replace("streams", "segments")):
            segments([0, 1, 2], *numbers[:2])


def test_python_carries_its_topics_in_the_order_of_their_names():
    from pydoc_data.topics import topics

    text, place = python_topics(), 0
    assert len(text) > 300_000
    for name in sorted(topics):
        assert text.startswith(topics[name], place), name
        place += len(topics[name]) + 1
    assert place == len(text) + 1
    assert vocabulary(text).size < 256


def test_a_python_without_topics_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataNotFoundError, match=r"without pydoc_data\.topics; install"):
        python_topics()


def test_shakespeare_is_found_by_argument_and_variable(tmp_path, monkeypatch):
    (tmp_path / FILE).write_bytes("To be,\r\nor not: ‘être’".encode())
    monkeypatch.delenv("FNNETS_DATA", raising=False)
    assert shakespeare(tmp_path) == shakespeare(str(tmp_path)) == "To be,\r\nor not: ‘être’"
    with pytest.raises(DataNotFoundError, match=f"shakespeare: data_dir is None and FNNETS_DATA gives .* with {FILE}"):
        shakespeare()
    monkeypatch.setenv("FNNETS_DATA", str(tmp_path))
    assert shakespeare().startswith("To be")


def test_what_is_not_shakespeare_is_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match=f"{tmp_path} holds no {FILE}, expected that file; put it there"):
        shakespeare(tmp_path)
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(DataError, match=f"{FILE} is empty"):
        shakespeare(tmp_path)
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=f"{FILE} is no text in UTF-8"):
        shakespeare(tmp_path)
    with pytest.raises(TypeError, match="shakespeare: data_dir is 3 of type int"):
        shakespeare(3)


@pytest.mark.skipif(
    not (Path(os.environ.get("FNNETS_DATA", "nowhere")) / FILE).is_file(), reason=f"FNNETS_DATA holds no {FILE}"
)
def test_the_real_file_is_tiny_shakespeare():
    text = shakespeare()
    digest = hashlib.sha256(text.encode()).hexdigest()  # that of the file of karpathy/char-rnn
    assert digest == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    assert (len(text), vocabulary(text).size) == (1_115_394, 65)


def test_codes_that_int32_does_not_hold_are_refused():
    with pytest.raises(ValueError, match=r"codes holds whole numbers from .* as int32 holds"):
        streams([2**32 + 3, 0], 1, 2**33, 1)


def test_more_symbols_than_codes_can_be_are_refused():
    with pytest.raises(ValueError, match="one_hot: size - 1 holds whole numbers from 1099511627775"):
        one_hot([0], 2**40)

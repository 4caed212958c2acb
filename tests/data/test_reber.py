import re

import jax
import numpy as np
import pytest

from fnnets.data import embedded_reber, legal_next, reber_strings, unpad
from fnnets.data.reber import SYMBOLS

KEY = jax.random.key(0)
# The automaton as a regular expression, derived by eliminating its states by hand: from 3 (upper right) on
# R3 = T*V(PXT*V)*(PS|V), so that R4 = X R3 | S, and the start is T S* X R4 | P R3.
THIRD = "T*V(?:PXT*V)*(?:PS|V)"
REBER = f"B(?:TS*X(?:X{THIRD}|S)|P{THIRD})E"
EMBEDDED = re.compile(f"BT{REBER}TE|BP{REBER}PE")
# N. Schraudolph and F. Cummins's course notes list these, five of the grammar and five not.
PUBLISHED = ("BTSSXXTVVE", "BPVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXVPSE")
NOT_REBER = ("BTSSPXSE", "BPTVVB", "BTXXVVSE", "BPVSPSE", "BTSSSE")


def spelt(rows):
    return ["".join(SYMBOLS[i] for i in np.flatnonzero(row)) for row in rows]


@pytest.mark.parametrize("outer", ["T", "P"])
@pytest.mark.parametrize("string", PUBLISHED)
def test_the_published_strings_are_legal(string, outer):
    assert re.fullmatch(REBER, string)
    whole = f"B{outer}{string}{outer}E"
    rows = legal_next(whole)
    assert rows.shape == (len(whole) - 1, 7)
    assert rows.dtype == np.float32
    assert all(row[SYMBOLS.index(symbol)] == 1 for row, symbol in zip(rows, whole[1:], strict=True))


@pytest.mark.parametrize("string", NOT_REBER)
def test_the_published_counterexamples_are_refused(string):
    assert not re.fullmatch(REBER, string)
    with pytest.raises(ValueError, match=r"legal_next: string 'BT.* expected .*; give a string of the embedded Reber"):
        legal_next(f"BT{string}TE")


def test_what_may_come_next_is_the_automatons_choice():
    # walked by hand: B 1, T 2, S 2, S 2, X 4, X 3, T 3, V 5, V 6, E; "TP" is in the order of SYMBOLS
    inner = ["TP", "SX", "SX", "SX", "SX", "TV", "TV", "PV", "E"]
    assert spelt(legal_next("BPBTSSXXTVVEPE")) == ["TP", "B", *inner, "P", "E"]
    # only the last T or P depends on the second symbol
    first, second = legal_next("BPBTSSXXTVVEPE"), legal_next("BTBTSSXXTVVETE")
    assert np.flatnonzero((first != second).any(axis=1)).tolist() == [11]


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("BTBPVVEPE", "has P at 7, expected T"),
        ("BTBPVVE", "ends where T is expected"),
        ("BTBPVVETEE", "has E at 9, expected its end"),
        ("XTBPVVETE", "has X at 0, expected B"),
        ("BTBTxSETE", "has x at 4, expected S or X"),
        ("", "ends where B is expected"),
    ],
)
def test_strings_that_are_not_of_the_grammar_are_refused(string, message):
    with pytest.raises(ValueError, match=message):
        legal_next(string)


def test_strings_are_of_the_grammar_and_take_both_arcs_half_the_time():
    strings = reber_strings(KEY, 3000)
    assert all(EMBEDDED.fullmatch(string) for string in strings)
    assert min(map(len, strings)) == 9  # the shortest of all, B T B T X S E T E
    assert abs(np.mean([string[1] == "T" for string in strings]) - 0.5) < 0.04
    assert abs(np.mean([string[3] == "T" for string in strings]) - 0.5) < 0.04
    # BTXSE takes the choice of three arcs, so an eighth of the inner strings; standard error 0.006
    assert abs(np.mean([string[2:-2] == "BTXSE" for string in strings]) - 1 / 8) < 0.03
    assert len(set(strings)) < 3000


def test_unique_strings_come_once():
    strings = reber_strings(KEY, 300, unique=True)
    assert len(strings) == len(set(strings)) == 300
    assert all(EMBEDDED.fullmatch(string) for string in strings)
    drawn = list(dict.fromkeys(reber_strings(KEY, 3000)))
    assert strings == drawn[:300]  # the repetitions are passed over, nothing else


def test_the_key_decides():
    first, again, other = (reber_strings(jax.random.key(seed), 20) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert reber_strings(jax.random.key_data(jax.random.key(1)), 20) == first  # a key of the older kind


def test_batches_are_the_strings(dtype):
    for unique in (False, True):
        batch, strings = embedded_reber(KEY, 50, unique=unique), reber_strings(KEY, 50, unique=unique)
        assert batch.inputs.dtype == batch.targets.dtype == np.float32
        assert batch.inputs.shape == batch.targets.shape == (max(map(len, strings)) - 1, 50, 7)
        assert ["".join(spelt(rows)) for rows in unpad(batch.inputs, batch.mask)] == [each[:-1] for each in strings]
        for rows, string in zip(unpad(batch.targets, batch.mask), strings, strict=True):
            np.testing.assert_array_equal(rows, legal_next(string))


@pytest.mark.parametrize("make", [reber_strings, embedded_reber])
def test_bad_arguments_are_refused(make):
    with pytest.raises(TypeError, match="reber_strings: key is 0"):
        make(0, 5)
    with pytest.raises(ValueError, match="reber_strings: n is 0"):
        make(KEY, 0)
    with pytest.raises(TypeError, match="legal_next: string is 3"):
        legal_next(3)

"""Over 300 unusual calls: a report, an exception of the caller's own, or one sentence; never JAX's or NumPy's frames.

One in twelve runs each time, all of them with FNNETS_EVERY_CALL=1.
"""

import os
import traceback
import warnings

import pytest

import fnnets as fn
from tests.verify import unusual

CALLS = unusual.calls()
SHARE = 12
NAMES = list(CALLS) if os.environ.get("FNNETS_EVERY_CALL") else list(CALLS)[::SHARE]
OWN = (unusual.OwnError, AssertionError, RecursionError, IndexError, AttributeError)
"""What functions of the table raise themselves."""


def test_there_are_three_hundred():
    assert len(CALLS) >= 300


@pytest.mark.parametrize("name", NAMES)
def test_an_unusual_call_ends_in_a_report_or_in_one_sentence(name, standard_promotion):
    unusual.memory.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report, error = outcome(CALLS[name])
    if error is None:
        assert isinstance(report, fn.verify.Report)
        assert report.verdict in ("pass", "wrong", "inconclusive")
        return
    assert not [each.filename for each in traceback.extract_tb(error.__traceback__) if "site-packages" in each.filename]
    assert error.__cause__ is None
    assert "\n" not in str(error)
    assert 0 < len(str(error)) < 600


def outcome(call):
    """(report, None) or (None, exception) of a call; exceptions of other types pass through."""
    try:
        return call(), None
    except (ValueError, TypeError, *OWN) as error:
        return None, error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rule undefined", "f is a jax.custom_vjp without rules, expected both"),
        ("rule leaking", "hidden state"),
        ("params mixed keys", "give a dict keys of one type"),
        ("gradient callback raises", "OwnError: mine"),
        ("gradient numpy text", "expected numbers; return those alone"),
        ("cost leaking", "hidden state"),
    ],
)
def test_sentences_say_what_is_wrong(name, message, standard_promotion):
    unusual.memory.clear()
    with pytest.raises((ValueError, TypeError), match=message):
        CALLS[name]()

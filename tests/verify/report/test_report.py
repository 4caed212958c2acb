"""The verdict, table and JSON of a report."""

import json
import math

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.verify import Report, Row

OK = Row("4, 6", "layer 0 dense .weights", "ok", 1e-7, 1e-16, 1e-17, (0, 1), 1.0, 1.0, 1.0, "both")
NAN = Row("3, 5", "layer 0 dense .biases", "wrong", math.nan, math.nan, math.nan, (2,), math.inf, 1.0, 1.0, "automatic")


def report(*verdicts):
    return Report("network", "float32", tuple(OK._replace(verdict=verdict) for verdict in verdicts))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["ok", "rounding", "convention"], "pass"),
        (["ok", "inconclusive"], "inconclusive"),
        (["inconclusive", "wrong"], "wrong"),
        (["ok", "downstream"], "wrong"),
        ([], "inconclusive"),
    ],
)
def test_verdict_of_the_whole(verdicts, expected):
    assert report(*verdicts).verdict == expected
    assert bool(report(*verdicts)) == report(*verdicts).ok == (expected == "pass")


def test_json_is_strict_and_versioned():
    def refuse(constant):
        raise ValueError(constant)

    content = json.loads(Report("network", "float32", (OK, NAN)).to_json(), parse_constant=refuse)
    assert (content["schema"], content["verdict"], content["ok"]) == (2, "wrong", False)
    assert content["rows"][0]["worst"] == [0, 1]
    assert (content["rows"][1]["error"], content["rows"][1]["explicit"]) == ("nan", "inf")
    assert tuple(content["rows"][0]) == Row._fields


def test_table_is_what_is_printed_and_asserted():
    found = Report("network", "float32", (OK, NAN))
    assert str(found) == found.table()
    assert "network: wrong (1 of 2 rows), first at layer 0 dense .biases" in found.table()
    with pytest.raises(AssertionError, match=r"first at layer 0 dense .biases"):
        found.assert_ok()
    report("ok").assert_ok()


@pytest.mark.parametrize("verdict", ["inconclusive", "approximation"])
def test_table_keeps_to_its_width_whatever_the_names(verdict):
    row = OK._replace(statement="notes, 12 + λ/n w", where="layer 10.2 " + "long" * 20, verdict=verdict)
    row = row._replace(
        error=1e-100,
        error_float64=1e-100,
        absolute=1e-100,
        worst=(1000, 1000, 1000),
        explicit=-1.234e-300,
        supports="automatic",
        note="word " * 60,
    )
    found = Report("network", "bfloat16", (row, NAN._replace(verdict="wrong")))
    assert max(map(len, found.table().splitlines())) <= 110


def test_a_real_table_shows_the_values_of_the_worst_element():
    found = fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 3 * w, jnp.array([1.0, 2.0]))
    assert "explicit 6, automatic 4, central differences 4 at element 1" in found.table()
    assert isinstance(jax.tree.leaves(found)[0], Report)

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
    assert (content["schema"], content["verdict"], content["ok"]) == (3, "wrong", False)
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


ZERO = OK._replace(error=0.0, error_float64=0.0, absolute=0.0, largest=0.0)


def test_zeros_alone_are_no_pass():
    """Nothing was compared: both sides are zero at every row; one row that is not, and the report passes."""
    found = Report("gradient", "float32", (ZERO, ZERO))
    assert (found.verdict, found.ok) == ("inconclusive", False)
    summary = " ".join(found.table().splitlines()[-2:])
    assert summary.startswith("gradient: inconclusive, every gradient is zero here, so that nothing was compared")
    assert Report("gradient", "float32", (ZERO, OK._replace(largest=1.0))).ok
    assert Report("gradient", "float32", (ZERO._replace(absolute=1.0, verdict="wrong"),)).verdict == "wrong"


def test_a_gradient_of_zeros_is_inconclusive():
    """C = Σ max(w − 9, 0) at small w."""
    w = jnp.array([1.0, 2.0])
    found = fn.verify.gradient(lambda w: jnp.sum(jnp.maximum(w - 9, 0)), jnp.zeros_like, w)
    assert "every gradient is zero here" in str(found)


def test_what_is_only_reported_departs_and_changes_no_verdict():
    symmetric = Row("", "symmetric Hessian", "departs", decided="departure 1.0e+00 > 1e-09")
    found = Report("gradient", "float32", (OK,), (symmetric,))
    assert found.ok
    assert "property: symmetric Hessian: departs, departure 1.0e+00 > 1e-09" in found.table()
    assert Report("gradient", "float32", (), (symmetric,)).verdict == "inconclusive"


def test_the_first_line_says_why_nothing_was_decided():
    row = OK._replace(verdict="inconclusive", place="unit 1", note="the automatic value is nan", statement="d_z")
    summary = Report("gradient", "float32", (OK, row)).table().splitlines()[-2]
    assert summary.startswith(
        "gradient: inconclusive, at layer 0 dense .weights (d_z), unit 1: the automatic value is nan"
    )


def test_a_statement_that_is_a_symbol_stands_beside_the_name():
    row = NAN._replace(where="gradient z_o", statement="δ_o")
    assert "first at gradient z_o (δ_o)" in Report("gradient", "float32", (row,)).table()


def test_remarks_are_notes_before_the_verdict():
    found = Report("gradient", "float32", (OK,), remarks=("mask is true everywhere",))
    assert found.table().splitlines()[-2] == "note: mask is true everywhere"
    assert json.loads(found.to_json())["remarks"] == ["mask is true everywhere"]


def test_json_goes_to_a_file(tmp_path):
    found = report("ok")
    text = found.to_json(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == text + "\n"


def test_rows_by_name():
    rows = [OK._replace(where=where) for where in ("gradient z_f", "gradient ['cell']['w']", "gradient ['w']")]
    found = Report("gradient", "float32", tuple(rows))
    assert found.row("z_f") == found.row("gradient z_f") == rows[0]
    assert found.row("cell") == rows[1]
    assert found.row("['w']") == rows[2]
    with pytest.raises(LookupError, match=r"several rows have the name 'w'.*choose one of 'gradient z_f'"):
        found.row("w")
    with pytest.raises(LookupError, match="no row has the name 'z_i'"):
        found.row("z_i")

"""The audit of public libraries: a small run, its page, and the faults of JAX itself."""

import json

import jax.numpy as jnp
import pytest

from experiments.__main__ import main
from experiments.auditing import faults, page, settled
from experiments.auditing.audit import Options, library
from experiments.auditing.libraries import LIBRARIES, Call, jax_nn
from experiments.harness import table


@pytest.fixture(scope="module")
def content():
    """What is found in one right call, in one that differs at a special point, and in one that raises."""
    calls = [
        next(call for call in jax_nn.calls() if call.name == "jax.nn.relu"),
        Call("jax.numpy.logaddexp", jnp.logaddexp, (0.3, 0.7)),
        Call("absent", lambda x: x @ jnp.ones(7), (jnp.ones(3),)),
    ]
    return library("jax_nn", "jax", calls, Options(progress=False))


def test_a_call_has_its_verdicts_at_ordinary_and_special_points(content):
    relu, logaddexp, absent = content["calls"]
    assert [row["verdict"] for row in relu["ordinary"]["rows"]] == ["agrees", "agrees"]
    assert logaddexp["ordinary"]["rows"][0]["verdict"] == "agrees"
    assert logaddexp["special"]["rows"][0]["verdict"] == "differs"
    assert logaddexp["special"]["rows"][0]["point"] == "args[0] = inf"
    assert absent["ordinary"].startswith("TypeError")
    assert absent["special"] is None


def test_the_row_of_a_library_counts_its_rules(content):
    cells = dict(zip(page.COLUMNS, page._cells(content), strict=True))
    assert (cells["calls"], cells["rules"], cells["agree everywhere"]) == ("3", "2", "1")
    assert (cells["differ at an ordinary point"], cells["differ at special points"]) == ("0", "1")


def test_the_page_shows_what_is_not_settled(content, tmp_path):
    (tmp_path / "jax_nn.json").write_text(json.dumps(content))
    (tmp_path / "faults.json").write_text(json.dumps({"faults": [faults._content(faults.FAULTS[0])]}))
    text = page.markdown(tmp_path)
    assert "fault: at an infinite input" in text
    assert "could not be audited: TypeError" in text
    assert "Got 2.718" in text
    assert settled.reason("absent", "", "", "", "") == settled.OPEN


@pytest.mark.parametrize("fault", [each for each in faults.FAULTS if each.distribution == "jax"], ids=lambda f: f.title)
def test_the_program_of_a_fault_of_jax_runs(fault):
    """What it gives may be mended by a later release; the committed page has the versions."""
    assert faults.gives(fault)


def test_committed_pages_are_those_of_the_committed_results():
    if page.contents(table.AUDITED):
        assert (table.HERE / "auditing" / "README.md").read_text() == page.markdown(table.AUDITED)


def test_an_unknown_library_is_refused_in_one_line(capsys):
    assert main(["audit", "--libraries", "torch"]) == 2
    assert "libraries has 'torch', expected some of jax_nn" in capsys.readouterr().err


def test_libraries_are_modules():
    assert [name for name, _ in LIBRARIES if not (table.HERE / "auditing" / "libraries" / f"{name}.py").is_file()] == []

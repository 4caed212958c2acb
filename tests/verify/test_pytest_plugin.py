"""The helper in tests of one's own, which run in a process of their own."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.pytest_plugin import assert_ok

TESTS = """
import jax, jax.numpy as jnp, fnnets as fn
from fnnets.pytest_plugin import assert_ok, audit, verified

W = jnp.array([1.0, 2.0])
READY = fn.verify.Report("gradient", "float32", (fn.verify.Row("", "gradient params", "ok", 0.0, 0.0),))

def test_right(verified):
    verified(fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 2 * w, W))
    verified(READY)

def test_wrong(verified):
    verified(fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 3 * w, W))

def test_function(request):
    assert_ok(READY, request)

def test_rules(audit):
    audit(lambda w: jnp.sum(jax.nn.relu(w)), W)

@jax.custom_jvp
def doubled(x):
    return 2 * x

doubled.defjvps(lambda dx, y, x: dx)

def test_wrong_rule(audit):
    audit(lambda w: jnp.sum(doubled(w)), W)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Pytest's output on the tests above, and its XML."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "test_mine.py").write_text(TESTS)
    options = ["-q", "-rA", "-p", "no:cacheprovider", "--junit-xml=out.xml", "-o", "junit_family=xunit1", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder, capture_output=True, text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )  # fmt: skip
    return done, ElementTree.parse(folder / "out.xml")


def test_a_report_that_does_not_pass_fails_with_its_table(run):
    done, _ = run
    assert "2 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    assert "E       gradient: wrong (1 of 1 rows), first at gradient w" in done.stdout
    assert "E       audit of <lambda>: 1 of 2 rows do not pass: doubled differs" in done.stdout
    assert "pytest_plugin.py" not in done.stdout  # the failing line is that of the test


def test_each_report_is_a_section_of_its_test(run):
    done, _ = run
    assert done.stdout.count("fnnets call") == 6
    assert done.stdout.count("gradient: pass (1 rows") == 3


def test_each_report_is_a_property_in_the_xml(run):
    _, tree = run
    found = {
        case.get("name"): [json.loads(each.get("value"))["ok"] for each in case.iter("property")]
        for case in tree.iter("testcase")
    }
    right, wrong = ("test_right", "test_function", "test_rules"), ("test_wrong", "test_wrong_rule")
    counts = {"test_right": 2}
    assert found == {name: [name in right] * counts.get(name, 1) for name in (*right, *wrong)}


def test_without_a_request_the_table_is_the_message():
    wrong = fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 3 * w, jnp.array([1.0, 2.0]))
    with pytest.raises(AssertionError, match="first at gradient w"):
        assert_ok(wrong)


def test_inconclusive_does_not_pass():
    with pytest.raises(AssertionError, match="gradient: inconclusive"):
        assert_ok(fn.verify.Report("gradient", "float32", ()))


def test_what_is_no_report_is_refused():
    with pytest.raises(TypeError, match="assert_ok: report is True of type bool, expected Report"):
        assert_ok(True)

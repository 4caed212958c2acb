"""The worked examples: each planted fault is found by the command that docs/verifier.md shows, and is the only one."""

import functools
import importlib.util
from pathlib import Path

import pytest

import fnnets as fn

ROOT = Path(__file__).parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def lstm_report():
    return fn.verify.gradient(*load("my_lstm").check())


def test_the_lstm_is_wrong_at_d_c_alone(standard_promotion):
    report = lstm_report()
    assert [row.where for row in report.rows if row.verdict != "ok"] == ["gradient c"]
    assert report.first_wrong.statement == "d_c"
    source = (ROOT / "examples" / "my_lstm.py").read_text()
    mended = source.replace("(1 - c**2)", "(1 - jnp.tanh(c) ** 2)")
    names = {}
    exec(compile(mended, "my_lstm.py, mended", "exec"), names)
    fn.verify.gradient(*names["check"]()).assert_ok()


def test_the_page_shows_what_the_command_prints(standard_promotion):
    table = lstm_report().table()
    page = (ROOT / "docs" / "verifier.md").read_text()
    shown = [line.split()[:3] for line in table.splitlines() if line.startswith(("d_", " " * 10))]
    starts = "    d_h ", "    d_c ", "    d_z ", " " * 14 + "gradient"
    printed = [line.split()[:3] for line in page.splitlines() if line.startswith(starts)]
    assert printed == shown


def test_the_flax_model_is_wrong_by_x_and_its_cost_is_not_trusted(standard_promotion):
    pytest.importorskip("flax")
    model = load("flax_model")
    report = fn.verify.custom_vjp(*model.check())
    assert [row.where for row in report.rows if row.verdict == "wrong"] == ["gradient args[0]"]
    assert fn.verify.gradient(*model.whole()).verdict == "inconclusive"

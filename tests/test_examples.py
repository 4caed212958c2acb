"""The worked examples: each planted fault is found by the command that the site shows, and is the only one."""

import functools
import importlib.util
from pathlib import Path

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


def test_a_page_of_the_site_runs_it():
    page = (ROOT / "docs" / "check" / "taps.md").read_text()
    assert "from examples import my_lstm" in page
    assert "$ fnnets verify examples/my_lstm.py:check" in page


def test_the_flax_model_is_wrong_by_x_and_its_cost_is_not_trusted(standard_promotion):
    model = load("flax_model")
    report = fn.verify.custom_vjp(*model.check())
    assert [row.where for row in report.rows if row.verdict == "wrong"] == ["gradient x"]
    assert fn.verify.gradient(*model.whole()).verdict == "inconclusive"

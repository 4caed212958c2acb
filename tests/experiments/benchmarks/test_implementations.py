"""Fast against plain inside `fit`: parameters that agree, a difference that is found, a page that has the ratios."""

import json

import pytest

import fnnets as fn
from experiments.benchmarks import implementations, table
from experiments.benchmarks.implementations import Work


def network(implementation):
    return fn.recurrent([2, 3, 10], objective=implementations.SOFTMAX, implementation=implementation)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(implementations, "WORK", {"simple": Work(network, (3, 8, 2), 4, "scan, recurrent")})


def test_both_are_compared_and_timed_and_the_page_has_the_ratio(small, tmp_path, capsys):
    arguments = ["--work", "simple", "--pairs", "1", "--out", str(tmp_path)]
    assert implementations.main(arguments) == 0
    assert "simple" in capsys.readouterr().out
    content = json.loads((tmp_path / "implementations.json").read_text())
    assert content["rows"]["simple"]["agreement"] < 1e-5
    text = table.markdown([content])
    assert f"| simple | scan, recurrent | {content['rows']['simple']['ratio']:.2f} |" in text


def test_another_result_is_found(small, monkeypatch, tmp_path, capsys):
    other = fn.recurrent([2, 3, 10], activation=fn.activations.tanh, objective=implementations.SOFTMAX)
    work = Work(lambda name: other if name == "plain" else network(name), (3, 8, 2), 4, "")
    monkeypatch.setattr(implementations, "WORK", {"simple": work})
    assert implementations.main(["--work", "simple", "--pairs", "1", "--out", str(tmp_path)]) == 1
    assert "simple: parameters after an epoch differ by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--work", "transformer"], "work is 'transformer', expected some of conv"), (["--pairs", "0"], "pairs is 0")],
)
def test_bad_options_are_one_line(words, message, capsys):
    assert implementations.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

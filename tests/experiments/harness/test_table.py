import importlib
import json

import pytest

from experiments.harness import catalogue, results, table
from experiments.harness.options import parse
from experiments.harness.results import Figure, Record
from experiments.harness.table import Options

COMMITTED = sorted((table.HERE / "measured").glob("*.json"))


@pytest.fixture
def content(monkeypatch):
    fixed = {"versions": {"python": "3.11", "jax": "0.10"}, "device": "CPU, 2 cores"}
    monkeypatch.setattr(results, "environment", lambda: fixed)
    figures = (
        Figure("accuracy", (97.0, 98.0), "%", 98.04, low=97.8),
        Figure("accuracy, best", (98.0,), "%", 98.0, 97.8, 98.2),
        Figure("steps", (float("inf"),), form=".0f"),
        Figure("count", (5.0,), "", 5.0, 5.0, 5.0, form=".0f"),
    )
    command = "python -m experiments digits --seeds 1 2"
    record = Record("digits", "title", command, {"learning_rate": 0.1, "l2": None}, figures, (1, 2), 1.26)
    return json.loads(json.dumps(results._strict(results.content(record))))


def test_the_table_of_one_record(content):
    lines = table.markdown([content]).splitlines()
    assert "| title | accuracy | 98.04 % | 97.50 ± 0.71 % | at least 97.8: missed | 1, 2 |" in lines
    assert "**title** · `python -m experiments digits --seeds 1 2`" in lines
    assert "Seeds 1, 2. learning rate 0.1. CPU, 2 cores; python 3.11, jax 0.10." in lines
    assert "| accuracy, best | 98.00 % | 98.00 % | 97.8 to 98.2: reached |" in lines
    assert "| steps |  | inf |  |" in lines
    assert "| count | 5 | 5 | exactly 5: reached |" in lines
    assert not any(line.startswith("| title | steps") for line in lines)


def test_collecting_takes_records_without_curves_and_nothing_else(tmp_path, content):
    results.save_json({**content, "curves": {"cost": [1.0]}}, tmp_path / "results" / "digits" / "digits.json")
    results.save_json({"rows": []}, tmp_path / "results" / "digits" / "verification.json")
    options = Options(tmp_path / "results", tmp_path / "measured", tmp_path / "README.md")
    assert table.run(options) == 0
    [path] = (tmp_path / "measured").iterdir()
    assert path.name == "digits.json"
    assert json.loads(path.read_text()) == {name: value for name, value in content.items() if name != "curves"}
    assert "97.50 ± 0.71 %" in (tmp_path / "README.md").read_text()


def test_the_committed_table_is_what_the_committed_figures_give():
    assert (table.HERE / "README.md").read_text() == table.markdown(table.load(table.HERE / "measured"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_command_can_be_given_again_and_its_verdicts_follow_from_its_values(path):
    content = json.loads(path.read_text())
    python, _, package, name, *words = content["command"].split()
    assert (python, package) == ("python", "experiments")
    options = parse(importlib.import_module(f"experiments.{catalogue.MODULES[name]}").Options, words, name)
    if content["seeds"]:
        assert list(options.seeds) == content["seeds"]
    for each in content["figures"]:
        assert table.figure(each).verdict == each["verdict"]
    assert "curves" not in content
    assert "/" not in content["device"]

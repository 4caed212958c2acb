"""Programs and seconds before training: a process that is measured, the arithmetic, the page, bad options."""

import json

import pytest

from experiments.benchmarks import compilation, processes, table


def found(seconds):
    part = {"programs": 2, "trace": 0.0, "lower": 0.5, "compile": seconds, "wall": 9.0}
    return {"beginning": part, "epoch": {**part, "programs": 1}}


def test_a_child_tells_programs_and_seconds(capsys):
    compilation.child("feedforward", "automatic")
    told = json.loads(capsys.readouterr().out)
    assert told["epoch"]["programs"] == 1  # the epoch with its evaluation is one program
    assert told["beginning"]["programs"] >= 0  # other tests may have compiled what a run begins with
    assert all(told["epoch"][stage] > 0 for stage in compilation.STAGES)
    assert told["epoch"]["wall"] > sum(told["epoch"][stage] for stage in compilation.STAGES)


def test_a_process_is_given_its_row_and_no_cache(monkeypatch):
    calls = []

    class Done:
        stdout = "{}"

    def run(call, **how):
        calls.append((call[-1], how["env"]["JAX_ENABLE_COMPILATION_CACHE"]))
        return Done

    monkeypatch.setattr(processes.subprocess, "run", run)
    assert compilation.in_fresh_process("rbm", "explicit") == {}
    assert calls == [("from experiments.benchmarks import compilation; compilation.child('rbm', 'explicit')", "0")]


def test_contestants_take_turns_and_the_page_has_their_ratio(monkeypatch, tmp_path, capsys):
    order = []

    def fresh(row, gradient):
        order.append(gradient)
        return found(1.0 if gradient == "explicit" else 2.0)

    monkeypatch.setattr(compilation, "in_fresh_process", fresh)
    assert compilation.main(["--rows", "lstm", "--rounds", "2", "--out", str(tmp_path)]) == 0
    assert order == ["explicit", "automatic", "explicit", "explicit", "automatic", "explicit"]
    assert "lstm" in capsys.readouterr().out
    page = table.markdown([json.loads((tmp_path / "compilation.json").read_text())])
    # 3 of 5 seconds, and the control's 3 of 3
    assert "| lstm | explicit | 2 + 1 | 1.50 | 0.00 | 0.50 | 1.00 | 0.60 | 1.00 |" in page
    assert "| lstm | automatic | 2 + 1 | 2.50 | 0.00 | 0.50 | 2.00 |  |  |" in page


@pytest.mark.parametrize(
    ("words", "message"), [(["--rows", "gru"], "rows is 'gru', expected 'feedforward'"), (["--rounds", "0"], "rounds")]
)
def test_bad_options_are_one_line(words, message, capsys):
    assert compilation.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

"""What verdicts cost: a process that is measured, the arithmetic, the page, bad options."""

import json

import jax
import numpy as np
import pytest

from experiments.benchmarks import processes, table, verdicts


def found(kind):
    if kind == "gradient":
        return {"imports": 0.5, "seconds": [0.25], "bytes": 2_000_000}
    return {"imports": 0.5, "seconds": [2.0, 0.125, 1.0], "bytes": 7_000_000, "answer": "pass, 3 rows", "ok": True}


@pytest.mark.parametrize("kind", ["verdict", "gradient"])
def test_a_child_tells_seconds_and_bytes(kind, capsys, monkeypatch):
    monkeypatch.setattr(verdicts, "_from_here", lambda: verdicts._status("VmRSS"))  # other tests look at the peak
    verdicts.child("network", kind, 0.5)
    told = json.loads(capsys.readouterr().out)
    assert told["imports"] == 0.5
    assert all(seconds > 0 for seconds in told["seconds"])
    assert len(told["seconds"]) == (3 if kind == "verdict" else 1)
    assert kind == "gradient" or told["answer"].startswith("pass")


@pytest.mark.parametrize("row", ["lstm", "leaves", "large"])
def test_the_other_cases_have_a_finite_cost(row):
    _, cost, draw = verdicts.CASES[row]()
    assert np.isfinite(float(jax.jit(cost)(*draw(0))))


def test_a_process_is_given_its_case_and_no_cache(monkeypatch):
    calls = []

    class Done:
        stdout = "{}"

    def run(call, **how):
        calls.append((call[-1], how["env"]["JAX_ENABLE_COMPILATION_CACHE"]))
        return Done

    monkeypatch.setattr(processes.subprocess, "run", run)
    assert verdicts.in_fresh_process("lstm", "verdict") == {}
    [(code, cache)] = calls
    assert code.endswith("verdicts.child('lstm', 'verdict', spent)")
    assert cache == "0"


def test_contestants_take_turns_and_the_page_has_their_ratios(monkeypatch, tmp_path, capsys):
    order = []

    def fresh(row, kind):
        order.append(kind)
        return found(kind)

    monkeypatch.setattr(verdicts, "in_fresh_process", fresh)
    assert verdicts.main(["--rows", "network", "--rounds", "2", "--out", str(tmp_path)]) == 0
    assert order == ["verdict", "gradient", "gradient", "gradient", "gradient", "verdict"]
    assert "feedforward" in capsys.readouterr().out
    page = table.markdown([json.loads((tmp_path / "verdicts.json").read_text())])
    # 2 s over 0.25 s; 7 MB over 2 MB; the first and its imports take 2.5 of 3 s
    assert "| 0.5 | 2.0 | 0.12 | 1.0 | 0.25 | 8 | 1.00 | 7 | 3.5 | 3 s, first, imports included: reached |" in page


def test_a_case_that_does_not_pass_is_told(monkeypatch, tmp_path, capsys):
    wrong = {**found("verdict"), "ok": False, "answer": "wrong, 3 rows"}
    monkeypatch.setattr(verdicts, "in_fresh_process", lambda row, kind: wrong if kind == "verdict" else found(kind))
    assert verdicts.main(["--rows", "lstm", "--rounds", "1", "--out", str(tmp_path)]) == 1
    assert "lstm: wrong, 3 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"), [(["--rows", "gru"], "rows is 'gru', expected 'network'"), (["--rounds", "0"], "rounds")]
)
def test_bad_options_are_one_line(words, message, capsys):
    assert verdicts.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

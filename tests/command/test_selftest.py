"""`fnnets selftest`: its output, file and exit status; what the verifier says of each family is tested beside it."""

import json
from pathlib import Path

import pytest

from fnnets.command import main
from fnnets.verify.selftest.table import Result

RIGHT = Result("cumulative sum", "", 0, True, True, "pass", seconds=0.25)
FAULT = Result("cumulative sum", "the sum not reversed", 0, True, True, "wrong", "gradient w", "is something else")


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """Every trial's result is made of these; right code is judged as the one, faults as the other."""
    given = {"right": RIGHT, "fault": FAULT}

    def tried(trial, x64=True):
        return given["fault" if trial.fault.name else "right"]._replace(seed=trial.seed)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fnnets.verify.selftest.trying.tried", tried)
    return given


def test_as_it_must_be_is_status_0(answers, capsys):
    assert main(["selftest", "--family", "cumulative sum", "--seeds", "3", "--json", "out.json"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "family                 seeds verdicts s",
        41 * "-",
        "cumulative sum         3     3 pass   0.8",
        "  the sum not reversed 3     3 named  0.0",
        printed.out.splitlines()[-1],
    ]  # fmt: skip
    counts = "0 false alarms in 3 verdicts of right code; 0 survivors of 3 faults, 3 named first; in float64, "
    assert printed.out.splitlines()[-1].startswith(counts)
    assert printed.err.splitlines()[0] == "fnnets selftest: cumulative sum: pass"
    written = json.loads(Path("out.json").read_text())
    assert (written["right"], written["faults"], written["named"], len(written["results"])) == (3, 3, 3, 6)


def test_a_false_alarm_is_status_1_with_its_row(answers, capsys):
    answers["right"] = RIGHT._replace(verdict="wrong", expected=False, named=False, where="gradient w")
    assert main(["selftest", "--family", "cumulative sum"]) == 1
    printed = capsys.readouterr().out
    assert "cumulative sum, seed 0: wrong at gradient w" in printed
    assert "1 false alarms in 1 verdicts" in printed


def test_a_survivor_is_status_1_and_a_misnamed_fault_0(answers, capsys):
    answers["fault"] = FAULT._replace(verdict="pass", expected=False, named=False, where="", detail="")
    assert main(["selftest", "--family", "cumulative sum", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert (printed.out.count("\n"), printed.err) == (1, "")
    assert "1 survivors of 1 faults, 0 named first" in printed.out
    answers["fault"] = FAULT._replace(named=False)
    assert main(["selftest", "--family", "cumulative sum", "--quiet"]) == 0


def test_a_kind_has_several_families(answers, capsys):
    assert main(["selftest", "--family", "kinks", "--no-x64"]) == 0
    printed = capsys.readouterr().out
    assert "in float32" in printed
    assert int(printed.split(" verdicts of right code")[0].rsplit(" ", 1)[1]) > 8

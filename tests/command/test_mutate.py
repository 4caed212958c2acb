"""`fnnets mutate`: what it prints, writes and returns; that the faults are found is tested in tests/verify/mutants."""

import functools
import json
from pathlib import Path

import pytest

from fnnets.command import main
from fnnets.verify import mutants

RUN = mutants.run


@pytest.fixture
def two(monkeypatch, tmp_path):
    """A catalogue of two faults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutants, "run", functools.partial(RUN, names=["db zero", "missing 1/m everywhere"]))


def test_all_killed_is_status_0(two, capsys):
    assert main(["mutate", "dense", "--json", "out.json"]) == 0
    heard = capsys.readouterr()
    assert heard.out.splitlines()[-1].startswith("dense: 2 of 2 mutants killed, 2 named at first hit, in float64")
    assert sorted(heard.err.splitlines()) == [
        "fnnets mutate: dense: db zero: named", "fnnets mutate: dense: missing 1/m everywhere: named",
    ]  # fmt: skip
    assert json.loads(Path("out.json").read_text())["killed"] == 2


def test_a_survivor_is_status_1_with_its_reason(two, capsys):
    assert main(["mutate", "dense", "--batch", "1", "--no-x64"]) == 1  # with one example there is no 1/m to miss
    said = capsys.readouterr().out
    assert "equivalent here" in said
    assert "1 of 2 mutants killed" in said
    assert "in float32" in said


def test_quiet_is_one_line(two, capsys):
    assert main(["mutate", "dense", "--quiet"]) == 0
    heard = capsys.readouterr()
    assert (heard.out.count("\n"), heard.err) == (1, "")

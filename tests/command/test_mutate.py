"""`fnnets mutate`: its output, files and exit status; that the faults are found is tested in tests/mutation."""

import functools
import json
from pathlib import Path

import pytest

from fnnets import mutation
from fnnets.command import main

RUN = functools.cache(functools.partial(mutation.run, names=("db zero", "missing 1/m everywhere")))


@pytest.fixture
def two(monkeypatch, tmp_path):
    """A catalogue of two faults, which are tried once for each set of options."""

    def run(*args, progress, **options):
        outcome = RUN(*args, **options)
        for result in outcome.results:
            progress(result)
        return outcome

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutation, "run", run)


def test_all_killed_is_status_0(two, capsys):
    assert main(["mutate", "dense", "--json", "out.json"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith("dense: 2 of 2 mutants killed, 2 named at first hit, in float64")
    assert sorted(printed.err.splitlines()) == [
        "fnnets mutate: dense: db zero: named", "fnnets mutate: dense: missing 1/m everywhere: named",
    ]  # fmt: skip
    assert json.loads(Path("out.json").read_text())["killed"] == 2


def test_a_survivor_is_status_1_with_its_reason(two, capsys):
    assert main(["mutate", "dense", "--batch", "1", "--no-x64"]) == 1  # with one example there is no 1/m to miss
    printed = capsys.readouterr().out
    assert "equivalent here" in printed
    assert "1 of 2 mutants killed" in printed
    assert "in float32" in printed


def test_quiet_is_one_line(two, capsys):
    assert main(["mutate", "dense", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert (printed.out.count("\n"), printed.err) == (1, "")

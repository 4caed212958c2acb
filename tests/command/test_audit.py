"""`fnnets audit` on files of one's own."""

import json

import pytest

from fnnets.command import main

FILE = """
import jax, jax.numpy as jnp

@jax.custom_jvp
def doubled(x):
    return 2 * x

doubled.defjvps(lambda dx, y, x: FACTOR * dx)
loss = lambda x: jnp.sum(doubled(x))
case = (loss, jnp.array([1.0, 2.0]))

def made():
    return case

def fails():
    raise RuntimeError("no data")

broken = (lambda x: x @ jnp.ones(7), jnp.ones(3))
"""


@pytest.fixture
def file(tmp_path):
    def write(factor):
        path = tmp_path / f"mine_{factor}.py"
        path.write_text(FILE.replace("FACTOR", str(factor)))
        return path

    return write


def test_status_table_and_json(file, tmp_path, capsys):
    assert main(["audit", f"{file(2)}:case", "--sweep"]) == 0
    assert "audit of <lambda>: pass" in capsys.readouterr().out
    report = tmp_path / "report.json"
    assert main(["audit", f"{file(3)}:made", "--json", str(report)]) == 1
    assert "doubled differs" in capsys.readouterr().out
    assert json.loads(report.read_text())["ok"] is False
    assert main(["audit", f"{file(3)}:case", "--accept", "doubled", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("loss", [], "calling"),
        ("FACTOR", [], "has no 'FACTOR'"),
        ("fails", [], "RuntimeError: no data"),
        ("case", ["--accept", "tripled"], "accept has 'tripled', expected the name of a rule that was met: 'doubled'"),
        ("broken", [], "dot_general"),
        ("jnp", [], "is of type module, expected a tuple (function, argument, …)"),
    ],
)
def test_bad_input_is_one_line_and_status_2(file, capsys, name, options, words):
    assert main(["audit", f"{file(2)}:{name}", *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1

"""The command as a whole: its streams, files and exit status."""

import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fnnets.command import main

MINE = """
import jax, jax.numpy as jnp, fnnets as fn

layer = fn.layers.dense(3, fn.activations.tanh)

def backward(params, trace, d_y):
    d_params, d_x = layer.backward(params, trace, d_y)
    return d_params._replace(biases=d_params.biases / 4), d_x

wrong = layer._replace(backward=backward)

def some(seed):
    w = jnp.array([1.0, 2.0]) + seed
    return lambda w: jnp.sum(w ** 3), lambda w: 3 * w ** 2 * (1 + (seed == 1)), w

ready = fn.verify.Report("gradient", "float32", (fn.verify.Row("", "gradient", "ok", 0.0, 0.0, profile=(1e-16,)),))

def bent():  # the derivative rule inside the cost is wrong: neither gradient is known to be right
    square = jax.custom_jvp(lambda x: x ** 2)
    square.defjvp(lambda x, d: (x[0] ** 2, 5 * x[0] * d[0]))
    return lambda w: jnp.sum(square(w)), lambda w: 5 * w, jnp.array([1.0, 2.0])
"""


@pytest.fixture
def mine(write):
    write("mine_g.py", MINE)
    return "mine_g.py"


def test_a_right_layer_is_a_table_and_status_0(mine, capsys):
    assert main(["verify", f"{mine}:layer"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("statement where")
    assert printed.out.splitlines()[-1].startswith("layer dense, examples of shape (5,): pass (4 rows")


def test_a_wrong_layer_is_named_with_status_1(mine, capsys):
    assert main(["verify", "mine_g:wrong", "--shape", "7"]) == 1
    printed = capsys.readouterr().out
    assert "first at dense .biases, statement (3, 5)" in printed
    assert "is 1/N times the right one (N = 4)" in printed


def test_inconclusive_is_status_2(mine, capsys):
    assert main(["verify", f"{mine}:bent", "--quiet"]) == 2
    printed = capsys.readouterr().out
    assert printed.startswith("gradient: inconclusive, at gradient w, element 0: both agree, but central differences")
    assert "the rule of <lambda> at line 19 of mine_g.py contradicts its own function" in printed
    assert printed.endswith("(1 rows)\n")


def test_quiet_is_the_verdict_in_one_line(mine, capsys):
    assert main(["verify", f"{mine}:wrong", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert (printed.out.count("\n"), printed.err) == (1, "")
    assert printed.out.startswith("layer dense, examples of shape (5,): wrong (1 of 4 rows), first at dense .biases")


def test_seeds_are_counted_and_the_first_that_fails_is_shown(mine, capsys):
    assert main(["verify", f"{mine}:some", "--seeds", "3"]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        f"fnnets verify: seed {seed}: {verdict}" for seed, verdict in enumerate(["pass", "wrong", "pass"])
    ]
    assert "gradient: wrong (1 of 1 rows)" in printed.out
    assert printed.out.splitlines()[-1] == (
        "mine_g.py:some: 2 of 3 draws pass; the first that does not is that of seed 1"
    )


def test_seeds_that_pass_are_one_line(mine, capsys):
    assert main(["verify", f"{mine}:layer", "--seeds", "2", "--quiet"]) == 0
    assert capsys.readouterr() == ("mine_g.py:layer: 2 of 2 draws pass\n", "")


def test_no_x64_judges_in_float32(mine, capsys):
    assert main(["verify", f"{mine}:wrong", "--no-x64"]) == 1
    assert "nan" in capsys.readouterr().out.splitlines()[2].split()


def test_json_is_the_report_or_a_list_of_them(mine, capsys):
    assert main(["verify", f"{mine}:wrong", "--json", "out/one.json", "--quiet"]) == 1
    assert json.loads(Path("out/one.json").read_text())["verdict"] == "wrong"
    assert main(["verify", f"{mine}:some", "--seeds", "2", "--json", "all.json", "--quiet"]) == 1
    assert [each["verdict"] for each in json.loads(Path("all.json").read_text())] == ["pass", "wrong"]
    assert sorted(path.name for path in Path().iterdir() if not path.name.startswith("__")) == [
        "all.json", "mine_g.py", "out",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("b.svg", b"<?xml"), ("c.pdf", b"%PDF")])
def test_a_figure_is_of_the_kind_of_its_name(mine, capsys, name, begins):
    assert main(["verify", f"{mine}:ready", "--plot", name, "--quiet"]) == 0
    assert Path(name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prove"], "there is no command 'prove', expected verify, audit, mutate, selftest, statements or show"),
        (["verify"], "TARGET"),
        (["verify", "mine_g:layer", "--colour"], "--colour"),
        (["verify", "mine_g:layer", "--seeds", "many"], "--seeds"),
        (["verify", "mine_g:layer", "--seeds", "0"], "--seeds is 0, expected at least 1"),
        (["verify", "mine_g:layer", "--shape", "0"], "--shape is (0,)"),
        (["verify", "mine_g:lawyer"], "mine_g has no 'lawyer'; similar: layer"),
        (["verify", "mine_g:jax"], "TARGET is a module, expected"),
        (["verify", "mine_g:layer", "--json", "mine_g.py/x"], "'mine_g.py' is a file"),
        (["verify", "no_such:thing", "--json", "."], "--json is '.', a folder"),
        (["verify", "no_such:thing", "--plot", "x.gif"], "--plot is 'x.gif', expected a name that ends in .png"),
        (["mutate", "dance"], "dance"),
        (["mutate", "danse"], "FAMILY is 'danse', expected dense, convolution, pooling, recurrent, lstm, autoencoder,"),
        (["mutate", "danse"], "; write dense; see fnnets mutate --help"),
        (["mutate"], "FAMILY is missing, expected dense, convolution"),
        (["mutate", "dense", "--jsn", "a"], "there is no option --jsn, expected one of --x64,"),
        (["mutate", "dense", "--batch", "two"], "--batch is 'two', expected a whole number; give one"),
        (["statements", "ltsm"], "FAMILY is 'ltsm', expected feedforward, convolutional, recurrent, lstm,"),
        (["verify", "mine_g:layer", "--shape="], "--shape is '', expected whole numbers"),
        (["mutat", "dense"], "; write fnnets mutate"),
        (["mutate", "dense", "--sizes", "3"], "sizes is (3,), expected at least three"),
        (["mutate", "dense", "--batch", "0"], "batch is 0"),
        (["selftest", "--seeds", "0"], "--seeds is 0, expected at least 1"),
        (["selftest", "--family", "kniks"], "--family has 'kniks', expected names of families, or of dense, images,"),
        (["selftest", "--family", "kniks"], "; write 'kinks'"),
        (["selftest", "--json", "."], "--json is '.', a folder"),
    ],
)
def test_bad_input_is_one_line_on_standard_error_and_status_2(mine, arguments, message, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("fnnets")
    assert message in printed.err


@pytest.mark.parametrize("arguments", [["experiments"], ["experiments", "digits", "--help"]])
def test_experiments_are_in_the_repository(arguments, capsys):
    assert main(arguments) == 2
    message = "they are in the repository, not in the package: clone it and run python -m experiments there"
    assert capsys.readouterr() == ("", f"fnnets experiments: {message}\n")


@pytest.mark.parametrize("name", ["tyro", "rich"])
def test_a_missing_extra_is_named(monkeypatch, capsys, name):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["verify", "x:y"]) == 2
    assert capsys.readouterr().err == (f"fnnets verify: {name} is not installed; run: pip install 'fnnets[cli]'\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["verify", "--help"], ["mutate", "--help"]])
def test_help_has_examples_and_statuses(capsys, arguments):
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.count("fnnets verify ") + printed.count("fnnets mutate ") >= 3
    assert "exit status: 0" in printed


def test_ctrl_c_is_one_line_and_status_130(mine, monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("fnnets.command.subjects.report", interrupted)
    assert main(["verify", f"{mine}:layer"]) == 130
    assert capsys.readouterr().err == "fnnets verify: interrupted\n"


def test_as_a_module_of_python_with_a_reader_that_leaves(mine):
    command = f"{sys.executable} -m fnnets verify {mine}:some --seeds 2 2>&1 | true; echo ${{PIPESTATUS[0]}}"
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=True)
    assert "Traceback" not in done.stdout + done.stderr
    command = [sys.executable, "-m", "fnnets", "verify", f"{mine}:wrong"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "first at dense .biases" in done.stdout


def test_the_installed_command_is_this_one():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, name = project["scripts"]["fnnets"].split(":")
    assert getattr(importlib.import_module(module), name) is main
    assert {each.split(">")[0] for each in project["optional-dependencies"]["cli"]} == {"tyro", "rich"}


def test_nothing_heavy_is_imported_for_the_package_itself():
    code = "import fnnets, fnnets.command, sys; print({'tyro', 'rich', 'matplotlib', 'pytest'} & set(sys.modules))"
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout == "set()\n"


def test_an_output_that_is_full_is_one_line_and_a_file_of_ones_own_is_an_error(monkeypatch, capsys):
    def run(error):
        monkeypatch.setattr("fnnets.command.statements.run", lambda options: (_ for _ in ()).throw(error))
        return main(["statements"])

    assert run(OSError(28, "No space left on device")) == 2
    expected = "fnnets statements: the output cannot be written (No space left on device); is the disk full?\n"
    assert capsys.readouterr().err == expected
    with pytest.raises(FileNotFoundError):
        run(FileNotFoundError(2, "No such file or directory", "mine.npy"))

import dataclasses
import importlib
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import fnnets as fn
from experiments.__main__ import main
from experiments.harness import catalogue
from fnnets.command import cache

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("FNNETS_DATA", raising=False)


def test_list_names_every_experiment_with_its_data_and_time(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for entry in catalogue.ENTRIES:
        line = next(line for line in lines if line.split()[:1] == [entry.name])
        assert entry.summary in line
        assert entry.data in line
        assert entry.time in line


def test_no_arguments_is_a_request_for_help(capsys):
    assert main([]) == 0
    assert "usage: python -m experiments NAME" in capsys.readouterr().out


@pytest.mark.parametrize("entry", catalogue.ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_a_module_with_options_and_run_and_help(entry, capsys):
    module = importlib.import_module(f"experiments.{entry.module}")
    assert main([entry.name, "--help"]) == 0
    text = capsys.readouterr().out
    for field in dataclasses.fields(module.Options):
        assert "--" + field.name.replace("_", "-") in text
    # every option is described: tyro takes the text from the class's docstring
    for field in dataclasses.fields(module.Options):
        assert f"{field.name}: " in module.Options.__doc__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "no experiment 'nosuch'"),
        (["digits", "--momentum", "1.5"], "momentum is 1.5, expected below 1; give less"),
        (["digits", "--processes", "0"], "digits: processes is 0: processes.join: "),
        (["digit"], "write python -m experiments digits"),
        (["digits", "--seeds", "two"], "--seeds is 'two', expected whole numbers; give one"),
        (["digits", "--epochs", "2.5"], "--epochs is '2.5', expected a whole number; give one"),
        (["digits", "--epoch", "3"], "there is no option --epoch, expected one of --out"),
        (["digits", "--epoch", "3"], "; write --epochs; see python -m experiments digits --help"),
        (["digits", "extra"], "extra is left over, expected options alone"),
        (["digits", "--progress", "atuo"], "; write auto; see python -m experiments digits --help"),
        (["digits", "--out", f"{__file__}/results"], "out is"),
        (["table", "--collect", "nowhere"], "collect is nowhere"),
        (["table", "--measured", "nowhere"], "measured is nowhere"),
        (["digits", "--epochs", "many"], "--epochs"),
        (["digits", "--epochs", "0"], "epochs is 0"),
        (["digits", "--seeds", "1", "1"], "seeds are (1, 1)"),
        (["digits", "--seeds"], "seeds are ()"),
        (["digits", "--colour", "red"], "--colour"),
        (["digits", "--progress", "loud"], "loud"),
        (["saturation", "--learning-rate", "-1"], "learning_rate"),
        (["approximation", "--widths", "4", "2"], "widths are (4, 2)"),
        (["nielsen", "--rows", "chapter-9"], "chapter-9"),
        (["nielsen"], "FNNETS_DATA"),
        (["nielsen", "--data-dir", "nowhere"], "nowhere"),
        (["overfitting", "--images", "mnist"], "MNIST"),
        (["overfitting", "--dropout", "1"], "dropout: rate is 1.0"),
        (["characters", "--dropout", "-0.1"], "dropout: rate is -0.1"),
        (["table", "--readme", f"{__file__}/README.md"], "test_command_line.py"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_standard_error_and_status_2(arguments, said, capsys):
    assert main(arguments) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert said in written.err


def test_ctrl_c_is_one_line_and_status_130(monkeypatch, capsys):
    module = importlib.import_module("experiments.feedforward.saturation")

    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run", interrupted)
    assert main(["saturation"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_fault_of_the_program_is_not_taken_for_a_bad_option(monkeypatch):
    module = importlib.import_module("experiments.feedforward.saturation")

    def broken(options):
        raise ValueError("a fault")

    monkeypatch.setattr(module, "run", broken)
    with pytest.raises(ValueError, match="a fault"):
        main(["saturation"])


def test_the_exit_status_reaches_the_shell():
    ended = subprocess.run([sys.executable, "-m", "experiments", "nosuch"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "begins"), [("experiments", ["cores", "cache"]), ("experiments.benchmarks", ["cores"])]
)
def test_a_program_begins_with_a_device_a_core_and_benchmarks_compile_anew(monkeypatch, capsys, module, begins):
    began = []
    monkeypatch.setattr(fn, "use_all_cores", lambda: began.append("cores"))
    monkeypatch.setattr(cache, "keep", lambda: began.append("cache"))
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / module.replace(".", "/") / "__main__.py"), run_name="__main__")
    assert (end.value.code, began) == (0, begins)

import json
import os
import sys

import jax
import pytest

import fnnets as fn
from experiments.feedforward import digits
from experiments.feedforward.digits import Options
from experiments.harness.options import parse
from tests.experiments.digits_process import Proof, options


@pytest.fixture(scope="module")
def compiled():
    return digits.network(Options(hidden=5))


@pytest.fixture(autouse=True)
def compile_once(compiled, monkeypatch):
    monkeypatch.setattr(digits, "network", lambda chosen: compiled)


def once(function):
    """Each proof takes seconds to compile; the second one is the first again."""
    found = []

    def call(*args):
        found.extend([] if found else [function(*args)])
        return found[0]

    return call


def test_the_demo_proves_trains_compares_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fn.verify, "network", once(fn.verify.network))
    assert digits.run(options(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "float64" in said
    assert "the same parameters to rounding" in said
    names = {path.name for path in (tmp_path / "digits").iterdir()}
    pictures = {"learning-curves.png", "filters.png", "confusion.png"}
    assert names == pictures | {"digits.json", "verification-initial.json", "verification-trained.json"}
    content = json.loads((tmp_path / "digits" / "digits.json").read_text())
    assert "SVC, 96.89 %" in said
    assert content["figures"][0]["values"] == content["figures"][1]["values"]


def test_gradients_that_part_are_found(tmp_path, monkeypatch, capsys):
    right = digits._train

    def wrong(net, optimizer, gradient, seed, options):
        run = right(net, optimizer, gradient, seed, options)
        factor = 1.01 if gradient == "explicit" else 1.0
        return run._replace(result=run.result._replace(params=jax.tree.map(lambda p: factor * p, run.result.params)))

    monkeypatch.setattr(digits, "_train", wrong)
    monkeypatch.setattr(fn.verify, "network", lambda *args: Proof())
    assert digits.run(options(tmp_path)) == 1
    assert "DIFFERENT parameters" in capsys.readouterr().out


def test_a_gradient_that_is_not_proven_is_a_failure(tmp_path, monkeypatch, capsys):
    proof = Proof()
    proof.ok = False
    monkeypatch.setattr(fn.verify, "network", lambda *args: proof)
    assert digits.run(options(tmp_path)) == 1


def test_several_processes_are_launched_with_the_same_options(tmp_path, monkeypatch):
    launched = []
    monkeypatch.setattr(fn.training.processes, "launch", lambda command, count: launched.append((command, count)) or 7)
    chosen = options(tmp_path, processes=3)
    assert digits.run(chosen) == 7
    ((command, count),) = launched
    assert command[:4] == [sys.executable, "-m", "experiments", "digits"]
    assert (parse(Options, command[4:], "digits"), count) == (chosen, 3)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(OSError("no space"), 2, "digits: no space"), (KeyboardInterrupt(), 130, "digits: interrupted; the same command")],
)
def test_one_of_several_that_fails_leaves_at_once(tmp_path, monkeypatch, error, status, said):
    left = []
    monkeypatch.setattr(fn.training.processes, "join", lambda: 1)
    monkeypatch.setattr(fn.training.processes, "leave", lambda text, status: left.append((text, status)))
    monkeypatch.setattr(digits, "_compile", lambda *args: (_ for _ in ()).throw(error))
    digits.run(options(tmp_path, processes=0))
    ((text, came),) = left
    assert (text[: len(said)], came) == (said, status)


def test_two_processes_give_the_figures_of_one_and_go_on_after_a_crash(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(fn.verify, "network", lambda *args: Proof())
    assert digits.run(options(tmp_path / "alone")) == 0
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1")
    command = [sys.executable, "-m", "tests.experiments.digits_process", str(tmp_path)]
    (tmp_path / "kill").touch()
    assert fn.training.processes.launch(command, 2) == 1
    assert "process 1 of 2 was killed by SIGKILL" in capfd.readouterr().err.splitlines()[-1]
    assert (tmp_path / "digits" / "checkpoints" / "explicit-0").is_dir()
    assert fn.training.processes.launch(command, 2) == 0
    assert not (tmp_path / "digits" / "checkpoints").exists()
    alone, together = (
        json.loads((folder / "digits" / "digits.json").read_text()) for folder in (tmp_path / "alone", tmp_path)
    )
    assert together["settings"] == alone["settings"] | {"processes": 2}
    assert [f["values"] for f in together["figures"][:2]] == [f["values"] for f in alone["figures"][:2]]
    for gradient in digits.GRADIENTS:  # curves are written with six digits
        for name, values in alone["curves"][gradient][0].items():
            assert together["curves"][gradient][0][name] == pytest.approx(values, abs=2e-6)

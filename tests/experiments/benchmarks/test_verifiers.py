"""Verifiers before the same programs: right code is right, faults are faults, and a small run writes its tables."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import peers, table, verifiers
from experiments.benchmarks.verifiers_programs import FAMILIES, jax_arrays, programs, torch_arrays
from experiments.benchmarks.verifiers_tools import Answer, wrong_arguments

SMALL = ("dense layer", "mean and max pooling", "softmax cross-entropy", "softplus", "maximum of equal numbers")
ROW = {
    "kind": "dense", "program": "p", "role": "fault", "tool": "t", "refused": True, "message": "", "place": "w",
    "element": True, "change": "", "is_named": True, "is_repeated": True, "seconds": [0.5, 0.25],
}  # fmt: skip


def every(role, names=SMALL):
    found = [program for each in FAMILIES if each.name in names for program in programs(each, 0)]
    return [program for program in found if program.role == role]


@pytest.mark.parametrize("program", every("fault"), ids=lambda program: program.name)
def test_a_fault_makes_an_argument_wrong(program):
    assert wrong_arguments(program)
    assert set(program.places)


def test_right_code_has_the_gradient_of_its_forward_pass():
    xp = jax_arrays()
    smooth = [program for program in every("right") if "maximum" not in program.name]
    assert len(smooth) == 6
    for program in smooth:
        with jax.enable_x64(True):
            args = [jnp.asarray(each) for each in program.arguments.values()]
            y, back = jax.vjp(functools.partial(program.forward, xp), *args)
            for came, expected in zip(program.backward(xp, y, *args), back(y), strict=True):
                np.testing.assert_allclose(came, expected, atol=1e-12)


def test_both_frameworks_have_the_same_arithmetic():
    torch = pytest.importorskip("torch")
    for each in FAMILIES:
        program = programs(each, 0)[0]
        with jax.enable_x64(True):
            args = [jnp.asarray(value) for value in program.arguments.values()]
            y = program.forward(jax_arrays(), *args)
            ours = [y, *program.backward(jax_arrays(), y, *args)]
        args = [torch.from_numpy(value) for value in program.arguments.values()]
        y = program.forward(torch_arrays(), *args)
        for came, expected in zip([y, *program.backward(torch_arrays(), y, *args)], ours, strict=True):
            np.testing.assert_allclose(came.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_a_small_run_without_torch_writes_its_tables(monkeypatch, tmp_path, capsys, standard_promotion):
    monkeypatch.setattr(peers, "has_torch", lambda: False)
    kept = ("fnnets, no marks", "check_grads, float64")
    monkeypatch.setattr(verifiers, "TOOLS", {name: verifiers.TOOLS[name] for name in kept})
    assert verifiers.main(["--only", "dense", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"{verifiers.NO_TORCH}\ndense layer done\n"
    content = json.loads((tmp_path / "verifiers.json").read_text())
    assert content["command"] == "python -m experiments.benchmarks verifiers --only dense"
    assert all(row["is_repeated"] for row in content["rows"])
    page = table.markdown([content])
    assert page.split("\n\n", 1)[1].count("| fnnets, no marks | 5 of 5 | 0 of 1 | 5 of 5 | 5 of 5 |") == 1
    assert "| check_grads, float64 | 5 of 5 | 0 of 1 | 0 of 5 |" in shown.out


def test_the_page_tells_what_a_tool_misses_and_refuses():
    rows = [ROW, ROW | {"refused": False, "is_named": False, "program": "q"}, ROW | {"role": "right", "program": "r"}]
    page = verifiers.table(rows)
    assert "| t | 1 of 2 | 1 of 1 | 1 of 2 | 1 of 2 | 0 of 2 |  |  | 0.500 | 0.250 |" in page
    assert "| dense | 1 of 2 |" in page
    assert page.endswith("| q | missed |\n| r | false alarm |\n\n")


@pytest.mark.parametrize("tool", [*verifiers.TOOLS, *verifiers.TORCH])
def test_a_tool_passes_right_code_and_refuses_a_wrong_sign(tool, standard_promotion):
    if tool in verifiers.TORCH:
        pytest.importorskip("torch")
    [right], wrong = every("right", ("dense layer",)), every("fault", ("dense layer",))[3]
    trial = {**verifiers.TOOLS, **verifiers.TORCH}[tool]
    assert trial(right, 1)() == Answer(False, trial(right, 1)().message)
    assert trial(wrong, 1)().refused == (tool != "gradgradcheck")


@pytest.mark.parametrize(
    ("words", "message"), [(["--only", "none"], "only is 'none', expected 'dense'"), (["--seeds", "0"], "seeds")]
)
def test_bad_options_are_one_line(words, message, capsys):
    assert verifiers.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

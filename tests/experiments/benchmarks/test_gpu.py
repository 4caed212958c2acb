import json

import jax
import pytest

from experiments.benchmarks import gpu, gpu_contract, gpu_page, training_field, training_rows
from experiments.benchmarks.__main__ import main
from fnnets.kernels import paths

CHECKS = """
import jax, pytest

@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [0, 1])
def test_a(number, dtype):
    assert jax.config.jax_default_matmul_precision == "highest"
    assert not jax.config.read("jax_disable_most_optimizations")
    assert number == 0

def test_skipped():
    pytest.skip("it is not for this device")
"""


@pytest.fixture(autouse=True)
def short(monkeypatch, standard_promotion):
    """Two steps; Adam of optax mixes integers and floats."""
    monkeypatch.setattr(training_rows, "SHORTEST", 0.0)


@pytest.fixture
def checks(tmp_path):
    """A folder of four checks in two precisions, of which those with number 1 fail, and one that is skipped."""
    (tmp_path / "test_checks.py").write_text(CHECKS)
    return tmp_path


def test_the_contract_is_run_in_single_precision_and_what_fails_is_named(checks):
    found = gpu.contract(str(checks), 60)
    assert (found["selected"], found["passed"], found["skipped"]) == (3, 1, 1)
    assert [name.split("::")[1] for name in found["failed"]] == ["test_a[1-float32]"]
    assert found["backend"] == jax.default_backend()
    assert "3 of 3 checks" in gpu_page.checks(found)


def test_nothing_more_is_begun_after_the_deadline(checks):
    found = gpu.contract(str(checks), -1)
    assert found["selected"] == 3
    assert found["passed"] + found["skipped"] + len(found["failed"]) <= 1


def test_a_contract_that_gives_no_answer_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="ended with status 4 and without an answer"):
        gpu.contract(str(tmp_path / "nowhere"), 60)


def test_a_share_is_drawn_from_all_checks_and_always_the_same():
    class Item:
        def __init__(self, number):
            self.nodeid = f"test_{number}"

    items = [Item(number) for number in range(100)]
    first, second = (gpu_contract.chosen(items, 0.1) for _ in range(2))
    assert first == second
    assert len(first) == 10
    assert first != items[:10]


def test_decisions_are_noted_and_the_functions_come_back():
    before = paths.is_fast
    row, found = gpu.chosen_paths("lstm-5-8-3-11-4", training_rows.Amount(8, 0.0))  # layers made before are kept
    assert row.family == training_rows.LSTM
    assert found["is_fast"] == ["True"]
    assert found["is_one_product"] == ["True"]  # 3 features are few
    assert paths.is_fast is before


def test_both_precisions_are_set_and_given_back():
    before = jax.config.jax_default_matmul_precision
    with gpu.precision("TF32 on"):
        assert jax.config.jax_default_matmul_precision == "tensorfloat32"
    with gpu.precision("TF32 off"):
        assert jax.config.jax_default_matmul_precision == "highest"
    assert jax.config.jax_default_matmul_precision == before


def test_on_a_cpu_a_small_form_runs_and_says_so(tmp_path, checks, monkeypatch, capsys):
    (checks / "test_checks.py").write_text("def test_a():\n    assert True\n")
    monkeypatch.setattr(training_field, "missing", lambda: list(training_field.OPTIONAL))
    monkeypatch.setattr(gpu, "missing", lambda: list(training_field.OPTIONAL))
    monkeypatch.setattr(gpu, "SMALL_ROWS", ("9-6-4:8",))
    assert main(["gpu", "--contract", str(checks), "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["is_small"]
    assert content["contract"]["passed"] == 1
    (row,) = content["rows"]
    assert row["precision"] == "TF32 off"
    text, said = gpu_page.markdown(content), capsys.readouterr().out
    assert "This is the small form, on a CPU" in text
    assert "### Milliseconds of a step, TF32 off" in text
    assert "1 of 1 checks" in said
    assert "Not installed: PyTorch, Flax, Equinox, scikit-learn." in text


def test_rows_that_the_time_does_not_reach_are_named(tmp_path):
    rows, left = gpu.measured(gpu.Options(rounds=1), ["9-6-4:8", "vgg-32"], until=0.0, is_small=True)
    assert (rows, left) == ([], ["9-6-4:8", "vgg-32"])


def test_the_page_of_a_device_has_both_precisions_and_memory():
    """Times in ms; the peak grows from 1 to 2 MB."""

    def row(precision, ours, theirs, peak):
        samples = {"fnnets, one device": [ours] * 2, "PyTorch": [theirs] * 2, "the same again": [ours] * 2}
        return {
            "name": "vgg-32", "family": "convolutional", "precision": precision, "samples": samples, "flops": 1e9,
            "size": 32, "steps": 40, "epoch": 20, "agreement": {"PyTorch": 1e-3}, "how": {}, "absent": {}, "call": None,
            "faults": None, "paths": {"is_fast": ["True"], "weights_by_patches": ["False"]},
            "memory": {"peak_bytes_in_use": peak, "bytes_in_use": 10**6},
        }  # fmt: skip

    content = {
        "is_small": False, "contract": None, "torch_device": "cuda", "seconds": 300, "left": ["nielsen-10"],
        "missing": [], "rows": [row("TF32 on", 0.001, 0.003, 10**6), row("TF32 off", 0.002, 0.003, 2 * 10**6)],
    }  # fmt: skip
    text = gpu_page.markdown(content)
    assert "small form" not in text
    assert "| vgg-32 | 1 | 3 | 3.00 | 1.00 to 1.00 | 1e+03 | 40 |" in text
    assert "| vgg-32 | 2 | 3 | 1.50 | 1.00 to 1.00 | 500 | 40 |" in text
    assert "| PyTorch / fnnets | vgg-32 | 1.50 | at least 1.5: reached |" in text
    assert "| vgg-32 | True | False |" in text
    assert "| vgg-32 | TF32 off | 2 | 1 |" in text
    assert "The time was over before: nielsen-10." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rounds", "0"], "rounds is 0"),
        (["--minutes", "0"], "minutes is 0.0, expected more than 0"),
        (["--rows", "alexnet", "--contract", ""], "rows: one is 'alexnet'"),
    ],
)
def test_bad_options_are_refused(arguments, said, capsys):
    assert gpu.main(arguments) == 2
    assert said in capsys.readouterr().err

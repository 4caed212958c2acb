import json

import numpy as np
import pytest

from experiments.benchmarks import agreement, contestants, feedforward, peers, report
from experiments.benchmarks.__main__ import main
from experiments.benchmarks.setting import random_examples, setting

DRAWING = (report.EXPLICIT, report.AUTOMATIC, report.MONITORED)


@pytest.fixture(scope="module")
def small():
    """A network with two hidden layers and a short last minibatch."""
    return setting("6-5-4-3:8", *random_examples(60, 6, 3))


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The content that the benchmark of a tiny net writes."""
    out = tmp_path_factory.mktemp("out")
    options = ["--examples", "60", "--rounds", "2", "--nets", "784-5-10:10", "--out", str(out)]
    assert feedforward.main(options) == 0
    return json.loads((out / "feedforward.json").read_text())


def test_all_contestants_arrive_at_the_same_parameters(small):
    trainers, _ = feedforward.enter(small)
    differences = agreement.compare(small, trainers, DRAWING)
    assert len(differences) == len(trainers) - 1
    assert max(differences.values()) < 1e-4
    assert agreement.disagreeing(differences) == []


def test_walking_moves_the_parameters_and_leaves_the_setting_alone(small):
    before = [array.copy() for pair in contestants.plain(small.params) for array in pair]
    trainers, _ = feedforward.enter(small)
    for each in trainers:
        each.epoch()
        walked = [array for pair in each.walk(small.inputs, small.targets) for array in pair]
        assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(walked, before, strict=True)), each.name
    after = [array for pair in contestants.plain(small.params) for array in pair]
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


def test_a_contestant_with_another_learning_rate_is_found(small, monkeypatch):
    right = contestants.fit(small, report.EXPLICIT)
    monkeypatch.setattr(peers, "LEARNING_RATE", 0.11)
    differences = agreement.compare(small, [right, peers.numpy_loop(small, report.NUMPY, 1)], DRAWING)
    assert agreement.disagreeing(differences) == [report.NUMPY]


def test_parameters_that_are_not_numbers_never_agree():
    nothing, one = [(np.array([[np.nan]]), np.array([0.0]))], [(np.array([[1.0]]), np.array([1.0]))]
    assert agreement.disagreeing({"a": agreement.difference(nothing, one)}) == ["a"]


def test_what_is_written_names_versions_device_and_every_sample(content):
    (net,) = content["nets"]
    assert {"jax", "numpy", "optax", "fnnets", "scikit-learn"} <= set(content["versions"])
    assert content["settings"] == {"data": "random", "examples": 60, "rounds": 2}
    assert all(len(seconds) == 2 for seconds in net["samples"].values())
    assert {report.EXPLICIT, report.AUTOMATIC, report.BARE, report.PER_STEP, report.NUMPY} <= set(net["samples"])
    assert (net["steps"], net["flops"]) == (6, 2 * 60 * (2 * 784 * 5 + 3 * 5 * 10))


def test_without_torch_the_rest_runs_and_says_so(monkeypatch, small, capsys, tmp_path):
    monkeypatch.setattr(peers, "has_torch", lambda: False)
    monkeypatch.setattr(feedforward.rates, "has_torch", lambda: False)
    trainers, settings = feedforward.enter(small)
    assert report.TORCH not in [each.name for each in trainers]
    assert settings == {}
    samples = {name: seconds for name, seconds in _net()["samples"].items() if name != report.TORCH}
    monkeypatch.setattr(feedforward, "measure", lambda each, rounds: _net() | {"torch": settings, "samples": samples})
    assert feedforward.run(feedforward.Options(examples=20, rounds=1, nets=("784-3-2:5",), out=tmp_path)) == 0
    assert "PyTorch eager: skipped, torch is not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nets", "784,30"], "expected sizes and a minibatch as in 784-30-10:10"),
        (["--nets", "12-3-2:5", "--examples", "20"], "takes 12 inputs, expected 784"),
        (["--nets", "784-3-2:50", "--examples", "20"], "minibatches of 50, expected at most 20"),
        (["--examples", "0"], "examples is 0"),
        (["--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_a_bad_option_is_one_line(options, message, capsys):
    assert feedforward.main(options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_table_keeps_cpu_and_gpu_apart(content, tmp_path, capsys):
    found = tmp_path / "found"
    found.mkdir()
    for name, device, torch in (("one", "Some GPU", {}), ("two", "CPU, 2 cores", _net()["torch"])):
        nets = [{**content["nets"][0], "torch": torch}]
        (found / f"{name}.json").write_text(json.dumps({**content, "device": device, "nets": nets}))
    imports = {"import_time": 0, "name": "import_time", "command": "c", "versions": {}, "device": "CPU, 2 cores"}
    imports |= {"samples": {"jax, optax": [0.5], "jax, optax, fnnets": [0.6]}, "added": 0.1}
    (found / "import_time.json").write_text(json.dumps(imports))
    readme = tmp_path / "README.md"
    options = ["--collect", str(found), "--measured", str(tmp_path / "measured"), "--readme", str(readme)]
    assert main(["table", *options]) == 0
    text = readme.read_text()
    assert text.index("## CPU, 2 cores") < text.index("fnnets adds 0.10 s") < text.index("## Some GPU")
    assert text.count("### 784-5-10:10") == 2
    assert text.count("PyTorch ran with 1 of 2 threads") == 1
    assert (tmp_path / "measured" / "two-cpu-2-cores.json").exists()
    assert str(tmp_path) not in text


def test_bars_are_judged_by_ratios_to_the_explicit_fit():
    bars = {bar.name: (bar.ratio, bar.verdict) for bar in report.bars(_net())}
    assert bars == {
        "explicit / automatic": (0.5, "reached"), "fit / bare scan": (1.25, "missed"),
        "PyTorch eager / fit": (2.0, "missed"),
    }  # fmt: skip
    assert "PyTorch eager / fit: 2.000, bar at least 3: missed" in report.text(_net())


def test_an_unknown_command_is_refused(capsys):
    assert main(["nonsense"]) == 2
    assert "there is no benchmark 'nonsense', expected one of" in capsys.readouterr().err
    assert main(["feedforwrd"]) == 2
    assert "; write python -m experiments.benchmarks feedforward\n" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--nosuch"], ["--rounds", "two"], ["--rounds", "0"], ["extra"]])
def test_a_bad_option_of_a_benchmark_is_one_line(arguments, capsys):
    assert main(["feedforward", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "feedforward: " in printed.err


def test_nothing_lists_the_benchmarks(capsys):
    assert main([]) == 0
    assert all(f"\n{name} " in capsys.readouterr().out for name in ("table",))


def _net():
    samples = {report.EXPLICIT: [1.0, 1.0], report.AUTOMATIC: [2.0, 2.0], report.BARE: [0.8, 0.8]}
    return {
        "name": "784-3-2:10", "sizes": [784, 3, 2], "batch_size": 10, "steps": 5, "flops": 1000, "loops": [],
        "samples": samples | {report.TORCH: [2.0, 2.0]}, "gradient": {"explicit": [1.0], "automatic": [1.0]},
        "gemm": {"JAX, forward": 1.0}, "agreement": {"a": 1e-6},
        "torch": {"threads": 1, "default_threads": 2, "optimizer": "fused"},
    }  # fmt: skip


@pytest.mark.parametrize("option", ["--collect", "--measured"])
def test_a_table_of_no_folder_is_not_written(option, tmp_path, capsys):
    (tmp_path / "README.md").write_text("kept")
    assert main(["table", option, f"{tmp_path}/nowhere", "--readme", f"{tmp_path}/README.md"]) == 2
    assert "nowhere, expected a folder of results; give one\n" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "kept"

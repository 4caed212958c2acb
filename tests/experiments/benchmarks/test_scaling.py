"""The benchmark of scaling on a small scale, its arithmetic by hand, and that each of its checks can fail."""

import copy
import functools
import json
import os
import subprocess

import jax
import numpy as np
import pytest

import fnnets as fn
from experiments.benchmarks import scaling, scaling_child, scaling_devices, scaling_memory, scaling_setting, table
from experiments.benchmarks import scaling_checkpoint as checkpoint
from experiments.benchmarks import scaling_many as many
from experiments.benchmarks import scaling_streaming as streaming
from experiments.benchmarks.__main__ import main

SMALL = ["--rounds", "1", "--epochs", "1", "--examples", "300", "--steps", "1", "--networks", "2"]


def here(answers, job, given, devices=1, count=0):
    """The job in this process, which has 8 devices, in place of others; what ran before is not done again."""
    request = json.dumps([job, given])
    answers[request] = answers.get(request) or scaling_child.JOBS[job](**given)
    return [answers[request]] * max(1, count)


@pytest.fixture
def content(monkeypatch, tmp_path, capsys):
    """The content of a run of all parts, with a network of a few units; this process plays all others."""
    monkeypatch.setattr(scaling_devices, "SIZES", {"784-100-10": 16})
    monkeypatch.setattr(scaling_devices, "dense", lambda: scaling_setting.dense(2))
    monkeypatch.setattr(streaming, "dense", lambda: scaling_setting.dense(2))
    monkeypatch.setattr(checkpoint, "SIZES", (100,))
    monkeypatch.setattr(checkpoint, "BARRED", 100)
    for module in (scaling_devices, many, scaling_memory):
        monkeypatch.setattr(module, "ask", functools.partial(here, {}))
    monkeypatch.setattr(many, "SHARDED", "elsewhere")
    monkeypatch.setattr(many, "DEVICES", 3)  # which do not divide 2 networks
    options = [*SMALL, "--counts", "1", "8", "--gigabytes", "1e-4", "--out", str(tmp_path)]
    assert main(["scaling", *options]) == 0
    return json.loads((tmp_path / "scaling.json").read_text())


def test_all_parts_are_measured_and_told(content):
    assert list(content["parts"]) == list(scaling.PARTS)
    assert not {"out", "scratch", "data_dir"} & set(content["settings"])
    text = table.markdown([content])
    assert all(part.title in text for part in scaling.PARTS.values())
    for bar in ("at most 1.05", "at least 0.8", "at least 3", "at most 2"):
        assert bar in text
    strong = content["parts"]["devices"]["rows"][0]
    assert strong["messages"] == {"all-reduce": 1}
    assert content["parts"]["memory"]["bytes"] == 125 * 800  # 1e-4 GB

    for name, spoil in {
        "devices": lambda part: part["rows"][0].update(difference=0.1),
        "processes": lambda part: part["rows"][2].update(difference=0.1),
        "checkpoint": lambda part: part["rows"][0].update(difference=1e-9),
        "streaming": lambda part: part["differences"].update({streaming.NPY: 0.1}),
        "many": lambda part: part["differences"].update({many.TOGETHER: float("inf")}),
        "memory": lambda part: part.update(epochs=0),
    }.items():
        part, good = copy.deepcopy(content["parts"][name]), content["parts"][name]
        spoil(part)
        assert (len(scaling.PARTS[name].wrong(good)), len(scaling.PARTS[name].wrong(part))) == (0, 1)


def test_another_message_is_seen():
    row = {"network": "a", "scaling": "weak", "count": 8, "messages": {"all-reduce": 1, "all-gather": 1}}
    (line,) = scaling_devices.wrong({"of": "devices", "rows": [row]})
    assert "all-gather" in line


def test_an_epoch_is_the_difference_of_two_runs():
    """Runs of 2 + 3 e seconds, by a clock that each run sets forward."""
    line = scaling_setting._line([5.0, 6.0], [17.0, 18.0], 4)
    assert line == {"epoch": [3.0, 3.0], "rest": [2.0, 3.0]}


def test_ratios_by_hand():
    runs = {checkpoint.WITHOUT: {"epoch": [1.0, 2.0], "rest": [1.0, 1.0]}}
    runs[checkpoint.WITH] = {"epoch": [1.1, 2.2], "rest": [1.5, 1.5]}
    part = {"data": "random", "examples": 3, "rows": [{"size": 10, "difference": 0.0, "runs": runs}]}
    assert checkpoint.rows(part)[1][-2:] == ("10.0 %", "0.50")
    (bar,) = checkpoint.bars(part)
    assert (round(bar.ratio, 9), bar.verdict) == (1.1, "missed")
    runs = {streaming.MEMORY: {"epoch": [1.0], "rest": [0.0]}, streaming.NPY: {"epoch": [1.25], "rest": [0.0]}}
    (bar,) = streaming.bars({"runs": runs})
    assert (bar.ratio, bar.verdict) == (0.8, "reached")
    runs = {many.SINGLE: {"epoch": [6.0]}, many.TOGETHER: {"epoch": [2.0]}, many.SHARDED: {"epoch": [3.0]}}
    (bar,) = many.bars({"networks": 30, "examples": 5, "runs": runs})
    assert (bar.ratio, bar.verdict, many._faster(runs, many.SHARDED)) == (3.0, "reached", 2.0)


def test_a_difference_is_relative_and_nan_is_infinite():
    ones = [np.ones(3), np.array([2.0, 4.0])]
    assert scaling_setting.difference([np.ones(3), np.array([2.0, 5.0])], ones) == 0.25
    assert scaling_setting.difference([np.full(3, np.nan), ones[1]], ones) == np.inf


def test_the_files_are_read_as_they_were_written(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(fn.data.memory_map(streaming.write_idx(tmp_path / "a", pixels)), pixels)
    scaling_memory.sparse(tmp_path / "b", (5, 7))
    np.testing.assert_array_equal(fn.data.memory_map(tmp_path / "b"), np.zeros((5, 7), np.uint8))


def test_a_file_system_without_room_is_told(monkeypatch, capsys, tmp_path):
    def refuse(path, shape):
        raise OSError(27, "File too large")

    monkeypatch.setattr(scaling_memory, "sparse", refuse)
    assert scaling.main(["--parts", "memory", "--out", str(tmp_path)]) == 0
    assert "skipped, a sparse file of 20 GB cannot be made (File too large)" in capsys.readouterr().out
    content = json.loads((tmp_path / "scaling.json").read_text())
    assert "Skipped: a sparse file" in scaling.markdown(content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parts", "device"], "parts: 'device' came"),
        (["--counts", "2", "2"], "counts are (2, 2)"),
        (["--rounds", "0"], "rounds is 0"),
        (["--examples", "100"], "examples is 100"),
        (["--gigabytes", "0"], "gigabytes is 0"),
    ],
)
def test_bad_options_are_one_line(options, message, capsys):
    assert scaling.main(options) == 2
    assert message in capsys.readouterr().err


def test_a_process_answers_with_a_peak_of_its_own(tmp_path):
    """This one holds 300 MB more than its child needs: ru_maxrss would say so of the child too."""
    held = np.ones(300 * 2**20 // 8)
    files = {"images": str(tmp_path / "images"), "labels": str(tmp_path / "labels")}
    scaling_memory.sparse(tmp_path / "images", (6, 3))
    scaling_memory.sparse(tmp_path / "labels", (6,))
    (answer,) = scaling_setting.ask("memory", files, devices=3)
    assert (answer.found["bytes"], answer.found["examples"], answer.found["epochs"], answer.arrays) == (18, 6, 1, [])
    assert answer.found["before"] <= answer.found["peak"]
    if os.path.exists("/proc/self/status"):
        assert answer.found["peak"] < scaling_setting.peak() - held.nbytes / 2


def test_a_process_that_has_started_already_is_no_child(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    count = jax.device_count()
    request = {"job": "memory", "given": {}, "devices": count + 1, "folder": str(tmp_path)}
    with pytest.raises(RuntimeError, match=f"there are {count} devices, expected {count + 1}"):
        scaling_child.main([json.dumps(request)])


def test_a_process_that_fails_is_told(monkeypatch):
    ended = subprocess.CompletedProcess([], 1, stderr="Traceback\nKeyError: 'nothing'\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: ended)
    with pytest.raises(RuntimeError, match="the part many ended with status 1 in another process: KeyError: 'nothing'"):
        scaling_setting.ask("many", {})

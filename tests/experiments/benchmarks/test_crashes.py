"""The benchmark of crashes on a small scale, and that each of its checks can fail."""

import json

import numpy as np
import pytest

from experiments.benchmarks import crashes


def test_a_run_that_is_killed_ends_where_nothing_had_happened(tmp_path, capsys):
    options = crashes.Options(kills=1, per_run=1, epochs=10, seconds=0.2, out=tmp_path)
    assert crashes.run(options) == 0
    content = json.loads((tmp_path / "crashes.json").read_text())
    assert (content["kills"], content["runs"], content["same"]) == (1, 1, 1)
    assert "1 end bit for bit where nothing had happened" in capsys.readouterr().out


def test_a_single_bit_is_seen(tmp_path):
    for name, value in (("a", 1.0), ("b", 1.0), ("c", np.nextafter(1.0, 2))):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "end.npz", np.array([0.5, value]))
    assert crashes.same(tmp_path / "a", tmp_path / "b")
    assert not crashes.same(tmp_path / "a", tmp_path / "c")


def test_what_a_killed_save_leaves_is_seen(tmp_path):
    folder = tmp_path / "checkpoints"
    for step in range(crashes.KEEP):
        (folder / str(step)).mkdir(parents=True)
    assert crashes.tidy(tmp_path)
    (folder / "7.orbax-checkpoint-tmp").mkdir()
    assert not crashes.tidy(tmp_path)


def test_one_save_more_than_are_kept_is_seen(tmp_path):
    for step in range(crashes.KEEP + 1):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    assert not crashes.tidy(tmp_path)


class Worker:
    """A process that prints one line."""

    def __init__(self, text):
        self.stderr = [text]


def test_a_run_that_goes_on_elsewhere_is_seen():
    crashes._check_start(Worker("fit: goes on after 8 minibatches of epoch 3, from …"), (5, 2, 8))
    crashes._check_start(Worker("fit: goes on after epoch 3, from …"), (5, 3, 0))
    crashes._check_start(Worker("fit: epoch 1 …"), None)
    for text, before in (
        ("fit: goes on after epoch 3", (5, 4, 0)),
        ("fit: goes on after epoch 3", None),
        ("fit: epoch 1", (5, 4, 0)),
    ):
        with pytest.raises(RuntimeError, match=r"went on at|did not go on"):
            crashes._check_start(Worker(text), before)

"""Directories of runs: whose they are, damaged checkpoints, and what killed processes leave behind."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.training.checkpoint.manager import Checkpoint, managed
from fnnets.training.epoch import start

RUN = {"run": {"batch_size": 10}}


@pytest.fixture(scope="module")
def state():
    net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    return start(net, fn.training.momentum(0.1), key=jax.random.key(0))


@pytest.fixture
def run(tmp_path, state):
    """A directory with the checkpoints 1, 2 and 3 of epochs 1, 2 and 3."""
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        for epoch in (1, 2, 3):
            manager.save(state._replace(epoch=jnp.int32(epoch)), [])
    return tmp_path


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def opened(folder, state, fingerprint=RUN):
    with managed(Checkpoint(folder), fingerprint, state) as manager:
        return manager.restore()


def data(save):
    return save / "default" / "bytes" / "0"


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(save):
    shutil.rmtree(save)
    save.mkdir()


def forge(save):
    """Metadata that are JSON, but say another checksum."""
    path = save / "_CHECKPOINT_METADATA"
    content = json.loads(path.read_text())
    content["custom_metadata"]["content"]["crc"] ^= 1
    path.write_text(json.dumps(content))


def change(part, value):
    """A damage: metadata that are JSON, of which a part is something else."""

    def damage(save):
        path = save / "_CHECKPOINT_METADATA"
        content = json.loads(path.read_text())
        inner = content["custom_metadata"]
        for name in part[:-1]:
            inner = inner[name]
        inner[part[-1]] = value
        path.write_text(json.dumps(content))

    return damage


DAMAGES = {
    "a fingerprint that is none": change(["fingerprint"], 3),
    "a table that is none": change(["content"], [1, 2]),
    "a table without checksums": change(["content"], {}),
    "a table of other sums": change(["content", "sums"], {"leaf_7": 1}),
    "another program's metadata": change(["content"], "weights"),
    "truncated data": lambda save: truncate(data(save)),
    "empty data": lambda save: data(save).write_bytes(b""),
    "a flipped bit": lambda save: flip(data(save)),
    "deleted data": lambda save: data(save).unlink(),
    "deleted array": lambda save: shutil.rmtree(data(save).parent),
    "deleted description of the array": lambda save: (data(save).parent / ".zarray").unlink(),
    "garbage for the description": lambda save: (data(save).parent / ".zarray").write_text("{"),
    "deleted metadata": lambda save: (save / "_CHECKPOINT_METADATA").unlink(),
    "truncated metadata": lambda save: truncate(save / "_CHECKPOINT_METADATA"),
    "garbage metadata": lambda save: (save / "_CHECKPOINT_METADATA").write_text("[1, 2"),
    "metadata of another kind": lambda save: (save / "_CHECKPOINT_METADATA").write_text("[1, 2]"),
    "metadata of nothing": lambda save: (save / "_CHECKPOINT_METADATA").write_text("{}"),
    "another checksum": forge,
    "deleted metadata of the tree": lambda save: (save / "default" / "_METADATA").unlink(),
    "garbage for the tree": lambda save: (save / "default" / "_METADATA").write_text("nothing"),
    "an empty folder": empty,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_save_is_passed_over_with_one_line(run, state, damage, capfd):
    damage(run / "3")
    before = everything(run / "3")
    with pytest.warns(RuntimeWarning) as warned:
        saved = opened(run, state)
    assert int(saved.state.epoch) == 2
    said = [str(each.message) for each in warned]
    assert len(said) == 1
    assert re.fullmatch(rf"fit: checkpoint {run}/3: is damaged, .*; going on from {run}/2 instead", said[0])
    assert "\n" not in said[0]
    assert everything(run / "3") == before
    assert capfd.readouterr().err == ""


def test_a_whole_save_is_passed_over_by_nobody(run, state):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int(opened(run, state).state.epoch) == 3


def test_several_damaged_saves(run, state):
    empty(run / "3")
    truncate(data(run / "2"))
    with pytest.warns(RuntimeWarning) as warned:
        assert int(opened(run, state).state.epoch) == 1
    assert [re.search(r"run/(\d)|/(\d): is", str(each.message)) is not None for each in warned] == [True, True]


def test_the_run_goes_on_after_a_damaged_save(run, state):
    empty(run / "3")
    with pytest.warns(RuntimeWarning), managed(Checkpoint(run), RUN, state) as manager:
        manager.save(manager.restore().state._replace(epoch=jnp.int32(3)), [])
    assert sorted(entry.name for entry in run.iterdir()) == ["2", "3", "4"]
    assert int(opened(run, state).state.epoch) == 3


@pytest.mark.parametrize("damage", [empty, lambda save: data(save).unlink()], ids=["metadata", "arrays"])
def test_all_damaged_is_an_error_and_nothing_is_deleted(run, state, damage):
    for save in "123":
        damage(run / save)
    before = everything(run)
    with pytest.raises(
        fn.training.CheckpointError, match=r"holds 3 checkpoints and each is damaged, the newest 3: .*give another path"
    ):
        opened(run, state)
    assert everything(run) == before


def test_another_run_is_refused_before_anything_is_touched(run, state):
    (run / "7.orbax-checkpoint-tmp").mkdir()
    before = everything(run)
    with pytest.raises(
        fn.training.CheckpointError, match=r"belongs to another run: run: batch_size is 10 there and 20 here"
    ):
        opened(run, state, {"run": {"batch_size": 20}})
    assert everything(run) == before


def test_another_run_is_refused_where_its_newest_save_is_damaged(run, state):
    empty(run / "3")
    with pytest.raises(fn.training.CheckpointError, match="belongs to another run"):
        opened(run, state, {"run": {"batch_size": 20}})


def test_another_state_is_refused_with_its_first_path(run, state):
    other = state._replace(params=jax.tree.map(lambda leaf: leaf[..., None], state.params))
    with pytest.raises(
        fn.training.CheckpointError, match=re.escape("holds .params[0].weights of float32 (2, 3), expected")
    ):
        opened(run, other)


def test_another_release_of_jax_is_said_and_not_refused(run, state):
    with pytest.warns(RuntimeWarning, match="was saved under jax None on None, now jax 9 on cpu"):
        assert opened(run, state, {**RUN, "jax": "9", "platform": "cpu"}) is not None


def test_a_file_is_no_directory(tmp_path, state):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(fn.training.CheckpointError, match=r"a file, expected a directory; give another path"):
        opened(path, state)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.tex", "best.safetensors", "run-3"])
def test_a_directory_of_other_things_is_refused(tmp_path, state, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(fn.training.CheckpointError, match=rf"holds '{re.escape(name)}' and no checkpoints"):
        opened(tmp_path, state)
    assert everything(tmp_path) == {tmp_path / name: b"mine"}


def test_an_empty_directory_will_do(tmp_path, state):
    assert opened(tmp_path, state) is None


def test_other_files_beside_saves_stay(run, state):
    (run / "notes.txt").write_text("mine")
    (run / "figures").mkdir()
    with managed(Checkpoint(run), RUN, state) as manager:
        manager.save(state._replace(epoch=jnp.int32(4)), [])
    assert sorted(entry.name for entry in run.iterdir()) == ["2", "3", "4", "figures", "notes.txt"]


def test_what_killed_saves_left_is_removed(run, state):
    for left in ("4.orbax-checkpoint-tmp", "best.safetensors.orbax-checkpoint-tmp"):
        shutil.copytree(run / "3", run / left)
    assert int(opened(run, state).state.epoch) == 3
    with managed(Checkpoint(run), RUN, state) as manager:
        manager.save(state._replace(epoch=jnp.int32(4)), [])
    assert sorted(entry.name for entry in run.iterdir()) == ["2", "3", "4"]


def test_what_the_first_save_left_is_no_foreign_content(tmp_path, state):
    (tmp_path / "1.orbax-checkpoint-tmp").mkdir()
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        assert manager.restore() is None
        manager.save(state._replace(epoch=jnp.int32(1)), [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


LIMITED = """
import resource, sys, warnings
import jax, jax.numpy as jnp, fnnets as fn
from fnnets.training.checkpoint.manager import Checkpoint, managed
from fnnets.training.epoch import start

net = fn.feedforward([300, 200], objective=fn.objectives.softmax_log_likelihood)
state = start(net, fn.training.momentum(0.1), key=jax.random.key(0))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with managed(Checkpoint(sys.argv[1], on_error=sys.argv[2]), {}, state) as manager:
    manager.save(state._replace(epoch=jnp.int32(1)), [])
    manager.save(state._replace(epoch=jnp.int32(2)), [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    manager.save(state._replace(epoch=jnp.int32(3)), [])
print("went on")
"""


@pytest.mark.parametrize("failure", ["raise", "continue"])
def test_files_that_may_not_grow(tmp_path, failure):
    """The operating system's own refusal, as of a full disk."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), failure], capture_output=True, text=True, env=environment
    )
    assert ("went on" in ran.stdout) == (failure == "continue") == (ran.returncode == 0), ran.stderr
    last = ran.stderr.strip().splitlines()[-1 if failure == "raise" else 0]
    assert "a save to" in last
    assert "File too large" in last
    assert (tmp_path / "1").is_dir()  # what was whole stays

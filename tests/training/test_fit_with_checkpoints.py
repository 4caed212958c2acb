"""fit with a checkpoint: where it goes on, that it ends at the same bits, and what it refuses."""

import os
import re
import signal

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import Checkpoint
from fnnets.training.streaming import chunks, streaming_epoch
from tests.training.streaming.test_streaming_epoch import stopping

KEY = jax.random.key(11)
SOFTMAX = fn.objectives.softmax_log_likelihood
DESCENT = fn.training.momentum(0.2, 0.9)
NET = fn.feedforward([4, 5, 3], objective=SOFTMAX, l2=0.5, dropout=0.2)


def examples(n=67, key=KEY):
    return fn.Batch(np.asarray(jax.random.normal(key, (n, 4))), (np.arange(n) % 3).astype(np.int32))


VALIDATION = examples(20, jax.random.key(12))


def fit(train, directory=None, net=NET, optimizer=DESCENT, **settings):
    settings = {"key": KEY, "epochs": 5, "batch_size": 10, "progress": False, "validation": VALIDATION} | settings
    return fn.fit(net, optimizer, train, checkpoint=directory, **settings)


def assert_same_bits(first, second):
    ours = {"params": first.params, "state": first.state._replace(key=None), "history": first.history}
    theirs = {"params": second.params, "state": second.state._replace(key=None), "history": second.history}
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert first.state.key == second.state.key


def files(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_the_same_call_goes_on_and_ends_at_the_same_bits(tmp_path, capsys):
    train = examples()
    whole = fit(train)
    assert_same_bits(fit(train, tmp_path, epochs=2), fit(train, epochs=2))
    resumed = fit(train, tmp_path, progress=True)
    assert_same_bits(resumed, whole)
    assert len(resumed.history.cost) == 5
    assert "fit: goes on after epoch 2, from its checkpoint\nfit: epoch 3" in capsys.readouterr().err
    again = fit(train, tmp_path)
    assert again.stopped == "finished 5 epochs"
    assert_same_bits(again, whole)


def test_an_rbm_goes_on_with_its_chains(tmp_path):
    net = fn.rbm(4, 3, sampler=fn.boltzmann.persistent_contrastive_divergence(chains=6))
    train = fn.Batch((examples().inputs > 0).astype(np.float32))
    settings = {"net": net, "validation": None}
    fit(train, tmp_path, epochs=2, **settings)
    assert_same_bits(fit(train, tmp_path, **settings), fit(train, **settings))


def test_a_run_that_had_stopped_early_stays_stopped(tmp_path):
    wrong = VALIDATION._replace(targets=(VALIDATION.targets + 1) % 3)
    settings = {"validation": wrong, "patience": 2, "epochs": 50}
    first = fit(examples(), tmp_path, **settings)
    assert first.stopped.startswith("no better for 2 epochs")
    assert_same_bits(fit(examples(), tmp_path, **settings), first)


def test_a_state_that_is_gone_on_from_has_a_run_of_its_own(tmp_path):
    begun = fn.fit(NET, DESCENT, examples(), key=KEY, epochs=1, progress=False)
    settings = {"key": None, "state": begun.state}
    whole = fit(examples(), epochs=3, **settings)
    fit(examples(), tmp_path, epochs=1, **settings)
    resumed = fit(examples(), tmp_path, epochs=3, **settings)
    assert_same_bits(resumed, whole)
    assert int(resumed.state.epoch) == 4


@pytest.mark.parametrize("after", [2, 6])
def test_a_stream_goes_on_within_an_epoch(tmp_path, monkeypatch, after):
    """Stopped by Ctrl-C in the first and the second epoch, of four chunks each; the last checkpoint is of the stop."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 * 10 * (4 * 4 + 4))
    train = fn.data.stream(examples().inputs, examples().targets, block=8, pool=3)
    whole = fit(train, epochs=3)
    with monkeypatch.context() as patched:
        stopping(patched, after)
        stopped = fit(train, tmp_path, epochs=3)
    assert int(stopped.state.position) > 0
    assert_same_bits(fit(train, tmp_path, epochs=3), whole)


def test_minutes_save_within_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 * 10 * (4 * 4 + 4))
    train = fn.data.stream(examples().inputs, examples().targets)
    fit(train, Checkpoint(tmp_path, every=None, minutes=1e-9, keep=100), epochs=2)
    assert sum(entry.name.isdecimal() for entry in tmp_path.iterdir()) == 2 * 4 + 2


def test_a_source_that_fails_leaves_what_was_saved_and_goes_on_when_it_is_mended(tmp_path, monkeypatch):
    batches = [fn.Batch(*(part[i : i + 10] for part in examples(60)[:2]), dataset_size=60) for i in range(0, 60, 10)]
    train = {"fails": False}

    def read(epoch):
        yield from batches[:3]
        if epoch == 2 and train["fails"]:
            raise OSError(5, "Input/output error")
        yield from batches[3:]

    settings = {"batch_size": None, "epochs": 4}
    whole = fit(read, **settings)
    train["fails"] = True
    with pytest.raises(fn.data.DataError, match="failed in epoch 3, after"):
        fit(read, tmp_path, **settings)
    train["fails"] = False
    assert_same_bits(fit(read, tmp_path, **settings), whole)


def test_other_devices_go_on(tmp_path):
    train, mesh = examples(64), jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    whole = fit(train, epochs=3, batch_size=8)
    fit(train, tmp_path, epochs=1, batch_size=8, mesh=mesh)
    fit(train, tmp_path, epochs=2, batch_size=8)
    ended = fit(train, tmp_path, epochs=3, batch_size=8, mesh=mesh)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ended.params, whole.params)


def test_a_run_that_diverges_keeps_its_last_good_state(tmp_path):
    net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    train = examples()._replace(targets=np.eye(3, dtype=np.float32)[examples().targets])
    wild = fn.training.momentum(50.0)
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        first = fit(train, tmp_path, net, wild, validation=None, epochs=30)
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        second = fit(train, tmp_path, net, wild, validation=None, epochs=30)
    assert_same_bits(second, first)


def test_ctrl_c_saves(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)
    train = fn.data.stream(examples().inputs, examples().targets)

    def interrupting(compiled, load, transform, examine):
        def chunk(*arguments):
            os.kill(os.getpid(), signal.SIGINT)
            return compiled.chunk(*arguments)

        return made(compiled._replace(chunk=chunk), load, transform, examine)

    made = streaming_epoch.train_chunks
    with monkeypatch.context() as patched:
        patched.setattr(streaming_epoch, "train_chunks", interrupting)
        stopped = fit(train, Checkpoint(tmp_path, every=100))
    assert stopped.stopped == "interrupted after 1 minibatches of epoch 1"
    assert_same_bits(fit(train, tmp_path), fit(train))


OTHERS = {
    "run: batch_size is 10 there and 20 here": {"batch_size": 20},
    "run: key is": {"key": jax.random.key(1)},
    "run: gradient is 'explicit' there and 'automatic' here": {"gradient": "automatic"},
    "run: monitored is": {"validation": None},
    "run: validation is": {"validation": examples(20)},
    "network: params[0].weights of shape (5, 4), float32 there and params[0].weights of shape (6, 4)": {
        "net": fn.feedforward([4, 6, 3], objective=SOFTMAX, l2=0.5, dropout=0.2)
    },
    "network: activations, objective, penalty or dropout differ": {
        "net": fn.feedforward([4, 5, 3], objective=SOFTMAX, l2=0.6, dropout=0.2)
    },
    "optimizer: its rule or a rate differs": {"optimizer": fn.training.momentum(0.1, 0.9)},
    "data: the contents of targets differ": {
        "train": examples()._replace(targets=(examples().targets + 1) % 3)
    },
    "data: inputs has the shape [67, 4] there and [66, 4] here": {"train": examples(66)},
}  # fmt: skip


@pytest.fixture(scope="module")
def of_another_run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("another") / "run"
    fit(examples(), directory, epochs=1)
    return directory


@pytest.mark.parametrize("message", OTHERS)
def test_another_run_is_refused_with_what_differs_and_nothing_is_touched(of_another_run, message):
    before = files(of_another_run)
    settings = {"train": examples()} | OTHERS[message]
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        fit(directory=of_another_run, **settings)
    assert "\n" not in str(refused.value)
    assert files(of_another_run) == before


@pytest.mark.parametrize(
    ("checkpoint", "error", "message"),
    [
        (3, TypeError, "fit: checkpoint is 3"),
        (Checkpoint("x", every=0), ValueError, "checkpoint.every is 0"),
        (Checkpoint("x", minutes=-1.0), ValueError, "checkpoint.minutes is -1"),
        (Checkpoint("x", keep=0), ValueError, "checkpoint.keep is 0"),
        (Checkpoint("x", on_error="panic"), ValueError, "checkpoint.on_error is 'panic'"),
        (Checkpoint("x", every=None), ValueError, "every and minutes are both None"),
    ],
)
def test_bad_settings_are_refused(checkpoint, error, message):
    with pytest.raises(error, match=re.escape(message)):
        fit(examples(), checkpoint)


def test_a_file_and_a_folder_of_other_things_are_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="a file, expected a directory"):
        fit(examples(), tmp_path / "file")
    with pytest.raises(ValueError, match=r"holds 'thesis.tex' and no checkpoints"):
        fit(examples(), tmp_path / "folder")
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "mine"


def test_a_run_that_has_come_further_than_is_asked_for_is_refused(tmp_path):
    """Its parameters are those of another epoch than the caller would think."""
    train = examples()
    done = fit(train, tmp_path, epochs=4)
    message = "fit: epochs is 1, but checkpoint.directory holds a run that has come to epoch 4, expected at least 4; "
    for epochs in (0, 1, 3):
        with pytest.raises(ValueError, match=re.escape(message.replace("is 1", f"is {epochs}"))):
            fit(train, tmp_path, epochs=epochs)
    assert_same_bits(fit(train, tmp_path, epochs=4), done)
    onward = fit(train, tmp_path / "onward", epochs=2, key=None, state=done.state)
    assert int(onward.state.epoch) == 6
    with pytest.raises(
        fn.training.CheckpointAheadError, match=r"epochs is 1, .* come to epoch 6, expected at least 2; give epochs=2"
    ):
        fit(train, tmp_path / "onward", epochs=1, key=None, state=done.state)


def test_a_directory_that_cannot_be_is_refused_before_the_data_are_looked_at(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for path, message in (("file", "is a file, expected a directory"), ("file/a/b", "lies below the file")):
        with pytest.raises(fn.training.CheckpointError, match=message):
            fit(fn.Batch("no data"), tmp_path / path)
    with pytest.raises(fn.training.CheckpointError, match="null character"):
        fit(fn.Batch("no data"), f"{tmp_path}/a\0b")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name, message in (("link/run", "lies below the link to nothing"), ("x" * 300, "cannot be looked at .*; give")):
        with pytest.raises(fn.training.CheckpointError, match=message):
            fit(fn.Batch("no data"), tmp_path / name)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # a superuser may write anywhere
    with pytest.raises(fn.training.CheckpointError, match=r"runs/a cannot be written, as .* is read-only to this user"):
        fit(fn.Batch("no data"), tmp_path / "runs" / "a")
    assert not (tmp_path / "runs").exists()

"""Saving while training goes on: what is due when, what stays on disk, what a full disk does."""

import json
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.training.checkpoint import directories
from fnnets.training.checkpoint import manager as checkpoints
from fnnets.training.checkpoint.manager import Checkpoint, managed, settings
from fnnets.training.epoch import EpochReport, start
from fnnets.training.metrics import Metrics

RUN = {"run": {"batch_size": 10}}


@pytest.fixture(scope="module")
def state():
    net = fn.feedforward([3, 2], objective=fn.objectives.softmax_log_likelihood)
    return start(net, fn.training.momentum(0.1), key=jax.random.key(0))


def at(state, epoch, position=0, score=None):
    """The state at another place, each leaf of its parameters the epoch, with another best score."""
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, epoch), state.params)
    best = state.best if score is None else state.best._replace(params=params, score=jnp.float32(score))
    return state._replace(params=params, epoch=jnp.int32(epoch), position=jnp.int32(position), best=best)


def report(cost, accuracy=0.5):
    return EpochReport(np.bool_(True), {"training": Metrics(np.float32(cost), np.float32(accuracy))})


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def restored(folder, state):
    with managed(Checkpoint(folder), RUN, state) as manager:
        return manager.restore()


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_what_was_saved_comes_back_bit_for_bit(tmp_path, state):
    saved = at(state, 3, 7, 0.25)
    with managed(Checkpoint(tmp_path / "runs" / "a"), RUN, state) as manager:
        assert manager.restore() is None
        manager.save(saved, [report(0.3), report(np.pi)])
    with managed(Checkpoint(tmp_path / "runs" / "a"), RUN, state) as manager:
        found = manager.restore()
    same(found.state, saved)
    assert [each.metrics["training"].cost for each in found.reports] == [np.float32(0.3), np.float32(np.pi)]
    assert found.reports[0].metrics["training"].cost.dtype == np.float32
    assert bool(found.reports[0].finite)


def test_buffers_may_be_given_away_at_once(tmp_path, state):
    large = state._replace(memory=jnp.arange(1 << 18, dtype=jnp.float32))
    train = jax.jit(lambda state: state._replace(memory=state.memory * 0 - 1), donate_argnums=0)
    given = jax.tree.map(jnp.copy, large._replace(epoch=jnp.int32(1)))
    with managed(Checkpoint(tmp_path), RUN, large) as manager:
        manager.save(given, [])
        jax.block_until_ready(train(given))
        assert given.memory.is_deleted()
    with managed(Checkpoint(tmp_path), RUN, large) as manager:
        assert jnp.array_equal(manager.restore().state.memory, large.memory)


def test_the_newest_few_stay(tmp_path, state):
    with managed(Checkpoint(tmp_path, keep=2), RUN, state) as manager:
        for epoch in range(1, 6):
            manager.save(at(state, epoch), [])
    assert names(tmp_path) == ["4", "5"]
    with managed(Checkpoint(tmp_path, keep=2), RUN, state) as manager:
        assert int(manager.restore().state.epoch) == 5
        manager.save(at(state, 6), [])
    assert names(tmp_path) == ["5", "6"]


def test_a_place_is_saved_once(tmp_path, state):
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        manager.save(at(state, 1), [])
        manager.save(at(state, 1), [])
        assert not manager.due(at(state, 1), True)
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        manager.save(manager.restore().state, [])
    assert names(tmp_path) == ["1"]


def test_saves_are_due_every_few_epochs(tmp_path, state):
    with managed(Checkpoint(tmp_path, every=3), RUN, state) as manager:
        assert [epoch for epoch in range(1, 8) if manager.due(at(state, epoch), True)] == [3, 6]
        assert not manager.due(at(state, 3, 5), False)


def test_saves_are_due_after_minutes_within_an_epoch_too(tmp_path, state, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    with managed(Checkpoint(tmp_path, every=None, minutes=2), RUN, state) as manager:
        now[0] += 119
        assert not manager.due(at(state, 1), True)
        now[0] += 1
        assert manager.due(at(state, 1, 4), False)
        manager.save(at(state, 1, 4), [])
        assert not manager.due(at(state, 1, 5), False)


def test_the_best_stays_apart(tmp_path, state):
    from safetensors import safe_open

    path = tmp_path / "best.safetensors"
    with managed(Checkpoint(tmp_path, keep=1), RUN, state) as manager:
        manager.save(at(state, 1, score=0.5), [])
        assert not path.exists()  # the save that holds it is not known to be whole
        manager.save(at(state, 2, score=0.25), [])
        manager.save(at(state, 3, score=0.75), [])  # not better
    assert names(tmp_path) == ["3", "best.safetensors"]
    with safe_open(path, framework="numpy") as file:
        assert (file.metadata()["score"], file.metadata()["epoch"]) == ("0.25", "0")
        assert {float(file.get_tensor(name).max()) for name in file.keys()} == {2.0}  # noqa: SIM118
    with managed(Checkpoint(tmp_path, keep=1), RUN, state) as manager:
        manager.save(at(state, 4, score=0.3), [])
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["score"] == "0.25"


def test_no_best_without_validation(tmp_path, state):
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        manager.save(at(state, 1), [])
    assert names(tmp_path) == ["1"]


def test_a_damaged_best_is_written_again(tmp_path, state):
    path = tmp_path / "best.safetensors"
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        manager.save(at(state, 1, score=0.5), [])
    path.write_bytes(b"no safetensors")
    with pytest.warns(RuntimeWarning, match=r"best\.safetensors is damaged"):
        restored(tmp_path, state)
    assert directories.best_score(tmp_path) == 0.5


def refuse_to_write(monkeypatch, refuses=lambda: True):
    """A disk that is full whenever `refuses` says so, with TensorStore's own error for it."""
    handler = pytest.importorskip("orbax.checkpoint.type_handlers").NumpyHandler
    serialize = handler.serialize

    async def full(self, *args, **kwargs):
        if refuses():
            raise ValueError("RESOURCE_EXHAUSTED: Error writing local file: No space left on device")
        return await serialize(self, *args, **kwargs)

    monkeypatch.setattr(handler, "serialize", full)


def save_all(folder, state, *epochs, on_error="raise", then=None):
    with managed(Checkpoint(folder, on_error=on_error), RUN, state) as manager:
        for epoch in epochs:
            manager.save(at(state, epoch), [])
        if then is not None:
            raise then


def test_a_full_disk_stops_at_the_next_save_with_one_line(tmp_path, state, monkeypatch, capfd):
    refuse_to_write(monkeypatch)
    with pytest.raises(
        fn.training.CheckpointError, match=r"a save to .* failed .*No space left.*training stops; free space"
    ) as raised:
        save_all(tmp_path, state, 1, 2)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


def test_a_full_disk_is_told_at_the_end_at_the_latest(tmp_path, state, monkeypatch):
    refuse_to_write(monkeypatch)
    with pytest.raises(fn.training.CheckpointError, match="No space left"):
        save_all(tmp_path, state, 1)


def test_training_may_go_on_over_a_full_disk(tmp_path, state, monkeypatch):
    """Saves 2 and 3 fail, each with one warning at the next save; 1 and 4 are whole, and nothing else is left."""
    full = [False]
    refuse_to_write(monkeypatch, lambda: full[0])
    save_all(tmp_path, state, 1)
    full[0] = True
    with pytest.warns(RuntimeWarning) as warned:
        save_all(tmp_path, state, 2, 3, on_error="continue")
    said = [str(each.message) for each in warned]
    assert len(said) == 2
    assert all("No space left" in text and "training goes on" in text for text in said)
    full[0] = False
    save_all(tmp_path, state, 4)
    assert names(tmp_path) == ["1", "2"]
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        assert int(manager.restore().state.epoch) == 4


def test_a_disk_that_has_room_again_is_used_again(tmp_path, state, monkeypatch):
    calls = []
    refuse_to_write(monkeypatch, lambda: calls.append(1) or len(calls) == 2)
    with pytest.warns(RuntimeWarning) as warned:
        save_all(tmp_path, state, 1, 2, 3, on_error="continue")
    assert len(warned) == 1
    with managed(Checkpoint(tmp_path), RUN, state) as manager:
        assert int(manager.restore().state.epoch) == 3
    assert names(tmp_path) == ["1", "2"]


def test_a_directory_that_cannot_be_made(tmp_path, state):
    (tmp_path / "file").write_text("in the way")
    where = tmp_path / "file" / "run"
    with pytest.raises(fn.training.CheckpointError, match="training stops"):
        save_all(where, state)
    with pytest.warns(RuntimeWarning, match="training goes on"):
        save_all(where, state, 1, on_error="continue")


def test_an_error_of_training_is_not_hidden_by_one_of_saving(tmp_path, state, monkeypatch):
    refuse_to_write(monkeypatch)
    with pytest.raises(ZeroDivisionError), pytest.warns(RuntimeWarning, match="No space left"):
        save_all(tmp_path, state, 1, then=ZeroDivisionError())


def test_an_interrupted_run_has_its_last_save(tmp_path, state):
    with pytest.raises(KeyboardInterrupt):
        save_all(tmp_path, state, 1, then=KeyboardInterrupt())
    assert names(tmp_path) == ["1"]


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (7, TypeError, "fit: checkpoint is 7 of type int, expected the path"),
        ("", TypeError, "expected the path of a directory"),
        (Checkpoint("a", every=1.5), TypeError, "every is 1.5"),
        (Checkpoint("a", every=0), ValueError, "every is 0, expected at least 1"),
        (Checkpoint("a", minutes=0), ValueError, "minutes is 0"),
        (Checkpoint("a", every=None), ValueError, "every and minutes are both None"),
        (Checkpoint("a", keep=0), ValueError, "keep is 0"),
        (Checkpoint("a", on_error="ignore"), ValueError, "on_error is 'ignore', expected 'raise' or 'continue'"),
    ],
)
def test_settings_are_checked(value, error, says):
    with pytest.raises(error, match=re.escape(says)):
        settings(value)


def test_settings_may_be_a_path_or_none(tmp_path):
    assert settings(None) is None
    assert settings(tmp_path) == Checkpoint(tmp_path)
    assert json.loads(json.dumps(settings("a")))[0] == "a"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert settings(Checkpoint("a", every=None, minutes=0.5)).minutes == 0.5

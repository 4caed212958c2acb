import contextlib
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import fnnets as fn
from fnnets.training.distributed import processes
from fnnets.training.distributed.launch import VARIABLES
from tests.training.working import BATCH, EPOCHS, EXAMPLES, problem


def command(folder, mode):
    return [sys.executable, "-m", "tests.training.working", str(folder), mode]


@pytest.fixture(scope="module", autouse=True)
def one_device_each():
    """Processes of one CPU device, in float64, that find compiled programs where this one does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1")
        patch.setenv("JAX_PLATFORMS", "cpu")
        patch.setenv("JAX_ENABLE_X64", "1")
        yield


@pytest.fixture(scope="module")
def alone():
    """What one process on one device makes of the same examples in memory."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        net, optimizer, x, labels = problem()
        result = fn.fit(
            net, optimizer, fn.Batch(x, labels), key=jax.random.key(0), epochs=EPOCHS, batch_size=BATCH,
            evaluate_training=False, progress=False,
        )  # fmt: skip
        return jax.tree.leaves(jax.device_get(result.params))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder in which `count` processes have trained; each count once."""
    found = {}

    def folder(count):
        if count not in found:
            found[count] = tmp_path_factory.mktemp(f"processes-{count}")
            assert processes.launch(command(found[count], "trains"), count) == 0
        return found[count]

    return folder


def trained(folder, index):
    content = np.load(folder / f"process-{index}.npz")
    return [content[f"arr_{i}"] for i in range(4)], content["rows"]


@pytest.mark.parametrize("count", [2, 4])
def test_processes_train_as_one_does(together, alone, count):
    for index in range(count):
        leaves, _ = trained(together(count), index)
        assert all(leaf.dtype == np.float64 for leaf in leaves)
        for leaf, wanted in zip(leaves, alone, strict=True):
            np.testing.assert_allclose(leaf, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [2, 4])
def test_each_process_reads_the_rows_of_its_share_alone(together, count):
    read = [trained(together(count), index)[1] for index in range(count)]
    # three minibatches of 8 and one of 6, each cut into equal parts, whose last is short
    shares = {2: [15, 15], 4: [8, 8, 8, 6]}[count]
    assert [len(rows) for rows in read] == [EPOCHS * share for share in shares]
    assert np.bincount(np.concatenate(read), minlength=EXAMPLES).tolist() == [EPOCHS] * EXAMPLES


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_disagree_on_the_batch_are_all_told_so(together, count):
    said = {(together(count) / f"error-{index}").read_text() for index in range(count)}
    values = ", ".join(f"{BATCH + index} in process {index}" for index in range(count))
    (text,) = said
    assert text.startswith(f"fit: the processes disagree on run.batch_size: {values}; expected the same in all")


@pytest.mark.parametrize("count", [2, 4])
def test_a_process_whose_batches_end_before_the_others_stops_all(together, count):
    for index in range(count):
        text = (together(count) / f"end-{index}").read_text()
        assert "failed in epoch 1, after 2 of its minibatches: fit: the processes disagree on the shapes of" in text
        assert "None in process 0" in text


def test_a_killed_process_ends_the_job_and_the_same_command_goes_on(together, tmp_path, capfd):
    begin = time.monotonic()
    assert processes.launch(command(tmp_path, "dies"), 2) == 1
    assert time.monotonic() - begin < 30
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("process 1 of 2 was killed by SIGKILL; the others are ended; the same command goes on")
    assert processes.launch(command(tmp_path, "dies"), 2) == 0
    for index in range(2):
        leaves, rows = trained(tmp_path, index)
        uninterrupted, _ = trained(together(2), index)
        assert len(rows) < EPOCHS * EXAMPLES // 2  # it went on, and did not begin afresh
        for leaf, wanted in zip(leaves, uninterrupted, strict=True):
            np.testing.assert_array_equal(leaf, wanted)


def test_a_process_that_hangs_ends_the_job(tmp_path, capfd):
    begin = time.monotonic()
    assert processes.launch(command(tmp_path, "hangs"), 2, grace=0.5) == 1
    assert time.monotonic() - begin < 30
    assert "process 0 of 2 was killed by SIGABRT" in capfd.readouterr().err.splitlines()[-1]
    assert not any(is_alive(path) for path in tmp_path.iterdir())


def test_no_process_outlives_a_launcher_that_is_killed(tmp_path):
    program = "import sys; from fnnets.training.distributed import launch; launch.launch(sys.argv[1:], 2)"
    launcher = subprocess.Popen([sys.executable, "-c", program, *command(tmp_path, "waits")], start_new_session=True)
    assert within(40, lambda: len(list(tmp_path.iterdir())) == 2)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    assert within(10, lambda: not any(is_alive(path) for path in tmp_path.iterdir()))


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def is_alive(path):
    """Whether the process runs whose number is the file's name; one that nobody has waited for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, IndexError):
        status = subprocess.run(["ps", "-o", "stat=", "-p", path.name], capture_output=True, text=True).stdout
        return bool(status.strip()) and not status.startswith("Z")
    return False


def test_one_process_agrees_with_itself():
    processes.agree({"batch_size": 10})
    assert processes.anywhere(True)


def test_to_join_after_computing_is_refused(monkeypatch):
    jax.devices()
    for variable, value in zip(VARIABLES, ("127.0.0.1:1", "2", "0"), strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(RuntimeError, match=r"JAX has computed already in this process, expected join before any"):
        processes.join()


@pytest.mark.parametrize(("total", "index"), [("2", "2"), ("two", "0"), ("2", "")])
def test_numbers_of_processes_that_make_no_sense_are_refused(monkeypatch, total, index):
    for variable, value in zip(VARIABLES, ("127.0.0.1:1", total, index), strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"FNNETS_PROCESSES='{total}' and FNNETS_PROCESS='{index}', expected a number"):
        processes.join()


def test_a_process_that_nobody_started_is_told_what_is_missing(monkeypatch):
    def initialize(**settings):  # JAX's own answer where it finds no cluster
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(ValueError, match=r"nothing says which processes there are .*, expected processes\.launch"):
        processes.join()


def test_a_refusal_names_who_holds_what(monkeypatch):
    everyone = [[["a", "1"], ["b", "2"]], [["a", "1"], ["b", "3"]], [["a", "1"]]]
    monkeypatch.setattr(processes, "count", lambda: 3)
    monkeypatch.setattr(processes, "_exchanged", lambda pairs: everyone)
    with pytest.raises(ValueError, match=r"fit: the processes disagree on b: 2 in process 0, 3 in process 1, nothing"):
        processes.agree({"a": 1, "b": 2})

import os
import re
import signal
import sys
import threading
import time

import pytest

from fnnets.training.distributed.launch import VARIABLES, launch

INDEX = f"import os, signal, sys, time; index = int(os.environ['{VARIABLES[2]}'])\n"


def python(program):
    return [sys.executable, "-S", "-c", INDEX + program]


def test_each_copy_knows_which_it_is_and_the_first_one_prints(capfd):
    program = f"print(index, os.environ['{VARIABLES[1]}'], os.environ['{VARIABLES[0]}'], file=sys.stderr); print('out')"
    assert launch(python(program), 3) == 0
    out, err = capfd.readouterr()
    assert out == "out\n"
    assert re.fullmatch(r"0 3 127\.0\.0\.1:\d+\n", err)


def test_one_that_fails_ends_all_with_its_status_and_one_line(capfd):
    program = "if index == 1: print('first\\nwhat went wrong', file=sys.stderr); sys.exit(7)\ntime.sleep(60)"
    begin = time.monotonic()
    assert launch(python(program), 3) == 7
    assert time.monotonic() - begin < 5
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("process 1 of 3 ended with status 7 (what went wrong); the others are ended; ")
    assert "goes on from the last checkpoint" in line


def test_one_that_is_killed_is_told_by_its_signal(capfd):
    program = "if index == 2: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)"
    assert launch(python(program), 3) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("process 2 of 3 was killed by SIGKILL; ")


def deaf(folder):
    """A program that ignores all that can be ignored, and whose process 1 fails once process 0 does so."""
    return python(
        "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
        f"open(os.path.join({str(folder)!r}, str(os.getpid())), 'w').close()\n"
        f"while index == 1 and len(os.listdir({str(folder)!r})) < 2: time.sleep(0.01)\n"
        "if index == 1: sys.exit(3)\ntime.sleep(60)"
    )


def test_one_that_does_not_listen_is_killed_after_the_grace(tmp_path):
    begin = time.monotonic()
    assert launch(deaf(tmp_path), 2, grace=0.3) == 3
    assert 0.3 < time.monotonic() - begin < 5
    assert not any(is_alive(int(path.name)) for path in tmp_path.iterdir())


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def when(condition, action):
    """Do something in another thread once a condition holds."""

    def wait():
        while not condition():
            time.sleep(0.01)
        action()

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("needed", [1, 2])
def test_ctrl_c_goes_to_all_and_a_second_one_ends_them(tmp_path, needed):
    heard = "signal.signal(signal.SIGINT, lambda *_: " + ("sys.exit(130))\n" if needed == 1 else "None)\n")
    ready = f"open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w').close()\ntime.sleep(60)\ntime.sleep(60)"
    me = os.getpid()

    def press():
        for _ in range(needed):
            os.kill(me, signal.SIGINT)
            time.sleep(0.3)

    when(lambda: len(list(tmp_path.iterdir())) == 2, press)
    begin = time.monotonic()
    assert launch(python(heard + ready), 2) == 130
    assert time.monotonic() - begin < 5
    assert not any(is_alive(int(path.name)) for path in tmp_path.iterdir())


def test_a_launcher_that_is_told_to_end_ends_all(tmp_path):
    ready = f"open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w').close()\ntime.sleep(60)"
    me = os.getpid()
    before = signal.getsignal(signal.SIGTERM)
    when(lambda: len(list(tmp_path.iterdir())) == 2, lambda: os.kill(me, signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"):
        launch(python(ready), 2)
    assert not any(is_alive(int(path.name)) for path in tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_launched_is_refused():
    with pytest.raises(TypeError, match=r"launch: command is 'train.py', expected a list of words"):
        launch("train.py", 2)
    with pytest.raises(TypeError, match=r"launch: command is \[\]"):
        launch([], 2)
    with pytest.raises(ValueError, match=r"launch: count is 0, expected at least 1"):
        launch(["true"], 0)
    with pytest.raises(ValueError, match=r"launch: grace is -1, expected a finite number >= 0"):
        launch(["true"], 1, grace=-1)
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        launch(["no-such-program"], 2)


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        (3, TypeError, "launch: command is 3, expected a list of words; write"),
        ((word for word in ("python", "train.py")), TypeError, "expected a list of words"),
        ({"python": 1}, TypeError, "expected a list of words"),
        ([sys.executable, "a\0b"], ValueError, "expected words without null characters; write"),
        (
            ["no-such-program"],
            FileNotFoundError,
            "command begins with 'no-such-program', expected a program on the path",
        ),
        ([""], FileNotFoundError, "command begins with '', expected a program on the path; write"),
    ],
)
def test_commands_that_are_none_are_refused_before_anything_is_started(command, error, message):
    with pytest.raises(error, match=message):
        launch(command, 2)

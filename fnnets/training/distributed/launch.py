"""Copies of one program on this machine, started together, watched, and ended together.

Process 0 prints as the program does; the others are quiet, and where one fails its last line is shown.

| what happens | what follows | status |
|---|---|---|
| all end with status 0 | | 0 |
| one ends otherwise | the others are ended; one line names it and the status | its own; 1 for a signal |
| Ctrl-C | goes to all; a second one ends them | 130 |
| SIGTERM, SIGHUP | all are ended | 128 + its number |
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from fnnets.core import validate

VARIABLES = "FNNETS_COORDINATOR", "FNNETS_PROCESSES", "FNNETS_PROCESS"


class Worker(NamedTuple):
    """A started process, and the file that takes its standard error; None where that is passed on."""

    process: subprocess.Popen
    errors: IO[bytes] | None


def launch(command: Sequence[str], count: int, grace: float = 10.0) -> int:
    """Run `count` copies of a command on this machine until they end; the exit status for all.

    Each finds in its environment what `join` needs. Their standard input is a pipe whose end says that the launcher
    is gone; none outlives it. On a machine with GPUs each process takes one.

    Args:
        command: a program and its arguments, as for `subprocess.run`.
        count: how many copies.
        grace: seconds that processes have to end by themselves once they are signalled, before they are killed.

    Raises:
        TypeError, ValueError: a command that is no sequence of strings; a count below 1; a negative grace.
        OSError: the program is not there or cannot be started.

    >>> launch([sys.executable, "-c", "pass"], 2)
    0
    """
    _check_command(command)
    validate.count(count, "launch: count", "give the number of processes")
    validate.at_least(grace, 0, "launch: grace", "give seconds")
    workers: list[Worker] = []
    with _signals() as interrupted:
        try:
            address = f"127.0.0.1:{_free_port()}"
            workers.extend(_start(command, address, count, index) for index in range(count))
            return _watch(workers, grace, interrupted)
        finally:
            _end(workers, grace)


def _check_command(command) -> None:
    remedy = "write [sys.executable, 'train.py']"
    if not isinstance(command, list | tuple) or not command or not all(isinstance(word, str) for word in command):
        raise TypeError(f"launch: command is {command!r}, expected a list of words; {remedy}")
    if any("\0" in word for word in command):
        raise ValueError(f"launch: command is {command!r}, expected words without null characters; {remedy}")
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"launch: command begins with {command[0]!r}, expected a program on the path; {remedy}")


def _start(command, address, count, index) -> Worker:
    environment = os.environ | dict(zip(VARIABLES, (address, str(count), str(index)), strict=True))
    errors = tempfile.TemporaryFile() if index else None  # noqa: SIM115
    # a session of its own: Ctrl-C at a terminal reaches it once, through the launcher
    process = subprocess.Popen(
        list(command), env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL if index else None,
        stderr=errors, start_new_session=True,
    )  # fmt: skip
    return Worker(process, errors)


def _watch(workers: list[Worker], grace: float, interrupted: list[int]) -> int:
    """Wait for all; the status of the first that ends badly, after one line about it."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index, worker in enumerate(workers):
        threading.Thread(target=_report, args=(worker, index, ended), daemon=True).start()
    running, signalled, deadline = len(workers), 0, float("inf")
    while running and signalled < 2 and time.monotonic() < deadline:
        try:
            index = ended.get(timeout=0.1)
            running -= 1
            status = workers[index].process.returncode
            if status and not interrupted:
                print(_obituary(workers[index], index, len(workers), status), file=sys.stderr, flush=True)
                return status if status > 0 else 1
            deadline = time.monotonic() + grace if interrupted else deadline
        except queue.Empty:
            pass
        while signalled < len(interrupted):
            signalled += 1
            _signal(workers, signal.SIGINT)
    return 130 if interrupted else 0


def _report(worker: Worker, index: int, ended: queue.SimpleQueue[int]) -> None:
    worker.process.wait()
    ended.put(index)


def _obituary(worker: Worker, index: int, count: int, status: int) -> str:
    how = f"ended with status {status}" if status > 0 else f"was killed by {signal.Signals(-status).name}"
    others = "" if count == 1 else "; the others are ended"
    return (
        f"process {index} of {count} {how}{_last_words(worker)}{others}; "
        "the same command goes on from the last checkpoint where there is one"
    )


def _last_words(worker: Worker) -> str:
    if worker.errors is None:
        return ""
    worker.errors.seek(0)
    lines = worker.errors.read().decode(errors="replace").split("\n")
    shown = [line.strip() for line in lines if line.strip()]
    return f" ({shown[-1]})" if shown else ""


def _end(workers: list[Worker], grace: float) -> None:
    """No process is left: all are signalled, and killed after `grace` seconds."""
    _signal(workers, signal.SIGTERM)
    deadline = time.monotonic() + grace
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    for file in [file for worker in workers for file in (worker.process.stdin, worker.errors) if file is not None]:
        file.close()


def _signal(workers: list[Worker], number: int) -> None:
    for worker in workers:
        worker.process.send_signal(number)  # does nothing where it has ended


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The Ctrl-Cs so far; SIGTERM and SIGHUP leave the block. Outside the main thread signals stay as they are."""
    hits: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield hits
        return

    def leave(number, frame):
        raise SystemExit(128 + number)

    handlers = {signal.SIGINT: lambda number, frame: hits.append(number), signal.SIGTERM: leave, signal.SIGHUP: leave}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield hits
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

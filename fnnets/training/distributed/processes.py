"""Several processes that train one network together: their start, their agreement and their end.

    launch(command, 2)              two copies of a program on this machine, watched until they end
    join()                          in each of them, before any computation: one JAX runtime over all
    fit(…, devices="all")           each derives from its share of every minibatch

`launch` is for one machine. Where a scheduler starts the processes (SLURM, Open MPI, Kubernetes, a TPU pod) `join` is
all there is to call, and JAX finds the others by itself. On CPUs they exchange sums with Gloo, JAX's default.

    a process ends badly            its peers are ended by `launch`; without it, by JAX's heartbeat
    the launcher itself is killed   its processes read the end of their standard input, and leave
    SIGTERM                         ends a process that has joined, as it ends others

| symbol | name in code | shape |
|---|---|---|
| address of process 0 | FNNETS_COORDINATOR | host:port |
| number of processes, which one this is | FNNETS_PROCESSES, FNNETS_PROCESS | |

Source: JAX's documentation, "Introduction to multi-controller JAX".
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import jax
import numpy as np

from fnnets.core import validate
from fnnets.training.distributed.launch import VARIABLES, launch

__all__ = ["agree", "anywhere", "count", "is_first", "join", "launch", "launched", "leave"]

PATIENCE = 0.5  # seconds


def join(heartbeat: int = 30) -> int:
    """Join this process to the others that were started with it; the number of all, once they have met.

    An exception that is not caught then ends the process at once, as `leave` does. Joining again does nothing.

    Args:
        heartbeat: seconds without a sign of life after which a process counts as dead and ends the others.

    Raises:
        RuntimeError: JAX has computed already, so that its devices are those of this process alone.
        TypeError, ValueError: a heartbeat below 1; no variables that name the processes.

    >>> join(heartbeat=0)
    Traceback (most recent call last):
    ValueError: processes.join: heartbeat is 0, expected at least 1; give the seconds after which a process is dead
    """
    validate.count(heartbeat, "processes.join: heartbeat", "give the seconds after which a process is dead")
    if not jax.distributed.is_initialized():
        before = signal.getsignal(signal.SIGTERM)
        _initialize(_environment(), heartbeat)
        _end_by(before)
        _leave_on_errors()
        if launched():
            threading.Thread(target=_leave_with_the_launcher, daemon=True).start()
    return count()


def launched() -> bool:
    """Whether `launch` started this process.

    >>> launched()
    False
    """
    return VARIABLES[0] in os.environ


def count() -> int:
    """The number of processes that train together; call `join` before.

    >>> count()
    1
    """
    return jax.process_count()


def is_first() -> bool:
    """Whether this is process 0, which prints and writes; call `join` before.

    >>> is_first()
    True
    """
    return jax.process_index() == 0


def anywhere(here: bool) -> bool:
    """Whether something holds in one process at least; all of them must call it, at the same point of their programs.

    >>> anywhere(False)
    False
    """
    if count() == 1:
        return here
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.array(here)).any())


def leave(text: str, status: int) -> NoReturn:
    """End this process with one line on standard error and an exit status, at once where it is one of several.

    `sys.exit` would wait for the others there, who may be waiting for this process: five minutes, as JAX has it.

    >>> leave("data.npy is not there", 2)
    Traceback (most recent call last):
    SystemExit: 2
    """
    if count() == 1:
        print(text, file=sys.stderr)
        raise SystemExit(status)
    _yield_to_the_launcher()
    print(text, file=sys.stderr)
    _end_now(status)


def agree(settings: Mapping[str, object], name: str = "fit") -> None:
    """Raise in every process unless all of them hold the same settings.

    All processes must call it, at the same point of their programs. Values are compared as `repr` shows them; those
    of a mapping within the settings are named outer.inner.

    Args:
        settings: values by their names, or mappings of such.
        name: what needs them, for the message.

    Raises:
        TypeError: settings that are no mapping.
        ValueError: some differ; the message has the first of them, and who holds what.

    >>> agree({"batch_size": 10, "shape": (718, 64)})
    """
    if not isinstance(settings, Mapping):
        raise TypeError(
            f"processes.agree: settings are of type {type(settings).__name__}, expected a dict of values by names; "
            "write {'batch_size': 10}"
        )
    if count() == 1:
        return
    everyone = _exchanged([[key, repr(value)] for key, value in _flat(settings)])
    for key in dict.fromkeys(key for each in everyone for key, _ in each):
        values = [dict(each).get(key, "nothing") for each in everyone]
        if len(set(values)) > 1:
            raise ValueError(
                f"{name}: the processes disagree on {key}: {_holders(values)}; expected the same in all; "
                "start all of them with the same command and the same data"
            )


def _environment() -> dict[str, Any]:
    """Arguments of `jax.distributed.initialize`: those set by `launch`, or none for JAX's own detection."""
    if not launched():
        return {}
    address, total, index = (os.environ.get(variable, "") for variable in VARIABLES)
    if not (total.isdigit() and index.isdigit() and int(index) < int(total)):
        raise ValueError(
            f"processes.join: {VARIABLES[1]}={total!r} and {VARIABLES[2]}={index!r}, expected a number and one below "
            f"it; unset {VARIABLES[0]}, or start the program with processes.launch"
        )
    return {
        "coordinator_address": address,
        "num_processes": int(total),
        "process_id": int(index),
        "local_device_ids": [int(index)],  # of GPUs each process takes one; CPUs do not look at it
        "coordinator_bind_address": address,
    }


def _initialize(found: dict[str, Any], heartbeat: int) -> None:
    try:
        jax.distributed.initialize(**found, heartbeat_timeout_seconds=heartbeat)
    except RuntimeError as error:
        if "must be called before" not in str(error):
            raise
        raise RuntimeError(
            "processes.join: JAX has computed already in this process, expected join before any array, key or "
            "jax.devices(); call it first in the program"
        ) from None
    except ValueError as error:
        if "defined" not in str(error):
            raise
        raise ValueError(
            f"processes.join: nothing says which processes there are ({error}), expected processes.launch, srun, "
            "mpirun, Kubernetes or a TPU pod; start the program with one, or call jax.distributed.initialize yourself"
        ) from None


def _end_by(handler: Callable[..., object] | int | None) -> None:
    """Give SIGTERM back its meaning: JAX takes it for a notice of preemption, which nothing here reads."""
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _leave_on_errors() -> None:
    show = sys.excepthook

    def hook(kind, error, trace):
        _yield_to_the_launcher()
        show(kind, error, trace)
        _end_now(130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = hook


def _yield_to_the_launcher() -> None:
    """Wait for the launcher, which ends this process with a message of its own where a peer has died."""
    if launched():
        time.sleep(PATIENCE if is_first() else 1.5 * PATIENCE)  # what goes wrong in all is shown by process 0


def _end_now(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _leave_with_the_launcher() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Names and values, those of inner mappings one by one.

    >>> dict(_flat({"a": 1, "run": {"batch_size": 10}}))
    {'a': 1, 'run.batch_size': 10}
    """
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _exchanged(pairs: list[list[str]]) -> list[list[list[str]]]:
    """The lists of all processes, in each; padded to one length, since a gather wants equal shapes."""
    import json

    from jax.experimental import multihost_utils

    own = np.frombuffer(json.dumps(pairs).encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.array([len(own)], np.int32)).ravel()
    padded = np.pad(own, (0, int(lengths.max()) - len(own)))
    rows = multihost_utils.process_allgather(padded)
    return [json.loads(bytes(row[:length])) for row, length in zip(rows, lengths, strict=True)]


def _holders(values: list[str]) -> str:
    """Each value once, with the processes that hold it.

    >>> _holders(["10", "12", "10"])
    '10 in process 0, 2, 12 in process 1'
    """
    holders = {value: [str(i) for i, each in enumerate(values) if each == value] for value in dict.fromkeys(values)}
    short = {value: value if len(value) < 80 else value[:76] + " ..." for value in holders}
    return ", ".join(f"{short[value]} in process {', '.join(who)}" for value, who in holders.items())

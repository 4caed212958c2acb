"""One CPU device a core, so that `fit(…, devices="all")` has every core at work.

XLA's code for a CPU runs large products on all cores of a device, and much of the rest of a step on one: small
products, elementwise functions, the steps of a loop over time. A device a core, each with its share of the minibatch,
has the others at work there.

    cores    those that this process may run on (affinity), two threads of one core counted once, and no more than a
             container's quota of time gives, rounded up
    share    of processes that `processes.launch` started on this machine, each takes its part of the cores

Source: JAX's documentation of `jax_num_cpu_devices`; proc(5) and cgroups(7) of Linux.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import jax

from fnnets.core import calls, validate
from fnnets.training.distributed.launch import VARIABLES

SET = "JAX_NUM_CPU_DEVICES"
SYSTEM = Path("/")


@calls.strict("use_all_cores")
def use_all_cores(count: int | None = None) -> None:
    """Have JAX make one CPU device for each core; a program's first line, before any array or key.

    A number set in the environment as `JAX_NUM_CPU_DEVICES` stays, unless `count` is given; `XLA_FLAGS` with
    `--xla_force_host_platform_device_count` yields to either, as JAX has it. Calling again does nothing, and neither
    does a call where JAX computes on accelerators. Of processes that train together each calls it, before `join`;
    those of `processes.launch` divide the cores among them.

    Args:
        count: CPU devices in place of one a core.

    Raises:
        RuntimeError: JAX has started already, with another number of CPU devices.
        TypeError, ValueError: a count below 1, or above the processors that this process may run on.

    >>> use_all_cores(0)
    Traceback (most recent call last):
    ValueError: use_all_cores: count is 0, expected at least 1; leave it out for one device a core
    """
    wanted = _given() or _share() if count is None else _checked(count)
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:  # JAX has started, so that to look at its devices starts nothing
        if jax.default_backend() != "cpu" or (found := jax.local_device_count("cpu")) == wanted:
            return
        raise RuntimeError(
            f"use_all_cores: JAX has started already with {_devices(found)}, expected the call before any array, key "
            f"or jax.devices(), for {_devices(wanted)}; call it first in the program"
        ) from None


def cores() -> int:
    """The number of cores that this process may use.

    >>> 1 <= cores() <= processors()
    True
    """
    return min(_physical(_affinity()), _quota())


def processors() -> int:
    """The number of processors, threads of a core counted each, that this process may run on.

    >>> processors() >= 1
    True
    """
    return len(_affinity())


def _given() -> int | None:
    """The number that the environment sets; JAX has read it as an int when it was imported."""
    number = int(os.environ.get(SET) or -1)
    return number if number > 0 else None


def _share() -> int:
    """The part of the cores that falls to one of several processes."""
    together = os.environ.get(VARIABLES[1], "1")
    return max(1, cores() // max(1, int(together) if together.isdigit() else 1))


def _checked(count: object) -> int:
    number = validate.count(count, "use_all_cores: count", "leave it out for one device a core")
    if number > processors():
        raise ValueError(
            f"use_all_cores: count is {number}, expected at most {processors()}, the processors that this process may "
            "run on; leave it out for one device a core, or set jax_num_cpu_devices where devices are to share a core"
        )
    return number


def _devices(number: int) -> str:
    return f"{number} CPU device{'s' if number > 1 else ''}"


def _affinity() -> set[int]:
    """The processors by their numbers; of a system that has no affinity, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _physical(numbers: set[int]) -> int:
    """The number of cores of these processors; each is one where the system does not say which of them share a core."""
    places = [SYSTEM / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list" for number in numbers]
    return len({_read(place) or str(place) for place in places})


def _quota() -> int:
    """The cores' worth of time that a container of Linux gives at most, rounded up."""
    root, least = SYSTEM / "sys/fs/cgroup", float(os.cpu_count() or 1)
    for line in _read(SYSTEM / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = root / (controllers and "cpu") / path.strip("/")
        groups = [group, *(above for above in group.parents if above.is_relative_to(root))]
        least = min([least, *map(_limit, groups)])
    return math.ceil(least)


def _limit(folder: Path) -> float:
    """Cores' worth of time by a group's files, of version 2 or 1; infinite where they set none."""
    words = _read(folder / "cpu.max").split()
    words = words or [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    is_set = len(words) == 2 and all(word.isdigit() and int(word) for word in words)
    return int(words[0]) / int(words[1]) if is_set else math.inf


def _read(place: Path) -> str:
    """A file's text, or nothing where it is not there or cannot be read."""
    try:
        return place.read_text()
    except OSError:
        return ""

"""A process of the benchmark of scaling: does one job on its devices and leaves the answer in a folder.

    python -m experiments.benchmarks.scaling_child '{"job": …, "given": {…}, "devices": 8, "folder": …}'

Started by `scaling_setting.ask`, for jobs that need another number of devices, or a memory of their own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from experiments.benchmarks import scaling_devices, scaling_many, scaling_memory, scaling_setting
from experiments.benchmarks.scaling_setting import Answer
from fnnets.training.distributed import processes

JOBS: dict[str, Callable[..., Answer]] = {
    "devices": scaling_devices.job,
    "many": scaling_many.job,
    "memory": scaling_memory.job,
}
FLAG = "--xla_force_host_platform_device_count"


def flags(before: str, devices: int) -> str:
    """XLA's flags with another number of host devices.

    >>> flags("--xla_force_host_platform_device_count=8 --xla_dump_to=a", 2)
    '--xla_dump_to=a --xla_force_host_platform_device_count=2'
    """
    others = [flag for flag in before.split() if not flag.startswith(f"{FLAG}=")]
    return " ".join([*others, f"{FLAG}={devices}"])


def main(arguments: Sequence[str]) -> int:
    """Do the job of the request.

    Raises:
        RuntimeError: JAX has computed already, and so has its number of devices.
    """
    request = json.loads(arguments[0])
    os.environ["XLA_FLAGS"] = flags(os.environ.get("XLA_FLAGS", ""), request["devices"])
    jax.config.update("jax_platforms", "cpu")
    if processes.launched():
        processes.join()
    if jax.local_device_count() != request["devices"]:
        raise RuntimeError(
            f"there are {jax.local_device_count()} devices, expected {request['devices']}: JAX had started before"
        )
    answer = JOBS[request["job"]](**request["given"])
    scaling_setting.write(Path(request["folder"]), jax.process_index(), answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

import json
import os
import subprocess
import sys

import jax
import pytest

import fnnets as fn
from fnnets.training.distributed import cores

# Each case begins with a JAX that has not started; XLA_FLAGS has eight devices, as in all tests.
BEFORE = """
import json, os
import fnnets as fn, jax
from fnnets.training.distributed import cores
from jax.extend.backend import clear_backends

cores._affinity = lambda: {0, 1, 2}
cores._physical = len
cores._quota = lambda: 3
found = []

def devices(*calls, **variables):
    clear_backends()
    jax.config.update("jax_num_cpu_devices", -1)
    os.environ.update(variables)
    for arguments in calls:
        fn.use_all_cores(*arguments)
    found.append(jax.local_device_count())

devices(())
devices((), ())
devices((2,))
devices((2,), ())
devices((), JAX_NUM_CPU_DEVICES="5")
devices((2,))
devices((), JAX_NUM_CPU_DEVICES="")
fn.use_all_cores()
devices((), FNNETS_PROCESSES="2")
devices((3,))
devices((), FNNETS_PROCESSES="8")
print(json.dumps(found))
"""


def test_the_number_of_devices_is_that_of_the_cores_or_the_one_that_is_given():
    done = subprocess.run([sys.executable, "-c", BEFORE], capture_output=True, text=True, check=True)
    # eight of XLA_FLAGS yield; one's own number; the last call counts; the environment's stays unless one is given;
    # processes that `launch` has started have their part
    assert json.loads(done.stdout) == [3, 3, 2, 3, 5, 2, 3, 1, 3, 1]


def test_every_core_is_used_by_a_program_that_calls_it_first():
    code = "import fnnets as fn; fn.use_all_cores(); import jax; print(jax.device_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == cores.cores()


def test_a_call_that_comes_too_late_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: jax.local_device_count() + 1)
    with pytest.raises(RuntimeError, match=r"^use_all_cores: JAX has started already with 8 CPU devices, expected the"):
        fn.use_all_cores()
    with pytest.raises(RuntimeError, match=r"for 1 CPU device; call it first in the program$"):
        fn.use_all_cores(1)


def test_a_late_call_does_nothing_where_the_devices_are_as_many(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 8)  # those of XLA_FLAGS
    fn.use_all_cores()
    assert jax.config.jax_num_cpu_devices == -1


def test_a_late_call_does_nothing_where_jax_computes_on_accelerators(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    fn.use_all_cores(1)
    assert jax.local_device_count() == 8


def test_more_devices_than_processors_are_refused():
    above = cores.processors() + 1
    with pytest.raises(ValueError, match=rf"^use_all_cores: count is {above}, expected at most {above - 1}, .*; leave"):
        fn.use_all_cores(above)


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A machine of eight processors, whose files of /proc and /sys are these."""
    monkeypatch.setattr(cores, "SYSTEM", tmp_path)
    monkeypatch.setattr(cores, "_affinity", lambda: {0, 1, 2, 3, 4, 5, 6, 7})
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)

    return write


def test_without_files_of_linux_each_processor_is_a_core(system):
    assert cores.cores() == 8


def test_threads_of_one_core_count_once(system):
    place = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    system({place.format(i): f"{i % 4},{i % 4 + 4}\n" for i in range(8)})
    assert (cores.cores(), cores.processors()) == (4, 8)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        (
            {
                "proc/self/cgroup": "3:memory:/b\n2:cpu,cpuacct:/a\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
    ids=["version 2", "a group above", "no limit", "version 1", "version 1 without a limit"],
)
def test_a_container_has_the_cores_that_its_quota_gives(system, files, expected):
    system(files)
    assert cores.cores() == expected

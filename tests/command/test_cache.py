import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from fnnets.command import cache

PROGRAM = """
import json, os
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
import fnnets
from fnnets.command import cache

x, found, place = np.ones(3, np.float32), [jax.config.jax_compilation_cache_dir], cache.folder()

def kept(function):
    jax.jit(function)(x)
    return sum(path.name.endswith("-cache") for path in place.iterdir())

assert cache.keep() == place
found.append(kept(lambda x: x + 1))
with cache.suspended():
    found.append(kept(lambda x: x + 2))
    found.append(kept(lambda x: x + 1))
found.append(kept(lambda x: x + 3))
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """No settings of a cache in the environment or in JAX, and those of the tests again afterwards."""
    for name in (*cache.OWN, cache.LEAST, cache.SWITCH):
        monkeypatch.delenv(name, raising=False)
    names = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_compiled_programs_are_kept_by_programs_and_not_while_suspended(tmp_path):
    environment = {**os.environ, cache.SWITCH: str(tmp_path / "kept"), cache.LEAST: "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert json.loads(done.stdout) == [None, 1, 1, 1, 2]  # nothing by the import; one program; none more; another


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "fnnets" / "jax" / platform.node()
    assert cache.keep() == cache.folder()
    assert jax.config.jax_compilation_cache_dir == str(cache.folder())
    assert jax.config.jax_persistent_cache_min_compile_time_secs == cache.SECONDS


@pytest.mark.parametrize(("system", "below"), [("linux", ".cache"), ("darwin", "Library/Caches")])
def test_without_a_setting_it_lies_in_the_home(monkeypatch, system, below):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification has ignored
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache.folder() == Path("/home/me") / below / "fnnets/jax" / platform.node()


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.keep() is None


@pytest.mark.parametrize("name", cache.OWN)
def test_settings_of_jax_decide_alone(monkeypatch, tmp_path, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(name, "0")
    assert cache.keep() is None
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_the_program_has_set_stays(tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    assert cache.keep() is None
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


@pytest.mark.parametrize("word", ["", "0"])
def test_the_switch(monkeypatch, word):
    monkeypatch.setenv(cache.SWITCH, word)
    assert cache.keep() is None
    assert jax.config.jax_compilation_cache_dir is None


def test_a_folder_that_cannot_be_written_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.keep() is None
    assert jax.config.jax_compilation_cache_dir is None

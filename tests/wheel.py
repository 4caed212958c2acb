"""The wheel of this repository, installed into an environment of its own: what a user gets."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
# Whole folders, the other ones too: whatever the settings take from them would show in the wheel.
COPIED = ("fnnets", "experiments", "examples", "tests", "requirements")
FILES = ("pyproject.toml", "README.md", "LICENSE")


class Installed(NamedTuple):
    """Where the wheel is, and the environment that it was installed into."""

    wheel: Path
    python: Path
    packages: Path


def told(command, folder, **more):
    """What a command does outside the repository, without this process's settings of Python and XLA."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XLA", "JAX", "PIP"))}
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env={**kept, **more}, capture_output=True, text=True, timeout=300
    )


def built(folder):
    """The wheel of a copy of the tree, so that no folder `build` is left behind in this one; needs no network."""
    found = next((each.version for each in metadata.distributions(name="setuptools")), "0")
    assert int(found.split(".")[0]) >= 77, f"setuptools is {found}, expected 77 or newer: install '.[dev]'"
    tree = folder / "tree"
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in FILES:
        shutil.copy(ROOT / name, tree / name)
    command = ["-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, tree]
    done = told([sys.executable, *command], folder, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("fnnets-*.whl"))


def installed_in(folder):
    """The wheel in an environment of its own, in which the dependencies are found, and not this repository.

    A line of a .pth file is put on the path as it is: .pth files that lie there, such as that of an editable
    installation, are not read. It is written last, so that pip sees an empty environment.
    """
    wheel = built(folder)
    venv.create(folder / "clean", with_pip=False)
    python = folder / "clean" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    done = told([*pip, "install", "--no-deps", "--no-index", wheel], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    packages = next((folder / "clean" / "lib").glob("python*/site-packages"))
    theirs = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(theirs)))
    return Installed(wheel, python, packages)

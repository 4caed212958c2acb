"""The package as a user gets it: its wheel, installed where nothing else of this repository is."""

import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

import fnnets
from tests.wheel import ROOT, installed_in, told


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return installed_in(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(installed):
    with zipfile.ZipFile(installed.wheel) as content:
        names = set(content.namelist())
    assert {name.split("/")[0] for name in names} == {"fnnets", "fnnets-0.1.0.dist-info"}
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "fnnets").rglob("*.py")}
    assert {name for name in names if name.startswith("fnnets/")} == {*ours, "fnnets/py.typed"}


def test_every_place_says_the_same_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert project["version"] == fnnets.__version__ == citation.group(1)


def test_it_says_what_one_may_do_with_it(installed):
    about = installed.packages / "fnnets-0.1.0.dist-info"
    assert (about / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    said = (about / "METADATA").read_text().split("\n\n")[0].splitlines()
    assert {"Name: fnnets", "Version: 0.1.0", "License-Expression: Apache-2.0", "License-File: LICENSE"} <= set(said)


def test_every_module_is_imported_from_the_clean_environment(installed):
    code = """
import importlib, pkgutil, fnnets
names = [each.name for each in pkgutil.walk_packages(fnnets.__path__, "fnnets.") if each.name != "fnnets.__main__"]
print(*(importlib.import_module(name).__file__ for name in ["fnnets", *names]), sep="\\n")
"""
    done = told([installed.python, "-I", "-c", code], installed.packages.parent)
    assert done.returncode == 0, done.stderr
    files = {Path(line).relative_to(installed.packages) for line in done.stdout.splitlines()}
    ours = {path.relative_to(ROOT) for path in (ROOT / "fnnets").rglob("*.py")}
    assert files == ours - {Path("fnnets/__main__.py")}


def test_the_first_blocks_of_the_readme_run_there(installed, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[:2]
    where = "import pathlib; print(pathlib.Path(fn.__file__).parent)\n"
    (tmp_path / "first.py").write_text("\n".join([*blocks, where]))
    # What is computed does not depend on how well XLA optimises it; compiling is most of the time.
    compiling = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))}
    done = told([installed.python, "-I", "first.py"], tmp_path, **compiling)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert Path(lines[-1]).resolve() == (installed.packages / "fnnets").resolve()
    assert "gradient: wrong (1 of 4 rows), first at gradient z1, statement (2); it misses the factor" in done.stdout
    verdict = lines.index("pass")
    assert float(lines[verdict - 1]) > 0.93


def test_the_command_is_there_and_says_where_the_experiments_are(installed, tmp_path):
    command = installed.python.parent / "fnnets"
    assert told([command, "--help"], tmp_path).stdout.startswith("usage: fnnets verify TARGET")
    done = told([command, "experiments"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "clone it and run python -m experiments there" in done.stderr
    done = told([installed.python, "-m", "experiments"], tmp_path)  # Python's own line; the README says what to do
    assert (done.returncode, done.stdout) == (1, "")
    assert "No module named experiments" in done.stderr

"""Pins are what pyproject.toml asks for, with hashes and without addresses; the table of versions is the record's."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("python-*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
TRIED = runpy.run_path(str(ROOT / "requirements" / "tried.py"))


def pins(lock):
    """Releases by name, as the lock file has them."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    assert len({name for name, _ in found}) == len(found), "a package is pinned twice"
    return dict(found)


def asked():
    """All requirements of the package and of its extra dev, those of extras within it included."""
    extras = PROJECT["optional-dependencies"]
    names, queue = list(PROJECT["dependencies"]), list(extras["dev"])
    while queue:
        text = queue.pop()
        own = re.fullmatch(r"fnnets\[(.*)\]", text)
        queue += [each for extra in own.group(1).split(",") for each in extras[extra]] if own else []
        names += [] if own else [text]
    return [Requirement(text) for text in names]


def test_each_supported_python_has_a_lock_file():
    pythons = [lock.stem.removeprefix("python-") for lock in LOCKS]
    assert pythons == re.search(r"^LOCKED_PYTHONS := (.*)$", MAKEFILE, re.MULTILINE).group(1).split()
    assert PROJECT["requires-python"] == f">={pythons[0]}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_file_pins_all_that_is_asked_for_within_its_range(lock):
    pinned = pins(lock)
    for requirement in asked():
        assert requirement.specifier.contains(pinned[requirement.name]), str(requirement)
    assert pinned["jax"] == pinned["jaxlib"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_file_has_a_hash_for_each_release_and_no_address(lock):
    text = lock.read_text()
    entries = re.split(r"\n(?=[a-z])", text[text.index("\nabsl") + 1 :])
    assert len(entries) == len(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "//" not in text
    assert "index" not in text


def test_the_table_of_the_page_is_the_record_and_has_no_failure():
    entries = json.loads((ROOT / "requirements" / "tried.json").read_text())
    page = (ROOT / "docs" / "guides" / "installing.md").read_text()
    assert TRIED["with_table"](page, entries) == page
    assert all(entry["failed"] == entry["errors"] == 0 and entry["passed"] > 5000 for entry in entries)
    jaxes = {pins(lock)["jax"] for lock in LOCKS}
    assert jaxes <= {entry["jax"] for entry in entries}
    oldest = next(each for each in asked() if each.name == "jax")
    assert any(oldest.specifier == Requirement(f"jax>={entry['jax']}").specifier for entry in entries)


def test_the_counts_of_a_run_are_those_of_its_report():
    report = '<testsuites><testsuite tests="20" failures="3" errors="2" skipped="1"/></testsuites>'
    assert TRIED["counts"](report) == {"passed": 14, "failed": 3, "errors": 2, "skipped": 1}  # 20 - 3 - 2 - 1


def test_a_folder_of_the_name_beside_a_script_does_not_hide_the_package(tmp_path):
    (tmp_path / "fnnets" / "tests").mkdir(parents=True)  # as a clone is
    script = tmp_path / "script.py"
    script.write_text("import fnnets\nprint(fnnets.__version__)\n")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.stdout.strip() == PROJECT["version"], run.stderr

"""Files are refused before the work where that can be known, and are whole or not there."""

import importlib.util
from pathlib import Path

import pytest

from fnnets.command import files
from fnnets.command.files import UsageError


@pytest.mark.parametrize(
    ("name", "message"),
    [(".", "a folder"), ("file/x.json", "'file' is a file"), ("file/deep/x.json", "'file' is a file")],
)
def test_a_path_that_cannot_be_written_is_refused_before(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(UsageError, match=message):
        files.check(Path(name), "--json")
    with pytest.raises(UsageError, match="cannot be written"):
        files.write_text(Path(name) if name != "." else tmp_path, "x")


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UsageError, match="may not be written"):
        files.check(tmp_path / "x.json", "--json")


def test_a_figure_needs_a_known_ending_and_matplotlib(tmp_path, monkeypatch):
    files.check_figure(tmp_path / "x.svg", "--plot")
    with pytest.raises(UsageError, match=r"expected a name that ends in \.png"):
        files.check_figure(tmp_path / "x.doc", "--plot")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"fnnets\[plots\]"):
        files.check_figure(tmp_path / "x.png", "--plot")


def test_the_folder_is_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "deep" / "x.json"
    files.check(path, "--json")
    files.write_text(path, "{}")
    assert path.read_text() == "{}\n"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_midway_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")

    def fails(temporary):
        temporary.write_text("half")
        raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        files.write(path, fails)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

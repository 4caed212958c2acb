"""Paths and files: what is wrong is one line that names the path, and nothing is lost or left behind."""

import os
import stat
import threading
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.storage import DataError, DataNotFoundError, DataNotWrittenError, files

PARAMS = {"weights": jnp.arange(3.0)}


def save(path):
    return fn.storage.save(PARAMS, path)


READERS = {
    "read_idx": fn.data.read_idx,
    "memory_map": fn.data.memory_map,
    "load": lambda path: fn.storage.load(path, PARAMS),
    "about": fn.storage.about,
    "stream": fn.data.stream,
}


def refusal(call, path, error):
    """The one line of a refusal."""
    with pytest.raises(error) as caught:
        call(path)
    text = str(caught.value)
    assert "\n" not in text
    assert os.fspath(path) in text
    return text


@pytest.mark.parametrize("name", READERS)
def test_what_cannot_be_read_is_one_line_that_names_the_path(tmp_path, name):
    read = READERS[name]
    (tmp_path / "file").write_bytes(b"something else")
    assert "expected a file, but there is none;" in refusal(read, tmp_path / "none", DataNotFoundError)
    assert "expected a file, but there is none;" in refusal(read, tmp_path / "file" / "below", DataNotFoundError)
    assert "a folder, expected a file;" in refusal(read, tmp_path, DataError)
    for content in (
        b"",
        b"\0",
        b"text\n" * 99,
        b"\x1f\x8b\x08",
        b"PK\3\4" + bytes(99),
        bytes(99),
        b"\x93NUMPY\1\0v\0{",
    ):
        (tmp_path / "file").write_bytes(content)
        refusal(read, tmp_path / "file", DataError)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_may_not_be_read_is_one_line(tmp_path, name, monkeypatch):
    def refuses(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "file").write_bytes(b"something")
    monkeypatch.setattr("pathlib.Path.open", refuses)
    text = refusal(READERS[name], tmp_path / "file", DataError)
    assert "cannot be read (Permission denied), expected a readable file;" in text


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_path_is_refused(name):
    for value, error in (
        (b"a", TypeError),
        ("", ValueError),
        ("a\0b", ValueError),
        ("~nobody_of_that_name/a", ValueError),
    ):
        with pytest.raises(error, match="expected"):
            READERS[name](value)
    if name != "stream":
        with pytest.raises(TypeError, match=r"path is 3 of type int, expected a path; give a string"):
            READERS[name](3)


def test_a_tilde_stands_for_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save("~/a.safetensors") == tmp_path / "a.safetensors"
    np.testing.assert_array_equal(fn.storage.load("~/a.safetensors", PARAMS)["weights"], PARAMS["weights"])
    np.save(tmp_path / "x.npy", np.eye(3))
    assert fn.data.memory_map("~/x.npy").shape == fn.data.stream("~/x.npy").inputs.shape == (3, 3)
    with pytest.raises(DataNotFoundError, match=f"{tmp_path}/nowhere"):
        fn.data.mnist("~/nowhere")


def test_a_folder_is_no_place_to_save_to(tmp_path):
    assert "a folder, expected the name of a file; add one" in refusal(save, tmp_path, DataNotWrittenError)
    with pytest.raises(DataNotWrittenError, match="new, a folder, expected"):
        save(f"{tmp_path}/new/")
    with pytest.raises(OSError, match="a folder, expected"):
        save(tmp_path)
    (tmp_path / "file").write_text("kept")
    assert "is a file, expected a folder" in refusal(save, tmp_path / "file" / "a", DataNotWrittenError)
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    def fails(temporary):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "old").write_text("whole")
    for path in (tmp_path / "old", tmp_path / "new" / "folder" / "file"):
        with pytest.raises(DataNotWrittenError, match=r"cannot be written \(No space left on device\)"):
            files.write(path, fails)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "whole"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert fn.storage.about(tmp_path / "folder" / "real") == {}


def test_a_protected_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "file").chmod(stat.S_IRUSR)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write to it
    assert "is write-protected" in refusal(save, tmp_path / "file", DataNotWrittenError)
    assert (tmp_path / "file").read_text() == "kept"


def test_what_holds_no_parameters_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"save: params is None, expected a pytree of arrays; give"):
        fn.storage.save(None, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_pipe_stays_a_pipe_and_is_written_into(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    files.write(pipe, lambda temporary: temporary.write_text("whole"))
    reader.join(timeout=10)
    assert read == ["whole"]
    assert pipe.is_fifo()
    assert files.write(Path("/dev/null"), lambda temporary: temporary.write_text("gone")) == Path("/dev/null")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(
        files.DataNotWrittenError, match=r"/dev/full, which cannot be written \(No space left on device\)"
    ):
        files.write("/dev/full", lambda temporary: temporary.write_text("much"))
    assert Path("/dev/full").is_char_device()

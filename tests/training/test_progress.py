"""Progress: lines when piped, a bar on a terminal, silence on request."""

import sys

import pytest

from fnnets.training.progress import progress


@pytest.mark.parametrize("kind", ["auto", "lines"])
def test_lines_when_piped(kind, capsys):
    with progress(kind, 2, "fit") as show:
        show("epoch 1")
        show("epoch 2")
    captured = capsys.readouterr()
    assert captured.err == "fit: epoch 1\nfit: epoch 2\n"
    assert captured.out == ""


def test_silence_on_request(capsys):
    with progress("silent", 1, "fit") as show:
        show("epoch 1")
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("auto", 3, "fit") as show:
        show("epoch 1")
    assert "1/3" in capsys.readouterr().err


def test_a_bar_without_rich_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"fnnets\[progress\]"), progress("bar", 1, "fit"):
        pass

"""Progress: lines when piped, a bar on a terminal, silence on request."""

import sys

import pytest

from fnnets.storage.progress import progress


def on_terminal(monkeypatch):
    """Make standard error a terminal; to be called in the test, whose standard error is not that of its fixtures."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


@pytest.fixture
def without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)


def shown(kind, capsys):
    """What two of three steps print to standard error; nothing goes to standard output."""
    with progress(kind, 3, "fit") as show:
        show("epoch 1")
        show("epoch 2")
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("kind", ["auto", True])
def test_lines_when_piped(kind, capsys):
    assert shown(kind, capsys) == "fit: epoch 1\nfit: epoch 2\n"


@pytest.mark.parametrize("kind", ["auto", True])
def test_lines_when_piped_need_no_rich(kind, capsys, without_rich):
    assert shown(kind, capsys) == "fit: epoch 1\nfit: epoch 2\n"


@pytest.mark.parametrize("kind", ["auto", True])
def test_a_bar_on_a_terminal(kind, capsys, monkeypatch):
    on_terminal(monkeypatch)
    assert "2/3" in shown(kind, capsys)


def test_silence_when_piped(capsys):
    assert shown(False, capsys) == ""


def test_silence_on_a_terminal(capsys, monkeypatch):
    on_terminal(monkeypatch)
    assert shown(False, capsys) == ""


def test_lines_on_a_terminal_without_rich(without_rich, capsys, monkeypatch):
    on_terminal(monkeypatch)
    assert shown("auto", capsys) == "fit: epoch 1\nfit: epoch 2\n"


def test_a_bar_without_rich_says_what_to_install(without_rich, monkeypatch):
    on_terminal(monkeypatch)
    with pytest.raises(ImportError, match=r"fnnets\[progress\]"), progress(True, 1, "fit"):
        pass


@pytest.mark.parametrize("kind", ["lines", None, 1])
def test_other_values_are_refused(kind):
    with pytest.raises(ValueError, match=r"progress is .*, expected True, False or 'auto'"), progress(kind, 1, "fit"):
        pass


@pytest.mark.parametrize(
    ("total", "done", "lines"), [(10, 10, 10), (30, 30, 12), (1000, 1000, 12), (30, 7, 5), (7, 3, 3)]
)
def test_about_ten_lines_of_many_steps_with_the_first_ones_and_the_last(total, done, lines, capsys):
    with progress(True, total, "fit") as show:
        for number in range(1, done + 1):
            show(f"epoch {number}")
    printed = capsys.readouterr().err.splitlines()
    assert (len(printed), printed[0], printed[-1]) == (lines, "fit: epoch 1", f"fit: epoch {done}")
    assert len(set(printed)) == lines

"""The thing that TARGET names, and the message where it names nothing."""

import sys

import pytest

from fnnets.command.files import UsageError
from fnnets.command.loading import load


def test_a_module_of_the_current_folder(write):
    write("mine_a.py", "thing = 3")
    assert load("mine_a:thing") == 3


def test_a_module_that_is_installed():
    assert load("os.path:join") is __import__("os").path.join


def test_a_dotted_attribute(write):
    write("mine_b.py", "class Box: inner = 4\nbox = Box()")
    assert load("mine_b:box.inner") == 4


def test_a_file_imports_what_stands_beside_it_and_can_be_read_twice(write):
    write("deep/beside_it.py", "number = 5")
    write("deep/mine_c.py", "from beside_it import number as thing")
    assert load("deep/mine_c.py:thing") == load("deep/mine_c.py:thing") == 5


def test_a_file_in_a_package_may_import_relatively(write):
    write("pack_a/__init__.py", "")
    write("pack_a/other.py", "number = 6")
    write("pack_a/mine_d.py", "from .other import number as thing")
    assert load("pack_a/mine_d.py:thing") == 6
    assert sys.modules["pack_a.mine_d"].thing == 6


def test_a_file_named_as_a_known_module_is_the_file(write):
    path = write("json.py", "thing = 7")
    assert load(f"{path}:thing") == 7
    assert not hasattr(sys.modules["json"], "thing")


def test_dataclasses_of_a_file_find_their_module(write):
    text = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Box:\n    n: int = 8"
    write("mine_e.py", text)
    assert load("mine_e.py:Box")().n == 8


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("thing", "TARGET is 'thing', expected package.module:thing or path/to/file.py:thing"),
        ("mine.py", "TARGET is 'mine.py', expected"),
        ("mine:", "TARGET is 'mine:', expected"),
        ("mine:a-b", "TARGET is 'mine:a-b', expected"),
        ("no_such_module:thing", "there is no module 'no_such_module'"),
        ("os.no_such:thing", "there is no module 'os.no_such'"),
        ("nowhere/mine.py:thing", "the file 'nowhere/mine.py' does not exist"),
        ("./notes.txt:thing", "the file 'notes.txt' is no Python file"),
        ("./:thing", "is a folder"),
        ("good.py:thingg", "good.py has no 'thingg'; similar: thing"),
        ("good:thing.real.zzz", "good.thing.real has no 'zzz'; it has "),
        ("good:zzzz", "good has no 'zzzz'; it has other, thing"),
        ("good:grumpy.it", "reading good.grumpy.it raised RuntimeError: not today (good.py, line 5)"),
        (
            "wants.py:thing",
            "importing wants.py raised ModuleNotFoundError: No module named 'numpyy' (wants.py, line 2)",
        ),
        ("raises:thing", "importing raises raised ZeroDivisionError: division by zero (raises.py, line 1)"),
        ("leaves.py:thing", "importing leaves.py raised SystemExit: 3 (leaves.py, line 2)"),
        ("typo.py:thing", "importing typo.py raised SyntaxError"),
        ("..good:thing", "importing ..good raised TypeError"),
    ],
)
def test_what_is_refused_is_one_line(write, target, message):
    write(
        "good.py",
        "thing = 1\nother = 2\nclass _Grumpy:\n    @property\n    def it(self): raise RuntimeError('not today')\n",
    )
    with open("good.py", "a") as file:
        file.write("grumpy = _Grumpy()\ndel _Grumpy\n" if "grumpy" in target else "del _Grumpy\n")
    write("notes.txt", "")
    write("wants.py", "\nimport numpyy")
    write("raises.py", "1 / 0")
    write("leaves.py", "import sys\nsys.exit(3)")
    write("typo.py", "def thing(:")
    with pytest.raises(UsageError) as caught:
        load(target)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_is_not_left_half_imported(write):
    write("mine_f.py", "half = 1\n1 / 0")
    with pytest.raises(UsageError):
        load("mine_f.py:half")
    assert "mine_f" not in sys.modules

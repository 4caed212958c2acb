"""A thousand calls that are wrong in one argument: each is refused by name, with its remedy, before anything runs.

Calls are made from the table of valid ones: in each one argument has a value that is wrong for its kind. A fixed seed
chooses a thousand of them all; `pytest --all-invalid-calls` makes every one.
"""

import functools
import importlib
import inspect
import random
import re
import traceback
from pathlib import Path

import jax
import pytest

import fnnets
import fnnets as fn
from tests.invalid.calls import public, wrong_calls

FILES = sorted(Path(__file__).parent.glob("rows_*.py"))
TABLES = [importlib.import_module(f"tests.invalid.{path.stem}") for path in FILES]
PUBLIC = [row for table in TABLES for row in table.ROWS]
ROWS = PUBLIC + [row for table in TABLES for row in getattr(table, "METHODS", [])]  # functions of networks and layers
TAKES_ANYTHING = {name: why for table in TABLES for name, why in getattr(table, "TAKES_ANYTHING", {}).items()}
PACKAGE = Path(fnnets.__file__).parent
SAMPLE = 1000
COMPILATION = "/jax/core/compile/backend_compile_duration"
compiled = []


def note(event, *_, **__):
    if event == COMPILATION:
        compiled.append(event)


jax.monitoring.register_event_duration_secs_listener(note)


def every():
    return [(row, *wrong) for row in ROWS for wrong in wrong_calls(row)]


valid = set()


def call_once(row):
    """The valid call of a row: what it compiles, such as splitting a key, does not count for the wrong ones."""
    if id(row) not in valid:
        row.function(**{name: kind.valid for name, kind in row.arguments.items()})
        valid.add(id(row))


def complaint(row, argument, arguments):
    """What is wrong with the answer to a wrong call, in words; None where it is as it has to be."""
    call_once(row)
    before = len(compiled)
    try:
        row.function(**arguments)
    except (TypeError, ValueError, fn.storage.DataError) as error:
        text, frame = str(error), traceback.extract_tb(error.__traceback__)[-1]
    except Exception as error:  # any other is the finding
        return f"{type(error).__name__}: {error}"
    else:
        return "no error"
    if PACKAGE not in Path(frame.filename).parents or "raise" not in (frame.line or "raise"):
        return f"raised in {frame.filename}:{frame.lineno}, not by a check: {text}"
    name = row.named.get(argument, argument)
    if not re.search(rf"\b{re.escape(name)}\b", text):
        return f"does not name {name}: {text}"
    if "expected" not in text or not re.search(r"[;:]", text.split("expected")[1]):
        return f"no remedy: {text}"
    if len(compiled) > before:
        return f"{len(compiled) - before} programs were compiled before: {text}"
    return None


def test_every_public_function_has_a_row_or_a_reason_for_none():
    rows = {row.name for row in PUBLIC}
    assert sorted(public() - rows - set(TAKES_ANYTHING)) == []
    assert sorted((rows | set(TAKES_ANYTHING)) - public()) == []
    assert sorted(rows & set(TAKES_ANYTHING)) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_valid_call_is_valid(row):
    call_once(row)


def test_wrong_calls_are_refused_by_name_with_a_remedy_before_anything_runs(pytestconfig):
    calls = every()
    jax.random.key(0)  # is compiled once a process
    if not pytestconfig.getoption("all_invalid_calls"):
        calls = random.Random(0).sample(calls, min(SAMPLE, len(calls)))
    complaints = []
    for row, argument, what, arguments in calls:
        found = complaint(row, argument, arguments)
        if found:
            complaints.append(f"{row.name}({argument}={what}): {found}")
    assert not complaints, f"{len(complaints)} of {len(calls)}:\n" + "\n".join(complaints)


@pytest.mark.parametrize("name", sorted(public()))
def test_an_argument_of_another_name_is_refused_by_the_names_that_there_are(name):
    """`fit(epoch=3)` names the function, the argument and `epochs`; functions of any names take this one too."""
    function = functools.reduce(getattr, name.split(".")[1:], fnnets)
    if any(each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values()):
        return
    with pytest.raises(
        TypeError, match=rf"^{function.__name__}: nonsense is (no argument|given by name), expected .*; "
    ) as found:
        function(nonsense=1)
    assert "locals" not in str(found.value)

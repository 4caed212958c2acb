"""The extensions of the site: source that is included, statements, docstrings, the names of the API."""

import importlib
import re
import types
from pathlib import Path

import pytest
from extensions import code, docstrings, formulas, inventories, statements

import fnnets as fn
from tests.contract import table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONSTANTS = re.compile(r"^\.\. py:data:: (\S+)$", re.MULTILINE)


def test_a_definition_is_found_by_its_qualified_name():
    path = ROOT / "fnnets" / "layers" / "dense.py"
    where = code.span(path, "dense.backward")
    shown = code.text(path, where)
    assert shown.startswith("def backward(params: DenseParams")
    assert "delta @ params.weights\n" in shown
    assert code.text(path, code.span(path, "dense")).startswith("@constructor\ndef dense(")
    with pytest.raises(LookupError, match=r"dense.py has no definition 'dense.sideways'"):
        code.span(path, "dense.sideways")


def test_definitions_that_follow_each_other_are_shown_as_one():
    spans = [code.Span(10, 12), code.Span(30, 31), code.Span(14, 20)]
    assert code._joined(spans) == [code.Span(10, 20), code.Span(30, 31)]


def test_every_formula_is_there_as_latex_and_none_besides():
    assert {each.formula for each in fn.statements()} <= set(formulas.FORMULAS)
    labels = {*fn.verify.checks.equations.LABELS.values(), *fn.core.notes.STATEMENTS.values()}
    assert set(formulas.FORMULAS) <= labels
    for latex in formulas.FORMULAS.values():
        assert latex.count("{") == latex.count("}")


def test_every_file_of_a_statement_has_a_row_of_the_contract():
    files = {f"fnnets/{each.file}" for each in fn.statements()}
    assert files == set(statements.ROWS)
    for file, (test, row) in statements.ROWS.items():
        assert row in (table.LAYERS if test == statements.LAYERS else table.NETWORKS), file
        assert code.span(ROOT / test, statements.TEST).first > 0


def test_rows_of_a_report_have_names_of_their_own():
    for family in fn.verify.checks.equations.families():
        rows = {each.row for each in fn.statements(family)}
        assert len({statements.slug(family, row) for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("`name` and `a b`", "`name` and ``a b``"),
        ("|z| of dW_ and a * b", r"\|z\| of dW\_ and a \* b"),
        ("*Padding.* `Array`s", r"*Padding.* `Array`\ s"),
        ("a\\b", "a\\\\b"),
    ],
)
def test_marks_outside_of_code_are_escaped(line, expected):
    assert docstrings.escaped(line) == expected


def test_a_docstring_keeps_formulas_tables_and_examples():
    lines = docstrings.converted(
        [
            "Title.",
            "",
            "    z = x Wᵀ",
            "",
            "| a | `b` |",
            "|---|---|",
            "| 1 | 2 |",
            "",
            "Args:",
            "    x: |x|.",
            "",
            ">>> 1",
            "1",
        ]
    )
    text = "\n".join(lines)
    assert ".. code-block:: text\n\n      z = x Wᵀ" in text
    assert ".. list-table::\n   :header-rows: 1\n\n   * - a\n     - `b`\n   * - 1\n     - 2" in text
    assert "Args:\n    x: \\|x\\|." in text
    assert "\n>>> 1\n1\n" in text


def documented():
    """The names that the pages of the API hold, as `module.name`, without those that a page leaves out."""
    found = set()
    for path in (DOCS / "api").glob("*.md"):
        text = path.read_text()
        found |= set(CONSTANTS.findall(text))
        found |= set(re.findall(r"^\.\. auto(?:function|class):: (\S+)$", text, re.MULTILINE))
        for name, options in re.findall(r"^\.\. automodule:: (\S+)\n((?:   :.*\n)*)", text, re.MULTILINE):
            if ":members:" in options:
                left_out = {
                    each for line in re.findall(r":exclude-members: (.*)", options) for each in line.split(", ")
                }
                found |= {f"{name}.{each}" for each in public(importlib.import_module(name)) if each not in left_out}
    return found


def resolved(name):
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def public(module):
    names = getattr(module, "__all__", None)
    return names or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]


def test_the_api_has_every_public_name():
    found = documented()
    entries = {id(resolved(name)) for name in found}  # fn.training.fit is fn.fit, and has one entry
    for name in fn.__all__:
        value = getattr(fn, name)
        for each in public(value) if isinstance(value, types.ModuleType) else [None]:
            thing = value if each is None else getattr(value, each)
            assert isinstance(thing, types.ModuleType) or id(thing) in entries, f"fn.{name}.{each}"
    for kind, module in (
        (fn.Objective, fn.objectives), (fn.Activation, fn.activations), (fn.initializers.Initializer, fn.initializers),
    ):  # fmt: skip
        constants = {name for name, value in vars(module).items() if isinstance(value, kind)} - {"difference"}
        assert {f"{module.__name__}.{name}" for name in constants} <= found


@pytest.mark.parametrize("name", inventories.PROJECTS)
def test_inventories_hold_names_that_exist(name):
    lines = (DOCS / "inventories" / f"{name}.inv").read_text().splitlines()
    assert lines[0] == "# Sphinx inventory version 1"
    assert len(lines) > 10
    for line in lines[3:]:
        found, kind, page = line.split()
        assert kind in ("function", "class", "module", "data", "exception")
        assert page.endswith(".html")
        module, _, last = found.rpartition(".")
        assert kind == "module" or hasattr(importlib.import_module(module), last), found

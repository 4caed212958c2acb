"""One list of references: what is cited by a key is in it, what is in it is cited, and every citation has a key."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = (ROOT / "REFERENCES.md").read_text()
SITE = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))
PAGES = ("README.md", "CONTRIBUTING.md", "experiments/README.md", *SITE)
FOLDERS = ("fnnets", "experiments", "examples", "tests")
ENTRY = re.compile(r"^- \*\*\[(\w+)\]\*\* ", re.MULTILINE)
CITED = re.compile(r"\[([A-Z][A-Za-z]+(?:1[89]|20)\d\d[a-z]?)\]")
NAMES_AND_YEAR = re.compile(r"\b[A-Z][a-zé]+(?: et al\.)?,? \(?(?:1[89]|20)\d\d\b")


def entries(page):
    """The keys of a list of references, in its order.

    Those without a year cannot be told from brackets of code, so they are looked for by name.
    """
    return ENTRY.findall(page)


def cited(text, keys):
    """The keys that a text cites: whatever looks like one, and those of `keys`."""
    return {*CITED.findall(text), *(key for key in keys if f"[{key}]" in text)}


def faults(page, texts):
    """What is wrong between a list of references and the texts that cite it; nothing where all is well."""
    keys = entries(page)
    found = set().union(*(cited(text, keys) for text in texts))
    return {
        "cited and not listed": sorted(found - set(keys)),
        "listed and not cited": sorted(set(keys) - found),
        "listed twice": sorted({key for key in keys if keys.count(key) > 1}),
        "out of order": [] if keys[1:] == sorted(keys[1:], key=str.lower) else keys[1:],
    }


def sources():
    """Each text that may cite, by its path."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    return {path: path.read_text() for path in [*paths, *(ROOT / page for page in PAGES)]}


def docstrings(source):
    """Every docstring of a module."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def test_citations_and_the_list_agree():
    assert not any(found := faults(LIST, sources().values()).values()), found
    assert entries(LIST)[0] == "Rauber"
    assert len(entries(LIST)) > 70


@pytest.mark.parametrize(
    ("page", "text", "fault"),
    [
        ("- **[Rauber]** N.\n- **[Ng2011]** N.", "[Rauber], [Ng2011], [Ng2012]", {"cited and not listed": ["Ng2012"]}),
        ("- **[Rauber]** N.\n- **[Ng2011]** N.", "[Rauber], section 6", {"listed and not cited": ["Ng2011"]}),
        ("- **[Rauber]** N.\n- **[Ng2011]** N.", "[Ng2011]; Rauber", {"listed and not cited": ["Rauber"]}),
        ("- **[Rauber]** N.\n- **[A1999]** N.\n- **[A1999]** N.", "[A1999] [Rauber]", {"listed twice": ["A1999"]}),
        ("- **[Rauber]** N.\n- **[B1999]** N.\n- **[Ab1999]** N.", "[Ab1999] [Rauber] [B1999]",
         {"out of order": ["B1999", "Ab1999"]}),
    ],
)  # fmt: skip
def test_each_fault_of_the_list_is_seen(page, text, fault):
    assert {name: found for name, found in faults(page, [text]).items() if found} == fault


def test_no_docstring_names_a_work_by_author_and_year():
    """A work has one form everywhere; where it is a program or a page, its name stands without a year."""
    found = {
        str(path.relative_to(ROOT)): matches
        for path, text in sources().items()
        if path.suffix == ".py" and "tests" not in path.parts
        if (matches := [match for doc in docstrings(text) for match in NAMES_AND_YEAR.findall(doc)])
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "Hinton 2010, section 2",
        "(Chen et al. 2016)",
        "Hochreiter, Schmidhuber 1997",
        "Bengio & Léonard (2013)",
    ],
)
def test_such_a_name_is_seen(text):
    assert NAMES_AND_YEAR.search(docstrings(f'"""Source: {text}."""')[0])


def test_the_notes_are_named_where_readers_begin():
    """Title and author of the text behind the statements: in the package, its README and its citation."""
    import fnnets

    for text in (fnnets.__doc__, (ROOT / "README.md").read_text(), (ROOT / "CITATION.cff").read_text()):
        assert "Rauber" in text
        assert re.search("notes on neural networks", text, re.IGNORECASE)
    assert "](REFERENCES.md)" in (ROOT / "README.md").read_text()

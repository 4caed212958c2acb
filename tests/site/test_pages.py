"""The pages of the site: their cells run in one go, their links, commands and sources exist."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from extensions import notebooks, written

from fnnets.command import entry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))
FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
# What a page prints, besides what its own assertions hold.
PRINTED = {
    "learn/feedforward": ("network: pass", "explicit misses the factor σ'(z) of sigmoid"),
    "check/report": ("explicit", "automatic", "central differences"),
}


def text_of(page):
    return (DOCS / f"{page}.md").read_text()


def cells(page):
    return [notebooks.body(cell) for cell in notebooks.CELL.findall(text_of(page))]


RUN = [page for page in PAGES if cells(page)]


@pytest.mark.parametrize("page", RUN)
def test_cells_run_one_after_another(page, capsys, standard_promotion):
    import matplotlib.pyplot as plt

    names: dict = {"__name__": "__main__"}
    try:
        for number, cell in enumerate(cells(page), start=1):
            exec(compile(cell, f"docs/{page}.md, cell {number}", "exec"), names)
    finally:
        plt.close("all")
    printed = capsys.readouterr().out
    assert all(text in printed for text in PRINTED.get(page, ()))


@pytest.mark.parametrize("page", PAGES)
def test_python_stands_in_cells_alone(page):
    text = text_of(page)
    assert "```python" not in text
    assert text.startswith(FRONT) == bool(cells(page))


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`|\$[^$\n]*\$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert "://" in target or (DOCS / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in re.findall(r"^```\{?console\}?\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            words = shlex.split(line, comments=True)
            if words[0] == "fnnets" and len(words) > 1:
                assert words[1] in (*entry.COMMANDS, "--help"), line
            if words[0] == "make":
                assert {word for word in words[1:] if "=" not in word} <= targets, line
            for extra in re.findall(r"fnnets\[([\w,]+)\]", line):
                assert set(extra.split(",")) <= set(project["optional-dependencies"]), line


@pytest.mark.parametrize("page", PAGES)
def test_the_page_stands_in_a_table_of_contents(page):
    trees = {
        (DOCS / other).parent.joinpath(entry).resolve().relative_to(DOCS.resolve()).as_posix()
        for other in PAGES
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```$", text_of(other), re.MULTILINE | re.DOTALL)
        for entry in tree.splitlines()
        if entry and not entry.startswith(":")
    }
    assert page == "index" or page in trees


def test_a_link_of_the_repository_becomes_one_of_the_site():
    link = written.included("experiments/README.md", {"from": "# Derivative rules"}, "reproductions")
    assert "[auditing](check/audited.md)" in link
    assert "[list of references](references.md)" in written.included("experiments/README.md", {}, "reproductions")


def test_a_part_that_a_file_does_not_have_is_refused():
    with pytest.raises(LookupError, match=r"REFERENCES.md has no line that begins with '# Nothing'"):
        written.included("REFERENCES.md", {"from": "# Nothing"}, "references")

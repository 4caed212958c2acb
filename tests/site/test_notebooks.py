"""Each page of *Learn* as a notebook: it holds the page's code, and runs where only the wheel is installed."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from extensions import notebooks

from tests.wheel import ROOT, installed_in, told

LEARN = ROOT / "docs" / "learn"
PAGES = sorted(path.stem for path in LEARN.glob("*.md") if path.stem != "index")
# The first in a kernel of the environment that runs it, as Jupyter does; the others in one process, cell by cell.
RUN = """
import contextlib, io, sys, nbclient, nbformat
first, *others = sys.argv[1:]
notebook = nbformat.read(first, as_version=4)
nbclient.NotebookClient(notebook, timeout=300).execute()
print(first, notebook.cells[-1].outputs[0].text.strip(), flush=True)
import matplotlib
matplotlib.use("agg")
for path in others:
    names = {"__name__": "__main__"}
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells[:-1], start=1):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell, f"{path}, cell {number}", "exec"), names)
    print(path, end=" ")
    exec(compile(cells[-1], path, "exec"), {})
"""
WHERE = "import pathlib, fnnets\nprint(pathlib.Path(fnnets.__file__).parent)"


def notebook(page):
    return notebooks.converted((LEARN / f"{page}.md").read_text())


def test_there_is_one_for_each_section_of_the_notes():
    assert len(PAGES) == 8
    for page in PAGES:
        assert "```{notebook}\n```" in (LEARN / f"{page}.md").read_text(), page


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_holds_the_pages_code_and_no_directive(page):
    found = notebook(page)
    nbformat.validate(found)
    text = (LEARN / f"{page}.md").read_text()
    assert sum(cell.cell_type == "code" for cell in found.cells) == text.count("```{code-cell}")
    for cell in found.cells:
        if cell.cell_type == "code":
            compile(cell.source, page, "exec")
        else:
            assert not re.search(r"^(```|:::)\{|\{\w+\}`|\]\((?!https?:)", cell.source, re.MULTILINE), cell.source
    assert found.cells[0].source.startswith("This notebook needs fnnets")
    assert ("```{source}" in text) == any("From `fnnets/" in cell.source for cell in found.cells)


def test_a_wrong_cell_fails(tmp_path):
    """The test of the test: a notebook whose verifier finds a fault does not run."""
    text = (LEARN / "feedforward.md").read_text().replace("* activation.derivative(z)   # (2)", "  # wrong")
    broken = notebooks.converted(text)
    assert any("# wrong" in cell.source for cell in broken.cells)
    code = "\n".join(cell.source for cell in broken.cells if cell.cell_type == "code")
    with pytest.raises(AssertionError):
        exec(compile(code, "feedforward", "exec"), {})


def test_notebooks_run_where_the_wheel_is_installed(tmp_path):
    installed = installed_in(tmp_path)
    paths = []
    for page in PAGES:
        found = notebook(page)
        found.cells.append(nbformat.v4.new_code_cell(WHERE))
        paths.append(tmp_path / f"{page}.ipynb")
        nbformat.write(found, paths[-1])
    # What is computed does not depend on how well XLA optimises it; compiling is most of the time.
    compiling = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))}
    done = told([installed.python, "-I", "-c", RUN, *paths], tmp_path, **compiling)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [Path(path) for path, _ in lines] == paths
    assert {Path(package).resolve() for _, package in lines} == {(installed.packages / "fnnets").resolve()}

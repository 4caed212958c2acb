"""Each page of *Learn* as a notebook, beside the page.

    page in MyST Markdown → cells of Markdown and of code → learn/feedforward.ipynb, linked at the top of the page

A notebook is for Jupyter, which knows no directive: an included source becomes a block of code, a link to another page
its title, the solution of an exercise a cell as any other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from docutils import nodes
from nbformat import v4
from sphinx.util.docutils import SphinxDirective

from extensions import code

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHER = re.compile(r"^(```|:::)\{(\w+)\}([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:(\w+):(.*)\n", re.MULTILINE)
ROLE = re.compile(r"\{(\w+)\}`([^`]+)`")
FIRST = "This notebook needs fnnets with two extras: `pip install 'fnnets[data,plots]'`.\n\n"


def converted(page: str) -> nbformat.NotebookNode:
    """The notebook of a page."""
    page = re.sub(r"\A---\n.*?\n---\n", "", page, flags=re.DOTALL)
    cells: list[nbformat.NotebookNode] = []
    position = 0
    for found in CELL.finditer(page):
        _add_text(cells, page[position : found.start()])
        cells.append(v4.new_code_cell(body(found.group(1)).strip()))
        position = found.end()
    _add_text(cells, page[position:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=cells, metadata=about)


def _add_text(cells: list[nbformat.NotebookNode], text: str) -> None:
    text = ROLE.sub(_role, OTHER.sub(_directive, text)).strip()
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    if text:
        cells.append(v4.new_markdown_cell(FIRST + text if not cells else text))


def body(text: str) -> str:
    """What a directive holds, without its options."""
    return re.sub(r"\A(?:(?::[^\n]*)?\n)*", "", text)


def _directive(found: re.Match[str]) -> str:
    kind, argument, inner = found.group(2), found.group(3).strip(), found.group(4)
    if kind == "notebook":
        return ""
    if kind == "source":
        path = code.ROOT / argument
        shown = "\n".join(
            code.text(path, where) for where in code.spans(path, dict(OPTION.findall(inner)).get("names"))
        )
        return f"From `{argument}`:\n\n```python\n{shown}```"
    if kind == "math":
        return f"$$\n{body(inner).strip()}\n$$"
    return "\n".join(filter(None, [f"**{argument}**" if argument else "", body(inner).strip()]))


def _role(found: re.Match[str]) -> str:
    kind, text = found.groups()
    if kind == "statement":
        return f"({text})"
    return "`" + re.sub(r"\s*<[^>]*>$", "", text).lstrip("~") + "`"


class Notebook(SphinxDirective):
    """A link to the notebook of the page that holds it."""

    def run(self) -> list[nodes.Node]:
        name = self.env.docname.rpartition("/")[2] + ".ipynb"
        link = nodes.reference("", "as a notebook", refuri=name, classes=["notebook"])
        return [nodes.paragraph("", "This page runs ", link, nodes.Text(" too."), classes=["notebook-line"])]


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebook of each page that has the directive."""
    if exception is not None or app.builder.format != "html":
        return
    for name in sorted(app.env.found_docs):
        text = Path(app.env.doc2path(name)).read_text()
        if "```{notebook}" in text:
            target = Path(app.outdir) / f"{name}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(converted(text), target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive; write notebooks when the pages are there."""
    app.add_directive("notebook", Notebook)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

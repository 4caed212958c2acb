"""Source pages with a link for each line, and source that pages include.

{source} fnnets/layers/dense.py     a directive: whole definitions, by `:names:`, with the file's line numbers
{line}`fnnets/layers/dense.py:85`   a role: a link to that line; {line}`dense <fnnets/layers/dense.py:85>` with a text
code/fnnets/layers/dense.html       a page for each file of the package, of the contract's tests, and of examples
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("fnnets", "tests/contract", "examples")


class Span(NamedTuple):
    """First and last line of a definition, counted from 1, decorators included."""

    first: int
    last: int


class Place(nodes.Inline, nodes.TextElement):
    """A link to a place that no label names, `page` and `anchor`; resolved when the page that holds it is written."""


def place_of(label: str, file: str, line: int) -> Place:
    """A link to a line of a source page."""
    return Place("", label, page=f"code/{file.removesuffix('.py')}", anchor=f"line-{line}")


def span(path: Path, name: str) -> Span:
    """The lines of a definition by its qualified name, such as "dense.forward" for a function within a function.

    Raises:
        LookupError: the file has no such definition.
    """
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((each for each in body if part in _names(each)), None)
        if found is None:
            raise LookupError(f"{path.name} has no definition {name!r}")
        body = getattr(found, "body", [])
    assert found is not None
    decorators = getattr(found, "decorator_list", [])
    return Span(min([found.lineno, *(each.lineno for each in decorators)]), found.end_lineno or found.lineno)


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def text(path: Path, where: Span) -> str:
    """The lines of a span, without common indentation."""
    lines = path.read_text().splitlines()
    return textwrap.dedent("\n".join(lines[where.first - 1 : where.last])) + "\n"


class Source(SphinxDirective):
    """Definitions of a file of the repository, included where they stand, under a link to their lines."""

    required_arguments = 1
    option_spec = {"names": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = ROOT / name
        self.env.note_dependency(str(path))
        found: list[nodes.Node] = []
        for where in spans(path, self.options.get("names")):
            block = nodes.literal_block(code := text(path, where), code, language="python")
            block["linenos"] = True
            block["highlight_args"] = {"linenostart": where.first}
            block["classes"].append("source")
            caption = nodes.paragraph(classes=["source-caption"])
            label = (
                f"{name}, lines {where.first} to {where.last}"
                if where.last > where.first
                else f"{name}, line {where.first}"
            )
            caption += place_of(label, name, where.first)
            found += [caption, block]
        return found


def _doc(path: Path) -> Span:
    """The lines of a module's docstring."""
    first = ast.parse(path.read_text()).body[0]
    return Span(first.lineno, first.end_lineno or first.lineno)


def spans(path: Path, names: str | None) -> list[Span]:
    """The lines of definitions, in the file's order; those of the module's docstring without names."""
    return _joined([span(path, name) for name in names.split()] if names else [_doc(path)])


def _joined(spans: list[Span]) -> list[Span]:
    """Spans that follow each other with blank lines alone in between become one."""
    found: list[Span] = []
    for each in sorted(spans):
        if found and each.first - found[-1].last <= 3:
            found[-1] = Span(found[-1].first, each.last)
        else:
            found.append(each)
    return found


class Line(SphinxRole):
    """A link to a line of a source page."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        label, _, place = self.text.rpartition("<")
        file, _, line = (place.rstrip(">") if label else self.text).partition(":")
        if not (ROOT / file).is_file():
            message = self.inliner.reporter.error(f"there is no file {file} to link to", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        short = label.strip() or f"{file.removeprefix('fnnets/')}:{line}".rstrip(":")
        return [place_of(short, file, int(line or 1))], []


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn places into links."""
    for place in list(doctree.findall(Place)):
        uri = app.builder.get_relative_uri(docname, place["page"])
        shown = nodes.literal("", place.astext()) if place["page"].startswith("code/") else nodes.Text(place.astext())
        place.replace_self(nodes.reference("", "", shown, internal=True, refuri=f"{uri}#{place['anchor']}"))


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each source file, each line with a name of its own."""
    if app.builder.format != "html":
        return
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            shown = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
                path.read_text() or "\n", "python", linenos="inline", linespans="line"
            )
            page = f"code/{name.removesuffix('.py')}"
            back = app.builder.get_relative_uri(page, "statements")
            body = (
                f'<h1>{name}</h1>\n<p>A file of the repository. <a href="{back}">Statements</a> lists the lines that '
                f'are equations.</p>\n<div class="source-page">{shown}</div>'
            )
            yield page, {"title": name, "body": body}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, the role and the pages."""
    app.add_node(Place)
    app.add_directive("source", Source)
    app.add_role("line", Line())
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

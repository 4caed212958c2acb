"""Docstrings of the package as reStructuredText: they are written to be read as they stand.

indented lines      formulas and programs, shown as they are
| a | b |           a table
`name`              a link where the API has the name, else code
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SECTIONS = ("Args:", "Raises:", "Returns:", "Yields:", "Note:", "Example:", "Examples:", "Warns:")


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring with tables, formulas and code as reStructuredText has them."""
    found: list[str] = []
    position, before = 0, ""
    while position < len(lines):
        line = lines[position]
        if line.startswith("|"):
            end = _end(lines, position, lambda each: each.startswith("|"))
            found += ["", *_table(lines[position:end]), ""]
            position, before = end, ""
        elif line.startswith("    ") and before not in SECTIONS and not before.startswith(">>>"):
            end = _end(lines, position, lambda each: each.startswith("    ") or not each.strip())
            found += ["", ".. code-block:: text", "", *("  " + each for each in lines[position:end]), ""]
            position, before = end, ""
        elif line.strip() == "Attributes:":
            end = _end(lines, position + 1, lambda each: each.startswith("    ") or not each.strip())
            found += ["", "**Attributes**", "", *_attributes(lines[position + 1 : end]), ""]
            position, before = end, ""
        elif line.strip() in SECTIONS:
            end = _end(lines, position + 1, lambda each: each.startswith("    ") or not each.strip())
            found += [line, *map(escaped, lines[position + 1 : end])]
            position, before = end, ""
        elif line.startswith(">>>"):
            end = _end(lines, position, lambda each: bool(each.strip()))
            found += ["", *lines[position:end], ""]
            position, before = end, ""
        else:
            found.append(escaped(line))
            before = line.strip() or before
            position += 1
    return found


def _attributes(lines: list[str]) -> list[str]:
    """Attributes as a list of definitions: napoleon would link their names to attributes of other classes."""
    found: list[str] = []
    for line in lines:
        if line.startswith("    ") and not line.startswith("     "):
            names, _, text = line.strip().partition(": ")
            found += ["", ", ".join(f"``{name}``" for name in names.split(", ")), f"    {escaped(text)}"]
        else:
            found.append(escaped(line.removeprefix("    ")))
    return found


def _end(lines: list[str], start: int, belongs: Any) -> int:
    """The first line from `start` that does not belong."""
    return next((i for i in range(start, len(lines)) if not belongs(lines[i])), len(lines))


def escaped(line: str) -> str:
    r"""The line with what reStructuredText would read as marks outside of code.

    >>> escaped("the |z| of dW_ and `a | b`")
    'the \\|z\\| of dW\\_ and ``a | b``'
    """
    parts = re.split(r"(`[^`]+`)", line)
    ends = {n for n in range(1, len(parts), 2) if re.match(r"\w", parts[n + 1])}  # `name`s ends where the name does
    return "".join((_code(each) + "\\ " * (n in ends)) if n % 2 else _plain(each) for n, each in enumerate(parts))


def _code(part: str) -> str:
    inner = part[1:-1]
    is_name = re.fullmatch(r"[A-Za-z_][\w.]*", inner) is not None
    return part if is_name else f"``{inner}``" if inner.strip() == inner else part


def _plain(part: str) -> str:
    part = part.replace("\\", "\\\\")
    part = re.sub(r"(?<![\w*])\*(\w[^*]*)\*(?![\w*])", "\0\\1\0", part)  # emphasis stays
    return re.sub(r"([*|]|_\b|_(?=\W|$))", r"\\\1", part).replace("\0", "*")


def _table(lines: list[str]) -> list[str]:
    """A Markdown table as a list table."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    found = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        for place, cell in enumerate(row):
            found.append(f"   {'*' if place == 0 else ' '} - {escaped(cell)}".rstrip())
    return found


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Convert a docstring in place, before napoleon reads its sections."""
    lines[:] = converted(lines)


def skipped(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which the docstring of the class has under Attributes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Convert every docstring that autodoc reads."""
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-skip-member", skipped)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

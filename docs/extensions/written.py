"""Pages of the repository as pages of the site, and citations as links.

    ```{written} experiments/README.md      the file stands here, from one line that begins so to another
    :from: # Every run
    :to: # Derivative rules
    ```

Links within the file are those of the repository: to another page of the site where it shows that file, to its source
page, or else no links. `[Rauber]` in any page leads to the list of references.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extensions import code

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "REFERENCES.md": "references",
    "experiments/README.md": "reproductions",
    "experiments/auditing/README.md": "check/audited",
    "experiments/benchmarks/README.md": "measurements",
    "experiments/benchmarks/SCALING.md": "scaling",
}
WRITTEN = re.compile(r"^```\{written\} (\S+)\n((?::\w+: .*\n)*)```$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")
ENTRY = re.compile(r"^- \*\*\[(\w+)\]\*\* ", re.MULTILINE)


def included(name: str, options: dict[str, str], page: str) -> str:
    """The part of a file that a page shows, its links as the page has them.

    Raises:
        LookupError: no line begins as `from` or `to` says.
    """
    text = re.sub(r"<!--.*?-->\n?", "", (code.ROOT / name).read_text(), flags=re.DOTALL)
    for key in ("from", "to"):
        if key in options:
            found = re.search(rf"^{re.escape(options[key])}.*$", text, re.MULTILINE)
            if found is None:
                raise LookupError(f"{name} has no line that begins with {options[key]!r}")
            text = text[found.start() :] if key == "from" else text[: found.start()]
    return LINK.sub(lambda link: _moved(link, Path(name).parent, page), text)


def _moved(link: re.Match[str], folder: Path, page: str) -> str:
    shown, target = link.group(1), os.path.normpath(folder / link.group(2))
    up = "../" * page.count("/")
    if target in PAGES:
        return f"[{shown}]({up}{PAGES[target]}.md)"
    if target.startswith("docs/") and (code.ROOT / target).is_file():
        return f"[{shown}]({up}{target.removeprefix('docs/')})"
    if target.endswith(".py") and target.startswith(code.FOLDERS):
        return f"{{line}}`{target}`"
    return shown


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Put in what a page includes, and say where its citations lead."""

    def put(found: re.Match[str]) -> str:
        app.env.note_dependency(str(code.ROOT / found.group(1)))
        return included(found.group(1), dict(re.findall(r":(\w+): (.*)\n", found.group(2))), page)

    text = WRITTEN.sub(put, source[0])
    if page == "references":
        text = ENTRY.sub(r"- (ref-\1)=\n  **\1** ", text)
    else:
        keys = [key for key in ENTRY.findall((code.ROOT / "REFERENCES.md").read_text()) if f"[{key}]" in text]
        text += "\n\n" + "\n".join(f"[{key}]: #ref-{key.lower()}" for key in keys)
    source[0] = text


def setup(app: Sphinx) -> dict[str, Any]:
    """Read every page so."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

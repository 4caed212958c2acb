"""The table of statements and the reports that prove them, made when the site is built.

    {statements} recurrent     a directive: number, formula, line of code, test, rows of the report
    {report} recurrent         a directive: the report of `fn.verify.network` on the family, a name for each row
    {statement}`8`             a role: a link to the number's entries in the table

Both are read from the package, `fn.statements` and `fn.verify.network`, and kept in `build/pages` until it changes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective, SphinxRole

from extensions import code
from extensions.formulas import FORMULAS
from extensions.formulas import ROWS as SPECIAL
from fnnets.storage import files

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TABLE = "statements"  # the page of all tables
REPORTS = "reports"  # the page of all reports
LAYERS, NETWORKS = "tests/contract/test_layers.py", "tests/contract/test_networks.py"
TEST = "test_explicit_equals_automatic"
# The row of the contract that holds a file's gradients against jax.grad, and the file of the test.
ROWS = {
    "fnnets/layers/dense.py": (LAYERS, "dense square"),
    "fnnets/layers/convolution.py": (LAYERS, "convolution, plain"),
    "fnnets/layers/locally_connected.py": (LAYERS, "locally connected"),
    "fnnets/layers/pooling.py": (LAYERS, "max pooling, plain"),
    "fnnets/layers/flatten.py": (LAYERS, "flatten"),
    "fnnets/layers/recurrent.py": (LAYERS, "recurrent, plain"),
    "fnnets/layers/gates.py": (LAYERS, "lstm, plain"),
    "fnnets/layers/recurrence.py": (LAYERS, "recurrent, tanh, learnt state, padded, plain"),
    "fnnets/layers/lstm.py": (LAYERS, "lstm, plain"),
    "fnnets/layers/lstm_peepholes.py": (LAYERS, "lstm, peepholes, plain"),
    "fnnets/layers/lstm_1997.py": (LAYERS, "lstm of 1997, plain"),
    "fnnets/layers/gru.py": (LAYERS, "gru, plain"),
    "fnnets/layers/tied.py": (LAYERS, "tied, square"),
    "fnnets/layers/free_energy.py": (LAYERS, "free energy"),
    "fnnets/objectives.py": (NETWORKS, "feedforward, softmax log-likelihood"),
    "fnnets/core/averages.py": (NETWORKS, "feedforward, softmax log-likelihood"),
    "fnnets/core/network.py": (NETWORKS, "feedforward, softmax log-likelihood"),
    "fnnets/core/penalty.py": (NETWORKS, "feedforward, dropout"),
    "fnnets/core/sparsity.py": (NETWORKS, "autoencoder, sparse, tied"),
}


def kept(app: Sphinx) -> dict[str, Any]:
    """Statements and reports of every family, as JSON has them; computed once for a state of the package."""
    path = Path(app.config.nb_execution_cache_path) / "statements.json"
    if not path.exists():  # written whole: two processes read pages side by side
        text = json.dumps(_computed(), ensure_ascii=False)
        files.write(path, lambda temporary: temporary.write_text(text))
    return json.loads(path.read_text())


def _computed() -> dict[str, Any]:
    import jax

    import fnnets as fn
    from fnnets.verify.checks import equations
    from fnnets.verify.report import text

    found: dict[str, Any] = {"statements": [each._asdict() for each in fn.statements()], "reports": {}}
    for family, (net, batch) in equations.families().items():
        report = fn.verify.network(net, net.init(jax.random.key(2)), batch)
        rows = [(row.where, text.cells(row)) for row in report.rows]
        found["reports"][family] = {"heads": text.heads(report), "rows": rows, "summary": text.summary(report)}
    return found


def slug(family: str, row: str) -> str:
    """The name of a report's row within its page."""
    return f"{family}-" + re.sub(r"[^\w']+", "-", row.lower()).strip("-")


class Statements(SphinxDirective):
    """The statements of one family, a line for each formula and line of code."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        family = self.arguments[0]
        merged: dict[tuple[str, str, str, int], list[dict[str, Any]]] = {}
        for each in kept(self.env.app)["statements"]:
            if each["family"] == family:
                merged.setdefault((each["statement"], each["formula"], each["file"], each["line"]), []).append(each)
        if not merged:
            raise self.error(f"fn.statements knows no family {family!r}")
        lines = ["| statement | formula | code, and its test | row of the report |", "|---|---|---|---|"]
        named: set[str] = set()
        for (number, formula, file, line), same in sorted(merged.items(), key=_order):
            anchor = "" if number in named else f'<span id="{_anchor(family, number)}"></span>'
            named.add(number)
            name = f"({number})" if number.isdigit() else f"`{number}`"
            cells = [
                f"{anchor}{name}", f"${_formula(number, formula, same)}$",
                f"{{line}}`fnnets/{file}:{line}`<br>{{test}}`{ROWS[f'fnnets/{file}'][1]} <{file}>`",
                ", ".join(f"{{row}}`{family}:{row}`" for row in dict.fromkeys(each["row"] for each in same)),
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        return [_parsed(self, lines, "statements")]


class Report(SphinxDirective):
    """The report of `fn.verify.network` on a family's network, as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        family = self.arguments[0]
        report = kept(self.env.app)["reports"].get(family)
        if report is None:
            raise self.error(f"there is no report of a family {family!r}")
        lines = ["| " + " | ".join(report["heads"]) + " |", "|---" * len(report["heads"]) + "|"]
        for where, (statement, *cells) in report["rows"]:
            anchor = f'<span id="{slug(family, where)}"></span>'
            lines.append(
                "| " + " | ".join([f"{anchor}{statement}", *(f"`{each}`" if each else "" for each in cells)]) + " |"
            )
        return [_parsed(self, [*lines, "", report["summary"]], "report")]


def _formula(number: str, formula: str, same: list[dict[str, Any]]) -> str:
    """LaTeX of what these rows compute: the statement, or the part or special case of it that they are."""
    row = same[0]["row"]
    names = (row, f"{number} {' '.join(row.split()[-2:])}", f"{number} {row.split()[-1]}")
    return next((SPECIAL[name] for name in names if name in SPECIAL), FORMULAS[formula])


def _parsed(directive: SphinxDirective, lines: list[str], kind: str) -> nodes.Node:
    box = nodes.container(classes=[kind])
    directive.state.nested_parse(StringList(lines, directive.get_source_info()[0]), directive.content_offset, box)
    return box


class Number(SphinxRole):
    """A link to a statement of the notes in the table."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        number = int(self.text)
        family = "feedforward" if number <= 6 else "recurrent"
        return [code.Place("", f"({number})", page=TABLE, anchor=_anchor(family, str(number)))], []


class Row(SphinxRole):
    """A link to a row of a report; of an objective without one its name alone."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        family, _, row = self.text.partition(":")
        if family == "objectives":
            return [nodes.Text(row)], []
        return [code.Place("", row, page=REPORTS, anchor=slug(family, row))], []


class Test(SphinxRole):
    """A link to the test that holds a file against `jax.grad`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        row, _, file = self.text.partition(" <")
        test, _ = ROWS[f"fnnets/{file.rstrip('>')}"]
        return [code.place_of(row, test, code.span(code.ROOT / test, TEST).first)], []


def _order(item: Any) -> tuple[int, str]:
    (number, *_), _ = item
    return (int(number), "") if number.isdigit() else (99, number)


def _anchor(family: str, number: str) -> str:
    return f"{family}-{re.sub(r'[^a-z0-9]+', '-', number.lower()).strip('-') or 'label'}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and the roles."""
    app.add_directive("statements", Statements)
    app.add_directive("report", Report)
    app.add_role("statement", Number())
    app.add_role("row", Row())
    app.add_role("test", Test())
    return {"parallel_read_safe": True, "parallel_write_safe": True}

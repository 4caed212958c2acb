"""The page of what the audit found, `experiments/auditing/README.md`, and the table of libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.auditing import settled
from experiments.auditing.libraries import LIBRARIES
from experiments.harness import results

HEAD = """<!-- Written by `python -m experiments audit --write`; do not edit. -->

# What the audit says of public libraries

[`fn.verify.audit`](../../docs/check/audit.md) over calls that reach the derivative rules of each library, at
an ordinary point each, and at special points: zero, infinity, ties, whole numbers, very large and very small values.
A rule counts once. Calls that take long are looked at at their ordinary point alone. Seconds: on a busy machine.

"""
COLUMNS = (
    "library", "version", "calls", "rules", "visits", "agree everywhere", "meant", "differ at an ordinary point",
    "differ at special points", "undecided", "not looked at", "seconds",
)  # fmt: skip
MEANT = ("flat primal", "rule gives zero", "identity primal", "implicit reparameterisation")
WHOLE = "the whole function"
LONGEST = 160


def write(folder: Path, here: Path) -> None:
    """Take the results in a folder over, and write the page."""
    for path in sorted(folder.glob("*.json")):
        results.save_json(json.loads(path.read_text(encoding="utf-8")), here / "measured" / path.name)
    text = markdown(here / "measured")
    results.replace(here / "README.md", lambda temporary: temporary.write_text(text, encoding="utf-8"))


def contents(measured: Path) -> list[dict[str, Any]]:
    """The results of the libraries that were audited, in the order of the catalogue."""
    paths = [measured / f"{name}.json" for name, _ in LIBRARIES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def markdown(measured: Path) -> str:
    """The page: the table, the faults, and every verdict that is not "agrees", with what it was settled as."""
    found = contents(measured)
    parts = [HEAD, table(found), "\n## Faults\n\n", settled.HEAD]
    path = measured / "faults.json"
    if path.exists():
        parts += [_fault(each) for each in json.loads(path.read_text(encoding="utf-8"))["faults"]]
    parts.append("\n## Every verdict that is not “agrees”\n")
    for content in found:
        rows = list(verdicts(content))
        if rows:
            parts += [f"\n### {content['library']}\n\n", _table(("rule", "verdict", "found in", "settled as"), rows)]
    return "".join(parts).rstrip() + "\n"


def table(found: list[dict[str, Any]]) -> str:
    """A row for each library."""
    return _table(COLUMNS, [_cells(each) for each in found])


def line(content: dict[str, Any]) -> str:
    """The row of a library, for the terminal."""
    cells = zip(COLUMNS, _cells(content), strict=True)
    return ", ".join(f"{name} {value}" for name, value in cells)


def worst(content: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The verdicts on each rule, by its name and place: at ordinary and at special points, with calls and details."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for call in content["calls"]:
        for kind in ("ordinary", "special"):
            report = call[kind]
            for row in report["rows"] if isinstance(report, dict) else ():
                if row["name"] == WHOLE:
                    continue
                rule = found.setdefault((row["name"], row["at"]), {"ordinary": {}, "special": {}})
                rule[kind].setdefault(row["verdict"], (call["name"], row))
    return found


def verdicts(content: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every verdict that is not "agrees", with the call in which it was found."""
    for (name, at), rule in worst(content).items():
        seen: set[str] = set()
        for kind in ("ordinary", "special"):
            for verdict, (call, row) in rule[kind].items():
                if verdict in ("agrees", "not differentiated") or verdict in seen:
                    continue
                seen.add(verdict)
                reason = settled.reason(name, at, verdict, kind, row.get("detail", ""))
                yield f"{name}, {_short(at)}", f"{verdict}: {_cut(row.get('detail', ''))}", call, reason
    for call in content["calls"]:
        report = call["ordinary"]
        if isinstance(report, str):
            yield (
                call["name"],
                f"could not be audited: {report}",
                call["name"],
                settled.reason(call["name"], "", "", "", ""),
            )
        for row in report["rows"] if isinstance(report, dict) else ():
            if row["name"] == WHOLE and row["verdict"] not in ("agrees", "as the rules above"):
                reason = settled.reason(call["name"], "", row["verdict"], "whole", row.get("detail", ""))
                yield WHOLE, f"{row['verdict']}: {_cut(row.get('detail', ''))}", call["name"], reason


def _short(at: str) -> str:
    """The last two parts of a path."""
    return "/".join(at.split("/")[-2:])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] + " …"


def _cells(content: dict[str, Any]) -> tuple[str, ...]:
    rules = worst(content)
    every = [set(rule["ordinary"]) | set(rule["special"]) for rule in rules.values()]
    here, there = ([set(rule[kind]) for rule in rules.values()] for kind in ("ordinary", "special"))
    visits = sum(
        call[kind]["visits"]
        for call in content["calls"]
        for kind in ("ordinary", "special")
        if isinstance(call[kind], dict)
    )
    name = content["library"]
    version = content["versions"][dict(LIBRARIES)[name]]
    counts = (
        len(content["calls"]), len(rules), visits,
        sum(not each - {"agrees", "not differentiated"} for each in every),
        sum(bool(each & set(MEANT)) for each in here),
        sum("differs" in each for each in here),
        sum("differs" in each and "differs" not in own for each, own in zip(there, here, strict=True)),
        sum("undecided" in each for each in here),
        sum("not looked at" in each for each in every),
    )  # fmt: skip
    return name, version, *map(str, counts), f"{content['seconds']:.0f}"


def _fault(fault: dict[str, Any]) -> str:
    code = "\n".join(f"    {line}" for line in fault["program"].strip().splitlines())
    return (
        f"\n**{fault['title']}** ({fault['versions']})\n\n{code}\n\n"
        f"Got {fault['got']}, right is {fault['right']}: {fault['source']}\n"
    )


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"

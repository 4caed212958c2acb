"""Run every test in this environment, and write the table of Pythons and releases of JAX in docs/guides/installing.md.

    make tried                          the pinned releases
    make tried PYTHON=python3.13 JAX=0.11.2

Counts are kept in requirements/tried.json, one entry for each Python and JAX; the table is made from it alone.

exit status   that of the tests
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
RECORD, PAGE = ROOT / "requirements" / "tried.json", ROOT / "docs" / "guides" / "installing.md"
BEGIN, END = "<!-- written by make tried -->\n", "<!-- end of make tried -->\n"
OF_THE_RECORD = "tests/test_requirements.py::test_the_table_of_the_page_is_the_record_and_has_no_failure"
COUNTS = ("tests", "failures", "errors", "skipped")


def main() -> int:
    """Run the tests, keep their counts, write the table."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # all but the test of the record that this run is for
        options = ["-n", "auto", "--dist", "loadfile", f"--deselect={OF_THE_RECORD}", f"--junit-xml={report}"]
        status = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, check=False).returncode
        found = counts(report.read_text(encoding="utf-8")) if report.exists() else {}
    if not found.get("passed"):
        print("no test passed; the table stays as it was", file=sys.stderr)
        return status or 1
    python, jax = ".".join(platform.python_version_tuple()[:2]), metadata.version("jax")
    entries = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else []
    entries = [entry for entry in entries if (entry["python"], entry["jax"]) != (python, jax)]
    here = {"python": python, "jax": jax, **found, "seconds": round(time.monotonic() - began)}
    entries = sorted([*entries, here], key=lambda entry: [*_order(entry["python"]), *_order(entry["jax"])])
    RECORD.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), entries), encoding="utf-8")
    return status


def counts(report: str) -> dict[str, int]:
    """The counts of pytest's report in XML.

    >>> counts('<testsuites><testsuite tests="9" failures="1" errors="0" skipped="2"/></testsuites>')
    {'passed': 6, 'failed': 1, 'errors': 0, 'skipped': 2}
    """
    suites = ElementTree.fromstring(report).iter("testsuite")
    total, failed, errors, skipped = map(
        sum, zip(*([int(s.get(name)) for name in COUNTS] for s in suites), strict=True)
    )
    return {"passed": total - failed - errors - skipped, "failed": failed, "errors": errors, "skipped": skipped}


def table(entries: list[dict]) -> str:
    """The entries as a table.

    >>> print(table([{"python": "3.11", "jax": "0.10.2", "passed": 5, "failed": 0, "errors": 0, "skipped": 1}]))
    | Python | JAX | passed | failed | skipped |
    |---|---|---|---|---|
    | 3.11 | 0.10.2 | 5 | 0 | 1 |
    <BLANKLINE>
    """
    rows = [
        f"| {e['python']} | {e['jax']} | {e['passed']} | {e['failed'] + e['errors']} | {e['skipped']} |"
        for e in entries
    ]
    return "\n".join(["| Python | JAX | passed | failed | skipped |", "|---|---|---|---|---|", *rows]) + "\n"


def with_table(page: str, entries: list[dict]) -> str:
    """A page with the table between its two marks."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table(entries) + END + rest.split(END)[1]


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


if __name__ == "__main__":
    sys.exit(main())

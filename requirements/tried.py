"""Run every test in this environment, and write the README's table of the Pythons and releases of JAX that were tried.

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
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORD, README = ROOT / "requirements" / "tried.json", ROOT / "README.md"
BEGIN, END = "<!-- written by make tried -->\n", "<!-- end of make tried -->\n"
COUNTS = ("passed", "failed", "errors", "skipped")


def main() -> int:
    """Run the tests, keep their counts, write the table."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-n", "auto", "--dist", "loadfile"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout, end="")
    python, jax = ".".join(platform.python_version_tuple()[:2]), metadata.version("jax")
    found = counts(run.stdout)
    if not found["passed"]:
        print("no test passed; the table stays as it was", file=sys.stderr)
        return run.returncode or 1
    entries = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else []
    entries = [entry for entry in entries if (entry["python"], entry["jax"]) != (python, jax)]
    here = {"python": python, "jax": jax, **found, "seconds": round(time.monotonic() - began)}
    entries = sorted([*entries, here], key=lambda entry: [*_order(entry["python"]), *_order(entry["jax"])])
    RECORD.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), entries), encoding="utf-8")
    return run.returncode


def counts(output: str) -> dict[str, int]:
    r"""The counts of pytest's last line.

    >>> counts("a 7 failed b\n5 passed, 2 skipped, 1 error in 3.1s\n")
    {'passed': 5, 'failed': 0, 'errors': 1, 'skipped': 2}
    """
    last = next((line for line in reversed(output.splitlines()) if re.search(r"\d+ \w+.* in [\d.]+s", line)), "")
    return {
        name: int(match.group(1)) if (match := re.search(rf"(\d+) {name.removesuffix('s')}", last)) else 0
        for name in COUNTS
    }


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

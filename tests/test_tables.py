"""Every table of the pages in Markdown has the same number of cells in each row, so that it is shown as one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").rglob("*.md")]


def tables(text):
    """The tables of a page: rows that stand together, outside of code."""
    found, is_code = [[]], False
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.lstrip().startswith("```")
        if line.startswith("|") and not is_code:
            found[-1].append((number, line))
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def cells(row):
    return len(re.findall(r"(?<!\\)\|", row.strip())) - 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(page):
    for table in tables(page.read_text(encoding="utf-8")):
        assert len(table) > 2, table
        assert re.fullmatch(r"\|( ?:?-+:? ?\|)+", table[1][1].strip()), table[1]
        wrong = [(number, row) for number, row in table if cells(row) != cells(table[0][1]) or row.rstrip()[-1] != "|"]
        assert not wrong, wrong


def test_a_broken_table_is_found():
    assert [cells(row) for row in ("| a | b |", r"| a \| c | b |", "| a | c | b |")] == [2, 2, 3]

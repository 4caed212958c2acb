"""The README: its Python blocks run in one go, its links and make targets exist. Pages of docs/ are in tests/site."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PRINTED = (
    "gradient: wrong (1 of 4 rows), first at gradient z1, statement (2); it misses the factor σ'(z1) of tanh",
    "\npass\n",
    "0  dense, sigmoid  (30,)         1,950\n",
    "layers/recurrent.py\nback\n",
)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def without_rounding(text):
    """The text with errors, zeros and indices of worst elements masked: they are rounding, and differ by computer."""
    masked = re.sub(r"\b\d\.\de[-+]\d+|(?<![\d.,])0(?![\d.,])|\[[\d,]+\]", "#", text)
    return re.sub(r"\s+", " ", masked)


def shown_tables(page):
    """The indented lines of reports and networks in a page."""
    lines = re.findall(
        r"^ {4}( *(?:statement where|[12] |explicit |gradient[:\s]|layer |0  |2,260).*)$",
        (ROOT / page).read_text(),
        re.M,
    )
    return [without_rounding(line).strip() for line in lines]


def test_python_blocks_run_one_after_another(capsys, standard_promotion):
    assert len(blocks("README.md")) >= 3
    names: dict = {}
    for number, block in enumerate(blocks("README.md"), start=1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert all(text in printed for text in PRINTED)
    shown = shown_tables("README.md")
    assert len(shown) >= 8
    assert [line for line in shown if line not in without_rounding(printed)] == []
    assert float(names["fn"].evaluate(names["net"], names["result"].params, names["test"]).accuracy) > 0.93


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "experiments/README.md"])
def test_relative_links_lead_somewhere(page):
    prose = re.sub(r"^    .*$", "", (ROOT / page).read_text(), flags=re.MULTILINE)  # formulas have [t](2) in them
    for target in re.findall(r"\]\(([^)#]+)", prose):
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_two_commands_are_make_targets():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for page in ("README.md", "docs/guides/installing.md"):
        assert {"make demo", "make test"} <= set(
            re.findall(r"^(?:    |\$ )(make \w+)", (ROOT / page).read_text(), re.MULTILINE)
        )

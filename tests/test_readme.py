"""The README and the pages of docs/: their Python blocks run in one go, their links and make targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
WITHOUT_PYTHON = {"docs/installing.md", "docs/speed.md"}
PRINTED = {
    "README.md": (
        "gradient: wrong (1 of 4 rows), first at gradient z1, statement (2); it misses the factor σ'(z1) of tanh",
        "\npass\n",
        "0  dense, sigmoid  (30,)         1,950\n",
        "layers/recurrent.py\nback\n",
    ),
    "docs/networks.md": ("layer 0 forgetful", "1  dropout, 0.2  (30,)         0\n"),
    "docs/verifier.md": ("network: pass", "gradient z1 | misses the factor σ'(z1) of tanh"),
}


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


@pytest.mark.parametrize("page", ["README.md", *(page for page in DOCS if page not in WITHOUT_PYTHON)])
def test_python_blocks_run_one_after_another(page, capsys, standard_promotion):
    assert blocks(page)
    names: dict = {}
    for number, block in enumerate(blocks(page), start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert all(text in printed for text in PRINTED.get(page, ()))
    if page == "README.md":
        shown = shown_tables(page)
        assert len(shown) >= 8
        assert [line for line in shown if line not in without_rounding(printed)] == []
    if page in ("README.md", "docs/training.md"):
        assert float(names["fn"].evaluate(names["net"], names["result"].params, names["test"]).accuracy) > 0.93


@pytest.mark.parametrize("page", sorted(WITHOUT_PYTHON))
def test_no_python_block_is_left_out(page):
    assert page in DOCS
    assert not blocks(page)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "experiments/README.md", *DOCS])
def test_relative_links_lead_somewhere(page):
    prose = re.sub(r"^    .*$", "", (ROOT / page).read_text(), flags=re.MULTILINE)  # formulas have [t](2) in them
    for target in re.findall(r"\]\(([^)#]+)", prose):
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_two_commands_are_make_targets():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for page in ("README.md", "docs/installing.md"):
        assert {"make demo", "make test"} <= set(
            re.findall(r"^    (make \w+)", (ROOT / page).read_text(), re.MULTILINE)
        )

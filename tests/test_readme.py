"""The README is the contract: its Python blocks run in one go, its links and make targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_python_blocks_run_one_after_another(capsys, standard_promotion):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    names: dict = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "network: pass" in printed
    assert "layer 0 forgetful" in printed
    assert "gradient z1 | misses the factor σ'(z1) of tanh" in printed
    assert float(names["fn"].training.evaluate(names["net"], names["result"].params, names["test"]).accuracy) > 0.93


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "experiments/README.md"])
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_two_commands_are_make_targets():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    assert {"make demo", "make test"} <= set(re.findall(r"^    (make \w+)", README, re.MULTILINE))

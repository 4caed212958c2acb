"""The benchmark of tools that look for wrong gradients: each tool is content with right code and not with a mutant."""

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import verification as bench
from fnnets import mutation
from fnnets.mutation import probes


def probe():
    return probes.Probe(*probes.settings("dense")[0].make())


def torch_is_there():
    pytest.importorskip("torch")
    return bench.gradcheck


TOOLS = {
    "float32": lambda: bench.check_grads_single,
    "float64": lambda: bench.check_grads_double,
    "torch": torch_is_there,
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_passes_right_code_and_refuses_a_mutant(name, standard_promotion):
    tool = TOOLS[name]()
    assert tool(probe())
    mutant = next(mutant for mutant in mutation.CATALOGUE["dense"] if mutant.name == "db zero")
    with mutation.applied(mutant):
        assert not tool(probe())


def test_the_cases_are_what_they_are_called(standard_promotion):
    moved = {case: bench.moved(probe(), case, 0) for case in bench.CASES}
    assert len(moved["one example"].batch.inputs) == 1
    assert all(not leaf.any() for leaf in jax.tree.leaves(moved["ties"].params))
    assert {leaf.dtype for leaf in jax.tree.leaves(moved["bfloat16"].params)} == {jnp.dtype(jnp.bfloat16)}
    sizes = [
        max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(moved[case].params)) for case in bench.CASES[:2]
    ]
    assert sizes[1] == pytest.approx(20 * sizes[0], rel=1e-5)


def test_the_table_sums_over_families():
    rows = [
        {"family": family, "tool": tool, "mutants": 10, "killed": 9, "seconds": 1.5, "alarms": 1, "correct": 4} | named
        for family in ("a", "b")
        for tool, named in ((bench.FNNETS, {"named": 8}), (bench.SINGLE, {}))
    ]
    text = bench.table(rows)
    assert "| fnnets.verify | 18 of 20 | 16 of 20 | 2 of 8 | 3 |" in text
    assert "| check_grads, float32 | 18 of 20 | it names none | 2 of 8 | 3 |" in text


def test_a_family_that_is_none_is_refused(capsys):
    assert bench.main(["--families", "none"]) == 2
    assert "families holds 'none', expected some of dense" in capsys.readouterr().err

import json
import statistics

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import (
    recurrent,
    recurrent_flax,
    recurrent_floor,
    recurrent_memory,
    recurrent_peers,
    recurrent_setting,
    recurrent_torch,
)
from experiments.benchmarks.__main__ import main

SMALL = "7-3-5-6-4"


def loop(one):
    """C in NumPy and float64, one step and one gate after another, as the layers' docstrings have them."""
    W, R, b, V, v = (np.asarray(leaf, np.float64) for leaf in one.params)
    h = c = np.zeros((one.sizes.sequences, one.sizes.units))
    costs = []
    for x, y in zip(np.asarray(one.inputs, np.float64), np.asarray(one.labels), strict=True):
        z = x @ W.T + h @ R.T + b
        if one.cell == "simple":
            h = np.tanh(z)
        else:
            i, f, g, o = np.split(z, 4, axis=1)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
        out = h @ V.T + v
        costs.append(np.log(np.exp(out).sum(axis=1)) - out[np.arange(len(y)), y])
    return np.mean(costs)


def derivative(one, leaf, at, eps=1e-4):
    """Central difference of the loop's cost in one parameter."""
    costs = []
    for step in (eps, -eps):
        moved = np.array(one.params[leaf], np.float64)
        moved[at] += step
        costs.append(loop(one._replace(params=one.params._replace(**{one.params._fields[leaf]: moved}))))
    return (costs[0] - costs[1]) / (2 * eps)


@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_the_textbook_has_the_cost_and_gradient_of_a_plain_loop(cell):
    one = recurrent_setting.work(SMALL, cell)
    cost, gradient = recurrent_setting.answer(recurrent_peers.textbook(one))
    np.testing.assert_allclose(cost, loop(one), rtol=1e-6)
    for leaf, found in enumerate(gradient):
        for at in (tuple(0 for _ in found.shape), tuple(size - 1 for size in found.shape)):
            np.testing.assert_allclose(found[at], derivative(one, leaf, at), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("cell", ["simple", "lstm"])
@pytest.mark.parametrize(
    ("module", "ways"),
    [
        ("jax", recurrent_peers.hoisted),
        ("flax", recurrent_flax.ways),
        ("equinox", recurrent_peers.equinox),
        ("torch", recurrent_torch.ways),
    ],
)
def test_every_configuration_of_a_peer_has_the_textbooks_gradient(cell, module, ways):
    pytest.importorskip(module)
    one = recurrent_setting.work(SMALL, cell)
    expected = recurrent_setting.answer(recurrent_peers.textbook(one))
    found = ways(one)
    assert len({way.how for way in found}) == len(found) >= (0 if (module, cell) == ("equinox", "simple") else 2)
    for way in found:
        assert recurrent_setting.difference(recurrent_setting.answer(way), expected, 4 if cell == "lstm" else 1) < 1e-5


def test_a_small_gate_is_not_hidden_by_a_large_one():
    exact = recurrent_setting.Parameters(*(np.array([[1e-4], [1.0]]) for _ in range(5)))
    wrong = exact._replace(weights=np.array([[2e-4], [1.0]]))
    assert recurrent_setting.difference((1.0, wrong), (1.0, exact), 2) == pytest.approx(1.0)
    assert recurrent_setting.difference((1.0, wrong), (1.0, exact), 1) == pytest.approx(1e-4)
    nothing = exact._replace(biases=np.full((2, 1), np.nan))
    assert recurrent_setting.difference((1.0, nothing), (1.0, exact), 2) == np.inf


@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_parameters_go_to_the_library_and_come_back(cell):
    one = recurrent_setting.work(SMALL, cell)
    _, params, _ = recurrent_setting.library(one)
    jax.tree.map(np.testing.assert_array_equal, recurrent_setting.packed(params), one.params)


def test_all_are_compared_and_timed_and_what_is_written_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(recurrent_setting, "PROBES", 1)
    assert main(["recurrent", "--nets", SMALL, "--cells", "lstm", "--rounds", "1", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "recurrent.json").read_text())
    [net] = content["nets"]
    assert net["name"] == f"lstm {SMALL}"
    others = {"plain", "automatic", "textbook", "hoisted"} | {"Flax", "Equinox", "PyTorch"} - set(recurrent.missing())
    assert set(net["agreement"]) == others
    assert max(net["agreement"].values()) < 1e-4
    assert set(net["samples"]) == others | {"explicit", "floor"}
    assert len(net["floor"]) == 7
    total = sum(seconds[0] for seconds in net["floor"].values())
    assert net["samples"]["floor"] == pytest.approx([total], rel=1e-5)  # the file keeps six digits
    text = recurrent.markdown(content)
    assert "| automatic / explicit, geometric mean | lstm, 1 networks |" in text
    assert text.count("| fastest peer (") == 1
    assert "| explicit |" in text
    assert "automatic / explicit, geometric mean, lstm, 1 networks" in capsys.readouterr().out


def test_another_gradient_is_found_and_absent_peers_are_left_out(monkeypatch, tmp_path, capsys):
    def wrong(one, right=recurrent_peers.textbook):
        way = right(one)
        return way._replace(packed=lambda gradient: way.packed(gradient)._replace(biases=1.01 * gradient.biases))

    monkeypatch.setattr(recurrent_setting, "PROBES", 1)
    monkeypatch.setattr(recurrent_peers, "textbook", wrong)
    monkeypatch.setattr(recurrent_peers, "installed", lambda module: False)
    arguments = ["--nets", SMALL, "--cells", "simple", "--rounds", "1", "--out", str(tmp_path)]
    assert recurrent.main(arguments) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"simple {SMALL}: textbook has another gradient; its time is worthless"]
    assert [line for line in said.out.splitlines() if "skipped" in line] == [
        f"{name}: skipped, {module} is not installed; `make benchmark` installs it"
        for name, module in (("Flax", "flax"), ("Equinox", "equinox"), ("PyTorch", "torch"))
    ]
    content = json.loads((tmp_path / "recurrent.json").read_text())
    assert set(content["nets"][0]["agreement"]) == {"plain", "automatic", "textbook", "hoisted"}
    assert "flax" not in content["versions"]


def test_bars_are_the_fastest_peer_of_each_network_and_means_over_them():
    """Ratios to explicit: textbook 2 and 4 and 1, automatic 1 and 4 and 2, PyTorch 3 and 0.5 and 3."""

    def net(number, textbook, automatic, torch):
        samples = {"explicit": (1.0,), "textbook": (textbook,), "automatic": (automatic,), "PyTorch": (torch,)}
        return {"cell": "simple", "name": f"simple {number}", "samples": samples}

    found = recurrent.bars([net(1, 2.0, 1.0, 3.0), net(2, 4.0, 4.0, 0.5), net(3, 1.0, 2.0, 3.0)])
    assert [(bar.name, bar.net, bar.ratio, bar.low, bar.verdict) for bar in found] == [
        ("fastest peer (textbook) / explicit", "simple 1", 2.0, 1.0, "reached"),
        ("fastest peer (PyTorch) / explicit", "simple 2", 0.5, 1.0, "missed"),
        ("fastest peer (textbook) / explicit", "simple 3", 1.0, 1.0, "reached"),
        ("textbook / explicit, median", "simple, 3 networks", 2.0, 1.5, "reached"),
        ("automatic / explicit, geometric mean", "simple, 3 networks", pytest.approx(2.0), 1.15, "reached"),
    ]
    assert statistics.geometric_mean([1.0, 4.0, 2.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_the_floor_is_made_of_the_products_of_a_cost_and_gradient(cell):
    """T (N, H) (H, G) and T (N, G) (G, H) products, TN m G, TN G (H + m), and three of TN H d."""
    one = recurrent_setting.work("4-3-5-8-2", cell)
    G, found = 8 * recurrent_setting.CELLS[cell], 0
    for each in recurrent_floor.contestants(one):
        function, given = each.run.func, each.run.args
        assert np.isfinite(jax.block_until_ready(each.run())).all()
        found += _products(jax.make_jaxpr(function)(*given).jaxpr)
    assert found == 4 * 3 * (8 * G + G * 8 + 5 * G + G * (8 + 5) + 3 * 8 * 2)


def _products(jaxpr):
    """Multiplications of all matrix products, those of a loop as often as it turns."""
    total = 0
    for equation in jaxpr.eqns:
        turns = equation.params.get("length", 1)
        inner = [value for value in equation.params.values() if hasattr(value, "jaxpr")]
        total += sum(turns * _products(each.jaxpr) for each in inner)
        if equation.primitive.name == "dot_general":
            ((contracted,), _), _ = equation.params["dimension_numbers"]
            total += equation.invars[0].aval.shape[contracted] * equation.outvars[0].aval.size
    return total


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nets", "100-32-32"], "nets: one is '100-32-32', expected T-N-m-H-d"),
        (["--nets", "0-3-5-6-4"], "nets: one is '0-3-5-6-4', expected T-N-m-H-d, none of them 0"),
        (["--cells", "gru"], "cells: one is 'gru', expected some of simple, lstm"),
        (["--nets"], "nets, cells: there is none"),
        (["--rounds", "0"], "rounds is 0"),
    ],
)
def test_bad_options_are_refused(arguments, said, capsys):
    assert recurrent.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_memory_is_analysed_and_both_kinds_of_checkpoints_have_the_gradient(tmp_path, capsys):
    arguments = ["--lengths", "600", "--timed", "10", "--rounds", "1", "--out", str(tmp_path)]
    assert main(["memory", *arguments]) == 0
    content = json.loads((tmp_path / "memory.json").read_text())
    assert [(row["cell"], row["steps"], row["interval"]) for row in content["rows"]] == [
        ("simple", 600, 24),
        ("lstm", 600, 24),
    ]
    states = 8 * 64 * 4 * 600  # bytes of the states of all steps
    for row in content["rows"]:
        assert set(row["bytes"]) == {
            "explicit", "explicit, checkpoints", "jax.grad of a scan", "jax.grad of segments",
        }  # fmt: skip
        assert row["bytes"]["jax.grad of a scan"] > states > row["bytes"]["jax.grad of segments"]
        assert row["bytes"]["explicit"] > states > row["bytes"]["explicit, checkpoints"]
    for row in content["timed"]:
        assert max(row["agreement"].values()) < 1e-4
        assert [len(seconds) for seconds in row["samples"].values()] == [1] * 4
    text = recurrent_memory.markdown(content)
    assert "| cell | steps | explicit, MB |" in text
    assert "| lstm | 600 |" in text
    assert "Results:" in capsys.readouterr().out


def test_the_memory_of_another_gradient_is_not_believed(monkeypatch, tmp_path, capsys):
    changed = recurrent_memory.timed("simple", 5, 1)
    changed["agreement"]["jax.grad of a scan"] = 0.01
    monkeypatch.setattr(recurrent_memory, "timed", lambda *given: changed)
    arguments = ["--lengths", "5", "--cells", "simple", "--out", str(tmp_path)]
    assert recurrent_memory.main(arguments) == 1
    assert "simple: jax.grad of a scan has another gradient" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--lengths", "0"], "lengths, timed: one is 0"), (["--cells", "gru"], "cells: one is 'gru'")],
)
def test_bad_options_of_the_memory_are_refused(arguments, said, capsys):
    assert recurrent_memory.main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("steps", [1, 7, 8, 9])
def test_segments_end_where_the_whole_ends(steps):
    inputs = jnp.arange(1.0, steps + 1)
    last = recurrent_memory.segments(4, lambda state, x: 0.5 * state + x, jnp.float32(0.0), inputs)
    assert float(last) == sum(t * 0.5 ** (steps - t) for t in range(1, steps + 1))

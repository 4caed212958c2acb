import dataclasses
import json

import jax
import numpy as np
import pytest

from experiments.benchmarks import (
    cores,
    recurrent_peers,
    training,
    training_equinox,
    training_field,
    training_flax,
    training_loops,
    training_page,
    training_rows,
    training_torch,
)
from experiments.benchmarks.__main__ import main
from experiments.benchmarks.contestants import drawn_order
from experiments.benchmarks.training_page import AGAIN, ALL, AUTOMATIC, COMPILED, EQUINOX, FLAX, ONE, SCIKIT, TORCH
from experiments.benchmarks.training_rows import Amount

FEW = Amount(steps=8, seconds=0.0)
DENSE, SIMPLE, LSTM = "9-6-4:8", "simple-5-8-3-6-4", "lstm-5-8-3-6-4"
AUTOENCODER, CD, PCD = "autoencoder-9-6-3:8", "cd-9-6:8", "pcd-9-6:8"
SMALL = (DENSE, SIMPLE, LSTM, AUTOENCODER)
PEERS = {"torch": training_torch.eager, "flax": training_flax.sessions, "equinox": training_equinox.sessions}


@pytest.fixture(autouse=True)
def short(monkeypatch, standard_promotion):
    """A handful of steps, and no search for the fastest. Adam of optax mixes integers and floats."""
    monkeypatch.setattr(training_rows, "SHORTEST", 0.0)
    monkeypatch.setattr(training_loops, "PROBES", 1)


def small(name):
    """A row whose epoch is of four steps."""
    return training_rows.row(name, FEW)


def walked(row, **changed):
    """The parameters that `fit` reaches in an epoch, by another descent where one is given."""
    row = row._replace(descent=row.descent._replace(**changed))
    return row.flat(training_field.fitted(row, ONE, None).run(1))


@pytest.mark.parametrize("name", SMALL)
def test_fit_takes_the_steps_of_a_plain_loop_of_the_gradient_in_the_drawn_order(name):
    row = small(name)
    params, optimizer = row.params, row.descent.optax()
    state, take = optimizer.init(params), training_loops.taker(row, None)
    data = training_loops.examples(row, None)
    for indices in drawn_order(row.size * row.steps).reshape(row.steps, row.size):
        x, y = take(data, indices)
        batch = training.fn.Batch(x, None if row.targets is None else y)
        updates, state = optimizer.update(jax.grad(row.net.cost)(params, batch), state, params)
        params = jax.tree.map(lambda w, u: w + u, params, updates)
    assert row.steps > 1
    assert training_loops.difference(row.flat(params), walked(row)) < 1e-4


@pytest.mark.parametrize("name", [*SMALL, "nielsen-8", "vgg-8"])
@pytest.mark.parametrize("library", PEERS)
def test_every_configuration_of_a_peer_arrives_where_fit_arrives(name, library):
    pytest.importorskip(library)
    row = small(name)._replace(epochs=1)
    if row.family == training_rows.CONVOLUTIONAL:  # two steps
        row = row._replace(inputs=row.inputs[:16], targets=row.targets[:16], steps=2)
    reference = walked(row)
    if library == "torch":
        entered = training_torch.eager(row, reference)
    else:
        sessions = list(PEERS[library](row))
        assert [each.how for each in sessions][:2] == [training_loops.ONE_DEVICE, training_loops.ALL_DEVICES]
        entered = training_loops.enter(row, sessions, reference)
    rectified = name.startswith("vgg")  # rounding decides between units there
    assert entered.difference < (training.TOLERANCE if rectified else 1e-4)


def test_a_difference_is_of_the_way_that_a_leaf_went():
    """3 of 30 in the second leaf, whatever the first is; without a beginning 3 of 130."""
    begin, end = [np.array([5.0, 5.0]), np.array([100.0])], [np.array([6.0, 5.0]), np.array([130.0])]
    found = [np.array([6.0, 5.0]), np.array([133.0])]
    assert training_loops.difference(found, end, begin) == pytest.approx(0.1)
    assert training_loops.difference(found, end) == pytest.approx(3 / 130)
    assert training_loops.difference([np.array([np.nan, 5.0]), end[1]], end, begin) == np.inf
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2,\)"):
        training_loops.difference([np.zeros(3), end[1]], end)


@pytest.mark.parametrize("library", PEERS)
def test_a_peer_with_another_learning_rate_is_found(library):
    pytest.importorskip(library)
    row = small(DENSE)
    reference = walked(row, rate=1.1 * row.descent.rate)
    found = PEERS[library](row, reference) if library == "torch" else None
    found = found or training_loops.enter(row, PEERS[library](row), reference)
    assert found.difference > training.TOLERANCE


@pytest.mark.parametrize("name", [CD, PCD])
def test_the_gradients_of_an_rbm_agree(name):
    row = small(name)
    found = training_field.field(row, compiles=False)
    installed = {name for name in (TORCH, SCIKIT) if name not in training_field.missing()}
    assert set(found.agreement) == {ALL, AUTOMATIC} | installed
    assert max(found.agreement.values()) < 1e-4
    assert {each.name for each in found.runners} == {ONE, AGAIN} | set(found.agreement)


def test_all_are_compared_and_timed_and_what_is_written_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cores, "SIZE", 16)
    options = ["--rows", DENSE, LSTM, CD, "--rounds", "2", "--steps", "8", "--no-compile", "--out", str(tmp_path)]
    assert main(["training", *options]) == 0
    content = json.loads((tmp_path / "training.json").read_text())
    assert [row["family"] for row in content["rows"]] == ["feedforward", "LSTM", "RBM, autoencoder"]
    absent = training_field.missing()
    peers = {name for name in (TORCH, FLAX, EQUINOX) if name not in absent}
    for row in content["rows"][:2]:
        assert set(row["samples"]) == {ONE, ALL, AUTOMATIC, AGAIN} | peers
        assert all(len(seconds) == 2 for seconds in row["samples"].values())
        assert row["steps"] >= 8
        assert len(row["call"]) == 2
    text, said = training_page.markdown(content), capsys.readouterr().out
    assert f"| {DENSE} |" in text
    assert "GFLOP/s on one core" in text
    assert "fnnets, all cores / " in said
    for name in absent:
        assert f"{name}: skipped, {training_field.OPTIONAL[name]} is not installed" in said


def test_the_benchmark_runs_without_any_peer_and_finds_a_wrong_gradient(tmp_path, capsys, monkeypatch):
    real = training_field.fitted

    def wrong(row, name, devices, gradient="explicit"):
        if gradient == "automatic":
            row = row._replace(descent=row.descent._replace(rate=1.1 * row.descent.rate))
        return real(row, name, devices, gradient)

    monkeypatch.setattr(training_field, "fitted", wrong)
    monkeypatch.setattr(recurrent_peers, "installed", lambda module: False)
    monkeypatch.setattr(cores, "SIZE", 16)
    options = ["--rows", DENSE, "--rounds", "1", "--steps", "8", "--out", str(tmp_path)]
    assert training.main(options) == 1
    said = capsys.readouterr()
    assert f"{DENSE}: {AUTOMATIC} arrives at other parameters" in said.err
    for name in (TORCH, FLAX, EQUINOX, SCIKIT):
        assert f"{name}: skipped" in said.out


def test_a_compiler_that_fails_and_rows_that_are_not_compiled_get_a_line(monkeypatch):
    def fails(*given):
        raise RuntimeError("CppCompileError: no omp.h\nand a long trace")

    row = small(DENSE)
    found = training_field.Field([], {}, {TORCH: "threads: 1, optimiser: fused"}, {COMPILED: ""})
    monkeypatch.setattr(training_torch, "compiled", fails)
    training_field._join_compiled(found, row, walked(row), "cpu")
    assert found.absent == {COMPILED: "torch.compile fails: CppCompileError: no omp.h"}
    assert found.runners == []
    monkeypatch.setattr(training_torch.shutil, "which", lambda name: None)
    assert training_torch.cannot_compile(row) == "no C++ compiler was found"
    assert training_torch.cannot_compile(small(LSTM)) == "torch.compile leaves nn.RNN and nn.LSTM as they are"
    assert training_torch.cannot_compile(small(CD)) == "a loop without derivatives"


def test_a_step_of_fit_is_the_difference_of_a_longer_and_a_shorter_run():
    """(5 − 2) / (3 steps · 2 epochs) = 0.5, and 4.5 / 9 steps where the shorter run took longer; a peer's 3 / 6."""
    row = small(DENSE)._replace(steps=3, epochs=2)
    fits = training_field.Runner(ONE, None, True, None, 2)
    peer = training_field.Runner(TORCH, None, False, None, 2)
    samples = {f"{ONE}: 1 epoch": [2.0, 6.0], f"{ONE}: 1 + m epochs": [5.0, 4.5], TORCH: [3.0]}
    assert training.step_seconds(samples, row, fits) == (0.5, 0.5)
    assert training.step_seconds(samples, row, peer) == (0.5,)


def made(name, family, **milliseconds):
    """A measured row of three rounds, each contestant with its time in all of them; `again` is within 10 %."""
    names = {
        "one": ONE, "all": ALL, "automatic": AUTOMATIC, "torch": TORCH, "compiled": COMPILED, "flax": FLAX,
        "equinox": EQUINOX, "scikit": SCIKIT,
    }  # fmt: skip
    samples = {names[short]: [1e-3 * t] * 3 for short, t in milliseconds.items()}
    samples[AGAIN] = [1e-3 * milliseconds["all"] * share for share in (0.9, 1.0, 1.1)]
    return {
        "name": name, "family": family, "samples": samples, "flops": 1e6, "steps": 40, "epoch": 20, "size": 10,
        "agreement": {}, "how": {}, "absent": {}, "call": None, "faults": None,
    }  # fmt: skip


def judged(rows):
    return {(bar.name, bar.net): (round(bar.ratio, 3), bar.verdict) for bar in training_page.bars(rows)}


def test_bars_are_computed_from_the_samples():
    """The control's 10th and 90th percentiles of 0.9, 1, 1.1 are 0.92 and 1.08, so 8 % are allowed."""
    rows = [
        made(
            "vgg-32", "convolutional", one=3.0, all=2.0, torch=2.8, compiled=2.4, flax=1.9, equinox=2.0, automatic=3.0
        ),
        made("nielsen-10", "convolutional", one=1.0, all=1.05, torch=4.2, automatic=1.05),
        made("lstm-1-1-1-1-1", "LSTM", one=2.0, all=1.1, torch=1.0, automatic=1.0),
        made("cd-9-6:8", "RBM, autoencoder", one=1.0, all=1.0, scikit=1.9, automatic=1.0),
    ]
    found = judged(rows)
    assert found["fnnets, all cores / torch.compile", "vgg-32"] == (0.833, "reached")
    assert found["PyTorch / fnnets", "vgg-32"] == (1.2, "missed")
    assert found["Flax / fnnets", "vgg-32"] == (0.95, "missed")
    assert found["Equinox / fnnets", "vgg-32"] == (1.0, "reached")
    assert found["fnnets, all cores / fnnets, one device", "nielsen-10"] == (1.05, "reached")
    assert found["fnnets, all cores / PyTorch", "lstm-1-1-1-1-1"] == (1.1, "missed")
    assert found["explicit / automatic", "lstm-1-1-1-1-1"] == (1.1, "missed")
    assert found["scikit-learn / fnnets", "cd-9-6:8"] == (1.9, "missed")
    mean = round((1.2 * 4.0) ** 0.5, 3)
    assert found["PyTorch / fnnets, geometric mean", "convolutional, 2 rows"] == (mean, "reached")
    mean = round((1.5 * 1.0 / 1.1) ** (1 / 3), 3)
    over = "convolutional, recurrent, LSTM, 3 rows"
    assert found["automatic / explicit, geometric mean", over] == (mean, "missed")
    assert ("PyTorch / fnnets, geometric mean", "RBM, autoencoder, 1 row") not in found


def test_the_distance_from_the_matrix_products_is_that_of_all_cores():
    """1e6 FLOP at 1e9 FLOP/s are 1 ms; a step of 2 ms is twice that."""
    rates = {cores.ONE: 0.5e9, cores.CALL: 0.8e9, cores.NUMPY: 1e9}
    table = training_page.overview({"rates": rates, "rows": [made("9-6-4:8", "feedforward", one=3.0, all=2.0)]})
    assert table[1][table[0].index("x products")] == "2.0"
    assert table[1][table[0].index("limited by")] == "matrix products"  # half of the time


def test_on_one_device_the_bars_are_of_the_one():
    row = made("9-6-4:8", "feedforward", one=2.0, all=1.0, torch=3.0, flax=1.0)
    del row["samples"][ALL]
    row["samples"][AGAIN] = [2e-3] * 3
    found = judged([row])
    assert found["fnnets, one device / PyTorch", "9-6-4:8"] == (0.667, "reached")
    assert found["Flax / fnnets", "9-6-4:8"] == (0.5, "missed")


def test_flop_of_a_step_are_counted_by_hand():
    """2 N of three products a layer, less the first one's δ; of a recurrent step as in test_recurrent."""
    assert small(DENSE).flops == 2 * 8 * (3 * (9 * 6 + 6 * 4) - 9 * 6)
    assert small(AUTOENCODER).flops == 2 * 8 * (3 * 2 * (9 * 6 + 6 * 3) - 9 * 6)
    assert small(LSTM).flops == 2 * 5 * 8 * (24 * 6 + 6 * 24 + 3 * 24 + 24 * (6 + 3) + 3 * 6 * 4)
    assert small(CD).flops == 2 * 8 * 6 * 9 * 6


def test_a_sample_has_as_many_steps_as_asked_unless_they_take_too_long():
    for name in training_rows.NAMES[:4]:
        steps, epochs = training_rows.portion(training_rows.row(name, FEW).flops, Amount(40, 1.0))
        assert steps * epochs >= 40
    assert np.prod(training_rows.portion(3e10, Amount(40, 1.0))) == training_rows.LEAST
    assert np.prod(training_rows.portion(3e10, Amount(40, float("inf")))) == 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "alexnet"], "rows: one is 'alexnet', expected some of 784-30-10:10"),
        (["--rows", "lstm-5-8-0-6-4"], "rows: one is 'lstm-5-8-0-6-4'"),
        (["--families", "GRU"], "families: one is 'GRU', expected some of feedforward"),
        (["--rows", "nielsen-10", "--families", "LSTM"], "rows, families: none is left of nielsen-10"),
        (["--rounds", "0"], "rounds is 0"),
        (["--steps", "0"], "steps is 0"),
        (["--seconds", "-1"], "seconds is -1"),
    ],
)
def test_bad_options_are_refused(arguments, said, capsys):
    assert training.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_every_name_of_the_table_is_a_row_of_a_family():
    assert {training_rows.family(name) for name in training_rows.NAMES} == set(training_rows.FAMILIES)
    assert len(training_rows.NAMES) == len(set(training_rows.NAMES)) == 22
    assert dataclasses.fields(training.Options)[0].default == training_rows.NAMES

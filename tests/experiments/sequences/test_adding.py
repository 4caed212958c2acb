import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from experiments.harness.options import keys
from experiments.sequences import adding
from experiments.sequences.adding import Options, Run

SMALL = {"length": 6, "units": 4, "updates": 4, "every": 2, "batch_size": 5, "progress": False}


def test_the_criterion_of_1997_on_this_scale():
    # There X1, X2 in [-1, 1] and the target 0.5 + (X1 + X2)/4, right to 0.04; here v = (X + 1)/2.
    x1, x2, error = 0.3, -0.8, 0.04
    there = 0.5 + (x1 + x2) / 4
    here = (x1 + 1) / 2 + (x2 + 1) / 2
    assert here == pytest.approx(2 * there)
    assert pytest.approx(2 * error) == adding.RIGHT


def test_predicting_the_mean_has_the_error_one_sixth():
    targets = fn.data.adding(jax.random.key(0), 20_000, 4).targets
    assert float(((targets - 1) ** 2).mean()) == pytest.approx(adding.BASELINE, abs=0.005)  # 3.6 standard errors


def test_both_rows_are_alike_but_for_their_cells():
    nets = [adding.network(row, 5) for row in adding.ROWS]
    assert [net.layer.parts[0].name for net in nets] == ["lstm", "recurrent"]
    assert {(net.input_shape, net.output_shape, net.layer.time) for net in nets} == {((2,), (1,), "sequence to vector")}


def test_a_round_is_updates_with_fresh_sequences_and_judges_the_test_sequences(standard_promotion):
    options = Options(**{**SMALL, "every": 1, "seeds": (3,)})
    net, optimizer = adding.network("LSTM", options.units), optax.sgd(0.5)
    start, step = adding.trainer(net, optimizer, options)
    state = jax.vmap(start)(keys(options.seeds))
    before, key = jax.tree.map(lambda leaf: leaf[0], state[0]), state[2][0]
    test = fn.data.adding(jax.random.key(9), 7, options.length)
    after, (error, largest, right) = step(state, test)
    own = jax.random.split(jax.random.split(key)[1], 1)[0]
    slope = jax.jit(jax.grad(net.cost))(before, fn.data.adding(own, options.batch_size, options.length))
    expected = jax.tree.map(lambda leaf, d: leaf - 0.5 * d, before, slope)
    for new, wanted in zip(jax.tree.leaves(after[0]), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(new[0], wanted, rtol=1e-4, atol=1e-6)
    wrong = np.abs(np.asarray(net.predict(expected, test.inputs) - test.targets))
    assert float(error[0]) == pytest.approx(np.square(wrong).mean(), rel=1e-4)
    assert float(largest[0]) == pytest.approx(wrong.max(), rel=1e-4)
    assert float(right[0]) == pytest.approx(100 * (wrong < 0.08).mean())


def test_figures_count_sequences_until_the_criteria_are_met_and_name_the_seeds_that_never_meet_them():
    options = Options(seeds=(0, 1), every=2, batch_size=5, updates=6)
    errors = np.array([[0.2, 0.2], [0.005, 0.2], [0.001, 0.009]])
    largest = np.array([[0.5, 0.5], [0.09, 0.5], [0.07, 0.3]])
    norms = {"trained": np.array([[0.5, 1.0], [1.0, 4.0]])}
    figures = {
        figure.name: figure for figure in adding._figures("LSTM", Run(errors, largest, 200 * largest, norms), options)
    }
    assert figures["LSTM: sequences until the error is below 0.01"].values == (20.0, 30.0)
    assert figures["LSTM: sequences until all 2000 are right to 0.08, in 1 of 2 seeds"].values == (30.0,)
    assert figures["LSTM: norm of δ at the first step over the last, trained"].values == (0.5, 0.25)
    assert figures["LSTM: test sequences right to 0.08, at the end"].values == pytest.approx((14.0, 60.0))
    assert figures["LSTM: error at the end"].verdict == "reached"
    simple = adding._figures("simple", Run(errors, largest, largest, {}), options)
    assert simple[0].verdict == "missed"  # it was not to be solved


def test_gradient_norms_are_those_of_each_step(standard_promotion):
    options = Options(**SMALL)
    params = jax.vmap(adding.network("simple", options.units).init)(keys((0, 1)))
    norms = adding.norms_by_step("simple", params, options)
    assert norms.shape == (6, 2)
    assert (norms > 0).all()


def test_a_small_run_is_written_with_the_command_that_repeats_it(tmp_path, standard_promotion, capsys):
    assert adding.run(Options(out=tmp_path, seeds=(4, 5), **SMALL)) == 1  # nothing is learnt in four updates
    content = json.loads((tmp_path / "adding" / "adding.json").read_text())
    assert content["command"] == (
        "python -m experiments adding --length 6 --units 4 --updates 4 --batch-size 5 --every 2 --seeds 4 5"
    )
    assert content["figures"][0]["verdict"] == "reached"
    assert np.shape(content["curves"]["simple"]["errors"]) == (2, 2)
    assert {path.name for path in (tmp_path / "adding").iterdir()} == {"adding.json", "learning.png", "gradients.png"}
    assert "1/6 = 0.1667" in capsys.readouterr().out


def test_norms_can_be_had_in_64_bits(standard_promotion):
    with jax.enable_x64(True):
        params = jax.vmap(adding.network("LSTM", 4).init)(keys((0,)))
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}
        assert np.isfinite(adding.norms_by_step("LSTM", params, Options(**SMALL))).all()

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from experiments.sequences import reber, reber_trials
from experiments.sequences.reber import Options, Run
from experiments.sequences.reber_trials import CLASSIC, LSTM, ONE_STEP, ROWS, SIMPLE, Strings
from fnnets.layers.lstm_1997 import INPUT, OUTPUT


@pytest.fixture(scope="module")
def data():
    return reber_trials.strings(jax.random.key(1), 8)


def perfect(data, pair):
    """Outputs that are the legal symbols themselves."""
    return data.targets[pair]


def test_pairs_are_strings_of_the_grammar_and_differ(data):
    assert data.inputs.shape[0] == 3
    assert data.inputs.shape[2] == 16
    texts = []
    for pair in range(3):
        inputs = fn.data.unpad(data.inputs[pair], data.mask[pair])
        texts.append(["".join(fn.data.reber.SYMBOLS[code] for code in each.argmax(-1)) + "E" for each in inputs])
        legal = fn.data.unpad(data.targets[pair], data.mask[pair])
        for text, rows in zip(texts[-1], legal, strict=True):
            np.testing.assert_array_equal(rows, fn.data.legal_next(text))
    assert texts[0] != texts[1] != texts[2]


def test_the_classic_lstm_is_that_of_1997():
    net = reber_trials.network(CLASSIC)
    cell, output = reber_trials.init(net, jax.random.key(0))
    assert cell._fields == ("input_gate", "candidate", "output_gate", "initial_state")
    # 3 gates and candidates of 4 that see 7 inputs, 4 cells and 8 gates; the count of 1997 is 264 without the biases
    # of candidates and outputs
    count = sum(leaf.size for leaf in jax.tree.leaves((cell, output)))
    assert count - 4 - 7 == 264
    assert cell.output_gate.biases.tolist() == [-1, -2, -3, -4]
    weights = jnp.concatenate([leaf.ravel() for leaf in (*cell.candidate[:3], *cell.input_gate[:3], output.weights)])
    assert float(jnp.abs(weights).max()) <= 0.2
    assert float(weights.std()) == pytest.approx(0.2 / 3**0.5, rel=0.1)


def test_squashings_have_their_own_derivatives():
    z = jnp.linspace(-3, 3, 7)
    for squash in (INPUT, OUTPUT):
        automatic = jax.vmap(jax.grad(lambda z, squash=squash: squash.value(z)))(z)
        np.testing.assert_allclose(squash.derivative(z), automatic, rtol=1e-5)
    assert float(INPUT.value(jnp.array(50.0))) == 2
    assert float(OUTPUT.value(jnp.array(50.0))) == 1


def test_only_elmans_row_is_truncated():
    assert [bool(reber_trials.network(row).layer.approximation) for row in ROWS] == [False, False, False, True]


def test_all_right_is_solved_and_one_illegal_symbol_is_not(data, monkeypatch):
    net = reber_trials.network(SIMPLE)
    trial = reber_trials.Trial(None, None, None, 1)
    answers = perfect(data, 1)
    judged = reber_trials.judge(net._replace(predict=lambda params, x, mask: answers), trial, data)
    assert bool(judged.solved)
    assert float(judged.decisions) == float(judged.others) == 1
    last = int(reber_trials.decision(data.mask[1])[-1])
    wrong = answers.at[last, -1, 0].set(1.0)  # B is as active as the right one of T and P
    judged = reber_trials.judge(net._replace(predict=lambda params, x, mask: wrong), trial, data)
    assert not bool(judged.solved)
    assert float(judged.decisions) == 7 / 8  # one of the eight test strings
    assert float(judged.others) == 1


def test_the_decision_is_the_step_before_the_last_t_or_p(data):
    for pair in range(3):
        steps = np.asarray(reber_trials.decision(data.mask[pair]))
        for n, step in enumerate(steps):
            legal = np.flatnonzero(data.targets[pair, step, n])
            second = int(data.inputs[pair, 1, n].argmax())
            assert legal.tolist() == [second]


def test_an_update_is_the_sum_over_the_steps_of_one_training_string(standard_promotion):
    data = reber_trials.strings(jax.random.key(2), 1)  # one string to train with: each trial draws that one
    net = reber_trials.network(SIMPLE)
    optimizer = optax.sgd(0.1)
    [trial] = [reber_trials.begin(net, optimizer, jax.random.split(jax.random.key(0), 1))]
    before = jax.tree.map(lambda leaf: leaf[0], trial.params)
    after, _ = reber_trials.trainer(net, optimizer, 1)(trial, data)
    length = int(data.mask[0, :, 0].sum())
    string = fn.Batch(data.inputs[0, :length, :1], data.targets[0, :length, :1])
    summed = jax.jit(jax.grad(lambda params: length * net.cost(params, string)))(before)
    for new, old, slope in zip(*map(jax.tree.leaves, (after.params, before, summed)), strict=True):
        np.testing.assert_allclose(new[0], old - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_medians_are_aligned_at_the_step_of_the_answer():
    norms = np.array([[9.0, 9.0], [1.0, 2.0], [3.0, np.nan]])
    medians = reber.aligned(norms, np.array([2, 1]))
    assert medians[0] == 2.5  # of 3 and 2
    assert np.isnan(medians[1])  # only the first string is that long


def test_figures_count_trials_and_leave_out_those_that_never_solve_it():
    norms = {"initial": np.array([[2.0, 2.0], [1.0, 1.0], [np.nan, 1.0]])}
    ends = np.array([[50.0, 100.0]])
    figures = reber._figures(LSTM, Run(np.array([2000.0, np.inf]), ends, ends, norms))
    assert figures[0].values == (50.0,)
    assert figures[0].verdict == "missed"
    assert figures[1].values == (2000.0,)
    assert "1 steps before" in figures[-1].name
    assert figures[-1].values == (0.5,)
    assert reber._figures(CLASSIC, Run(np.array([2000.0]), ends[:, :1], ends[:, :1], {}))[1].published == 39_740
    none = reber._figures(ONE_STEP, Run(np.array([np.inf]), ends[:, :1], ends[:, :1], {}))
    assert not any("until" in figure.name for figure in none)
    assert none[0].verdict == ""


def test_a_small_run_is_written_with_the_command_that_repeats_it(tmp_path, standard_promotion, capsys):
    options = Options(out=tmp_path, progress=False, seed=3, trials=3, strings=8, sequences=20, every=10)
    assert reber.run(options) == 1  # nothing is learnt from twenty strings
    content = json.loads((tmp_path / "reber" / "reber.json").read_text())
    assert content["command"] == (
        "python -m experiments reber --seed 3 --trials 3 --strings 8 --sequences 20 --every 10"
    )
    assert content["figures"][0]["values"] == [0.0]
    assert np.shape(content["curves"][LSTM]["decisions"]) == (2, 3)
    assert {path.name for path in (tmp_path / "reber").iterdir()} == {"reber.json", "learning.png", "gradients.png"}


def test_strings_are_the_published_number():
    assert isinstance(reber_trials.strings(jax.random.key(0), 1), Strings)
    assert (Options().strings, Options().trials, Options().learning_rate) == (256, 30, 0.1)

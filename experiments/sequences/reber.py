"""The embedded Reber grammar, online: an LSTM learns how the second symbol fixes the last but one.

    B T ⟨Reber⟩ T E   or   B P ⟨Reber⟩ P E;   at each step the symbols that may come next are predicted
    C   = Σ_t c(z[t], y[t])                                   one string; y[t] ∈ {0, 1}^7
    w   ← w − η ∂C                                            after each string, drawn at random from 256
    right at step t:   every legal symbol is more active than every other one
    solved:            right at every step of the 256 training and of the 256 test strings

The LSTM of 1997 has 4 cells without forget gate, γ = 4σ − 2, η = 2σ − 1, gates and candidate that see the gates of the
step before, weights in ±0.2, output gates' biases −1, −2, −3, −4, c = ½ ‖a − y‖². The LSTM of today has 8 cells with
forget gates, the cross-entropy for c, and Adam. A simple network of 15 sigmoids is trained as that of 1997 by the whole
gradient; and again with δ cut after one step, which is how Elman trained.

The strings are short, of 12 symbols in the mean, and their last symbol but one is only 8 steps after the second in the
median: so the whole gradient teaches simple networks too, in part of the trials. Cut after one step it does not.

| symbol | name in code | shape |
|---|---|---|
| trial k | a network with its own key, on pair k mod 3 of training and test sets | K, under `vmap` |
| sequences until solved | `Run.solved`, a multiple of `every`; infinity for never | (K,) |
| right of the last T or P, of the other symbols | `Run.decisions`, `Run.others` | (rounds, K) |
| ‖∂c/∂s[t]‖ | `through_time.state_gradients`; c: the cost of predicting the last T or P | (steps back, K) |

Deviations from 1997: the gradient is the whole one, where theirs is cut at the gates, and candidates and outputs have
biases. Source: [Hochreiter1997], experiment 1 and table 1 (means over 30 trials with 3 pairs of sets); [Elman1990]. The
grammar: `fnnets.data.reber`; the trials: `experiments/sequences/reber_trials.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from experiments.sequences import reber_trials
from experiments.sequences.reber_trials import CLASSIC, LSTM, ONE_STEP, ROWS, SIMPLE, Strings
from experiments.sequences.through_time import state_gradients
from fnnets import plots
from fnnets.core import validate
from fnnets.storage.progress import progress

BAR = 97.0
PUBLISHED = {CLASSIC: 100.0, ONE_STEP: 0.0}
PUBLISHED_SEQUENCES = 39_740.0
ALIGNED, FEWEST = 64, 8


@dataclass(frozen=True)
class Options(Common):
    """Train LSTMs and simple networks on the embedded Reber grammar, and count which of them solve it.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seed: the seed of strings and initial weights.
        trials: networks of each kind.
        strings: strings in each training and in each test set.
        sequences: the most strings that a network is trained with.
        every: strings between two judgements.
        learning_rate: step size eta; of all but the LSTM of today, which Adam trains.
    """

    seed: int = 0
    trials: int = 30
    strings: int = 256
    sequences: int = 150_000
    every: int = 1000
    learning_rate: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        validate.count(self.sequences, "sequences", "give at least as many as `every`", least=self.every)


class Run(NamedTuple):
    """All trials of one row."""

    solved: np.ndarray
    decisions: np.ndarray
    others: np.ndarray
    norms: dict[str, np.ndarray]

    @property
    def share(self) -> float:
        """Per cent of the trials that solved it."""
        return 100 * float(np.isfinite(self.solved).mean())


def run(options: Options) -> int:
    """Train every row, judge, write; 1 where the LSTM of today misses the bar."""
    begin = time.perf_counter()
    data_key, trial_key = jax.random.split(jax.random.key(options.seed))
    data = reber_trials.strings(data_key, options.strings)
    runs = {}
    for row in ROWS:
        runs[row] = train(row, data, jax.random.split(trial_key, options.trials), options)
        print(f"{row}: {runs[row].share:.0f} % of {options.trials} trials solved", flush=True)
    figures = tuple(figure for row, each in runs.items() for figure in _figures(row, each))
    record = Record(
        "reber", f"Embedded Reber grammar, {options.trials} trials, online, at most {options.sequences} strings",
        command("reber", options), _settings(options), figures, (), time.perf_counter() - begin,
        {row: {**each._asdict(), "every": options.every} for row, each in runs.items()},
    )  # fmt: skip
    pictures = {"learning": _learning(runs, options), "gradients": _vanishing(runs)}
    results.finish(record, options.out / "reber", pictures)
    return 0 if runs[LSTM].share >= BAR else 1


def train(row: str, data: Strings, keys, options: Options) -> Run:
    """All trials of a row, until each has solved the task or the sequences are used up."""
    net, optimizer = reber_trials.network(row), reber_trials.descent(row, options.learning_rate)
    step = reber_trials.trainer(net, optimizer, options.every)
    trials = reber_trials.begin(net, optimizer, keys)
    norms = {"initial": norms_by_lag(row, trials, data)}
    solved, reports, rounds = np.full(len(keys), np.inf), [], options.sequences // options.every
    with progress(options.progress, rounds, f"reber, {row}") as show:
        for number in range(1, rounds + 1):
            trials, report = step(trials, data)
            reports.append(jax.device_get(report))
            solved = np.where(reports[-1].solved, np.minimum(solved, number * options.every), solved)
            show(f"{number * options.every} strings, {np.isfinite(solved).sum()} of {len(keys)} solved")
            if np.isfinite(solved).all():
                break
    norms["trained"] = norms_by_lag(row, trials, data)
    decisions, others = (100 * np.stack([report[part] for report in reports]) for part in (1, 2))
    return Run(solved, decisions, others, norms)


def norms_by_lag(row: str, trials: reber_trials.Trial, data: Strings) -> np.ndarray:
    """‖∂c/∂s[τ − k]‖, the median over test strings, (lags k = 0, 1, …, K trials); s[1] is the earliest state.

    The gradient is the whole one in every row.
    """
    row = SIMPLE if row == ONE_STEP else row
    net = reber_trials.network(row, return_sequences=False, learn_initial_state=True)

    @jax.jit
    @jax.vmap
    def norms(trial):
        inputs, targets, mask = (part[trial.pair, :, -ALIGNED:] for part in data)
        ends = reber_trials.decision(mask)
        answers = jnp.take_along_axis(targets, ends[None, :, None], axis=0)[0]
        return state_gradients(net, trial.params, fn.Batch(inputs, answers), ends), ends

    values, ends = (np.asarray(part) for part in norms(trials))
    return np.stack([aligned(*each) for each in zip(values, ends, strict=True)], axis=1)


def aligned(norms: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """From norms (T, N) at step t the medians (T − 1,) at lag k = τ − t ≥ 0, t ≥ 1; NaN for lags of few strings.

    >>> aligned(np.array([[9.0] * 8, [1.0] * 8, [2.0] * 8]), np.array([2] * 8)).tolist()
    [2.0, 1.0]
    """
    medians = np.full(len(norms) - 1, np.nan)
    for lag in range(len(medians)):
        places = np.flatnonzero(ends - lag >= 1)
        if len(places) >= min(FEWEST, len(ends)):
            medians[lag] = np.median(norms[ends[places] - lag, places])
    return medians


def _figures(row: str, each: Run) -> list[Figure]:
    found = each.solved[np.isfinite(each.solved)]
    low = BAR if row in (CLASSIC, LSTM) else None
    figures = [Figure(f"{row}: trials that solve it", (each.share,), "%", PUBLISHED.get(row), low, form=".1f")]
    if len(found):
        published = PUBLISHED_SEQUENCES if row == CLASSIC else None
        mean = Figure(f"{row}: sequences until solved, mean", tuple(found.tolist()), "", published, form=".0f")
        figures += [mean, Figure(f"{row}: sequences until solved, median", (float(np.median(found)),), form=".0f")]
    last, rest = (tuple(part[-1].tolist()) for part in (each.decisions, each.others))
    figures += [
        Figure(f"{row}: last T or P right, test strings", last, "%", form=".1f"),
        Figure(f"{row}: other symbols right, test strings", rest, "%", form=".1f"),
    ]
    for when, norms in each.norms.items():
        lag = int(np.isfinite(norms).all(axis=1).sum()) - 1
        label = f"{row}: norm of δ {lag} steps before the last T or P over that at it, {when}"
        figures.append(Figure(label, (float(np.median(norms[lag] / norms[0])),), form=".1e"))
    return figures


def _learning(runs: dict[str, Run], options: Options) -> Any:
    figure, axes = plots.panels(2, height=4.4)
    shown = {"decisions": "last T or P right / %", "others": "other symbols right / %"}
    for panel, (field, ylabel) in zip(axes, shown.items(), strict=True):
        for number, (row, each) in enumerate(runs.items()):
            means = getattr(each, field).mean(axis=1)
            style = {"color": plots.COLOURS[number], "linestyle": plots.DASHES[number]}
            x = options.every * np.arange(1, len(means) + 1)
            plots.draw(panel, {row: means}, x=x, xlabel="training strings", ylabel=ylabel, log="x", styles=[style])
        plots.legend(panel)
        panel.set_title(f"test strings, mean of {options.trials} trials")
    return figure


def _vanishing(runs: dict[str, Run]) -> Any:
    rows = [row for row in runs if row != ONE_STEP]
    lines = {f"{row}, {when}": np.median(norms, axis=1) for row in rows for when, norms in runs[row].norms.items()}
    styles = [{"color": plots.COLOURS[place], "linestyle": dash} for place in range(len(rows)) for dash in ("--", "-")]
    return plots.curves(
        lines, x=np.arange(len(next(iter(lines.values())))), xlabel="steps back from the prediction of the last T or P",
        ylabel="norm of ∂c/∂s[t]", title="what an early state counts for the last T or P: medians", log="y",
        styles=styles,
    )  # fmt: skip


def _settings(options: Options) -> dict[str, Any]:
    cells = ", ".join(f"{count} of the {row}" for row, count in reber_trials.CELLS.items())
    sizes = {"pairs_of_sets": reber_trials.PAIRS, "cells": cells, "units_of_simple_networks": reber_trials.UNITS}
    return {**given(options), **sizes, "gradients_clipped_to_norm": reber_trials.CLIP, "adam": reber_trials.ADAM}

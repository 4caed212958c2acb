"""The adding problem: the sum of two marked numbers among 100, and what happens to δ on its way back through time.

    y   = v[t1] + v[t2],  v[t] ~ U(0, 1),  t1 in the first half, t2 in the second
    C   = ½ (z − y)² in the mean over the batch;  the figures are errors, (z − y)²
    w   ← w − Adam(clip(∂C)),  η_k = ½ η (1 + cos(π k / K)),  k = 0 … K;  every update draws sequences of its own
    no memory at all:  z = 1, the mean of y, has the error Var y = 1/6

An LSTM and a simple network of tanh, alike in all else, are trained side by side from each seed. The criterion of 1997
is that all of 2000 sequences are right to 0.04; its targets were 0.5 + (X1 + X2)/4 with X = 2 v − 1, which is y/2, so
that 0.04 there is 0.08 here.

| symbol | name in code | shape |
|---|---|---|
| seeds, side by side under `vmap` | | K |
| (z − y)² of 2000 test sequences after each round of updates, the mean | `Run.errors` | (rounds, K) |
| the largest of their abs(z − y); per cent of them below 0.08 | `Run.largest`, `Run.right` | (rounds, K) |
| ‖∂c/∂s[t]‖ | `Run.norms`: `through_time.state_gradients`, the median over sequences | (T, K) |

Source: [Hochreiter1997], experiment 4 (2 blocks of 2 cells, 74 000 sequences); [Arjovsky2016] for this form of the
task. The sequences: `fnnets.data.adding`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given, keys
from experiments.harness.results import Figure, Record
from experiments.sequences.through_time import state_gradients
from fnnets import plots
from fnnets.core import validate
from fnnets.storage.progress import progress

TEST, MANY, SHOWN, CLIP = 2000, 20_000, 32, 1.0
SOLVED, RIGHT, BASELINE, PUBLISHED = 0.01, 0.08, 1 / 6, 74_000.0
ROWS = ("LSTM", "simple")


@dataclass(frozen=True)
class Options(Common):
    """Train an LSTM and a simple network on the adding problem, and show the gradient through time of both.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seeds: one network of each kind for each seed, side by side.
        length: steps of a sequence.
        units: cells of the LSTM, and units of the simple network.
        updates: minibatches to train with.
        batch_size: sequences of a minibatch.
        every: updates between two judgements.
        learning_rate: the first step size eta of Adam.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    length: int = 100
    units: int = 32
    updates: int = 4000
    batch_size: int = 50
    every: int = 100
    learning_rate: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        validate.count(self.length, "length", "give the number of steps", least=2)
        validate.count(self.updates, "updates", "give at least as many as `every`", least=self.every)


class Run(NamedTuple):
    """All seeds of one row; `norms` are those at the initial and at the trained parameters."""

    errors: np.ndarray
    largest: np.ndarray
    right: np.ndarray
    norms: dict[str, np.ndarray]


def run(options: Options) -> int:
    """Train both, judge, write; 1 where an LSTM does not get its error below 0.01 or the simple network does."""
    begin = time.perf_counter()
    test = fn.data.adding(jax.random.key(2**31), TEST, options.length)
    baseline = float(jnp.mean((fn.data.adding(jax.random.key(2**31 + 2), MANY, options.length).targets - 1) ** 2))
    print(f"Predicting the mean, 1: error {baseline:.4f} of {MANY} sequences; 1/6 = {BASELINE:.4f} is expected")
    runs = {row: train(row, test, options) for row in ROWS}
    figures: tuple[Figure, ...] = (
        Figure("predicting the mean: error", (baseline,), "", BASELINE, 0.162, 0.172, form=".4f"),
    )
    figures += tuple(figure for row, each in runs.items() for figure in _figures(row, each, options))
    record = Record(
        "adding", f"Adding problem, T = {options.length}", command("adding", options), _settings(options), figures,
        options.seeds, time.perf_counter() - begin, {row: each._asdict() for row, each in runs.items()},
    )  # fmt: skip
    pictures = {"learning": _learning(runs, options), "gradients": _gradients(runs)}
    return results.finish(record, options.out / "adding", pictures)


def network(row: str, units: int, **more: Any) -> fn.Network:
    """The network of a row, with one answer a sequence.

    >>> network("simple", 8).layer.parts[0].name
    'recurrent'
    """
    objective = fn.objectives.linear_squared_error
    if row == "LSTM":
        return fn.recurrent([2, units, 1], cell="lstm", objective=objective, return_sequences=False, **more)
    return fn.recurrent(
        [2, units, 1], objective=objective, activation=fn.activations.tanh, return_sequences=False,
        initializer=fn.initializers.glorot, **more,
    )  # fmt: skip


def train(row: str, test: fn.Batch, options: Options) -> Run:
    """A row, all seeds side by side."""
    net, updates = network(row, options.units), options.updates // options.every * options.every
    schedule = optax.cosine_decay_schedule(options.learning_rate, updates)
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(schedule))
    start, step = trainer(net, optimizer, options)
    states = jax.vmap(start)(keys(options.seeds))
    norms = {"initial": norms_by_step(row, states[0], options)}
    found = []
    with progress(options.progress, updates // options.every, f"adding, {row}") as show:
        for number in range(1, updates // options.every + 1):
            states, report = step(states, test)
            found.append(jax.device_get(report))
            shown = ", ".join(f"{error:.5f}" for error in found[-1][0])
            show(f"{number * options.every * options.batch_size} sequences, errors {shown}")
    norms["trained"] = norms_by_step(row, states[0], options)
    errors, largest, right = (np.stack(part) for part in zip(*found, strict=True))
    return Run(errors, largest, right, norms)


def trainer(net: fn.Network, optimizer, options: Options):
    """`start(key)`, and the compiled `(states, test) -> (states, (error, largest, right))` of a round of updates."""

    def start(key):
        init_key, key = jax.random.split(key)
        params = net.init(init_key)
        return params, optimizer.init(params), key

    def update(state, key):
        params, optimizer_state = state
        d_params = net.gradient(params, fn.data.adding(key, options.batch_size, options.length))
        change, optimizer_state = optimizer.update(d_params, optimizer_state, params)
        return (optax.apply_updates(params, change), optimizer_state), None

    def one(state, test):
        params, optimizer_state, key = state
        key, own = jax.random.split(key)
        (params, optimizer_state), _ = jax.lax.scan(
            update, (params, optimizer_state), jax.random.split(own, options.every)
        )
        wrong = jnp.abs(net.predict(params, test.inputs) - test.targets)
        right = jnp.mean((wrong < RIGHT).astype(wrong.dtype))
        return (params, optimizer_state, key), (jnp.mean(wrong**2), jnp.max(wrong), 100 * right)

    return start, jax.jit(jax.vmap(one, in_axes=(0, None)), donate_argnums=0)


def norms_by_step(row: str, params: Any, options: Options) -> np.ndarray:
    """‖∂c/∂s[t]‖ at every step, the median over some sequences, for each seed's parameters: (T, K)."""
    net = network(row, options.units, learn_initial_state=True)
    batch = fn.data.adding(jax.random.key(2**31 + 1), SHOWN, options.length)
    ends = jnp.full(SHOWN, options.length - 1)
    norms = jax.jit(jax.vmap(lambda params: jnp.median(state_gradients(net, params, batch, ends), axis=1)))(params)
    return np.asarray(norms).T


def _figures(row: str, each: Run, options: Options) -> list[Figure]:
    bar: dict[str, Any] = {"high": SOLVED} if row == "LSTM" else {"low": SOLVED}
    sequences = options.batch_size * options.every
    figures = [Figure(f"{row}: error at the end", tuple(each.errors[-1].tolist()), form=".5f", **bar)]
    if row == "LSTM":
        figures += _when(f"{row}: sequences until the error is below {SOLVED}", each.errors < SOLVED, sequences)
        name = f"{row}: sequences until all {TEST} are right to {RIGHT}"
        figures += _when(name, each.largest < RIGHT, sequences, PUBLISHED)
        right, largest = (tuple(part[-1].tolist()) for part in (each.right, each.largest))
        figures += [
            Figure(f"{row}: test sequences right to {RIGHT}, at the end", right, "%"),
            Figure(f"{row}: largest error of {TEST}, at the end", largest, form=".3f"),
        ]
    for when, norms in each.norms.items():
        ratio = tuple((norms[0] / norms[-1]).tolist())
        figures.append(Figure(f"{row}: norm of δ at the first step over the last, {when}", ratio, form=".1e"))
    return figures


def _when(name: str, reached: np.ndarray, unit: int, published: float | None = None) -> list[Figure]:
    """After how many sequences something was first reached, of (rounds, K) rounds of `unit` each; none for never."""
    found = tuple(float(unit * (each.argmax() + 1)) for each in reached.T if each.any())
    missing = reached.shape[1] - len(found)
    label = f"{name}, in {len(found)} of {reached.shape[1]} seeds" if missing else name
    return [Figure(label, found, "", published, form=".0f")] if found else []


def _learning(runs: dict[str, Run], options: Options) -> Any:
    lines = {row: each.errors for row, each in runs.items()}
    lines["predicting the mean"] = np.full(len(lines["LSTM"]), BASELINE)
    return plots.curves(
        lines, x=options.batch_size * options.every / 1000 * np.arange(1, len(lines["LSTM"]) + 1),
        xlabel="thousands of training sequences", ylabel=f"mean squared error, {TEST} test sequences",
        title=f"sum of two of {options.length} numbers\nmean and range of {len(options.seeds)} seeds", log="y",
    )  # fmt: skip


def _gradients(runs: dict[str, Run]) -> Any:
    lines = {f"{row}, {when}": np.median(n, axis=1) for row, each in runs.items() for when, n in each.norms.items()}
    styles = [{"color": plots.COLOURS[place], "linestyle": dash} for place in range(len(runs)) for dash in ("--", "-")]
    return plots.curves(
        lines, xlabel="step t", ylabel="norm of ∂c/∂s[t]",
        title="what the state after step t counts for the answer at the end\nmedian over sequences and seeds",
        log="y", styles=styles,
    )  # fmt: skip


def _settings(options: Options) -> dict[str, Any]:
    return {**given(options), "optimizer": f"Adam, cosine, gradients clipped to norm {CLIP:g}"}

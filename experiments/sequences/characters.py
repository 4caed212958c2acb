"""A character model: an LSTM reads a text and predicts each next character, within a budget of minutes.

    C    = 1/(L B) Σ_t Σ_b −log a[t, b]_{y[t, b]}                 nats a character, over a segment of each stream
    w    ← w − r Adam(clip(∂C)),   r = ½ η (1 + cos(π p)),  p = the part of the budget that is used
    B streams of text side by side; a segment begins with the state in which the one before it ended, and δ does not
    cross that border; at the end of the streams, and at random in one of 16 segments, the state is zero again

The budget is wall time, compilation and the costs on the way included; with `--steps` it is a
number of updates, which a run can repeat. The first 90 % of the text train, the last 10 % test: by 20 streams, each
read from its begin to its end in one pass, so that 20 characters in all are predicted without what stood before them.
The learning rate and the share of streams that begin anew (`characters_training`) were chosen while the test cost was
in sight. Beside it stand n-gram models counted in the same 90 %, `experiments.sequences.ngrams`.

| symbol | name in code | shape |
|---|---|---|
| a, y | `experiments/sequences/characters_training.py` | (L, B, symbols), (L, B) |
| p | `used`; r stays the same for a round of `ROUND` updates | () |
| test cost, that of n-grams | `curves.test`, `counted[order]` | |

Texts: tiny Shakespeare, for which nanoGPT's README names a test cost of 1.88 of a small transformer on a CPU; and
Python's own help topics, which need no download, and which differ between versions of Python.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from experiments.harness import results
from experiments.harness.options import Common, command, given
from experiments.harness.results import Figure, Record
from experiments.sequences.characters_training import CLIP, ROUND, judge, trainer
from experiments.sequences.ngrams import ngram_cost
from fnnets import plots
from fnnets.core import validate
from fnnets.storage.progress import progress

POINTS, ORDERS = 20, (1, 2, 4, 5)
BAR, FIVE_GRAM = 1.88, 1.669
SAMPLE, SHOWN = 2000, 8


@dataclass(frozen=True)
class Options(Common):
    """Train an LSTM to predict the next character of a text, measure it beside n-grams, and let it write.

    Attributes:
        out: folder for results; an experiment writes into its folder NAME in there.
        progress: whether to show the progress of training on standard error, as a bar or as plain lines.
        seed: the seed of initial weights, dropout and sample.
        text: "shakespeare", Python's help "topics", or "auto": the first where its file is found.
        data_dir: folder with tinyshakespeare.txt; the environment variable FNNETS_DATA if none is given.
        minutes: wall time of training, compilation included.
        steps: updates in place of minutes, in rounds of 20.
        units: cells of each layer.
        layers: LSTM layers.
        length: characters of a segment.
        batch_size: streams of text side by side.
        dropout: share of each layer's outputs that are dropped in training; 0 for none.
        learning_rate: the first step size eta of Adam.
        temperature: of the sample: below 1 the likely characters become likelier.
    """

    seed: int = 0
    text: Literal["auto", "shakespeare", "topics"] = "auto"
    data_dir: Path | None = None
    minutes: float = 10.0
    steps: int | None = None
    units: int = 384
    layers: int = 1
    length: int = 64
    batch_size: int = 32
    dropout: float = 0.2
    learning_rate: float = 0.003
    temperature: float = 0.8

    def __post_init__(self):
        super().__post_init__()
        if self.steps is not None:
            validate.count(self.steps, "steps", "give the number of updates", least=ROUND)


class Text(NamedTuple):
    """A text's name, its symbols, and the codes to train and to test with."""

    name: str
    vocabulary: fn.data.Vocabulary
    train: np.ndarray
    test: np.ndarray


class Curves(NamedTuple):
    """Updates, minutes and costs at some points; the training cost is the mean since the point before."""

    updates: list[int]
    minutes: list[float]
    training: list[float]
    test: list[float]

    def note(self, costs: list[float], minutes: float, test: float) -> str:
        """Add a point; `costs` are the mean training costs of all rounds until now."""
        seen = self.updates[-1] // ROUND if self.updates else 0
        training = float(np.mean(costs[seen:]))
        self.updates.append(ROUND * len(costs))
        self.minutes.append(minutes)
        self.training.append(training)
        self.test.append(test)
        return f"{self.updates[-1]} updates, {minutes:.1f} min, training cost {training:.3f}, test cost {test:.3f}"


class Trained(NamedTuple):
    """The last parameters, and what was seen on the way, the last point of it at the end."""

    params: Any
    curves: Curves


def run(options: Options) -> int:
    """Count, train, judge, write; 1 where tiny Shakespeare costs more than the bar."""
    begin = time.perf_counter()
    text = load(options)
    counted = {order: ngram_cost(text.train, text.test, order, text.vocabulary.size) for order in ORDERS}
    net = network(text.vocabulary.size, options)
    trained = train(net, text, options)
    cost = trained.curves.test[-1]
    figures = _figures(text, cost, counted, trained)
    record = Record(
        f"characters-{text.name}", f"The next of {text.vocabulary.size} characters, {text.name}",
        _command(options, text), _settings(options, text), figures, (), time.perf_counter() - begin,
        trained.curves._asdict(),
    )  # fmt: skip
    folder, sample = options.out / "characters", write(net, trained.params, text, options)
    name = folder / f"{record.name}.txt"
    results.replace(name, lambda temporary: temporary.write_text(sample, encoding="utf-8"))
    status = results.finish(record, folder, {record.name: _picture(trained, counted, text)})
    print(f"It is {abs(cost - counted[5]):.3f} nats {'below' if cost < counted[5] else 'above'} the 5-gram.\n")
    print("\n".join(sample.splitlines()[:SHOWN]))
    return status


def load(options: Options) -> Text:
    """The chosen text, its first 90 % and its last 10 %."""
    name = options.text
    if name == "auto":
        given = options.data_dir or os.environ.get("FNNETS_DATA")
        found = options.data_dir or (given and (Path(given) / fn.data.text.SHAKESPEARE).is_file())
        name = "shakespeare" if found else "topics"
    content = fn.data.shakespeare(options.data_dir) if name == "shakespeare" else fn.data.python_topics()
    return divided(name, content)


def divided(name: str, content: str) -> Text:
    """A text as codes, the first 90 % to train and the rest to test with.

    >>> [len(part) for part in divided("abc", "abc" * 10)[2:]]
    [27, 3]
    """
    vocabulary = fn.data.vocabulary(content)
    codes, cut = vocabulary.encode(content), len(content) * 9 // 10
    return Text(name, vocabulary, codes[:cut], codes[cut:])


def network(size: int, options: Options) -> fn.Network:
    """The network that reads and predicts one of `size` characters at each step."""
    sizes = [size, *[options.units] * options.layers, size]
    objective = fn.objectives.softmax_log_likelihood
    return fn.recurrent(sizes, cell="lstm", objective=objective, dropout=options.dropout or None)


def train(net: fn.Network, text: Text, options: Options) -> Trained:
    """Rounds of updates as long as another one fits the budget; the costs at about `POINTS` points on the way."""
    begin = time.perf_counter()
    data = fn.data.streams(text.train, options.length, text.vocabulary.size, options.batch_size)
    (start, round_of), test_cost = trainer(net, data), judge(net, text.test)
    moving, used = start(jax.random.key(options.seed)), [0.0]
    costs, took, curves = [], [], Curves([], [], [], [])  # type: ignore[var-annotated]
    with progress(options.progress, POINTS, "characters") as show:
        while used[-1] + min(took, default=0.0) <= 1 + 1e-9:
            rate = jnp.asarray(options.learning_rate * (1 + np.cos(np.pi * used[-1])) / 2, jnp.float32)
            moving, cost = round_of(moving, jnp.asarray(ROUND * len(costs)), rate, data)
            costs.append(float(cost))
            minutes = (time.perf_counter() - begin) / 60
            used.append(ROUND * len(costs) / options.steps if options.steps else minutes / options.minutes)
            took.append(used[-1] - used[-2])
            if int(POINTS * used[-1]) > int(POINTS * used[-2]):
                show(curves.note(costs, minutes, float(test_cost(moving.params))))
        if curves.updates[-1:] != [ROUND * len(costs)]:
            show(curves.note(costs, minutes, float(test_cost(moving.params))))
    return Trained(moving.params, curves)


def write(net: fn.Network, params: Any, text: Text, options: Options) -> str:
    """A sample, after a line's end as prompt."""
    prompt = text.vocabulary.encode("\n" if "\n" in text.vocabulary.symbols else text.vocabulary.symbols[0])
    draw = functools.partial(net.sample, length=SAMPLE, temperature=options.temperature)
    codes = jax.jit(draw)(params, prompt[:, None], key=jax.random.key(options.seed))
    return text.vocabulary.decode(np.asarray(codes)[:, 0]) + "\n"


def _figures(text: Text, cost: float, counted: dict[int, float], trained: Trained) -> tuple[Figure, ...]:
    is_known = text.name == "shakespeare"
    bar = {"published": BAR, "high": BAR} if is_known else {}
    figures = [Figure("test cost", (cost,), "nats", form=".3f", **bar)]
    for order, each in counted.items():
        known = FIVE_GRAM if is_known and order == 5 else None
        name = f"n-gram with a context of {order - 1}: test cost"
        figures.append(Figure(name, (each,), "nats", known, form=".3f"))
    return (
        *figures,
        Figure("test cost less that of the n-gram with a context of 4", (cost - counted[5],), "nats", form=".3f"),
        Figure("training cost, last point", (trained.curves.training[-1],), "nats", form=".3f"),
        Figure("training time, compilation included", (trained.curves.minutes[-1],), "min", form=".1f"),
        Figure("updates", (float(trained.curves.updates[-1]),), form=".0f"),
    )


def _picture(trained: Trained, counted: dict[int, float], text: Text) -> Any:
    x = trained.curves.minutes
    lines = {"LSTM, training": trained.curves.training, "LSTM, test": trained.curves.test}
    lines |= {f"n-gram with a context of {order - 1}, test": [counted[order]] * len(x) for order in (2, 4, 5)}
    return plots.curves(
        lines, x=x, xlabel="minutes", ylabel="cost / nats a character", title=f"{text.name}: LSTM and n-grams"
    )


def _settings(options: Options, text: Text) -> dict[str, Any]:
    chosen = given(options, "text", *["minutes"] * (options.steps is not None))
    sizes = {"symbols": text.vocabulary.size, "training": len(text.train), "test": len(text.test)}
    return {"cell": "lstm", **chosen, **sizes, "optimizer": f"Adam, cosine, gradients clipped to norm {CLIP:g}"}


def _command(options: Options, text: Text) -> str:
    """Without the folder, in which the text may lie elsewhere another time."""
    return command("characters", replace(options, text=text.name, data_dir=None))  # type: ignore[arg-type]

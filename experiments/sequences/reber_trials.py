"""The trials of `experiments.sequences.reber`: the strings, the networks, their online training and their judgement.

    w ← w − η T_n ∂C_n                 after each string; C_n is the mean over its T_n steps, so that T_n C_n is the sum
    right[t, n]:  min over legal symbols of a[t, n] > max over the others

| symbol | name in code | shape |
|---|---|---|
| x, y and mask of the strings | `Strings` | (pairs, T, 2 n, …): n to train with, n to test with |
| the step whose next symbol is the last T or P | `decision`, T_n − 2 counted from 0 | (2 n,) |
| a trial | `Trial` | leaves (K, …) |
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import fnnets as fn

PAIRS = 3
CLASSIC, LSTM, SIMPLE, ONE_STEP = "LSTM of 1997", "LSTM", "simple", "simple, δ cut after a step"
ROWS = (CLASSIC, LSTM, SIMPLE, ONE_STEP)
CELLS, UNITS, CLIP, ADAM = {CLASSIC: 4, LSTM: 8}, 15, 10.0, 0.01


class Strings(NamedTuple):
    """Pairs of a training and a test set, n strings each, padded to one length."""

    inputs: Any
    targets: Any
    mask: Any


class Trial(NamedTuple):
    """A network in training: its parameters, the optimiser's state, its key, and its pair of sets."""

    params: Any
    optimizer_state: Any
    key: Any
    pair: Any


class Report(NamedTuple):
    """After a round, (K,) each: whether all strings are right, and the shares of the test strings' symbols that are.

    `decisions` counts the last T or P, `others` all the other symbols.
    """

    solved: Any
    decisions: Any
    others: Any


def strings(key, n: int) -> Strings:
    """The pairs of sets; no pair shares its random numbers with another.

    >>> strings(jax.random.key(0), 4).mask.shape[::2]
    (3, 8)
    """
    pairs = [fn.data.reber_strings(each, 2 * n) for each in jax.random.split(key, PAIRS)]
    longest = max(len(string) for pair in pairs for string in pair) - 1
    batches = [_padded(pair, longest) for pair in pairs]
    return Strings(*(jnp.stack(part) for part in zip(*(batch[:3] for batch in batches), strict=True)))


def network(row: str, **more: Any) -> fn.Network:
    """The network of a row; `more` are further options, such as `return_sequences=False`.

    >>> [part.name for part in network(CLASSIC).layer.parts]
    ['lstm_1997', 'dense']
    """
    if row == LSTM:
        return fn.recurrent([7, CELLS[row], 7], cell="lstm", objective=fn.objectives.sigmoid_cross_entropy, **more)
    alike = {"objective": fn.objectives.squared_error(fn.activations.sigmoid), "initializer": _small(), **more}
    if row == CLASSIC:
        return fn.recurrent([7, CELLS[row], 7], cell="lstm_1997", **alike)
    return fn.recurrent([7, UNITS, 7], truncate=1 if row == ONE_STEP else None, **alike)


def descent(row: str, learning_rate: float) -> optax.GradientTransformation:
    """Adam for the LSTM of today, plain descent for all others; gradients beyond a norm of `CLIP` are cut to it."""
    step = optax.adam(ADAM) if row == LSTM else optax.sgd(learning_rate)
    return optax.chain(optax.clip_by_global_norm(CLIP), step)


def init(net: fn.Network, key) -> Any:
    """A network's parameters; without forget gate, output gates begin the more shut, the later: −1, −2, −3, −4.

    >>> init(network(CLASSIC), jax.random.key(0))[0].output_gate.biases.tolist()
    [-1.0, -2.0, -3.0, -4.0]
    """
    cell, output = net.init(key)
    if hasattr(cell, "output_gate") and not hasattr(cell, "forget_gate"):
        gate = cell.output_gate
        shut = -jnp.arange(1, len(gate.biases) + 1, dtype=gate.biases.dtype)
        cell = cell._replace(output_gate=gate._replace(biases=shut))
    return cell, output


def begin(net: fn.Network, optimizer, keys) -> Trial:
    """A trial for each key."""

    def one(key, number):
        init_key, key = jax.random.split(key)
        params = init(net, init_key)
        return Trial(params, optimizer.init(params), key, number % PAIRS)

    return jax.vmap(one)(keys, jnp.arange(len(keys)))


def trainer(net: fn.Network, optimizer, updates: int):
    """The compiled `(trials, strings) -> (trials, report)`: `updates` strings for each trial, then all are judged."""

    def update(trial: Trial, data: Strings, key):
        half = data.mask.shape[2] // 2
        number = jax.random.randint(key, (1,), 0, half)
        x, y, mask = (part[trial.pair, :, number].swapaxes(0, 1) for part in data)
        d_params = net.gradient(trial.params, fn.Batch(x, y, mask))
        steps = jnp.sum(mask).astype(x.dtype)
        summed = jax.tree.map(lambda leaf: steps * leaf, d_params)
        change, optimizer_state = optimizer.update(summed, trial.optimizer_state, trial.params)
        return trial._replace(params=optax.apply_updates(trial.params, change), optimizer_state=optimizer_state)

    def round_of_one(trial: Trial, data: Strings):
        key, own = jax.random.split(trial.key)
        keys = jax.random.split(own, updates)
        trial, _ = jax.lax.scan(lambda trial, key: (update(trial, data, key), None), trial, keys)
        return trial._replace(key=key), judge(net, trial, data)

    return jax.jit(jax.vmap(round_of_one, in_axes=(0, None)), donate_argnums=0)


def judge(net: fn.Network, trial: Trial, data: Strings) -> Report:
    """The right part of one trial's strings."""
    inputs, targets, mask = (part[trial.pair] for part in data)
    right = is_right(net.predict(trial.params, inputs, mask), targets)
    half = mask.shape[1] // 2
    decisions = jnp.take_along_axis(right, decision(mask)[None], axis=0)[0, half:]
    symbols, all_right = jnp.sum(mask[:, half:]), jnp.sum(right[:, half:] & mask[:, half:])
    others = (all_right - jnp.sum(decisions)) / (symbols - half)
    return Report(jnp.all(right | ~mask), jnp.mean(decisions.astype(others.dtype)), others)


def is_right(a, legal):
    """Whether every legal symbol is more active than every other one, (T, N).

    >>> is_right(jnp.array([[0.9, 0.2, 0.3], [0.9, 0.3, 0.3]]), jnp.array([[1.0, 0.0, 1.0]] * 2)).tolist()
    [True, False]
    """
    lowest = jnp.min(jnp.where(legal > 0, a, jnp.inf), axis=-1)
    return lowest > jnp.max(jnp.where(legal > 0, -jnp.inf, a), axis=-1)


def decision(mask):
    """The step after which the last T or P comes, (N,): the last real step but one.

    >>> decision(jnp.array([[True, True, True, False]]).T).tolist()
    [1]
    """
    return jnp.sum(mask, axis=0) - 2


def _padded(pair: list[str], length: int) -> fn.Batch:
    rows = [fn.data.one_hot([fn.data.reber.SYMBOLS.index(symbol) for symbol in string[:-1]], 7) for string in pair]
    return fn.data.pad(rows, [fn.data.legal_next(string) for string in pair], length)


def _small() -> fn.initializers.Initializer:
    def uniform(key, shape, dtype):
        return jax.random.uniform(key, shape, dtype, -0.2, 0.2)

    return fn.initializers.Initializer(lambda in_axis, out_axis: uniform, uniform)

"""The classical tasks of long time lags, made from a key: as many sequences as are wanted, no two runs alike.

    adding           y = Σ_t v[t] m[t],  v[t] ~ U(0, 1),  m = 1 at one step of each half, else 0
    copying          K symbols, D − 1 blanks, a marker, K blanks  ->  D + K blanks, the K symbols
    temporal order   y = which of X and Y stands at each of 2 (6a) or 3 (6b) steps, among distractors a b c d
    long lag         (x, a_1 … a_{p−1}, x) or (y, a_1 … a_{p−1}, y): at each step the next symbol

| task | inputs, one-hot but for `adding` | targets |
|---|---|---|
| `adding` | (T, N, 2): v, m | (N, 1) |
| `copying` | (D + 2K, N, symbols + 2): symbols 0 …, blank `symbols`, marker `symbols` + 1 | (D + 2K, N) labels |
| `temporal_order` | (T, N, 8): a b c d X Y E B | (N,) labels: X = 0 and Y = 1 as binary digits |
| `long_lag` | (p, N, p + 1): a_1 … a_{p−1} x y | (p, N) labels |

Inputs are float32 and labels int32 in every setting of JAX. The sizes are static and the key may be traced, so that a
training step can draw its own sequences. What is known without a memory: `adding`: the mean, 1, has a mean squared
error of 1/6, the variance of the sum of two numbers from U(0, 1). `copying`: `copying_baseline` nats a step.
`temporal_order`: one class of 4 or 8. `long_lag`: the last symbol, 1 of 2.
Source: [Hochreiter1997], experiments 2a, 4, 6a, 6b; [Arjovsky2016], section 4.1 (copying) and 4.2 (adding, in the form
used here).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from fnnets.core import calls, validate
from fnnets.core.types import Batch

if TYPE_CHECKING:
    from jaxtyping import Array

ORDER_SYMBOLS = "abcdXYEB"
ORDER_RANGES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


@calls.strict("adding")
def adding(key: Array, n: int, length: int) -> Batch:
    """The adding problem: the sum of the two marked numbers among `length`.

    Known deviation: in 1997 the numbers were from [−1, 1], the target 0.5 + (X1 + X2)/4 and the lengths random.

    Args:
        key: PRNG key.
        n: number of sequences.
        length: T ≥ 2. One marker lies in the steps 0 … ⌊T/2⌋ − 1, one in ⌊T/2⌋ … T − 1.

    Returns:
        A `Batch` of inputs (T, N, 2), numbers and markers, and targets (N, 1).

    Raises:
        TypeError, ValueError: no key, no ints, n < 1, T < 2.

    >>> batch = adding(jax.random.key(0), 5, 20)
    >>> values, markers = batch.inputs[..., 0], batch.inputs[..., 1]
    >>> bool(jnp.allclose((values * markers).sum(0), batch.targets[:, 0])), markers.sum(0).tolist()
    (True, [2.0, 2.0, 2.0, 2.0, 2.0])
    """
    n = _begin(key, n, "adding")
    length = validate.count(length, "adding: length", "give a number of steps", least=2)
    values_key, *keys = jax.random.split(key, 3)
    values = jax.random.uniform(values_key, (length, n), jnp.float32)
    halves = ((0, length // 2 - 1), (length // 2, length - 1))
    first, second = (_at(key, n, length, *half) for key, half in zip(keys, halves, strict=True))
    markers = (first | second).astype(jnp.float32)
    return Batch(jnp.stack([values, markers], axis=-1), (values * markers).sum(axis=0)[:, None])


@calls.strict("copying")
def copying(key: Array, n: int, delay: int, symbols: int = 8, length: int = 10) -> Batch:
    """Copying memory: a word is read, and written after `delay` steps.

    Args:
        key: PRNG key.
        n: number of sequences.
        delay: D ≥ 1: blanks, the last of them a marker, between the word and the steps in which it is written.
        symbols: kinds of symbols in a word; beside them there are the blank and the marker.
        length: K, symbols in a word.

    Returns:
        A `Batch` of inputs (D + 2K, N, symbols + 2) and labels (D + 2K, N): blank, label `symbols`, until the last
        K steps, then the word.

    Raises:
        TypeError, ValueError: no key, no ints, a number < 1.

    >>> batch = copying(jax.random.key(0), 1, delay=2, symbols=2, length=3)
    >>> codes, labels = batch.inputs.argmax(-1)[:, 0], batch.targets[:, 0]
    >>> codes[3:].tolist(), labels[:5].tolist(), bool((codes[:3] == labels[5:]).all())
    ([2, 3, 2, 2, 2], [2, 2, 2, 2, 2], True)
    """
    n = _begin(key, n, "copying")
    delay, symbols, length = _sizes(delay, symbols, length, "copying")
    word = jax.random.randint(key, (length, n), 0, symbols, jnp.int32)
    blanks = jnp.full((delay + length, n), symbols, jnp.int32)
    inputs = jnp.concatenate([word, blanks]).at[length + delay - 1].set(symbols + 1)
    return Batch(_one_hot(inputs, symbols + 2), jnp.concatenate([blanks, word]))


@calls.strict("copying_baseline")
def copying_baseline(delay: int, symbols: int = 8, length: int = 10) -> float:
    """The cost in nats a step without memory, K log(symbols) / (D + 2K): the blanks are known, the word is guessed.

    Raises:
        TypeError, ValueError: as `copying`.

    >>> [round(copying_baseline(delay), 4) for delay in (100, 200)]
    [0.1733, 0.0945]
    """
    delay, symbols, length = _sizes(delay, symbols, length, "copying_baseline")
    return math.log(symbols) * (length / (delay + 2 * length))


@calls.strict("temporal_order")
def temporal_order(key: Array, n: int, length: int, relevant: int = 2) -> Batch:
    """The temporal order of X and Y at 2 or 3 steps far apart, in sequences E … B of distractors a, b, c, d.

    Known deviation: in 1997 the lengths were random, 100 … 110; here all are `length`.

    Args:
        key: PRNG key.
        n: number of sequences.
        length: T ≥ 10, with E at step 0 and B at step T − 1.
        relevant: 2 (experiment 6a): X or Y at one step of T·10/100 … T·20/100 and of T·50/100 … T·60/100, rounded
            down, ends included. 3 (6b): of T·10/100 … T·20/100, T·33/100 … T·43/100, T·66/100 … T·76/100. At T = 100
            these are the ranges of 1997.

    Returns:
        A `Batch` of inputs (T, N, 8), in the order a b c d X Y E B, and labels (N,): XX, XY, YX, YY are 0 … 3, and
        XXX, XXY, … YYY are 0 … 7.

    Raises:
        TypeError, ValueError: no key, no ints, n < 1, T < 10, `relevant` neither 2 nor 3.

    >>> batch = temporal_order(jax.random.key(0), 1, 20)
    >>> text = "".join(ORDER_SYMBOLS[code] for code in batch.inputs.argmax(-1)[:, 0].tolist())
    >>> text[0], text[-1], text.count("X") + text.count("Y")
    ('E', 'B', 2)
    """
    n = _begin(key, n, "temporal_order")
    length = validate.count(length, "temporal_order: length", "the ranges of the symbols need 10 steps", least=10)
    if validate.count(relevant, "temporal_order: relevant", "give 2 or 3") not in ORDER_RANGES:
        raise ValueError(
            f"temporal_order: relevant is {relevant}, expected 2 or 3; write 2 for experiment 6a, 3 for 6b"
        )
    codes_key, bits_key, *keys = jax.random.split(key, 2 + relevant)
    codes = jax.random.randint(codes_key, (length, n), 0, 4, jnp.int32)
    bits = jax.random.randint(bits_key, (relevant, n), 0, 2, jnp.int32)
    for place, bit, (low, high) in zip(keys, bits, ORDER_RANGES[relevant], strict=True):
        here = _at(place, n, length, length * low // 100, length * high // 100)
        codes = jnp.where(here, ORDER_SYMBOLS.index("X") + bit[None], codes)
    codes = codes.at[0].set(ORDER_SYMBOLS.index("E")).at[-1].set(ORDER_SYMBOLS.index("B"))
    digits = 2 ** jnp.arange(relevant - 1, -1, -1, dtype=jnp.int32)
    return Batch(_one_hot(codes, len(ORDER_SYMBOLS)), (bits * digits[:, None]).sum(axis=0, dtype=jnp.int32))


@calls.strict("long_lag")
def long_lag(key: Array, n: int, lag: int) -> Batch:
    """Noise-free sequences that end as they began: x a_1 … a_{p−1} x or y a_1 … a_{p−1} y, each half the time.

    Args:
        key: PRNG key.
        n: number of sequences.
        lag: p ≥ 2, the steps from the first symbol to the last.

    Returns:
        A `Batch` of inputs (p, N, p + 1), all symbols but the last, in the order a_1 … a_{p−1} x y, and labels (p, N),
        the next symbol at every step.

    Raises:
        TypeError, ValueError: no key, no ints, n < 1, p < 2.

    >>> batch = long_lag(jax.random.key(0), 1, 4)
    >>> codes, labels = batch.inputs.argmax(-1)[:, 0], batch.targets[:, 0]
    >>> codes[1:].tolist(), labels[:-1].tolist(), bool(codes[0] == labels[-1])
    ([0, 1, 2], [0, 1, 2], True)
    """
    n = _begin(key, n, "long_lag")
    lag = validate.count(lag, "long_lag: lag", "give a number of steps", least=2)
    ends = jax.random.randint(key, (1, n), lag - 1, lag + 1, jnp.int32)
    middle = jnp.broadcast_to(jnp.arange(lag - 1, dtype=jnp.int32)[:, None], (lag - 1, n))
    codes = jnp.concatenate([ends, middle, ends])
    return Batch(_one_hot(codes[:-1], lag + 1), codes[1:])


def _begin(key, n, user) -> int:
    validate.is_key(key, f"{user}: key")
    return validate.count(n, f"{user}: n", "give the number of sequences")


def _sizes(delay, symbols, length, user) -> tuple[int, int, int]:
    return (
        validate.count(delay, f"{user}: delay", "give a number of steps"),
        validate.count(symbols, f"{user}: symbols", "give how many kinds of symbols there are"),
        validate.count(length, f"{user}: length", "give the number of symbols to copy"),
    )


def _at(key, n, length, low, high):
    """(T, N) bool: True at one random step from `low` to `high` of each sequence."""
    step = jax.random.randint(key, (1, n), low, high + 1, jnp.int32)
    return jnp.arange(length, dtype=jnp.int32)[:, None] == step


def _one_hot(codes, size):
    return jax.nn.one_hot(codes, size, dtype=jnp.float32)

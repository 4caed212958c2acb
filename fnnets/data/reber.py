"""The embedded Reber grammar: strings whose last symbol but one is their second, however long what lies between.

    Reber     B → 1;  1: T → 2, P → 3;  2: S → 2, X → 4;  3: T → 3, V → 5;  4: X → 3, S → 6;  5: P → 4, V → 6;  6: E
    embedded  B T ⟨Reber⟩ T E   or   B P ⟨Reber⟩ P E

| symbol | name in code | shape |
|---|---|---|
| B T P S X V E | `SYMBOLS`, in this order one-hot | (7,) |
| all symbols of a string but its last | `embedded_reber(…).inputs` | (T, N, 7) |
| the symbols that may come next | `embedded_reber(…).targets`, `legal_next` | (T, N, 7), (len − 1, 7) |

Where two arcs leave a state each is taken with probability 1/2. A string has at least 9 symbols. Which symbol comes
next is known but for the choice, so the targets have one or two ones; only the last T or P needs a long memory.
Source: [Reber1967]; [Fahlman1991] for the embedded grammar; [Hochreiter1997], experiment 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import calls, validate
from fnnets.core.types import Batch
from fnnets.data import examples, sequences

if TYPE_CHECKING:
    from jaxtyping import Array

SYMBOLS = "BTPSXVE"
ARCS: dict[int, dict[str, int]] = {
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
}
State = tuple[str, int]
START: State = ("", 0)


@calls.strict("embedded_reber")
def embedded_reber(key: Array, n: int, *, unique: bool = False) -> Batch:
    """Strings of the embedded Reber grammar, padded: at each step the symbols that may come next.

    Args:
        key: PRNG key.
        n: number of strings.
        unique: whether no string comes twice.

    Returns:
        A `Batch` of inputs (T, N, 7), one-hot, targets (T, N, 7) of zeros and ones, and mask (T, N); float32. The
        strings themselves are `reber_strings` of the same arguments.

    Raises:
        TypeError, ValueError: no key, n is no int ≥ 1, `unique` neither True nor False.

    >>> batch = embedded_reber(jax.random.key(0), 5)
    >>> batch.inputs.shape == batch.targets.shape, batch.targets[1, 0].tolist()
    (True, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """
    strings = reber_strings(key, n, unique=unique)
    return sequences.pad([_rows(string[:-1]) for string in strings], [legal_next(string) for string in strings])


@calls.strict("reber_strings")
def reber_strings(key: Array, n: int, *, unique: bool = False) -> list[str]:
    """Strings of the embedded Reber grammar, drawn on the host by NumPy from a generator that the key seeds.

    Args:
        key: PRNG key.
        n: number of strings.
        unique: whether no string comes twice; those that do are passed over, so that long ones get more frequent.

    Raises:
        TypeError, ValueError: no key, n is no int ≥ 1, `unique` neither True nor False.

    >>> {string[0] + string[-1] for string in reber_strings(jax.random.key(0), 5)}
    {'BE'}
    """
    examples.check_key(key, "reber_strings: key")
    n = validate.count(n, "reber_strings: n", "give the number of strings")
    validate.flag(unique, "reber_strings: unique")
    seed = examples.known(jax.random.bits(key, dtype=jnp.uint32), "reber_strings: key")
    random = np.random.default_rng(int(seed))
    found: dict[int | str, str] = {}
    while len(found) < n:
        string = _string(random)
        found.setdefault(string if unique else len(found), string)
    return list(found.values())


@calls.strict("legal_next")
def legal_next(string: str) -> np.ndarray:
    """The symbols that may follow each symbol of a string but the last: (len − 1, 7) zeros and ones, float32.

    Args:
        string: a string of the embedded Reber grammar.

    Raises:
        TypeError: `string` is no string.
        ValueError: it is not of the grammar, or not all of a string.

    >>> ["".join(SYMBOLS[i] for i in row.nonzero()[0]) for row in legal_next("BTBTXSETE")]
    ['TP', 'B', 'TP', 'SX', 'SX', 'E', 'T', 'E']
    """
    validate.is_instance(string, str, "legal_next: string", "give one of reber_strings")
    state, rows = START, []
    for position, symbol in enumerate(string):
        arcs = _arcs(state)
        if symbol not in arcs:
            raise ValueError(
                f"legal_next: string {string!r} has {symbol} at {position}, expected {' or '.join(arcs) or 'its end'}; "
                "give a string of the embedded Reber grammar, as from reber_strings"
            )
        state = arcs[symbol]
        rows.append(_marks(_arcs(state)))
    if _arcs(state):
        raise ValueError(
            f"legal_next: string {string!r} ends where {' or '.join(_arcs(state))} is expected; give the whole string"
        )
    return np.stack(rows[:-1])


def _arcs(state: State) -> dict[str, State]:
    """The successor by each legal symbol: a state is the outer symbol, once known, and the inner state."""
    outer, inner = state
    if not outer:
        return {"B": ("?", 0)}
    if outer == "?":
        return {"T": ("T", 0), "P": ("P", 0)}
    if inner in ARCS:
        return {symbol: (outer, following) for symbol, following in ARCS[inner].items()}
    # After the inner E: the outer symbol once more, E, the end.
    return {7: {outer: (outer, 8)}, 8: {"E": (outer, 9)}, 9: {}}[inner]


def _string(random: np.random.Generator) -> str:
    state, symbols = START, []
    while arcs := _arcs(state):
        symbol = list(arcs)[random.integers(len(arcs))]
        symbols.append(symbol)
        state = arcs[symbol]
    return "".join(symbols)


def _marks(symbols) -> np.ndarray:
    return np.array([symbol in symbols for symbol in SYMBOLS], np.float32)


def _rows(string: str) -> np.ndarray:
    """One-hot rows (len, 7) of a string."""
    return np.stack([_marks(symbol) for symbol in string])

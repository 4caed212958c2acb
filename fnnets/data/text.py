"""Text as a sequence of symbols: codes, one-hot inputs, and the next symbol to predict.

    segments   x_i[t] = u[iL + t],        y_i[t] = u[iL + t + 1]              0 ≤ t < L,  i < N = ⌊(n − 1)/L⌋
    streams    x_k[t, j] = u[(jS + k)L + t],  y_k[t, j] = u[(jS + k)L + t + 1]    k < S = ⌊(n − 1)/(BL)⌋,  j < B

| symbol | name in code | shape |
|---|---|---|
| u | `codes` of the text's n symbols, 0 … size − 1 | (n,) |
| L | `length` of a segment | () |
| x | `segments(…).inputs`, one-hot float32 | (L, N, size) |
| y | `segments(…).targets` | (L, N) int32 |
| B | `batch_size`: streams side by side | () |
| x, y | `streams(…).inputs`, `.targets`, codes | (S, L, B) int32 |

In `streams` segment k + 1 of stream j goes on where segment k of stream j ended, so that a network's state can be
carried over. One-hot floats take 4·size bytes a symbol: tiny Shakespeare's 1.1 million symbols of 65 kinds are
290 MB, so `streams` gives codes, and `one_hot` makes the inputs of one step where they are needed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Batch
from fnnets.data import folders
from fnnets.storage import files
from fnnets.storage.errors import DataError, DataNotFoundError

if TYPE_CHECKING:
    from jaxtyping import Array, Float

SHAKESPEARE = "tinyshakespeare.txt"


class Vocabulary(NamedTuple):
    """The symbols of a text; the code of a symbol is its place among them.

    Attributes:
        symbols: distinct characters; `vocabulary` collects those of a text.
    """

    symbols: str

    @property
    def size(self) -> int:
        """The number of symbols: one more than the largest code."""
        return len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """The codes (n,) int32 of a text's n characters.

        Raises:
            TypeError: `text` is no string.
            ValueError: a character is not among the symbols; or the symbols are none, or not distinct.

        >>> Vocabulary("abc").encode("cab").tolist()
        [2, 0, 1]
        """
        validate.is_instance(text, str, "Vocabulary.encode: text", "give a string")
        symbols, wanted = self._points(), _points(text)
        order = np.argsort(symbols)
        places = np.minimum(np.searchsorted(symbols[order], wanted), self.size - 1)
        codes = order[places]
        unknown = np.flatnonzero(symbols[codes] != wanted)
        if unknown.size:
            raise ValueError(
                f"Vocabulary.encode: text holds {unknown.size} unknown symbols, the first {text[unknown[0]]!r} at "
                f"{unknown[0]}, expected only {_shown(self.symbols)}; make the vocabulary from all the text"
            )
        return codes.astype(np.int32)

    def decode(self, codes) -> str:
        """The text of codes (n,).

        Raises:
            TypeError, ValueError: `codes` are no integers (n,) from 0 to size − 1; or symbols as in `encode`.

        >>> Vocabulary("abc").decode([2, 0, 1])
        'cab'
        """
        codes = _codes(codes, self.size, "Vocabulary.decode: codes")
        return self._points()[codes].tobytes().decode("utf-32-le", "surrogatepass")

    def _points(self) -> np.ndarray:
        validate.is_instance(self.symbols, str, "Vocabulary: symbols", "give a string of the distinct symbols")
        if not self.symbols or len(set(self.symbols)) < self.size:
            raise ValueError(
                f"Vocabulary: symbols are {_shown(self.symbols)}, expected at least one and each once; "
                "make it with vocabulary(text)"
            )
        return _points(self.symbols)


@calls.strict("vocabulary")
def vocabulary(text: str) -> Vocabulary:
    """The distinct characters of a text in the order of their code points.

    Raises:
        TypeError: `text` is no string.
        ValueError: it is empty.

    >>> vocabulary("abracadabra")
    Vocabulary(symbols='abcdr')
    """
    validate.is_instance(text, str, "vocabulary: text", "give a string")
    if not text:
        raise ValueError("vocabulary: text is empty, expected at least one symbol; give it the text to be encoded")
    return Vocabulary("".join(sorted(set(text))))


@calls.strict("python_topics")
def python_topics() -> str:
    """Python's own help topics, English prose and grammar that every CPython carries, in the order of their names.

    About 460 000 characters of 100 kinds; the text is that of the running version of Python, so a figure measured
    on it names that version.

    Raises:
        DataNotFoundError: this Python comes without `pydoc_data`.

    >>> "The" in python_topics()
    True
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DataNotFoundError(
            "python_topics: this Python comes without pydoc_data.topics; install its full standard library"
        ) from None
    return "\n".join(topics[name] for name in sorted(topics))


@calls.strict("shakespeare")
def shakespeare(data_dir: str | os.PathLike[str] | None = None) -> str:
    """Tiny Shakespeare: 1 115 394 characters of 65 kinds, from the file tinyshakespeare.txt.

    Args:
        data_dir: a directory with that file; None takes the environment variable FNNETS_DATA.

    Raises:
        DataNotFoundError: no directory is given, or it or the file does not exist.
        DataError: the file is empty or no text in UTF-8.
        TypeError: `data_dir` is no path.

    >>> shakespeare("nowhere")
    Traceback (most recent call last):
    fnnets.storage.errors.DataNotFoundError: shakespeare: data_dir nowhere is no directory, expected a
    directory; give one with tinyshakespeare.txt
    """
    folder = folders.folder(data_dir, "shakespeare", SHAKESPEARE)
    file = folder / SHAKESPEARE
    if not file.is_file():
        raise DataNotFoundError(f"shakespeare: {folder} holds no {SHAKESPEARE}, expected that file; put it there")
    try:
        with files.reading(file, "shakespeare: text", "put the file there again"):
            text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text in UTF-8 ({error}), expected text; get the file again") from None
    if not text:
        raise DataError(f"{file} is empty, expected text; get the file again")
    return text


@calls.strict("one_hot")
def one_hot(codes, size: int) -> Float[Array, "*shape size"]:
    """1 at the code and 0 elsewhere, along a new last axis, float32; may be called while JAX traces.

    Args:
        codes: (…) integers from 0 to size − 1.
        size: number of symbols.

    Raises:
        TypeError, ValueError: `codes` are no integers, or out of range.

    >>> one_hot([2, 0], 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    size = validate.count(size, "one_hot: size", "give the number of symbols")
    arrays.whole(np.array([size - 1]), "one_hot: size - 1", np.int32)
    codes = arrays.whole(_integers(codes, size, "one_hot: codes"), "one_hot: codes", np.int32)
    return jax.nn.one_hot(codes, size, dtype=jnp.float32)


@calls.strict("segments")
def segments(codes, length: int, size: int) -> Batch:
    """A text in pieces of one length, each symbol to be predicted from those before it in its piece.

    Args:
        codes: (n,) integers from 0 to size − 1.
        length: L, symbols of a piece.
        size: number of symbols.

    Returns:
        A `Batch` of inputs (L, N, size), one-hot float32: 4·size bytes a symbol (`streams` takes 8), and targets
        (L, N) int32, the next symbols. N = ⌊(n − 1)/L⌋; what is left at the end is dropped.

    Raises:
        TypeError, ValueError: `codes` are no integers (n,), out of range, or not more than `length`; numbers < 1.

    >>> batch = segments([0, 1, 2, 1, 0, 2], 2, 3)
    >>> batch.inputs.argmax(-1).T.tolist(), batch.targets.T.tolist()
    ([[0, 1], [2, 1]], [[1, 2], [1, 0]])
    """
    codes, length = _text(codes, length, size, 1, "segments")
    inputs, targets = (part.reshape(-1, length).T for part in _shifted(codes, length))
    return Batch(one_hot(inputs, size), jnp.asarray(targets))


@calls.strict("streams")
def streams(codes, length: int, size: int, batch_size: int) -> Batch:
    """A text in parallel streams, cut into segments that continue each other.

    Args:
        codes: (n,) integers from 0 to size − 1.
        length: L, symbols of a segment.
        size: number of symbols.
        batch_size: B, streams side by side; stream j + 1 begins where stream j ends.

    Returns:
        A `Batch` of inputs and targets (S, L, B), int32 codes: 8 bytes a symbol. `lax.scan` over it takes S batches
        of L steps, and segment k + 1 continues segment k; inputs are made by `one_hot`. What is left at the end,
        fewer than B·L symbols, is dropped.

    Raises:
        TypeError, ValueError: as `segments`; `codes` that are not more than B·L.

    >>> streams([0, 1, 2, 3, 4, 5, 6, 7, 8], 2, 9, 2).inputs.tolist()
    [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]
    """
    batch_size = validate.count(batch_size, "streams: batch_size", "give the number of streams")
    codes, length = _text(codes, length, size, batch_size, "streams")
    inputs, targets = (part.reshape(batch_size, -1, length) for part in _shifted(codes, batch_size * length))
    return Batch(jnp.asarray(inputs.transpose(1, 2, 0)), jnp.asarray(targets.transpose(1, 2, 0)))


def _text(codes, length, size, batch_size, user) -> tuple[np.ndarray, int]:
    codes = _codes(codes, validate.count(size, f"{user}: size", "give the number of symbols"), f"{user}: codes")
    length = validate.count(length, f"{user}: length", "give the number of symbols in a segment")
    if len(codes) <= batch_size * length:
        raise ValueError(
            f"{user}: codes holds {len(codes)} symbols, expected more than {batch_size * length} for one segment of "
            f"{length} in each of {batch_size} streams; give more text, or a smaller length or batch_size"
        )
    return codes, length


def _shifted(codes, unit) -> tuple[np.ndarray, np.ndarray]:
    """Codes and the next codes, as many as whole units have."""
    used = (len(codes) - 1) // unit * unit
    return codes[:used], codes[1 : used + 1]


def _codes(codes, size, name) -> np.ndarray:
    codes = np.asarray(arrays.whole(_integers(codes, size, name), name, np.int32))
    if codes.ndim != 1:
        raise ValueError(f"{name} has shape {codes.shape}, expected (n,), one text; flatten it")
    return codes


def _integers(codes, size, name):
    codes = validate.array(codes, name)
    if not jnp.issubdtype(codes.dtype, jnp.integer):
        raise TypeError(f"{name} has dtype {codes.dtype}, expected integers; make them with Vocabulary.encode")
    if validate.is_concrete(codes):
        values = np.asarray(codes)  # a concrete array may be looked at even while JAX traces
        wrong = np.argwhere((values < 0) | (values >= size))
        if len(wrong):
            where = tuple(wrong[0].tolist())
            raise ValueError(
                f"{name} holds {values[where]} at {where}, expected 0 to {size - 1}; "
                "give the size of the vocabulary that made them"
            )
    return codes


def _points(text: str) -> np.ndarray:
    """Code points (n,) of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _shown(symbols: str) -> str:
    return repr(symbols if len(symbols) <= 40 else symbols[:40] + "…")

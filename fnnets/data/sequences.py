"""Sequences of different lengths in one array: padded at the right, with a mask that tells which steps are real.

    x[t, i] = x_i[t],  y[t, i] = y_i[t],  mask[t, i] = True        t < T_i
    x[t, i] = 0,       y[t, i] = 0,       mask[t, i] = False       T_i ≤ t < T
    T = max T_i, or `length`

| symbol | name in code | shape |
|---|---|---|
| x_i | `sequences[i]` | (T_i, m) |
| y_i | `targets[i]`: an answer at every step | (T_i, d) floats or (T_i,) labels |
| | or one answer a sequence | (N, d) floats or (N,) labels, all in one array |
| x | `pad(…).inputs`, time-major | (T, N, m) |
| y | `pad(…).targets` | (T, N, d) or (T, N); (N, d) or (N,) |
| mask | `pad(…).mask` | (T, N) bool |

`bucket` pads sequences of similar lengths together, which wastes fewer steps: one batch for each range of lengths.
Labels are int32; floats keep their precision as far as JAX's settings have it. `pad` fills up with zeros; whoever pads
by other means may give padded steps any integer label, such as −1, and any finite numbers: nothing reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, calls, validate
from fnnets.core.types import Batch
from fnnets.data.digits import digits

Answers = list[np.ndarray] | np.ndarray


@calls.strict("pad")
def pad(sequences: Sequence, targets, length: int | None = None) -> Batch:
    """Sequences of different lengths as one time-major batch, with zeros after their ends and a mask.

    Args:
        sequences: list of N arrays (T_i, m) of numbers, T_i ≥ 1.
        targets: an answer at every step: a list of N arrays, (T_i, d) floats or (T_i,) integer labels; or one
            answer a sequence: one array, (N, d) floats or (N,).
        length: T; None takes the longest sequence's.

    Returns:
        A `Batch` of inputs (T, N, m), targets (T, N, d) or (T, N) (answers of sequences stay as they are) and
        mask (T, N). The mask is given even where all lengths are the same.

    Raises:
        TypeError: `sequences` is no list, something cannot be read as numbers, `length` is no int.
        ValueError: no sequences, an empty one, different numbers of features, values that are not finite,
            targets that are not one for each step or each sequence, `length` below the longest sequence's.

    >>> batch = pad([np.ones((1, 2)), np.ones((3, 2))], [np.array([5]), np.array([6, 7, 8])])
    >>> batch.inputs.shape, batch.targets.T.tolist(), batch.mask.T.tolist()
    ((3, 2, 2), [[5, 0, 0], [6, 7, 8]], [[True, False, False], [True, True, True]])
    """
    ragged = _sequences(sequences, "pad: sequences")
    answers = _answers(targets, ragged, "pad: targets")
    longest = max(map(len, ragged))
    steps = longest if length is None else validate.count(length, "pad: length", "give a number of steps")
    if steps < longest:
        where = max(range(len(ragged)), key=lambda i: len(ragged[i]))
        raise ValueError(
            f"pad: length is {steps}, but sequences[{where}] has {longest} steps, expected at least {longest}; "
            "cut the sequences, or give a larger length"
        )
    return _batch(ragged, answers, steps)


@calls.strict("bucket")
def bucket(sequences: Sequence, targets, boundaries: Sequence[int]) -> list[Batch]:
    """Sequences grouped by their length, each group padded to its longest.

    Args:
        sequences: list of N arrays (T_i, m), as `pad`.
        targets: as `pad`.
        boundaries: growing lengths b_1 < … < b_k; group j holds b_{j−1} < T_i ≤ b_j, in the given order.

    Returns:
        A `Batch` with mask for each group that is not empty, shortest first.

    Raises:
        TypeError, ValueError: as `pad`; boundaries that are no growing ints ≥ 1, or a sequence that is longer
            than the last of them.

    >>> sequences = [np.ones((steps, 1)) for steps in (4, 1, 9, 3)]
    >>> [batch.targets.tolist() for batch in bucket(sequences, np.array([0, 1, 2, 3]), (4, 6, 10))]
    [[0, 1, 3], [2]]
    """
    ragged = _sequences(sequences, "bucket: sequences")
    answers = _answers(targets, ragged, "bucket: targets")
    bounds = _boundaries(boundaries)
    lengths = np.array([len(each) for each in ragged])
    if lengths.max() > bounds[-1]:
        raise ValueError(
            f"bucket: boundaries end with {bounds[-1]}, but sequences[{lengths.argmax()}] has {lengths.max()} steps, "
            f"expected at most the last boundary; add a boundary of at least {lengths.max()}, or cut the sequence"
        )
    groups = np.searchsorted(bounds, lengths)
    batches = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        chosen = answers[rows] if isinstance(answers, np.ndarray) else [answers[row] for row in rows]
        batches.append(_batch([ragged[row] for row in rows], chosen, int(lengths[rows].max())))
    return batches


@calls.strict("unpad")
def unpad(values, mask) -> list[np.ndarray]:
    """The ragged list behind a padded array: the real steps of each sequence.

    Args:
        values: (T, N, …) numbers: inputs, targets or outputs of a padded batch.
        mask: (T, N) bool, True where a step is real.

    Returns:
        List of N NumPy arrays (T_i, …).

    Raises:
        TypeError: `values` cannot be read as numbers.
        ValueError: the mask is not bool or not (T, N).

    >>> batch = pad([np.ones((1, 2)), np.ones((3, 2))], np.array([0, 1]))
    >>> [sequence.shape for sequence in unpad(batch.inputs, batch.mask)]
    [(1, 2), (3, 2)]
    """
    values = np.asarray(validate.array(values, "unpad: values"))
    mask = np.asarray(validate.array(mask, "unpad: mask"))
    if mask.dtype != bool or mask.ndim != 2 or mask.shape != values.shape[:2]:
        raise ValueError(
            f"unpad: mask has shape {mask.shape} and dtype {mask.dtype}, expected bool (T, N), the first two axes of "
            f"values of shape {values.shape}; give the mask of the same batch"
        )
    return [values[mask[:, i], i] for i in range(mask.shape[1])]


@calls.strict("digits_as_rows")
def digits_as_rows() -> Batch:
    """Scikit-learn's digits read from top to bottom, a row of 8 pixels at each step; labels (1797,).

    Raises:
        ImportError: scikit-learn is not installed.

    >>> digits_as_rows().inputs.shape
    (8, 1797, 8)
    """
    return _digits((8, 8))


@calls.strict("digits_as_pixels")
def digits_as_pixels() -> Batch:
    """Scikit-learn's digits read row by row, a pixel at each step; labels (1797,).

    Raises:
        ImportError: scikit-learn is not installed.

    >>> digits_as_pixels().inputs.shape
    (64, 1797, 1)
    """
    return _digits((64, 1))


def _digits(shape) -> Batch:
    images, labels, *_ = digits()
    return Batch(jnp.moveaxis(images.reshape(-1, *shape), 0, 1), labels)


def _sequences(value, name) -> list[np.ndarray]:
    """Arrays (T_i, m) of one m."""
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{name} is of type {type(value).__name__}, expected a list of arrays (T_i, m); write list(sequences) if "
            "they lie along the first axis of an array"
        )
    if not value:
        raise ValueError(f"{name} is empty, expected at least one array (T_i, m); give it sequences")
    ragged = [_sequence(each, f"{name}[{i}]") for i, each in enumerate(value)]
    for i, each in enumerate(ragged):
        if each.shape[1] != ragged[0].shape[1]:
            raise ValueError(
                f"{name}[{i}] has {each.shape[1]} features and {name.split()[-1]}[0] {ragged[0].shape[1]}, expected "
                "the same; give every step of every sequence the same features"
            )
    return ragged


def _sequence(value, name) -> np.ndarray:
    array = np.asarray(validate.array(value, name))
    if array.ndim != 2:
        remedy = "give each step its row of features"
        if array.ndim == 1:
            codes = jnp.issubdtype(array.dtype, jnp.integer)
            remedy = "for codes of symbols use fnnets.data.one_hot(codes, size)" if codes else "write sequence[:, None]"
        raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}, expected floats (T_i, m); {remedy}")
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected at least one step and one feature; leave it out")
    validate.finite(array, name)
    return arrays.fitting(array, name)


def _answers(value, ragged, name) -> Answers:
    """A list of N arrays, one for each sequence's steps, or one array with an answer a sequence."""
    if isinstance(value, list | tuple):
        if len(value) != len(ragged):
            raise ValueError(f"{name} holds {len(value)}, expected {len(ragged)}: one for each of the sequences")
        answers = [np.asarray(validate.array(each, f"{name}[{i}]")) for i, each in enumerate(value)]
        if any(each.ndim for each in answers):
            return [_steps(each, answers[0], len(ragged[i]), i, name) for i, each in enumerate(answers)]
    array = np.asarray(validate.array(value, name))
    labels = jnp.issubdtype(array.dtype, jnp.integer)
    if array.ndim not in (1, 2) or len(array) != len(ragged) or (array.ndim == 1) != labels:
        n = len(ragged)
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}, expected floats ({n}, d) or integer labels "
            f"({n},) for {n} sequences; for an answer at every step give a list of arrays"
        )
    return _kept(array, labels, name)


def _steps(answer, first, steps, i, name) -> np.ndarray:
    """The answers to one sequence, checked: one for each step, of the kind of the first sequence's."""
    labels = answer.ndim == 1 and jnp.issubdtype(answer.dtype, jnp.integer)
    came = f"{name}[{i}] has shape {answer.shape} and dtype {answer.dtype}"
    if not labels and answer.ndim != 2:
        raise ValueError(
            f"{came}, expected floats (T_i, d) or integer labels (T_i,); "
            "write target[:, None] for d = 1, or give one array where each sequence has one answer"
        )
    if len(answer) != steps:
        raise ValueError(f"{came}, but sequences[{i}] has {steps} steps, expected as many; give an answer for each")
    if answer.shape[1:] != first.shape[1:]:
        raise ValueError(
            f"{came}, but targets[0] has shape {first.shape}, expected the same but for the steps; give all sequences "
            "the same kind of targets"
        )
    return _kept(answer, labels, f"{name}[{i}]")


def _kept(answers: np.ndarray, are_labels: bool, name: str) -> np.ndarray:
    """Finite answers that JAX's floats hold, or labels as int32."""
    validate.finite(answers, name)
    return arrays.whole(answers, name, np.int32) if are_labels else arrays.fitting(answers, name)


def _boundaries(value) -> np.ndarray:
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str) or not len(value):
        raise TypeError(f"bucket: boundaries is {value!r}, expected growing lengths; write (10, 20, 40)")
    bounds = np.array(
        [validate.count(each, f"bucket: boundaries[{i}]", "give lengths") for i, each in enumerate(value)]
    )
    if (np.diff(bounds) <= 0).any():
        raise ValueError(f"bucket: boundaries are {bounds.tolist()}, expected growing lengths; write (10, 20, 40)")
    return bounds


def _batch(ragged: list[np.ndarray], answers: Answers, steps: int) -> Batch:
    lengths = np.array([len(each) for each in ragged])
    targets = answers if isinstance(answers, np.ndarray) else _padded(answers, steps)
    mask = np.arange(steps)[:, None] < lengths
    return Batch(_numbers(_padded(ragged, steps)), _numbers(targets), jnp.asarray(mask))


def _joint(dtypes: set[np.dtype]) -> np.dtype:
    """The dtype that holds numbers of all; float32 for float16 and bfloat16, neither of which holds the other."""
    try:
        return np.result_type(*dtypes)
    except TypeError:
        return np.dtype(np.float32)


def _padded(ragged: list[np.ndarray], steps: int) -> np.ndarray:
    padded = np.zeros((steps, len(ragged), *ragged[0].shape[1:]), _joint({each.dtype for each in ragged}))
    for i, each in enumerate(ragged):
        padded[: len(each), i] = each
    return padded


def _numbers(array: np.ndarray):
    """Floats as they are, labels (N,) or (T, N) as int32, other integers (T, N, …) as floats."""
    if jnp.issubdtype(array.dtype, jnp.inexact):
        return jnp.asarray(array)
    return jnp.asarray(array, jnp.result_type(float) if array.ndim == 3 else jnp.int32)

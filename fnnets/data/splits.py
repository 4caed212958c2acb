"""Partitions of examples for training, validation and test: splits, k-fold cross-validation, the bootstrap.

    split:      a random partition into parts of given sizes
    k-fold:     a random partition into k folds; each validates once, the other k − 1 train
    bootstrap:  n draws with replacement are in the bag, the examples never drawn, about n/e of them, are out
    stratified: each part holds every class in the proportion that the whole has, up to rounding

| symbol | name in code | shape |
|---|---|---|
| n | examples of `batch` | () |
| n_1 … n_m | `parts`, as sizes or as fractions | (m,) |
| k | `k` | () |

Everything is decided by the key. With `key=None` a split or fold takes the examples in the order in which they came:
"first half against second half". Examples lie along the first axis; with `sequences=True` they are time-major
sequences, inputs (T, N, …) and mask (T, N), along the second, and so are targets that begin with (T, N).
Source: [Rauber], section 4; [Hastie2009], sections 7.2, 7.10, 7.11.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import calls, validate
from fnnets.core.types import Batch
from fnnets.data import examples
from fnnets.storage import errors

if TYPE_CHECKING:
    from jaxtyping import Array


@calls.strict("split")
def split(
    batch: Batch, parts: Sequence[int] | Sequence[float], *, key: Array | None, stratify: bool = False,
    sequences: bool | None = None,
) -> tuple[Batch, ...]:  # fmt: skip
    """A partition of the examples into the given number of parts: two, or train, validation and test.

    Args:
        batch: the data set, examples along the first axis, with targets or without; its `dataset_size` is not handed
            on, since each part is a data set of its own.
        parts: the parts' sizes, ints that sum to the number of examples, or their fractions, floats that
            sum to 1 (the sizes are then rounded so that none is lost).
        key: PRNG key; None keeps the examples in their order.
        stratify: whether each part holds the classes in the same proportions; needs a key and integer labels.
        sequences: whether the examples are time-major sequences, along the second axis. None takes those along the
            first, but refuses (a, b, c) inputs whose targets are (a, b, …), as these may be a target for each step.

    Raises:
        TypeError: `batch` is no `Batch`, `key` no key, `parts` neither ints nor floats.
        ValueError: the parts do not make up the whole, one is empty, targets that are no labels are to be
            stratified, or a class has too few examples for that.
        ImportError: `stratify` without scikit-learn.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> batch = fn.Batch(jnp.arange(10.0)[:, None], jnp.arange(10) % 2)
    >>> train, validation, test = split(batch, (0.6, 0.2, 0.2), key=jax.random.key(0), stratify=True)
    >>> train.targets.mean().item(), test.inputs.shape
    (0.5, (2, 1))
    >>> first, second = split(batch, (5, 5), key=None)
    >>> second.inputs[:, 0].tolist()
    [5.0, 6.0, 7.0, 8.0, 9.0]
    """
    validate.flag(sequences, "split: sequences", or_none=True)
    batch = examples.checked(batch, "split: batch", sequences)
    n = examples.number(batch, sequences)
    sizes = _sizes(parts, n)
    _check_key(key, stratify, "split")
    if stratify:
        rows = _stratified(sizes, _labels(batch, "split"), _seed(key))
    else:
        rows = np.split(_order(key, n), np.cumsum(sizes)[:-1])
    return tuple(examples.rows_of(batch, part, sequences) for part in rows)


@calls.strict("k_fold")
def k_fold(
    batch: Batch, k: int, *, key: Array | None, stratify: bool = False, sequences: bool | None = None
) -> Iterator[tuple[Batch, Batch]]:
    """The k pairs (train, validation) of cross-validation; the validation parts partition the data.

    Args:
        batch: the data set, examples along the first axis.
        k: number of folds, at least 2; their sizes differ by one at most (by one a class if stratified).
        key: PRNG key; None makes folds of neighbours, in the examples' order.
        stratify: whether each fold holds the classes in the same proportions; needs a key and integer labels.
        sequences: whether the examples are time-major sequences, along the second axis. None takes those along the
            first, but refuses (a, b, c) inputs whose targets are (a, b, …), as these may be a target for each step.

    Raises:
        TypeError: `batch` is no `Batch`, `key` no key, `k` no int. At once, not at the first fold.
        ValueError: k < 2, more folds than examples (or than a class has examples, if stratified), targets
            that are no labels are to be stratified.
        ImportError: `stratify` without scikit-learn.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> batch = fn.Batch(jnp.arange(6.0)[:, None], jnp.arange(6) % 2)
    >>> [validation.inputs[:, 0].tolist() for train, validation in k_fold(batch, 3, key=None)]
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    validate.flag(sequences, "k_fold: sequences", or_none=True)
    batch = examples.checked(batch, "k_fold: batch", sequences)
    n = examples.number(batch, sequences)
    k = validate.count(k, "k_fold: k", "give the number of folds", least=2)
    if k > n:
        raise ValueError(f"k_fold: k is {k} with {n} examples, expected at most {n}; take fewer folds")
    _check_key(key, stratify, "k_fold")
    if stratify:
        folds = _stratified_folds(k, _labels(batch, "k_fold"), _seed(key))
    else:
        folds = np.array_split(_order(key, n), k)
    pairs = ((np.concatenate(folds[:i] + folds[i + 1 :]), folds[i]) for i in range(k))
    return (
        (examples.rows_of(batch, train, sequences), examples.rows_of(batch, validation, sequences))
        for train, validation in pairs
    )


@calls.strict("bootstrap")
def bootstrap(batch: Batch, *, key: Array, sequences: bool | None = None) -> tuple[Batch, Batch]:
    """A resample (in-bag, with replacement, as many as there are) and the examples it left out (out-of-bag).

    Args:
        batch: the data set of n examples, along the first axis.
        key: PRNG key.
        sequences: whether the examples are time-major sequences, along the second axis. None takes those along the
            first, but refuses (a, b, c) inputs whose targets are (a, b, …), as these may be a target for each step.

    Returns:
        `(in_bag, out_of_bag)`; the second holds 37 % of the examples on average, in their order.

    Raises:
        TypeError: `batch` is no `Batch`, `key` no key.
        ValueError: nothing was left out, which happens only to a handful of examples.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> batch = fn.Batch(jnp.arange(1000.0)[:, None], jnp.zeros(1000, int))
    >>> in_bag, out_of_bag = bootstrap(batch, key=jax.random.key(0))
    >>> len(in_bag.inputs), 330 < len(out_of_bag.inputs) < 410
    (1000, True)
    """
    validate.flag(sequences, "bootstrap: sequences", or_none=True)
    batch = examples.checked(batch, "bootstrap: batch", sequences)
    examples.check_key(key, "bootstrap: key")
    n = examples.number(batch, sequences)
    drawn = examples.known(jax.random.randint(key, (n,), 0, n), "bootstrap: key")
    left_out = np.setdiff1d(np.arange(n), drawn)
    if left_out.size == 0:
        raise ValueError(
            f"bootstrap: batch has {n} examples and this key's resample holds all of them, expected one to be "
            "left out; give more examples, or another key"
        )
    return examples.rows_of(batch, drawn, sequences), examples.rows_of(batch, left_out, sequences)


@calls.strict("bootstraps")
def bootstraps(batch: Batch, count: int, *, key: Array, sequences: bool | None = None) -> Iterator[tuple[Batch, Batch]]:
    """`count` pairs of `bootstrap`, the i-th with the key `jax.random.fold_in(key, i)`.

    Args:
        batch, sequences: as for `bootstrap`.
        count: number of resamples.
        key: PRNG key.

    Raises:
        TypeError, ValueError: as `bootstrap`, at once; count < 1. A resample that leaves nothing out, when it is drawn.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> pairs = bootstraps(fn.Batch(jnp.arange(50.0)[:, None], jnp.zeros(50, int)), 3, key=jax.random.key(0))
    >>> [len(in_bag.inputs) for in_bag, _ in pairs]
    [50, 50, 50]
    """
    validate.flag(sequences, "bootstraps: sequences", or_none=True)
    batch = examples.checked(batch, "bootstraps: batch", sequences)
    count = validate.count(count, "bootstraps: count", "give the number of resamples")
    examples.check_key(key, "bootstraps: key")
    return (bootstrap(batch, key=jax.random.fold_in(key, i), sequences=sequences) for i in range(count))


def _sizes(parts, n: int) -> list[int]:
    if not isinstance(parts, Sequence | np.ndarray) or isinstance(parts, str) or len(parts) < 2:
        raise TypeError(f"split: parts is {parts!r}, expected at least two sizes or fractions; write (0.8, 0.2)")
    if any(isinstance(part, bool) or not isinstance(part, int | float | np.number) for part in parts):
        raise TypeError(
            f"split: parts is {parts!r}, expected all sizes (ints) or all fractions (floats); write (0.8, 0.2)"
        )
    whole = all(isinstance(part, int | np.integer) for part in parts)
    if not math.isclose(math.fsum(parts), n if whole else 1.0, abs_tol=1e-6):
        raise ValueError(
            f"split: parts {tuple(parts)} sum to {math.fsum(parts):g}, expected {n} as sizes or 1.0 as fractions; "
            "let them make up the whole"
        )
    ends = np.cumsum([0, *parts]) if whole else np.rint(np.cumsum([0.0, *parts]) * n).astype(int)
    sizes = np.diff(ends).tolist()
    if min(sizes) < 1:
        raise ValueError(
            f"split: parts {tuple(parts)} give sizes {sizes} of {n} examples, expected none empty; "
            "take fewer parts, or larger ones"
        )
    return sizes


def _check_key(key, stratify, name):
    validate.is_instance(stratify, bool, f"{name}: stratify", "write True or False")
    if key is not None:
        examples.check_key(key, f"{name}: key")
    elif stratify:
        raise ValueError(f"{name}: key is None and stratify True, expected a key; make one with jax.random.key(0)")


def _labels(batch, name):
    labels = batch.targets
    if labels is None:
        raise ValueError(f"{name}: batch.targets is None, expected integer labels (N,) to stratify by; stratify=False")
    came = f"{name}: batch.targets has shape {labels.shape} and dtype {labels.dtype}"
    if labels.ndim != 1:
        raise ValueError(f"{came}, expected integer labels (N,) to stratify by; use targets.argmax(-1) if one-hot")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"{came}, expected integer labels to stratify by; use targets.astype(int) if they are labels")
    return np.asarray(labels)


def _order(key, n):
    return np.arange(n) if key is None else examples.known(jax.random.permutation(key, n), "key")


def _seed(key) -> int:
    return int(examples.known(jax.random.bits(key, dtype=jnp.uint32), "key"))


def _stratified(sizes, labels, seed):
    """Rows of each part: the first is split off, then the second from the rest, …"""
    splitter = errors.scikit_learn("model_selection", "split: stratify").train_test_split
    rest, parts = np.arange(len(labels)), []
    for size in sizes[:-1]:
        try:
            part, rest = splitter(rest, train_size=size, stratify=labels[rest], random_state=seed)
        except ValueError as error:
            raise ValueError(
                f"split: parts of sizes {sizes} cannot be stratified ({error}); "
                "give every class more examples, make the parts larger, or stratify=False"
            ) from None
        parts.append(part)
    return [*parts, rest]


def _stratified_folds(k, labels, seed):
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < k:
        raise ValueError(
            f"k_fold: k is {k}, but class {classes[counts.argmin()]} has {counts.min()} examples, expected at least "
            f"{k} to stratify; take fewer folds, or stratify=False"
        )
    splitter = errors.scikit_learn("model_selection", "k_fold: stratify").StratifiedKFold
    folds = splitter(k, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    return [validation for _, validation in folds]

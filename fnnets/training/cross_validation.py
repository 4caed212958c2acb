"""Cross-validation: how well a network trained in one way does on examples that it did not see, fold by fold.

    fold i:            train on its training part, score s_i on its validation part, i = 1 … K
    mean:              s̄ = 1/K Σ s_i
    standard error:    √(1/(K − 1) Σ (s_i − s̄)²) / √K

| symbol | name in code | shape |
|---|---|---|
| s_i | `scores.cost`, `scores.accuracy` | (K,) |
| s̄ | `mean.cost`, `mean.accuracy` | () |
| standard error | `standard_error.cost`, `standard_error.accuracy` | () |

The standard error would be that of independent scores. Training parts of k folds overlap, so the scores are correlated,
and it is mostly too small; no unbiased estimate exists [Bengio2004]. Out-of-bag scores of the bootstrap share examples
in both parts, and their standard error goes to zero with the number of resamples: it is the error of the mean over all
resamples of these data is known, and nothing of other data. That mean is pessimistic, as a resample holds 63 % of the
examples on average.

Source: [Rauber], section 4, which names both schemes; [Hastie2009], sections 7.10 and 7.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import optax

from fnnets.core import batches, calls, sequences, validate
from fnnets.core.types import Batch, Network
from fnnets.data.splits import k_fold
from fnnets.storage.progress import Progress
from fnnets.training import builds
from fnnets.training.fit import fit
from fnnets.training.gradients import check_gradient
from fnnets.training.inputs import check_settings
from fnnets.training.metrics import History

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Pair = tuple[Batch, Batch]


class Scores(NamedTuple):
    """Costs in the objective's units and accuracies in [0, 1], of each fold or over all; no accuracy is None."""

    cost: np.ndarray | float | None
    accuracy: np.ndarray | float | None


class CrossValidation(NamedTuple):
    """Result of cross-validation.

    Attributes:
        scores: (K,) of each fold, on its validation part after the last epoch; NaN where training diverged. The cost
            has the penalty of the training part's n. Accuracies are None where targets name no classes.
        mean: over the folds, each counting the same.
        standard_error: of the mean, as if the folds were independent; NaN for a single fold.
        histories: of each fold, epoch by epoch on its validation part.
    """

    scores: Scores
    mean: Scores
    standard_error: Scores
    histories: tuple[History, ...]


@calls.strict("cross_validate")
def cross_validate(
    build: Callable[[], tuple[Network, optax.GradientTransformation]],
    data: Batch | None,
    folds: int | Iterable[Pair],
    *,
    key: Array,
    epochs: int = 30,
    batch_size: int = 10,
    gradient: str | Callable[..., PyTree] = "explicit",
    stratify: bool = False,
    progress: Progress = False,
) -> CrossValidation:
    """Train a network anew on each fold's training part, and score it on its validation part.

    Folds are read one by one, so that an iterator does not hold them all in memory. Ctrl-C raises KeyboardInterrupt at
    the end of the running epoch: scores of some of the folds would be another estimate.

    Args:
        build: `() -> (network, optimizer)`, called once.
        data: the examples; sequences where the network takes them, (T, N, …). May be None where `folds` are pairs.
        folds: k, for k folds of the data, shuffled by the key; or pairs of training and validation data, from
            `fn.data.k_fold`, `fn.data.bootstraps` or by hand, on which the key does not bear.
        key: PRNG key. `jax.random.split(key)` are two: the first shuffles; with the second, folded with i, the i-th
            fold (from 0) trains.
        epochs, batch_size, gradient, progress: as for `fit`.
        stratify: whether each of k folds holds the classes in the same proportions; needs integer labels.

    Raises:
        TypeError, ValueError: k < 2 or more than there are examples; folds that are no pairs of batches, none at all,
            or of other examples than the data or the network; `stratify` with pairs; an RBM, whose cost
            has no scale; as for `fit`.

    >>> import jax, optax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (60, 2))
    >>> net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> result = cross_validate(lambda: (net, optax.sgd(1.0)), fn.Batch(x, (x[:, 0] > 0).astype(int)), 5,
    ...                         key=jax.random.key(1), epochs=5)
    >>> result.scores.accuracy.shape, bool(result.mean.accuracy > 0.9), bool(result.standard_error.accuracy < 0.1)
    ((5,), True, True)
    """
    builds.check_arguments(build, (), "cross_validate", "")
    net, optimizer = builds.built(build, {}, "cross_validate", "", scaled=True)
    with calls.named_as("cross_validate", instead_of="fit"):
        check_settings(net, optimizer, epochs, batch_size, None, "cost")
        check_gradient(gradient)
    validate.count(epochs, "cross_validate: epochs", "give the number of passes through the data")
    validate.count(batch_size, "cross_validate: batch_size", "give the number of examples in a minibatch")
    validate.is_key(key, "cross_validate: key")
    validate.flag(stratify, "cross_validate: stratify", "True holds the classes in the same proportions")
    validate.choice(progress, (True, False, "auto"), "cross_validate: progress")
    _check_folds(net, data, folds, batch_size)
    order, run = jax.random.split(key)
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "gradient": gradient, "progress": progress}
    histories, scores = [], []
    for i, (train, validation) in enumerate(_pairs(net, data, folds, order, stratify)):
        fold_key = jax.random.fold_in(run, i)
        result = fit(net, optimizer, train, key=fold_key, validation=validation, evaluate_training=False, **settings)
        if result.stopped.startswith("interrupted"):
            raise KeyboardInterrupt(f"cross_validate: {result.stopped} of folds[{i}]")
        histories.append(result.history)
        scores.append(_score(result.history, diverged=int(result.state.epoch) < epochs))
    if not scores:
        raise ValueError("cross_validate: folds holds no pairs, expected at least one; an iterator serves only once")
    return _summary(scores, histories)


def _check_folds(net: Network, data, folds, batch_size: int) -> None:
    """Raise unless folds that are all at hand fit the network; those of an iterator are checked as they are read."""
    if isinstance(folds, tuple | list) and not isinstance(folds, Batch):
        whole = None if data is None else batches.checked(net, data, "cross_validate: data")
        for i, pair in enumerate(folds):
            train, _ = _checked(net, whole, pair, f"cross_validate: folds[{i}]")
            examples = sequences.count(net.layer.time, train)
            if batch_size > examples:
                raise ValueError(
                    f"cross_validate: batch_size is {batch_size}, expected at most the {examples} training examples "
                    f"of folds[{i}]; give fewer, or larger folds"
                )


def _pairs(net: Network, data, folds, order, stratify) -> Iterator[Pair]:
    """The folds one by one, checked against the network."""
    is_count = isinstance(folds, int | np.integer)
    whole = None if data is None and not is_count else batches.checked(net, data, "cross_validate: data")
    if is_count and whole is not None:
        k = validate.count(folds, "cross_validate: folds", "give the number of folds, or pairs", least=2)
        pairs = k_fold(whole, k, key=order, stratify=stratify, sequences=net.layer.time != "pointwise")
    elif not hasattr(folds, "__iter__") or isinstance(folds, Batch | str):
        raise TypeError(
            f"cross_validate: folds is of type {type(folds).__name__}, expected an int or an iterable of pairs "
            "(train, validation); use fn.data.k_fold or fn.data.bootstraps"
        )
    elif stratify:
        raise ValueError("cross_validate: stratify is True with folds that are pairs, expected an int; stratify them")
    else:
        pairs = iter(folds)
    for i, pair in enumerate(pairs):
        yield _checked(net, whole, pair, f"cross_validate: folds[{i}]")


def _checked(net: Network, whole: Batch | None, pair, name: str) -> Pair:
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(part, Batch) for part in pair)
    if not is_pair:
        is_sized = isinstance(pair, tuple | list) and not isinstance(pair, Batch)
        given = f"{type(pair).__name__} of {len(pair)}" if is_sized else type(pair).__name__
        remedy = "write [(train, validation)] for a single fold"
        if is_sized and any(hasattr(part, "dtype") for part in pair):
            remedy = "make batches of arrays and indices, as fn.Batch(inputs[rows], targets[rows])"
        raise TypeError(f"{name} is a {given}, expected two batches (train, validation); {remedy}")
    for part, of in zip(pair, ("train", "validation"), strict=True):
        batches.checked(net, part, f"{name} {of}")
        came = sequences.count(net.layer.time, part)
        most = came if whole is None else sequences.count(net.layer.time, whole)
        if came > most:
            raise ValueError(
                f"{name} {of} holds {came} examples, expected at most the {most} of data; "
                "make the folds of these data, or give data=None"
            )
    return pair[0], pair[1]


def _score(history: History, diverged: bool) -> Scores:
    if diverged:
        return Scores(np.nan, np.nan)
    every = history.validation_cost, history.validation_accuracy
    return Scores(*(None if column is None else column[-1] for column in every))


def _summary(scores: list[Scores], histories: list[History]) -> CrossValidation:
    """The folds' scores as arrays, with mean and standard error.

    >>> found = _summary([Scores(1.0, None), Scores(3.0, None)], [])
    >>> found.scores.cost.tolist(), found.mean, found.standard_error
    ([1.0, 3.0], Scores(cost=2.0, accuracy=None), Scores(cost=1.0, accuracy=None))
    """
    columns = [None if None in column else np.array(column, float) for column in zip(*scores, strict=True)]

    def over_folds(function):
        return Scores(*(None if column is None else float(function(column)) for column in columns))

    def standard_error(column):
        return np.std(column, ddof=1) / np.sqrt(len(column)) if len(column) > 1 else np.nan

    return CrossValidation(Scores(*columns), over_folds(np.mean), over_folds(standard_error), tuple(histories))

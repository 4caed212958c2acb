"""Model selection: which hyperparameters are best on validation data, and how good they are on data never looked at.

    for each candidate:  train on the training data, score on the validation data after each epoch: the best epoch e
    best candidate:      train again on training + validation data for its e epochs, score once on the test data

Candidates that differ in numbers alone have networks of equal shapes and train together, vmapped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import validate
from fnnets.core.types import Batch, Network
from fnnets.storage.progress import Progress
from fnnets.training.fit import fit
from fnnets.training.many import Build, fit_many
from fnnets.training.metrics import Metrics, evaluate

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Candidate = dict[str, Any]  # the arguments of a user's function


class SearchResult(NamedTuple):
    """Result of a search.

    Attributes:
        best: the selected hyperparameters.
        candidates: all of them, in the order given.
        scores: (K,) validation costs or accuracies, each at the candidate's best epoch, or at its last one by
            `score_at`; NaN where training diverged.
        epochs: (K,) those epochs, counted from 1; 0 where training diverged. The best candidate trained again for as
            many.
        net: the network of the best candidate.
        params: its parameters after training on training and validation data together.
        test: its metrics on the test data, looked at once; None without test data.
    """

    best: Candidate
    candidates: list[Candidate]
    scores: np.ndarray
    epochs: np.ndarray
    net: Network
    params: PyTree
    test: Metrics | None


def grid(**values: Sequence[object]) -> list[Candidate]:
    """Every combination of the given values.

    Raises:
        ValueError: a hyperparameter without values.

    >>> grid(rate=[0.1, 0.3], hidden=[30])
    [{'rate': 0.1, 'hidden': 30}, {'rate': 0.3, 'hidden': 30}]
    """
    for name, options in values.items():
        if isinstance(options, str) or not isinstance(options, Sequence) or not options:
            raise ValueError(f"grid: {name} is {options!r}, expected a sequence of at least one value; write [value]")
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]


def sample(key: Array, count: int, **values: Sequence[object] | Callable[[Array], float]) -> list[Candidate]:
    """`count` random candidates, each hyperparameter drawn by itself [Bergstra2012].

    Args:
        key: PRNG key.
        count: how many.
        values: for each hyperparameter a sequence to choose from, or a function `key -> number` such as
            `uniform(low, high)` and `log_uniform(low, high)`.

    >>> import jax
    >>> drawn = sample(jax.random.key(0), 3, rate=log_uniform(1e-3, 1.0), hidden=[10, 30])
    >>> all(1e-3 <= one["rate"] <= 1.0 and one["hidden"] in (10, 30) for one in drawn)
    True
    """
    validate.is_key(key, "sample: key")
    validate.count(count, "sample: count", "give the number of candidates")

    def draw(key, options):
        if callable(options):
            return float(options(key))
        return options[int(jax.random.randint(key, (), 0, len(options)))]

    keys = jax.random.split(key, (count, max(1, len(values))))
    return [
        {name: draw(one, options) for one, (name, options) in zip(row, values.items(), strict=False)} for row in keys
    ]


def uniform(low: float, high: float) -> Callable[[Array], float]:
    """Numbers between `low` and `high`, each as likely as another.

    >>> 2 <= uniform(2, 3)(jax.random.key(0)) <= 3
    True
    """
    return lambda key: float(jax.random.uniform(key, minval=low, maxval=high))


def log_uniform(low: float, high: float) -> Callable[[Array], float]:
    """Numbers between `low` > 0 and `high`, each order of magnitude as likely as another.

    >>> 1e-4 <= log_uniform(1e-4, 1.0)(jax.random.key(0)) <= 1
    True
    """
    validate.above(low, 0.0, "log_uniform: low", "a logarithm needs a positive number")
    return lambda key: math.exp(float(jax.random.uniform(key, minval=math.log(low), maxval=math.log(high))))


def search(
    build: Build,
    candidates: Sequence[Candidate],
    train: Batch,
    validation: Batch,
    test: Batch | None = None,
    *,
    key: Array,
    epochs: int = 30,
    batch_size: int = 10,
    gradient: str | Callable[..., PyTree] = "explicit",
    monitor: str = "cost",
    score_at: str = "best",
    progress: Progress = False,
) -> SearchResult:
    """Choose hyperparameters on validation data, train again on all but the test data, test once.

    Args:
        build: `(**candidate) -> (network, optimizer)`; floats of a candidate may arrive as traced numbers.
        candidates: dictionaries of `build`'s arguments, from `grid`, `sample` or by hand.
        train, validation, test: the three parts of the data; `fn.data.split` makes them.
        key: PRNG key; every candidate trains with the same one, so that they differ in nothing else.
        epochs: passes through the training data; the number of epochs is chosen from 1 to it.
        batch_size, gradient, progress: as for `fit`.
        monitor: "cost" (lowest) or "accuracy" (highest) on the validation data.
        score_at: the epoch whose score counts, and for how many the best candidate trains again: "best", a candidate's
            best epoch, of equal ones the first; or "last". An epoch has more steps when it is trained again, as there
            are more examples.

    Raises:
        TypeError, ValueError: no candidates or no epochs, or as for `fit`; every candidate diverged.

    >>> import jax, optax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (60, 2))
    >>> part = lambda rows: fn.Batch(x[rows], (x[rows, 0] > 0).astype(int))
    >>> result = search(
    ...     lambda rate: (fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood),
    ...                   optax.sgd(rate)),
    ...     grid(rate=[1e-6, 1.0]), part(slice(0, 30)), part(slice(30, 45)), part(slice(45, 60)),
    ...     key=jax.random.key(1), epochs=5)
    >>> result.best
    {'rate': 1.0}
    """
    if not candidates:
        raise ValueError("search: candidates is empty, expected at least one; make some with grid or sample")
    validate.is_key(key, "search: key")
    validate.count(epochs, "search: epochs", "give the most epochs that a candidate may train")
    if score_at not in ("best", "last"):
        raise ValueError(f"search: score_at is {score_at!r}, expected 'best' or 'last'; choose one")
    settings: Candidate = {"batch_size": batch_size, "gradient": gradient, "progress": progress}
    scores, best_epochs = np.full(len(candidates), np.nan), np.zeros(len(candidates), int)
    for positions in _groups(candidates):
        members = [candidates[i] for i in positions]
        every, diverged = _scores(build, members, train, validation, key, monitor, epochs=epochs, **settings)
        scores[positions], best_epochs[positions] = _at(every, diverged, monitor, score_at)
    if np.isnan(scores).all():
        raise ValueError("search: every candidate diverged, expected one to train; try smaller learning rates")
    best = int(np.nanargmin(scores) if monitor == "cost" else np.nanargmax(scores))
    net, optimizer = build(**candidates[best])
    result = fit(net, optimizer, _joined(train, validation), key=key, epochs=int(best_epochs[best]), **settings)
    test_metrics = None if test is None else evaluate(net, result.params, test)
    return SearchResult(candidates[best], list(candidates), scores, best_epochs, net, result.params, test_metrics)


def _scores(build, members, train, validation, key, monitor, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Validation scores after each epoch, (E, members), of candidates that differ in floats alone; who diverged."""
    fixed: Candidate = {name: value for name, value in members[0].items() if not isinstance(value, float)}
    numbers = {name: [one[name] for one in members] for name in members[0] if name not in fixed}
    result = fit_many(
        lambda **values: build(**fixed, **values),
        train,
        keys=jnp.stack([key] * len(members)),
        hyperparameters=numbers,
        validation=validation,
        monitor=monitor,
        evaluate_training=False,
        **settings,
    )
    every: PyTree = result.history.validation_cost if monitor == "cost" else result.history.validation_accuracy
    return every, result.diverged


def _at(every: np.ndarray, diverged: np.ndarray, monitor: str, score_at: str) -> tuple[np.ndarray, np.ndarray]:
    """The score of each member and its epoch, from 1, of equal ones the first; NaN and 0 where it diverged.

    >>> scores, epochs = _at(np.array([[3.0, 1.0], [2.0, 1.0], [2.5, 2.0]]), np.array([False, False]), "cost", "best")
    >>> scores.tolist(), epochs.tolist()
    ([2.0, 1.0], [2, 1])
    """
    rows = np.full(every.shape[1], len(every) - 1)
    if score_at == "best":
        rows = every.argmin(axis=0) if monitor == "cost" else every.argmax(axis=0)
    scores = np.take_along_axis(every, rows[None], axis=0)[0]
    return np.where(diverged, np.nan, scores), np.where(diverged, 0, rows + 1)


def _groups(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Positions of the candidates that differ in floats alone, and so may train together."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for position, one in enumerate(candidates):
        shape = tuple((name, "a number" if isinstance(value, float) else repr(value)) for name, value in one.items())
        groups.setdefault(shape, []).append(position)
    return list(groups.values())


def _joined(first: Batch, second: Batch) -> Batch:
    inputs, targets = (
        jnp.concatenate([jnp.asarray(a), jnp.asarray(b)])
        for a, b in ((first.inputs, second.inputs), (first.targets, second.targets))
    )
    return Batch(inputs, targets)

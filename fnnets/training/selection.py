"""Model selection: which hyperparameters are best on validation data, and how good they are on data never looked at.

    for each candidate:  train on the training data, score on the validation data after each epoch: the best epoch e
    best candidate:      train again on training + validation data for its e epochs, score once on the test data

Candidates that differ in numbers alone have networks of equal shapes and train together, vmapped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets import checks
from fnnets.core import Batch, Network
from fnnets.training.fit import fit
from fnnets.training.many import Build, fit_many
from fnnets.training.metrics import Metrics, evaluate
from fnnets.training.progress import Kind

if TYPE_CHECKING:
    from jaxtyping import Array

Candidate = dict[str, Any]


class SearchResult(NamedTuple):
    """What a search hands back.

    Attributes:
        best: the chosen hyperparameters.
        candidates: all of them, in the order given.
        scores: (K,) validation costs or accuracies, each at the candidate's best epoch, or at its last one if that
            was asked for; NaN where training diverged.
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
    params: Any
    test: Metrics | None


def grid(**values: Sequence[Any]) -> list[Candidate]:
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


def sample(key, count: int, **values: Sequence[Any] | Callable[[Any], float]) -> list[Candidate]:
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
    checks.is_key(key, "sample: key")
    checks.count(count, "sample: count", "give the number of candidates")

    def draw(key, options):
        if callable(options):
            return float(options(key))
        return options[int(jax.random.randint(key, (), 0, len(options)))]

    keys = jax.random.split(key, (count, max(1, len(values))))
    return [
        {name: draw(one, options) for one, (name, options) in zip(row, values.items(), strict=False)} for row in keys
    ]


def uniform(low: float, high: float) -> Callable[[Any], float]:
    """Numbers between `low` and `high`, each as likely as another.

    >>> 2 <= uniform(2, 3)(jax.random.key(0)) <= 3
    True
    """
    return lambda key: float(jax.random.uniform(key, minval=low, maxval=high))


def log_uniform(low: float, high: float) -> Callable[[Any], float]:
    """Numbers between `low` > 0 and `high`, each order of magnitude as likely as another.

    >>> 1e-4 <= log_uniform(1e-4, 1.0)(jax.random.key(0)) <= 1
    True
    """
    checks.above(low, 0.0, "log_uniform: low", "a logarithm needs a positive number")
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
    gradient: str | Callable[..., Any] = "explicit",
    select: str = "cost",
    score_at: str = "best",
    progress: Kind = "silent",
) -> SearchResult:
    """Choose hyperparameters on validation data, train again on all but the test data, test once.

    Args:
        build: `(**candidate) -> (network, optimizer)`; floats of a candidate may arrive as traced numbers.
        candidates: dictionaries of `build`'s arguments, from `grid`, `sample` or by hand.
        train, validation, test: the three parts of the data; `fn.data.split` makes them.
        key: PRNG key; every candidate trains with the same one, so that they differ in nothing else.
        epochs: passes through the training data; the number of epochs is chosen from 1 to it.
        batch_size, gradient, progress: as for `fit`.
        select: "cost" (lowest) or "accuracy" (highest) on the validation data.
        score_at: the epoch whose score counts, and for how many the best candidate trains again: "best", a candidate's
            best epoch, of equal ones the first; or "last". An epoch has more steps when it is trained again, as there
            are more examples.

    Raises:
        TypeError, ValueError: no candidates or no epochs, or as for `fit`; every candidate diverged.

    >>> import jax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (60, 2))
    >>> part = lambda rows: fn.Batch(x[rows], (x[rows, 0] > 0).astype(int))
    >>> result = search(
    ...     lambda rate: (fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood),
    ...                   fn.training.momentum(rate)),
    ...     grid(rate=[1e-6, 1.0]), part(slice(0, 30)), part(slice(30, 45)), part(slice(45, 60)),
    ...     key=jax.random.key(1), epochs=5)
    >>> result.best
    {'rate': 1.0}
    """
    if not candidates:
        raise ValueError("search: candidates is empty, expected at least one; make some with grid or sample")
    checks.is_key(key, "search: key")
    checks.count(epochs, "search: epochs", "give the most epochs that a candidate may train")
    if score_at not in ("best", "last"):
        raise ValueError(f"search: score_at is {score_at!r}, expected 'best' or 'last'; choose one")
    settings: dict[str, Any] = {"batch_size": batch_size, "gradient": gradient, "progress": progress}
    scores, chosen = np.full(len(candidates), np.nan), np.zeros(len(candidates), int)
    for positions in _groups(candidates):
        members = [candidates[i] for i in positions]
        every, diverged = _scores(build, members, train, validation, key, select, epochs=epochs, **settings)
        scores[positions], chosen[positions] = _at(every, diverged, select, score_at)
    if np.isnan(scores).all():
        raise ValueError("search: every candidate diverged, expected one to train; try smaller learning rates")
    best = int(np.nanargmin(scores) if select == "cost" else np.nanargmax(scores))
    net, optimizer = build(**candidates[best])
    result = fit(net, optimizer, _joined(train, validation), key=key, epochs=int(chosen[best]), **settings)
    judged = None if test is None else evaluate(net, result.params, test)
    return SearchResult(candidates[best], list(candidates), scores, chosen, net, result.params, judged)


def _scores(build, members, train, validation, key, select, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Validation scores after each epoch, (E, members), of candidates that differ in floats alone; who diverged."""
    fixed: Mapping[str, Any] = {name: value for name, value in members[0].items() if not isinstance(value, float)}
    numbers = {name: [one[name] for one in members] for name in members[0] if name not in fixed}
    result = fit_many(
        lambda **values: build(**fixed, **values),
        train,
        keys=jnp.stack([key] * len(members)),
        hyperparameters=numbers,
        validation=validation,
        select=select,
        monitor_training=False,
        **settings,
    )
    every = result.history.validation_cost if select == "cost" else result.history.validation_accuracy
    return every, result.diverged


def _at(every: np.ndarray, diverged: np.ndarray, select: str, score_at: str) -> tuple[np.ndarray, np.ndarray]:
    """The score of each member and its epoch, from 1, of equal ones the first; NaN and 0 where it diverged.

    >>> scores, epochs = _at(np.array([[3.0, 1.0], [2.0, 1.0], [2.5, 2.0]]), np.array([False, False]), "cost", "best")
    >>> scores.tolist(), epochs.tolist()
    ([2.0, 1.0], [2, 1])
    """
    rows = np.full(every.shape[1], len(every) - 1)
    if score_at == "best":
        rows = every.argmin(axis=0) if select == "cost" else every.argmax(axis=0)
    scores = np.take_along_axis(every, rows[None], axis=0)[0]
    return np.where(diverged, np.nan, scores), np.where(diverged, 0, rows + 1)


def _groups(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Positions of the candidates that differ in floats alone, and so may train together."""
    groups: dict[Any, list[int]] = {}
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

"""Model selection: which hyperparameters are best on validation data, and how good they are on data never looked at.

    for each candidate:  train on the training data, score on the validation data after each epoch: the best epoch e
    best candidate:      train again on training + validation data for its e epochs, score once on the test data

Candidates that differ in numbers alone have networks of equal shapes and train together, vmapped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import batches, calls, construction, joining, validate
from fnnets.core.types import Batch, Network
from fnnets.storage.progress import Progress
from fnnets.training import builds
from fnnets.training.builds import Build
from fnnets.training.candidates import Candidate
from fnnets.training.epoch import start
from fnnets.training.fit import fit
from fnnets.training.gradients import check_gradient
from fnnets.training.inputs import check_selection, prepare
from fnnets.training.many import fit_many
from fnnets.training.metrics import Metrics, evaluate

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


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


@calls.strict("search")
def search(
    build: Build,
    candidates: Iterable[Candidate],
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
        build: `(**candidate) -> (network, optimizer)`; called once for each candidate before anything is trained.
            Floats of a candidate may arrive as traced numbers; where it needs their values, it trains apart.
        candidates: dictionaries of `build`'s arguments, from `grid`, `sample` or by hand.
        train, validation, test: the three parts of the data; `fn.data.split` makes them. Sequences of training and
            validation data may be of other lengths.
        key: PRNG key; every candidate trains with the same one, so that they differ in nothing else.
        epochs: passes through the training data; the number of epochs is chosen from 1 to it.
        batch_size, gradient, progress: as for `fit`.
        monitor: "cost" (lowest) or "accuracy" (highest) on the validation data.
        score_at: the epoch whose score counts, and for how many the best candidate trains again: "best", a candidate's
            best epoch, of equal ones the first; or "last". An epoch has more steps when it is trained again, as there
            are more examples.

    Raises:
        TypeError, ValueError: candidates that are no dicts, or not of the arguments of `build`; a `build` that gives
            anything else than a network and an optimizer, or an RBM, whose cost has no scale; data that one of the
            networks does not take; no epochs, or as for `fit`. All this before anything is trained. Every candidate
            diverged.

    >>> import jax, optax, fnnets as fn
    >>> x = jax.random.normal(jax.random.key(0), (60, 2))
    >>> part = lambda rows: fn.Batch(x[rows], (x[rows, 0] > 0).astype(int))
    >>> result = search(
    ...     lambda rate: (fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood),
    ...                   optax.sgd(rate)),
    ...     fn.training.grid(rate=[1e-6, 1.0]), part(slice(0, 30)), part(slice(30, 45)), part(slice(45, 60)),
    ...     key=jax.random.key(1), epochs=5)
    >>> result.best
    {'rate': 1.0}
    """
    candidates = _checked(candidates, build)
    validate.is_key(key, "search: key")
    epochs = validate.count(epochs, "search: epochs", "give the most epochs that a candidate may train")
    batch_size = validate.count(batch_size, "search: batch_size", "give the number of examples in a minibatch")
    check_gradient(gradient)
    validate.choice(monitor, ("cost", "accuracy"), "search: monitor")
    validate.choice(score_at, ("best", "last"), "search: score_at")
    validate.choice(progress, (True, False, "auto"), "search: progress")
    networks = [
        builds.built(build, one, "search", f"candidates[{i}]", scaled=True)[0] for i, one in enumerate(candidates)
    ]
    _check_data(networks, train, validation, test, batch_size, monitor)
    settings: Candidate = {"batch_size": batch_size, "gradient": gradient, "progress": progress}
    scores, best_epochs = np.full(len(candidates), np.nan), np.zeros(len(candidates), int)
    for positions in _trained_together(build, candidates, networks, key):
        members = [candidates[i] for i in positions]
        every, diverged = _scores(build, members, train, validation, key, monitor, epochs=epochs, **settings)
        scores[positions], best_epochs[positions] = _at(every, diverged, monitor, score_at)
    if np.isnan(scores).all():
        raise ValueError("search: every candidate diverged, expected one to train; try smaller learning rates")
    best = int(np.nanargmin(scores) if monitor == "cost" else np.nanargmax(scores))
    net, optimizer = build(**candidates[best])
    both = joining.join(net.layer.time, _as_arrays(train), _as_arrays(validation), "search: validation")
    result = fit(net, optimizer, both, key=key, epochs=int(best_epochs[best]), **settings)
    test_metrics = None if test is None else evaluate(net, result.params, test)
    return SearchResult(candidates[best], candidates, scores, best_epochs, net, result.params, test_metrics)


def _scores(build, members, train, validation, key, monitor, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Validation scores after each epoch, (E, members), of candidates that differ in floats alone; who diverged."""
    fixed, names = _parts(members)
    numbers = {name: [one[name] for one in members] for name in names}
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
    groups: dict[Hashable, list[int]] = {}
    for position, one in enumerate(candidates):
        shape = tuple((name, "a number" if isinstance(value, float) else _same(value)) for name, value in one.items())
        groups.setdefault(shape, []).append(position)
    return list(groups.values())


def _parts(members: Sequence[Candidate]) -> tuple[Candidate, list[str]]:
    """What the members have in common, and the names of the floats in which they differ; one alone differs in none."""
    names = [name for name, value in members[0].items() if len(members) > 1 and isinstance(value, float)]
    return {name: value for name, value in members[0].items() if name not in names}, names


def _trained_together(build: Build, candidates: list[Candidate], networks: list[Network], key) -> list[list[int]]:
    """The groups, of which those are taken apart whose networks differ in shape, or need the values of their floats."""
    parts = []
    for positions in _groups(candidates):
        shapes = [jax.eval_shape(networks[i].init, key) for i in positions]
        is_one = all(each == shapes[0] for each in shapes) and _is_traceable(
            build, [candidates[i] for i in positions], key
        )
        parts.extend([positions] if is_one else [[i] for i in positions])
    return parts


def _is_traceable(build: Build, members: list[Candidate], key) -> bool:
    fixed, names = _parts(members)
    numbers = {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) for name in names}
    try:
        builds.check_traced(lambda numbers: start(*build(**fixed, **numbers), key=key), numbers, user="search")
    except TypeError:
        return False
    return True


def _same(value: object) -> Hashable:
    """What is equal for values that build the same; texts of objects may be equal where they are not."""
    try:
        key = construction.key(value)
        hash(key)
    except TypeError:
        return "object", id(value)
    return key


def _checked(candidates, build) -> list[Candidate]:
    """The candidates as a list of dicts, of which each holds the arguments of `build`."""
    remedy = "make some with grid or sample, or write [{'rate': 0.1}, {'rate': 0.3}]"
    if isinstance(candidates, Mapping | str) or not isinstance(candidates, Iterable):
        raise TypeError(
            f"search: candidates is of type {type(candidates).__name__}, expected a list of dicts; {remedy}"
        )
    candidates = list(candidates)
    if not candidates:
        raise ValueError("search: candidates is empty, expected at least one; make some with grid or sample")
    for i, one in enumerate(candidates):
        name = f"search: candidates[{i}]"
        if not isinstance(one, Mapping) or not all(isinstance(argument, str) for argument in one):
            raise TypeError(f"{name} is {one!r}, expected a dict of build's arguments; {remedy}")
        for argument, value in one.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name}[{argument!r}] is {value}, expected a finite number; leave that candidate out")
        builds.check_arguments(build, tuple(one), "search", f"candidates[{i}]")
    return [dict(one) for one in candidates]


def _as_arrays(batch: Batch) -> Batch:
    """The batch with arrays in place of lists."""
    fields: dict[str, PyTree] = {name: getattr(batch, name) for name in ("inputs", "targets", "mask", "weights")}
    given = {name: part for name, part in fields.items() if part is not None}
    return batch._replace(**{name: validate.array(part, "search: data") for name, part in given.items()})


def _check_data(networks: list[Network], train, validation, test, batch_size: int, monitor: str) -> None:
    """Raise unless all parts of the data fit all networks, before any is trained."""
    kinds: dict[Hashable, Network] = {}  # of those that read data alike, one
    for net in networks:
        reads = net.input_shape, net.output_shape, net.objective, net.targets, net.domain, net.layer.time
        kinds.setdefault(reads, net)
    named = {"train": train, "validation": validation} | ({} if test is None else {"test": test})
    for net in kinds.values():
        for name, part in named.items():
            batches.checked(net, part, f"search: {name}")
        with calls.named_as("search", instead_of="fit"):
            _, monitored = prepare(net, train, validation, batch_size, False)
            check_selection(monitored, None, monitor)
        joining.check(train, validation, "search: validation")

"""Validation of the arguments of `fit` and its relatives, and the data in the form that training uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeGuard

import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, batches, sequences, validate
from fnnets.core.types import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import Source
from fnnets.training import gradients

if TYPE_CHECKING:
    pass

Data = Batch | Source | Iterable[object] | Callable[[int], Iterable[object]]
HEAD = 1000  # examples of a source that are looked at before it is read


def check_settings(net, optimizer, epochs, batch_size, patience, monitor, min_delta=0.0) -> None:
    """Raise unless the settings that do not depend on the data are of the right kind and range."""
    validate.is_instance(net, Network, "fit: net", "make one with fnnets.feedforward or fnnets.network")
    validate.is_optimizer(optimizer, "fit: optimizer")
    validate.count(epochs, "fit: epochs", "give the number of passes through the data", least=0)
    if batch_size is not None:
        validate.count(batch_size, "fit: batch_size", "give the number of examples in a minibatch")
    if patience is not None:
        validate.count(patience, "fit: patience", "give a number of epochs, or None for no early stopping")
        if net.targets == batches.SAMPLES:
            raise ValueError(
                "fit: patience is given for an RBM, expected None; its free energy has no scale: "
                "watch the gap between training and validation"
            )
    validate.choice(monitor, ("cost", "accuracy"), "fit: monitor")
    _check_min_delta(min_delta, patience, monitor)


def in_memory(train: Data) -> TypeGuard[Batch]:
    """Whether training data are arrays, or stream otherwise."""
    return hasattr(train, "dataset_size")  # which no stream has


def check_train(train: Data, epochs: int) -> None:
    """Raise unless training data are a `Batch`, or something that gives batches in each of the epochs."""
    if in_memory(train) or isinstance(train, Source):
        return
    if callable(train):
        gradients.check_arguments(train, (0,), {}, "fit: train", "(epoch) -> iterable of batches")
        return
    is_pair = isinstance(train, tuple | list) and len(train) == 2 and all(hasattr(part, "dtype") for part in train)
    if is_pair or isinstance(train, str | bytes | dict) or hasattr(train, "dtype") or not hasattr(train, "__iter__"):
        remedy = "write fnnets.Batch(*train)" if is_pair else "write fnnets.Batch(inputs, targets)"
        remedy = "write fnnets.Batch(**train)" if isinstance(train, dict) and "inputs" in train else remedy
        raise TypeError(
            f"fit: train is of type {type(train).__name__}, expected a fnnets.Batch, a source from fnnets.data.stream, "
            f"an iterable of batches, or a function epoch -> iterable; {remedy}"
        )
    if iter(train) is train and epochs > 1:
        raise TypeError(
            f"fit: train is of type {type(train).__name__}, which can be read once, expected what gives its batches in "
            f"each of {epochs} epochs; give list(train), a loader, or a function epoch -> iterable"
        )


def prepare_either(
    net: Network, train: Data, validation: Batch | None, batch_size: int | None, evaluate_training: bool | None
) -> tuple[Data, Mapping[str, Batch | Source], int]:
    """The training data, the monitored sets, and the size of a minibatch, of arrays or of what streams."""
    validate.flag(evaluate_training, "fit: evaluate_training", or_none=True)
    size = _default_size(net, train) if batch_size is None else batch_size
    if in_memory(train):
        return *prepare(net, train, validation, size, evaluate_training is not False), size
    return *prepare_stream(net, train, validation, batch_size, size, evaluate_training is True), size


def _default_size(net: Network, train: Data) -> int:
    """Ten, or all examples of arrays where there are fewer."""
    inputs, axis = getattr(train, "inputs", None), sequences.axes(net.layer.time).inputs
    shape = (len(inputs),) if isinstance(inputs, list | tuple) else getattr(inputs, "shape", ())
    return min(10, max(1, shape[axis])) if len(shape) > axis else 10


def prepare(
    net: Network, train: Batch, validation: Batch | None, batch_size: int, evaluate_training: bool
) -> tuple[Batch, dict[str, Batch]]:
    """The training data and the monitored sets, checked against the network, on the device, with n filled in."""
    train = _checked(net, train, "fit: train")
    examples = sequences.count(net.layer.time, train)
    _check_size(batch_size, examples)
    train = train._replace(dataset_size=examples if train.dataset_size is None else train.dataset_size)
    monitored = {"training": train} if evaluate_training else {}
    if validation is not None:
        monitored["validation"] = _checked(net, validation, "fit: validation")._replace(dataset_size=train.dataset_size)
    return train, monitored


def prepare_stream(
    net: Network, train: Data, validation: Batch | None, batch_size: int | None, size: int, evaluate_training: bool
) -> tuple[Data, Mapping[str, Batch | Source]]:
    """The same for what streams, of which the first examples are checked; an iterable is checked as it is read."""
    if isinstance(train, Source):
        examples = _check_source(net, train, size)
    else:
        examples = None
        if batch_size is not None:
            raise ValueError(
                f"fit: batch_size is {batch_size}, but train gives batches of its own, expected None; leave it out"
            )
        if evaluate_training:
            raise ValueError(
                "fit: evaluate_training is True, but train is an iterable, expected None or False; "
                "give examples as validation=…"
            )
    monitored: dict[str, Batch | Source] = (
        {"training": train} if isinstance(train, Source) and evaluate_training else {}
    )
    if validation is not None:
        part = _checked(net, validation, "fit: validation")
        monitored["validation"] = part if examples is None else part._replace(dataset_size=examples)
    return train, monitored


def check_selection(monitored: Mapping[str, Batch | Source], patience, monitor) -> None:
    """Raise unless there is what early stopping and selection look at."""
    if patience is not None and "validation" not in monitored:
        raise ValueError("fit: patience is given without validation data, expected both; give validation=…")
    if (
        monitor == "accuracy"
        and "validation" in monitored
        and not are_classes(monitored["validation"].targets, monitored["validation"].mask)
    ):
        raise ValueError(
            "fit: monitor is 'accuracy', but the validation targets name no classes, expected labels of classes; "
            "use monitor='cost'"
        )


def are_classes(targets, mask=None) -> bool:
    """Whether targets name classes: integers, one-hot rows, or a single column of zeros and ones.

    Padded steps, which `mask` leaves out, do not count; no targets name none.

    >>> import numpy as np
    >>> are_classes(np.array([3, 1])), are_classes(np.eye(3)), are_classes(np.array([[0.5, 0.5]]))
    (True, True, False)
    """
    if targets is None:
        return False
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return True
    values = np.asarray(targets)
    if mask is not None and values.shape[:2] == mask.shape:
        values = values[np.asarray(mask)]
    is_binary = bool(np.all((values == 0) | (values == 1)))
    return is_binary and values.ndim > 1 and (values.shape[-1] == 1 or bool(np.all(values.sum(axis=-1) == 1)))


def class_flags(net: Network, monitored: Mapping[str, Batch | Source]) -> tuple[tuple[str, bool], ...]:
    """For each monitored data set whether its targets are classes; of one that streams the first ones decide."""
    shown = {name: _head(net, part) if isinstance(part, Source) else part for name, part in monitored.items()}
    return tuple((name, are_classes(part.targets, part.mask)) for name, part in shown.items())


def _head(net: Network, source: Source) -> Batch:
    """The first examples of a source, as the network takes them."""
    head = sources.head(source, sequences.axes_of_fields(net.layer.time, source.weights), HEAD)
    if source.transform is None:
        return batches.checked(net, head, "fit: train")
    changed = source.transform(head)
    arrays.is_batch(changed, "fit: train.transform(…)")
    return batches.checked(net, changed, "fit: train.transform(…)")


def _check_min_delta(min_delta, patience, monitor) -> None:
    validate.at_least(min_delta, 0.0, "fit: min_delta", "0 counts every improvement")
    if min_delta > 0 and patience is None:
        raise ValueError(
            f"fit: min_delta is {min_delta} without patience, expected both; give patience=… for early stopping, or "
            "leave min_delta out"
        )
    if min_delta >= 1 and monitor == "accuracy":
        raise ValueError(
            f"fit: min_delta is {min_delta}, expected less than 1 with monitor='accuracy', which is a fraction; "
            "0.01 is one percent"
        )


def _check_source(net: Network, source: Source, batch_size: int) -> int:
    """N of a source, whose first examples are as the network takes them."""
    examples = sequences.count(net.layer.time, source)
    axes = sequences.axes_of_fields(net.layer.time, source.weights)
    for name, axis in zip(sources.FIELDS, axes, strict=True):
        array = getattr(source, name)
        if array is not None and (array.ndim <= axis or array.shape[axis] != examples):
            raise ValueError(
                f"fit: train.{name} has shape {array.shape}, expected {examples} examples along axis {axis}, as the "
                "inputs have; give all of them the same examples"
            )
    _check_size(batch_size, examples)
    _head(net, source)
    return examples


def _check_size(batch_size: int, examples: int) -> None:
    if batch_size > examples:
        raise ValueError(
            f"fit: batch_size is {batch_size}, expected at most the {examples} training examples; "
            f"batch_size={examples} is full-batch descent"
        )


def _checked(net, batch, name) -> Batch:
    arrays.is_batch(batch, name)
    if net.targets == batches.SAMPLES and batch.targets is not None:
        raise ValueError(
            f"{name}.targets are given, but an RBM draws its samples itself, expected None; leave targets=None"
        )
    targets = batch.targets
    batch = batches.checked(net, batch, name)
    if batch.total_weight is not None:
        raise ValueError(
            f"{name}.total_weight is given, expected None: fit shares its minibatches itself; leave total_weight=None"
        )
    return batch._replace(
        inputs=jnp.asarray(batch.inputs), targets=None if targets is None else jnp.asarray(batch.targets),
        weights=None if batch.weights is None else jnp.asarray(batch.weights),
    )  # fmt: skip

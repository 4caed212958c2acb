"""What `fit` and its relatives check before anything is compiled, and the data as they use it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from fnnets import batches, checks, sequences
from fnnets.core import Batch, Network
from fnnets.data import sources
from fnnets.data.sources import Source
from fnnets.training.metrics import are_classes

HEAD = 1000  # examples of a source that are looked at before it is read


def check_settings(net, optimizer, epochs, batch_size, patience, select, min_delta=0.0) -> None:
    """Raise unless the settings that do not depend on the data are of the right kind and range."""
    checks.is_instance(net, Network, "fit: net", "make one with fnnets.feedforward or fnnets.network")
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"fit: optimizer is {optimizer!r}, expected an optax transformation; try optax.adam(1e-3)")
    checks.count(epochs, "fit: epochs", "give the number of passes through the data", least=0)
    if batch_size is not None:
        checks.count(batch_size, "fit: batch_size", "give the number of examples in a minibatch")
    if patience is not None:
        checks.count(patience, "fit: patience", "give a number of epochs, or None for no early stopping")
        if net.targets == batches.SAMPLES:
            raise ValueError(
                "fit: patience is given for a Boltzmann machine, expected None; its free energy has no scale: "
                "watch the gap between training and validation"
            )
    if select not in ("cost", "accuracy"):
        raise ValueError(f"fit: select is {select!r}, expected 'cost' or 'accuracy'; choose one")
    _check_min_delta(min_delta, patience, select)


def in_memory(train: Any) -> bool:
    """Whether training data are arrays, or stream otherwise."""
    return hasattr(train, "dataset_size")  # which no stream has


def prepare_either(
    net: Network, train: Any, validation: Batch | None, batch_size: int | None, monitor_training: bool | None
) -> tuple[Any, dict[str, Any], int]:
    """The training data, the monitored sets, and the size of a minibatch, of arrays or of what streams."""
    size = 10 if batch_size is None else batch_size
    if in_memory(train):
        return *prepare(net, train, validation, size, monitor_training is not False), size
    return *prepare_stream(net, train, validation, batch_size, size, monitor_training is True), size


def prepare(
    net: Network, train: Any, validation: Batch | None, batch_size: int, monitor_training: bool
) -> tuple[Batch, dict[str, Batch]]:
    """The training data and the monitored sets, checked against the network, on the device, with n filled in."""
    train = _checked(net, train, "fit: train")
    examples = sequences.count(net.layer.time, train)
    _check_size(batch_size, examples)
    train = train._replace(dataset_size=examples if train.dataset_size is None else train.dataset_size)
    judged = {"training": train} if monitor_training else {}
    if validation is not None:
        judged["validation"] = _checked(net, validation, "fit: validation")._replace(dataset_size=train.dataset_size)
    return train, judged


def prepare_stream(
    net: Network, train: Any, validation: Batch | None, batch_size: int | None, size: int, monitor_training: bool
) -> tuple[Any, dict[str, Any]]:
    """The same for what streams, of which the first examples are checked; an iterable is checked as it is read."""
    if isinstance(train, Source):
        examples = _check_source(net, train, size)
    else:
        examples = None
        if not (callable(train) or hasattr(train, "__iter__")):
            raise TypeError(
                f"fit: train is of type {type(train).__name__}, expected fnnets.Batch, a source from "
                "fnnets.data.stream, an iterable of batches, or a function epoch -> iterable"
            )
        if batch_size is not None:
            raise ValueError(f"fit: batch_size is {batch_size}, but train gives batches of its own; leave it out")
        if monitor_training:
            raise ValueError("fit: monitor_training is True, but train is an iterable; give examples as validation=…")
    judged = {"training": train} if monitor_training else {}
    if validation is not None:
        judged["validation"] = _checked(net, validation, "fit: validation")
        if examples is not None:
            judged["validation"] = judged["validation"]._replace(dataset_size=examples)
    return train, judged


def check_selection(judged: dict[str, Batch], patience, select) -> None:
    """Raise unless there is what early stopping and selection look at."""
    if patience is not None and "validation" not in judged:
        raise ValueError("fit: patience is given without validation data, expected both; pass validation=…")
    if (
        select == "accuracy"
        and "validation" in judged
        and not are_classes(judged["validation"].targets, judged["validation"].mask)
    ):
        raise ValueError("fit: select is 'accuracy', but the validation targets name no classes; use select='cost'")


def derive(net: Network, gradient):
    """The function that derives: by hand, by `jax.grad`, or the user's own."""
    if callable(gradient):
        return gradient
    if gradient == "explicit":
        return net.gradient
    if gradient == "automatic":
        return jax.grad(net.cost)
    raise ValueError(
        f"fit: gradient is {gradient!r}, expected 'explicit', 'automatic' or a function "
        "(params, batch, key) -> d_params; choose one"
    )


def _check_min_delta(min_delta, patience, select) -> None:
    checks.at_least(min_delta, 0.0, "fit: min_delta", "0 counts every improvement")
    if min_delta > 0 and patience is None:
        raise ValueError(
            f"fit: min_delta is {min_delta} without patience, expected both; give patience=… for early stopping, or "
            "leave min_delta out"
        )
    if min_delta >= 1 and select == "accuracy":
        raise ValueError(
            f"fit: min_delta is {min_delta}, expected less than 1 with select='accuracy', which is a fraction; "
            "0.01 is one percent"
        )


def _check_source(net: Network, source: Source, batch_size: int) -> int:
    """N of a source, whose first examples are as the network takes them."""
    examples = sequences.count(net.layer.time, source)
    axes = sequences.axes_of_fields(net.layer.time)
    for name, axis in zip(sources.FIELDS, axes, strict=True):
        array = getattr(source, name)
        if array is not None and (array.ndim <= axis or array.shape[axis] != examples):
            raise ValueError(
                f"fit: train.{name} has shape {array.shape}, expected {examples} examples along axis {axis}, as the "
                "inputs have; give all of them the same examples"
            )
    _check_size(batch_size, examples)
    head = Batch(*sources.head(source, axes, HEAD))
    batches.checked(net, head if source.transform is None else source.transform(head), "fit: train")
    return examples


def _check_size(batch_size: int, examples: int) -> None:
    if batch_size > examples:
        raise ValueError(
            f"fit: batch_size is {batch_size}, expected at most the {examples} training examples; "
            f"batch_size={examples} is full-batch descent"
        )


def _checked(net, batch, name) -> Batch:
    if net.targets == batches.SAMPLES and batch.targets is not None:
        raise ValueError(
            f"{name}.targets are given, but a Boltzmann machine draws its samples itself; leave targets=None"
        )
    targets = batch.targets
    batch = batches.checked(net, batch, name)
    return batch._replace(
        inputs=jnp.asarray(batch.inputs), targets=None if targets is None else jnp.asarray(batch.targets)
    )

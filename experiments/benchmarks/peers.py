"""The contestants that do not run on JAX: PyTorch eager, scikit-learn, and plain NumPy vectorised over the minibatch.

    all    v ← μ v − η ∂C,  w ← w + v           the same descent, up to the order of the factors

Each is an ordinary good loop. PyTorch is tried with each implementation of its optimiser, with its default number of
threads and with one, and runs as it is fastest.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Container
from typing import Any

import numpy as np

from experiments.benchmarks.setting import LEARNING_RATE, MOMENTUM, SEED, Parameters, Setting, Trainer, cut, plain

PROBE_STEPS, PROBES = 50, 3


def has_torch() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def versions() -> dict[str, str]:
    """PyTorch's version, where it is installed."""
    if not has_torch():
        return {}
    import torch

    return {"torch": str(torch.__version__)}


def torch_eager(setting: Setting, name: str) -> tuple[Trainer, dict[str, Any]]:
    """PyTorch's eager mode as it is fastest here, and how that is."""
    import torch

    default = torch.get_num_threads()
    ways = [(threads, way) for threads in sorted({1, default}) for way in ("for-loop", "foreach", "fused")]
    seconds = {each: _probe(setting, *each) for each in ways}
    threads, way = min(seconds, key=lambda each: seconds[each])
    settings = {"default_threads": default, "threads": threads, "optimizer": way}
    torch.set_num_threads(default)
    return _torch(setting, name, threads, way), settings


def _torch(setting: Setting, name: str, threads: int, way: str) -> Trainer:
    import torch

    def train(model, optimizer, examples, order):
        inputs, targets = examples
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        for indices in order.split(setting.batch_size):
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(inputs[indices]), targets[indices]).backward()
            optimizer.step()
        torch.set_num_threads(before)

    examples = _tensors(setting.inputs, setting.targets)
    model, optimizer = _torch_model(setting, way)

    def epoch():
        train(model, optimizer, examples, torch.randperm(len(setting.inputs)))

    def walk(inputs, targets):
        model, optimizer = _torch_model(setting, way)
        train(model, optimizer, _tensors(inputs, targets), torch.arange(len(inputs)))
        return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in model[::2]]

    return Trainer(name, epoch, walk, loops=True)


def sequential(params: Parameters, linear: Container[int]) -> Any:
    """PyTorch's fully connected layers with copies of pairs (W, b), sigmoid but for those at the places `linear`."""
    import torch

    parts: list[Any] = []
    for place, (weights, biases) in enumerate(params):
        layer = torch.nn.Linear(weights.shape[1], weights.shape[0])
        layer.weight.data, layer.bias.data = torch.from_numpy(np.array(weights)), torch.from_numpy(np.array(biases))
        parts += [layer] if place in linear else [layer, torch.nn.Sigmoid()]
    return torch.nn.Sequential(*parts)


def _torch_model(setting: Setting, way: str):
    import torch

    model = sequential(plain(setting.params), {len(setting.params) - 1})
    chosen = {"foreach": way == "foreach", "fused": way == "fused"}
    return model, torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM, **chosen)


def _tensors(inputs, targets):
    import torch

    return torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(targets.astype(np.int64))


def _probe(setting: Setting, threads: int, way: str) -> float:
    """The median time of a few steps, among several samples."""
    examples = min(PROBE_STEPS * setting.batch_size, len(setting.inputs))
    part = setting._replace(inputs=setting.inputs[:examples], targets=setting.targets[:examples])
    trainer = _torch(part, "probe", threads, way)
    seconds = []
    for _ in range(PROBES):
        begin = time.perf_counter()
        trainer.epoch()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def scikit_learn(setting: Setting, name: str, rounds: int) -> Trainer:
    """`MLPClassifier.partial_fit`, which is one epoch that goes on from the last."""
    warm = _classifier(setting, shuffle=True)

    def epoch():
        warm.partial_fit(setting.inputs, setting.targets)

    def walk(inputs, targets):
        classifier = _classifier(setting, shuffle=False).partial_fit(inputs, targets)
        return [(W.T, b) for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True)]

    return Trainer(name, epoch, walk, loops=True, rounds=rounds)


def _classifier(setting: Setting, shuffle: bool):
    """A classifier with the setting's parameters and no velocity; it sets them up on its first minibatch."""
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        setting.sizes[1:-1], activation="logistic", solver="sgd", alpha=0.0, batch_size=setting.batch_size,
        learning_rate_init=LEARNING_RATE, momentum=MOMENTUM, nesterovs_momentum=False, shuffle=shuffle,
        random_state=SEED,
    )  # fmt: skip
    first = slice(0, setting.batch_size)
    classifier.partial_fit(setting.inputs[first], setting.targets[first], classes=np.arange(setting.sizes[-1]))
    for own, other, (weights, biases) in zip(
        classifier.coefs_, classifier.intercepts_, plain(setting.params), strict=True
    ):
        own[...], other[...] = weights.T, biases
    for velocity in classifier._optimizer.velocities:
        velocity[...] = 0
    return classifier


def numpy_loop(setting: Setting, name: str, rounds: int) -> Trainer:
    """Plain NumPy, vectorised over the minibatch, updates in place."""
    random = np.random.default_rng(SEED)

    def train(state, inputs, targets, order):
        for indices in cut(order, setting.batch_size):
            _numpy_step(state[0], state[1], inputs[indices], targets[indices])
        return state[0]

    def begin():
        return plain(setting.params), [(np.zeros_like(W), np.zeros_like(b)) for W, b in plain(setting.params)]

    state = begin()
    return Trainer(
        name, lambda: train(state, setting.inputs, setting.targets, random.permutation(len(setting.inputs))),
        lambda inputs, targets: train(begin(), inputs, targets, np.arange(len(inputs))), loops=True, rounds=rounds,
    )  # fmt: skip


def _numpy_step(params: Parameters, velocities: Parameters, x: np.ndarray, y: np.ndarray) -> None:
    activations = [x]
    for W, b in params[:-1]:
        activations.append(1 / (1 + np.exp(-(activations[-1] @ W.T + b))))
    W, b = params[-1]
    z = activations[-1] @ W.T + b
    a = np.exp(z - z.max(axis=1, keepdims=True))
    delta = a / a.sum(axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    delta /= np.float32(len(y))
    for i in reversed(range(len(params))):
        gradients = (delta.T @ activations[i], delta.sum(axis=0))
        if i:
            delta = (delta @ params[i][0]) * (activations[i] * (1 - activations[i]))
        for w, v, d_w in zip(params[i], velocities[i], gradients, strict=True):
            v *= np.float32(MOMENTUM)
            v -= np.float32(LEARNING_RATE) * d_w
            w += v

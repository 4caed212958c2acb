"""The networks of the convolutional benchmark, and their cost and gradient as others would write them.

    nielsen    conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10, sigmoid, pooled before the activation
    vgg        conv3-64 conv3-64 maxpool2 | conv3-128 conv3-128 maxpool2 | fc-10, rectified, "same" padding

| symbol | name in code | shape |
|---|---|---|
| x | `work.batch.inputs` | (N, 28, 28, 1) or (N, 32, 32, 3) |
| filters | `own.weights` | (h, w, C, K); PyTorch has (K, C, h, w) |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import fnnets as fn
from experiments.benchmarks.timing import Contestant, interleave, summary

SOFTMAX = fn.objectives.softmax_log_likelihood
NAMES = ("nielsen-10", "nielsen-128", "vgg-32")


class Work(NamedTuple):
    """A network with its parameters and minibatch, and the activation of its hidden layers."""

    name: str
    net: fn.Network
    activation: Callable[[Any], Any]
    params: Any
    batch: fn.Batch

    @property
    def pools_first(self) -> bool:
        """Whether weighted inputs are pooled before they are activated."""
        return any(part.name == "activate" for part in self.net.layer.parts)


def work(name: str) -> Work:
    """The work called "nielsen-10": network and minibatch.

    >>> work("nielsen-10").batch.inputs.shape
    (10, 28, 28, 1)
    """
    if name not in NAMES:
        raise ValueError(f"nets name {name!r}, expected some of {', '.join(NAMES)}")
    kind, size = name.split("-")
    return of_kind(kind, int(size))


def of_kind(kind: str, size: int) -> Work:
    """The network "nielsen" or "vgg", with a minibatch of `size`."""
    if kind == "nielsen":
        table = "conv5-20 maxpool2 | conv5-40 maxpool2 | fc-100 fc-10"
        net = fn.convolutional((28, 28, 1), table, objective=SOFTMAX, pool_first=True)
    else:
        table = "conv3-64 conv3-64 maxpool2 | conv3-128 conv3-128 maxpool2 | fc-10"
        net = fn.convolutional(
            (32, 32, 3), table, fn.activations.relu, objective=SOFTMAX, padding="same", initializer=fn.initializers.he
        )
    random = np.random.default_rng(0)
    images = jnp.asarray(random.random((size, *net.input_shape), np.float32))
    labels = jnp.asarray(random.integers(0, 10, size, np.int32))
    activation = jax.nn.sigmoid if kind == "nielsen" else jax.nn.relu
    return Work(f"{kind}-{size}", net, activation, net.init(jax.random.key(0)), fn.Batch(images, labels))


def textbook(one: Work) -> Callable[..., Any]:
    """`(params, batch) -> (C, ∂C)` by `jax.grad` of the cost as most would write it in JAX."""

    def cost(params, batch):
        x = batch.inputs
        for part, own in zip(one.net.layer.parts, params, strict=True):
            if part.name == "convolution":
                padding, names = part.window.padding.upper(), ("NHWC", "HWIO", "NHWC")
                x = lax.conv_general_dilated(x, own.weights, (1, 1), padding, dimension_numbers=names) + own.biases
                x = x if one.pools_first else one.activation(x)
            elif part.name == "max_pooling":
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            elif part.name == "activate":
                x = one.activation(x)
            elif part.name == "flatten":
                x = x.reshape(len(x), -1)
            else:
                x = x @ own.weights.T + own.biases
                x = x if own is params[-1] else one.activation(x)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), batch.targets[:, None], axis=1))

    return jax.value_and_grad(cost)


def torch_step(one: Work, channels_last: bool) -> Callable[[], Any]:
    """A call gives PyTorch's cost and the gradients of its parameters; `as_params` brings them to our layout."""
    import torch

    model = torch_model(one)
    # Copies: JAX's arrays cannot be written to.
    inputs = torch.from_numpy(np.array(one.batch.inputs).transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(np.array(one.batch.targets).astype(np.int64))
    if channels_last:
        model, inputs = (
            model.to(memory_format=torch.channels_last),
            inputs.contiguous(memory_format=torch.channels_last),
        )

    def step():
        model.zero_grad(set_to_none=True)
        cost = torch.nn.functional.cross_entropy(model(inputs), labels)
        cost.backward()
        return cost, [parameter.grad for parameter in model.parameters()]

    return step


def torch_model(one: Work) -> Any:
    """PyTorch's network with copies of the parameters, on (N, C, H, W) in any memory format."""
    import torch

    parts: list[Any] = []
    for part, own in zip(one.net.layer.parts, one.params, strict=True):
        parts += _torch_layers(part, own, one)
    return torch.nn.Sequential(*parts[:-1])  # without the activation behind the last layer


def _torch_layers(part, own, one: Work) -> list[Any]:
    import torch

    layer: Any
    activation = torch.nn.Sigmoid() if one.activation is jax.nn.sigmoid else torch.nn.ReLU()
    if part.name == "convolution":
        h, w, c, k = own.weights.shape
        layer = torch.nn.Conv2d(c, k, (h, w), padding="same" if part.window.padding == "same" else 0)
        weights = np.array(own.weights).transpose(3, 2, 0, 1)
        behind = [] if one.pools_first else [activation]
    elif part.name == "dense":
        layer, weights, behind = torch.nn.Linear(own.weights.shape[1], own.weights.shape[0]), own.weights, [activation]
    else:
        named = {"max_pooling": torch.nn.MaxPool2d(2), "flatten": _flatten(), "activate": activation}
        return [named[part.name]]
    layer.weight.data = torch.from_numpy(np.array(weights))
    layer.bias.data = torch.from_numpy(np.array(own.biases))
    return [layer, *behind]


def _flatten():
    """Features in the order of (H, W, C), so that the dense weights are the same."""
    import torch

    class Flatten(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).reshape(len(x), -1)

    return Flatten()


def fastest_torch(one: Work) -> tuple[Callable[[], Any], dict[str, Any]]:
    """PyTorch's step in the memory format that is fastest here, and how that is."""
    import torch

    formats = {"channels last": torch_step(one, True), "channels first": torch_step(one, False)}
    samples = interleave([Contestant(name, step) for name, step in formats.items()], 5)
    best = min(samples, key=lambda name: summary(samples[name]).median)
    return formats[best], {"memory format": best, "threads": torch.get_num_threads()}


def as_params(answer, one: Work):
    """PyTorch's pair as (C, ∂C) in the network's layout."""
    cost, gradients = answer
    given = iter(np.asarray(each) for each in gradients)

    def own(leaf):
        array = next(given)
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array

    return cost.detach().numpy(), jax.tree.map(own, one.params)

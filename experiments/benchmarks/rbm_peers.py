"""Peers of RBMs and autoencoders: ordinary good loops in PyTorch, and scikit-learn's `BernoulliRBM`.

    PyTorch        CD-1 and PCD-1 as one writes them: five products a step (six for PCD), in-place updates, no autograd
    scikit-learn   PCD-1 that keeps hidden states: five products a step, NumPy's random numbers
    annealing      one product for weight and Gibbs step, one for the visible units, a Python loop over temperatures

Each gives a step's gradient on given samples too, so that all are compared before they are timed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmarks import peers

LEARNING_RATE, MOMENTUM = 0.01, 0.9


class Arrays(NamedTuple):
    """An RBM's parameters as NumPy arrays: W (q, p), b (p,), c (q,)."""

    weights: np.ndarray
    visible_biases: np.ndarray
    hidden_biases: np.ndarray


def torch_rbm(
    params: Arrays, v: np.ndarray, batch_size: int, persistent: bool, device: str = "cpu"
) -> Callable[[], Any]:
    """An epoch of CD-1, or of PCD-1, that goes on from the last."""
    import torch

    w, b, c = (torch.from_numpy(np.array(array)).to(device) for array in params)
    data = torch.from_numpy(v).to(device)
    chains = data[:batch_size].clone()

    def step(x):
        nonlocal chains
        h = torch.sigmoid(torch.addmm(c, x, w.t()))
        driving = torch.sigmoid(torch.addmm(c, chains, w.t())) if persistent else h
        chains = torch.bernoulli(torch.sigmoid(torch.addmm(b, torch.bernoulli(driving), w)))
        for leaf, d in zip((w, b, c), _torch_gradient((w, b, c), x, h, chains), strict=True):
            leaf.sub_(d, alpha=LEARNING_RATE)

    def epoch():
        with torch.no_grad():
            for indices in torch.randperm(len(data), device=device).split(batch_size):
                step(data[indices])

    return epoch


def torch_gradient(params: Arrays, v: np.ndarray, samples: np.ndarray) -> Arrays:
    """The gradient that the loop descends, on given samples."""
    import torch

    w, b, c = (torch.from_numpy(np.array(array)) for array in params)
    x, y = torch.from_numpy(v), torch.from_numpy(samples)
    return Arrays(*(d.numpy() for d in _torch_gradient((w, b, c), x, torch.sigmoid(torch.addmm(c, x, w.t())), y)))


def _torch_gradient(params, x, h, samples):
    import torch

    w, _, c = params
    h_samples = torch.sigmoid(torch.addmm(c, samples, w.t()))
    n, m = len(x), len(samples)
    return (
        h_samples.t() @ samples / m - h.t() @ x / n,
        samples.mean(0) - x.mean(0),
        h_samples.mean(0) - h.mean(0),
    )


def scikit_rbm(params: Arrays, v: np.ndarray, batch_size: int) -> Callable[[], Any]:
    """An epoch of `BernoulliRBM.fit`, which begins anew each time."""
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(len(params.weights), learning_rate=LEARNING_RATE, batch_size=batch_size, n_iter=1)
    return lambda: rbm.set_params(random_state=0).fit(v)


def scikit_gradient(params: Arrays, v: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """The gradient of one step of scikit-learn, and the samples that it drew."""
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(len(params.weights), learning_rate=1.0, batch_size=len(v))
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = map(np.array, params)
    rbm.h_samples_ = np.random.default_rng(0).integers(0, 2, (len(v), len(params.weights))).astype(v.dtype)
    samples = rbm._sample_visibles(rbm.h_samples_, np.random.RandomState(1)).astype(v.dtype)
    rbm._fit(v, np.random.RandomState(1))
    new = rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    return Arrays(*(old - after for old, after in zip(params, new, strict=True))), samples


def torch_annealing(params: Arrays, chains: int, temperatures: int) -> Callable[[], tuple[float, float]]:
    """Annealed importance sampling from the RBM's own visible biases: log Z and its standard error."""
    import torch

    w, b, c = (torch.from_numpy(np.array(array)) for array in params)
    betas = np.linspace(0, 1, temperatures)
    log_base = float(torch.nn.functional.softplus(b).sum()) + len(c) * math.log(2)

    def run():
        with torch.no_grad():
            v = torch.bernoulli(torch.sigmoid(b).expand(chains, -1))
            log_weights = torch.zeros(chains)
            for before, beta in itertools.pairwise(betas):
                t = torch.addmm(c, v, w.t())
                log_weights += torch.nn.functional.softplus(beta * t).sum(1)
                log_weights -= torch.nn.functional.softplus(before * t).sum(1)
                h = torch.bernoulli(torch.sigmoid(beta * t))
                v = torch.bernoulli(torch.sigmoid(b + beta * (h @ w)))
            log_mean = torch.logsumexp(log_weights, 0) - math.log(chains)
            error = torch.exp(log_weights - log_mean).std() / chains**0.5
            return log_base + float(log_mean), float(error)

    return run


def torch_autoencoder(params: Any, x: np.ndarray, batch_size: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """An epoch of an autoencoder with momentum, and its gradient on the first minibatch; `params` as pairs (W, b)."""
    import torch

    data = torch.from_numpy(x)
    model = peers.sequential(params, (len(params) // 2 - 1, len(params) - 1))
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM, fused=True)

    def derive(batch):
        optimizer.zero_grad(set_to_none=True)
        cost = torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch, reduction="sum")
        (cost / len(batch)).backward()

    def epoch():
        for indices in torch.randperm(len(data)).split(batch_size):
            derive(data[indices])
            optimizer.step()

    def gradient():
        derive(data[:batch_size])
        found: list[Any] = [parameter.grad for parameter in model.parameters()]
        optimizer.zero_grad(set_to_none=True)
        return [each.numpy() for each in found]

    return epoch, gradient

"""PyTorch's cost and gradient of a recurrent network: `nn.RNN` or `nn.LSTM`, `nn.Linear`, eager, time-major.

    z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh             b_hh = 0, the second bias that nobody else has

| symbol | name in code | shape |
|---|---|---|
| W_ih, W_hh, b_ih, b_hh | `weight_ih_l0`, … | (G, m), (G, H), (G,), (G,); gates in our order |

Tried with one thread and with the default number, and with b_hh trained or frozen; it runs as it is fastest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.benchmarks.recurrent_setting import Parameters, Way, Work

TORCH = "PyTorch"


def ways(one: Work) -> list[Way]:
    """Each number of threads, with the second bias trained and frozen."""
    import torch

    counts = sorted({1, torch.get_num_threads()})
    return [_way(one, threads, frozen) for threads in counts for frozen in (False, True)]


def _way(one: Work, threads: int, frozen: bool) -> Way:
    import torch

    recurrent, dense = modules(one)
    recurrent.bias_hh_l0.requires_grad_(not frozen)
    trained = [recurrent.weight_ih_l0, recurrent.weight_hh_l0, recurrent.bias_ih_l0, dense.weight, dense.bias]
    # Copies: JAX's arrays cannot be written to.
    inputs, labels = (
        torch.from_numpy(np.array(one.inputs)),
        torch.from_numpy(np.array(one.labels).astype(np.int64)).flatten(),
    )

    def run():
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        recurrent.zero_grad(set_to_none=True)
        dense.zero_grad(set_to_none=True)
        z = dense(recurrent(inputs)[0])
        cost = torch.nn.functional.cross_entropy(z.flatten(0, 1), labels)
        cost.backward()
        torch.set_num_threads(before)
        return cost.detach(), [parameter.grad for parameter in trained]

    how = f"threads: {threads}, second bias {'frozen' if frozen else 'trained'}"
    return Way(TORCH, run, lambda gradient: Parameters(*(each.numpy() for each in gradient)), how)


def modules(one: Work) -> tuple[Any, Any]:
    """The recurrent and the linear layer with copies of the parameters, and a second bias of zeros."""
    import torch

    _, _, m, H, d = one.sizes
    recurrent: Any = torch.nn.LSTM(m, H) if one.cell == "lstm" else torch.nn.RNN(m, H, nonlinearity="tanh")
    dense: Any = torch.nn.Linear(H, d)
    leaves = [torch.from_numpy(np.array(leaf)) for leaf in one.params]
    recurrent.weight_ih_l0.data, recurrent.weight_hh_l0.data, recurrent.bias_ih_l0.data = leaves[:3]
    dense.weight.data, dense.bias.data = leaves[3:]
    recurrent.bias_hh_l0.data.zero_()
    return recurrent, dense

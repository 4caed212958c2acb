"""PyTorch's training step: eager, and compiled by `torch.compile`, as it is fastest here.

    tried       one thread and all; images with channels last and first; each implementation of the optimiser
    compiled    the cost of a minibatch in one function, where a C++ compiler is found; recurrent layers stay as they
                are in `torch.compile`, so they are not tried

| symbol | name in code | shape |
|---|---|---|
| x | `take(indices)` | (N, …); (T, N, m) of sequences; a view (N, C, H, W) of images |

The second bias of a recurrent layer, which nobody else has, stays zero.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from experiments.benchmarks import convolutional_peers, peers, rbm_peers, recurrent_setting, recurrent_torch
from experiments.benchmarks.contestants import drawn_order
from experiments.benchmarks.training_loops import Entered, Session, difference, enter, fastest
from experiments.benchmarks.training_rows import Boltzmann, Dense, Row

OPTIMISERS = ("for-loop", "foreach", "fused")


@dataclasses.dataclass(frozen=True)
class Way:
    """A configuration of PyTorch."""

    threads: int
    channels_last: bool | None  # None where there are no images
    optimiser: str = "foreach"
    is_compiled: bool = False
    device: str = "cpu"

    def __str__(self) -> str:
        """In words.

        >>> str(Way(2, True, "fused"))
        'threads: 2, channels last, optimiser: fused'
        """
        layout = {None: "", True: "channels last, ", False: "channels first, "}[self.channels_last]
        return f"threads: {self.threads}, {layout}optimiser: {self.optimiser}"


def eager(row: Row, reference: list[np.ndarray], device: str = "cpu") -> Entered:
    """PyTorch's eager mode: threads and memory format first, then the optimiser in the fastest of these."""
    if isinstance(row.model, Boltzmann):
        return _boltzmann(row, row.model, device)
    layouts = (True, False) if isinstance(row.model, convolutional_peers.Work) else (None,)
    ways = [Way(threads, layout, device=device) for threads in _counts(device) for layout in layouts]
    by_name = {str(way): way for way in ways}
    first = enter(row, _sessions(row, ways), reference)
    best = by_name[first.session.how]
    others = [dataclasses.replace(best, optimiser=name) for name in OPTIMISERS if name != best.optimiser]
    second = enter(row, _sessions(row, others), reference)
    session = fastest(row, [first.session, second.session], drawn_order(row.size * row.steps))
    return Entered(session, max(first.difference, second.difference))


def compiled(row: Row, reference: list[np.ndarray], how: str, device: str = "cpu") -> Entered:
    """The same with the cost compiled, in the other respects as `how` the eager mode was fastest."""
    layouts = (True, False) if isinstance(row.model, convolutional_peers.Work) else (None,)
    threads = int(how.split("threads: ")[1].split(",")[0])
    optimiser = next(name for name in OPTIMISERS if f"optimiser: {name}" in how)
    ways = [Way(threads, layout, optimiser, True, device) for layout in layouts]
    return enter(row, _sessions(row, ways), reference)


def cannot_compile(row: Row) -> str:
    """Why `torch.compile` is not tried on a row; the empty string where it is."""
    if isinstance(row.model, Boltzmann):
        return "a loop without derivatives"
    if isinstance(row.model, recurrent_setting.Work):
        return "torch.compile leaves nn.RNN and nn.LSTM as they are"
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++")):
        return "no C++ compiler was found"
    return ""


def _sessions(row: Row, ways: Iterable[Way]) -> list[Session]:
    return [_session(row, way) for way in ways]


def _session(row: Row, way: Way) -> Session:
    import torch

    model = _model(row).to(way.device)
    if way.channels_last:
        model = model.to(memory_format=torch.channels_last)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser, take = _optimiser(row, trained, way), _taker(row, way)
    cost: Callable[..., Any] = _cost(row, model)
    cost = torch.compile(cost) if way.is_compiled else cost

    def epoch(order):
        with _running(way.threads, way.device):
            for indices in torch.from_numpy(order.astype(np.int64)).to(way.device).split(row.size):
                optimiser.zero_grad(set_to_none=True)
                cost(*take(indices)).backward()
                optimiser.step()

    return Session(str(way), epoch, lambda: _flat(row, model))


def _model(row: Row) -> Any:
    import torch

    if isinstance(row.model, Dense):
        return peers.sequential(row.model.layers, row.model.linear)
    if isinstance(row.model, convolutional_peers.Work):
        return convolutional_peers.torch_model(row.model)
    assert isinstance(row.model, recurrent_setting.Work)
    recurrent, dense = recurrent_torch.modules(row.model)
    recurrent.bias_hh_l0.requires_grad_(False)
    return torch.nn.ModuleList([recurrent, dense])


def _cost(row: Row, model: Any) -> Callable[[Any, Any], Any]:
    import torch

    functions: Any = torch.nn.functional
    if isinstance(row.model, recurrent_setting.Work):
        return lambda x, y: functions.cross_entropy(model[1](model[0](x)[0]).flatten(0, 1), y.flatten())
    if isinstance(row.model, Dense) and row.model.is_autoencoder:
        return lambda x, y: functions.binary_cross_entropy_with_logits(model(x), x, reduction="sum") / len(x)
    return lambda x, y: functions.cross_entropy(model(x), y)


def _optimiser(row: Row, trained: list[Any], way: Way) -> Any:
    import torch

    chosen = {"foreach": way.optimiser == "foreach", "fused": way.optimiser == "fused"}
    if row.descent.kind == "adam":
        return torch.optim.Adam(trained, row.descent.rate, **chosen)
    return torch.optim.SGD(trained, row.descent.rate, row.descent.momentum, **chosen)


def _taker(row: Row, way: Way) -> Callable[[Any], tuple[Any, Any]]:
    """`indices -> (x, y)`. Images lie in the memory format of the network, so that none is converted."""
    import torch

    array = row.inputs.transpose(0, 3, 1, 2) if way.channels_last is False else row.inputs
    inputs = torch.from_numpy(np.array(array, order="C")).to(way.device)
    targets = inputs if row.targets is None else torch.from_numpy(row.targets.astype(np.int64)).to(way.device)

    def take(indices):
        x = inputs.index_select(row.axis, indices)
        x = x.permute(0, 3, 1, 2) if way.channels_last else x
        return x, x if row.targets is None else targets.index_select(row.axis, indices)

    return take


def _flat(row: Row, model: Any) -> list[np.ndarray]:
    if isinstance(row.model, recurrent_setting.Work):
        recurrent, dense = model
        own = (recurrent.weight_ih_l0, recurrent.weight_hh_l0, recurrent.bias_ih_l0, dense.weight, dense.bias)
        return [each.detach().cpu().numpy().copy() for each in own]
    arrays = [each.detach().cpu().numpy().copy() for each in model.parameters()]
    return [each.transpose(2, 3, 1, 0) if each.ndim == 4 else each for each in arrays]


def _boltzmann(row: Row, model: Boltzmann, device: str) -> Entered:
    """An RBM's loop with one thread or all, and its difference: that of one gradient on given samples."""
    import jax

    import fnnets as fn

    v, samples = row.inputs[: row.size], row.inputs[row.size : 2 * row.size]
    ours = jax.jit(row.net.gradient)(row.params, fn.Batch(jax.numpy.asarray(v), jax.numpy.asarray(samples)))
    theirs = rbm_peers.torch_gradient(model.arrays, v, samples)
    found = difference([np.asarray(leaf) for leaf in theirs], row.flat(ours))
    return Entered(fastest(row, _threaded(row, model, device), drawn_order(row.size * row.steps)), found)


def _threaded(row: Row, model: Boltzmann, device: str) -> list[Session]:

    def session(threads):
        loop = rbm_peers.torch_rbm(model.arrays, row.inputs, row.size, model.persistent, device)

        def epoch(order):  # it draws an order of its own
            with _running(threads, device):
                loop()

        return Session(f"threads: {threads}", epoch, list)

    return [session(threads) for threads in _counts(device)]


def _counts(device: str) -> list[int]:
    """The numbers of threads that are tried: one and all; on an accelerator they hardly matter."""
    import torch

    return sorted({1, torch.get_num_threads()}) if device == "cpu" else [torch.get_num_threads()]


@contextlib.contextmanager
def _running(threads: int, device: str) -> Iterator[None]:
    """With so many threads, and until the device is done."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    if device != "cpu":
        torch.cuda.synchronize()
    torch.set_num_threads(before)

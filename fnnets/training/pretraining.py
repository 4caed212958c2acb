"""Greedy layer-wise pretraining: a stack of machines, each trained on what the one below makes of the data.

    v(1) = the data;   machine l is fitted to v(l);   v(l+1) = E[h | v(l)] of machine l, its means and not samples

| symbol | name in code | shape |
|---|---|---|
| v(l) | `train.inputs`, replaced from layer to layer | (N, p) |
| W, b, c of machine l | `result.params[l]` | (q, p), (p,), (q,) |

The probabilities are data for the next machine [Hinton2006b]: less noise than samples. Memory: beside the data, the
means of one layer while a machine is trained, and of two while the next ones are computed, in chunks.

Source: [Hinton2006a]; [Hinton2006b], whose supporting text has the settings: CD-1, batches of 100, rate 0.1 (0.001 for
the linear code), weight cost 0.0002, momentum 0.5, then 0.9.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import optax

from fnnets import batches, checks
from fnnets.core import Batch, Network
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.networks import energies, sampling
from fnnets.networks.boltzmann import CONTRASTIVE_DIVERGENCE, boltzmann
from fnnets.training.boundary import check_settings, prepare
from fnnets.training.fit import Result, fit
from fnnets.training.history import History
from fnnets.training.progress import Kind

if TYPE_CHECKING:
    from jaxtyping import Array

CHUNK = 1000
CODES = ("gaussian", "binary")


class Pretrained(NamedTuple):
    """What pretraining hands back, an entry for each machine that was trained.

    Attributes:
        params: W, b and c; `fn.networks.coding.unroll` makes an autoencoder's parameters of them.
        histories: metrics for each epoch.
        stopped: why the training of each ended, in words.
    """

    params: tuple[BoltzmannParams, ...]
    histories: tuple[History, ...]
    stopped: tuple[str, ...]


def pretrain(
    machines: Sequence[Network],
    optimizers: optax.GradientTransformation | Sequence[optax.GradientTransformation],
    train: Batch,
    *,
    key: Array,
    epochs: int | Sequence[int] = 10,
    batch_size: int | Sequence[int] = 100,
    validation: Batch | None = None,
    gradient: str | Callable[..., Any] = "explicit",
    monitor_training: bool = True,
    progress: Kind = "auto",
) -> Pretrained:
    """Fit each machine to the hidden means of the one below, the first to the data.

    Ctrl-C ends it after the running epoch: what was learnt so far comes back, and the machines above are missing.

    Args:
        machines: from `machines_for`, or by hand from `fn.boltzmann`, the one that sees the data first.
        optimizers: one for all, or one for each; a linear code needs a far smaller rate than the others.
        train: the data, `fn.Batch(v)`.
        key: PRNG key; the i-th machine has `jax.random.fold_in(key, i)`.
        epochs, batch_size: as for `fit`; one for all, or one for each.
        validation: data to judge by after each epoch; their hidden means are judged by the machines above.
        gradient, monitor_training, progress: as for `fit`.

    Raises:
        TypeError, ValueError: machines that are none or do not stack, lists of another length, data that the first
            machine does not take, settings that `fit` refuses.

    >>> import jax, fnnets as fn
    >>> v = jax.random.uniform(jax.random.key(0), (40, 6))
    >>> stack = pretrain(machines_for([6, 4, 2]), fn.training.momentum(0.01), fn.Batch(v), key=jax.random.key(1),
    ...                  epochs=2, batch_size=10, progress="silent")
    >>> [part.weights.shape for part in stack.params]
    [(4, 6), (2, 4)]
    """
    _check_stack(machines)
    checks.is_key(key, "pretrain: key")
    given = ("optimizers", optimizers), ("epochs", epochs), ("batch_size", batch_size)
    settings = list(zip(*(_each(value, len(machines), name) for name, value in given), strict=True))
    for net, (optimizer, own_epochs, size) in zip(machines, settings, strict=True):
        check_settings(net, optimizer, own_epochs, size, None, "cost")
    data, judged = prepare(machines[0], train, validation, max(size for *_, size in settings), False)
    results: list[Result] = []
    for i, (net, (optimizer, own_epochs, size)) in enumerate(zip(machines, settings, strict=True)):
        if results:
            below = machines[i - 1], results[-1].params
            data, judged = _above(*below, data), {name: _above(*below, part) for name, part in judged.items()}
        results.append(fit(
            net, optimizer, data, key=jax.random.fold_in(key, i), epochs=own_epochs, batch_size=size, gradient=gradient,
            validation=judged.get("validation"), monitor_training=monitor_training, progress=progress,
        ))  # fmt: skip
        if results[-1].stopped.startswith("interrupted"):
            break
    return Pretrained(*zip(*((each.params, each.history, each.stopped) for each in results), strict=True))


def machines_for(
    sizes: Sequence[int],
    *,
    code: str = "gaussian",
    visible_units: str = "binary",
    sampler: sampling.Rule = CONTRASTIVE_DIVERGENCE,
    mean: Any = None,
    l2: float = 0.0,
    deviation: float = 0.01,
) -> list[Network]:
    """The stack of machines for an autoencoder of these sizes: binary units, but for the code and perhaps the data.

    Args:
        sizes: as for `fn.autoencoder`: [784, 1000, 500, 250, 30] are four machines.
        code: hidden units of the last machine: "gaussian" for a linear code, "binary" for a sigmoid one.
        visible_units: those of the first machine, "gaussian" for real data.
        sampler: as for `fn.boltzmann`, for each of them.
        mean: (p,) mean of the data, for the first machine's visible biases.
        l2: λ of λ/2n Σ w², for each of them.
        deviation: standard deviation of the initial weights.

    Raises:
        TypeError, ValueError: fewer than two sizes, kinds that are none, what `fn.boltzmann` refuses.

    >>> [(*rbm.input_shape, *rbm.output_shape, rbm.family.hidden.name) for rbm in machines_for([784, 500, 30])]
    [(784, 500, 'binary'), (500, 30, 'gaussian')]
    """
    if not isinstance(sizes, Sequence) or isinstance(sizes, str) or len(sizes) < 2:
        raise ValueError(f"machines_for: sizes is {sizes!r}, expected at least two sizes; write [inputs, …, code]")
    if code not in CODES:
        raise ValueError(f"machines_for: code is {code!r}, expected one of {', '.join(CODES)}; choose one")
    sizes = checks.shape(tuple(sizes), "machines_for: sizes")
    last = len(sizes) - 2
    return [
        boltzmann(
            visible, hidden, visible_units=visible_units if i == 0 else "binary",
            hidden_units=code if i == last else "binary", sampler=sampler, mean=mean if i == 0 else None,
            deviation=deviation, l2=l2,
        )
        for i, (visible, hidden) in enumerate(itertools.pairwise(sizes))
    ]  # fmt: skip


def _above(net: Network, params: BoltzmannParams, data: Batch) -> Batch:
    """The hidden means of the data, as data for the machine above."""
    return data._replace(inputs=_means(net.family.hidden.mean, params, data.inputs))


@functools.partial(jax.jit, static_argnums=0)
def _means(mean, params, v):
    """E[h | v], chunk by chunk."""
    return jax.lax.map(lambda v: mean(energies.hidden_inputs(params, batches.cast(v, params))), v, batch_size=CHUNK)


def _each(value, count, name) -> Sequence[Any]:
    """A setting for each of `count` machines; an optimiser is a tuple itself, and one for all."""
    if not isinstance(value, list | tuple) or hasattr(value, "init"):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"pretrain: {name} holds {len(value)} entries, expected {count}, one for each machine; "
            "a single one serves them all"
        )
    return value


def _check_stack(machines) -> None:
    if not isinstance(machines, Sequence) or isinstance(machines, Network) or len(machines) == 0:
        raise TypeError(f"pretrain: machines is {machines!r}, expected a list of machines; use machines_for(sizes)")
    kinds = [energies.of(net, "pretrain") for net in machines]
    for i, (below, above) in enumerate(itertools.pairwise(machines)):
        if below.output_shape != above.input_shape:
            raise ValueError(
                f"pretrain: machines[{i}] has {below.output_shape[0]} hidden units, but machines[{i + 1}] "
                f"{above.input_shape[0]} visible ones, expected as many; use machines_for(sizes)"
            )
        if kinds[i].hidden.domain is None and kinds[i + 1].visible.domain is not None:
            raise ValueError(
                f"pretrain: machines[{i}] has Gaussian hidden units, but machines[{i + 1}] binary visible ones, "
                "expected means from 0 to 1; leave Gaussian codes to the last machine"
            )

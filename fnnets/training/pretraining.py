"""Greedy layer-wise pretraining: a stack of RBMs, each trained on what the one below makes of the data.

    v(1) = the data;   RBM l is fitted to v(l);   v(l+1) = E[h | v(l)] of RBM l, its means and not samples

| symbol | name in code | shape |
|---|---|---|
| v(l) | `train.inputs`, replaced from layer to layer | (N, p) |
| W, b, c of RBM l | `result.params[l]` | (q, p), (p,), (q,) |

The probabilities are data for the next RBM [Hinton2006b]: less noise than samples. Memory: beside the data, the
means of one layer while an RBM is trained, and of two while the next ones are computed, in chunks.

Source: [Hinton2006a]; [Hinton2006b], whose supporting text has the settings: CD-1, batches of 100, rate 0.1 (0.001 for
the linear code), weight cost 0.0002, momentum 0.5, then 0.9.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import optax
from jax.typing import ArrayLike

from fnnets.boltzmann import energies, sampling
from fnnets.boltzmann.network import CONTRASTIVE_DIVERGENCE, rbm
from fnnets.core import batches, calls, validate
from fnnets.core.types import Batch, Network
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.storage.progress import Progress
from fnnets.training.fit import Result, fit
from fnnets.training.gradients import check_gradient
from fnnets.training.inputs import check_settings, prepare
from fnnets.training.metrics import History

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

CHUNK = 1000
CODES = ("gaussian", "binary")


class Pretrained(NamedTuple):
    """Result of pretraining, an entry for each RBM that was trained.

    Attributes:
        params: W, b and c; `fn.autoencoders.unroll` makes an autoencoder's parameters of them.
        histories: metrics for each epoch.
        stopped: why the training of each ended, in words.
    """

    params: tuple[BoltzmannParams, ...]
    histories: tuple[History, ...]
    stopped: tuple[str, ...]


@calls.strict("pretrain")
def pretrain(
    rbms: Sequence[Network],
    optimizers: optax.GradientTransformation | Sequence[optax.GradientTransformation],
    train: Batch,
    *,
    key: Array,
    epochs: int | Sequence[int] = 10,
    batch_size: int | Sequence[int] = 100,
    validation: Batch | None = None,
    gradient: str | Callable[..., PyTree] = "explicit",
    evaluate_training: bool = True,
    progress: Progress = "auto",
) -> Pretrained:
    """Fit each RBM to the hidden means of the one below, the first to the data.

    Ctrl-C ends it after the running epoch: what was learnt so far comes back, and the RBMs above are missing.

    Args:
        rbms: from `rbm_stack`, or by hand from `fn.boltzmann`, the one that sees the data first.
        optimizers: one for all, or one for each; a linear code needs a far smaller rate than the others.
        train: the data, `fn.Batch(v)`.
        key: PRNG key; the i-th RBM has `jax.random.fold_in(key, i)`.
        epochs, batch_size: as for `fit`; one for all, or one for each.
        validation: data on which each RBM is evaluated after each epoch: the hidden means of those for the one below.
        gradient, evaluate_training, progress: as for `fit`.

    Raises:
        TypeError, ValueError: RBMs that are none or do not stack, lists of another length, data that the first
            RBM does not take, settings that `fit` refuses.

    >>> import jax, optax, fnnets as fn
    >>> v = jax.random.uniform(jax.random.key(0), (40, 6))
    >>> stack = pretrain(rbm_stack([6, 4, 2]), optax.sgd(0.01), fn.Batch(v), key=jax.random.key(1),
    ...                  epochs=2, batch_size=10, progress=False)
    >>> [part.weights.shape for part in stack.params]
    [(4, 6), (2, 4)]
    """
    _check_stack(rbms)
    validate.is_key(key, "pretrain: key")
    given = ("optimizers", optimizers), ("epochs", epochs), ("batch_size", batch_size)
    settings = list(zip(*(_each(value, len(rbms), name) for name, value in given), strict=True))
    with calls.named_as("pretrain", instead_of="fit"):
        for i, (net, each) in enumerate(zip(rbms, settings, strict=True)):
            _check_each(net, each, f"of rbms[{i}]")
        check_gradient(gradient)
        validate.flag(evaluate_training, "pretrain: evaluate_training", "True costs a forward pass through the data")
        validate.choice(progress, (True, False, "auto"), "pretrain: progress")
        data, monitored = prepare(rbms[0], train, validation, max(size for *_, size in settings), False)
    results: list[Result] = []
    for i, (net, (optimizer, own_epochs, size)) in enumerate(zip(rbms, settings, strict=True)):
        if results:
            below = rbms[i - 1], results[-1].params
            data, monitored = _above(*below, data), {name: _above(*below, part) for name, part in monitored.items()}
        results.append(fit(
            net, optimizer, data, key=jax.random.fold_in(key, i), epochs=own_epochs, batch_size=size, gradient=gradient,
            validation=monitored.get("validation"), evaluate_training=evaluate_training, progress=progress,
        ))  # fmt: skip
        if results[-1].stopped.startswith("interrupted"):
            break
    return Pretrained(*zip(*((each.params, each.history, each.stopped) for each in results), strict=True))


@calls.strict("rbm_stack")
def rbm_stack(
    sizes: Sequence[int],
    *,
    code_units: str = "gaussian",
    visible_units: str = "binary",
    sampler: sampling.Rule = CONTRASTIVE_DIVERGENCE,
    mean: ArrayLike | None = None,
    l2: float = 0.0,
    deviation: float = 0.01,
) -> list[Network]:
    """The stack of RBMs for an autoencoder of these sizes: binary units, but for the code and perhaps the data.

    Args:
        sizes: as for `fn.autoencoder`: [784, 1000, 500, 250, 30] are four RBMs.
        code_units: hidden units of the last RBM: "gaussian" for a linear code, "binary" for a sigmoid one.
        visible_units: those of the first RBM, "gaussian" for real data.
        sampler: as for `fn.boltzmann`, for each of them.
        mean: (p,) mean of the data, for the first RBM's visible biases.
        l2: λ of λ/2n Σ w², for each of them.
        deviation: standard deviation of the initial weights.

    Raises:
        TypeError, ValueError: fewer than two sizes, kinds that are none, what `fn.boltzmann` refuses.

    >>> [(*rbm.input_shape, *rbm.output_shape, rbm.family.hidden.name) for rbm in rbm_stack([784, 500, 30])]
    [(784, 500, 'binary'), (500, 30, 'gaussian')]
    """
    if not isinstance(sizes, Sequence) or isinstance(sizes, str) or len(sizes) < 2:
        raise ValueError(
            f"rbm_stack: sizes is {sizes!r}, expected a list of two sizes or more; write [inputs, …, code]"
        )
    if code_units not in CODES:
        raise ValueError(f"rbm_stack: code_units is {code_units!r}, expected one of {', '.join(CODES)}; choose one")
    sizes = validate.shape(tuple(sizes), "rbm_stack: sizes")
    last = len(sizes) - 2
    return [
        rbm(
            visible, hidden, visible_units=visible_units if i == 0 else "binary",
            hidden_units=code_units if i == last else "binary", sampler=sampler, mean=mean if i == 0 else None,
            deviation=deviation, l2=l2,
        )
        for i, (visible, hidden) in enumerate(itertools.pairwise(sizes))
    ]  # fmt: skip


def _above(net: Network, params: BoltzmannParams, data: Batch) -> Batch:
    """The hidden means of the data, as data for the RBM above."""
    return data._replace(inputs=_means(net.family.hidden.mean, params, data.inputs))


@functools.partial(jax.jit, static_argnums=0)
def _means(mean, params, v):
    """E[h | v], chunk by chunk."""
    return jax.lax.map(lambda v: mean(energies.hidden_inputs(params, batches.cast(v, params))), v, batch_size=CHUNK)


def _each(value, count, name) -> Sequence[PyTree]:
    """A setting for each of `count` RBMs; an optimiser is a tuple itself, and one for all."""
    if not isinstance(value, list | tuple) or hasattr(value, "init"):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"pretrain: {name} holds {len(value)} entries, expected {count}, one for each RBM; "
            "a single one serves them all"
        )
    return value


def _check_each(net, settings, which: str) -> None:
    """Raise unless optimizer, epochs and batch size of one RBM are of their kinds."""
    optimizer, epochs, batch_size = settings
    validate.is_optimizer(optimizer, f"pretrain: optimizers {which}")
    validate.count(epochs, f"pretrain: epochs {which}", "give the number of passes through the data", least=0)
    validate.count(batch_size, f"pretrain: batch_size {which}", "give the number of examples in a minibatch")
    check_settings(net, optimizer, epochs, batch_size, None, "cost")


def _check_stack(rbms) -> None:
    if not isinstance(rbms, Sequence) or isinstance(rbms, Network) or len(rbms) == 0:
        came = repr(rbms) if isinstance(rbms, list | tuple) and not rbms else f"of type {type(rbms).__name__}"
        raise TypeError(f"pretrain: rbms is {came}, expected a list of RBMs; use rbm_stack(sizes)")
    kinds = [energies.of(net, f"pretrain: rbms[{i}]") for i, net in enumerate(rbms)]
    for i, (below, above) in enumerate(itertools.pairwise(rbms)):
        if below.output_shape != above.input_shape:
            raise ValueError(
                f"pretrain: rbms[{i}] has {below.output_shape[0]} hidden units, but rbms[{i + 1}] "
                f"{above.input_shape[0]} visible ones, expected as many; use rbm_stack(sizes)"
            )
        if kinds[i].hidden.domain is None and kinds[i + 1].visible.domain is not None:
            raise ValueError(
                f"pretrain: rbms[{i}] has Gaussian hidden units, but rbms[{i + 1}] binary visible ones, "
                "expected means from 0 to 1; leave Gaussian codes to the last RBM"
            )

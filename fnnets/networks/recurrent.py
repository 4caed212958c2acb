"""Recurrent networks: recurrent layers in a chain, a linear layer behind them, and an objective.

    forward:   a(0) = x,  a(l)[t] = cell_l(a(l)[t−1], a(l−1)[t])           l = 1 … L−1
               z[t] = a(L−1)[t] Wᵀ + b                                     an answer at every step
               z = a(L−1)[T] Wᵀ + b                                        or one for the sequence
               C = 1/N Σ_n 1/T_n Σ_t c(z[t,n], y[t,n]) + λ/2n Σ w²
    backward:  δ(L)[t] = 1/N 1/T_n ∂c/∂z[t]                                (7); (1) for one
               δ(l)[t] by each layer's own backward pass                   (8), simple layers
               ∂C/∂w, ∂C/∂b                                                (9)-(14)

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (T, N, m), time-major |
| y | `batch.targets` | (T, N, d) or (T, N) labels; one for the sequence: (N, d) or (N,) |
| padding | `batch.mask` | (T, N) bool |
| parameters of layer l | `params[l − 1]` | as the layer has them |

Source: [Rauber], section 6; for other cells that of their layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fnnets import activations, initializers, layers
from fnnets.core import calls, validate
from fnnets.core.chain import chain
from fnnets.core.construction import constructor
from fnnets.core.network import check_outputs, network
from fnnets.core.types import Layer, Network, Objective
from fnnets.networks import arguments

CELLS: dict[str, Callable[..., Layer]] = {
    "simple": layers.recurrent, "lstm": layers.lstm, "lstm_peepholes": layers.lstm_peepholes,
    "lstm_1997": layers.lstm_1997, "gru": layers.gru,
}  # fmt: skip


@constructor
def recurrent(
    sizes: Sequence[int],
    cell: str = "simple",
    *,
    objective: Objective,
    activation: activations.Activation | None = None,
    return_sequences: bool = True,
    bidirectional: bool = False,
    dropout: float | None = None,
    l2: float = 0.0,
    initializer: initializers.Initializer | None = None,
    implementation: str = "fast",
    **options: Any,
) -> Network:
    """A recurrent network of the given layer sizes.

    Args:
        sizes: features of a step first, then units of each recurrent layer, then outputs: [m, hidden, d].
        cell: "simple", "lstm", "lstm_peepholes", "lstm_1997" or "gru".
        objective: output activation and cost.
        activation: σ of simple cells; None for the sigmoid.
        return_sequences: whether there is an output at each step, (T, N, d), or one for each sequence, (N, d).
        bidirectional: whether each recurrent layer reads the sequence from both ends.
        dropout: the rate, in [0, 1): the probability with which an output of a recurrent layer is dropped in
            training; None for none.
        l2: λ of λ/2n Σ w².
        initializer: initial values of weights and biases; None for the layers' own choice.
        implementation: "fast", the cells' kernels, or "plain", their pages; both give the same.
        options: further options of the cells: learn_initial_state, truncate, checkpoint_every; of lstm and
            lstm_peepholes also forget_bias.

    Raises:
        TypeError, ValueError: fewer than three sizes, a size that is no int ≥ 1, another cell, a
            `return_sequences` that is no bool, an
            activation for gated cells, an option that the cell does not have, an objective that is none.

    >>> import jax, fnnets as fn
    >>> net = fn.recurrent([3, 8, 2], cell="lstm", objective=fn.objectives.softmax_log_likelihood)
    >>> net.predict(net.init(jax.random.key(0)), jax.numpy.ones((7, 5, 3))).shape
    (7, 5, 2)
    """
    sizes = arguments.sizes(sizes, "recurrent", 3, "write [features, units, outputs]")
    arguments.objective(objective, "recurrent")
    check_outputs(objective, sizes[-1:], "recurrent: sizes")
    validate.flag(bidirectional, "recurrent: bidirectional", "True reads from both ends")
    validate.flag(return_sequences, "recurrent: return_sequences", "True answers at every step")
    if dropout is not None:
        validate.rate(dropout, "recurrent: dropout")
    validate.at_least(l2, 0.0, "recurrent: l2", "λ = 0 switches the penalty off")
    make = _maker(cell, activation, initializer, {"implementation": implementation, **options})
    parts, last = [], len(sizes) - 3
    for position, size in enumerate(sizes[1:-1]):
        is_answer = position == last and not return_sequences
        one = make(size, return_sequences=bidirectional or not is_answer)
        parts.append(layers.bidirectional(one) if bidirectional else one)
        if is_answer and bidirectional:
            parts.append(layers.last_step(both_ends=True))
        if dropout is not None:
            parts.append(layers.dropout(dropout))
    output = layers.dense(sizes[-1]) if initializer is None else layers.dense(sizes[-1], initializer=initializer)
    return network(chain(*parts, output), objective, sizes[:1], l2)


def _maker(cell, activation, initializer, options) -> Callable[..., Layer]:
    """A function of size and return_sequences that makes the layer."""
    validate.choice(cell, tuple(CELLS), "recurrent: cell")
    if activation is not None:
        if cell != "simple":
            raise ValueError(
                f"recurrent: activation is given for cell {cell!r}, expected it for 'simple' alone; leave it out"
            )
        options = {"activation": activation, **options}
    if initializer is not None:
        options = {"initializer": initializer, **options}

    for name in options:
        _check_option(name, cell)

    def make(size, return_sequences):
        with calls.named_as("recurrent"):
            return CELLS[cell](size, return_sequences=return_sequences, **options)

    return make


def _check_option(name: str, cell: str) -> None:
    """Raise a TypeError unless the cell has an option of this name."""
    known = {each: tuple(inspect.signature(made).parameters) for each, made in CELLS.items()}
    if name in known[cell]:
        return
    others = [each for each in CELLS if name in known[each]]
    if others:
        raise TypeError(
            f"recurrent: {name} is no option of cell {cell!r}, expected one of {', '.join(known[cell])}; leave it out, "
            f"or take cell {' or '.join(map(repr, others))}"
        )
    own = [each for each in inspect.signature(recurrent).parameters if each != "options"]
    text = calls.no_argument("recurrent", name, [*own, *(each for each in known[cell] if each not in (*own, "units"))])
    raise TypeError(text.replace("is no argument", f"is no option of cell {cell!r}"))

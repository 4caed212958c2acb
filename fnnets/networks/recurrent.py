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
from fnnets.core import validate
from fnnets.core.chain import chain
from fnnets.core.construction import constructor
from fnnets.core.network import network
from fnnets.core.types import Layer, Network, Objective

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
    if not isinstance(sizes, Sequence) or isinstance(sizes, str) or len(sizes) < 3:
        raise ValueError(f"recurrent: sizes is {sizes!r}, expected at least three; write [features, units, outputs]")
    sizes = validate.shape(tuple(sizes), "recurrent: sizes")
    validate.is_instance(objective, Objective, "recurrent: objective", "take one from fnnets.objectives")
    validate.is_instance(bidirectional, bool, "recurrent: bidirectional", "write True or False")
    make = _maker(cell, activation, initializer, {"implementation": implementation, **options})
    validate.is_instance(return_sequences, bool, "recurrent: return_sequences", "write True or False")
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
    if cell not in CELLS:
        raise ValueError(f"recurrent: cell is {cell!r}, expected one of {', '.join(map(repr, CELLS))}; choose one")
    if activation is not None:
        if cell != "simple":
            raise ValueError(
                f"recurrent: activation is given for cell {cell!r}, expected it for 'simple' alone; leave it out"
            )
        options = {"activation": activation, **options}
    if initializer is not None:
        options = {"initializer": initializer, **options}

    def make(size, return_sequences):
        try:
            return CELLS[cell](size, return_sequences=return_sequences, **options)
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            name = str(error).split("'")[-2]
            known = ", ".join(inspect.signature(CELLS[cell]).parameters)
            raise TypeError(
                f"recurrent: {name} is no option of cell {cell!r}, expected one of {known}; correct it, or take "
                f"another cell of {', '.join(CELLS)}"
            ) from None

    return make

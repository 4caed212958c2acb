"""Feedforward networks: dense layers in a chain, the last one linear, and an objective behind it.

    forward:   a(0) = x,  z(l) = a(l-1) W(l)ᵀ + b(l),  a(l) = σ(z(l)),  C = mean c(z(L), y) + λ/2n Σ w²
    backward:  δ(L) = ∂c/∂z(L)                            (1)
               δ(l) = (δ(l+1) W(l+1)) ⊙ σ'(z(l))          (2)
               ∂C/∂b, ∂C/∂W                               (3)-(6)

| symbol | name in code | shape |
|---|---|---|
| W(l) | `params[i].weights` | (q, p) |
| b(l) | `params[i].biases` | (q,) |

The i-th entry of `params` belongs to the i-th layer of the chain; dropout layers hold the empty tuple.
Source: [Rauber], sections 2-4.
"""

from __future__ import annotations

from collections.abc import Sequence

from fnnets import activations, initializers, layers
from fnnets.core import validate
from fnnets.core.chain import chain
from fnnets.core.construction import constructor
from fnnets.core.network import check_outputs, network
from fnnets.core.types import Network, Objective
from fnnets.networks import arguments


@constructor
def feedforward(
    sizes: Sequence[int],
    activation: activations.Activation = activations.sigmoid,
    *,
    objective: Objective,
    dropout: float | None = None,
    l2: float = 0.0,
    initializer: initializers.Initializer = initializers.default,
) -> Network:
    """A fully connected network of the given layer sizes.

    Args:
        sizes: units of each layer, the inputs first: [64, 30, 10] has one hidden layer of 30.
        activation: σ of the hidden layers.
        objective: output activation and cost.
        dropout: the rate, in [0, 1): the probability with which a hidden unit is dropped in training; None for none.
        l2: λ of λ/2n Σ w².
        initializer: initial values of weights and biases.

    Raises:
        TypeError, ValueError: fewer than two sizes, a size that is no int ≥ 1, a dropout rate outside
            [0, 1), λ < 0, an objective that is none.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([64, 30, 10], objective=fn.objectives.softmax_log_likelihood)
    >>> [layer.weights.shape for layer in net.init(jax.random.key(0))]
    [(30, 64), (10, 30)]
    """
    sizes = arguments.sizes(sizes, "feedforward", 2, "write [inputs, …, outputs]")
    arguments.activation(activation, "feedforward")
    arguments.objective(objective, "feedforward")
    arguments.initializer(initializer, "feedforward")
    check_outputs(objective, sizes[-1:], "feedforward: sizes")
    if dropout is not None:
        validate.rate(dropout, "feedforward: dropout")
    validate.at_least(l2, 0.0, "feedforward: l2", "λ = 0 switches the penalty off")
    parts = []
    for size in sizes[1:-1]:
        parts.append(layers.dense(size, activation, initializer))
        if dropout is not None:
            parts.append(layers.dropout(dropout))
    return network(chain(*parts, layers.dense(sizes[-1], initializer=initializer)), objective, sizes[:1], l2)

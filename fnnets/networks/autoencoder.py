"""Deep autoencoders: an encoder, a code, a mirrored decoder, and a target that is the input.

    forward:   h(0) = x̃,  h(l) = σ(h(l-1) W(l)ᵀ + c(l)),  the code is h(L) = σ_code(t),  t = h(L-1) W(L)ᵀ + c(L)
               the decoder has the same sizes from back to front, its last layer linear:  z,  C = mean c(z, x) + S(t)
    backward:  δ(L) = ∂c/∂z(z, x)                          (1)
               the layers' own walk                        (2)-(6)
               tied: dW = ∂C/∂W + (∂C/∂V)ᵀ                 `layers.tied`, V = Wᵀ
               sparse: ∂C/∂t ← ∂C/∂t + ∂S/∂t               `layers.with_inputs`, `fnnets.core.sparsity`

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs`; the targets too, unless others are given | (N, p) |
| x̃ | x, corrupted in training where `corruption` is given; the target is x | (N, p) |
| W, c of the encoder, V, b of the decoder | `params[-2]`, `params[-1]`, a tuple of `DenseParams` each | (q, p), (q,) |
| the same, tied | `params`, `TiedParams` | |

With corruption `params[0]` is the empty tuple of that layer, with a sparsity target that of the code's activation is
`params[-1][0]`; `fnnets.networks.autoencoders` finds the halves in all of them.

Source: [Hinton2006b]; [Vincent2010] (corruption, tied weights); [Ng2011] (sparsity). The notes name autoencoders, and
have no text on them; (1)-(6) are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax

from fnnets import activations, initializers, layers, objectives
from fnnets.activations import Activation
from fnnets.core import batches, calls, network, remedies, sparsity, validate
from fnnets.core.chain import chain
from fnnets.core.construction import constructor
from fnnets.core.types import Layer, Network, Objective
from fnnets.networks import arguments
from fnnets.networks.autoencoders import Coder

CORRUPTION = "give the fraction of inputs that are lost, or fnnets.layers.corruption(level, kind)"


@constructor
def autoencoder(
    sizes: Sequence[int],
    activation: Activation = activations.sigmoid,
    *,
    code_activation: Activation = activations.identity,
    objective: Objective = objectives.sigmoid_cross_entropy,
    tied: bool = False,
    corruption: float | Layer | None = None,
    sparsity: sparsity.Sparsity | float | None = None,
    l2: float = 0.0,
    initializer: initializers.Initializer = initializers.default,
) -> Network:
    """An encoder of the given sizes and its mirror image; train it with `fn.fit(net, …, fn.Batch(x))`.

    `fn.autoencoders` has its halves, `encode` and `decode`, and what it may begin as or become.

    Args:
        sizes: units of each of the encoder's layers, the inputs first: [784, 1000, 500, 250, 30] has codes of 30.
        activation: σ of the hidden layers, on both sides.
        code_activation: σ of the code: linear, or `fn.activations.sigmoid`.
        objective: output activation and cost. For sigmoid cross-entropy inputs lie in [0, 1]; for real data take
            `fn.objectives.linear_squared_error`.
        tied: give the decoder the encoder's weights, transposed.
        corruption: the fraction of inputs that training sets to zero, or a layer, `fn.layers.corruption(level, kind)`;
            the target stays clean. None for none.
        sparsity: the mean activity that the units of a sigmoid code should have, a number or
            `fn.Sparsity(mean, weight)`.
        l2: λ of λ/2n Σ w²; tied weights count once.
        initializer: initial values of weights and biases.

    Raises:
        TypeError, ValueError: fewer than two sizes, a size that is no int ≥ 1, parts of other types, numbers out of
            range, a sparsity target for a code that is not sigmoid.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.autoencoder([6, 4, 2], tied=True, corruption=0.3)
    >>> x = jax.random.uniform(jax.random.key(0), (40, 6))
    >>> result = fn.fit(net, fn.training.momentum(0.1), fn.Batch(x), key=jax.random.key(1), progress=False)
    >>> fn.autoencoders.encode(net, result.params, x).shape, net.predict(result.params, x).shape
    ((40, 2), (40, 6))
    """
    sizes = arguments.sizes(sizes, "autoencoder", 2, "write [inputs, …, code]")
    arguments.activation(activation, "autoencoder")
    arguments.activation(code_activation, "autoencoder", "code_activation")
    arguments.objective(objective, "autoencoder")
    arguments.initializer(initializer, "autoencoder")
    network.check_outputs(objective, sizes[:1], "autoencoder: sizes")
    validate.flag(tied, "autoencoder: tied", "True gives the decoder the encoder's weights")
    validate.at_least(l2, 0.0, "autoencoder: l2", "λ = 0 switches the penalty off")
    coder = Coder(*_halves(sizes, activation, code_activation, initializer), tied)
    activity = None if sparsity is None else _activity(sparsity, code_activation)
    front = () if corruption is None else (_corruption(corruption, sizes[:1]),)
    inner = coder if activity is None else _with_weighted_inputs(coder, sizes[-1], code_activation, initializer)
    layer = chain(*front, inner.encoder, inner.decoder)
    layer = layers.tied(layer) if tied else layer
    expected = jax.eval_shape(lambda key: layer.init(key, sizes[:1])[0], jax.random.key(0))
    net = network.assemble(
        layer, objective, sizes[:1], l2, expected, sizes[:1],
        targets=batches.INPUTS, activity=activity,
    )  # fmt: skip
    return net._replace(family=coder)


def _halves(sizes, activation, code_activation, initializer) -> tuple[Layer, Layer]:
    """Encoder and decoder as chains of dense layers."""
    there = [layers.dense(size, activation, initializer) for size in sizes[1:-1]]
    back = [layers.dense(size, activation, initializer) for size in sizes[-2:0:-1]]
    code = layers.dense(sizes[-1], code_activation, initializer)
    output = layers.dense(sizes[0], initializer=initializer)
    return chain(*there, code), chain(*back, output)


def _with_weighted_inputs(coder: Coder, size, activation, initializer) -> Coder:
    """The same halves with the code's activation in the decoder, which gives the code's t beside its outputs."""
    encoder = chain(*coder.encoder.parts[:-1], layers.dense(size, initializer=initializer))
    activated = chain(layers.activate(activation), *coder.decoder.parts)
    return Coder(encoder, layers.with_inputs(activated), coder.tied)


def _activity(target, activation):
    if activation != activations.sigmoid:
        raise ValueError(
            f"autoencoder: sparsity is given for a code of {activation.name} units, expected sigmoid ones, whose "
            "activity lies between 0 and 1; write code_activation=fnnets.activations.sigmoid"
        )
    return sparsity.activity(target, "autoencoder: sparsity")


def _corruption(given, shape) -> Layer:
    """The layer that corrupts: masking where a level is given."""
    if not isinstance(given, Layer):
        validate.number(given, "autoencoder: corruption", remedies.instead(given, Layer, CORRUPTION))
        with calls.named_as("autoencoder: corruption"):
            return layers.corruption(given)
    outputs: list[tuple[int, ...]] = []

    def init(key):
        params, after = given.init(key, shape)
        outputs.append(after)
        return params

    params = jax.eval_shape(init, jax.random.key(0))
    if jax.tree.leaves(params) or outputs[0] != shape:
        raise ValueError(
            f"autoencoder: corruption is {given.name}, which has parameters or gives outputs of shape {outputs[0]}, "
            f"expected none and {shape}; take fnnets.layers.corruption or fnnets.layers.dropout"
        )
    return given

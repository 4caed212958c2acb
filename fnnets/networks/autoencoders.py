"""Autoencoders in use: encode, decode, begin from a stack of RBMs, become a classifier.

    encode          h = encoder(x)
    decode          x̂ = σ(decoder(h))                                  encode, then decode: what the network predicts
    unroll          RBM l has E = −b·v − c·h − h·Wv:  encoder layer l begins as (W, c), its mirror image as (Wᵀ, b)
    classifier      z = encoder(x) Vᵀ + a                               V and a afresh, the encoder as it is

| symbol | name in code | shape |
|---|---|---|
| x, x̂ | `x`, result | (N, p) |
| h | `code`, result | (N, q) |
| W, b, c | `rbm_params[l]`, `BoltzmannParams` | (q, p), (p,), (q,) |

Unrolled, the autoencoder is the deterministic image of the stack: each layer gives the mean that its RBM gives. A
code of Gaussian hidden units has a linear layer, E[h | v] = W v + c, one of binary units a sigmoid layer. A classifier
with an unrolled encoder is a deep belief network to be fine-tuned.

Source: [Hinton2006b]; [Hinton2006a] for deep belief networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from fnnets import initializers, layers, objectives
from fnnets.core import arrays, batches, calls, validate
from fnnets.core.chain import chain
from fnnets.core.network import check_outputs, network
from fnnets.core.types import Context, Layer, Network, Objective
from fnnets.layers.dense import DenseParams
from fnnets.layers.free_energy import BoltzmannParams
from fnnets.layers.tied import TiedParams, dense_parts, is_dense, untied
from fnnets.networks import arguments

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

Dense = tuple[DenseParams, ...]


class Coder(NamedTuple):
    """An autoencoder's halves, chains of dense layers: `net.family` of what `fn.autoencoder` makes.

    Attributes:
        encoder: from x to h, the code's activation included.
        decoder: from h to the weighted inputs of the output layer.
        tied: whether the decoder's weights are the encoder's, transposed.
    """

    encoder: Layer
    decoder: Layer
    tied: bool


@calls.strict("encode")
def encode(net: Network, params: PyTree, x: Array) -> Float[Array, "n q"]:
    """The code h of each example, without corruption.

    Args:
        net: an autoencoder from `fn.autoencoder`.
        params: its parameters.
        x: (N, p) examples.

    Raises:
        TypeError, ValueError: no autoencoder, parameters of another network; examples of another shape, or NaN.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.autoencoder([6, 4, 2])
    >>> encode(net, net.init(jax.random.key(0)), jnp.ones((5, 6))).shape
    (5, 2)
    """
    coder = of(net, "encode")
    encoder, _ = halves(net, params, "encode")
    x = arrays.inputs(x, net.input_shape, "encode: x")
    return coder.encoder.forward(encoder, batches.cast(x, encoder), Context())[0]


@calls.strict("decode")
def decode(net: Network, params: PyTree, code: Array) -> Float[Array, "n p"]:
    """The example x̂ that each code stands for.

    Args:
        net, params: as for `encode`.
        code: (N, q) codes.

    Raises:
        TypeError, ValueError: as for `encode`.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.autoencoder([6, 4, 2])
    >>> params, x = net.init(jax.random.key(0)), jnp.ones((5, 6))
    >>> bool(jnp.allclose(decode(net, params, encode(net, params, x)), net.predict(params, x)))
    True
    """
    coder = of(net, "decode")
    encoder, decoder = halves(net, params, "decode")
    code = arrays.inputs(code, encoder[-1].biases.shape, "decode: code")
    z, _ = coder.decoder.forward(decoder, batches.cast(code, decoder), Context())
    return net.objective.predict(z)


@calls.strict("unroll")
def unroll(net: Network, rbm_params: Sequence[BoltzmannParams]) -> Any:
    """The autoencoder's parameters from those of a stack of RBMs, one for each of the encoder's layers.

    Args:
        net: an autoencoder, tied or not.
        rbm_params: W, b and c of each RBM, the one that sees the data first: from `fn.training.pretrain`.

    Raises:
        TypeError, ValueError: no autoencoder; parameters of no RBM, of fewer or more RBMs than the encoder has
            layers, or of other sizes, which are named.

    >>> import jax, fnnets as fn
    >>> net, rbms = fn.autoencoder([6, 4, 2]), fn.training.rbm_stack([6, 4, 2])
    >>> params = unroll(net, [rbm.init(jax.random.key(0)) for rbm in rbms])
    >>> [[part.weights.shape for part in half] for half in params]
    [[(4, 6), (2, 4)], [(4, 2), (6, 4)]]
    """
    coder = of(net, "unroll")
    expected = dense_parts(jax.eval_shape(net.init, jax.random.key(0)))
    _check_rbms(rbm_params, expected[: len(coder.encoder.parts)])
    encoder = tuple(DenseParams(part.weights, part.hidden_biases) for part in rbm_params)
    decoder = tuple(DenseParams(part.weights.T, part.visible_biases) for part in rbm_params[::-1])
    return _whole(net, encoder, decoder)


@calls.strict("classifier")
def classifier(
    net: Network,
    params: PyTree,
    classes: int,
    objective: Objective = objectives.softmax_log_likelihood,
    *,
    key: Array,
    l2: float = 0.0,
    initializer: initializers.Initializer = initializers.default,
) -> tuple[Network, PyTree]:
    """A feedforward classifier that begins as the encoder, the code's layer included, with a fresh layer behind it.

    `transfer.freeze` trains the fresh layer alone; plain `fit` fine-tunes them all.

    Args:
        net: an autoencoder.
        params: its parameters, trained ones or from `unroll`; they are left as they are.
        classes: outputs of the new layer, which is linear, as the objective owns the output activation.
        key: PRNG key of the new layer.
        objective: output activation and cost.
        l2: λ of λ/2n Σ w².
        initializer: initial values of the new layer.

    Returns:
        `(new_net, new_params)`; the first for `fit`, the second for its argument `params`.

    Raises:
        TypeError, ValueError: no autoencoder, parameters of another network, `classes` that is no int ≥ 1, no key, an
            objective that is none, λ < 0.

    >>> import jax, fnnets as fn
    >>> net = fn.autoencoder([6, 4, 2])
    >>> new_net, new_params = classifier(net, net.init(jax.random.key(0)), 10, key=jax.random.key(1))
    >>> [part.weights.shape for part in new_params]
    [(4, 6), (2, 4), (10, 2)]
    """
    coder = of(net, "classifier")
    encoder, _ = halves(net, params, "classifier")
    validate.finite_leaves(params, "classifier: params")
    classes = validate.count(classes, "classifier: classes", "give the number of classes")
    arguments.objective(objective, "classifier")
    arguments.initializer(initializer, "classifier")
    check_outputs(objective, (classes,), "classifier: classes")
    validate.at_least(l2, 0.0, "classifier: l2", "λ = 0 switches the penalty off")
    validate.is_key(key, "classifier: key")
    last = layers.dense(classes, initializer=initializer)
    fresh, _ = last.init(key, encoder[-1].biases.shape)
    made = network(chain(*coder.encoder.parts, last), objective, net.input_shape, l2)
    return made, (*encoder, jax.tree.map(lambda leaf: leaf.astype(encoder[-1].biases.dtype), fresh))


@calls.strict("of")
def of(net: Network, user: str) -> Coder:
    """The coder of a network that is an autoencoder."""
    validate.is_instance(net, Network, f"{user}: net", "make one with fnnets.autoencoder")
    if not isinstance(net.family, Coder):
        raise TypeError(f"{user}: net is of {net.layer.name}, expected an autoencoder; make it with fn.autoencoder")
    return net.family


@calls.strict("halves")
def halves(net: Network, params: PyTree, user: str) -> tuple[Dense, Dense]:
    """The parameters of the encoder's layers and of the decoder's, whether they are tied or not."""
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), f"{user}: params")
    parts = untied(params) if net.family.tied else dense_parts(params)
    return parts[: len(parts) // 2], parts[len(parts) // 2 :]


def _whole(net: Network, encoder: Dense, decoder: Dense) -> Any:
    """The network's parameters from those of its halves; tied ones leave the decoder's weights out."""
    if net.family.tied:
        return TiedParams(encoder, tuple(part.biases for part in decoder))
    structure = jax.tree.structure(net.layer.statements, is_leaf=is_dense)
    return jax.tree.unflatten(structure, (*encoder, *decoder))


def _check_rbms(rbm_params, encoder: Dense) -> None:
    """Raise unless there are parameters of an RBM of the right sizes for each of the encoder's layers."""
    if not isinstance(rbm_params, Sequence) or isinstance(rbm_params, str | bytes):
        raise TypeError(
            f"unroll: rbm_params is of type {type(rbm_params).__name__}, expected a list of the parameters of RBMs; "
            "give .params of each that fnnets.training.pretrain returns"
        )
    if len(rbm_params) != len(encoder):
        raise ValueError(
            f"unroll: rbm_params holds {len(rbm_params)} RBMs, expected {len(encoder)}, one for each of "
            "the encoder's layers; pretrain an RBM for each"
        )
    for i, (part, layer) in enumerate(zip(rbm_params, encoder, strict=True)):
        if not isinstance(part, BoltzmannParams):
            raise TypeError(
                f"unroll: rbm_params[{i}] is of type {type(part).__name__}, expected BoltzmannParams; "
                "give .params of what fnnets.training.pretrain returns"
            )
        shapes, (q, p) = tuple(map(np.shape, part)), layer.weights.shape
        if shapes != ((q, p), (p,), (q,)):
            raise ValueError(
                f"unroll: rbm_params[{i}] has W, b, c of shapes {shapes}, expected {((q, p), (p,), (q,))} as the "
                f"encoder's layer {i} has {p} inputs and {q} units; make the RBMs with rbm_stack(sizes)"
            )
        dtype = layer.weights.dtype
        wanted = BoltzmannParams(*(jax.ShapeDtypeStruct(np.shape(leaf), dtype) for leaf in part))  # type: ignore[arg-type]
        validate.like(part, wanted, f"unroll: rbm_params[{i}]", "take them from fnnets.training.pretrain")
        validate.finite_leaves(part, f"unroll: rbm_params[{i}]")

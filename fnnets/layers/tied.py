"""Tied weights: an encoder and a decoder of dense layers, the decoder's weights the encoder's, transposed.

    forward:   V(l) = W(l)ᵀ for the decoder's mirror image of layer l, then forward of the chain that is not tied
    backward:  backward of that chain gives ∂C/∂W and ∂C/∂V;
               dW(l) = ∂C/∂W(l) + (∂C/∂V(l))ᵀ             both terms
               dc, db                                     each bias has its own

| symbol | name in code | shape |
|---|---|---|
| W(l), c(l) | `params.encoder[l].weights`, `.biases` | (q, p), (q,) |
| b(l) | `params.decoder_biases`, in the decoder's order | (p,), the last layer's first |
| V(l) | weights of the decoder's layer in `untied` | (p, q) |

Derivation: C(W, V) with V = Wᵀ has dC = ⟨∂C/∂W, dW⟩ + ⟨∂C/∂V, dWᵀ⟩ = ⟨∂C/∂W + (∂C/∂V)ᵀ, dW⟩. With one layer each,
h = σ(x Wᵀ + c) and z = h W + b: ∂C/∂W = δᵀ x and ∂C/∂V = δ(L)ᵀ h, so dW = δᵀ x + hᵀ δ(L).

The penalty meets each weight once. Source: [Hinton2006b], whose decoder begins so; [Vincent2010], section 2.2, where it
stays so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from fnnets.core import validate
from fnnets.core.construction import constructor
from fnnets.core.types import Layer
from fnnets.layers.dense import DenseParams

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class TiedParams(NamedTuple):
    """The encoder's W and c, first layer first, and the decoder's biases, in the decoder's order."""

    encoder: tuple[DenseParams, ...]
    decoder_biases: tuple[Float[Array, " p"], ...]


@constructor
def tied(layer: Layer) -> Layer:
    """The same encoder and decoder with half as many weights.

    Args:
        layer: a chain of an encoder and a decoder, as many dense layers in each and of mirrored sizes; layers without
            parameters may stand between them.

    Raises:
        TypeError, ValueError: `layer` is no `Layer`, or its parameters are others; in `init`, sizes that are no mirror
            image of one another.

    >>> import jax, fnnets as fn
    >>> coder = fn.chain(fn.layers.dense(3, fn.activations.sigmoid), fn.layers.dense(5))
    >>> params, shape = fn.layers.tied(coder).init(jax.random.key(0), (5,))
    >>> params.encoder[0].weights.shape, [biases.shape for biases in params.decoder_biases], shape
    ((3, 5), [(5,)], (5,))
    """
    validate.is_instance(layer, Layer, "tied: layer", "write fnnets.chain(encoder, decoder)")
    statements, structure = jax.tree.flatten(layer.statements, is_leaf=is_dense)
    if not statements or len(statements) % 2 or not all(map(is_dense, statements)):
        raise ValueError(
            f"tied: layer is {layer.name} with {len(statements)} parts that have parameters, expected an even number, "
            "dense layers all; write fnnets.chain(encoder, decoder) of as many dense layers each"
        )

    def init(key, shape):
        params, outputs = layer.init(key, shape)
        found = dense_parts(params)
        _check_mirrored(found)
        half = len(found) // 2
        return TiedParams(found[:half], tuple(part.biases for part in found[half:])), outputs

    def forward(params: TiedParams, x, context):
        return layer.forward(jax.tree.unflatten(structure, untied(params)), x, context)

    def backward(params: TiedParams, trace, d_y):
        d_params, d_x = layer.backward(jax.tree.unflatten(structure, untied(params)), trace, d_y)
        return folded(dense_parts(d_params)), d_x

    def answer(params: TiedParams, trace):
        return layer.answer(jax.tree.unflatten(structure, untied(params)), trace) if layer.answer else None

    def check(params, x, context):
        validate.is_instance(params, TiedParams, "tied: params", "take the parameters from this layer's init")
        half = len(statements) // 2
        if (len(params.encoder), len(params.decoder_biases)) != (half, half):
            raise ValueError(
                f"tied: params hold {len(params.encoder)} layers and {len(params.decoder_biases)} decoder_biases, "
                f"expected {half} of each; take the parameters from this layer's init"
            )

    numbers: Any = _statements(statements)
    return Layer(
        init, forward, backward, "tied", numbers, time=layer.time, approximation=layer.approximation,
        input_statement=layer.input_statement, trace=layer.trace, answer=answer,
        check=check, means=layer.means, within=lambda change: tied(change(layer)),
    )  # fmt: skip


def untied(params: TiedParams) -> tuple[DenseParams, ...]:
    """The parameters of all dense layers, first to last, the decoder's weights by transposition.

    >>> import jax.numpy as jnp
    >>> two = untied(TiedParams((DenseParams(jnp.ones((3, 5)), jnp.ones(3)),), (jnp.zeros(5),)))
    >>> two[1].weights.shape
    (5, 3)
    """
    mirrored = zip(params.encoder[::-1], params.decoder_biases, strict=True)
    return (*params.encoder, *(DenseParams(part.weights.T, biases) for part, biases in mirrored))


def folded(d_parts: tuple[DenseParams, ...]) -> TiedParams:
    """The gradient of tied parameters from that of all dense layers: dW = ∂C/∂W + (∂C/∂V)ᵀ.

    >>> import jax.numpy as jnp
    >>> d_encoder = DenseParams(jnp.array([[1.0, 2.0]]), jnp.zeros(1))
    >>> d_decoder = DenseParams(jnp.array([[10.0], [20.0]]), jnp.zeros(2))
    >>> folded((d_encoder, d_decoder)).encoder[0].weights.tolist()
    [[11.0, 22.0]]
    """
    half = len(d_parts) // 2
    encoder, decoder = d_parts[:half], d_parts[half:]
    pairs = zip(encoder, decoder[::-1], strict=True)
    summed = tuple(DenseParams(first.weights + second.weights.T, first.biases) for first, second in pairs)
    return TiedParams(summed, tuple(part.biases for part in decoder))


def dense_parts(params: PyTree) -> tuple[DenseParams, ...]:
    """The `DenseParams` within a tree of parameters, first to last.

    >>> import jax, fnnets as fn
    >>> layer = fn.chain(fn.layers.dense(3), fn.layers.dropout(0.5), fn.layers.dense(2))
    >>> [part.weights.shape for part in dense_parts(layer.init(jax.random.key(0), (4,))[0])]
    [(3, 4), (2, 3)]
    """
    return tuple(jax.tree.leaves(params, is_leaf=is_dense))


def is_dense(tree: PyTree) -> bool:
    """Whether a part of a tree belongs to a dense layer."""
    return isinstance(tree, DenseParams)


def _check_mirrored(parts) -> None:
    last = len(parts) - 1
    for i, (first, second) in enumerate(zip(parts[: len(parts) // 2], parts[::-1], strict=False)):
        if second.weights.shape != first.weights.shape[::-1]:
            raise ValueError(
                f"tied: dense layer {last - i} has weights of shape {second.weights.shape}, expected "
                f"{first.weights.shape[::-1]}, as layer {i} has {first.weights.shape}; mirror the encoder's sizes"
            )


def _statements(statements) -> TiedParams:
    half = len(statements) // 2
    encoder: Any = (one._replace(weights="dW + dWᵀ") for one in statements[:half])
    return TiedParams(tuple(encoder), tuple(part.biases for part in statements[half:]))

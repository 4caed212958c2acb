"""Tied weights: both terms of their gradient, the second one transposed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.layers.dense import DenseParams
from fnnets.layers.tied import TiedParams, dense_parts, folded, untied
from tests.contract.laws import assert_equal_leaves, generic

DENSE, SIGMOID, TANH = fn.layers.dense, fn.activations.sigmoid, fn.activations.tanh
SQUARE = fn.chain(DENSE(4, TANH), fn.chain(DENSE(4, SIGMOID), DENSE(4, TANH)), DENSE(4))  # any weights fit anywhere


@functools.cache
def derived():
    """(d_parts of the chain that is not tied, the tied gradient by `jax.grad`) in float64."""
    layer = fn.layers.tied(SQUARE)
    params, x, d_y = generic(1, (layer.init(jax.random.key(0), (4,))[0], jnp.zeros((5, 4)), jnp.zeros((5, 4))))
    first, second, third, fourth = untied(params)
    apart = (first, (second, third), fourth)
    d_parts = dense_parts(SQUARE.backward(apart, SQUARE.forward(apart, x, fn.Context())[1], d_y)[0])
    automatic = jax.jit(jax.grad(lambda params: jnp.sum(d_y * layer.forward(params, x, fn.Context())[0])))(params)
    return d_parts, automatic


def test_both_terms_the_second_transposed_are_the_gradient():
    with jax.enable_x64(True):
        d_parts, automatic = derived()
        assert_equal_leaves(folded(d_parts), automatic, "float64")


@pytest.mark.parametrize(
    "term",
    [
        lambda parts, i: parts[i].weights + parts[-1 - i].weights,
        lambda parts, i: parts[i].weights,
        lambda parts, i: parts[-1 - i].weights.T,
        lambda parts, i: parts[i].weights + parts[2 + i].weights.T,
    ],
    ids=["not transposed", "decoder's missing", "encoder's missing", "not mirrored"],
)
def test_other_terms_are_not(term):
    with jax.enable_x64(True):
        d_parts, automatic = derived()
        encoder = tuple(DenseParams(term(d_parts, i), d_parts[i].biases) for i in range(2))
        wrong = TiedParams(encoder, tuple(part.biases for part in d_parts[2:]))
        with pytest.raises(AssertionError, match=r"encoder\[0\]\.weights: relative error"):
            assert_equal_leaves(wrong, automatic, "float64", condition=1e9)


def test_one_layer_is_the_formula_of_the_docstring():
    """C = ½ ‖h W + b‖², h = σ(x Wᵀ + c): dW = δᵀ x + hᵀ δ(L)."""
    layer = fn.layers.tied(fn.chain(DENSE(3, SIGMOID), DENSE(5)))
    params, x = generic(1, (layer.init(jax.random.key(0), (5,))[0], jnp.zeros((7, 5))))
    z, trace = layer.forward(params, x, fn.Context())
    d_params, _ = layer.backward(params, trace, z)
    ((w, c),), (b,) = params
    h = 1 / (1 + np.exp(-(x @ w.T + c)))
    np.testing.assert_allclose(z, h @ w + b, rtol=1e-5)
    delta = np.asarray(z @ w.T) * h * (1 - h)
    np.testing.assert_allclose(d_params.encoder[0].weights, delta.T @ x + h.T @ z, rtol=2e-5)
    np.testing.assert_allclose(d_params.encoder[0].biases, delta.sum(axis=0), rtol=2e-5)
    np.testing.assert_allclose(d_params.decoder_biases[0], z.sum(axis=0), rtol=2e-5)


def test_the_penalty_meets_each_weight_once():
    layer, objective = fn.layers.tied(fn.chain(DENSE(3), DENSE(5))), fn.objectives.linear_squared_error
    plain, penalised = (fn.network(layer, objective, (5,), l2=l2) for l2 in (0.0, 2.0))
    params, batch = generic(1, (plain.init(jax.random.key(0)), fn.Batch(jnp.zeros((7, 5)), jnp.zeros((7, 5)))))
    w = np.asarray(params.encoder[0].weights)
    decay = penalised.cost(params, batch) - plain.cost(params, batch)
    np.testing.assert_allclose(decay, 2.0 / (2 * 7) * np.sum(w * w), rtol=1e-4)
    d_params, d_plain = penalised.gradient(params, batch), plain.gradient(params, batch)
    np.testing.assert_allclose(
        d_params.encoder[0].weights - d_plain.encoder[0].weights, 2 / 7 * w, rtol=1e-2, atol=1e-5
    )
    np.testing.assert_array_equal(d_params.decoder_biases[0], d_plain.decoder_biases[0])


def test_it_begins_with_the_encoder_of_the_chain(key):
    chain = fn.chain(DENSE(3, SIGMOID), fn.layers.dropout(0.5), DENSE(5))
    encoder, _, decoder = chain.init(key, (5,))[0]
    params, shape = fn.layers.tied(chain).init(key, (5,))
    assert shape == (5,)
    jax.tree.map(np.testing.assert_array_equal, params, TiedParams((encoder,), (decoder.biases,)))


def test_statements_name_both_terms():
    statements = fn.layers.tied(SQUARE).statements
    assert statements.encoder[0] == ("dW + dWᵀ", "3, 5")
    assert statements.decoder_biases == ("3, 5", "3, 5")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (fn.chain(DENSE(3), DENSE(4), DENSE(5)), "chain with 3 parts that have parameters, expected an even number"),
        (fn.chain(), "chain with 0 parts"),
        (fn.chain(DENSE(3), fn.layers.gru(5)), "expected an even number, dense layers all"),
    ],
)
def test_what_is_no_encoder_and_decoder_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        fn.layers.tied(layer)


def test_sizes_that_are_no_mirror_image_are_refused_with_both_shapes():
    layer = fn.layers.tied(fn.chain(DENSE(4), DENSE(3), DENSE(2), DENSE(5)))
    message = r"dense layer 3 has weights of shape \(5, 2\), expected \(5, 4\), as layer 0 has \(4, 5\)"
    with pytest.raises(ValueError, match=message):
        layer.init(jax.random.key(0), (5,))
    with pytest.raises(TypeError, match="tied: layer is 'chain'"):
        fn.layers.tied("chain")

"""Codes: both halves of an autoencoder, unrolled RBMs, and the encoder as a classifier."""

import jax
import numpy as np
import optax
import pytest

import fnnets as fn
from tests.contract.laws import generic

coding, energies = fn.autoencoders, fn.boltzmann
KEY, SIGMOID = jax.random.key(3), fn.activations.sigmoid
X = np.random.default_rng(0).random((9, 6)).astype(np.float32)
NETS = {
    "untied": fn.autoencoder([6, 4, 3]),
    "tied, sparse, denoising": fn.autoencoder(
        [6, 4, 3],
        code_activation=SIGMOID,
        tied=True,
        sparsity=0.1,
        corruption=fn.layers.corruption(0.3, "salt and pepper"),
    ),
    "untied, sparse": fn.autoencoder(
        [6, 3], code_activation=SIGMOID, sparsity=0.1, objective=fn.objectives.linear_squared_error
    ),
}


def parameters(net, seed=1):
    return generic(seed, jax.eval_shape(net.init, KEY))


each = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


@each
def test_encode_then_decode_is_the_prediction(net):
    def both(params, x):
        code = coding.encode(net, params, x)
        return code, coding.decode(net, params, code), net.predict(params, x)

    code, decoded, predicted = jax.jit(both)(parameters(net), X)
    assert code.shape == (9, 3)
    np.testing.assert_allclose(decoded, predicted, rtol=1e-5)


@each
def test_codes_have_the_precision_of_the_parameters(net):
    half = jax.tree.map(lambda leaf: leaf.astype(np.float16), parameters(net))
    code = jax.eval_shape(lambda params: coding.encode(net, params, X), half)
    decoded = jax.eval_shape(lambda params: coding.decode(net, params, np.zeros((9, 3))), half)
    assert code.dtype == decoded.dtype == np.float16


def rbms(code="gaussian"):
    stack = fn.training.rbm_stack([6, 4, 3], code_units=code)
    return stack, [parameters(rbm, i) for i, rbm in enumerate(stack)]


@pytest.mark.parametrize("name", ["untied", "tied, sparse, denoising"])
def test_unrolled_every_layer_gives_the_mean_of_its_rbm(name):
    net = NETS[name]
    (first, second), (lower, upper) = rbms("gaussian" if name == "untied" else "binary")
    params = coding.unroll(net, [lower, upper])
    assert jax.tree.structure(params) == jax.tree.structure(jax.eval_shape(net.init, KEY))
    code = second.predict(upper, first.predict(lower, X))
    np.testing.assert_allclose(coding.encode(net, params, X), code, rtol=1e-5, atol=1e-6)
    hidden = energies.visible_given_hidden(second, upper, code)
    expected = energies.visible_given_hidden(first, lower, hidden)
    np.testing.assert_allclose(coding.decode(net, params, code), expected, rtol=1e-4)


def test_rbms_that_do_not_match_are_refused_with_position_and_shapes():
    net, (_, (lower, upper)) = NETS["untied"], rbms()
    with pytest.raises(ValueError, match="unroll: rbm_params holds 1 RBMs, expected 2"):
        coding.unroll(net, [lower])
    other = fn.rbm(4, 5, hidden_units="gaussian")
    message = r"rbm_params\[1\] has W, b, c of shapes \(\(5, 4\), \(4,\), \(5,\)\), expected \(\(3, 4\), \(4,\), \(3"
    with pytest.raises(ValueError, match=message):
        coding.unroll(net, [lower, parameters(other)])
    with pytest.raises(ValueError, match=r"rbm_params\[0\] .* layer 0 has 6 inputs and 4 units"):
        coding.unroll(net, [upper, lower])
    with pytest.raises(TypeError, match=r"rbm_params\[1\] is of type DenseParams, expected BoltzmannParams"):
        coding.unroll(net, [lower, parameters(net)[0][1]])


@each
def test_a_classifier_begins_with_exactly_the_features_of_the_encoder(net):
    params = parameters(net)
    made, begun = coding.classifier(net, params, 10, key=jax.random.key(1), l2=0.3)
    assert (made.output_shape, made.l2, made.objective.name) == ((10,), 0.3, "softmax_log_likelihood")
    features = fn.chain(*made.layer.parts[:-1]).forward(begun[:-1], X, fn.Context())[0]
    np.testing.assert_array_equal(features, coding.encode(net, params, X))
    assert jax.tree.map(np.shape, begun) == jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(made.init, KEY))
    assert begun[-1].weights.dtype == np.float32


def test_a_classifier_is_fine_tuned_or_its_encoder_frozen():
    net = NETS["untied"]
    made, begun = coding.classifier(net, parameters(net), 3, key=jax.random.key(1))
    labels = np.arange(9, dtype=np.int32) % 3
    d_params = jax.jit(made.gradient)(begun, fn.Batch(X, labels))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(d_params))
    last = fn.transfer.freeze(fn.training.momentum(0.5), begun)
    moved = optax.apply_updates(begun, last.update(d_params, last.init(begun), begun)[0])
    jax.tree.map(np.testing.assert_array_equal, moved[:-1], begun[:-1])
    assert not np.array_equal(moved[-1].weights, begun[-1].weights)


def test_objective_and_beginning_can_be_others():
    net, objective = NETS["untied"], fn.objectives.sigmoid_cross_entropy
    made, begun = coding.classifier(net, parameters(net), 2, objective, key=KEY, initializer=fn.initializers.zeros)
    assert made.objective == objective
    assert not np.any(begun[-1].weights)


def test_other_arguments_are_refused_by_name():
    net = NETS["untied"]
    params = parameters(net)
    with pytest.raises(TypeError, match="encode: net is of free_energy, expected an autoencoder"):
        coding.encode(fn.rbm(6, 3), params, X)
    with pytest.raises(TypeError, match="unroll: net is 'net'"):
        coding.unroll("net", [])
    with pytest.raises(ValueError, match="encode: params has the structure"):
        coding.encode(net, params[:1], X)
    with pytest.raises(ValueError, match="encode: x has examples of shape"):
        coding.encode(net, params, X[:, :5])
    with pytest.raises(ValueError, match=r"decode: code holds .* NaN"):
        coding.decode(net, params, np.nan * X[:, :3])
    with pytest.raises(ValueError, match="classifier: classes is 0"):
        coding.classifier(net, params, 0, key=KEY)
    with pytest.raises(TypeError, match="classifier: key"):
        coding.classifier(net, params, 2, key=None)

"""Constructors: equal arguments give one object, which compiles nothing anew; what is apart stays apart."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import construction

SOFTMAX = fn.objectives.softmax_log_likelihood
BATCH = fn.Batch(np.linspace(0, 1, 20, dtype=np.float32).reshape(5, 4), np.arange(5) % 3)


def own_layer(function):
    return fn.Layer(function, function, function)


BUILDERS = {
    "feedforward": lambda: fn.feedforward([4, 5, 3], fn.activations.leaky_relu(0.1), objective=SOFTMAX, dropout=0.2),
    "convolutional": lambda: fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-3", objective=SOFTMAX),
    "recurrent": lambda: fn.recurrent([4, 5, 3], "lstm", objective=fn.objectives.squared_error(fn.activations.tanh)),
    "rbm": lambda: fn.rbm(4, 3, sampler=fn.boltzmann.parallel_tempering(2), mean=np.full(4, 0.5), centred=0.1),
    "autoencoder": lambda: fn.autoencoder(
        [4, 3], code_activation=fn.activations.sigmoid, sparsity=fn.Sparsity(0.1), corruption=0.2, tied=True
    ),
    "layers": lambda: fn.chain(fn.layers.gru(3), fn.layers.last_step(), fn.layers.dense(2)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_built_from_equal_arguments_is_equal_and_hashes_alike(name):
    one, other = BUILDERS[name](), BUILDERS[name]()
    assert one == other
    assert hash(one) == hash(other)


def test_a_network_that_is_built_again_is_not_traced_again():
    traced = []

    def cost(a, y):
        traced.append(None)
        return jnp.sum((a - y) ** 2, axis=-1)

    def slope(a, y):
        return 2 * (a - y)

    def build():
        return fn.feedforward([4, 5, 3], objective=fn.objectives.custom(cost, slope, fn.activations.identity))

    batch = BATCH._replace(targets=np.ones((5, 3), np.float32))
    params = build().init(jax.random.key(0))
    jax.jit(build().cost)(params, batch)
    seen = len(traced)
    assert seen > 0
    jax.jit(build().cost)(params, batch)
    assert len(traced) == seen
    construction.forget()
    jax.jit(build().cost)(params, batch)  # the fault: without the cache each network is another function
    assert len(traced) > seen


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: fn.layers.dense(3), lambda: fn.layers.dense(4)),
        (lambda: fn.layers.dropout(0), lambda: fn.layers.dropout(0.0)),
        (lambda: fn.layers.dense(3, fn.Activation(jnp.sin, jnp.cos)), lambda: fn.layers.dense(3)),
        (lambda: fn.rbm(2, 3, mean=np.array([0.1, 0.2])), lambda: fn.rbm(2, 3, mean=np.array([0.1, 0.3]))),
        (lambda: own_layer(lambda *_: 0), lambda: own_layer(lambda *_: 0)),
    ],
)
def test_what_differs_in_an_argument_is_not_equal(one, other):
    assert one() != other()


def test_spelling_and_defaults_of_arguments_do_not_matter():
    assert fn.layers.dense(3) == fn.layers.dense(units=3, activation=fn.activations.identity)
    assert fn.feedforward([4, 3], objective=SOFTMAX) == fn.feedforward((4, 3), objective=SOFTMAX, l2=0.0)


def test_traced_arguments_are_left_alone():
    def penalised(l2):
        net = fn.feedforward([4, 3], objective=SOFTMAX, l2=l2)
        return net.cost(net.init(jax.random.key(0)), BATCH)

    assert float(jax.jit(penalised)(1.0)) == pytest.approx(float(penalised(1.0)), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fn.layers.dense(3, activaton=1),
            "dense: activaton is no argument, .*; write activation=",
        ),
        (
            lambda: fn.layers.dense(size=3),
            "dense: size is no argument, .* or initializer; correct it, or",
        ),
        (
            lambda: fn.layers.lstm(3, forget_gate=False),
            "lstm: forget_gate is no argument, .*; correct it",
        ),
        (
            lambda: fn.layers.mean_pooling(2, implementation="fast"),
            "mean_pooling: implementation is no argument, expected window or stride; correct it, or leave",
        ),
        (lambda: fn.layers.flatten(3), "flatten: 3 is given by position, expected none; leave it out"),
        (lambda: fn.layers.flatten(axis=3), "flatten: axis is no argument, expected none; correct it, or leave"),
        (
            lambda: fn.layers.lstm(3, 1.0),
            "lstm: 2 arguments are given by position, expected at most 1: units; give forget_bias, .* by name",
        ),
        (
            lambda: fn.layers.dense(1, 2, 3, 4),
            "dense: 4 arguments are given by position, expected at most 3: units, .*; leave the others out",
        ),
        (
            lambda: fn.layers.dense(3, units=3),
            "dense: units is given twice, .* expected once; leave",
        ),
        (lambda: fn.layers.dense(), r"dense: units is missing, expected a value for it; write dense\(units\)"),
        (
            lambda: fn.feedforward([2, 2]),
            r"feedforward: objective is missing, expected a value for it; write feedforward\(sizes, objective=…\)",
        ),
        (lambda: fn.feedforward([2, 2], objectiv=1), "feedforward: objectiv is no argument, .*; write objective="),
        (lambda: fn.feedforward(), "feedforward: sizes and objective are missing, expected a value for each; write"),
        (
            lambda: fn.feedforward([4, 3], fn.activations.tanh, SOFTMAX),
            "feedforward: 3 arguments are given by position, expected at most 2: .*; give objective, .* by name",
        ),
        (
            lambda: fn.recurrent([4, 3, 2], "gru", objective=SOFTMAX, truncat=3),
            "recurrent: truncat is no option of cell 'gru', expected .*truncate.*; write truncate=",
        ),
        (
            lambda: fn.recurrent([4, 3, 2], "gru", objective=SOFTMAX, forget_bias=3),
            "recurrent: forget_bias is no option of cell 'gru', .*; leave it out, or take cell 'lstm' or",
        ),
    ],
)
def test_an_argument_that_the_function_does_not_have_is_named_with_a_remedy(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_64_bits_are_another_argument():
    with jax.enable_x64(True):
        wide = fn.layers.dense(7)
    assert wide != fn.layers.dense(7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fn.layers.dense(3, "relu"), "dense: activation is 'relu' .*; write fnnets.activations.relu"),
        (lambda: fn.layers.dense(3, jax.nn.relu), "dense: activation is .*; write fnnets.activations.relu$"),
        (lambda: fn.layers.dense(3, jnp.tanh), "dense: activation is .*; write fnnets.activations.tanh$"),
        (lambda: fn.layers.dense(3, initializer="He"), "dense: initializer is 'He' .*; write fnnets.initializers.he$"),
        (lambda: fn.feedforward([2, 2], objective="softmax"), ".*; write fnnets.objectives.softmax_log_likelihood$"),
        (lambda: fn.feedforward([2, 2], objective=fn.objectives.squared_error), ".*; call it first, squared_error"),
        (lambda: fn.layers.dense(3, fn.activations.leaky_relu), r".*; call it first, leaky_relu\(…\)$"),
        (lambda: fn.layers.dense(3, fn.activations.softmax), ".*; a softmax and its like are for fn"),
        (lambda: fn.layers.dense(3, "wobbly"), ".*; take one from fnnets.activations$"),
        (lambda: fn.layers.dense(3, fn.Activation(jnp.sin, None)), "dense: activation: derivative is None"),
        (lambda: fn.chain([fn.layers.dense(3)]), r".*; give the layers one by one, fnnets.chain\(\*layers\)$"),
        (lambda: fn.chain(fn.layers.dense), r"chain: part 0 .*; call it first, dense\(…\)$"),
        (lambda: fn.chain(fn.activations.relu), r"chain: part 0 .*; make a layer of it with fnn"),
        (lambda: fn.chain(fn.feedforward([2, 2], objective=SOFTMAX)), "chain: part 0 .*; give its layer, net.layer$"),
        (lambda: fn.chain(layers=[]), r"chain: layers is given by name, expected all by position; write chain\(…\)$"),
        (lambda: fn.Batch(), r"Batch: inputs is missing, expected a value for it; write Batch\(inputs\)$"),
        (lambda: fn.Batch(1, targts=2), "Batch: targts is no argument, .*; write targets=…$"),
        (
            lambda: fn.Context(1, 2, 3, 4, 5, 6),
            "Context: 6 arguments are given by position, expected at most 5: .*; leave",
        ),
        (lambda: fn.Activation(jnp.sin), r"Activation: derivative is missing, .*; write Activation"),
        (lambda: fn.Sparsity(), r"Sparsity: mean is missing, .*; write Sparsity\(mean\)$"),
        (lambda: fn.transfer.reuse(1, 2, 3), r"reuse: key is missing, .*; write reuse\(net, params, outputs, key=…\)$"),
        (lambda: fn.ensembles.vote(1, 2, input=3), "vote: input is no argument, .*; write inputs=…$"),
        (lambda: fn.neurons.sigmoid(1, 2), r"sigmoid: inputs is missing, .*; write sigmoid\(weights, bias, inputs\)$"),
        (lambda: fn.autoencoder([3, 2], corruption="masking"), "autoencoder: corruption is 'masking' .*; give"),
        (
            lambda: fn.autoencoder([3, 2], code_activation=fn.activations.sigmoid, sparsity=(0.1, 1.0)),
            r"autoencoder: sparsity is \(0.1, 1.0\), .*; write fnnets.Sparsity\(0.1, 1.0\)$",
        ),
    ],
)  # fmt: skip
def test_what_is_nearly_right_is_told_what_is_right(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_records_are_trees_and_replace_their_fields_as_before():
    batch = fn.Batch(jnp.ones(3), targets=jnp.ones(2))
    assert jax.tree.map(jnp.shape, batch) == fn.Batch((3,), (2,))
    assert jax.jit(lambda batch: batch._replace(targets=None))(batch).targets is None
    assert fn.Batch._make(range(6)) == fn.Batch(*range(6))
    assert copy.copy(batch) is not None
    assert pickle.loads(pickle.dumps(fn.Context(state=3))) == fn.Context(state=3)


def test_a_large_argument_is_named_by_its_type():
    with pytest.raises(TypeError, match=r"^digits_as_rows: an argument of type Batch is given by position") as caught:
        fn.data.digits_as_rows(fn.data.digits())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fn.feedforward([2, 2], loss="mse"), "feedforward: loss is no argument, .*; write objective=…"),
        (
            lambda: fn.fit(None, None, None, lr=0.1),
            "fit: lr is no argument, .*; give it to the optimizer, as optax.sgd",
        ),
        (lambda: fn.fit(None, None, None, random_state=0), "fit: random_state is no argument, .*; write key=…"),
        (lambda: fn.data.split(None, test_size=0.2), "split: test_size is no argument, .*; write parts=…"),
        (lambda: fn.rbm(4, n_components=2), "rbm: n_components is no argument, .*; write hidden=…"),
        (lambda: fn.rbm(4, 2, lr=2), "rbm: lr is no argument, .*; correct it, or leave it out"),
        (
            lambda: fn.fit(None, None, np.ones((2, 2)), np.ones(2)),
            r"fit: inputs and targets are given one by one, .*; write fit\(net, optimizer, fnnets.Batch\(inputs, targ",
        ),
        (lambda: fn.training.Checkpoint(), r"Checkpoint: directory is missing, .*; write Checkpoint\(directory\)"),
    ],
)
def test_what_other_libraries_call_an_argument_is_advised_its_name(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()

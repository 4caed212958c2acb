"""The builder of recurrent networks: structure, answers, what the compiler drops, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

SOFTMAX = fn.objectives.softmax_log_likelihood


def names(net):
    return [part.name for part in net.layer.parts]


def parameters(net):
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0))))


@pytest.mark.parametrize(
    ("cell", "options", "expected"),
    [
        ("simple", {}, 8 * (3 + 8 + 1)),
        ("simple", {"learn_initial_state": True}, 8 * (3 + 8 + 1) + 8),
        ("lstm", {}, 4 * 8 * (3 + 8 + 1)),
        ("lstm_peepholes", {"learn_initial_state": True}, 4 * 8 * (3 + 8 + 1) + 3 * 8 + 2 * 8),
        ("lstm_1997", {}, 3 * 8 * (3 + 3 * 8 + 1)),
        ("gru", {}, 3 * 8 * (3 + 8 + 1) + 8),
    ],
)
def test_number_of_parameters(cell, options, expected):
    """m = 3, h = 8, d = 2, counted from the shapes of the layers' equations."""
    net = fn.recurrent([3, 8, 2], cell, objective=SOFTMAX, **options)
    assert parameters(net) == expected + 2 * (8 + 1)
    both = fn.recurrent([3, 8, 2], cell, objective=SOFTMAX, bidirectional=True, **options)
    assert parameters(both) == 2 * expected + 2 * (16 + 1)


def test_layers_stand_in_their_order():
    net = fn.recurrent([3, 8, 6, 2], "gru", objective=SOFTMAX, dropout=0.5)
    assert names(net) == ["gru", "dropout", "gru", "dropout", "dense"]
    assert [part.time for part in net.layer.parts] == [
        "sequence to sequence",
        "pointwise",
        "sequence to sequence",
        "pointwise",
        "pointwise",
    ]
    assert net.layer.time == "sequence to sequence"
    once = fn.recurrent([3, 8, 6, 2], "gru", objective=SOFTMAX, dropout=0.5, return_sequences=False)
    assert names(once) == names(net)
    assert [part.time for part in once.layer.parts] == [
        "sequence to sequence",
        "pointwise",
        "sequence to vector",
        "pointwise",
        "pointwise",
    ]
    both = fn.recurrent([3, 8, 6, 2], "lstm", objective=SOFTMAX, bidirectional=True, return_sequences=False)
    assert names(both) == ["bidirectional", "bidirectional", "last_step", "dense"]
    assert both.layer.time == "sequence to vector"


def test_two_steps_by_hand():
    """z[1] = 2·1 + 1, z[2] = 2·3 + 3/2 + 1 = 8.5, the output doubles them; C = ((6 − 5)² + (17 − 18)²)/2 / 2."""
    net = fn.recurrent([1, 1, 1], objective=fn.objectives.linear_squared_error, activation=fn.activations.identity)
    hidden, output = net.init(jax.random.key(0))
    hidden = hidden._replace(weights=jnp.array([[2.0]]), recurrent_weights=jnp.array([[0.5]]), biases=jnp.array([1.0]))
    params = (hidden, output._replace(weights=jnp.array([[2.0]]), biases=jnp.array([0.0])))
    batch = fn.Batch(jnp.array([[[1.0]], [[3.0]]]), jnp.array([[[5.0]], [[18.0]]]))
    assert net.predict(params, batch.inputs).ravel().tolist() == [6.0, 17.0]
    assert net.cost(params, batch) == 0.5
    d_hidden, d_output = net.gradient(params, batch)
    # δ(L) = (1, −1)/2; above: d_a = (1, −1); δ[2] = −1, δ[1] = 1 − 1/2
    assert d_output.weights.tolist() == [[3 / 2 - 8.5 / 2]]
    assert d_output.biases.tolist() == [0.0]
    assert d_hidden.weights.tolist() == [[0.5 * 1 - 1 * 3]]
    assert d_hidden.recurrent_weights.tolist() == [[-3.0]]
    assert d_hidden.biases.tolist() == [-0.5]


def test_the_activation_is_that_of_simple_cells():
    net = fn.recurrent([2, 3, 2], objective=SOFTMAX, activation=fn.activations.relu)
    params, x = net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 2, 2))
    y, _ = net.layer.parts[0].forward(params[0], x, fn.Context())
    assert float(y.min()) == 0


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_the_first_d_x_is_dropped_from_the_compiled_program(cell):
    """No special case anywhere: the compiler drops the one product that a network does not use."""
    net = fn.recurrent([9, 4, 2], cell, objective=SOFTMAX)
    batch = fn.Batch(np.zeros((5, 3, 9), np.float32), np.zeros((5, 3), np.int32))
    params = jax.eval_shape(net.init, jax.random.key(0))

    def with_d_x(params, batch):
        z, trace = net.layer.forward(params, batch.inputs, fn.Context())
        return net.layer.backward(params, trace, net.objective.delta(z, batch.targets) / 15)

    def products(function):
        return jax.jit(function).lower(params, batch).compile().as_text().count(" dot(")

    assert products(with_d_x) == products(net.gradient) + 1


def test_the_mask_reaches_the_layers_in_prediction():
    net = fn.recurrent([2, 3, 2], "lstm", objective=SOFTMAX, return_sequences=False)
    params, x = net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 2, 2))
    mask = jnp.array([[True, True], [True, True], [True, False], [True, False]])
    predicted = net.predict(params, x, mask)
    np.testing.assert_allclose(predicted[1], net.predict(params, x[:2, 1:])[0], rtol=1e-5)
    assert not np.allclose(predicted[1], net.predict(params, x)[1])


@pytest.mark.parametrize("sizes", [[], [3], [3, 2], "345", 5])
def test_too_few_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=r"expected at least three sizes; write \[features, units, outputs\]"):
        fn.recurrent(sizes, objective=SOFTMAX)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sizes": [3, 0, 2]}, ValueError, r"sizes\[1\] is 0"),
        ({"sizes": [3, 4.5, 2]}, TypeError, r"sizes\[1\] is 4.5"),
        (
            {"cell": "rnn"},
            ValueError,
            "cell is 'rnn', expected 'simple', 'lstm', 'lstm_peepholes', 'lstm_1997' or 'gru'",
        ),
        ({"objective": "softmax"}, TypeError, "objective is 'softmax'"),
        ({"return_sequences": "last"}, TypeError, "return_sequences is 'last' of type str, expected True or False"),
        ({"bidirectional": 1}, TypeError, "bidirectional is 1.*expected True or False"),
        ({"cell": "lstm", "activation": fn.activations.tanh}, ValueError, "expected it for 'simple' alone"),
        ({"activation": jnp.tanh}, TypeError, "activation is .*expected Activation"),
        ({"initializer": "he"}, TypeError, "initializer is 'he'"),
        ({"cell": "gru", "peepholes": True}, TypeError, "peepholes is no option of cell 'gru'"),
        ({"truncate": 0}, ValueError, "truncate is 0"),
        ({"dropout": 1}, ValueError, "recurrent: dropout is 1, expected less than 1"),
        ({"l2": -1.0}, ValueError, "l2 is -1.0"),
    ],
)
def test_unknown_parts_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        fn.recurrent(**{"sizes": [3, 4, 2], "objective": SOFTMAX, **settings})

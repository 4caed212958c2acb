"""Arguments that families share: sizes as any sequence of ints, and refusals that name what was called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

SOFTMAX, TANH = fn.objectives.softmax_log_likelihood, fn.activations.tanh
MAKERS = {
    "feedforward": lambda sizes, **named: fn.feedforward(sizes, **{"objective": SOFTMAX, **named}),
    "recurrent": lambda sizes, **named: fn.recurrent(sizes, **{"objective": SOFTMAX, **named}),
    "autoencoder": lambda sizes, **named: fn.autoencoder(sizes, **named),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", [tuple, np.array, jnp.array, lambda sizes: np.array(sizes, np.uint8)])
def test_sizes_are_any_sequence_of_ints(name, kind):
    assert str(MAKERS[name](kind([4, 3, 2]))) == str(MAKERS[name]([4, 3, 2]))
    assert str(MAKERS[name](range(2, 5))) == str(MAKERS[name]([2, 3, 4]))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (np.ones((2, 2), int), r"sizes is an array of shape \(2, 2\), expected at least .* sizes; write \["),
        (np.array([4.0, 3.0, 2.0]), r"sizes\[0\] is .*4.0.* of type float64, expected an int;"),
        ([4, True, 2], r"sizes\[1\] is True of type bool, expected an int;"),
        ({4, 3, 2}, r"sizes is \{2, 3, 4\}, expected at least .* sizes; write \["),
        (b"abc", "sizes is b'abc', expected at least"),
    ],
)
def test_other_sizes_are_refused_precisely(name, sizes, message):
    with pytest.raises((TypeError, ValueError), match=f"{name}: {message}"):
        MAKERS[name](sizes)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"activation": jnp.tanh}, "activation is .*expected Activation; write fnnets.activations.tanh"),
        ({"initializer": "he"}, "initializer is 'he' of type str, expected Initializer; write fnnets.initializers.he"),
        ({"objective": TANH}, "objective is of type Activation, expected Objective; take one"),
        ({"l2": "0.1"}, "l2 is '0.1' of type str, expected a number; λ = 0 switches the penalty off"),
    ],
)
def test_parts_are_refused_under_the_name_of_the_function_that_was_called(name, named, message):
    with pytest.raises(TypeError, match=f"^{name}: ({message})"):
        MAKERS[name]([4, 3, 2], **named)


@pytest.mark.parametrize("name", ["feedforward", "recurrent"])
def test_a_rate_of_dropout_is_refused_as_dropout(name):
    for wrong, message in (
        (1, "dropout is 1, expected less than 1; it is the probability that a unit is dropped; 0 drops none"),
        ("0.5", "dropout is '0.5' of type str, expected a number; it is the probability"),
        (-0.1, "dropout is -0.1, expected a finite number >= 0.0; it is the probability"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: {message}"):
            MAKERS[name]([4, 3, 2], dropout=wrong)


ONE_OUTPUT = {
    "feedforward: sizes": lambda: fn.feedforward([4, 1], objective=SOFTMAX),
    "recurrent: sizes": lambda: fn.recurrent([4, 3, 1], objective=SOFTMAX),
    "autoencoder: sizes": lambda: fn.autoencoder([1, 3], objective=SOFTMAX),
    "convolutional: table": lambda: fn.convolutional((4, 4, 1), "conv3-2 fc-1", objective=SOFTMAX),
    "network: layer": lambda: fn.network(fn.layers.dense(1), SOFTMAX, (3,)),
    "classifier: classes": lambda: fn.autoencoders.classifier(
        fn.autoencoder([3, 2]), fn.autoencoder([3, 2]).init(jax.random.key(0)), 1, key=jax.random.key(1)
    ),
    "reuse: outputs": lambda: fn.transfer.reuse(
        fn.feedforward([3, 2], objective=SOFTMAX), fn.feedforward([3, 2], objective=SOFTMAX).init(jax.random.key(0)),
        1, key=jax.random.key(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("argument", ONE_OUTPUT)
def test_a_distribution_over_one_output_is_refused_by_the_argument_that_has_it(argument):
    with pytest.raises(ValueError, match=rf"^{argument} gives one output, .*; give one .* sigmoid_cross_entropy"):
        ONE_OUTPUT[argument]()


def test_an_entry_of_a_table_is_named_with_what_is_wrong_in_it():
    for entry, message in (
        ("conv0-2", "window is 0, expected at least 1; give pixels"),
        ("conv3-0", "filters is 0, expected at least 1; give the number"),
        ("maxpool2/0", "stride is 0, expected at least 1;"),
        ("fc-0", "units is 0, expected at least 1;"),
        ("dropout1", "rate is 1.0, expected less than 1;"),
    ):
        with pytest.raises(ValueError, match=rf"^convolutional: table has the entry '{entry}': {message}"):
            fn.convolutional((8, 8, 1), f"{entry} fc-3", objective=SOFTMAX)


def test_a_layer_and_an_objective_the_other_way_round_are_to_be_swapped():
    with pytest.raises(TypeError, match=r"network: layer is an Objective and objective a Layer, .*; swap the two"):
        fn.network(SOFTMAX, fn.layers.dense(2), (3,))


def test_a_shape_that_the_layer_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"layer does not take .*input_shape \(4, 4\) \(dense: .*; put flatten"):
        fn.network(fn.layers.dense(2), SOFTMAX, (4, 4))

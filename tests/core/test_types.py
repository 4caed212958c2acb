"""The tables that `print` gives for layers and networks."""

import jax
import numpy as np
import pytest

import fnnets as fn

NETWORK = """\
   layer                 output shape  parameters
0  convolution, sigmoid  (4, 4, 2)     20
1  mean_pooling          (2, 2, 2)     0
2  flatten               (8,)          0
3  dense                 (3,)          27
47 parameters, inputs (6, 6, 1), softmax_log_likelihood, λ = 0.5"""
LAYER = """\
   layer    gradient by  statement
0  dense    weights      4, 6
0  dense    biases       3, 5
0  dense    input        2
1  flatten  input        dx"""


def test_a_network_is_a_table_of_layers_shapes_and_parameters():
    """Counted by hand: 2 · (3 · 3 + 1) and 3 · (8 + 1)."""
    net = fn.convolutional(
        (6, 6, 1), "conv3-2 meanpool2 | fc-3", objective=fn.objectives.softmax_log_likelihood, l2=0.5
    )
    assert str(net) == NETWORK == repr(net)
    assert sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0)))) == 47


def test_a_layer_is_a_table_of_gradients_and_statements():
    assert str(fn.chain(fn.layers.dense(3), fn.layers.flatten())) == LAYER


def test_nested_chains_have_places_and_other_compositions_are_one_row():
    inner = fn.chain(fn.layers.dense(3), fn.layers.dense(4))
    net = fn.network(fn.chain(inner, fn.layers.dense(2)), fn.objectives.linear_squared_error, (5,))
    assert [line.split()[0] for line in str(net).splitlines()[1:4]] == ["0.0", "0.1", "1"]
    assert "tied   (4,)          19" in str(fn.autoencoder([4, 3], tied=True))


def test_the_table_has_activations_rates_and_windows():
    net = fn.network(
        fn.chain(
            fn.layers.corruption(0.25), fn.layers.dense(3, fn.activations.tanh), fn.layers.dropout(np.float32(0.5)),
            fn.layers.activate(fn.activations.relu), fn.layers.dense(2),
        ),
        fn.objectives.linear_squared_error, (5,),
    )  # fmt: skip
    names = ["corruption, masking 0.25", "dense, tanh", "dropout, 0.5", "activate, relu", "dense"]
    assert [line[3:28].strip() for line in str(net).splitlines()[1:6]] == names
    reader = fn.recurrent([3, 4, 2], activation=fn.activations.tanh, objective=fn.objectives.linear_squared_error)
    assert "recurrent, tanh  (4,)" in str(reader)
    assert [part.name for part in net.layer.parts][1] == "dense"  # what reports call it


def test_a_network_in_a_message_takes_one_line():
    net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    for wrong in (lambda: fn.chain(net), lambda: fn.network(net, fn.objectives.linear_squared_error, (4,))):
        with pytest.raises(TypeError, match=r"^[^\n]*of type Network, expected Layer[^\n]*$"):
            wrong()

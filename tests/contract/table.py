"""One row enrols a layer or a network in every invariant of the contract."""

import jax.numpy as jnp

import fnnets as fn
from tests.contract.rbms import LAYERS_OF_RBMS, NETWORKS_OF_RBMS
from tests.contract.rows import LayerRow, NetworkRow, examples
from tests.contract.sequences import LAYERS_OF_SEQUENCES, NETWORKS_OF_SEQUENCES

ACTIVATIONS = {
    "identity": fn.activations.identity,
    "sigmoid": fn.activations.sigmoid,
    "tanh": fn.activations.tanh,
    "relu": fn.activations.relu,
    "softplus": fn.activations.softplus,
    "leaky_relu": fn.activations.leaky_relu(0.1),
    "own pair": fn.Activation(jnp.sin, jnp.cos),
}

CONVOLUTION = fn.layers.convolution
THRESHOLD, STOCHASTIC = fn.layers.threshold, fn.layers.stochastic

LAYERS = {
    **{
        f"dense {name}": LayerRow(fn.layers.dense(5, activation), (7,), False, True, (2, 3), "expected one axis")
        for name, activation in ACTIVATIONS.items()
    },
    "dense square": LayerRow(fn.layers.dense(6, fn.activations.tanh), (6,), False, True, (), "expected one axis"),
    "dense one unit": LayerRow(fn.layers.dense(1, fn.activations.sigmoid), (1,)),
    "dropout": LayerRow(fn.layers.dropout(0.4), (4, 3), True, False),
    "dropout of a whole batch": LayerRow(fn.layers.dropout(0.4, whole_batch=True), (9,), True),
    "dropout in prediction": LayerRow(fn.layers.dropout(0.4), (9,)),
    "convolution": LayerRow(
        fn.layers.convolution(3, (2, 3), activation=fn.activations.tanh),
        (4, 5, 2),
        False,
        True,
        (4, 2, 2),
        "finds no place",
    ),
    "convolution, same, stride 2": LayerRow(
        fn.layers.convolution(2, 3, 2, "same", fn.activations.sigmoid), (5, 6, 2), False, True, (5, 6), "three axes"
    ),
    "convolution, dilated, padded by hand": LayerRow(
        fn.layers.convolution(2, 2, (2, 1), ((3, 0), (1, 2)), fn.activations.identity, (2, 3)), (4, 3, 1)
    ),
    "convolution, plain": LayerRow(
        CONVOLUTION(3, (2, 3), activation=fn.activations.tanh, implementation="plain"),
        (4, 5, 2),
        False,
        True,
        (4, 2, 2),
        "finds no place",
    ),
    "convolution, same, stride 2, plain": LayerRow(
        CONVOLUTION(2, 3, 2, "same", fn.activations.sigmoid, implementation="plain"),
        (5, 6, 2),
        False,
        True,
        (5, 6),
        "three axes",
    ),
    "convolution, dilated, padded by hand, plain": LayerRow(
        CONVOLUTION(2, 2, (2, 1), ((3, 0), (1, 2)), fn.activations.identity, (2, 3), implementation="plain"), (4, 3, 1)
    ),
    "convolution, Winograd's form": LayerRow(
        fn.layers.convolution(64, 3, 1, ((2, 0), (1, 3)), fn.activations.tanh), (5, 4, 65)
    ),
    "convolution, Winograd's form, plain": LayerRow(
        CONVOLUTION(64, 3, 1, ((2, 0), (1, 3)), fn.activations.tanh, implementation="plain"), (5, 4, 65)
    ),
    "locally connected": LayerRow(
        fn.layers.locally_connected(3, (2, 3), activation=fn.activations.tanh),
        (4, 5, 2),
        False,
        True,
        (4, 2, 2),
        "finds no place",
    ),
    "locally connected, same, stride 2": LayerRow(
        fn.layers.locally_connected(2, 3, 2, "same", fn.activations.sigmoid),
        (5, 6, 2),
        False,
        True,
        (5, 6),
        "three axes",
    ),
    "locally connected, dilated, padded by hand": LayerRow(
        fn.layers.locally_connected(2, 2, (2, 1), ((3, 0), (1, 2)), fn.activations.identity, (2, 3)), (4, 3, 1)
    ),
    "max pooling": LayerRow(fn.layers.max_pooling(2), (4, 5, 2), False, True, (1, 5, 2), "finds no place"),
    "max pooling, overlapping": LayerRow(fn.layers.max_pooling((3, 2), (2, 1)), (6, 4, 2)),
    "max pooling, plain": LayerRow(
        fn.layers.max_pooling(2, implementation="plain"), (4, 5, 2), False, True, (1, 5, 2), "finds no place"
    ),
    "mean pooling": LayerRow(fn.layers.mean_pooling((2, 3)), (4, 7, 2), False, True, (4, 7), "three axes"),
    "mean pooling, overlapping": LayerRow(fn.layers.mean_pooling(3, 2), (5, 6, 2)),
    "threshold": LayerRow(THRESHOLD(5), (7,), False, True, (2, 3), "expected one axis", vanishing=True),
    "threshold, straight through": LayerRow(
        THRESHOLD(6, "straight_through"), (6,), False, True, (), "expected one axis"
    ),
    "stochastic in prediction": LayerRow(STOCHASTIC(4), (3,), False, True, (2, 3), "expected one axis"),
    "stochastic": LayerRow(STOCHASTIC(4), (3,), True, False, vanishing=True),
    "stochastic, straight through": LayerRow(STOCHASTIC(4, "straight_through"), (4,), True, False),
    "flatten": LayerRow(fn.layers.flatten(), (2, 3, 2)),
    "activate": LayerRow(fn.layers.activate(fn.activations.softplus), (2, 3)),
    "chain": LayerRow(
        fn.chain(
            fn.layers.dense(6, fn.activations.relu), fn.layers.dropout(0.5), fn.chain(fn.layers.dense(4), fn.chain())
        ),
        (5,),
        True,
        False,
        (5, 5),
        "expected one axis",
    ),
    **LAYERS_OF_SEQUENCES,
    **LAYERS_OF_RBMS,
}

OBJECTIVES = {
    "squared error, sigmoid": fn.objectives.squared_error(fn.activations.sigmoid),
    "squared error, tanh": fn.objectives.squared_error(fn.activations.tanh),
    "linear squared error": fn.objectives.linear_squared_error,
    "sigmoid cross-entropy": fn.objectives.sigmoid_cross_entropy,
    "softmax log-likelihood": fn.objectives.softmax_log_likelihood,
    "softmax log-likelihood, labels": fn.objectives.softmax_log_likelihood,
}

OWN_OBJECTIVES = {  # of bounded slopes, as a custom objective is computed from a, where units are saturated too
    "custom, pseudo-Huber of a sigmoid": fn.objectives.custom(
        lambda a, y: jnp.sum(jnp.sqrt(1 + (a - y) ** 2) - 1, axis=-1),
        lambda a, y: (a - y) / jnp.sqrt(1 + (a - y) ** 2),
        fn.activations.sigmoid,
    ),
    "custom, Brier score of a softmax": fn.objectives.custom(
        lambda a, y: 0.5 * jnp.sum((a - y) ** 2, axis=-1), lambda a, y: a - y, fn.activations.softmax
    ),
}


NETWORKS = {
    **{
        f"feedforward, {name}": NetworkRow(
            fn.feedforward([7, 5, 4], objective=objective, l2=0.3),
            examples((7,), 4, name.endswith("labels")),
            gated=name in OWN_OBJECTIVES,  # a (1 − a) of a saturated output is rounding, as that of a gate
        )
        for name, objective in {**OBJECTIVES, **OWN_OBJECTIVES}.items()
    },
    "feedforward, no hidden layer": NetworkRow(
        fn.feedforward([3, 3], objective=fn.objectives.sigmoid_cross_entropy), examples((3,), 3)
    ),
    "feedforward, dropout": NetworkRow(
        fn.feedforward(
            [6, 6, 6, 6],
            fn.activations.relu,
            objective=fn.objectives.softmax_log_likelihood,
            dropout=0.3,
            l2=0.1,
        ),
        examples((6,), 6, True),
        True,
    ),
    "convolutional": NetworkRow(
        fn.convolutional(
            (7, 8, 2), "conv3-3 maxpool2 | fc-4 fc-3", objective=fn.objectives.softmax_log_likelihood, l2=0.2
        ),
        examples((7, 8, 2), 3, True),
    ),
    "convolutional, not shared": NetworkRow(
        fn.convolutional((6, 7, 2), "local3-3 maxpool2 | fc-3", objective=fn.objectives.softmax_log_likelihood, l2=0.2),
        examples((6, 7, 2), 3, True),
    ),
    "convolutional, pooled first": NetworkRow(
        fn.convolutional(
            (6, 6, 1),
            "conv3-3 meanpool2/1 | conv2-2 maxpool2 dropout0.6 | fc-3",
            fn.activations.tanh,
            objective=fn.objectives.sigmoid_cross_entropy,
            padding="same",
            pool_first=True,
        ),
        examples((6, 6, 1), 3),
        True,
    ),
    "one layer without a chain": NetworkRow(
        fn.network(fn.layers.dense(2), fn.objectives.linear_squared_error, (3,)), examples((3,), 2)
    ),
    "thresholds, straight through": NetworkRow(
        fn.network(
            fn.chain(THRESHOLD(6, "straight_through"), THRESHOLD(6, "straight_through"), fn.layers.dense(3)),
            fn.objectives.softmax_log_likelihood,
            (5,),
            0.2,
        ),
        examples((5,), 3, True),
    ),
    "stochastic units, straight through": NetworkRow(
        fn.network(
            fn.chain(STOCHASTIC(5, "straight_through"), STOCHASTIC(5, "straight_through"), fn.layers.dense(3)),
            fn.objectives.sigmoid_cross_entropy,
            (5,),
        ),
        examples((5,), 3),
        True,
    ),
    **NETWORKS_OF_SEQUENCES,
    **NETWORKS_OF_RBMS,
}

"""Valid calls of the layers, activations, objectives and neurons."""

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from fnnets.core import units
from tests.invalid.calls import call
from tests.invalid.kinds import Kind, array, choice, count, fixed, flag, function, instance, key, number, params, shape

SOFTMAX, SIGMOID = fn.objectives.softmax_log_likelihood, fn.activations.sigmoid
W, B, X = np.ones((3, 2), np.float32), np.zeros(3, np.float32), np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)

activation = instance(SIGMOID, SOFTMAX, fn.activations.softmax)
initializer = instance(fn.initializers.default, SIGMOID)
implementation = choice("fast")
size = count(2).also(**{"three": (2, 2, 2), "pair of text": ("2", "2"), "pair with zero": (0, 2)})
padding = choice("valid").also(negative=((0, -1), (0, 0)), flat=(1, 1), fractions=((0.5, 0), (0, 0)))
image = {
    "filters": count(2), "window": size, "stride": size, "padding": padding, "activation": activation,
    "dilation": size, "initializer": initializer,
}  # fmt: skip
cells = {
    "units": count(3), "learn_initial_state": flag(True), "truncate": count(2).but("none"),
    "checkpoint_every": count(2).but("none"), "return_sequences": flag(True), "initializer": initializer,
    "implementation": implementation,
}  # fmt: skip
binary = {
    "units": count(3), "backward": choice("zero"), "initializer": initializer,
}  # fmt: skip
layer = instance(fn.layers.dense(2), SIGMOID, fn.layers.dense)
neuron = {"weights": array(W), "bias": array(B).but("number"), "inputs": array(X).but("more axes")}
forget_bias = number(1.0)

ROWS = [
    call("fn.layers.activate", fn.layers.activate, activation=activation),
    call(
        "fn.layers.bidirectional", fn.layers.bidirectional,
        layer=instance(fn.layers.gru(2), fn.layers.dense(2), fn.layers.gru, fn.layers.last_step()),
    ),
    call("fn.layers.convolution", fn.layers.convolution, **image, implementation=implementation),
    call(
        "fn.layers.corruption", fn.layers.corruption,
        level=number(0.3, 0, 1), kind=choice("masking"),
    ),
    call("fn.layers.dense", fn.layers.dense, units=count(3), activation=activation, initializer=initializer),
    call("fn.layers.dropout", fn.layers.dropout, rate=number(0.5, 0, 1, open="high"), whole_batch=flag(False)),
    call(
        "fn.layers.free_energy", fn.layers.free_energy,
        hidden=count(3), visible_units=instance(units.binary, "binary"), hidden_units=instance(units.binary, "binary"),
        deviation=number(0.01, 0), visible_biases=array(np.zeros(2, np.float32), sized=False).but("none"),
        with_inputs=flag(False),
    ),
    call("fn.layers.gru", fn.layers.gru, **cells),
    call("fn.layers.last_step", fn.layers.last_step, both_ends=flag(False)),
    call("fn.layers.locally_connected", fn.layers.locally_connected, **image),
    call("fn.layers.lstm", fn.layers.lstm, forget_bias=forget_bias, **cells),
    call("fn.layers.lstm_1997", fn.layers.lstm_1997, **cells),
    call("fn.layers.lstm_peepholes", fn.layers.lstm_peepholes, forget_bias=forget_bias, **cells),
    call(
        "fn.layers.max_pooling", fn.layers.max_pooling,
        window=size, stride=size.but("none"), implementation=implementation,
    ),
    call("fn.layers.mean_pooling", fn.layers.mean_pooling, window=size, stride=size.but("none")),
    call("fn.layers.recurrent", fn.layers.recurrent, activation=activation, **cells),
    call("fn.layers.stochastic", fn.layers.stochastic, **binary),
    call("fn.layers.threshold", fn.layers.threshold, **binary),
    call(
        "fn.layers.tied", fn.layers.tied,
        layer=instance(fn.chain(fn.layers.dense(3), fn.layers.dense(2)), fn.layers.dense(2), fn.layers.gru(2)),
    ),
    call("fn.layers.unfold", fn.layers.unfold, units=count(3), activation=activation, steps=count(2)),
    call(
        "fn.layers.with_inputs", fn.layers.with_inputs,
        layer=instance(fn.layers.dense(2), SIGMOID, fn.layers.last_step()),
    ),
    call("fn.activations.leaky_relu", fn.activations.leaky_relu, slope=number(0.1)),
    call("fn.objectives.squared_error", fn.objectives.squared_error, activation=activation),
    call(
        "fn.objectives.custom", fn.objectives.custom,
        cost=function(lambda a, y: a), cost_gradient=function(lambda a, y: a),
        activation=instance(SIGMOID, SOFTMAX), name=fixed("mine", number=3, none=None, list=["mine"]),
        labels=flag(False),
        domain=fixed(
            (0.0, 1.0), number=3, text="01", one=(0.0,), turned=(1.0, 0.0), words=("0", "1"), nan=(0.0, np.nan)
        ),
    ),
    *(
        call(f"fn.neurons.{name}", getattr(fn.neurons, name), **neuron)
        for name in ("linear", "rectified", "sigmoid", "weighted_input")
    ),
    call("fn.neurons.threshold", fn.neurons.threshold, **neuron, theta=fixed(None, both=0.5)),
    call("fn.neurons.stochastic", fn.neurons.stochastic, **neuron, key=key()),
]  # fmt: skip

TAKES_ANYTHING = {"fn.layers.flatten": "it has no arguments"}

DENSE = fn.layers.dense(3, SIGMOID)
DENSE_PARAMS, _ = DENSE.init(jax.random.key(0), (2,))
CONTEXT = fn.Context()
_, TRACE = DENSE.forward(DENSE_PARAMS, jnp.asarray(X), CONTEXT)
GRU = fn.layers.gru(3)
GRU_PARAMS, _ = GRU.init(jax.random.key(0), (2,))
STEPS = jnp.ones((5, 4, 2))
_, GRU_TRACE = GRU.forward(GRU_PARAMS, STEPS, CONTEXT)
_, PLAIN_TRACE = fn.layers.gru(3, implementation="plain").forward(GRU_PARAMS, STEPS, CONTEXT)
CONVOLUTION = fn.layers.convolution(2, 3)
_, IMAGE_TRACE = CONVOLUTION.forward(
    CONVOLUTION.init(jax.random.key(0), (4, 4, 1))[0], jnp.ones((1, 4, 4, 1)), CONTEXT
)  # fmt: skip


def cotangent(valid) -> Kind:
    return array(valid, finite=False).but("wide").also(short=valid[:-1])


def traces(valid, *others) -> Kind:
    return instance(valid, *others)


METHODS = [
    call("layer.init", DENSE.init, key=key(), shape=shape((2,))),
    call(
        "layer.forward", DENSE.forward,
        params=params(DENSE_PARAMS).but("nan"), x=array(jnp.asarray(X), finite=False).but("more axes", "wide"),
        context=fixed(CONTEXT, none=None, key=jax.random.key(0), flag=True, text="context"),
    ),
    call(
        "layer.backward", DENSE.backward,
        params=params(DENSE_PARAMS).but("nan"), trace=traces(TRACE, GRU_TRACE, IMAGE_TRACE),
        d_y=cotangent(jnp.ones((4, 3))),
    ),
    call(
        "gru.backward", GRU.backward,
        params=params(GRU_PARAMS).but("nan"), trace=traces(GRU_TRACE, PLAIN_TRACE, TRACE),
        d_y=cotangent(jnp.ones((5, 4, 3))),
    ),
]  # fmt: skip

"""Valid calls of `fn.feedforward` and its relatives, and of the functions of a network."""

import jax
import numpy as np
import optax

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import (
    Kind,
    array,
    batch,
    choice,
    count,
    fixed,
    flag,
    instance,
    key,
    labels,
    network,
    number,
    optimizer,
    params,
    shape,
    sizes,
)  # fmt: skip

SOFTMAX, LINEAR = fn.objectives.softmax_log_likelihood, fn.objectives.linear_squared_error
SIGMOID = fn.activations.sigmoid
KEY = jax.random.key(0)

activation = instance(SIGMOID, SOFTMAX, fn.activations.softmax)
objective = instance(SOFTMAX, SIGMOID)
initializer = instance(fn.initializers.default, SOFTMAX)
dropout = number(0.1, 0, 1, open="high").but("none")
l2 = number(0.1, 0)
implementation = choice("fast")

NET = fn.feedforward([4, 3, 2], objective=SOFTMAX)
PARAMS = NET.init(KEY)
X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)
DATA = fn.Batch(X, np.arange(6) % 2)
LINES = fn.feedforward([4, 2], objective=LINEAR)
READER = fn.recurrent([3, 4, 3], "gru", objective=SOFTMAX)
READER_PARAMS = READER.init(KEY)
STEPS = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 2, 3)
STATE = READER.start(READER_PARAMS, 2)
CODER = fn.autoencoder([4, 3, 2])
CODER_PARAMS = CODER.init(KEY)
RBMS = [rbm.init(KEY) for rbm in fn.training.rbm_stack([4, 3, 2])]
MEMBERS = jax.vmap(NET.init)(jax.random.split(KEY, 3))


def shown(valid) -> Kind:
    """Parameters, or a state, of which NaN shows in the result."""
    return params(valid).but("nan")


ensemble = {"net": network(NET), "params": params(MEMBERS), "inputs": array(X), "mask": fixed(None, mask=X > 0)}

ROWS = [
    call(
        "fn.feedforward", fn.feedforward,
        sizes=sizes([4, 3, 2]), activation=activation, objective=objective, dropout=dropout, l2=l2,
        initializer=initializer,
    ),
    call(
        "fn.convolutional", fn.convolutional,
        input_shape=shape((8, 8, 1)).also(flat=(64,), **{"too small": (2, 2, 1)}),
        table=fixed(
            "conv3-2 maxpool2 fc-3", none=None, number=3, misspelt="convv3-2 fc-3", empty="", **{"no end": "conv3-2"},
            zero="conv0-2 fc-3", entry=["conv3-2", 3, "fc-3"], drop="conv3-2 dropout1 fc-3", units="fc-0",
        ),
        activation=activation, objective=objective,
        padding=choice("valid").also(negative=((0, -1), (0, 0)), flat=(1, 1)),
        pool_first=flag(False), l2=l2, initializer=initializer, implementation=implementation,
    ),
    call(
        "fn.recurrent", fn.recurrent,
        sizes=sizes([4, 3, 2]).also(two=[4, 3]), cell=choice("simple"), objective=objective,
        activation=activation.but("none"), return_sequences=flag(True), bidirectional=flag(False), dropout=dropout,
        l2=l2, initializer=initializer.but("none"), implementation=implementation,
        learn_initial_state=flag(False), truncate=count(2).but("none"), checkpoint_every=count(2).but("none"),
    ),
    call(
        "fn.autoencoder", fn.autoencoder,
        sizes=sizes([4, 3, 2]), activation=activation,
        code_activation=instance(SIGMOID, SOFTMAX, fn.activations.softmax),
        objective=objective, tied=flag(False),
        corruption=number(0.1, 0, 1).but("none").also(layer=fn.layers.dense(4)),
        sparsity=number(0.1, 0, 1, open="low high").but("none"), l2=l2, initializer=initializer,
    ),
    call(
        "fn.network", fn.network,
        layer=instance(fn.layers.dense(2), SOFTMAX, fn.layers.dense), objective=objective,
        input_shape=shape((4,)).also(image=(4, 4, 1)), l2=l2,
    ),
    call(
        "fn.chain", lambda one, two: fn.chain(one, two), named={"one": "part 0", "two": "part 1"},
        one=instance(fn.layers.dense(2), SOFTMAX, fn.layers.dense),
        two=instance(fn.layers.dense(3), SIGMOID, NET),
    ),
    call("fn.weight_mask", fn.weight_mask, params=fixed(PARAMS, none=None, text="weights", net=NET, number=3)),
    call(
        "fn.autoencoders.classifier", fn.autoencoders.classifier,
        net=network(CODER).also(another=NET), params=params(CODER_PARAMS), classes=count(3).also(one=1),
        objective=objective, key=key(), l2=l2, initializer=initializer,
    ),
    call(
        "fn.autoencoders.encode", fn.autoencoders.encode,
        net=network(CODER).also(another=NET), params=shown(CODER_PARAMS), x=array(X),
    ),
    call(
        "fn.autoencoders.decode", fn.autoencoders.decode,
        net=network(CODER).also(another=NET), params=shown(CODER_PARAMS), code=array(X[:, :2]),
    ),
    call(
        "fn.autoencoders.unroll", fn.autoencoders.unroll,
        net=network(CODER).also(another=NET),
        rbm_params=fixed(
            RBMS, none=None, number=3, text="rbms", one=RBMS[0], few=RBMS[:1], turned=RBMS[::-1], nets=[CODER, CODER],
            integers=[part._replace(visible_biases=np.zeros(part.visible_biases.shape, int)) for part in RBMS],
            nan=[part._replace(weights=part.weights * np.nan) for part in RBMS],
            texts=[part._replace(weights="weights") for part in RBMS],
        ),
    ),
    call("fn.autoencoders.of", lambda net: fn.autoencoders.of(net, "encode"), net=network(CODER).also(another=NET)),
    call(
        "fn.autoencoders.halves", lambda net, params: fn.autoencoders.halves(net, params, "encode"),
        net=fixed(CODER), params=shown(CODER_PARAMS),
    ),
    call("fn.ensembles.average", fn.ensembles.average, **ensemble | {"params": shown(MEMBERS)}),
    call("fn.ensembles.votes", fn.ensembles.votes, **ensemble | {"net": network(NET).also(lines=LINES)}),
    call("fn.ensembles.vote", fn.ensembles.vote, **ensemble | {"net": network(NET).also(lines=LINES)}),
    call(
        "fn.ensembles.stack", fn.ensembles.stack,
        members=fixed(
            [PARAMS, PARAMS], none=None, number=3, text="members", empty=[], shapes=[PARAMS, CODER_PARAMS],
            texts=["a", "b"], one=PARAMS, net=NET, nones=[None, None],
        ),
    ),
    call(
        "fn.transfer.reuse", fn.transfer.reuse,
        net=network(NET).also(coder=CODER, rbm=fn.rbm(4, 3)), params=params(PARAMS), outputs=count(3).also(one=1),
        objective=objective.but("none"), key=key(), l2=l2.but("none"), initializer=initializer,
    ),
    call(
        "fn.transfer.freeze", fn.transfer.freeze,
        optimizer=optimizer(optax.sgd(0.1)),
        params=params(PARAMS).but("shape", "integers", "complex", "nan", "leaf of text").also(part=PARAMS[0], net=NET),
    ),
]  # fmt: skip

TAKES_ANYTHING = {}

PROMPT = np.array([[0, 1], [2, 0]])
METHODS = [
    call("net.init", NET.init, key=key()),
    call("net.predict", NET.predict, params=shown(PARAMS), inputs=array(X), mask=fixed(None, mask=X > 0)),
    call("net.cost", NET.cost, params=shown(PARAMS), batch=batch(DATA), key=key().but("none")),
    call("net.gradient", NET.gradient, params=shown(PARAMS), batch=batch(DATA), key=key().but("none")),
    call("net.cost_and_gradient", NET.cost_and_gradient, params=shown(PARAMS), batch=batch(DATA),
        key=key().but("none"),
   ),
    call("reader.start", READER.start, params=shown(READER_PARAMS), n=count(2)),
    call(
        "reader.step", READER.step,
        params=shown(READER_PARAMS), state=shown(STATE), inputs=array(STEPS[0]),
    ),
    call(
        "reader.run", READER.run,
        params=shown(READER_PARAMS), inputs=array(STEPS), state=shown(STATE).but("none"),
    ),
    call(
        "reader.sample", READER.sample,
        params=params(READER_PARAMS),
        prompt=labels(PROMPT, 3).but("short", "more axes").also(flat=PROMPT[0], empty=PROMPT[:0], cube=PROMPT[None]),
        length=count(3), temperature=number(1.0, 0, open="low"), key=key(),
    ),
]  # fmt: skip

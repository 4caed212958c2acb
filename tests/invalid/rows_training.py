"""Valid calls of what trains and evaluates."""

import contextlib

import jax
import numpy as np
import optax

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import batch, choice, count, fixed, flag, key, network, number, optimizer, params

NET = fn.feedforward([4, 3, 2], objective=fn.objectives.softmax_log_likelihood)
PARAMS = NET.init(jax.random.key(0))
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
DATA = fn.Batch(X, np.arange(6) % 2)


def use_all_cores(count):
    """The function, whose valid calls come too late in a process of tests; tests/training/distributed has those."""
    with contextlib.suppress(RuntimeError):
        fn.use_all_cores(count)


ROWS = [
    call("fn.evaluate", fn.evaluate, net=network(NET), params=params(PARAMS).but("nan"), batch=batch(DATA)),
    call(
        "fn.fit",
        fn.fit,
        net=network(NET),
        optimizer=optimizer(optax.sgd(0.1)),
        train=batch(DATA).but("array"),
        key=key(),
        epochs=count(1, least=0),
        patience=count(2).but("none"),
        min_delta=number(0.0, 0),
        state=fixed(None, number=3, text="state", params=PARAMS),
        checkpoint=fixed(None, number=3, empty="", flag=True),
        mesh=fixed(None, number=3, text="data"),
        devices=fixed(None, misspelt="al", number=2),
        batch_size=count(2).but("none"),
        validation=batch(DATA).but("none"),
        params=params(PARAMS).but("none"),
        gradient=fixed("explicit", misspelt="explict", number=3, none=None),
        monitor=choice("cost"),
        evaluate_training=flag(True).but("none"),
        progress=fixed(False, misspelt="atuo", number=3, none=None),
    ),
    call(
        "fn.training.start",
        fn.training.start,
        net=network(NET),
        optimizer=optimizer(optax.sgd(0.1)),
        key=key(),
        params=params(PARAMS).but("none", "nan"),
    ),
    call("fn.use_all_cores", use_all_cores, count=count(1).but("none").also(above=100_000)),
]

"""The contestants that run on JAX: fnnets itself, the scan it is made of, and an ordinary loop of jitted steps.

fnnets       `fn.fit`, an epoch of three: checks and a copy first, one transfer after each epoch
bare scan    shuffle, `lax.scan` of gradient and optax update, buffers donated; nothing else
per step     a Python loop; each step one jitted call, buffers donated, data on the device, indices handed over
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnnets as fn
from experiments.benchmarks.setting import LEARNING_RATE, MOMENTUM, SEED, Setting, Trainer, cut, plain
from fnnets.training.shuffle import shuffle

EPOCHS = 3  # of a timed fit, which reads the data once for NaN and copies the parameters at its beginning
OPTIMIZER = optax.sgd(LEARNING_RATE, MOMENTUM)


def fit(setting: Setting, name: str, gradient: str = "explicit", monitor: bool = False) -> Trainer:
    """`fn.fit` for `EPOCHS`. It always shuffles: its walk takes the order of `drawn_order`."""
    train = _on_device(setting.inputs, setting.targets)
    seeds = itertools.count(SEED + 1)

    def run(examples: fn.Batch, seed: int, epochs: int = 1):
        return fn.fit(
            setting.net, OPTIMIZER, examples, key=jax.random.key(seed), epochs=epochs, batch_size=setting.batch_size,
            params=setting.params, gradient=gradient, evaluate_training=monitor, progress=False,
        ).params  # fmt: skip

    return Trainer(
        name,
        lambda: run(train, next(seeds), EPOCHS),
        lambda inputs, targets: plain(run(_on_device(inputs, targets), SEED)),
        epochs=EPOCHS,
    )


def drawn_order(examples: int) -> np.ndarray:
    """The order in which the walk of `fit` takes so many examples."""
    _, run_key = jax.random.split(jax.random.key(SEED))
    order_key, _ = jax.random.split(jax.random.fold_in(run_key, 0))
    return np.asarray(shuffle(order_key, examples))


def bare_scan(setting: Setting, name: str, gradient=None) -> Trainer:
    """One jitted function for an epoch, written with nothing but JAX, optax and the network's gradient."""
    gradient = setting.net.gradient if gradient is None else gradient

    def step(moving, examples, indices):
        params, optimizer_state = moving
        batch = fn.Batch(*(part.at[indices].get(mode="promise_in_bounds") for part in examples))
        updates, optimizer_state = OPTIMIZER.update(gradient(params, batch), optimizer_state, params)
        return optax.apply_updates(params, updates), optimizer_state

    @functools.partial(jax.jit, donate_argnums=0)
    def scan(moving, examples, order):
        steps, rest = divmod(len(order), setting.batch_size)
        whole = order[: len(order) - rest].reshape(steps, setting.batch_size)
        moving, _ = jax.lax.scan(lambda moving, indices: (step(moving, examples, indices), None), moving, whole)
        return step(moving, examples, order[len(order) - rest :]) if rest else moving

    @functools.partial(jax.jit, donate_argnums=0)
    def shuffled(moving, examples, key):
        return scan(moving, examples, shuffle(key, len(examples[0])))

    trainer = _trainer(setting, name, shuffled, scan)

    def epochs():
        for _ in range(EPOCHS - 1):
            trainer.epoch()
        return trainer.epoch()

    return trainer._replace(epoch=epochs, epochs=EPOCHS)


def per_step(setting: Setting, name: str) -> Trainer:
    """An ordinary loop: automatic gradient of an ordinary cost, `optax.sgd`, one jitted call a step."""
    optimizer = optax.sgd(LEARNING_RATE, MOMENTUM)

    def cost(params, inputs, targets):
        for layer in params[:-1]:
            inputs = jax.nn.sigmoid(inputs @ layer.weights.T + layer.biases)
        z = inputs @ params[-1].weights.T + params[-1].biases
        return optax.softmax_cross_entropy_with_integer_labels(z, targets).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def step(moving, examples, indices):
        params, optimizer_state = moving
        d_params = jax.grad(cost)(params, *(part[indices] for part in examples))
        updates, optimizer_state = optimizer.update(d_params, optimizer_state, params)
        return optax.apply_updates(params, updates), optimizer_state

    def walk(moving, examples, order):
        for indices in cut(order, setting.batch_size):
            moving = step(moving, examples, indices)
        return moving

    random = np.random.default_rng(SEED)

    def shuffled(moving, examples, key):
        return walk(moving, examples, random.permutation(len(examples[0])).astype(np.int32))

    return _trainer(setting, name, shuffled, walk, optimizer)._replace(loops=True)


def _trainer(setting, name, shuffled, ordered, optimizer=OPTIMIZER) -> Trainer:
    """A trainer that goes on from its own state, from epoch to epoch."""
    examples = _on_device(setting.inputs, setting.targets)[:2]
    keys = map(jax.random.key, itertools.count(SEED + 1))

    def begin():
        params = jax.tree.map(jnp.copy, setting.params)
        return params, optimizer.init(params)

    state = [begin()]

    def epoch():
        state[0] = shuffled(state[0], examples, next(keys))
        return state[0]

    def walk(inputs, targets):
        order = np.arange(len(inputs), dtype=np.int32)
        return plain(ordered(begin(), _on_device(inputs, targets)[:2], order)[0])

    return Trainer(name, epoch, walk)


def _on_device(inputs, targets) -> fn.Batch:
    return fn.Batch(jnp.asarray(inputs), jnp.asarray(targets))

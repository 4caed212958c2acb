"""Optax's extra arguments: line searches, lbfgs and plateaus run in `fit`, on what is derived by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from fnnets.training import extras

KEY = jax.random.key(5)
NET = fn.feedforward([3, 4, 2], activation=fn.activations.tanh, objective=fn.objectives.softmax_log_likelihood, l2=0.1)
X = jax.random.normal(KEY, (60, 3))
DATA = fn.Batch(X, (X[:, 0] * X[:, 1] > 0).astype(int))
PLATEAU = optax.chain(optax.sgd(0.5), optax.contrib.reduce_on_plateau(patience=2))
LINE_SEARCH = optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(max_backtracking_steps=10))


def fit(optimizer, **settings):
    settings = {"train": DATA, "key": KEY, "epochs": 4, "batch_size": 60, "progress": False} | settings
    return fn.fit(NET, optimizer, **settings)


@pytest.mark.parametrize("optimizer", [optax.lbfgs(), PLATEAU, LINE_SEARCH, optax.polyak_sgd()])
def test_full_batch_descent_is_the_loop_of_optax_on_the_automatic_gradient(optimizer, standard_promotion):
    """The loop is that of optax's documentation; the arguments are those of the whole data set."""
    params = fn.training.start(NET, optimizer, key=KEY).params
    state = optimizer.init(params)

    def cost(params):
        return NET.cost(params, DATA)

    for _ in range(4):
        value, d_params = jax.value_and_grad(cost)(params)
        updates, state = optimizer.update(d_params, state, params, value=value, grad=d_params, value_fn=cost)
        params = optax.apply_updates(params, updates)
    result = fit(optimizer)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), result.params, params)
    assert result.history.cost[-1] < NET.cost(fn.training.start(NET, optimizer, key=KEY).params, DATA)


def test_a_plateau_is_seen(standard_promotion):
    """A constant cost, by a rate of 0, is a plateau: the scale falls by its factor after every two steps."""
    optimizer = optax.chain(optax.sgd(0.0), optax.contrib.reduce_on_plateau(factor=0.5, patience=2))
    assert fit(optimizer, epochs=7).state.optimizer_state[-1].scale == 0.5**3


def test_members_of_a_sweep_and_streams_have_them_too(standard_promotion):
    sweep = fn.training.fit_many(
        lambda rate: (NET, optax.chain(optax.sgd(rate), optax.contrib.reduce_on_plateau(patience=2))), DATA,
        keys=jnp.stack([KEY, KEY]), hyperparameters={"rate": [0.1, 0.5]}, epochs=4, batch_size=60, progress=False,
    )  # fmt: skip
    one, stream = fit(PLATEAU), fit(PLATEAU, train=fn.data.stream(DATA.inputs, DATA.targets))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-5, atol=1e-6), sweep.params, one.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), stream.params, one.params)


def test_the_cost_as_a_function_is_derived_by_hand():
    """JAX's derivative of `value_fn` is what `gradient` gives, whatever that is."""
    params = NET.init(KEY)
    wrong = jax.tree.map(lambda leaf: 3 * jnp.ones_like(leaf), params)
    given = extras.of(NET, lambda params, batch, *, key: wrong, params, DATA, None, wrong)
    np.testing.assert_allclose(given["value"], NET.cost(params, DATA), rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, jax.grad(given["value_fn"])(params), wrong)


def test_programs_of_optimisers_that_read_nothing_hold_no_cost(standard_promotion):
    """`fit` of plain descent compiles as it would without the arguments."""
    params = NET.init(KEY)
    kinds = {
        "sgd": optax.sgd(0.1, momentum=0.9), "adam": optax.adam(0.1), "clip": optax.clip_by_global_norm(1.0),
        "freeze": fn.transfer.freeze(optax.sgd(0.1), params),
        "two": optax.GradientTransformation(lambda params: (), lambda updates, state, params=None: (updates, state)),
    }  # fmt: skip
    read = {name: optax.with_extra_args_support(kind) for name, kind in kinds.items()}
    assert not any(extras.are_read(kind, kind.init(params), params) for kind in read.values())


def test_an_optional_argument_counts_as_read():
    def update(updates, state, params=None, *, value=None, **extra):
        return jax.tree.map(lambda leaf: leaf * (0.0 if value is None else value), updates), state

    optimizer = optax.GradientTransformationExtraArgs(lambda params: (), update)
    params = NET.init(KEY)
    assert extras.are_read(optimizer, (), params)
    before = fn.training.start(NET, optimizer, key=KEY).params
    value, d_params = NET.cost_and_gradient(before, DATA)
    expected = jax.tree.map(lambda w, d: w + value * d, before, d_params)
    after = fit(optimizer, epochs=1).params
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after, expected)

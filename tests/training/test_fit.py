"""fit: the descent it does, its determinism, early stopping, interruption, divergence and messages."""

import functools
import importlib
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from fnnets.training import program
from fnnets.training.epoch import minibatch
from fnnets.training.shuffle import shuffle
from tests.training.interrupting import Interrupting

KEY = jax.random.key(7)
DESCENT = fn.training.momentum(0.3, 0.5)
NET = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=0.5)


def blobs(n, key=KEY):
    """Three classes that a small network can learn; nothing of it is compiled."""
    labels, random = np.arange(n) % 3, np.random.default_rng(np.asarray(jax.random.key_data(key)))
    inputs = 3 * np.eye(4)[labels] + 0.5 * random.normal(size=(n, 4))
    return fn.Batch(jnp.asarray(inputs, float), jnp.asarray(labels))


def fit(net=NET, optimizer=DESCENT, train=None, **settings):
    settings = {"epochs": 3, "batch_size": 10, "progress": False} | settings
    settings = settings if "state" in settings else {"key": KEY} | settings
    return fn.fit(net, optimizer, blobs(40) if train is None else train, **settings)


def assert_same(first, second, tolerance=0.0):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


def test_an_epoch_is_the_loop_one_would_write():
    """Every example once, the last batch short, n of the penalty the data set's, in a Python loop of optax steps."""
    train = blobs(47)
    result, derive = fit(train=train, epochs=2), jax.jit(jax.grad(NET.cost))
    state = fn.training.start(NET, DESCENT, key=KEY)
    params, optimizer_state = state.params, state.optimizer_state
    for epoch in range(2):
        order = shuffle(jax.random.split(jax.random.fold_in(state.key, epoch))[0], 47)
        parts = [order[i : i + 10] for i in range(0, 47, 10)]
        assert [len(part) for part in parts] == [10, 10, 10, 10, 7]
        for part in parts:
            batch = fn.Batch(train.inputs[part], train.targets[part], dataset_size=47)
            updates, optimizer_state = DESCENT.update(derive(params, batch), optimizer_state, params)
            params = optax.apply_updates(params, updates)
    assert_same(result.params, params, 1e-5)


@pytest.mark.parametrize("gradient", ["automatic", jax.grad(NET.cost), NET.gradient])
def test_whoever_derives_the_result_is_the_same(gradient):
    assert_same(fit(gradient=gradient).params, fit().params, 1e-5)


@pytest.mark.parametrize("batch_size", [1, 40])
def test_online_and_full_batch_descent_are_the_same_function(batch_size):
    history = fit(batch_size=batch_size, epochs=20).history
    assert history.cost[-1] < history.cost[0]


def test_full_batch_descent_is_plain_descent():
    train, rate = blobs(12), 0.1
    result = fit(optimizer=optax.sgd(rate), train=train, batch_size=12, epochs=1)
    before = fn.training.start(NET, optax.sgd(rate), key=KEY).params
    after = jax.tree.map(lambda w, d: w - rate * d, before, NET.gradient(before, train))
    assert_same(result.params, after, 1e-5)


@pytest.mark.parametrize("optimizer", [optax.adam(1e-2), optax.rmsprop(optax.cosine_decay_schedule(1e-2, 100))])
def test_any_optax_transformation_trains(optimizer, standard_promotion):
    history = fit(optimizer=optimizer, epochs=10).history
    assert history.cost[-1] < history.cost[0]


def test_the_same_key_gives_the_same_bits_and_another_key_does_not():
    net = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, dropout=0.5)
    first, second, other = fit(net), fit(net), fit(net, key=jax.random.key(8))
    assert_same(first.params, second.params)
    assert_same(first.history.cost, second.history.cost)
    assert not np.allclose(first.params[0].weights, other.params[0].weights)


def test_a_run_that_goes_on_equals_one_that_never_stopped():
    net = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, dropout=0.5)
    whole = fit(net, epochs=5, validation=blobs(20))
    first = fit(net, epochs=2, validation=blobs(20))
    second = fit(net, epochs=3, validation=blobs(20), state=first.state)
    assert_same(second.params, whole.params)
    assert_same(second.state.best, whole.state.best)
    np.testing.assert_array_equal(second.history.cost, whole.history.cost[2:])


def test_given_parameters_are_begun_from_and_left_alone():
    params = jax.tree.map(jnp.zeros_like, NET.init(KEY))
    result = fit(params=params, epochs=0)
    assert_same(result.params, params)
    fit(params=params, epochs=1)
    assert not any(leaf.any() for leaf in jax.tree.leaves(params))


def test_history_has_a_row_for_each_epoch():
    history = fit(validation=blobs(20), epochs=4).history
    assert all(column.shape == (4,) for column in history)
    measured = fn.evaluate(NET, fit(epochs=4).params, blobs(40))
    np.testing.assert_allclose(history.cost[-1], measured.cost, rtol=1e-6)
    np.testing.assert_allclose(history.accuracy[-1], measured.accuracy)
    assert fit(evaluate_training=False).history == fn.training.History()
    assert fit(evaluate_training=False, validation=blobs(20)).history.cost is None


def test_early_stopping_hands_back_the_best_parameters():
    # validation labels that are wrong get worse as training goes on, so the first epoch is the best
    validation = blobs(20)._replace(targets=(blobs(20).targets + 1) % 3)
    result = fit(validation=validation, patience=3, epochs=50)
    assert result.stopped == "no better for 3 epochs; best epoch 1"
    assert len(result.history.cost) == 4
    assert_same(result.params, fit(epochs=1).params)
    np.testing.assert_allclose(
        fn.evaluate(NET, result.params, validation).cost, result.history.validation_cost.min(), rtol=0.05
    )


def test_selection_by_accuracy_keeps_the_first_of_equals():
    result = fit(validation=blobs(21), monitor="accuracy", epochs=12, patience=10)
    assert int(result.state.best.epoch) == 1 + int(np.argmax(result.history.validation_accuracy))


def test_divergence_stops_with_the_last_good_parameters(standard_promotion):
    net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
    train = fn.Batch(blobs(40).inputs, jax.nn.one_hot(blobs(40).targets, 3))
    schedule = optax.piecewise_constant_schedule(0.01, {8: 1e30})  # 4 steps an epoch: epochs 1 and 2 are sound
    with pytest.warns(RuntimeWarning, match=r"NaN or infinite in epoch 3.*those of epoch 2.*smaller learning rate"):
        result = fit(net, fn.training.momentum(schedule), train, epochs=9)
    assert "epoch 3" in result.stopped
    assert len(result.history.cost) == 2
    assert_same(result.params, fit(net, fn.training.momentum(0.01), train, epochs=2).params, 1e-6)


def test_ctrl_c_returns_what_was_learnt(monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("sys.stderr", Interrupting())
    result = fit(epochs=100, progress=True)
    assert result.stopped == "interrupted after epoch 2"
    assert_same(result.params, fit(epochs=2).params)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_raises():
    from fnnets.training.interrupt import interruptible

    def press_twice():
        with interruptible() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()


def test_the_same_settings_compile_once(monkeypatch):
    module = importlib.import_module("fnnets.training.program")
    fit(epochs=1)
    monkeypatch.setattr(module, "derive", lambda net, gradient: pytest.fail("compiled again"))
    fit(epochs=2)
    with pytest.raises(pytest.fail.Exception, match="compiled again"):
        fit(epochs=1, batch_size=9)


def test_a_network_built_twice_compiles_nothing_anew():
    """Equal arguments give the same network and optimiser: the programs of the first run serve the second."""
    compiled = []

    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(details)

    def compilations():
        before = len(compiled)
        net = fn.feedforward([4, 7, 3], objective=fn.objectives.softmax_log_likelihood, l2=0.1, dropout=0.2)
        descent = fn.training.momentum(0.1, 0.9)
        fn.fit(net, descent, blobs(40), key=KEY, epochs=2, validation=blobs(20), progress=False)
        return len(compiled) - before

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        first, second = compilations(), compilations()
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert first > 0
    assert second == 0


def test_nothing_is_transferred_between_steps():
    """The jitted epoch gets its data and state once: inside, a transfer would raise."""
    train = jax.device_put(blobs(40)._replace(dataset_size=40))
    step = program.compiled_epoch(program.Config(NET, DESCENT, "explicit", 10, "cost", None), (("training", True),))
    state = fn.training.start(NET, DESCENT, key=KEY)
    state, _ = step(state, train, {"training": train})
    with jax.transfer_guard("disallow"):
        state, _ = step(state, train, {"training": train})
    assert int(state.epoch) == 2


def test_the_state_is_donated():
    train = jax.device_put(blobs(40)._replace(dataset_size=40))
    state = fn.training.start(NET, DESCENT, key=KEY)
    program.compiled_epoch(program.Config(NET, DESCENT, "explicit", 10, "cost", None), ())(state, train, {})
    assert state.params[0].weights.is_deleted()


def test_take_keeps_the_size_of_the_data_set():
    net = fn.feedforward([2, 2], objective=fn.objectives.softmax_log_likelihood)
    assert minibatch(net, blobs(9), jnp.array([1])).dataset_size == 9
    assert minibatch(net, blobs(9)._replace(dataset_size=100), jnp.array([1])).dataset_size == 100


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_train(precision):
    with jax.enable_x64(precision == "float64"):
        params = jax.tree.map(lambda leaf: leaf.astype(precision), NET.init(KEY))
        result = fit(optimizer=fn.training.momentum(0.1), params=params, epochs=5)
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(result.params)} == {precision}
        assert result.history.cost[-1] < result.history.cost[0]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": 41}, ValueError, "batch_size is 41, expected at most the 40"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size is 2.5"),
        ({"epochs": -1}, ValueError, "epochs is -1"),
        ({"key": 3}, TypeError, "fit: key is 3"),
        ({"key": None}, TypeError, "fit: key is None"),
        ({"patience": 2}, ValueError, "without validation data"),
        ({"patience": 0, "validation": blobs(9)}, ValueError, "patience is 0"),
        ({"monitor": "f1"}, ValueError, "monitor is 'f1'"),
        ({"gradient": "numeric"}, ValueError, "gradient is 'numeric'"),
        ({"optimizer": 0.1}, TypeError, "optimizer is 0.1"),
        ({"net": "net"}, TypeError, "net is 'net'"),
        ({"progress": "loud"}, ValueError, "progress is 'loud'"),
        ({"train": blobs(9)._replace(inputs=jnp.full((9, 4), jnp.nan))}, ValueError, "fit: train.inputs holds 36"),
        ({"train": blobs(9)._replace(targets=jnp.arange(9))}, ValueError, "labels from 0 to 8, expected 0 to 2"),
        ({"validation": blobs(9)._replace(targets=jnp.arange(8) % 3)}, ValueError, "holds 8 targets, expected 9"),
        ({"train": fn.Batch(jnp.ones((0, 4)), jnp.ones(0, int))}, ValueError, "no examples"),
        ({"state": "state"}, TypeError, "fit: state is 'state'"),
    ],
)
def test_bad_arguments_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        fit(**settings)


def spoilt(value):
    """Parameters of the network, the first weights all `value`."""
    first, *rest = NET.init(KEY)
    return (first._replace(weights=np.full(first.weights.shape, value)), *rest)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"train": (blobs(9).inputs, blobs(9).targets)}, TypeError, r"fit: train is of type tuple.*Batch\(\*train\)"),
        ({"train": blobs(9).inputs}, TypeError, r"fit: train is of type \w+, expected a fnnets.Batch"),
        ({"train": "data.npy"}, TypeError, "fit: train is of type str, expected a fnnets.Batch"),
        ({"train": fn.Batch(None, blobs(9).targets)}, TypeError, "fit: train.inputs is None, expected an array"),
        ({"validation": tuple(blobs(9)[:2])}, TypeError, r"fit: validation is of type tuple.*Batch\(\*validation\)"),
        ({"validation": 0.2}, TypeError, "fit: validation is 0.2 of type float, expected a fnnets.Batch"),
        ({"validation": {"inputs": blobs(9).inputs}}, TypeError, r"fit: validation is.*Batch\(\*\*validation\)"),
        ({"params": spoilt(1)}, TypeError, r"fit: params\[0\].weights has dtype int32, expected floats"),
        ({"params": spoilt(1j)}, TypeError, r"fit: params\[0\].weights has dtype complex"),
        ({"params": spoilt(np.nan)}, ValueError, r"fit: params\[0\].weights holds 20 values that are NaN"),
        ({"gradient": lambda params, batch: params}, TypeError, "gradient is a function of other arguments"),
    ],
)
def test_arguments_of_another_kind_are_refused_before_anything_is_compiled(settings, error, message, monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
    with pytest.raises(error, match=message):
        fit(**settings)


def test_a_state_of_another_optimizer_is_refused():
    state = fit(optimizer=optax.sgd(0.1, momentum=0.9), epochs=1).state
    with pytest.raises(ValueError, match=r"fit: state.optimizer_state has the structure.*optimizer that the state"):
        fn.fit(NET, optax.adam(0.1), blobs(40), state=state, progress=False)


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (lambda net, params, batch: jax.tree.map(jnp.sum, net.gradient(params, batch)), ValueError,
         r"fit: gradient\(…\)\[0\].weights has shape \(\), expected \(5, 4\)"),
        (lambda net, params, batch: net.cost_and_gradient(params, batch), ValueError,
         r"fit: gradient\(…\) has the structure"),
        (lambda net, params, batch: jax.tree.map(lambda d: d.astype(int), net.gradient(params, batch)), TypeError,
         r"fit: gradient\(…\)\[0\].\w+ has dtype int32, expected floats"),
    ],
)  # fmt: skip
def test_a_gradient_that_is_unlike_the_parameters_is_refused(gradient, error, message):
    """Sums over a layer would be broadcast into its weights."""
    with pytest.raises(error, match=message):
        fit(gradient=lambda params, batch, *, key: gradient(NET, params, batch))
    net = NET._replace(gradient=lambda params, batch, *, key=None: gradient(NET, params, batch))
    with pytest.raises(error, match=message.replace("fit: gradient", "fit: net.gradient")):
        fit(net)
    with pytest.raises(error, match=message):
        fn.training.fit_many(
            lambda: (NET, DESCENT), blobs(40), keys=jax.random.split(KEY, 2), epochs=1, progress=False,
            gradient=lambda params, batch, *, key: gradient(NET, params, batch),
        )  # fmt: skip


@pytest.mark.parametrize("n", [1, 7, 12])
def test_fewer_than_ten_examples_are_one_minibatch(n):
    given = fit(train=blobs(n), batch_size=min(n, 10), epochs=2)
    assert_same(fit(train=blobs(n), batch_size=None, epochs=2).params, given.params)


def test_state_and_key_together_are_refused():
    with pytest.raises(ValueError, match="state is given together with key"):
        fn.fit(NET, DESCENT, blobs(20), key=KEY, state=fit().state)


def test_a_gradient_of_ones_own_in_the_network_is_the_one_that_trains():
    """`net._replace(gradient=…)` has no unchecked twin, so that `fit` calls the function that was given."""
    net = NET._replace(gradient=lambda params, batch, *, key=None: jax.tree.map(jnp.zeros_like, params))
    before = fn.training.start(net, DESCENT, key=KEY).params
    result = fit(net, params=before, epochs=1)
    jax.tree.map(np.testing.assert_array_equal, result.params, before)


def test_parameters_of_another_network_are_refused_before_anything_is_compiled():
    other = fn.feedforward([4, 6, 3], objective=fn.objectives.softmax_log_likelihood)
    with pytest.raises(ValueError, match=r"fit: params.*has shape \(6, 4\), expected \(5, 4\)"):
        fit(params=other.init(KEY))
    state = fn.training.start(other, DESCENT, key=KEY)
    with pytest.raises(ValueError, match=r"fit: state\.params.*has shape \(6, 4\), expected \(5, 4\)"):
        fit(state=state)


def test_a_penalty_that_is_an_array_trains_as_the_number():
    one, other = (
        fit(fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=l2), epochs=1)
        for l2 in (0.5, jnp.float32(0.5))
    )
    assert_same(one.params, other.params)


def test_evaluate_training_of_another_kind_is_refused():
    with pytest.raises(
        TypeError, match="fit: evaluate_training is 'yes' of type str, expected True, False or None; choose one"
    ):
        fit(evaluate_training="yes")


@pytest.mark.parametrize("fault", ["not summed over the examples", "d_x first"])
def test_a_layer_whose_gradient_is_not_like_its_parameters_is_refused(fault):
    def backward(gain, x, d_y):
        return (d_y * x, d_y * gain) if fault == "not summed over the examples" else (d_y * gain, (d_y * x).sum(0))

    layer = fn.Layer(lambda key, shape: (jnp.ones(shape), shape), lambda gain, x, c: (gain * x, x), backward, "scale")
    net = fn.network(fn.chain(layer, fn.layers.dense(2)), fn.objectives.softmax_log_likelihood, (3,))
    batch = fn.Batch(jnp.ones((4, 3)), jnp.arange(4) % 2)
    message = r"fit: net.gradient\(…\)\[0\] has shape \(4, 3\), expected \(3,\); .*summed over the examples"
    with pytest.raises(ValueError, match=message):
        fn.fit(net, optax.sgd(0.1), batch, key=jax.random.key(0), epochs=1, batch_size=4, progress=False)


def test_a_gradient_of_ones_own_around_the_networks_is_the_one_that_trains():
    """`functools.wraps` copies the attributes of what it wraps, and with them that of the unchecked twin."""
    gradient = functools.wraps(NET.gradient)(lambda params, batch, *, key=None: jax.tree.map(jnp.zeros_like, params))
    cost = functools.wraps(NET.cost)(lambda params, batch, *, key=None: 0 * NET.cost(params, batch, key=key))
    before = fn.training.start(NET, DESCENT, key=KEY).params
    for net, settings in (
        (NET._replace(gradient=gradient), {}),
        (NET, {"gradient": gradient}),
        (NET._replace(cost=cost), {"gradient": "automatic"}),
    ):
        result = fit(net, params=before, epochs=1, **settings)
        jax.tree.map(np.testing.assert_array_equal, result.params, before)
    assert fn.evaluate(NET._replace(cost=cost), before, blobs(20)).cost == 0

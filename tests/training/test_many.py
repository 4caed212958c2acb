"""Each member of fit_many equals its own fit to rounding."""

import jax
import numpy as np
import pytest

import fnnets as fn
from tests.training.test_fit import KEY, NET, Interrupting, blobs
from tests.training.test_fit_of_sequences import echoes

KEYS = jax.random.split(KEY, 3)
QUIET = {"epochs": 3, "batch_size": 10, "progress": "silent"}


def test_members_over_keys_equal_their_own_fits():
    descent = fn.training.momentum(0.3, 0.5)
    together = fn.training.fit_many(lambda: (NET, descent), blobs(40), keys=KEYS, validation=blobs(20), **QUIET)
    for k in range(3):
        alone = fn.training.fit(NET, descent, blobs(40), key=KEYS[k], validation=blobs(20), **QUIET)
        member = jax.tree.map(lambda leaf, k=k: leaf[k], together.params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), member, alone.params)
        np.testing.assert_allclose(together.history.validation_cost[:, k], alone.history.validation_cost, rtol=1e-4)
        assert int(together.state.best.epoch[k]) == int(alone.state.best.epoch)


def test_members_that_read_padded_sequences_equal_their_own_fits():
    """An lstm with checkpoints under vmap; the last minibatch is short."""
    net = fn.recurrent(
        [1, 4, 2], "lstm", objective=fn.objectives.softmax_log_likelihood, checkpoint_every=4, learn_initial_state=True
    )
    settings = QUIET | {"epochs": 2, "batch_size": 4}
    descent = fn.training.momentum(0.3, 0.5)
    together = fn.training.fit_many(lambda: (net, descent), echoes(10), keys=KEYS, **settings)
    for k in range(3):
        alone = fn.training.fit(net, descent, echoes(10), key=KEYS[k], **settings)
        member = jax.tree.map(lambda leaf, k=k: leaf[k], together.params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), member, alone.params)
        np.testing.assert_allclose(together.history.accuracy[:, k], alone.history.accuracy, rtol=1e-6)


def test_members_over_numbers_equal_their_own_fits():
    def build(rate, l2):
        net = fn.feedforward([4, 5, 3], objective=fn.objectives.softmax_log_likelihood, l2=l2)
        return net, fn.training.momentum(rate)

    numbers = {"rate": [0.1, 0.2, 0.3], "l2": [0.0, 1.0, 2.0]}
    together = fn.training.fit_many(build, blobs(40), keys=KEYS, hyperparameters=numbers, **QUIET)
    for k in range(3):
        net, descent = build(numbers["rate"][k], numbers["l2"][k])
        alone = fn.training.fit(net, descent, blobs(40), key=KEYS[k], **QUIET)
        np.testing.assert_allclose(together.history.cost[:, k], alone.history.cost, rtol=1e-4)


def test_a_diverged_member_leaves_the_others_alone():
    def build(rate):
        net = fn.feedforward([4, 3], objective=fn.objectives.linear_squared_error)
        return net, fn.training.momentum(rate)

    train = fn.Batch(blobs(40).inputs, jax.nn.one_hot(blobs(40).targets, 3))
    result = fn.training.fit_many(build, train, keys=KEYS, hyperparameters={"rate": [0.01, 1e30, 0.02]}, **QUIET)
    assert result.diverged.tolist() == [False, True, False]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))


def test_ctrl_c_returns_what_was_learnt(monkeypatch):
    monkeypatch.setattr("sys.stderr", Interrupting())
    settings = QUIET | {"epochs": 100, "progress": "lines"}
    result = fn.training.fit_many(lambda: (NET, fn.training.momentum(0.1)), blobs(40), keys=KEYS, **settings)
    assert result.history.cost.shape == (2, 3)
    assert result.state.epoch.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"keys": KEY}, TypeError, "expected .K,. PRNG keys"),
        ({"hyperparameters": {"rate": [0.1]}}, ValueError, r"hyperparameters\['rate'\] has shape \(1,\)"),
        ({"hyperparameters": {"rate": [0.1, np.nan, 0.2]}}, ValueError, "NaN"),
        ({"batch_size": 100}, ValueError, "batch_size is 100"),
    ],
)
def test_bad_arguments_are_refused(settings, error, message):
    def build(rate=0.1):
        return NET, fn.training.momentum(rate)

    with pytest.raises(error, match=message):
        fn.training.fit_many(build, blobs(40), **({"keys": KEYS} | QUIET | settings))

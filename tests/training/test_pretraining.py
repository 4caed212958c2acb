"""Pretraining: the greedy loop, its stack of RBMs, what it is good for, and what is refused."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.training import pretraining
from tests.contract.laws import generic
from tests.training.interrupting import Interrupting

KEY = jax.random.key(3)
DESCENT, SLOWER = fn.training.momentum(0.3, 0.5), fn.training.momentum(0.1, 0.5)
# four patterns of six pixels, each pixel flipped with probability 0.05: two hidden causes
CAUSES = np.random.default_rng(0).integers(0, 2, (60, 2))
PATTERNS = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0]])
V = PATTERNS[CAUSES @ [2, 1]] ^ (np.random.default_rng(1).random((60, 6)) < 0.05)
V = V.astype(np.float32)


@functools.cache
def stack():
    return fn.training.rbm_stack([6, 5, 2], mean=V.mean(axis=0))


def pretrain(rbms=None, optimizers=DESCENT, train=None, **settings):
    settings = {"key": KEY, "epochs": 3, "batch_size": 20, "progress": False, **settings}
    rbms = stack() if rbms is None else rbms
    return fn.training.pretrain(rbms, optimizers, fn.Batch(V) if train is None else train, **settings)


@functools.cache
def pretrained():
    """Different settings for each RBM, with validation data; shared, as most of the time is compilation."""
    return pretrain(optimizers=[DESCENT, SLOWER], epochs=(100, 40), validation=fn.Batch(V[:20]))


def test_it_is_the_loop_one_would_write():
    result, (first, second) = pretrained(), stack()
    settings = {"batch_size": 20, "progress": False}
    lower = fn.fit(
        first, DESCENT, fn.Batch(V), key=jax.random.fold_in(KEY, 0), epochs=100, validation=fn.Batch(V[:20]), **settings
    )
    jax.tree.map(np.testing.assert_array_equal, result.params[0], lower.params)
    means = first.predict(lower.params, V)  # probabilities: none of them a sample
    assert not np.isin(means, [0.0, 1.0]).any()
    upper = fn.fit(
        second, SLOWER, fn.Batch(means), key=jax.random.fold_in(KEY, 1), epochs=40,
        validation=fn.Batch(means[:20]), **settings,
    )  # fmt: skip
    for ours, theirs in zip(result.params[1], upper.params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(result.histories[1].validation_cost, upper.history.validation_cost, rtol=1e-3)
    assert [len(history.cost) for history in result.histories] == [100, 40]
    assert result.stopped == ("finished 100 epochs", "finished 40 epochs")


def test_it_lowers_the_first_reconstruction_error_against_a_random_start():
    net = fn.autoencoder([6, 5, 2])
    begun = fn.autoencoders.unroll(net, pretrained().params)
    costs = [float(net.cost(params, fn.Batch(V))) for params in (begun, net.init(KEY), net.init(jax.random.key(4)))]
    assert costs[0] < 0.9 * min(costs[1:])
    mean = np.clip(V.mean(axis=0), 1e-3, 1 - 1e-3)  # and the code says more than the mean picture
    assert costs[0] < 0.9 * -np.mean(np.sum(V * np.log(mean) + (1 - V) * np.log(1 - mean), axis=1))


def test_means_in_chunks_are_the_prediction(monkeypatch):
    monkeypatch.setattr(pretraining, "CHUNK", 4)
    rbm = fn.rbm(6, 3)
    params, v = generic(1, jax.eval_shape(rbm.init, KEY)), V[:10].astype(np.uint8)
    found = pretraining._means(rbm.family.hidden.mean, params, v)
    np.testing.assert_allclose(found, rbm.predict(params, v), rtol=1e-6)


def test_the_stack_has_gaussian_units_where_data_or_code_are_real():
    kinds = [
        [(rbm.family.visible.name, rbm.family.hidden.name) for rbm in fn.training.rbm_stack([6, 5, 4, 2], **settings)]
        for settings in ({}, {"code_units": "binary", "visible_units": "gaussian"})
    ]
    binary = ("binary", "binary")
    assert kinds == [[binary, binary, ("binary", "gaussian")], [("gaussian", "binary"), binary, binary]]


def test_settings_reach_each_machine():
    rbms = fn.training.rbm_stack([3, 2, 2], l2=0.5, deviation=2.0, mean=np.array([0.25, 0.5, 0.5]))
    assert [rbm.l2 for rbm in rbms] == [0.5, 0.5]
    first, second = (rbm.init(KEY) for rbm in rbms)
    np.testing.assert_allclose(first.visible_biases, [np.log(1 / 3), 0, 0], atol=1e-6)
    np.testing.assert_array_equal(second.visible_biases, 0)
    assert np.abs(first.weights).max() > 0.5


def test_ctrl_c_ends_the_whole_and_hands_back_what_was_learnt(monkeypatch):
    monkeypatch.setattr("sys.stderr", Interrupting())
    result = pretrain(progress=True, epochs=100)
    assert result.stopped == ("interrupted after epoch 2",)
    assert len(result.params) == len(result.histories) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rbms": [fn.rbm(6, 5), fn.rbm(4, 2)]},
            r"rbms\[0\] has 5 hidden units.*rbms\[1\] 4 v",
        ),
        (
            {"rbms": [fn.rbm(6, 5, hidden_units="gaussian"), fn.rbm(5, 2)]},
            r"rbms\[0\] has Gaussian hidden units, but rbms\[1\] binary visible ones",
        ),
        ({"optimizers": [DESCENT]}, "optimizers holds 1 entries, expected 2"),
        ({"epochs": [1, 2, 3]}, "epochs holds 3 entries, expected 2"),
        ({"epochs": [1, -2]}, r"epochs of rbms\[1\] is -2"),
        ({"batch_size": [20, 61]}, "batch_size is 61, expected at most the 60"),
        ({"train": fn.Batch(2 * V)}, r"train\.inputs holds values from 0 to 2"),
        ({"train": fn.Batch(V, V)}, r"train\.targets are given"),
        ({"validation": fn.Batch(V[:, 1:])}, r"validation\.inputs has examples of shape"),
        ({"gradient": "numeric"}, "gradient is 'numeric'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(arguments, message, monkeypatch):
    monkeypatch.setattr(importlib.import_module("fnnets.training.fit"), "_loop", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message):
        pretrain(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rbms": stack()[0]}, "rbms is of type BoltzmannMachine, expected a list of RBMs"),
        ({"rbms": []}, r"rbms is \[\], expected a list of RBMs"),
        ({"rbms": [fn.autoencoder([6, 2])]}, r"pretrain: rbms\[0\] is a network of chain, expected an RBM"),
        ({"optimizers": [DESCENT, "sgd"]}, r"optimizers of rbms\[1\] is 'sgd'"),
        ({"key": 3}, "pretrain: key is 3"),
    ],
)
def test_arguments_of_other_types_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        pretrain(**arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": [6]}, "rbm_stack: sizes is"),
        ({"sizes": [6, 0]}, r"rbm_stack: sizes\[1\] is 0"),
        ({"code_units": "linear"}, "code_units is 'linear', expected one of gaussian, binary"),
        ({"visible_units": "ternary"}, "visible_units is 'ternary'"),
        ({"sizes": [6, 2], "visible_units": "gaussian"}, "both 'gaussian'"),
    ],
)
def test_stacks_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fn.training.rbm_stack(**{"sizes": [6, 5, 2], **settings})


def test_real_data_in_float64():
    with jax.enable_x64(True):
        rbms = fn.training.rbm_stack([6, 3, 2], visible_units="gaussian")
        train = fn.Batch(np.random.default_rng(0).normal(size=(40, 6)))
        result = pretrain(rbms, SLOWER, train, epochs=1, evaluate_training=False)
        assert {leaf.dtype for leaf in jax.tree.leaves(result.params)} == {jnp.dtype("float64")}
        assert all(np.any(leaf) for leaf in jax.tree.leaves(result.params))

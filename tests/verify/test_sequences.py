"""Recurrent networks before the verifier: proven, their faults named, truncation called what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

T, N, M = 6, 3, 2


def batch(answers=(T, N)):
    """Padded sequences in general position: padding at the end alone would hide a mask that backward forgets."""
    random = np.random.default_rng(0)
    mask = np.arange(T)[:, None] < np.array([6, 3, 4])
    mask[2, 0] = False
    inputs = jnp.asarray(random.normal(size=(T, N, M)), jnp.float32)
    return fn.Batch(inputs, jnp.asarray(random.integers(0, 2, answers), jnp.int32), jnp.asarray(mask), 20)


def network(layer, l2=0.0):
    return fn.network(fn.chain(layer, fn.layers.dense(2)), fn.objectives.softmax_log_likelihood, (M,), l2)


def verdicts(net, examples):
    report = fn.verify.network(net, net.init(jax.random.key(0)), examples)
    return report, {row.verdict for row in report.rows}


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_right_networks_pass(cell):
    net = fn.recurrent([M, 3, 2], cell=cell, objective=fn.objectives.softmax_log_likelihood, learn_initial_state=True)
    report, found = verdicts(net, batch())
    report.assert_ok()
    assert found <= {"ok", "rounding"}


def test_a_classifier_with_checkpoints_passes():
    net = fn.recurrent(
        [M, 3, 2],
        cell="lstm",
        objective=fn.objectives.softmax_log_likelihood,
        return_sequences=False,
        checkpoint_every=2,
    )
    verdicts(net, batch((N,)))[0].assert_ok()


def test_truncation_is_an_approximation_and_no_fault():
    report, found = verdicts(network(fn.layers.recurrent(3, truncate=2), l2=0.1), batch())
    report.assert_ok()
    assert "approximation" in found
    assert "truncated to 2 steps" in report.table()
    assert "approximate the gradient on purpose" in " ".join(report.table().splitlines()[-2:])


def test_truncation_that_is_not_declared_is_not_passed():
    secret = fn.layers.recurrent(3, truncate=2)._replace(approximation="")
    report, _ = verdicts(network(secret), batch())
    assert report.verdict == "inconclusive"


def faulty(backward):
    layer = fn.layers.recurrent(3, fn.activations.tanh)
    return layer, layer._replace(backward=lambda params, trace, d_y: backward(layer, params, trace, d_y))


def present_for_past(layer, params, trace, d_y):
    """a[t] in the place of a[t−1] in dω."""
    d_params, d_x = layer.backward(params, trace, d_y)
    a = trace.states[0]
    past = jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]])
    shifted = trace._replace(states=(a - past,))
    right = layer.backward(params, shifted, d_y)[0].recurrent_weights
    return d_params._replace(recurrent_weights=d_params.recurrent_weights + right), d_x


def last_dropped(layer, params, trace, d_y):
    return layer.backward(params, trace, d_y.at[-1].set(0))


def mask_forgotten(layer, params, trace, d_y):
    return layer.backward(params, trace._replace(mask=None), d_y)


@pytest.mark.parametrize("fault", [present_for_past, last_dropped, mask_forgotten])
def test_faults_are_named_in_their_layer(fault):
    report, _ = verdicts(network(faulty(fault)[1]), batch())
    assert report.verdict == "wrong"
    assert report.first_wrong.where.startswith("layer 0 recurrent")
    if fault is present_for_past:
        assert report.first_wrong.statement == "11, 14"

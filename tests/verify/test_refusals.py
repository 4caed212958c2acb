"""Calls of the verifier that prove nothing are refused, and the errors of one's own functions come as they are."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.pytest_plugin import assert_ok

W = jnp.array([1.0, 2.0])
X = jnp.array([[0.3, -0.7], [1.1, 0.4], [-0.2, 0.9], [0.6, 0.1]])
NET = fn.feedforward([2, 3], objective=fn.objectives.softmax_log_likelihood)
PARAMS = NET.init(jax.random.key(0))
BATCH = fn.Batch(X, jnp.array([0, 1, 2, 0]), None, 9)
DENSE = fn.layers.dense(3)
OWN, _ = DENSE.init(jax.random.key(0), (2,))


def cost(w):
    return jnp.sum(w**2)


def gradient(w):
    return 2 * w


@jax.custom_vjp
def sine(x):
    return jnp.sin(x)


sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, d_y: (d_y * jnp.cos(x),))


@dataclasses.dataclass
class Unregistered:
    w: jax.Array


class OwnError(Exception):
    pass


def fails(*_, **__):
    raise OwnError("mine")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fn.verify.network(PARAMS, NET, BATCH), r"net is .*write verify.network\(net, params, batch\)"),
        (
            lambda: fn.verify.network(NET, BATCH, PARAMS),
            r"params is of type Batch.*write verify.network",
        ),
        (lambda: fn.verify.layer(OWN, DENSE, X), r"layer is .*write verify.layer\(layer, params, x\)"),
        (lambda: fn.verify.layer(DENSE, X, OWN), r"x is of type DenseParams.*write verify.layer\(layer, params, x\)"),
        (lambda: fn.verify.gradient(gradient, cost, W), "cost returns arrays like params.*the cost first"),
        (lambda: fn.verify.gradient(cost, lambda w: None, W), "gradient returns None.*return what it computes"),
        (lambda: fn.verify.gradient(cost, lambda w: Unregistered(w), W), "gradient returns .*expected arrays"),
        (lambda: fn.verify.gradient(cost, gradient, Unregistered(W)), r"register_dataclass\(Unregistered\)"),
        (lambda: fn.verify.gradient(cost, gradient, jnp.array([1j, 2.0])), "complex64.*give real and imaginary parts"),
        (lambda: fn.verify.gradient(cost, gradient, W[:0]), "w holds no numbers"),
        (lambda: fn.verify.gradient(cost, gradient, jax.random.key(0)), "w is an array of dtype key"),
        (lambda: fn.verify.layer(DENSE, OWN, X[:0]), "x has shape .*expected at least one example"),
        (lambda: fn.verify.custom_vjp(jnp.sin, sine, W), "f, sin, has no derivative rule of its own"),
        (lambda: fn.verify.custom_vjp(sine, sine, W), "reference is f, expected another"),
        (lambda: fn.verify.activation(fn.Activation(jnp.tanh, None)), "activation: derivative is None"),
        (lambda: fn.statements("lstmm"), "write 'lstm'"),
        (lambda: assert_ok(fn.verify.Report("", "", ()), "request"), "assert_ok: request is of type str"),
    ],
)
def test_what_proves_nothing_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: fn.verify.gradient(fails, gradient, W),
        lambda: fn.verify.gradient(cost, fails, W),
        lambda: fn.verify.custom_vjp(fails, jnp.sin, W),
        lambda: fn.verify.custom_vjp(sine, fails, W),
        lambda: fn.verify.layer(DENSE._replace(forward=fails), OWN, X),
        lambda: fn.verify.activation(fn.Activation(fails, jnp.cos)),
        lambda: fn.verify.network(NET._replace(cost=fails), PARAMS, BATCH),
    ],
)
def test_the_error_of_one_s_own_function_keeps_its_type_and_its_words(call):
    with pytest.raises(OwnError) as caught:
        call()
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "reference"),
    [
        (lambda x: 2 * jax.jit(sine)(x), lambda x: 2 * jnp.sin(x)),
        (jax.vmap(sine), jnp.sin),
        (lambda x: jax.lax.scan(lambda c, v: (c + sine(v), None), 0.0, x)[0], lambda x: jnp.sum(jnp.sin(x))),
        (jax.checkpoint(sine), jnp.sin),
    ],
    ids=["jit", "vmap", "scan", "checkpoint"],
)
def test_a_function_that_contains_a_rule_is_checked(f, reference):
    fn.verify.custom_vjp(f, reference, W).assert_ok()


def test_lists_of_inputs_are_as_good_as_arrays():
    listed = BATCH._replace(inputs=X.tolist(), targets=BATCH.targets.tolist())
    assert fn.verify.network(NET, PARAMS, listed).ok


def test_a_mark_without_a_tap_is_told_the_taps_that_there_are():
    explicit = lambda w: 2 * w * fn.verify.delta("Z", jnp.ones(2))  # noqa: E731
    report = fn.verify.gradient(lambda w: jnp.sum(fn.verify.tap("z", w**2)), explicit, W)
    assert "taps nothing of that name but 'z'; write tap" in report.first_wrong.note


def test_vectors_have_elements():
    assert fn.verify.gradient(cost, lambda w: 3 * w, W).first_wrong.place == "element 1"
    explicit = lambda w: fn.verify.delta("z", jnp.cos(w) * jnp.array([1.0, 2.0]))  # noqa: E731
    report = fn.verify.gradient(lambda w: jnp.sum(jnp.sin(fn.verify.tap("z", w))), explicit, W)
    assert report.first_wrong.place == "element 1"


def test_long_names_keep_their_layer_and_their_end():
    row = fn.verify.Row("4", "layer 0 lstm_peepholes .forget_gate.biases", "ok", supports="automatic")
    assert row.where in fn.verify.Report("network", "float32", (row,)).table()
    wide = row._replace(statement="x" * 13, verdict="approximation", worst=(100, 200, 300))
    [line] = [line for line in fn.verify.Report("n", "float32", (wide,)).table().splitlines() if "layer 0" in line]
    assert ".biases" in line

"""Deltas by hand against the gradient by zeros that are added at the values, for every network of the contract."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import taps
from fnnets.verify.checks import equations, observing
from fnnets.verify.checks import network as network_check
from fnnets.verify.tracing import interpreter
from tests.contract.laws import assert_equal_leaves, assert_type_of
from tests.contract.rows import examples
from tests.contract.table import NETWORKS

KEY, N = jax.random.key(20), 5
SOFTMAX = fn.objectives.softmax_log_likelihood
CELLS = ("simple", "lstm", "lstm_peepholes", "lstm_1997", "gru")


def arguments(row):
    return row.net, row.net.init(KEY), row.batch(1, N), KEY if row.with_key else None


def true_deltas(net, params, batch, key):
    """The gradient of the cost by a zero at each tap of the forward pass, in their order; the layers' marks alone."""
    run = observing.observed(net)
    traced = interpreter.trace(lambda params: run(params, batch, key)[0], params)
    is_value = [each.tag.kind == "tap" and not each.tag.name.startswith(observing.BACKWARD) for each in traced.sites]
    zeros = [
        jnp.zeros((*each.lengths, *each.shape), each.dtype) if own else None
        for each, own in zip(traced.sites, is_value, strict=True)
    ]
    found = jax.jit(jax.grad(lambda zeros: interpreter.run(traced, (params,), zeros, interpreter.added)[0]))(zeros)
    return [each for each in found if each is not None]


def assert_deltas_are_true(found, true_deltas):
    names = [name for name in found.values if name != "prediction"]
    for name, true in zip(names, true_deltas, strict=True):
        assert found.deltas[name].shape == found.values[name].shape == true.shape
        np.testing.assert_allclose(found.deltas[name], true, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_deltas_are_the_gradients_by_their_values(name):
    with jax.enable_x64(True):
        net, params, batch, key = arguments(NETWORKS[name])
        found = fn.intermediates(net, params, batch, key=key)
        assert_deltas_are_true(found, true_deltas(net, params, batch, key))
        cost, gradient = jax.jit(net.cost_and_gradient)(params, batch, key=key)
        assert_equal_leaves((found.cost, found.gradient), (cost, gradient), "float64")
        assert_type_of(found.gradient, params)
        assert set(found.statements) == set(found.deltas)
        assert all(found.statements.values())


@pytest.mark.parametrize("name", ["feedforward, dropout", "lstm, last step, padded, plain", "rbm"])
def test_a_wrong_delta_is_not_the_gradient_by_its_value(name):
    with jax.enable_x64(True):
        net, params, batch, key = arguments(NETWORKS[name])
        found, true = fn.intermediates(net, params, batch, key=key), true_deltas(net, params, batch, key)
        for name, delta in found.deltas.items():
            if np.abs(delta).max() < 1e-6:
                continue
            wrong = dataclasses.replace(found, deltas=found.deltas | {name: 1.001 * delta})
            with pytest.raises(AssertionError, match=name.split(" ")[0]):
                assert_deltas_are_true(wrong, true)


def test_a_wrong_backward_pass_shows_as_a_wrong_delta():
    right = fn.layers.dense(4, fn.activations.tanh)

    def backward(params, trace, d_y):  # without the slope of tanh
        delta = taps.delta("z", d_y, "2")
        return type(params)(delta.T @ trace.x, delta.sum(axis=0)), delta @ params.weights

    layers = fn.layers.dense(5, fn.activations.tanh), right, fn.layers.dense(2)
    good, bad = (
        fn.network(fn.chain(layers[0], each, layers[2]), SOFTMAX, (3,))
        for each in (right, right._replace(backward=backward))
    )
    params, batch = good.init(KEY), examples((3,), 2)(1, N)
    one, other = (fn.intermediates(net, params, batch) for net in (good, bad))
    wrong = [name for name in one.deltas if not np.allclose(one.deltas[name], other.deltas[name], atol=1e-7)]
    assert wrong == ["layer 1 dense z", "layer 0 dense a", "layer 0 dense z", "input"]
    assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)


def test_one_example_by_the_formulas_of_the_notes():
    net = fn.feedforward([3, 4, 2], objective=SOFTMAX)
    first, last = params = net.init(KEY)
    x, y = np.array([[0.3, -0.2, 0.9]], np.float32), np.array([1])
    found = fn.intermediates(net, params, fn.Batch(x, y))
    a = 1 / (1 + np.exp(-(x @ first.weights.T + first.biases)))
    p = np.exp(a @ last.weights.T + last.biases)
    delta = p / p.sum() - np.array([[0.0, 1.0]])
    below = (delta @ last.weights) * a * (1 - a)
    by_hand = {"output": delta, "layer 1 dense z": delta, "layer 0 dense a": delta @ last.weights}
    by_hand |= {"layer 0 dense z": below, "input": below @ first.weights}
    assert list(found.deltas) == list(by_hand)
    for name, value in by_hand.items():
        np.testing.assert_allclose(found.deltas[name], value, atol=1e-6)
    np.testing.assert_allclose(found.values["layer 0 dense a"], a, atol=1e-6)
    np.testing.assert_allclose(found.gradient[1].weights, delta.T @ a, atol=1e-6)
    statements = ["1, mean", "2", "2", "2", "2"]
    assert list(found.statements.values()) == statements


def test_the_prediction_is_that_of_the_network():
    for name in ("feedforward, dropout", "recurrent", "autoencoder", "convolutional"):
        net, params, batch, _ = arguments(NETWORKS[name])
        found = fn.intermediates(net, params, batch)
        np.testing.assert_allclose(found.values["prediction"], net.predict(params, batch.inputs, batch.mask), atol=1e-6)
    assert "prediction" not in fn.intermediates(*arguments(NETWORKS["rbm"])[:3]).values


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_kernels_give_the_names_and_numbers_of_pages(cell, bidirectional):
    settings = {"objective": SOFTMAX, "bidirectional": bidirectional, "learn_initial_state": True}
    fast, plain = (fn.recurrent([3, 4, 2], cell, **settings, **each) for each in (
        {"checkpoint_every": 2}, {"implementation": "plain"}))  # fmt: skip
    params, x = fast.init(KEY), np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    mask = np.arange(5)[:, None] < np.array([5, 3])
    batch = fn.Batch(x, np.ones((5, 2), int), mask)
    one, other = (fn.intermediates(net, params, batch) for net in (fast, plain))
    assert list(one.values) == list(other.values)
    assert one.follows == other.follows
    assert_equal_leaves(one, other, "float32")
    assert not np.any(one.deltas["output"][3:, 1])
    assert_equal_leaves(one.gradient, fast.gradient(params, batch), "float32")


@pytest.mark.parametrize("family", equations.families())
def test_names_are_those_of_the_rows_of_a_report_and_of_the_statements(family):
    net, batch = equations.families()[family]
    params = net.init(KEY)
    found = fn.intermediates(net, params, batch)
    report = network_check.compared(net, network_check.reference(net, params, batch, is_quick=True))
    rows = {row.where: row.statement for row in report.rows}
    outputs = {name for name in found.deltas if name.rpartition("/")[2].split(" ")[-1] == "a"}
    marks = found.deltas.keys() - outputs - {"input"}
    assert marks <= rows.keys()
    assert {name: found.statements[name] for name in marks - {"output"}} == {
        name: rows[name] for name in marks - {"output"}
    }
    listed = {each.row for each in fn.statements(family)}
    assert marks <= listed
    inner = [name for name in rows if " d_x" in name]
    assert len(inner) <= len(outputs) + 1  # the d_x of the first layer is that by the input


def test_it_is_a_pure_function_under_jit_and_vmap():
    net, params, batch, key = arguments(NETWORKS["feedforward, dropout"])
    eager = fn.intermediates(net, params, batch, key=key)
    jitted = jax.jit(functools.partial(fn.intermediates, net))(params, batch, key=key)
    assert_equal_leaves(jitted, eager, "float32")
    assert list(jitted.values) == list(eager.values)
    assert jitted.follows == eager.follows
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    many = jax.vmap(lambda params: fn.intermediates(net, params, batch, key=key))(stacked)
    assert_equal_leaves(jax.tree.map(lambda leaf: leaf[0], many), eager, "float32")


def test_an_example_that_counts_double_has_twice_the_delta():
    net, params, batch, _ = arguments(NETWORKS["one layer without a chain"])
    weighted = batch._replace(weights=np.array([2.0, 1, 1, 1, 1], np.float32))
    one, other = fn.intermediates(net, params, batch), fn.intermediates(net, params, weighted)
    assert list(one.deltas) == ["output", "layer dense z", "input"]
    np.testing.assert_allclose(other.deltas["output"][0] * 6 / 5, 2 * one.deltas["output"][0], rtol=1e-5)


def doubled(marks):
    """A layer of one's own that marks y = 2 x as `marks` say, on the way forward and back."""

    def forward(params, x, context):
        for name in marks[0]:
            x = fn.verify.tap(name, x)
        return 2 * x, ()

    def backward(params, trace, d_y):
        d_x = 2 * d_y
        for name in marks[1]:
            d_x = fn.verify.delta(name, d_x, "mine")
        return (), d_x

    return fn.Layer(lambda key, shape: ((), shape), forward, backward, "mine")


def of(layer):
    net = fn.network(fn.chain(fn.layers.dense(4), layer, fn.layers.dense(2)), SOFTMAX, (3,))
    return fn.intermediates(net, net.init(KEY), examples((3,), 2)(1, N))


def test_marks_of_ones_own_layers_have_their_names():
    found = of(doubled([["q"], ["q"]]))
    np.testing.assert_allclose(2 * found.values["layer 1 mine q"], found.values["layer 1 mine a"])
    np.testing.assert_allclose(found.deltas["layer 1 mine q"], 2 * found.deltas["layer 1 mine a"])
    assert found.statements["layer 1 mine q"] == "mine"
    assert "layer 1 mine q" not in of(doubled([["q"], []])).deltas
    assert [name for name in of(doubled([[], []])).values if "mine" in name] == ["layer 1 mine a"]


def test_names_that_come_again_are_numbered_and_an_own_a_keeps_its_name():
    assert [name for name in of(doubled([["q", "q"], ["q", "q"]])).values if "q" in name] == [
        "layer 1 mine q #0", "layer 1 mine q #1",
    ]  # fmt: skip
    assert "layer 1 mine q #1" in of(doubled([["q", "q"], []])).values
    assert [name for name in of(doubled([["a"], ["a"]])).deltas if "mine" in name] == [
        "layer 1 mine y",
        "layer 1 mine a",
    ]
    net = fn.network(fn.chain(fn.layers.unfold(2, steps=3)), fn.objectives.sigmoid_cross_entropy, (3,))
    params, x = net.init(KEY), np.ones((3, 2, 3), np.float32)
    found = fn.intermediates(net, params, fn.Batch(x, np.ones((3, 2, 2), np.float32)))
    assert "layer 0 unfold z #2" in found.deltas
    batch = fn.Batch(x, np.ones((3, 2, 2), np.float32))
    true = true_deltas(net, params, batch, None)
    assert [delta.shape for delta in found.deltas.values()] == [each.shape for each in true[::-1]]


def test_a_chain_whose_backward_pass_is_ones_own_runs_as_it_is():
    whole = fn.chain(fn.layers.dense(4), fn.layers.dense(2))
    own = whole._replace(backward=lambda params, trace, d_y: whole.backward(params, trace, 3 * d_y))
    net, wrong = (fn.network(each, SOFTMAX, (3,)) for each in (whole, own))
    params, batch = net.init(KEY), examples((3,), 2)(1, N)
    one, other = (fn.intermediates(each, params, batch) for each in (net, wrong))
    np.testing.assert_allclose(other.deltas["layer 0 dense z"], 3 * one.deltas["layer 0 dense z"], rtol=1e-6)
    assert "layer 0 dense a" not in other.values


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="intermediates: the gradient marks 'layer 1 mine r' as a delta, but the forw"):
        of(doubled([["q"], ["r"]]))
    with pytest.raises(
        ValueError, match="taps 'layer 1 mine q' 1 times and the gradient marks it 2 times, expected as"
    ):
        of(doubled([["q"], ["q", "q"]]))
    net, params, batch, _ = arguments(NETWORKS["one layer without a chain"])
    with pytest.raises(ValueError, match=r"^intermediates: net has a gradient of its own, expected that of its layer"):
        fn.intermediates(net._replace(gradient=lambda params, batch, key=None: params), params, batch)

    def looping(params, x, context):
        return jax.lax.while_loop(lambda x: jnp.sum(x) > 1e6, lambda x: fn.verify.tap("q", x), x), ()

    layer = fn.Layer(lambda key, shape: ((), shape), looping, lambda params, trace, d_y: ((), d_y), "looping")
    with pytest.raises(
        ValueError, match=r"tap\('layer 1 looping q', …\) stands inside while, where it is not followed"
    ):
        of(layer)


def test_print_shows_a_table(capsys):
    net, params, batch, _ = arguments(NETWORKS["recurrent"])
    found = fn.intermediates(net, params, batch)
    print(found)
    head, first, *_, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["value", "shape", "least", "greatest", "statement", "largest", "δ"]
    assert first.startswith("input                (6, 5, 3)")
    assert last == f"cost C {float(found.cost):.3g}; δ is ∂C/∂value"
    assert repr(found) == str(found)
    shown = []
    jax.eval_shape(lambda params: shown.append(str(fn.intermediates(net, params, batch))) or 0, params)
    assert "(6, 5, 3)" in shown[0]

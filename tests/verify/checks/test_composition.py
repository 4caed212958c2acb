"""Layers that are right each by itself and composed wrongly: the boundary at which the δ goes wrong is named.

Expected places are those of the planted faults: what is handed on between two layers is changed there and nowhere else.
"""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.core.chain import ChainTrace
from fnnets.verify.checks import composition
from fnnets.verify.reference import chunks
from fnnets.verify.report import text

UNIT = fn.layers.dense(4, fn.activations.tanh)
PARTS = UNIT, UNIT, UNIT, fn.layers.dense(4)
BATCH = fn.Batch(jax.random.normal(jax.random.key(1), (4, 4)), jax.random.uniform(jax.random.key(2), (4, 4)))
OBJECTIVE = fn.objectives.sigmoid_cross_entropy
NET = fn.network(fn.chain(*PARTS), OBJECTIVE, (4,))
PARAMS = jax.tree.map(
    lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), NET.init(jax.random.key(0))
)
ELSEWHERE = "each layer is right by itself, their composition is not"


def walk(change):
    """A chain's backward pass that hands `change(position, δ, all δ so far)` on to the layer at `position`."""

    def backward(params, trace, d_y):
        handed, found = [d_y], []
        for i in reversed(range(len(PARTS))):
            d_params, d_x = PARTS[i].backward(params[i], trace.parts[i], change(i, handed[-1], handed))
            found.append(d_params)
            handed.append(d_x)
        return tuple(found[::-1]), handed[-1]

    return backward


def of_chain(change):
    """The network of a chain with this walk for its backward pass."""
    return fn.network(NET.layer._replace(backward=walk(change)), OBJECTIVE, (4,))


def of_network(change):
    """The network with a gradient of one's own, which walks through its layers by itself."""

    def gradient(params, batch, *, key=None):
        z, trace = NET.layer.forward(params, batch.inputs, fn.Context())
        return walk(change)(params, trace, OBJECTIVE.delta(z, batch.targets) / len(z))[0]

    return NET._replace(gradient=gradient)


def at(position, fault):
    return lambda i, d, handed: fault(d, handed) if i == position else d


FAULTS = {
    "scaled": lambda d, _: 0.9 * d,
    "transposed": lambda d, _: d.T,
    "units in another order": lambda d, _: jnp.roll(d, 1, axis=1),
    "examples in another order": lambda d, _: d[::-1],
    "of the layer above": lambda d, handed: handed[-2],
    "forgotten": lambda d, _: jnp.zeros_like(d),
}


def found(net, **options):
    """The first wrong row and its diagnosis."""
    report = fn.verify.network(net, PARAMS, BATCH, **options)
    wrong = [row.where for row in report.rows if row.verdict == "wrong"]
    assert wrong == [row.where for row in report.rows if row.verdict not in ("ok", "rounding")]
    assert report.first_wrong.diagnosis in text.summary(report)
    return wrong, report.first_wrong.diagnosis


def test_rows_go_from_the_output_backwards():
    rows = [row.where for row in fn.verify.network(NET, PARAMS, BATCH).rows if row.where.startswith("gradient")]
    assert rows == [f"gradient [{i}].{name}" for i in (3, 2, 1, 0) for name in ("weights", "biases")]


@pytest.mark.parametrize(
    ("make", "fault"), [*((of_chain, name) for name in FAULTS), (of_network, "scaled"), (of_network, "forgotten")]
)
def test_the_boundary_is_named(make, fault):
    wrong, diagnosis = found(make(at(1, FAULTS[fault])))
    assert wrong[0] == "gradient [1].weights"
    assert wrong[-1] == "gradient [0].biases"
    assert f"goes wrong between layer 2 dense and layer 1 dense: {ELSEWHERE}" in diagnosis


def test_at_the_last_layer_it_is_between_the_output_and_it():
    wrong, diagnosis = found(of_chain(at(3, FAULTS["scaled"])))
    assert wrong[0] == "gradient [3].weights"
    assert diagnosis.startswith("is 0.9 times the right one; it goes wrong between the output and layer 3 dense: ")


def test_one_layer_alone_is_no_boundary():
    """The gradient of layer 2 is exchanged for that of layer 1; the δ that goes on is right."""

    def gradient(params, batch, *, key=None):
        d = NET.gradient(params, batch)
        return (*d[:2], d[1], d[3])

    wrong, diagnosis = found(NET._replace(gradient=gradient))
    assert wrong == ["gradient [2].weights", "gradient [2].biases"]
    assert (
        "is wrong at layer 2 dense alone: each layer is right by itself and the delta that goes on is right"
        in diagnosis
    )


def test_a_network_of_one_layer():
    net = fn.network(fn.layers.dense(4), OBJECTIVE, (4,))
    gradient = net.gradient
    half = net._replace(gradient=lambda *args, **named: jax.tree.map(lambda g: g / 2, gradient(*args, **named)))
    report = fn.verify.network(half, PARAMS[-1], BATCH)
    assert "goes wrong between the output and layer dense, which is right by itself" in report.first_wrong.diagnosis


def test_leaf_by_leaf_as_well(monkeypatch):
    monkeypatch.setattr(chunks, "LARGE", 60)
    wrong, diagnosis = found(of_chain(at(1, FAULTS["scaled"])))
    assert wrong[0] == "gradient [1].weights"
    assert "goes wrong between layer 2 dense and layer 1 dense" in diagnosis


def test_float32_alone():
    wrong, diagnosis = found(of_chain(at(1, FAULTS["units in another order"])), x64=False)
    assert wrong[0] == "gradient [1].weights"
    assert "goes wrong between layer 2 dense and layer 1 dense" in diagnosis


def test_a_layer_that_is_wrong_by_itself_is_the_cause():
    """No sentence on the composition where a layer's own row is wrong."""

    def backward(params, trace, d_y):
        d_params, d_x = UNIT.backward(params, trace, d_y)
        return d_params, 0.9 * d_x

    net = fn.network(fn.chain(*PARTS[:2], UNIT._replace(backward=backward), PARTS[3]), OBJECTIVE, (4,))
    report = fn.verify.network(net, PARAMS, BATCH)
    assert report.first_wrong.where == "layer 2 dense d_x"
    assert not any("composition" in row.diagnosis for row in report.rows)


def residual(inner, back):
    """y = x + f(x), whose backward pass joins the two branches by `back(d_y, d_x of f)`."""

    def forward(params, x, context):
        y, trace = inner.forward(params, x, context)
        return x + y, trace

    def backward(params, trace, d_y):
        d_params, d_x = inner.backward(params, trace, d_y)
        return d_params, back(d_y, d_x)

    return fn.Layer(inner.init, forward, backward, "residual", inner.statements)


@pytest.mark.parametrize(
    "back", [lambda d, d_x: d_x, lambda d, d_x: d, lambda d, d_x: d - d_x], ids=["skip", "branch", "sign"]
)
def test_a_composite_of_ones_own_is_named_itself(back):
    inner = fn.chain(UNIT, UNIT)
    make = lambda back: fn.network(fn.chain(UNIT, residual(inner, back), PARTS[3]), OBJECTIVE, (4,))  # noqa: E731
    params = PARAMS[0], PARAMS[1:3], PARAMS[3]
    fn.verify.network(make(lambda d, d_x: d + d_x), params, BATCH).assert_ok()
    report = fn.verify.network(make(back), params, BATCH)
    assert [row.where for row in report.rows if row.verdict == "wrong"] == ["layer 1 residual d_x"]
    assert [row.where for row in report.rows if row.verdict == "downstream"] == [
        "gradient [0].weights", "gradient [0].biases",
    ]  # fmt: skip


def test_a_reversed_half_that_is_not_turned_back():
    """A layer reads sequences backwards; what is composed of it forgets to turn its δ."""
    cell, last = fn.layers.recurrent(3, fn.activations.tanh), fn.layers.dense(2)
    turn = fn.Layer(
        lambda key, shape: ((), shape), lambda params, x, context: (x[::-1], ()),
        lambda params, trace, d_y: ((), d_y[::-1]), "turn", time="sequence to sequence",
    )  # fmt: skip
    layer = fn.chain(cell, turn, last)

    def backward(params, trace, d_y):
        d_last, d_y = last.backward(params[2], trace.parts[2], d_y)
        d_cell, d_x = cell.backward(params[0], trace.parts[0], d_y)
        return (d_cell, (), d_last), d_x

    net = fn.network(layer._replace(backward=backward), OBJECTIVE, (4,))
    x = jax.random.normal(jax.random.key(3), (5, 4, 4))
    y = jax.random.uniform(jax.random.key(4), (5, 4, 2))
    report = fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(x, y))
    assert report.first_wrong.where.startswith("gradient [0]")
    sentence = f"goes wrong between layer 2 dense and layer 0 recurrent: {ELSEWHERE}"
    assert sentence in report.first_wrong.diagnosis


def test_another_structure_is_still_said_as_such():
    def gradient(params, batch, *, key=None):
        return dict(enumerate(NET.gradient(params, batch)))

    row = fn.verify.network(NET._replace(gradient=gradient), PARAMS, BATCH).first_wrong
    assert row.where == "gradient"
    assert row.note.startswith("the gradient has another structure: ")


def test_the_order_is_undone():
    order = composition.order(NET.layer, PARAMS)
    assert jax.tree.all(jax.tree.map(lambda x, y: x is y, order.restored(order.taken(PARAMS)), PARAMS))
    assert isinstance(NET.layer.forward(PARAMS, BATCH.inputs, fn.Context())[1], ChainTrace)

"""Costs and activations of one's own before the verifier: what is wrong in them is named where a network uses them."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from tests.verify.checks import test_network
from tests.verify.checks.test_network import BATCH, WHOLE, wrong

TARGETS = BATCH._replace(targets=jax.random.uniform(jax.random.key(3), (6, 3)))
OUTPUTS = {"elementwise": fn.activations.tanh, "coupled": fn.activations.softmax}


def build(**parts):
    """Without a penalty, of which nothing is asserted here."""
    return test_network.build(**parts, l2=0.0)


def cosh(gradient, activation):
    """c = Σ cosh(a − y) − 1, whose gradient is sinh(a − y)."""
    return fn.objectives.custom(
        lambda a, y: jnp.sum(jnp.cosh(a - y) - 1, axis=-1), lambda a, y: gradient(a - y), activation, "cosh"
    )


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_right_cost_passes(output):
    net, params = build(objective=cosh(jnp.sinh, OUTPUTS[output]))
    report = fn.verify.network(net, params, TARGETS)
    report.assert_ok()
    assert (report.rows[0].statement, report.rows[0].where) == ("1", "delta of cosh")


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("gradient", [jnp.cosh, lambda error: 1.001 * jnp.sinh(error)], ids=["cosh", "1.001 sinh"])
def test_a_gradient_that_is_not_the_costs_is_statement_1(output, gradient):
    net, params = build(objective=cosh(gradient, OUTPUTS[output]))
    report = fn.verify.network(net, params, TARGETS)
    assert (report.first_wrong.statement, report.first_wrong.where) == ("1", "delta of cosh")
    assert wrong(report) == ["delta of cosh"]
    assert wrong(report, "downstream") == ["output", *WHOLE]


def test_a_gradient_of_another_shape_is_statement_1():
    net, params = build(objective=cosh(lambda error: jnp.sum(error, axis=-1), fn.activations.tanh))
    first = fn.verify.network(net, params, TARGETS).first_wrong
    assert "custom: cost_gradient returns shape (6,), expected (6, 3)" in first.note


WRONG_SINE = fn.Activation(jnp.sin, lambda z: jnp.cos(z) + 0.01, "own sine")
WRONG_SOFTMAX = fn.activations.softmax._replace(pullback=lambda z, d_a: d_a * fn.activations.softmax.value(z))


@pytest.mark.parametrize(
    ("parts", "batch", "where"),
    [
        ({"middle": fn.layers.dense(4, WRONG_SINE)}, BATCH, "layer 1 dense z"),
        (
            {"objective": fn.objectives.squared_error(WRONG_SINE)},
            TARGETS,
            "delta of squared_error(own sine)",
        ),
        ({"objective": cosh(jnp.sinh, WRONG_SOFTMAX)}, TARGETS, "delta of cosh"),
    ],
    ids=["hidden", "output", "coupled output"],
)
def test_a_wrong_activation_is_named_where_the_network_uses_it(parts, batch, where):
    net, params = build(**parts)
    report = fn.verify.network(net, params, batch)
    assert wrong(report) == [where]
    assert report.first_wrong.statement in ("1", "2")

"""`verify.activation`: a derivative that is not its value's is named, whether z is small, whole or large."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from tests.contract.table import ACTIVATIONS

TANH, SIGMOID, SOFTMAX = fn.activations.tanh, fn.activations.sigmoid, fn.activations.softmax
PLACES = ["", ", whole z", ", large z"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_packages_activations_pass(name):
    report = fn.verify.activation(ACTIVATIONS[name])
    report.assert_ok()
    assert {row.verdict for row in report.rows} <= {"ok", "rounding"}
    halves = ["derivative", "slope"] if ACTIVATIONS[name].slope else ["derivative"]
    assert [row.where for row in report.rows] == [
        f"{half} of {ACTIVATIONS[name].name}{place}" for half in halves for place in PLACES
    ]


def test_softmax_passes():
    report = fn.verify.activation(SOFTMAX)
    report.assert_ok()
    assert [row.where for row in report.rows] == [f"pullback of softmax{place}" for place in PLACES]
    assert "linear in its cotangent" in [row.where for row in report.properties]


FAULTS = {
    "off by a thousandth": (TANH._replace(derivative=lambda z: 1.001 * TANH.derivative(z)), "derivative of tanh"),
    "1 - a for 1 - a²": (TANH._replace(derivative=lambda z: 1 - jnp.tanh(z)), "derivative of tanh"),
    "where z is beyond 100 alone": (
        fn.Activation(jax.nn.relu, lambda z: ((z > 0) & (z < 100)).astype(z.dtype), "relu"),
        "derivative of relu, large z",
    ),
    "overflow where the value has none": (
        SIGMOID._replace(derivative=lambda z: jnp.exp(-z) / (1 + jnp.exp(-z)) ** 2),
        "derivative of sigmoid, large z",
    ),
    "neither slope of a kink": (
        fn.Activation(jax.nn.relu, lambda z: jnp.where(z == 0, 2.0, jnp.where(z > 0, 1.0, 0.0)), "relu"),
        "derivative of relu, whole z",
    ),
    "slope": (TANH._replace(slope=lambda a: 1 - a), "slope of tanh"),
    "elementwise pullback": (
        SOFTMAX._replace(pullback=lambda z, d_a: d_a * SOFTMAX.value(z) * (1 - SOFTMAX.value(z))),
        "pullback of softmax",
    ),
    "softmax as if it were elementwise": (
        fn.Activation(jax.nn.softmax, lambda z: jax.nn.softmax(z) * (1 - jax.nn.softmax(z)), "softmax"),
        "derivative of softmax",
    ),
    "another shape": (fn.Activation(jnp.sin, lambda z: jnp.cos(z).sum(), "sine"), "derivative of sine"),
    "another dtype": (fn.Activation(jax.nn.relu, lambda z: z > 0, "relu"), "derivative of relu"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_where_it_is(name):
    activation, where = FAULTS[name]
    assert fn.verify.activation(activation).first_wrong.where == where


def test_the_worst_point_is_said_by_its_z():
    report = fn.verify.activation(FAULTS["where z is beyond 100 alone"][0])
    assert report.first_wrong.place in ("z = 130.6", "z = 1043.2", "z = 10234.5")
    assert "explicit 0, automatic 1" in report.table()


def test_a_pullback_that_is_not_linear_is_a_wrong_property():
    clipped = SOFTMAX._replace(pullback=lambda z, d_a: jnp.clip(SOFTMAX.pullback(z, d_a), -9, 9))
    assert fn.verify.activation(clipped).first_wrong.where.endswith("linear in its cotangent")


@pytest.mark.parametrize("at_zero", [0.0, 0.3, 1.0])
def test_either_subgradient_at_a_kink_is_a_convention(at_zero):
    ramp = fn.Activation(lambda z: jnp.maximum(z, 0), lambda z: jnp.where(z == 0, at_zero, jnp.where(z > 0, 1.0, 0.0)))
    report = fn.verify.activation(ramp)
    report.assert_ok()
    assert [row.verdict for row in report.rows] == ["ok", "convention", "ok"]


def test_large_points_where_the_value_is_infinite_are_left_out():
    report = fn.verify.activation(fn.Activation(jnp.exp, jnp.exp, "exp"))
    report.assert_ok()  # exp(130.6) is infinite in float32
    assert len(report.rows) == 3
    overflow = fn.Activation(jnp.exp, lambda z: jnp.where(z > 50, 0, jnp.exp(z)), "exp")
    assert fn.verify.activation(overflow).first_wrong.where == "derivative of exp, large z"  # at 64.7


@pytest.mark.parametrize("float64", [True, False])
def test_points_of_ones_own(float64):
    log = fn.Activation(jnp.log, lambda z: 1 / z, "log")
    assert fn.verify.activation(log, jnp.array([[0.5, 2.0], [3.0, 70.0]]), x64=float64).ok
    wrong = log._replace(derivative=lambda z: 1.01 / z)
    assert fn.verify.activation(wrong, jnp.array([0.5, 2.0]), x64=float64).first_wrong.place == "z = 0.5"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            (jnp.tanh,),
            TypeError,
            "verify.activation: activation is .*expected Activation; write fnnets.activations.tanh",
        ),
        ((TANH, jnp.zeros((0,))), ValueError, "z holds no numbers"),
        ((TANH, jnp.array([1.0, jnp.nan])), ValueError, "verify.activation: z holds 1 values that are NaN"),
        ((TANH, jnp.arange(3)), TypeError, "z is an array of dtype int32"),
        ((fn.Activation(lambda z: z.sum(), jnp.ones_like),), ValueError, r"activation.value returns \(\) of float32"),
        ((fn.Activation(lambda z: z > 0, jnp.ones_like),), ValueError, "activation.value returns .* of bool"),
        ((fn.Activation(lambda z: float(z), jnp.ones_like),), TypeError, "scalar arrays"),
        ((fn.Activation(jnp.log, lambda z: 1 / z),), ValueError, "activation.value is nan here"),
    ],
)
def test_bad_arguments_are_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        fn.verify.activation(*arguments)

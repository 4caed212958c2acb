"""Functions with derivative rules of their own: found by name and line, and held against their functions."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from fnnets.verify.tracing import interpreter, precision, rules

X = jnp.array([0.4, -0.7, 1.3])


def sine(factor):
    @jax.custom_jvp
    def sine_jvp(x):
        return jnp.sin(x)

    sine_jvp.defjvp(lambda at, way: (sine_jvp(*at), factor * jnp.cos(at[0]) * way[0]))
    return sine_jvp


def product(factor):
    @jax.custom_vjp
    def product_vjp(x, y):
        return x * y

    product_vjp.defvjp(lambda x, y: (x * y, (x, y)), lambda r, d: (d * r[1], factor * d * r[0]))
    return product_vjp


def masked(x, m):
    masked_vjp = jax.custom_vjp(lambda x, m: x * m)
    masked_vjp.defvjp(lambda x, m: (x * m, m), lambda m, d: (d * m, None))
    return masked_vjp(x, m)


def square(factor):
    @jax.custom_gradient
    def squared(x):
        return x**2, lambda d: (factor * d * x,)

    return squared


def scaled(factor):
    def times(c, x):
        return c * x

    return lambda x: jax.custom_derivatives.linear_call(times, lambda c, d: factor * c * d, 3.0, x)


def scanned(function):
    return lambda x: jax.lax.scan(lambda c, a: (function(c + a), None), x[0], x)[0]


def taken(function):
    return lambda x: jax.lax.cond(x[0] > 0, function, lambda x: x, x)


FAULTS = {
    "custom_jvp": (lambda factor: sine(factor), "sine_jvp"),
    "custom_vjp": (lambda factor: lambda x: product(factor)(x, jnp.cos(x)), "product_vjp"),
    "custom_gradient": (lambda factor: square(2 * factor), "squared"),
    "linear_call": (scaled, "times"),
    "in a scan": (lambda factor: scanned(sine(factor)), "sine_jvp"),
    "in a branch": (lambda factor: taken(sine(factor)), "sine_jvp"),
    "under vmap and jit": (lambda factor: jax.jit(jax.vmap(sine(factor))), "sine_jvp"),
    "checkpointed": (lambda factor: jax.checkpoint(sine(factor)), "sine_jvp"),
}


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_named_and_a_right_one_is_not(name, x64):
    make, called = FAULTS[name]
    with precision.double() if x64 else precision.pinned():
        x = jnp.asarray(precision.to_double(X)) if x64 else X
        wrong, right = (interpreter.trace(make(factor), x) for factor in (1.01, 1.0))
        (rule,) = rules.custom_rules(wrong)
        assert rule.name == called
        assert rule.file == __file__
        assert rules.wrong_rules(wrong, (x,)) == [rule]
        assert rules.wrong_rules(right, (x,)) == []


def test_a_rule_is_shown_by_its_line():
    (rule,) = rules.custom_rules(interpreter.trace(sine(1.0), X))
    first = inspect.getsourcelines(sine)[1]
    assert str(rule) == f"the rule of sine_jvp at line {first + 1} of test_rules.py"


def test_what_counts_for_nothing():
    """JAX's own rules, a branch that is not taken, a mask without a derivative, a kink."""
    relu = jax.custom_jvp(lambda x: jnp.maximum(x, 0))
    relu.defjvp(lambda at, way: (relu(*at), jnp.where(at[0] > 0, way[0], 0)))
    assert rules.custom_rules(interpreter.trace(lambda x: jax.nn.relu(x) + jax.nn.softplus(x), X)) == []
    assert rules.wrong_rules(interpreter.trace(taken(sine(2.0)), -X), (-X,)) == []
    for function in (lambda x: masked(x, jnp.cos(x)), relu):
        traced = interpreter.trace(function, 0 * X)
        assert len(rules.custom_rules(traced)) == 1
        assert rules.wrong_rules(traced, (0 * X,)) == []


def test_the_wrong_one_of_several_is_named():
    traced = interpreter.trace(lambda x: sine(1.0)(x) + square(3.0)(x) + product(1.0)(x, x), X)
    assert [rule.name for rule in rules.custom_rules(traced)] == ["sine_jvp", "squared", "product_vjp"]
    assert [rule.name for rule in rules.wrong_rules(traced, (X,))] == ["squared"]

"""Derivatives declared on purpose; expected gradients are those of y₀ + factor · (x − x₀), worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.verify import delta, tap
from fnnets.verify.tracing import declared, interpreter

X = jnp.array([0.3, -1.2, 2.6])
STOP = {"stop_gradient": 0.0}


@jax.custom_vjp
def reverse(x):
    return 1 * x


reverse.defvjp(lambda x: (reverse(x), None), lambda _, d: (-d,))


@jax.custom_jvp
def quantised(x, levels):
    return jnp.round(x * levels) / levels


quantised.defjvp(lambda at, way: (quantised(*at), way[0]))


def looped(x):
    """c[t] = 2 round(c[t−1]) + stop(c[t−1]) x[t], c[0] = x[0], of three steps, summed."""

    def step(c, a):
        c = 2 * jnp.round(c) + jax.lax.stop_gradient(c) * a
        return c, c

    return jnp.sum(jax.lax.scan(step, x[0], x)[1])


def d_looped(x):
    """Straight through the rounding a step has the slope 2: ∂Σ/∂c[t] = 1 + 2 ∂Σ/∂c[t+1]."""
    c1 = 2 * jnp.round(x[0]) + x[0] * x[0]
    c2 = 2 * jnp.round(c1) + c1 * x[1]
    return jnp.stack([7 * x[0] + 14, 3 * c1, c2])


def branched(x):
    rounds, keeps = lambda x: jnp.sum(jnp.round(x) * x), lambda x: jnp.sum(x)
    return jax.lax.cond(x[0] > 0, rounds, keeps, x)


CASES = {
    "a stop": (lambda x: jnp.sum(x * jax.lax.stop_gradient(x**2)), STOP, lambda x: x**2),
    "a stop around a difference": (
        lambda x: jnp.sum((x + jax.lax.stop_gradient(jnp.round(x) - x)) ** 2), STOP, lambda x: 2 * jnp.round(x),
    ),
    "straight through": (lambda x: jnp.sum(jnp.round(x) * x), {"round": 1.0}, lambda x: x + jnp.round(x)),
    "a slope of its own": (lambda x: jnp.sum(jnp.sign(x) * x), {"sign": 0.5}, lambda x: 0.5 * x + jnp.sign(x)),
    "reversed": (lambda x: jnp.sum(reverse(x) * x**2), {"reverse": -1.0}, lambda x: x**2),
    "a rule with two inputs": (
        lambda x: jnp.sum(quantised(x, 4 + 0 * x) ** 2), {"quantised": 1.0}, lambda x: 2 * jnp.round(4 * x) / 4,
    ),
    "a tap": (lambda x: jnp.sum(tap("z", x**2) * x), {"z": 0.0}, lambda x: x**2),
    "a tap, reversed": (lambda x: jnp.sum(tap("z", x**2) * x), {"z": -1.0}, lambda x: x**2 - 2 * x**2),
    "a scan": (looped, {"round": 1.0, **STOP}, d_looped),
    "a branch": (branched, {"round": 1.0}, lambda x: x + jnp.round(x)),
    "vmap": (
        lambda x: jnp.sum(jax.vmap(lambda x: reverse(x) * jax.lax.stop_gradient(x))(x)), {"reverse": -1.0, **STOP},
        lambda x: -x,
    ),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sum(jnp.floor(x) * x)), {"floor": 1.0}, lambda x: x + jnp.floor(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_sides_are_held_to_what_is_declared(name):
    cost, expects, by_hand = CASES[name]
    report = fn.verify.gradient(cost, by_hand, X, expects=expects)
    report.assert_ok()
    assert all(row.supports in ("both", "kink", "undecided") for row in report.rows), report.table()
    assert max(report.taylor.explicit[-2:]) < 1e-5
    wrong = fn.verify.gradient(cost, lambda x: by_hand(x) + 0.01 * x, X, expects=expects)
    assert wrong.first_wrong.supports == "automatic"


@pytest.mark.parametrize("name", ["a stop", "straight through", "a tap"])
def test_what_is_not_declared_does_not_pass(name):
    cost, _, by_hand = CASES[name]
    assert not fn.verify.gradient(cost, by_hand, X).ok


def test_values_stay_and_so_do_marks():
    terms = lambda x, _: jnp.round(tap("z", x * 3)) + jax.lax.stop_gradient(x)  # noqa: E731
    found = declared.parse({"round": 1.0, "z": -1.0}, interpreter.trace(terms, X, ()), "expects")
    for changed in (declared.differentiated(terms, found), declared.held(terms, found)(X, ())):
        np.testing.assert_array_equal(changed(X, ()), terms(X, ()))
        assert [site.tag.name for site in interpreter.trace(changed, X, ()).sites] == ["z"]


def test_a_mark_stands_behind_what_is_declared_of_it():
    """The δ of z is what arrives, x; −1 times that goes on."""

    def by_hand(x):
        return x**2 - 2 * x * delta("z", x)

    fn.verify.gradient(lambda x: jnp.sum(tap("z", x**2) * x), by_hand, X, expects={"z": -1.0}).assert_ok()


def test_a_layer_and_a_custom_vjp_may_declare():
    dense = fn.layers.dense(2, fn.activations.tanh)
    params, _ = dense.init(jax.random.key(0), (3,))
    x = jax.random.normal(jax.random.key(1), (4, 3))

    def stopped(params, x, context):
        return dense.forward(params, jax.lax.stop_gradient(x), context)

    def backward(params, trace, d_y):
        d_params, d_x = dense.backward(params, trace, d_y)
        return d_params, 0 * d_x

    layer = dense._replace(forward=stopped, backward=backward)
    assert not fn.verify.layer(layer, params, x).ok
    fn.verify.layer(layer, params, x, expects=STOP).assert_ok()
    plain = lambda x: jnp.round(x) ** 2  # noqa: E731
    through = jax.custom_vjp(plain)
    through.defvjp(lambda x: (plain(x), x), lambda x, d: (2 * jnp.round(x) * d,))
    assert not fn.verify.custom_vjp(through, plain, X).ok
    fn.verify.custom_vjp(through, plain, X, expects={"round": 1.0}).assert_ok()


def cost(x):
    x = jax.lax.while_loop(lambda c: jnp.sum(c) < 9, lambda c: jnp.ceil(tap("hidden", c)) + 1, x)
    return jax.nn.logsumexp(reverse(jnp.round(tap("z", x)))) + jnp.sum(x)


@pytest.mark.parametrize(
    ("expects", "error", "message"),
    [
        (3, TypeError, "verify.gradient: expects is 3 of type int, expected a mapping from places to factors; write"),
        ({3: 1.0}, TypeError, "expects: a place is 3 of type int, expected a string; name a tap"),
        ({"z": "0"}, TypeError, r"expects\['z'\] is '0' of type str, expected a number; give 0 for a stop"),
        ({"z": np.nan}, ValueError, r"expects\['z'\] is nan, expected a finite number"),
        (
            {"y": 0},
            ValueError,
            r"matches nothing in the function, expected one of 'z', 'reverse', 'round'; name the value",
        ),
        ({"reversed": -1}, ValueError, "expected one of 'z', 'reverse', 'round'; write 'reverse'"),
        ({"hidden": 0}, ValueError, "that can be followed, but stands inside while"),
        (
            {"ceil": 1},
            ValueError,
            "that can be declared, for it has no input like its output, or stands inside",
        ),
        (STOP, ValueError, "that can be declared, for it has"),
        ({"reduce_sum": 1}, ValueError, "matches nothing"),
    ],
)
def test_what_matches_nothing_is_refused(expects, error, message):
    with pytest.raises(error, match=message):
        fn.verify.gradient(cost, jnp.ones_like, X + 5, expects=expects)


def test_a_place_of_other_shapes_can_only_be_stopped():
    halves = jax.custom_vjp(lambda x: (jnp.sum(x), x))
    halves.defvjp(lambda x: (halves(x), x), lambda x, d: (0 * x,))
    both = lambda x: halves(x)[0] + jnp.sum(x)  # noqa: E731
    with pytest.raises(ValueError, match=r"is 1.0, but it makes \(\), \(3,\) of \(3,\) at line .*declare 0.0"):
        fn.verify.gradient(both, jnp.ones_like, X, expects={"<lambda>": 1.0})
    fn.verify.gradient(both, jnp.ones_like, X, expects={"<lambda>": 0.0}).assert_ok()


def test_places_that_could_be_declared():
    traced = interpreter.trace(lambda x: jnp.sum(reverse(jnp.round(x)) + jax.lax.stop_gradient(x)), X)
    found = declared.suggestion(traced).split("; ")
    assert [each.partition(": ")[2] for each in found] == [
        "expects={'reverse': 0.0}, or another factor, declares it",
        "expects={'stop_gradient': 0.0} declares it",
        "expects={'round': 1.0} declares it",
    ]
    assert found[0].startswith("the rule of reverse at line ")
    assert " of test_declared.py" in found[1]
    assert " of test_declared.py" in found[2]
    assert declared.suggestion(interpreter.trace(jax.nn.logsumexp, X)) == ""

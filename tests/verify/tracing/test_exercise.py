"""What a probe did not exercise: a sentence for each, none where it did.

Expected sentences follow from the numbers that each function is given.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnets.verify.tracing import exercise, interpreter


def remarks(function, at, *rest, names=(), **options):
    point = at, list(rest)
    traced = interpreter.trace(lambda at, rest: function(at, *rest), *point)
    return exercise.remarks(traced, point, ("gradient w",), names, **options)


def draw(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


W, X = draw(0, 3), draw(1, 5, 3)


def leaky(x):
    return jnp.where(x > 0, x, 0.1 * x)


def guarded(w):
    return jnp.sum(w / jnp.maximum(jnp.sqrt(jnp.sum(w**2)), 1e-6))


CHOICES = {
    "where never true": (lambda w: jnp.sum(leaky(-jnp.abs(w))), "the condition of where at", "was never true"),
    "where never false": (lambda w: jnp.sum(leaky(jnp.abs(w))), "the condition of where at", "was never false"),
    "cond": (
        lambda w: jax.lax.cond(jnp.sum(w**2) > 0, lambda w: jnp.sum(w), lambda w: jnp.sum(w**2), w),
        "the condition of cond at", "was never false"),
    "switch": (
        lambda w: jax.lax.switch(1, [jnp.sum, lambda w: jnp.sum(w**2), jnp.max], w) + 0 * jnp.sum(w),
        "", ""),
    "relu": (lambda w: jnp.sum(jax.nn.relu(jnp.abs(w) + 1)), "max with zero at", "no number below zero"),
    "dead relu": (lambda w: jnp.sum(jax.nn.relu(-jnp.abs(w) - 1)), "max with zero at", "no number above zero"),
    "guard": (guarded, "max at", "took the same one of its two numbers everywhere"),
    "almost linear": (lambda w: jnp.sum(jnp.tanh(0.01 * w)), "tanh at", "|z| < 0.1 alone, where it is all but linear"),
    "in a scan": (
        lambda w: jnp.sum(jax.lax.scan(lambda c, x: (jax.nn.sigmoid(1e-3 * (c + x)) - 0.5, c), 0 * w, X)[0]),
        "sigmoid at", "all but linear"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "start", "end"), CHOICES.values(), ids=CHOICES)
def test_choices(function, start, end):
    found = remarks(function, W)
    assert [each for each in found if each.startswith(start) and end in each] or not start
    assert all("test_exercise.py, line" in each for each in found)


TAKEN = {
    "where": lambda w: jnp.sum(leaky(w)),
    "relu": lambda w: jnp.sum(jax.nn.relu(X @ w)),
    "cond, over a scan": lambda w: jnp.sum(
        jax.lax.scan(lambda c, x: (jax.lax.cond(x @ w > 0, lambda c: c + 1, lambda c: c - w[0], c), c), 0.0, X)[0]
    ),
    "one line, two calls": lambda w: sum(jnp.sum(leaky(sign * jnp.abs(w))) for sign in (1, -1)),
    "JAX's own": lambda w: jax.nn.logsumexp(w) + jnp.sum(jax.nn.log_softmax(w)) + jnp.sum(jax.nn.softplus(w)),
    "indices": lambda w: w[jnp.array([0, 2])].sum() + w[-1],
    "tanh": lambda w: jnp.sum(jnp.tanh(w)),
}


@pytest.mark.parametrize("function", TAKEN.values(), ids=TAKEN)
def test_what_was_exercised_is_not_named(function):
    assert remarks(function, W) == ()


def plain(w, *rest):
    """A cost that takes whatever is given beside w."""
    return jnp.sum(w)


@pytest.mark.parametrize(
    ("rest", "names", "expected"),
    [
        ([jnp.ones((5, 2), bool)], ["mask"], ["mask is true everywhere: what it would leave out was not seen"]),
        ([jnp.zeros(5, bool)], ["kept"], ["kept is false everywhere: what it would keep was not seen"]),
        ([jnp.ones((5, 2))], ["mask"], ["mask is 1 everywhere: what it would leave out was not seen"]),
        ([draw(2, 1, 4)], ["x"], ["x has one row (axis 0): sums and means over it were not seen"]),
        ([draw(2, 3, 1, 4)], ["x"], ["x has one column (axis 1): sums and means over it were not seen"]),
        ([jnp.full((2, 3), 0.5)], ["x"], ["x is the same number everywhere"]),
        ([jnp.zeros((2, 3))], [], ["args[0] is the same number everywhere"]),
        ([draw(2, 4, 1), jnp.arange(4) % 2 == 0, jax.random.key(0)], ["x", "mask", "key"], []),
    ],
)
def test_arguments(rest, names, expected):
    found = remarks(plain, W, *rest, names=names)
    assert list(found) == expected


def test_parameters_of_zero_and_gradients_of_zero():
    zero = "w is zero everywhere: a fault that is multiplied by it was not seen"
    assert remarks(plain, jnp.zeros(3)) == (zero,)
    assert remarks(plain, jnp.ones(3)) == ("w is the same number everywhere",)
    of_gradient = "the gradient by w is zero everywhere: a factor that is wrong there was not seen"
    assert remarks(plain, W, automatic=jnp.zeros(3)) == (of_gradient,)
    assert remarks(plain, W, automatic=jnp.ones(3)) == ()


def test_a_loop_of_one_step():
    found = remarks(lambda w: jnp.sum(jax.lax.scan(lambda c, x: (c + x, c), w, X[:1])[0]), W)
    assert found == ("a scan has one step: what goes from step to step was not seen",)


def test_at_most_six_sentences_and_each_once():
    def many(w, mask):
        return sum(jnp.sum(jnp.where(w > i, w, 0.5 * w)) for i in range(10, 20)) + guarded(w)

    assert len(remarks(many, jnp.zeros(3) + 0.1, jnp.ones((1, 1), bool), names=["mask"])) <= 6


def test_float64_is_measured_as_it_is():
    with jax.enable_x64(True):
        point = np.array([1e-300, 2.0]), []
        traced = interpreter.trace(lambda w, _: jnp.sum(jax.nn.relu(w)), *point)
    assert exercise.remarks(traced, point)[0].endswith("was given no number below zero")

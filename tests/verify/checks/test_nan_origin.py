"""Where NaNs begin; expected operations and lines are those that stand in the functions below."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

ZERO = jnp.zeros(3)


def line_of(function, text):
    """The number of the line of a function that holds a text."""
    lines, first = inspect.getsourcelines(function)
    return next(first + i for i, each in enumerate(lines) if text in each)


def norm(x):
    length = jnp.sqrt(jnp.sum(x**2))
    return 2 * length


def guarded(x):
    root = jnp.sqrt(x)
    return jnp.sum(jnp.where(x > 0, root, 0.0))


def free_energy(x):
    lse = jax.nn.logsumexp(x)
    return x[0] - lse


def attention(q):
    scores = jnp.where(jnp.zeros((3, 3), bool), q @ q.T, -jnp.inf)
    return jnp.sum(jax.nn.softmax(scores) @ q)


def divided(x, divisors):
    def step(c, d):
        c = jnp.tanh(c) / d
        return c - c, jnp.exp(c)

    return jax.lax.scan(step, x, divisors)[0]


def safe_norm(x):
    squares = jnp.sum(x**2)
    return jnp.sqrt(jnp.where(squares == 0, 1.0, squares))


def test_the_derivative_of_a_norm_at_zero():
    """d sqrt(s) = d s / (2 sqrt(s)): infinite at 0, and times 2 x = 0."""
    origin = fn.verify.nan_origin(jax.grad(norm), ZERO)
    assert (origin.primitive, origin.is_backward, origin.is_infinite) == ("mul", True, True)
    assert (origin.cause.primitive, origin.cause.line) == ("div", line_of(norm, "sqrt"))
    assert origin.line == line_of(norm, "x**2")
    assert origin.file == __file__
    assert origin.function == "norm"
    assert "in the backward pass of line" in str(origin)
    assert fn.verify.nan_origin(norm, ZERO) is None
    assert fn.verify.nan_origin(jax.grad(safe_norm), ZERO) is None


def test_where_over_a_root():
    origin = fn.verify.nan_origin(jax.grad(guarded), ZERO)
    assert (origin.cause.primitive, origin.cause.line) == ("div", line_of(guarded, "sqrt"))
    assert fn.verify.nan_origin(guarded, -1 - ZERO) is None  # the root's NaN is left out by `where`


def test_a_sum_of_exponentials_of_nothing():
    """log Σ exp(−∞) = −∞, and (−∞) − (−∞) is a NaN."""
    origin = fn.verify.nan_origin(free_energy, ZERO - jnp.inf)
    assert (origin.primitive, origin.line) == ("sub", line_of(free_energy, "x[0] - lse"))
    assert origin.is_infinite


def test_attention_whose_rows_are_all_masked():
    origin = fn.verify.nan_origin(attention, jnp.arange(6.0).reshape(3, 2))
    assert (origin.primitive, origin.line) == ("sub", line_of(attention, "softmax"))
    assert (origin.cause.primitive, origin.cause.line) == ("constant", line_of(attention, "-jnp.inf"))
    assert "infinity begins with a constant at line" in str(origin)
    backward = fn.verify.nan_origin(jax.grad(attention), jnp.arange(6.0).reshape(3, 2))
    assert backward.line == line_of(attention, "softmax")


def test_a_scan_whose_third_step_divides_by_zero():
    divisors = jnp.array([1.0, 2.0, 0.0, 3.0])
    origin = fn.verify.nan_origin(divided, 1.0, divisors)  # 0 / 0 in step 2, for c − c = 0
    assert (origin.primitive, origin.line, origin.step) == ("div", line_of(divided, "/ d"), (2,))
    assert not origin.is_infinite
    assert "step 2 of the loop (counted from 0)" in str(origin)
    reverse = fn.verify.nan_origin(
        lambda x, d: jax.lax.scan(lambda c, d: (c / d, c), x, d, reverse=True)[0], 0.0, divisors
    )
    assert reverse.step == (2,)


def rooted(w, xs):
    def step(h, x):
        h = jnp.sqrt(jnp.square(w * h + x))
        return h, h

    return jnp.sum(jax.lax.scan(step, 0.0, xs)[1])


def test_the_step_of_a_backward_scan_is_that_of_the_forward_one():
    """The root's slope is infinite at step 4, where w h + x = 0; it is kept in one scan and used in another."""
    xs = jnp.array([0.5, 0.5, 0.5, 0.5, -0.9375, 1.0])  # h = 0.5, 0.75, 0.875, 0.9375; 0.9375 / 2 − 0.46875 = 0
    origin = fn.verify.nan_origin(jax.grad(rooted), 0.5, xs.at[4].divide(2))
    assert (origin.primitive, origin.step, origin.is_backward) == ("mul", (4,), True)
    assert (origin.cause.primitive, origin.cause.step) == ("div", (4,))
    assert origin.line == origin.cause.line == line_of(rooted, "sqrt")


def halved(x):
    return jax.lax.while_loop(lambda c: c[0] < 6, lambda c: (c[0] + 1, jnp.sqrt(c[1] - 1)), (0, x))[1]


def branched(x):
    return jax.lax.cond(x > 0, lambda x: jnp.log(x - 1), lambda x: jnp.sqrt(x), x)


@jax.custom_vjp
def ruled(x):
    return jnp.log(x)


ruled.defvjp(lambda x: (jnp.log(x), x), lambda x, d: (jnp.arccos(x + 2 * d),))


@pytest.mark.parametrize(
    ("function", "x", "primitive", "step"),
    [
        (halved, 3.0, "sqrt", (2,)),  # 1.41, 0.64, and the root of −0.36
        (branched, 0.5, "log", ()),
        (branched, -0.5, "sqrt", ()),
        (ruled, -1.0, "log", ()),
        (jax.grad(ruled), 2.0, "acos", ()),
        (jax.jit(lambda x: jax.checkpoint(jnp.log)(x)), -1.0, "log", ()),
        (lambda x: {"a": x, "b": jnp.arange(3), "c": jnp.arctanh(2 * x)}, 1.0, "atanh", ()),
        (lambda x: jnp.where(x > 0, jnp.nan, x), 1.0, "constant", ()),
        (lambda x: jnp.full(3, jnp.nan) + x, 1.0, "constant", ()),
    ],
)
def test_other_programs(function, x, primitive, step):
    origin = fn.verify.nan_origin(function, jnp.array(x))
    assert (origin.primitive, origin.step) == (primitive, step)


def test_bfloat16_and_float64():
    assert fn.verify.nan_origin(jnp.log, jnp.array(-1.0, jnp.bfloat16)).primitive == "log"
    with jax.enable_x64(True):
        assert fn.verify.nan_origin(jnp.log, np.array(-1.0)).primitive == "log"


def test_an_argument_that_is_nan_already_is_named():
    origin = fn.verify.nan_origin(lambda p, *, x: p["w"] * x, {"b": 1.0, "w": ZERO}, x=ZERO + jnp.nan)
    assert (origin.primitive, origin.argument) == ("argument", "kwargs['x']")
    assert str(origin) == "NaN stands in the arguments already: kwargs['x']"
    infinite = fn.verify.nan_origin(lambda p: p["w"] * p["b"], {"b": ZERO + jnp.inf, "w": ZERO})
    assert (infinite.primitive, infinite.cause.argument) == ("mul", "args[0]['b']")


def test_what_cannot_be_traced_is_refused():
    with pytest.raises(
        TypeError, match=r"verify\.nan_origin: function is 3 of type int, expected a function; give the"
    ):
        fn.verify.nan_origin(3)
    with pytest.raises(TypeError, match=r"function raised .*expected a function that JAX can trace"):
        fn.verify.nan_origin(lambda x: x if x > 0 else -x, ZERO[0])

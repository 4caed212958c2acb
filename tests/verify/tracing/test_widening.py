"""Programs that fix fewer digits, evaluated in float64: held against the same code written in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fnnets.core import jaxprs
from fnnets.verify.tracing import widening

pytestmark = pytest.mark.usefixtures("standard_promotion")

X = np.linspace(-1.3, 2.1, 12).reshape(3, 4)


def cast(x, narrow):
    return jnp.sum(jnp.exp(x.astype(narrow)) * x, axis=0)


def carried(x, narrow):
    """A carry and an accumulator of a dtype of their own."""
    return lax.scan(lambda c, row: ((c + row.sum()).astype(narrow), c * row), jnp.zeros((), narrow), x)


def counted(x, narrow):  # a number in the code is one of its dtype: 1.125 is the same in all
    return lax.while_loop(
        lambda s: s[0] < 3, lambda s: (s[0] + 1, (s[1] * 1.125).astype(narrow)), (0, x.astype(narrow))
    )


def chosen(x, narrow):
    return lax.cond(x[0, 0] < 0, lambda x: x.astype(narrow) / 3, lambda x: x.astype(narrow), x)


def accumulated(x, narrow):
    return lax.dot_general(x, x, (((0,), (0,)), ((), ())), preferred_element_type=narrow)


def scattered(x, narrow):
    return jnp.zeros(6, narrow).at[jnp.array([0, 2, 2, 5])].add(x[0].astype(narrow))


def reduced(x, narrow):
    return lax.reduce_precision(x.astype(narrow), 5, 3) * 3


def ruled(x, narrow):
    return jax.nn.relu(x.astype(narrow)) + jax.nn.logsumexp(x.astype(narrow))


def looked_up(x, narrow):
    knots = jnp.arange(4).astype(narrow)
    return jnp.exp(knots)[jnp.searchsorted(knots, x[2].astype(narrow))]


def solved(x, narrow):
    return jnp.linalg.solve((x[:, :3] + jnp.eye(3)).astype(narrow), x[:, 3].astype(narrow))


def counted_by_each(x, narrow):
    """Loops that are batched end one by one."""
    return jax.vmap(lambda x: lax.while_loop(lambda y: y < 5, lambda y: (y * 1.5 + 1).astype(narrow), x))(
        x[0].astype(narrow)
    )


CODE = (cast, carried, counted, chosen, accumulated, scattered, ruled, looked_up, solved, counted_by_each)


def widened(function, *args):
    return widening.evaluate(jaxprs.opened(jax.make_jaxpr(function)(*args)), list(args))


@pytest.mark.parametrize(
    ("code", "narrow"),
    # LAPACK has no half precision
    [(code, narrow) for code in CODE for narrow in ("float32", "bfloat16", "float16")[: 1 if code is solved else 3]],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_narrow_code_gives_what_the_same_code_gives_in_float64(code, narrow):
    with jax.enable_x64(True):
        x = jnp.asarray(X)
        wide = jax.tree.leaves(code(x, jnp.float64))
        found = widened(lambda x: code(x, narrow), x)
        plain = jax.tree.leaves(code(x, jnp.dtype(narrow)))
    for each, expected in zip(found, wide, strict=True):
        assert each.dtype == expected.dtype
        np.testing.assert_allclose(each, expected, rtol=1e-14, atol=1e-14)
    # and narrow code by itself gives something else
    pairs = zip(plain, wide, strict=True)
    assert any(np.abs(np.asarray(x, float) - np.asarray(y, float)).max() > 1e-9 for x, y in pairs)


def test_digits_that_are_cut_off_on_purpose_stay():
    with jax.enable_x64(True):
        x = jnp.asarray(X)
        np.testing.assert_array_equal(widened(lambda x: reduced(x, "float32"), x)[0], x * 3)


def test_a_program_traced_in_float32_takes_arguments_of_float64():
    program = jaxprs.opened(jax.make_jaxpr(lambda x: jnp.sin(x) / 3)(jnp.ones(3)))
    with jax.enable_x64(True):
        x = jnp.array([0.1, 0.2, 0.3])
        [found] = widening.evaluate(program, [x])
        np.testing.assert_allclose(found, np.sin(x) / 3, rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * 2, False),
        (lambda x: x.astype(jnp.float32), True),
        (lambda x: lax.scan(lambda c, x: (c, x.astype("bfloat16").astype("float64")), 0.0, x)[1], True),
        (lambda x: (x > 0).astype(jnp.int8), False),
    ],
)
def test_programs_that_narrow(function, expected):
    with jax.enable_x64(True):
        assert widening.narrows(jax.make_jaxpr(function)(jnp.ones(3))) is expected


def test_random_numbers_are_those_that_the_code_draws():
    """Bits are drawn in the dtype that the code asks for: in float64 there would be others."""
    key = jax.random.key(3)
    plain = jax.random.uniform(key, (5,), jnp.float32)
    with jax.enable_x64(True):
        [found] = widened(lambda x: jax.random.uniform(key, (5,), jnp.float32) * x, jnp.ones(5))
    np.testing.assert_array_equal(found, np.asarray(plain, np.float64))


def test_a_callback_is_called_with_its_own_dtype():
    seen = []

    def outside(x):
        seen.append(x.dtype)
        return np.sin(x)

    def cost(x):
        narrow = x.astype(jnp.float32)
        return jax.pure_callback(outside, jax.ShapeDtypeStruct(narrow.shape, jnp.float32), narrow)

    with jax.enable_x64(True):
        [found] = widened(cost, jnp.array([0.5, 1.0]))
    assert set(seen) == {np.dtype("float32")}
    assert found.dtype == np.float64

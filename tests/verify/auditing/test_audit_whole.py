"""The row of the whole function, and what the audit says of code that it cannot look into."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from fnnets.verify.auditing.audit import audit
from fnnets.verify.auditing.report import WHOLE

X = jnp.linspace(-1.3, 1.7, 5)


def scaled_sine(factor):
    @jax.custom_vjp
    def sine(x):
        return jnp.sin(x)

    sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (factor * g * jnp.cos(x),))
    return sine


@jax.custom_jvp
def rounded(x):
    return jnp.round(x)


rounded.defjvps(lambda d_x, y, x: d_x)


def closing(x, w):
    scale = jnp.tanh(w) / jnp.tanh(w)

    @jax.custom_vjp
    def held(v):
        return jnp.sin(v)

    held.defvjp(lambda v: (jnp.sin(v), v), lambda v, g: (1.5 * g * jnp.cos(v) * scale,))
    return held(x).sum() + w


def test_a_wrong_rule_that_cannot_be_called_by_itself_shows_in_the_whole():
    report = audit(closing, X, jnp.float32(2.0))
    assert report.row("held").verdict == "not looked at"
    assert report.row(WHOLE).verdict == "differs"


def test_an_accepted_rule_explains_its_own_argument_alone():
    roots = lambda b: jnp.where(b > 0, jnp.sqrt(b), 0.0).sum()  # noqa: E731
    assert audit(lambda a, b: rounded(a).sum() + (b**2).sum(), X, X, accept=["rounded"]).ok
    report = audit(lambda a, b: rounded(a).sum() + roots(b), X, X, accept=["rounded"])
    assert not report.ok
    assert report.row(WHOLE).place.startswith("input 1")


def test_a_stop_may_be_accepted():
    cost = lambda x: lax.stop_gradient(x) * x  # noqa: E731
    assert audit(cost, 1.0).row(WHOLE).verdict == "rule gives zero"
    assert audit(cost, 1.0, accept=[WHOLE]).ok


def test_a_nan_of_float32_alone_differs_where_the_right_value_is_near_zero():
    tanh = jax.custom_vjp(jnp.tanh)
    tanh.defvjp(lambda x: (jnp.tanh(x), x), lambda x, g: (g / jnp.cosh(x) ** 2 * jnp.exp(x) / jnp.exp(x),))
    assert audit(tanh, 100.0).row("tanh").verdict == "differs"


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: jax.nn.relu6(x).sum(), (jnp.array([0.0, 6.0]),)),
        (lambda x: jax.nn.relu(x) @ jnp.array([1.0, -2.0, 0.5]), (jnp.zeros(3),)),
        (jax.scipy.special.gammaln, (2.0,)),
        (lambda x: jnp.sin(1e6 * x).sum(), (jnp.array([0.3, 0.5]),)),
        (jnp.linalg.solve, (1 / (1.0 + jnp.arange(5.0)[:, None] + jnp.arange(5.0)), jnp.arange(5.0))),
    ],
    ids=["kinks", "zeros", "zero", "fast", "ill-conditioned"],
)
def test_right_code_is_not_blamed_as_a_whole(function, args):
    assert audit(function, *args).ok


def test_a_quotient_that_grows_has_no_limit():
    quotient = jax.custom_jvp(lambda x, y: x / y)
    quotient.defjvps(lambda d_x, z, x, y: d_x / y, lambda d_y, z, x, y: -d_y * z / y)
    assert audit(quotient, 0.3, 0.7, sweep=True).ok


def test_rules_that_stand_in_no_program_are_listed():
    sine = scaled_sine(1.5)
    report = audit(lambda x: (jax.grad(lambda v: sine(v).sum())(x) ** 2).sum(), X)
    assert any("called, and not looked at: sine" in remark for remark in report.remarks)


def test_a_branch_that_is_not_taken_is_said_so():
    report = audit(lambda x, n: lax.cond(n > 3, scaled_sine(1.5), jnp.tanh, x).sum(), X, jnp.int32(1))
    assert "it was not reached" in report.row("sine").note


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jax.jit(lambda x: audit(jnp.sin, x))(1.0), "args hold traced values, expected arrays with numbers"),
        (lambda: audit(lambda x: "text", 1.0), "returns 'text' of type str, expected arrays"),
        (lambda: audit(lambda x: None, 1.0), "returns no floating number, expected at least one"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_one_sentence(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_an_argument_that_is_not_finite_is_said_so():
    assert audit(jnp.sin, jnp.nan).remarks[-1].startswith("the whole function was not differenced")

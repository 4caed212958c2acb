"""Programs are read alike on every release of JAX; what cannot be read is refused by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import fnnets as fn
from fnnets.core import jaxprs


def traced(function, *args):
    return jaxprs.opened(jax.make_jaxpr(function)(*args))


def only(function, *args):
    """The one equation of a function."""
    [equation] = traced(function, *args).jaxpr.eqns
    return equation


def scanned(carry, w, xs):
    """Two constants (w and 3), one carry, two slices."""

    def step(carry, x):
        return carry * w + x[0] * jnp.sum(x[1]), (carry, 2 * x[0])

    return lax.scan(step, carry, xs, reverse=True)


XS = (jnp.arange(4.0), jnp.ones((4, 2)))


class Other:
    """An equation of a form that no release has."""

    def __init__(self, equation, name=None, params=None):
        self.primitive = equation.primitive if name is None else type("Primitive", (), {"name": name})()
        self.params, self.invars, self.outvars = params or {}, equation.invars, equation.outvars


def test_a_scan_tells_its_constants_carries_and_steps():
    loop = jaxprs.loop(only(scanned, 1.0, 2.0, XS))
    assert (loop.consts, loop.carries, loop.length) == (1, 1, 4)  # of the function above: w; carry; four steps
    assert loop.settings == {"length": 4, "reverse": True, "unroll": 1}
    assert len(loop.body.jaxpr.invars) == 4
    assert len(loop.body.jaxpr.outvars) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"jaxpr": None, "length": 4, "reverse": False, "unroll": 1},
        {"num_consts": 1, "num_carry": 1, "reverse": False, "unroll": 1},
        {"ft_in": type("Tree", (), {"unpack": lambda self: ((1,), (1,))})(), "length": 4},
        {"num_consts": 1, "num_carry": 1, "length": 4, "reverse": False, "unroll": 1},
    ],
)
def test_a_scan_of_another_form_is_refused_by_name_and_release(params):
    other = Other(only(scanned, 1.0, 2.0, XS), params=params)
    with pytest.raises(jaxprs.UnknownEquationError, match=rf"equation 'scan' of JAX {jax.__version__} has .* expected"):
        jaxprs.loop(other)


def test_a_call_whose_body_has_other_inputs_is_refused():
    equation = only(jax.jit(lambda x: x + 1), 1.0)
    assert len(jaxprs.inlined(equation).jaxpr.eqns) == 1
    other = Other(equation, params={"jaxpr": jax.make_jaxpr(lambda x, y: x + y)(1.0, 2.0)})
    with pytest.raises(
        jaxprs.UnknownEquationError, match="a body of 1 inputs and 1 outputs, as the equation has, in place of 2"
    ):
        jaxprs.inlined(other)


def branching(x):
    return lax.cond(x > 0, jnp.sin, lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + 1, x), x)


@pytest.mark.parametrize(
    ("function", "primitives"),
    [
        (jax.jit(jnp.sin), {"sin"}),
        (jax.checkpoint(jnp.sin), {"sin"}),
        (branching, {"sin", "while", "lt", "add"}),
        (jax.nn.relu, {"max"}),
        (lambda x: lax.scan(lambda c, _: (jnp.cos(c), None), x, None, length=2)[0], {"cos"}),
    ],
)
def test_the_primitives_within_are_found(function, primitives):
    def names(jaxpr):
        for equation in jaxpr.eqns:
            yield equation.primitive.name
            for body in jaxprs.inner(equation):
                yield from names(body)

    assert primitives <= set(names(traced(function, 1.0).jaxpr))


@pytest.mark.parametrize("flag", ["jax_custom_vjp3", "jax_custom_jvp3"])
def test_custom_rules_are_read_under_the_coming_flags_too(flag):
    if flag not in jax.config.values:
        pytest.skip(f"JAX {jax.__version__} has no flag {flag}")
    old = jax.config.values[flag]
    jax.config.update(flag, True)
    try:
        forward, both = jax.custom_jvp(jnp.sin), jax.custom_vjp(jnp.sin)
        forward.defjvps(lambda d_x, y, x: jnp.cos(x) * d_x)
        both.defvjp(lambda x: (jnp.sin(x), x), lambda x, d_y: (jnp.cos(x) * d_y,))
        equation = only(both if "vjp" in flag else forward, 1.0)
        assert equation.primitive.name == jaxprs.OPAQUE
        assert [each.primitive.name for body in jaxprs.inner(equation) for each in body.eqns] == ["sin"]
        assert "sin" in jaxprs.text(jax.make_jaxpr(both if "vjp" in flag else forward)(1.0))
    finally:
        jax.config.update(flag, old)


@pytest.mark.parametrize(
    "function", [lambda x: jnp.searchsorted(x, x + 0.5), lambda x: jnp.nonzero(x, size=2)[0], jnp.frexp]
)
def test_operations_that_jax_keeps_as_objects_have_a_body(function):
    """They are such objects in JAX 0.12, and calls in JAX 0.10."""
    closed = jax.make_jaxpr(function)(jnp.arange(3.0))
    for equation in jaxprs.equations(closed.jaxpr):
        if equation.primitive.name == jaxprs.OPAQUE:
            body = jaxprs.expanded(equation).jaxpr
            assert [v.aval.shape for v in body.outvars] == [v.aval.shape for v in equation.outvars]
            assert [v.aval.dtype for v in body.outvars] == [v.aval.dtype for v in equation.outvars]
    assert len(list(jaxprs.equations(closed.jaxpr))) > len(closed.jaxpr.eqns)


def test_an_opaque_equation_without_a_readable_body_is_refused():
    equation = only(jax.jit(jnp.sin), 1.0)
    with pytest.raises(jaxprs.UnknownEquationError, match=r"'call_hi_primitive' of JAX .* a traced function in it"):
        jaxprs.inner(Other(equation, jaxprs.OPAQUE))


def test_a_program_evaluated_equation_by_equation_gives_what_it_gives():
    for function, args in ((scanned, (1.0, 2.0, XS)), (branching, (-1.0,)), (jax.jit(jax.nn.softmax), (XS[0],))):
        closed = jax.make_jaxpr(function)(*args)
        found = jaxprs.evaluate(jaxprs.opened(closed), jax.tree.leaves(args), jaxprs.bind)
        for came, wanted in zip(found, jax.tree.leaves(function(*args)), strict=True):
            np.testing.assert_allclose(came, wanted, rtol=1e-6)


def test_constants_within_calls_and_loops_are_found():
    table = np.arange(5.0)

    def function(x):
        return jax.jit(lambda x: x + jnp.asarray(table))(x) + lax.map(lambda i: table[0] + i, jnp.ones(5))

    assert any(np.shape(each) == (5,) for each in jaxprs.constants(jax.make_jaxpr(function)(1.0)))


def test_programs_differ_by_their_equations_and_by_what_they_close_over():
    def closing(array):
        return jax.make_jaxpr(lambda x: x + jnp.asarray(array))(jnp.ones(2))

    one, other, longer = np.array([1.0, np.nan]), np.array([1.0, 2.0]), np.array([1.0])
    assert jaxprs.same(closing(one), closing(one.copy()))
    assert not jaxprs.same(closing(one), closing(other))
    assert not jaxprs.same(closing(one), closing(longer))


def test_the_text_of_a_program_holds_no_address():
    @jax.custom_vjp
    def rule(x):
        return x

    rule.defvjp(lambda x: (x, None), lambda _, d: (d,))
    assert "0x" not in jaxprs.text(jax.make_jaxpr(rule)(1.0))


@pytest.mark.parametrize("side", ["the cost", "the gradient"])
def test_an_unknown_equation_is_an_error_of_the_verifier_and_never_a_verdict(monkeypatch, side):
    """It is met while either side is read, that of the cost or that of the gradient that is to be judged."""
    known = jaxprs.loop

    def cost(w):
        return lax.scan(lambda c, _: (c * w[0], None), w[1], None, length=3)[0]

    def gradient(w):
        powers = lax.scan(lambda c, _: (c * w[0], c), jnp.ones_like(w[0]), None, length=4)[1]
        return jnp.stack([3 * w[1] * powers[2], powers[3]])

    w = jnp.array([0.5, 2.0])
    assert fn.verify.gradient(cost, gradient, w).ok

    def unreadable(equation):
        if equation.params["length"] == (3 if side == "the cost" else 4):
            raise jaxprs.unknown(equation, "what no release has")
        return known(equation)

    monkeypatch.setattr(jaxprs, "loop", unreadable)
    with pytest.raises(jaxprs.UnknownEquationError, match=r"equation 'scan' of JAX .* expected what no release has"):
        fn.verify.gradient(cost, gradient, w)

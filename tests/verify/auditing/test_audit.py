"""The audit of functions whose rules are known to be right or wrong, and the words of its report."""

import functools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import fnnets as fn
from fnnets.verify.auditing import sites
from fnnets.verify.auditing.audit import audit

X = jnp.array([0.3, -1.2, 2.0])


def rule(function, backward):
    """A `custom_vjp` of one argument, with `backward(x, g)`."""
    ruled = jax.custom_vjp(function)
    ruled.defvjp(lambda x: (function(x), x), lambda x, g: (backward(x, g),))
    return ruled


def tripled(x):
    return 3 * x


WRONG = rule(tripled, lambda x, g: 2 * g)


def test_a_wrong_rule_is_named_with_its_lines_and_three_values():
    def cost(x):
        return jnp.sum(jnp.sin(WRONG(x)))

    report = audit(cost, X)
    row = report.row("tripled")
    assert (row.verdict, report.ok, row.line) == ("differs", False, tripled.__code__.co_firstlineno)
    assert row.file == __file__
    assert row.calls == (f"line {cost.__code__.co_firstlineno + 1} of test_audit.py, in cost",)
    assert row.shapes == ((3,),)
    assert row.dtypes == ("float32",)
    # the rule gives 2/3 of what is right, at every element alike
    np.testing.assert_allclose([row.rule / row.expected, row.automatic / row.expected], [2 / 3, 1], rtol=1e-6)
    index = int(row.place.removeprefix("input 0 [").removesuffix("]"))
    assert row.expected == pytest.approx(3 * math.cos(3 * float(X[index])), rel=1e-5)
    assert report.rows[-1].verdict == "as the rules above"


def test_the_value_that_changes_when_it_is_differentiated_comes_before_the_derivative():
    changed = jax.custom_vjp(jnp.sin)
    changed.defvjp(lambda x: (jnp.sin(x) + 0.5, x), lambda x, g: (g * jnp.cos(x),))
    row = audit(changed, 0.3).row("sin")
    assert row.verdict == "differs"
    assert row.place == "output 0"
    assert row.rule - row.expected == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("function", "args", "name", "expected"),
    [
        (jnp.logaddexp, (0.3, 0.7), "logaddexp", 0.0),
        (jax.scipy.special.xlogy, (0.3, 0.7), "xlogy", 0.0),
        (lambda k, n, p: jax.scipy.stats.binom.logpmf(k, n, p), (7.0, 9.0, 0.3), "xlog1py", 0.0),
    ],
    ids=["logaddexp", "xlogy", "binom"],
)
def test_faults_of_jax_are_found_by_the_sweep(function, args, name, expected):
    """The right values: e^(1 − ∞) = 0; 0/0 of x log y at x = 0, where x log y is 0 for every y near 0."""
    with jax.numpy_dtype_promotion("standard"):
        assert audit(function, *args).ok
        row = audit(function, *args, sweep=True).row(name)
    assert row.verdict == "differs"
    assert row.point
    assert row.expected == expected
    assert row.rule != expected


def test_a_norm_whose_value_changes_at_a_tie_is_found_by_the_sweep():
    """As in a public library: at x = y the distance is 0, and under differentiation it is not."""

    @jax.custom_jvp
    def norm(x):
        return jnp.sqrt(jnp.sum(x**2))

    @norm.defjvp
    def _(primals, tangents):
        (x,), (dx,) = primals, tangents
        y = jnp.sqrt(jnp.sum(jnp.where(x == 0, 1.0, x) ** 2))
        return y, jnp.sum(x * dx) / y

    row = audit(lambda x, y: norm(x - y), X, X[::-1] * 0.7, sweep=True).row("norm")
    assert (row.verdict, row.place) == ("differs", "output 0")
    assert row.rule > row.expected  # zeros count as ones
    assert row.point.startswith("args[0]")


def test_a_rule_is_looked_at_at_several_steps_and_each_numbered_once():
    ruled = rule(jnp.tanh, lambda x, g: g * (1 - jnp.tanh(x) ** 2))

    def cost(x):
        return jnp.sum(lax.scan(lambda c, x: (ruled(c + x),) * 2, jnp.float32(0), x)[1])

    row = audit(cost, jnp.linspace(-1, 1, 9)).row("tanh")
    assert (row.verdict, row.visits, row.second_order) == ("agrees", 4, "agrees")


def test_a_second_derivative_that_departs_is_reported_and_no_condition():
    stopped = rule(jnp.square, lambda x, g: 2 * lax.stop_gradient(x) * g)
    report = audit(lambda x: jnp.sum(stopped(x)), X)
    assert report.ok
    assert report.row("square").second_order == "departs"
    assert "its second derivative departs" in report.table()


def test_rules_that_are_not_differentiated_are_listed():
    report = audit(lambda x: jnp.sum(lax.stop_gradient(WRONG(x)) * x), X)
    assert report.row("tripled").verdict == "not differentiated"


def test_rules_in_a_while_loop_are_checked_at_drawn_cotangents():
    def cost(x):
        return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, WRONG(s[1])), (0, x))[1].sum()

    report = audit(cost, X)
    assert report.row("tripled").verdict == "differs"
    assert any("backward pass of the function raises" in remark for remark in report.remarks)


def test_one_variable_in_two_places_is_moved_in_both():
    """The rule gives all to its first argument: right where both are the same variable, and wrong elsewhere."""
    ruled = jax.custom_vjp(lambda x, y: x * y)
    ruled.defvjp(lambda x, y: (x * y, (x, y)), lambda saved, g: (g * (saved[0] + saved[1]), jnp.zeros_like(saved[1])))
    assert audit(lambda x: jnp.sum(ruled(x, x)), X).ok
    assert not audit(lambda x: jnp.sum(ruled(x, 2 * x)), X).ok


def test_one_large_element_does_not_hide_the_others():
    def backward(x, g):
        return g * jnp.array([1e12, 1.0, 1.1, 1.0])

    ruled = rule(lambda x: x * jnp.array([1e12, 1.0, 1.0, 1.0]), backward)
    row = audit(lambda x: jnp.sum(ruled(x)), jnp.ones(4)).row("<lambda>")
    assert (row.verdict, row.place) == ("differs", "input 0 [2]")


def test_what_arrives_decides_about_solvers_and_the_rest_is_said_apart():
    """A symmetric solve that is used for symmetric right sides alone would be right for these."""

    @jax.custom_vjp
    def root(a):
        return lax.while_loop(lambda s: s[0] < 30, lambda s: (s[0] + 1, s[1] - (s[1] ** 2 - a) / (2 * s[1])), (0, a))[1]

    # right for equal cotangents alone
    root.defvjp(lambda a: (root(a),) * 2, lambda y, g: (jnp.mean(g) / (2 * y),))
    report = audit(lambda a: jnp.sum(root(a)), jnp.array([2.0, 3.0]))
    row = report.row("root")
    assert (row.verdict, report.ok) == ("agrees", True)
    assert "at drawn cotangents, which do not arrive here: differs" in row.note


def test_accepted_rules_pass_and_others_are_refused():
    rounded = rule(lambda x: jnp.round(x), lambda x, g: g)
    cost = lambda x: jnp.sum(rounded(x) * x)  # noqa: E731
    assert audit(cost, X).row("<lambda>").verdict == "flat primal"
    assert not audit(cost, X).ok
    assert audit(cost, X, accept=["<lambda>"]).ok
    assert "flat primal, accepted" in audit(cost, X, accept="<lambda>").table()
    with pytest.raises(ValueError, match=r"accept has 'ruond', expected the name of a rule that was met: '<lambda>'"):
        audit(cost, X, accept=["ruond"])


def test_a_drawn_sample_has_a_verdict_of_its_own():
    @jax.custom_jvp
    def sampled(mean, key):
        return jnp.floor(mean + jax.random.uniform(key))

    sampled.defjvp(lambda primals, tangents: (sampled(*primals), 0.5 * tangents[0]))
    report = audit(lambda mean: sampled(mean, jax.random.key(0)), 0.4)
    assert report.row("sampled").verdict == "implicit reparameterisation"


def test_functions_without_rules_say_what_was_looked_through():
    report = audit(lambda x: jnp.sum(jnp.sin(x)), X)
    assert report.ok
    assert report.remarks == ("no derivative rule was met in the 2 operations of the function: reduce_sum, sin",)


def test_a_function_that_uses_a_right_rule_wrongly_differs_as_a_whole():
    def cost(x):
        return jnp.sum(jax.nn.relu(x) * lax.stop_gradient(x))

    report = audit(cost, jnp.abs(X))
    assert report.row("relu").verdict == "agrees"
    assert report.row("the whole function").verdict == "rule gives zero"
    assert "stops a gradient at line" in report.table()


def test_a_function_that_branches_on_values_is_run_as_it_is():
    def cost(x):
        return jnp.sum(WRONG(x)) if float(x[0]) > 0 else jnp.sum(x)

    with pytest.raises(
        TypeError, match=r"cost raised ConcretizationTypeError: .* \(test_audit.py, line \d+\).*eager=True"
    ):
        audit(cost, X)
    report = audit(cost, X, eager=True)
    assert report.row("tripled").verdict == "differs"
    assert "the function was run as it is" in report.remarks[0]
    assert audit(cost, -X, eager=True).rows == ()
    assert "__call__" not in vars(jax.custom_vjp)["__call__"].__qualname__.partition(".")[0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: audit(3.0, X), TypeError, "verify.audit: function is 3.0 of type float, expected a function"),
        (lambda: audit(jnp.sin), TypeError, "args are missing, expected at least one floating number"),
        (lambda: audit(jnp.sin, 3), TypeError, "args hold no floating number, expected at least one floating"),
        (lambda: audit(jnp.dot, X, jnp.ones(4)), TypeError, "dot_general"),
        (lambda: audit(), TypeError, "audit: function is missing"),
        (lambda: audit(jnp.sin, X, swep=True), TypeError, "swep is no argument, expected"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_rule_that_raises_is_shown_with_its_own_words():
    def backward(x, g):
        raise ValueError("no derivative here")

    report = audit(lambda x: jnp.sum(rule(jnp.sin, backward)(x)), X)
    row = report.row("sin")
    assert row.verdict == "differs"
    assert "the rule raises ValueError: no derivative here (test_audit.py, line" in row.detail


def test_primitives_of_others_are_listed():
    other = jax.extend.core.Primitive("others_sine")
    other.def_impl(np.sin)
    other.def_abstract_eval(lambda x: x)
    jaxpr = jax.make_jaxpr(lambda x: other.bind(x))(X).jaxpr
    assert list(sites.foreign(jaxpr)) == ["others_sine"]
    with jax.numpy_dtype_promotion("standard"):
        assert sites.foreign(jax.make_jaxpr(jax.scipy.special.hyp1f1)(0.3, 0.4, 0.5).jaxpr) == {}


def test_the_report_is_json_and_a_table_of_at_most_110_columns():
    report = audit(lambda x: jnp.sum(WRONG(x)), X, sweep=True)
    found = json.loads(report.to_json())
    assert found["ok"] is False
    assert found["rows"][0]["name"] == "tripled"
    assert found["points"] == report.points > 40
    assert max(map(len, report.table().splitlines())) <= 110
    with pytest.raises(AssertionError, match="tripled differs"):
        report.assert_ok()
    with pytest.raises(
        LookupError, match="no rule has the name 'other', expected one of those that were met: 'tripled'"
    ):
        report.row("other")


def test_arguments_may_be_trees_keys_and_settings():
    def cost(params, key, x, kind):
        assert kind == "sum"
        return jnp.sum(jax.nn.silu(params["w"] * x) * jax.random.bernoulli(key, 0.5, x.shape).astype(x.dtype))

    report = audit(functools.partial(cost, kind="sum"), {"w": X}, jax.random.key(0), np.ones(3, np.float32))
    assert report.ok
    assert fn.verify.audit(cost, {"w": X}, jax.random.key(0), X, "sum", sweep=True).points > 100

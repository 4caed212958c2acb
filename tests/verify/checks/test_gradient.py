"""`verify.gradient` knows nothing of the package: any cost, any gradient of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn


def cost(params, x, y, key=None, kind="square"):
    """A linear model; a number, a string and a key among its arguments."""
    if kind != "square":
        raise ValueError(f"kind is {kind}")
    kept = 1.0 if key is None else jax.random.bernoulli(key, 0.5, x.shape).astype(x.dtype)
    error = (x * kept) @ params["w"].T + params["b"] - y
    return 0.5 * jnp.mean(jnp.sum(error * error, axis=-1))


def gradient(params, x, y, key=None, kind="square"):
    kept = 1.0 if key is None else jax.random.bernoulli(key, 0.5, x.shape).astype(x.dtype)
    error = ((x * kept) @ params["w"].T + params["b"] - y) / len(x)
    return {"w": error.T @ (x * kept), "b": error.sum(0)}


def wrong_by(**factors):
    return lambda *args: {name: g * factors.get(name, 1) for name, g in gradient(*args).items()}


PARAMS = {"w": jax.random.normal(jax.random.key(0), (2, 3)), "b": jnp.array([0.3, -0.7])}
X = jax.random.normal(jax.random.key(1), (5, 3))
Y = jax.random.normal(jax.random.key(2), (5, 2))


def test_right_gradient_passes_with_number_string_key_and_numpy_arguments():
    report = fn.verify.gradient(cost, gradient, PARAMS, np.asarray(X, np.float64), Y, jax.random.key(3), "square")
    report.assert_ok()
    assert report.verdict == "pass"
    assert report.precision == "float32"
    assert [row.where for row in report.rows] == ["gradient params['b']", "gradient params['w']"]
    assert all(row.supports == "both" and row.error_float64 < 1e-14 for row in report.rows)


@pytest.mark.parametrize("factor", [1.01, 1.00001, -1.0, 0.0])
def test_factor_on_one_leaf_is_named_and_the_witness_supports_the_oracle(factor):
    report = fn.verify.gradient(cost, wrong_by(b=factor), PARAMS, X, Y)
    assert report.first_wrong.where == "gradient params['b']"
    assert report.first_wrong.supports == "automatic"
    assert report.first_wrong.error_float64 == pytest.approx(abs(factor - 1), rel=1e-6)
    assert [row.verdict for row in report.rows] == ["wrong", "ok"]


def test_one_wrong_element_is_the_worst():
    report = fn.verify.gradient(
        cost, lambda *a: gradient(*a) | {"w": gradient(*a)["w"].at[1, 2].add(1e-4)}, PARAMS, X, Y
    )
    row = report.first_wrong
    assert row.worst == (1, 2)
    assert row.explicit - row.automatic == pytest.approx(1e-4, rel=1e-6)
    assert row.numeric == pytest.approx(row.automatic, abs=1e-8)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_values_not_finite_never_pass(bad):
    report = fn.verify.gradient(cost, wrong_by(w=bad), PARAMS, X, Y)
    assert report.first_wrong.where == "gradient params['w']"
    assert "not finite" in report.first_wrong.note


def test_nan_on_both_sides_is_wrong():
    def kinked(w):
        return jnp.sum(jnp.where(w > 0, jnp.sqrt(jnp.where(w > 0, w, 0.0)), 0.0))

    def sloppy(w):
        return jnp.sum(jnp.where(w > 0, jnp.sqrt(w), 0.0))

    w = jnp.array([1.0, 0.0, -1.0])
    assert np.isfinite(float(kinked(w)))
    report = fn.verify.gradient(sloppy, jax.grad(sloppy), w)
    assert report.verdict == "wrong"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda p, *a: {"w": gradient(p, *a)["w"]}, "no leaf ['b']"),
        (lambda p, *a: gradient(p, *a) | {"c": jnp.ones(2)}, "an extra leaf ['c']"),
        (lambda p, *a: tuple(gradient(p, *a).values()), "no leaf ['b']"),
        (lambda p, *a: gradient(p, *a) | {"b": gradient(p, *a)["b"][None]}, "shape (1, 2), expected (2,)"),
        (lambda p, *a: gradient(p, *a) | {"b": gradient(p, *a)["b"].astype(jnp.float16)}, "float16, expected float32"),
        (lambda p, *a: gradient(p, *a) | {"b": None}, "no leaf ['b']"),
    ],
)
def test_other_structure_shape_or_dtype_is_a_wrong_row(broken, message):
    report = fn.verify.gradient(cost, broken, PARAMS, X, Y)
    assert report.verdict == "wrong"
    assert message in report.first_wrong.note


def test_dtype_is_judged_as_the_parameters_are_given():
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    args = X.astype(jnp.bfloat16), Y.astype(jnp.bfloat16)
    good = fn.verify.gradient(cost, gradient, half, *args)
    good.assert_ok()
    assert good.precision == "bfloat16"
    widened = fn.verify.gradient(cost, lambda *a: jax.tree.map(jnp.float32, gradient(*a)), half, *args)
    assert "float32, expected bfloat16" in widened.first_wrong.note
    assert fn.verify.gradient(cost, wrong_by(b=1.001), half, *args).first_wrong.where == "gradient params['b']"


def test_unstable_in_float32_only_is_rounding():
    def value(w):
        return 0.5 * jnp.sum(w * w)

    def unstable(w):
        return ((1e4 * w + 1) ** 2 - (1e4 * w) ** 2 - 1) / 2e4

    report = fn.verify.gradient(value, unstable, jax.random.normal(jax.random.key(5), (9,)))
    assert [row.verdict for row in report.rows] == ["rounding"]
    assert report.ok


def test_computing_in_float32_inside_is_rounding_and_a_fault_there_is_still_wrong():
    def value(w):
        return jnp.sum(jnp.sin(w.astype(jnp.float32)).astype(w.dtype))

    report = fn.verify.gradient(value, jnp.cos, jnp.array([0.3, -1.0]))
    assert report.ok
    assert fn.verify.gradient(value, lambda w: 1.001 * jnp.cos(w), jnp.array([0.3, -1.0])).verdict == "wrong"


def test_data_closed_over_in_float32_does_not_blunt_the_judgement():
    def value(w):
        return jnp.sum(jnp.tanh(X @ w))

    def explicit(w):
        return X.T @ (1 - jnp.tanh(X @ w) ** 2)

    w = jnp.array([0.1, 0.2, 0.3])
    assert fn.verify.gradient(value, explicit, w).ok
    assert fn.verify.gradient(value, lambda w: (1 + 1e-8) * explicit(w), w).verdict == "wrong"


def test_a_false_rule_on_the_automatic_side_is_found_by_the_witness():
    @jax.custom_vjp
    def cube(w):
        return w**3

    cube.defvjp(lambda w: (w**3, w), lambda w, g: (2 * w**2 * g,))
    w = jnp.array([1.0, 2.0])
    disagree = fn.verify.gradient(lambda w: jnp.sum(cube(w)), lambda w: 3 * w**2, w)
    assert (disagree.verdict, disagree.rows[0].supports) == ("inconclusive", "explicit")
    agree = fn.verify.gradient(lambda w: jnp.sum(cube(w)), lambda w: 2 * w**2, w)
    assert (agree.verdict, agree.ok, agree.first_wrong) == ("inconclusive", False, None)


def test_another_subgradient_at_a_kink_is_a_convention_and_the_same_one_is_ok():
    def value(w):
        return jnp.sum(jax.nn.relu(w) * jnp.array([1.0, 2.0, 3.0]))

    w = jnp.array([0.0, 1.0, -1.0])
    assert fn.verify.gradient(value, lambda w: (w > 0).astype(w.dtype) * jnp.array([1.0, 2.0, 3.0]), w).ok
    other = fn.verify.gradient(value, lambda w: (w >= 0).astype(w.dtype) * jnp.array([1.0, 2.0, 3.0]), w)
    assert ([row.verdict for row in other.rows], other.ok) == (["convention"], True)
    assert (
        fn.verify.gradient(value, lambda w: (w <= 0).astype(w.dtype) * jnp.array([1.0, 2.0, 3.0]), w).verdict == "wrong"
    )


def test_zero_and_vanishing_leaves_are_ok():
    report = fn.verify.gradient(
        lambda p: jnp.sum(p["a"] ** 2), lambda p: {"a": 2 * p["a"], "b": 0 * p["b"]}, PARAMS_ZERO
    )
    assert [row.verdict for row in report.rows] == ["ok", "ok"]
    assert report.rows[1].error_float64 == 0
    saturated = jnp.array([18.0, -17.0])
    assert fn.verify.gradient(lambda w: jnp.sum(jnp.tanh(w)), lambda w: 1 - jnp.tanh(w) ** 2, saturated).ok


@pytest.mark.parametrize("w", [[18.0, -17.0], [17.5], [0.5, 18.5], [20.0, -20.0]])
def test_a_saturated_unit_is_judged_by_the_rounding_of_the_numbers_on_the_way(w):
    """1 − tanh² z = 9.3e-16 at z = 18, from a tanh that is rounded to multiples of 1.1e-16."""

    def cost(w):
        return jnp.sum(jnp.tanh(w))

    def exact(w):  # the same function without cancellation: more exact than the derivative rule of tanh
        return 4 * jax.nn.sigmoid(2 * w) * jax.nn.sigmoid(-2 * w)

    report = fn.verify.gradient(cost, exact, jnp.array(w))
    assert report.ok
    assert report.rows[0].verdict in ("ok", "rounding")
    less = jnp.array(w) - 4 * jnp.sign(jnp.array(w))  # 2.8e-12 at 14: float64 tells twice as much apart
    assert fn.verify.gradient(cost, exact, less).ok
    assert fn.verify.gradient(cost, lambda w: 2 * exact(w), less).verdict == "wrong"


def test_rounding_on_the_way_excuses_no_fault_that_float64_resolves():
    w = jnp.array([0.3, 18.0])
    report = fn.verify.gradient(
        lambda w: jnp.sum(jnp.tanh(w)), lambda w: (1 - jnp.tanh(w) ** 2) * (1 + jnp.array([3e-10, 0.0])), w
    )
    assert report.verdict == "wrong"


PARAMS_ZERO = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([1.0, 2.0])}


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (lambda w: w, ValueError, "cost returns arrays like params, as a gradient does, expected a scalar"),
        (lambda w: w[None], ValueError, r"cost returns shape \(1, 2\), expected a scalar"),
        (lambda w: jnp.sum(w > 0), TypeError, "cost returns dtype int32"),
        (lambda w: (jnp.sum(w), 1), TypeError, "cost returns a tuple of 2 arrays"),
        (lambda w: jnp.log(jnp.sum(w) - 9), ValueError, "cost is nan here, expected a finite number"),
        (lambda w: jnp.sum(w) / 0, ValueError, "cost is inf here"),
        (3, TypeError, "cost is 3 of type int, expected a function"),
    ],
)
def test_a_cost_that_is_none_is_refused_in_one_line(function, kind, message):
    with pytest.raises(kind, match=message) as caught:
        fn.verify.gradient(function, lambda w: w, jnp.array([1.0, 2.0]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"steps": 3}, TypeError, r"p\['steps'\] is 3 of type int, expected floating"),
        ({"w": jnp.arange(2)}, TypeError, r"p\['w'\] is an array of dtype int32"),
        ({}, ValueError, "p holds no arrays"),
    ],
)
def test_params_that_are_none_are_refused(params, kind, message):
    with pytest.raises(kind, match=message):
        fn.verify.gradient(lambda p: jnp.sum(p["w"]), lambda p: p, params)


@pytest.mark.parametrize("is_double", [False, True])
def test_the_callers_precision_is_left_alone_also_by_exceptions(is_double):
    def explode(w):
        if w.dtype == jnp.float64 and not is_double:
            raise RuntimeError("in float64")
        return 2 * w

    with jax.enable_x64(is_double):
        before = jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision
        fn.verify.gradient(lambda w: jnp.sum(w**2), lambda w: 2 * w, jnp.ones(2)).assert_ok()
        fn.verify.gradient(lambda w: jnp.sum(w**2), explode, jnp.ones(2))
        with pytest.raises(ValueError, match=r"cost is nan"):
            fn.verify.gradient(lambda w: jnp.sum(jnp.log(-w)), lambda w: w, jnp.ones(2))
        assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before
        assert jnp.ones(2).dtype == (jnp.float64 if is_double else jnp.float32)


def test_a_leaf_of_another_shape_is_a_row_and_the_others_are_compared():
    """The Taylor test needs ⟨g, v⟩, which such a gradient does not have."""
    x = jnp.arange(12.0).reshape(4, 3) / 7
    params = {"w": jnp.ones((3, 3)), "b": jnp.ones(3)}
    report = fn.verify.gradient(
        lambda p: jnp.sum((x @ p["w"] + p["b"]) ** 2),
        lambda p: {"w": 2 * x.T @ (x @ p["w"] + p["b"]), "b": jnp.ones(5)},
        params,
    )
    assert {row.where: row.verdict for row in report.rows} == {"gradient p['b']": "wrong", "gradient p['w']": "ok"}
    assert "(5,)" in report.first_wrong.note
    assert "(3,)" in report.first_wrong.note
    assert report.taylor is None


def test_functions_of_more_arguments_than_are_given_are_named():
    def cost(params, x, y):
        return jnp.sum((x @ params - y) ** 2)

    def slope(params, x, y):
        return 2 * x.T @ (x @ params - y)

    params, x, y = jnp.ones((3, 2)), jnp.ones((5, 3)), jnp.zeros((5, 2))
    with pytest.raises(
        TypeError, match=r"verify.gradient: cost takes the arguments \(params, x, y\), but params and 1 o"
    ):
        fn.verify.gradient(cost, slope, params, x)
    with pytest.raises(
        TypeError, match=r"verify.gradient: gradient takes the arguments \(params, x\), but params and 2"
    ):
        fn.verify.gradient(cost, lambda params, x: slope(params, x, y), params, x, y)

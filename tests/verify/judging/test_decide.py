"""What makes a difference wrong, rounding or undecided: each leaf by its own rounding, in either precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

pytestmark = pytest.mark.usefixtures("standard_promotion")

W = jnp.array([0.3, -0.7, 1.1, 0.4])
X = jax.random.normal(jax.random.key(2), (6, 4))


def normed(eps_of):
    """x / sqrt(mean x² + ε); the gradient by hand takes an ε that may depend on the dtype."""

    def cost(w):
        return jnp.sum(jnp.sin(w * jax.lax.rsqrt(jnp.mean(w**2) + 1e-6)))

    def gradient(w):
        r = jax.lax.rsqrt(jnp.mean(w**2) + eps_of(w.dtype))
        d = jnp.cos(w * r)
        return r * d - w * r**3 * jnp.mean(d * w)

    return cost, gradient


def verdicts(report):
    return {row.where: row.verdict for row in report.rows}


def test_a_fault_in_float32_alone_is_wrong_and_shown_in_float32():
    """In float64 ε is that of the cost, in float32 it is 0.1."""
    report = fn.verify.gradient(*normed(lambda dtype: 1e-6 if dtype == jnp.float64 else 0.1), W)
    row = report.first_wrong
    assert row.error > 1e-2
    assert row.error_float64 < 1e-10
    assert "wrong in float32 alone" in row.note
    assert row.explicit != pytest.approx(row.automatic, rel=1e-3)
    fn.verify.gradient(*normed(lambda dtype: 1e-6), W).assert_ok()


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("size", [1e-23, 1e-6, 1e11])
def test_a_leaf_is_judged_by_its_own_size(size, x64):
    """A leaf of 1e-6 beside one of 1e11: half of it is missing, and no floor of the other hides it."""
    params = {"large": 1e11 * W, "small": size * W}

    def cost(p):
        return jnp.sum(p["large"] ** 2) * 1e-11 + size * jnp.sum(jnp.tanh(p["small"] / size))

    def gradient(p, part=1.0):
        slope = 1 - jnp.tanh(p["small"] / size) ** 2
        return {"large": 2e-11 * p["large"], "small": part * slope}

    assert fn.verify.gradient(cost, gradient, params, x64=x64).ok
    found = verdicts(fn.verify.gradient(cost, lambda p: gradient(p, 0.5), params, x64=x64))
    assert found == {"gradient p['large']": "ok", "gradient p['small']": "wrong"}


@pytest.mark.parametrize("x64", [True, False])
def test_a_large_constant_in_the_cost_is_no_excuse(x64):
    cost = lambda w: 1e10 + jnp.sum(jnp.sin(w))  # noqa: E731
    assert fn.verify.gradient(cost, jnp.cos, W, x64=x64).ok
    report = fn.verify.gradient(cost, lambda w: 1.01 * jnp.cos(w), W, x64=x64)
    assert report.verdict == "wrong"


def casting(p):
    """One leaf goes through bfloat16, the other does not."""
    narrow = jnp.sum(jnp.sin(p["cast"].astype(jnp.bfloat16)).astype(p["cast"].dtype))
    return narrow + jnp.sum(jnp.sin(p["exact"]))


def of_casting(factor):
    return lambda p: {"cast": jnp.cos(p["cast"]), "exact": factor * jnp.cos(p["exact"])}


def test_a_cast_is_an_excuse_for_what_passes_through_it_alone():
    params = {"cast": W, "exact": W}
    assert fn.verify.gradient(casting, of_casting(1.0), params).ok
    found = verdicts(fn.verify.gradient(casting, of_casting(1 + 1e-4), params))
    assert found["gradient p['exact']"] == "wrong"
    assert found["gradient p['cast']"] != "wrong"


def test_data_that_satisfy_an_identity_to_float32_only_are_no_fault():
    """Shares sum to one, which the gradient by hand counts on: softmax − shares."""
    shares = jax.nn.softmax(X)
    cost = lambda w, x, y: -jnp.sum(y * jax.nn.log_softmax(x * w))  # noqa: E731
    by_hand = lambda w, x, y: jnp.sum(x * (jax.nn.softmax(x * w) - y), axis=0)  # noqa: E731
    fn.verify.gradient(cost, by_hand, W, X, shares).assert_ok()
    wrong = lambda w, x, y: jnp.sum(x * (jax.nn.softmax(x * w) - 1.0001 * y), axis=0)  # noqa: E731
    assert fn.verify.gradient(cost, wrong, W, X, shares).verdict == "wrong"


def test_an_automatic_side_that_is_nan_is_named_and_the_rest_is_compared():
    w = jnp.array([0.0, 0.5, 2.0])
    cost = lambda w: jnp.sum(jnp.where(w > 0, jnp.sqrt(w) ** 3, 0.0))  # noqa: E731
    by_hand = lambda w: jnp.where(w > 0, 1.5 * jnp.sqrt(w), 0.0)  # noqa: E731
    report = fn.verify.gradient(cost, by_hand, w)
    assert report.verdict == "inconclusive"
    assert "NaN begins in" in report.first_undecided.note
    assert "test_decide.py" in report.first_undecided.note
    assert fn.verify.gradient(cost, lambda w: 1.1 * by_hand(w), w).verdict == "wrong"


@jax.custom_jvp
def doubled(x):
    return jnp.sin(x)


doubled.defjvp(lambda primals, tangents: (jnp.sin(*primals), 2 * jnp.cos(*primals) * tangents[0]))


def test_a_wrong_rule_inside_the_cost_is_named_and_not_the_hand_written_side():
    report = fn.verify.gradient(lambda w: jnp.sum(doubled(w) ** 2), lambda w: 2 * jnp.sin(w) * jnp.cos(w), W)
    assert report.verdict == "inconclusive"
    assert report.first_undecided.supports == "explicit"
    assert "the rule of doubled" in str(report).splitlines()[-2] + str(report).splitlines()[-1]


def test_half_precision_has_a_rounding_estimate_of_its_own():
    cost = lambda w, x: jnp.mean(jnp.tanh(x @ w))  # noqa: E731
    by_hand = lambda w, x: (1 - jnp.tanh(x @ w) ** 2) @ x / len(x)  # noqa: E731
    for dtype in (jnp.bfloat16, jnp.float16):
        w, x = W.astype(dtype), X.astype(dtype)
        assert fn.verify.gradient(cost, by_hand, w, x).ok
        assert fn.verify.gradient(cost, lambda *args: 1.1 * by_hand(*args), w, x).verdict == "wrong"


def test_second_derivatives_are_reported_and_no_condition():
    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x), jax.lax.stop_gradient(jnp.cos(x))), lambda c, d: (c * d,))
    report = fn.verify.custom_vjp(f, jnp.sin, W)
    assert report.ok
    assert {row.where: row.verdict for row in report.properties}["second order"] == "departs"


def test_nothing_is_learnt_where_everything_is_zero():
    report = fn.verify.gradient(lambda w: jnp.sum(jnp.where(w > 9, w, 0.0)), jnp.zeros_like, W)
    assert report.verdict == "inconclusive"
    assert np.isfinite(report.rows[0].error)


@pytest.mark.parametrize("narrow", [jnp.bfloat16, jnp.float16])
def test_a_cast_to_half_precision_has_its_own_rounding(narrow):
    cost = lambda w, x: jnp.sum(jnp.tanh((x @ w).astype(narrow)).astype(w.dtype) ** 2)  # noqa: E731

    def by_hand(w, x):
        a = jnp.tanh((x @ w).astype(narrow).astype(w.dtype))
        return x.T @ (2 * a * (1 - a**2))

    assert fn.verify.gradient(cost, by_hand, W, X).ok
    assert fn.verify.gradient(cost, lambda w, x: 1.1 * by_hand(w, x), W, X).verdict == "wrong"


def normalised(x, c):
    eps = jnp.finfo(x.dtype).eps
    return jnp.sum(c * (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + eps))


def of_normalised(times):
    def gradient(x, c):
        eps = jnp.finfo(x.dtype).eps
        v, s = x.var(-1, keepdims=True), jnp.sqrt(x.var(-1, keepdims=True) + eps)
        y = (x - x.mean(-1, keepdims=True)) / s
        k = times((v + eps) / v)
        return (c - c.mean(-1, keepdims=True) - y * (c * y).mean(-1, keepdims=True) * k) / s

    return gradient


@pytest.mark.parametrize("scale", [1e-4, 2e-4, 2e-3, 1e-2])
def test_an_epsilon_of_the_dtype_that_the_gradient_forgets(scale):
    """The smaller x, the more it is wrong in float32: by 70 % to 0.04 %; in float64 by 1e-8 to nothing."""
    x, c = scale * X, jnp.cos(jnp.arange(24.0)).reshape(6, 4)
    fn.verify.gradient(normalised, of_normalised(jnp.ones_like), x, c).assert_ok()
    report = fn.verify.gradient(normalised, of_normalised(lambda k: k), x, c)
    assert [row.verdict for row in report.rows] == ["wrong"]


@pytest.mark.parametrize("name", ["odd median", "even median", "segments"])
@pytest.mark.parametrize("x64", [True, False])
def test_what_chooses_numbers_has_no_rounding_of_its_own(name, x64):
    """Rounding explains nothing where a choice is made by exact numbers, or at ties of zeros."""
    segments = jnp.array([0, 0, 1, 1, 2, 2])
    costs = {
        "odd median": lambda w: jnp.median(w) ** 2 + jnp.sum(w**2),
        "even median": lambda w: jnp.median(w[:6]) ** 2 + jnp.sum(w**2),
        "segments": lambda w: jnp.sum(jax.ops.segment_max(jax.nn.relu(w[:6]), segments, 3) * w[:3]),
    }
    w = jnp.array([0.3, -0.7, -1.1, -0.4, 0.9, 2.0, -0.2])
    right = jax.grad(costs[name])
    assert fn.verify.gradient(costs[name], right, w, x64=x64).ok
    for wrong in (lambda w: right(w).at[0].multiply(1.01), lambda w: 3 * right(w), lambda w: -right(w)):
        assert fn.verify.gradient(costs[name], wrong, w, x64=x64).verdict == "wrong"


def test_values_that_are_shown_stand_at_one_place():
    """Central differences of a sample are not those of the worst element."""
    cost = lambda w, x: jnp.sum(jnp.sin((x @ w).astype(jnp.bfloat16)).astype(w.dtype))  # noqa: E731
    right = jax.grad(lambda w, x: jnp.sum(jnp.sin(x @ w)))
    factor = lambda w: 1.5 if w.dtype == jnp.float32 else 1.0  # noqa: E731
    row = fn.verify.gradient(cost, lambda w, x: factor(w) * right(w, x), W, X).first_wrong
    assert np.isnan(row.numeric) or row.numeric == pytest.approx(row.automatic, rel=0.05)

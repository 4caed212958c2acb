"""What every gradient is: each property with a fault that breaks it and leaves the values at the probe as they are."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.verify.judging import properties

X, W = jax.random.normal(jax.random.key(0), (5, 3)), jax.random.normal(jax.random.key(1), (3,))
DENSE = fn.layers.dense(4, fn.activations.tanh)
PARAMS, _ = DENSE.init(jax.random.key(2), (3,))


def cost(w, x):
    return jnp.mean(jnp.tanh(x @ w) ** 2)


def broken(report):
    return [row.where for row in report.properties if row.verdict != "ok"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d, d_x: (d, jnp.clip(d_x, -20.0, 20.0)), ["dense linear in its cotangent"]),
        (lambda d, d_x: (d._replace(biases=jnp.where(jnp.abs(d.biases) > 50, 0, d.biases)), d_x),
         ["dense linear in its cotangent"]),
        (lambda d, d_x: (d, d_x + 1e-30), []),
    ],
    ids=["clipped far away", "large ones dropped", "below rounding"],
)  # fmt: skip
def test_a_backward_pass_that_is_not_linear(change, found):
    layer = DENSE._replace(backward=lambda *args: change(*DENSE.backward(*args)))
    report = fn.verify.layer(layer, PARAMS, X)
    assert {row.verdict for row in report.rows} <= {"ok", "rounding"}
    assert broken(report) == found


def test_a_gradient_that_differs_without_jit():
    def gradient(w, x):
        is_traced = isinstance(w, jax.core.Tracer)
        return jax.grad(cost)(w, x) * (1 if is_traced else 2)

    assert broken(fn.verify.gradient(cost, gradient, W, X)) == ["gradient jit = eager"]


def test_a_gradient_with_another_derivative():
    """Right values whose derivative is zero: second order alone can see it."""

    def gradient(w, x):
        return jax.lax.stop_gradient(jax.grad(cost)(w, x))

    assert broken(fn.verify.gradient(cost, gradient, W, X)) == ["gradient second order"]


def test_two_runs_that_differ():
    counter = itertools.count()

    def gradient(w, x):
        drawn = jax.pure_callback(lambda: np.float32(next(counter)), jax.ShapeDtypeStruct((), jnp.float32))
        return jax.grad(cost)(w, x) + (1e-15 * drawn).astype(w.dtype)

    assert "repeatable" in " ".join(broken(fn.verify.gradient(cost, gradient, W, X)))


def test_a_cost_that_is_another_each_time_is_refused():
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"cost is another function each time.*make randomness an argument"):
        fn.verify.gradient(lambda w: jnp.sum(w) * random.normal(), lambda w: w, W)


def test_a_batch_whose_gradient_is_not_the_mean_of_its_examples():
    net = fn.network(fn.layers.dense(2), fn.objectives.linear_squared_error, (3,))
    y = jax.random.normal(jax.random.key(3), (5, 2))

    def gradient(params, batch, key=None):
        d = jax.grad(net.cost)(params, batch, key=key)
        return jax.tree.map(lambda g: g * (2 if len(batch.inputs) == 1 else 1), d)

    wrong = net._replace(gradient=gradient, cost_and_gradient=lambda *args: (net.cost(*args), gradient(*args)))
    report = fn.verify.network(wrong, net.init(jax.random.key(0)), fn.Batch(X, y))
    assert broken(report) == ["gradient mean of its examples'"]


def test_batches_seen_as_a_whole_have_no_such_property():
    centred = fn.Layer(
        lambda key, shape: ((), shape),
        lambda params, x, context: (x - jnp.mean(x, 0), x),
        lambda params, trace, d_y: ((), d_y - jnp.mean(d_y, 0)),
        "centred",
    )
    net = fn.network(fn.chain(fn.layers.dense(2), centred), fn.objectives.linear_squared_error, (3,))
    report = fn.verify.network(net, net.init(jax.random.key(0)), fn.Batch(X, jnp.ones((5, 2))))
    report.assert_ok()
    assert not any("examples" in row.where for row in report.properties)


def test_taylor_slopes_tell_a_gradient_from_what_is_none():
    right = fn.verify.gradient(cost, jax.grad(cost), W, X).taylor
    wrong = fn.verify.gradient(cost, lambda w, x: 1.01 * jax.grad(cost)(w, x), W, X).taylor
    assert right.slopes == pytest.approx((2, 2), abs=0.05)
    assert wrong.slopes == pytest.approx((1, 2), abs=0.05)
    linear = fn.verify.gradient(lambda w: 3 * jnp.sum(w), lambda w: 3 * jnp.ones_like(w), W).taylor
    assert all(map(math.isnan, linear.slopes))


@pytest.mark.parametrize(
    ("function", "gap"),
    [
        (lambda w: jnp.sum(jax.nn.relu(w)), 0.25),
        (lambda w: jnp.sum(jnp.abs(w)), 0.25),
        (lambda w: jnp.sum(jnp.where(w > 1.5, w, 0)), 0.5),
        (lambda w: jnp.max(jnp.stack([jnp.maximum(w[0], w[1])])), 0.75),
        (lambda w: jnp.sum(jax.lax.scan(lambda c, x: (jnp.maximum(c, x), None), w[0], w)[0]), 0.0),
        (lambda w: w[jnp.argmax(w)], 0.75),
        (lambda w: jnp.sum(jnp.take_along_axis(w[None], jnp.argmin(w[None], axis=1)[:, None], axis=1)), 3.25),
        (lambda w: w[jnp.argmax(w[:1])], math.inf),
        (lambda w: jnp.sum(w**2), math.inf),
        (lambda w: jnp.sum(jax.nn.softplus(w)), math.inf),
        (lambda w: jnp.sum(jax.lax.scan(lambda c, x: (jnp.logaddexp(c, x), None), w[0], w)[0]), math.inf),
        (lambda w: jax.nn.logsumexp(w), math.inf),
        (lambda w: jnp.sum(jax.nn.softplus(w)) + jnp.maximum(w[0], 0), 0.25),
    ],
    ids=[
        "relu",
        "abs",
        "where",
        "max",
        "scan",
        "argmax",
        "argmin",
        "argmax of one",
        "none",
        "softplus",
        "logaddexp in a scan",
        "logsumexp",
        "softplus and relu",
    ],
)
def test_the_distance_to_the_nearest_kink(function, gap):
    w = jnp.array([0.25, 1.0, -3.0])
    assert fn.verify.gradient(function, jax.grad(function), w).kink == pytest.approx(gap)


def test_fast_matrix_products_are_told_apart(monkeypatch):
    """A device whose default products are coarse, played by a gradient that looks at the setting."""

    def gradient(w, x):
        return jax.grad(cost)(w, x) * (1.001 if jax.config.jax_default_matmul_precision == "default" else 1)

    monkeypatch.setattr(properties.jax, "default_backend", lambda: "gpu")
    report = fn.verify.gradient(cost, gradient, W, X)
    report.assert_ok()
    (row,) = [row for row in report.properties if "matrix products" in row.where]
    assert (row.verdict, row.error_float64) == ("rounding", pytest.approx(1e-3, rel=1e-2))
    assert not any(
        "matrix products" in row.where and row.verdict != "ok"
        for row in fn.verify.gradient(cost, jax.grad(cost), W, X).properties
    )

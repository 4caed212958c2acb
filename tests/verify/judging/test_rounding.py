"""Without float64: faults found, and rounding passed by the size that is measured of it."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn

X = jax.random.normal(jax.random.key(1), (200, 5))


def cost(w, x):
    return jnp.mean(jnp.exp(x @ w))


def gradient(w, x):
    return x.T @ jnp.exp(x @ w) / len(x)


W = jnp.array([0.3, -0.2, 0.5, 0.1, -0.4])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_right_gradients_pass(dtype):
    report = fn.verify.gradient(cost, gradient, W.astype(dtype), X.astype(dtype), x64=False)
    report.assert_ok()
    assert report.precision == dtype.__name__
    assert "rounding" in report.rows[0].decided


@pytest.mark.parametrize("error", [1e-3, -1.0])
def test_wrong_gradients_do_not(error):
    report = fn.verify.gradient(cost, lambda w, x: (1 + error) * gradient(w, x), W, X, x64=False)
    assert report.verdict == "wrong"
    assert "> rounding" in report.first_wrong.decided


def test_sums_that_cancel_are_forgiven():
    """Numbers of 1e4 that sum to one: three digits are left, and both sides lose the others differently."""
    x = jnp.concatenate([1e4 + X, -1e4 + X[::-1] * 0.9])
    wide = lambda w: jnp.sum(jnp.tanh(w) * x.T.sum(0)[:5])  # noqa: E731
    plain = lambda w: (1 - jnp.tanh(w) ** 2) * jnp.sum(x, axis=1)[:5]  # noqa: E731
    fn.verify.gradient(wide, plain, W, x64=False).assert_ok()


def test_ties_are_forgiven():
    w = jnp.zeros(5)
    half = lambda w: jnp.where(w > 0, 1.0, jnp.where(w == 0, 0.5, 0.0))  # noqa: E731
    assert fn.verify.gradient(lambda w: jnp.sum(jax.nn.relu(w)), half, w, x64=False).ok


def test_the_penalty_is_seen_under_the_data():
    """λ/n of 1e-9: in float32 nothing of it is left in the whole gradient."""
    soft = fn.objectives.softmax_log_likelihood
    net, bare = (fn.feedforward([5, 3], objective=soft, l2=l2) for l2 in (1e-6, 0.0))
    params, batch = net.init(jax.random.key(0)), fn.Batch(X[:6], jnp.arange(6) % 3, None, 1000)
    fn.verify.network(net, params, batch, x64=False).assert_ok()
    report = fn.verify.network(net._replace(gradient=bare.gradient), params, batch, x64=False)
    assert report.first_wrong.where.startswith("penalty")

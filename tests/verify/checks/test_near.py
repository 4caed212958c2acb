"""Faults that the given numbers hide are found near them, and right code that counts on its data is not blamed."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn

X = jax.random.normal(jax.random.key(5), (6, 4))


def rms(w, x):
    return jnp.sum(jnp.sin(x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * w))


def of_rms(power):
    """By x: in the second term the weights stand `power` times, rightly once (in d below)."""

    def gradient(x, w):
        r = jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
        d = jnp.cos(x * r * w) * w
        return r * d - w ** (power - 1) * x * r**3 * jnp.mean(d * x, -1, keepdims=True)

    return gradient


@pytest.mark.parametrize("x64", [True, False])
def test_weights_of_ones_hide_their_power(x64):
    """As at initialisation. The weights are an argument beside the one that is differentiated by, or one of two."""
    ones = jnp.ones(4)
    cost = lambda x, w: rms(w, x)  # noqa: E731
    assert fn.verify.gradient(cost, of_rms(1), X, ones, x64=x64).ok

    def both(power):
        def gradient(x, w):
            r = jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
            return of_rms(power)(x, w), jnp.sum(jnp.cos(x * r * w) * x * r, axis=0)

        return gradient

    assert fn.verify.gradient(cost, both(1), X, ones, argnums=(0, 1), x64=x64).ok
    report = fn.verify.gradient(cost, both(2), X, ones, argnums=(0, 1), x64=x64)
    assert report.first_wrong.where == "gradient x"
    assert report.first_wrong.note.startswith("right at this point, wrong near it")
    assert report.row("w").verdict == "ok"


@pytest.mark.parametrize(
    ("w", "wrong"),
    [
        (jnp.zeros(4), lambda w: jnp.zeros_like(w)),  # of Σ w²
        (jnp.ones(4), lambda w: 2 * w**3),
        (jnp.ones(4), lambda w: 2 * jnp.ones_like(w)),
        (jnp.array([0.5, 0.5, 0.5, 0.5]), lambda w: 2 * jnp.roll(w, 1)),
    ],
)
def test_numbers_that_are_all_alike_hide_nothing(w, wrong):
    cost = lambda w: jnp.sum(w**2)  # noqa: E731
    assert fn.verify.gradient(cost, lambda w: 2 * w, w).verdict in ("pass", "inconclusive")
    report = fn.verify.gradient(cost, wrong, w)
    assert report.verdict == "wrong"
    assert "wrong near it" in report.first_wrong.note


def test_a_gradient_may_count_on_what_its_data_satisfy():
    """Rows of `a` are rotations: aᵀ a = 1, so that the gradient of Σ (a w)² is 2 w."""
    a, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(6), (4, 4)))
    w = jnp.array([0.1, -0.5, 0.7, 1.1])
    fn.verify.gradient(lambda w, a: jnp.sum((a @ w) ** 2), lambda w, a: 2 * w, w, a).assert_ok()


def test_data_that_hide_a_fault_are_said_to():
    """x has mean zero by chance of three numbers, not to the last digit: undecided, and the reason is given."""
    x = jnp.array([0.3, 0.3, 0.3])
    w = jnp.array([0.2, 0.5, 0.9])
    cost = lambda w, x: jnp.sum(jnp.sin(w * x))  # noqa: E731
    report = fn.verify.gradient(cost, lambda w, x: x[0] * jnp.cos(w * x), w, x)
    assert report.verdict == "inconclusive"
    assert "right for these data, wrong where they are moved a little" in report.first_undecided.note

"""Conventions at kinks: one choice of slope for each comparison, nothing beside the kinks, and f stays what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

pytestmark = pytest.mark.usefixtures("standard_promotion")

X = jax.random.normal(jax.random.key(4), (5, 3))
TIED = jnp.array([[1.0, 2.0, 2.0], [0.5, 0.5, -1.0], [3.0, 3.0, 3.0]])


def relu(w, x):
    return jnp.sum(jax.nn.relu(x @ w) * jnp.arange(1.0, 6.0))


def of_relu(slope_at_zero, factor=1.0):
    def gradient(w, x):
        z = x @ w
        slope = jnp.where(z > 0, 1.0, jnp.where(z == 0, slope_at_zero, 0.0))
        return factor * x.T @ (slope * jnp.arange(1.0, 6.0))

    return gradient


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_any_slope_between_both_is_a_convention_at_zero(slope, x64):
    """All units are at their kink; with the slope of JAX, 0, both sides are zero everywhere."""
    report = fn.verify.gradient(relu, of_relu(slope), jnp.zeros(3), X, x64=x64)
    assert [row.verdict for row in report.rows] == ["convention" if slope else "ok"]


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize(("slope", "factor"), [(1.2, 1.0), (-0.5, 1.0), (1.0, 1.3)])
def test_no_other_slope_is(slope, factor, x64):
    assert fn.verify.gradient(relu, of_relu(slope, factor), jnp.zeros(3), X, x64=x64).verdict == "wrong"


def test_what_is_wrong_beside_the_kinks_is_wrong():
    """Biases of zero: everything is at a kink at the given point; near it the factor shows."""
    x = jnp.concatenate([jnp.zeros((2, 3)), X[:3]])
    w = jnp.array([0.2, -0.4, 0.7])
    assert fn.verify.gradient(relu, of_relu(1.0), w, x).ok
    assert fn.verify.gradient(relu, of_relu(1.0, 1.001), w, x).verdict == "wrong"


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (lambda x: jax.nn.one_hot(jnp.argmax(x, -1), 3), "convention"),  # the first of a tie
        (lambda x: jax.nn.one_hot(2 - jnp.argmax(x[:, ::-1], -1), 3), "convention"),  # the last
        (lambda x: (x == x.max(-1, keepdims=True)) / (x == x.max(-1, keepdims=True)).sum(-1, keepdims=True), "ok"),
        (lambda x: (x == x.max(-1, keepdims=True)) * 1.0, "wrong"),  # to each the whole
        (lambda x: jax.nn.one_hot(jnp.argmin(x, -1), 3), "wrong"),
    ],
    ids=["first", "last", "shared", "each whole", "the smallest"],
)
def test_ties_of_a_maximum(share, verdict):
    report = fn.verify.gradient(lambda x: jnp.sum(x.max(-1) ** 2), lambda x: 2 * x.max(-1)[:, None] * share(x), TIED)
    assert report.rows[0].verdict == verdict


def test_a_comparison_by_which_the_cost_jumps_is_no_kink():
    """A mask of zeros and ones: nudged, `mask > 0` would be another mask, which excuses nothing."""
    mask = jnp.array([[1.0, 1, 0], [1, 1, 1], [1, 0, 0]])

    def cost(x, mask):
        return jnp.sum(jax.nn.logsumexp(jnp.where(mask > 0, x, -1e30), axis=-1))

    def right(x, mask):
        return jax.nn.softmax(jnp.where(mask > 0, x, -1e30), axis=-1)

    assert fn.verify.gradient(cost, right, TIED, mask).ok
    report = fn.verify.gradient(cost, lambda x, mask: jax.nn.softmax(x, axis=-1), TIED, mask)
    assert report.verdict == "wrong"


def test_overlapping_windows_choose_the_last_of_a_tie():
    x = jnp.array([1.0, 1.0, 0.0, 2.0, 2.0, 2.0])
    pool = lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (3,), (1,), "VALID")  # noqa: E731

    def last(x):
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(x), 3)
        chosen = [i + 2 - int(np.argmax(window[::-1])) for i, window in enumerate(windows)]
        return jnp.zeros(6).at[jnp.array(chosen)].add(jnp.arange(1.0, 5.0))

    cost = lambda x: jnp.sum(pool(x) * jnp.arange(1.0, 5.0))  # noqa: E731
    report = fn.verify.gradient(cost, last, x)
    assert report.rows[0].verdict == "convention", str(report)
    assert fn.verify.gradient(cost, lambda x: 1.5 * last(x), x).verdict == "wrong"


@pytest.mark.parametrize("x64", [True, False])
def test_ties_of_segments(x64):
    """The first of two equal numbers of a segment may receive everything, and both may not."""
    x, c, segments = jnp.array([1.0, 1.0, 2.0]), jnp.array([0.7, -1.3]), jnp.array([0, 0, 1])
    cost = lambda x, c: jnp.sum(c * jax.ops.segment_max(x, segments, 2))  # noqa: E731
    first = lambda x, c: jnp.where(x[0] >= x[1], jnp.array([1.0, 0, 1]), jnp.array([0.0, 1, 1])) * c[segments]  # noqa: E731
    every = lambda x, c: c[segments]  # noqa: E731
    assert fn.verify.gradient(cost, first, x, c, x64=x64).rows[0].verdict == "convention"
    assert fn.verify.gradient(cost, every, x, c, x64=x64).verdict == "wrong"

"""Deltas matched with taps: branches, `jax.vmap`, shared weights; the gradients by hand are those of the functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import taps
from fnnets.verify import delta, tap
from fnnets.verify.tracing import interpreter, matching

KEYS = jax.random.split(jax.random.key(4), 4)
W, X, Y = (jax.random.normal(key, shape) for key, shape in zip(KEYS, ((4, 3), (5, 3), (5, 3)), strict=False))
UP = jnp.float32(1)


def site(kind, name, shape=(3,), lengths=(), branches=(), is_batched=False):
    return interpreter.Site(taps.Tag(kind, name, "", 1.0), lengths, shape, jnp.float32, branches, is_batched)


def verdicts(report):
    return {row.where.removeprefix("gradient "): row.verdict for row in report.rows}


def either(w, x, sign):
    rise, turn = lambda w: jnp.tanh(tap("z", x @ w.T)), lambda w: jnp.sin(tap("z", x @ w.T))
    return jnp.sum(jax.lax.cond(sign > 0, rise, turn, w))


def d_either(w, x, sign, factor=1.0):
    rise = lambda w: delta("z", 1 - jnp.tanh(x @ w.T) ** 2, "1").T @ x  # noqa: E731
    turn = lambda w: delta("z", factor * jnp.cos(x @ w.T), "1").T @ x  # noqa: E731
    return jax.lax.cond(sign > 0, rise, turn, w)


@pytest.mark.parametrize(("sign", "factor", "verdict"), [(1, 1, "ok"), (-1, 1, "ok"), (1, 2, "ok"), (-1, 2, "wrong")])
def test_branches_of_both_passes(sign, factor, verdict):
    report = fn.verify.gradient(either, lambda w, x, s: d_either(w, x, s, factor), W, X, sign * UP)
    assert verdicts(report)["z"] == verdict


def test_a_delta_behind_branches_is_the_sum_of_both():
    def by_hand(w, x, sign):
        z = x @ w.T
        return delta("z", jnp.where(sign > 0, 1 - jnp.tanh(z) ** 2, jnp.cos(z))).T @ x

    report = fn.verify.gradient(either, by_hand, W, X, UP)
    report.assert_ok()
    assert verdicts(report)["z"] == "ok"


def test_the_nth_of_one_branch_belongs_to_the_nth_of_the_other():
    first, second = ((0, 2, 0),), ((0, 2, 1),)
    forward = [site("tap", "z", branches=each) for each in (first, first, second, second)]
    found, _ = matching.matches(forward, [site("delta", "z"), site("delta", "z")])
    assert [(match.taps, match.deltas) for match in found] == [((1, 3), (0,)), ((0, 2), (1,))]
    values = [jnp.full(3, x) for x in (1.0, 2.0, 0.0, 0.0)]
    assert matching.joined(forward, values, (1, 3)).tolist() == [2.0, 2.0, 2.0]
    assert [part.tolist() for part in matching.parted(forward, jnp.ones(3), (1, 3))] == 2 * [[1.0, 1.0, 1.0]]


def looped(w, xs):
    def step(h, x):
        h = jax.lax.cond(x[0] > 0, lambda h: jnp.tanh(tap("z", w @ x + 0.3 * h)), lambda h: 0.5 * h, h)
        return h, h

    return jax.lax.scan(step, jnp.zeros(4), xs)


def d_looped(w, xs, slope=0.3):
    h, after = looped(w, xs)

    def back(d, kept):
        x, h = kept

        def risen(d):
            d = delta("z", d * (1 - h**2))
            return slope * d, jnp.outer(d, x)

        return jax.lax.cond(x[0] > 0, risen, lambda d: (0.5 * d, 0 * w), d)

    return jax.lax.scan(back, 2 * h, (xs, after), reverse=True)[1].sum(0)


@pytest.mark.parametrize(("slope", "ok"), [(0.3, True), (0.31, False)])
def test_branches_inside_loops(slope, ok):
    report = fn.verify.gradient(lambda w, x: jnp.sum(looped(w, x)[0] ** 2), lambda w, x: d_looped(w, x, slope), W, X)
    assert report.ok is ok
    assert len(report.rows[0].profile) == 5


@jax.custom_vjp
def ruled(z):
    return jnp.tanh(tap("z", z))


ruled.defvjp(lambda z: (ruled(z), z), lambda z, d: (d * (1 - jnp.tanh(z) ** 2),))


def test_a_delta_whose_tap_is_not_followed_is_compared_with_nothing():
    forward = interpreter.trace(lambda w, x: jnp.sum(ruled(x @ w.T)), W, X)
    backward = interpreter.trace(lambda w, x: delta("z", 1 - jnp.tanh(x @ w.T) ** 2).T @ x, W, X)
    assert matching.matches(forward.sites, backward.sites, forward.unfollowed) == ([], "")
    assert "taps nothing of that name" in matching.matches(forward.sites, backward.sites)[1]


def batched(w, x):
    return jnp.sum(jax.vmap(lambda x: jnp.tanh(tap("z", w @ x)))(x))


@pytest.mark.parametrize("count", [5, 4])  # of examples, one more than there are units, and as many
@pytest.mark.parametrize(("slope", "verdict"), [(1.0, "ok"), (1.1, "wrong")])
def test_one_side_under_vmap(count, slope, verdict):
    """`vmap` puts the batch's axis of w @ x last; by hand it is the first."""
    by_hand = lambda w, x: delta("z", slope - jnp.tanh(x @ w.T) ** 2).T @ x  # noqa: E731
    assert verdicts(fn.verify.gradient(batched, by_hand, W, X[:count]))["z"] == verdict


@pytest.mark.parametrize(
    ("tapped", "marked", "is_batched", "axes"),
    [
        ((4, 5), (5, 4), False, [(1, 0)]),
        ((3, 3, 5), (5, 3, 3), False, [(1, 2, 0)]),  # one axis has moved
        ((2, 3, 5), (5, 3, 2), False, [(2, 1, 0)]),
        ((3, 5, 3), (5, 3, 3), False, []),  # either of the two
        ((3, 5, 3), (5, 3, 3), True, [(1, 0, 2), (2, 0, 1)]),
        ((4, 4), (4, 4), False, [()]),
        ((4, 4), (4, 4), True, [(), (1, 0)]),
        ((4, 5), (4, 6), True, []),
    ],
)
def test_axes_in_another_order(tapped, marked, is_batched, axes):
    sides = [site("tap", "z", tapped)], [site("delta", "z", marked, is_batched=is_batched)]
    found, trouble = matching.pairings(*sides)
    assert [match.axes for each in found for match in each] == axes
    assert bool(trouble) is (not axes)
    for match in found[0]:
        value = jnp.arange(np.prod(marked)).reshape(marked)
        there = matching.explicit(sides[1], [value], match)
        assert there.shape == tapped
        np.testing.assert_array_equal(matching.given(sides[1], there, match)[0], value)


def constant(w, x, slope):
    """δ is the same for all examples, so that `vmap` leaves it without the batch's axis."""
    return jax.vmap(lambda x: jnp.outer(delta("z", slope * jnp.arange(1.0, 5.0)), x))(x).sum(0)


@pytest.mark.parametrize("count", [5, 4])
@pytest.mark.parametrize(("slope", "verdict"), [(1.0, "ok"), (1.1, "wrong")])
def test_a_delta_that_is_the_same_for_all_examples_under_vmap(count, slope, verdict):
    cost = lambda w, x: jnp.sum(jax.vmap(lambda x: jnp.arange(1.0, 5.0) @ tap("z", w @ x))(x))  # noqa: E731
    report = fn.verify.gradient(cost, lambda w, x: constant(w, x, slope), W, X[:count])
    assert verdicts(report)["z"] == verdict


def test_an_axis_that_the_delta_lacks_is_added_and_taken_away():
    sides = [site("tap", "z", (4, 5), is_batched=True)], [site("delta", "z", (4,), is_batched=True)]
    [[match]], trouble = matching.pairings(*sides)
    assert (match.axes, trouble) == ((0, -5), None)
    value = jnp.arange(4.0)
    there = matching.explicit(sides[1], [value], match)
    np.testing.assert_array_equal(there, np.repeat(value[:, None], 5, 1))
    np.testing.assert_array_equal(matching.given(sides[1], there, match)[0], value)


def twins(w, x, y):
    one, other = (jnp.tanh(tap("z", each @ w.T)) for each in (x, y))
    return jnp.sum((one - other) ** 2)


def d_twins(order, sign=-1.0, is_swapped=False):
    def by_hand(w, x, y):
        a, b = (jnp.tanh(each @ w.T) for each in (x, y))
        d = {"a": 2 * (a - b) * (1 - a**2), "b": sign * 2 * (a - b) * (1 - b**2)}
        d = {name: delta("z", d[name]) for name in order}
        return (d["b"].T @ x + d["a"].T @ y) if is_swapped else (d["a"].T @ x + d["b"].T @ y)

    return by_hand


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_shared_weights_may_be_marked_in_either_order(order):
    fn.verify.gradient(twins, d_twins(order), W, X, Y).assert_ok()
    wrong = verdicts(fn.verify.gradient(twins, d_twins(order, sign=1.0), W, X, Y))
    assert [wrong["z #0"], wrong["z #1"]] == ["ok", "wrong"]
    assert not fn.verify.gradient(twins, d_twins(order, is_swapped=True), W, X, Y).ok


def test_the_best_pairing_is_the_usual_one_unless_another_agrees_at_more_marks():
    ones, twos = np.ones(3), 2 * np.ones(3)
    assert matching.best([[], []], [[ones], [ones]], [[ones], [ones]]) == 0
    assert matching.best([[], []], [[ones, twos], [twos, ones]], [[twos, ones], [twos, ones]]) == 1
    assert matching.best([[], []], [[ones], [twos]], [[np.zeros(3)], [np.zeros(3)]]) == 0

"""Taps and deltas in traced functions: found, moved and replaced wherever they stand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.core import taps
from fnnets.verify import delta, tap
from fnnets.verify.tracing import dependence, interpreter, matching

XS, W = jnp.arange(1.0, 5.0), jnp.array(0.5)


def looped(w, xs, mark=lambda z: tap("z", z)):
    """Σ c[t], c[t] = tanh(z[t]), z[t] = w c[t−1] + x[t]."""

    def step(c, x):
        c = jnp.tanh(mark(w * c + x))
        return c, c

    return jnp.sum(jax.lax.scan(step, jnp.zeros(()), xs)[1])


TRANSFORMED = {
    "plain": (lambda f: f, W),
    "jit": (jax.jit, W),
    "grad": (jax.grad, W),
    "vmap": (lambda f: jax.vmap(f, (0, None)), jnp.array([0.5, 0.7])),
    "checkpoint": (lambda f: jax.grad(jax.checkpoint(f)), W),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_outside_of_verification_a_tap_is_nothing(name):
    transform, w = TRANSFORMED[name]
    untapped = transform(lambda w, xs: looped(w, xs, lambda z: z))(w, XS)
    np.testing.assert_array_equal(transform(lambda w, xs: looped(w, xs))(w, XS), untapped)


def test_what_is_compiled_knows_nothing_of_taps():
    def lowered(mark):
        return jax.jit(jax.grad(lambda w, xs: looped(w, xs, mark))).lower(W, XS).as_text()

    assert lowered(lambda z: tap("z", z)) == lowered(lambda z: z)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint], ids=["plain", "jit", "checkpoint"])
def test_a_zero_at_a_tap_has_the_true_gradient_at_every_step(wrap):
    """z[t] + 0[t]: the same derivative as by an input that is added to x[t]."""
    traced = interpreter.trace(wrap(lambda w, xs: looped(w, xs)), W, XS)
    (site,) = traced.sites
    assert (site.tag.name, site.lengths, site.shape) == ("z", (4,), ())
    d_z = jax.grad(lambda zero: interpreter.run(traced, (W, XS), [zero], interpreter.added)[0])(jnp.zeros(4))
    np.testing.assert_allclose(d_z, jax.grad(looped, argnums=1)(W, XS), rtol=1e-6)


def test_what_is_seen_and_replaced_at_a_tap():
    traced = interpreter.trace(lambda w, xs: looped(w, xs), W, XS)
    value, (seen,) = interpreter.run(traced, (W, XS), [None], interpreter.added)
    assert value == looped(W, XS)
    np.testing.assert_allclose(jnp.sum(jnp.tanh(seen)), value, rtol=1e-6)
    replaced, _ = interpreter.run(traced, (W, XS), [jnp.zeros(4)], interpreter.replaced)
    assert replaced == 0


def test_a_scaled_tap_counts_in_the_quantity_itself():
    traced = interpreter.trace(lambda x: jnp.sum(2 * tap("half", 0.5 * x, 0.5) ** 2), jnp.array([3.0]))
    value, (seen,) = interpreter.run(traced, (jnp.array([3.0]),), [jnp.array([1.0])], interpreter.added)
    assert seen.tolist() == [3.0]
    assert value == 2 * (0.5 * 4) ** 2  # x + 1


@pytest.mark.parametrize(
    ("function", "place"),
    [
        (lambda x: jax.lax.while_loop(lambda x: x < 9, lambda x: tap("z", 2 * x), x), "while"),
        (lambda x: jax.jit(lambda x: hidden(hidden(x)))(x), "custom_jvp_call"),
    ],
)
def test_a_tap_where_it_cannot_be_followed_is_told(function, place):
    traced = interpreter.trace(function, jnp.array(1.0))
    assert traced.sites == ()
    (one,) = map(str, traced.unfollowed)
    assert one.startswith(
        f"tap('z', …) stands inside {place}, where it is not followed: nothing is compared there; move"
    )


@jax.custom_jvp
def hidden(x):
    return tap("z", x)


hidden.defjvp(lambda primals, tangents: (hidden(*primals), tangents[0]))


def branched(x, n):
    """Taps of one name in two of three branches, one of them in a scan."""

    def rises(x):
        return jax.lax.scan(lambda c, _: (tap("z", 2 * c), c), x, None, 3)[0]

    return jax.lax.switch(n, [lambda x: tap("z", x**2) + tap("w", x), lambda x: x, rises], x)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_a_tap_in_a_branch_is_followed_where_it_is_taken(wrap, n):
    """x² and x: slopes 1 at both; three doublings: 4, 2 and 1, from the first to the last."""
    traced = interpreter.trace(wrap(branched), jnp.array(3.0), n)
    assert [(site.tag.name, site.lengths) for site in traced.sites] == [("z", ()), ("w", ()), ("z", (3,))]
    zeros = [jnp.zeros(()), jnp.zeros(()), jnp.zeros(3)]

    def of_zeros(zeros):
        return interpreter.run(traced, (jnp.array(3.0), n), zeros, interpreter.added)

    (_, seen), back = jax.vjp(of_zeros, zeros)
    (found,) = back((jnp.ones(()), jax.tree.map(jnp.zeros_like, seen)))
    expected = [(1, 1, [0, 0, 0]), (0, 0, [0, 0, 0]), (0, 0, [4, 2, 1])][n]
    values = [(9, 3, [0, 0, 0]), (0, 0, [0, 0, 0]), (0, 0, [6, 12, 24])][n]
    for each, wanted in ((found, expected), (seen, values)):
        for one, other in zip(each, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_names_are_checked():
    with pytest.raises(TypeError, match="tap: name is 3, expected a string"):
        tap(3, W)
    with pytest.raises(ValueError, match=r"delta: name is 'a\|b', expected no '\|' in it"):
        delta("a|b", W)
    assert taps.decoded("another library's name") is None


def site(kind, name, lengths=(), shape=(3,)):
    return interpreter.Site(taps.Tag(kind, name, "", 1.0), lengths, shape, jnp.float32)


def test_deltas_are_matched_from_the_back_and_segments_joined():
    forward = [site("tap", "z"), site("tap", "z", shape=(2,)), site("tap", "s", (6,))]
    backward = [
        site("delta", "s", (2,)),
        site("delta", "s", (2, 2)),
        site("delta", "z", shape=(2,)),
        site("delta", "z"),
    ]
    found, trouble = matching.matches(forward, backward)
    assert trouble == ""
    assert [(match.label, match.taps, match.deltas) for match in found] == [
        ("s", (2,), (1, 0)),
        ("z #1", (1,), (2,)),
        ("z #0", (0,), (3,)),
    ]
    whole = jnp.arange(18.0).reshape(6, 3)
    parts = matching.parted(backward, whole, (1, 0))
    assert [part.shape for part in parts] == [(2, 2, 3), (2, 3)]
    np.testing.assert_array_equal(matching.joined(backward, parts[::-1], (0, 1))[:2], whole[4:])


@pytest.mark.parametrize(
    ("backward", "complaint"),
    [
        ([site("delta", "y")], "taps nothing of that name"),
        ([site("delta", "z", shape=(4,))], r"shapes (4,) from the front, but the forward pass taps (3,)"),
        ([site("delta", "z"), site("delta", "z")], ""),
    ],
    ids=["no such tap", "another shape", "met twice"],
)
def test_marks_that_do_not_fit(backward, complaint):
    found, trouble = matching.matches([site("tap", "z")], backward)
    assert found == []
    assert (complaint in trouble) if complaint else trouble == ""


def test_each_parameter_depends_on_its_first_tap():
    def cost(params, x):
        z1 = tap("z1", x @ params["a"])
        step = lambda s, _: (tap("s", jnp.tanh(s * params["w"])), None)  # noqa: E731
        return jnp.sum(tap("z2", jax.lax.scan(step, z1, None, 3)[0] @ params["b"])) + params["c"]

    params = {"a": jnp.ones((2, 3)), "b": jnp.ones((3, 1)), "c": W, "w": jnp.ones(3)}
    found = dependence.first_taps(interpreter.trace(cost, params, jnp.ones((4, 2))), 4)
    assert [name for _, name in found] == ["z1", "z2", "", "s"]


def test_the_first_tap_may_stand_in_a_branch_a_loop_or_a_rule():
    def cost(a, b, c, x):
        x = jax.lax.cond(x > 0, lambda x: tap("branch", a * x), lambda x: x, x)
        x = jax.lax.while_loop(lambda x: x < 9, lambda x: tap("loop", b * x + 1), x)
        return hidden(c * x)

    found = dependence.first_taps(interpreter.trace(cost, *jnp.ones(4)), 4)
    assert [name for _, name in found] == ["branch", "loop", "z", "branch"]


def right_gradient(w, xs):
    """The reverse scan by hand."""
    cs = jnp.concatenate([jnp.zeros(1), jax.lax.scan(lambda c, x: 2 * (jnp.tanh(w * c + x),), jnp.zeros(()), xs)[1]])

    def back(d_c, kept):
        c, _ = kept
        d_z = delta("z", (d_c + 1) * (1 - c**2), "8")
        return d_z * w, d_z

    return jnp.sum(jax.lax.scan(back, jnp.zeros(()), (cs[1:], cs[:-1]), reverse=True)[1] * cs[:-1])


def test_a_users_scan_is_followed_step_by_step():
    report = fn.verify.gradient(lambda w, xs: looped(w, xs), right_gradient, W, XS)
    report.assert_ok()
    assert report.rows[0].where == "gradient z"
    assert len(report.rows[0].profile) == 4

    def late(w, xs):
        return right_gradient(w, xs.at[2].add(1e-3))

    wrong = fn.verify.gradient(lambda w, xs: looped(w, xs), late, W, XS)
    assert wrong.first_wrong.where == "gradient z"
    assert wrong.first_wrong.statement == "8"
    assert wrong.first_wrong.profile[:2] != (0.0, 0.0)

"""`verify.custom_vjp`: functions with derivatives of their own, against plain ones."""

import functools
import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.verify import delta, tap

X, W = jax.random.normal(jax.random.key(0), (5, 3)), jax.random.normal(jax.random.key(1), (3, 4))


def plain(x, w):
    return jnp.tanh(tap("z", x @ w))


def build(d_w=lambda x, d_z: x.T @ d_z, d_x=lambda w, d_z: d_z @ w.T, slope=lambda y: 1 - y**2, value=plain):
    f = jax.custom_vjp(value)

    def backward(saved, d_y):
        x, w, y = saved
        d_z = delta("z", d_y * slope(y), "2")
        return d_x(w, d_z), d_w(x, d_z)

    f.defvjp(lambda x, w: (value(x, w), (x, w, plain(x, w))), backward)
    return f


@pytest.mark.parametrize("float64", [True, False])
def test_right_functions_pass(float64):
    report = fn.verify.custom_vjp(build(), plain, X, W, x64=float64)
    report.assert_ok()
    assert [row.where for row in report.rows] == ["gradient z", "gradient x", "gradient w"]


@pytest.mark.parametrize(
    ("faults", "where"),
    [
        ({"slope": lambda y: 1 - y}, "gradient z"),
        ({"d_w": lambda x, d_z: 2 * x.T @ d_z}, "gradient w"),
        ({"d_x": lambda w, d_z: jnp.clip(d_z @ w.T, -9, 9)}, "gradient linear in its cotangent"),
        ({"value": lambda x, w: 1.001 * plain(x, w)}, "f same values as the reference"),
    ],
)
def test_faults_are_named(faults, where):
    report = fn.verify.custom_vjp(build(**faults), plain, X, W)
    assert report.first_wrong.where == where


def test_integer_and_static_arguments_and_trees():
    def reference(params, index, kind):
        return {"y": params["table"][index] if kind == "look up" else None, "count": index + 1}

    f = jax.custom_vjp(reference, nondiff_argnums=(2,))

    def forward(params, index, kind):
        return reference(params, index, kind), (index, params["table"])

    f.defvjp(forward, lambda kind, kept, d: ({"table": jnp.zeros_like(kept[1]).at[kept[0]].add(d["y"])}, None))
    arguments = {"table": X}, jnp.array([4, 0, 4]), "look up"
    fn.verify.custom_vjp(f, reference, *arguments).assert_ok()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((3, plain, X, W), TypeError, "f is 3 of type int, expected a function"),
        ((build(), plain, jnp.arange(3), 2), ValueError, "args hold no floating arrays"),
        ((build(), lambda x, w: plain(x, w)[0], X, W), ValueError, r"f returns \(5, 4\) of float32, expected \(4,\)"),
        ((build(), lambda x, w: {"y": plain(x, w)}, X, W), ValueError, "f returns another structure"),
        ((build(), lambda x, w: jnp.log(-jnp.abs(x)), X, W), ValueError, "f returns"),
        (
            (lambda x: jnp.sum(jax.nn.relu(x)), lambda x: jnp.log(jnp.sum(x) - 1e9), X),
            ValueError,
            "reference is nan here",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, kind, message):
    with pytest.raises(kind, match=message) as caught:
        fn.verify.custom_vjp(*arguments)
    assert "\n" not in str(caught.value)


SECOND = [jnp.array([0.3, -0.7, 1.9]), jnp.array([0.5, 1.5, -1.0])]


def sine_by(x, m):
    return m * jnp.sin(x)


def with_none(wrapped=lambda f: f, factor=1.0):
    f = jax.custom_vjp(sine_by)
    f.defvjp(lambda x, m: (sine_by(x, m), (x, m)), lambda kept, d: (factor * d * kept[1] * jnp.cos(kept[0]), None))
    return wrapped(f)


@pytest.mark.parametrize(
    "wrapped", [lambda f: f, jax.jit, lambda f: functools.partial(f), lambda f: jax.jit(functools.partial(f))]
)
def test_an_argument_without_a_cotangent_is_left_out_and_named(wrapped):
    report = fn.verify.custom_vjp(with_none(wrapped), sine_by, *SECOND)
    assert report.ok
    assert [row.where for row in report.rows] == ["gradient x"]
    assert "returns None for m" in report.remarks[0]
    assert fn.verify.custom_vjp(with_none(wrapped, 1.01), sine_by, *SECOND).first_wrong.where == "gradient x"


def test_argnums_compare_what_is_named():
    assert fn.verify.custom_vjp(with_none(), sine_by, *SECOND, argnums=1).first_wrong.where == "gradient m"
    assert fn.verify.custom_vjp(with_none(), sine_by, *SECOND, argnums=(0,)).ok
    with pytest.raises(ValueError, match="argnums is 2, but 2 arguments are given"):
        fn.verify.custom_vjp(with_none(), sine_by, *SECOND, argnums=2)


def test_a_part_of_an_argument_without_a_cotangent():
    def reference(p, x):
        return p["a"] * jnp.sin(x) * p["b"]["c"]

    f = jax.custom_vjp(reference)
    f.defvjp(
        lambda p, x: (reference(p, x), (p, x)),
        lambda kept, d: ({"a": d * jnp.sin(kept[1]) * kept[0]["b"]["c"], "b": None}, None),
    )
    report = fn.verify.custom_vjp(f, reference, {"a": SECOND[0], "b": {"c": SECOND[1]}}, SECOND[1])
    assert report.ok
    assert [row.where for row in report.rows] == ["gradient p['a']"]
    assert "returns None for p['b']['c'], x, which" in report.remarks[0]


def test_a_rule_of_no_cotangent_at_all_is_refused():
    f = jax.custom_vjp(sine_by)
    f.defvjp(lambda x, m: (sine_by(x, m), None), lambda kept, d: (None, None))
    with pytest.raises(ValueError, match="f returns no cotangent, None, for x, m"):
        fn.verify.custom_vjp(f, sine_by, *SECOND)


def test_the_forward_rule_is_compared_with_the_function():
    """Softplus whose forward rule forgets the factor: its derivative alone is right."""

    def plain(x):
        return 2 * jnp.log1p(jnp.exp(x))

    f = jax.custom_vjp(plain)
    f.defvjp(lambda x: (jnp.log1p(jnp.exp(x)), x), lambda x, d: (2 * d * jax.nn.sigmoid(x),))
    report = fn.verify.custom_vjp(f, plain, SECOND[0])
    assert [row.verdict for row in report.rows] == ["ok"]
    assert report.first_wrong.where == "f same values under differentiation"


def test_second_order_is_reported_and_never_wrong():
    def plain(x):
        return jnp.log1p(jnp.exp(x))

    def made(slope):
        f = jax.custom_vjp(plain)
        f.defvjp(lambda x: (plain(x), slope(x)), lambda s, d: (s * d,))
        return f

    def row_of(report):
        return {row.where: row.verdict for row in report.properties}["second order"]

    right = fn.verify.custom_vjp(made(jax.nn.sigmoid), plain, SECOND[0])
    constant = fn.verify.custom_vjp(made(lambda x: jax.lax.stop_gradient(jax.nn.sigmoid(x))), plain, SECOND[0])
    assert (right.ok, row_of(right)) == (True, "ok")
    assert (constant.ok, row_of(constant)) == (True, "departs")


@pytest.mark.parametrize(("sign", "is_right"), [(1, True), (-1, False)])
def test_complex_outputs_have_complex_cotangents(sign, is_right):
    """y = exp(ix), so ∂x = Re(d · i exp(ix)) in JAX's convention, which conjugates nothing."""

    def plain(x):
        return jax.lax.complex(jnp.cos(x), jnp.sin(x)), x**2

    def backward(x, d):
        y = jax.lax.complex(jnp.cos(x), sign * jnp.sin(x))
        return (jnp.real(d[0] * (1j * sign) * y) + 2 * x * d[1],)

    f = jax.custom_vjp(plain)
    f.defvjp(lambda x: (plain(x), x), backward)
    assert fn.verify.custom_vjp(f, plain, SECOND[0]).ok == is_right


def test_complex_arguments_are_refused_in_one_line():
    with pytest.raises(TypeError, match=r"args\[0\] is an array of dtype complex64, complex.*real and imaginary parts"):
        fn.verify.custom_vjp(jax.nn.relu, lambda x: x, SECOND[0].astype(jnp.complex64))
    with pytest.raises(TypeError, match=r"x is an array of dtype complex64, complex, expected floating numbers"):
        fn.verify.custom_vjp(with_none(), sine_by, SECOND[0].astype(jnp.complex64), SECOND[1])


def test_rows_have_the_names_of_the_reference_or_of_f():
    f = with_none()
    shuffled = lambda *args: sine_by(*args)  # noqa: E731
    assert [row.where for row in fn.verify.custom_vjp(f, shuffled, *SECOND).rows] == ["gradient x"]
    assert [row.where for row in fn.verify.custom_vjp(jax.nn.relu, lambda x: jnp.maximum(x, 0), SECOND[0]).rows] == [
        "gradient args[0]"
    ]


def test_a_side_that_raises_alone_is_one_sentence():
    with pytest.raises(KeyError, match=r"in reference: .*; f takes the same arguments without an error"):
        fn.verify.custom_vjp(with_none(), lambda x, m: {}["absent"], *SECOND)
    with pytest.raises(ZeroDivisionError, match=r"in f: .*; reference takes the same arguments without an error"):
        fn.verify.custom_vjp(lambda x, m: with_none()(x, m) / (1 // 0), sine_by, *SECOND)


@pytest.mark.parametrize(
    "setting",
    [lambda: jax.numpy_rank_promotion("raise"), jax.disable_jit, lambda: jax.debug_nans(True), jax.checking_leaks],
)
def test_the_settings_of_the_caller_hold_for_the_caller_alone(setting):
    gc.freeze()  # the check of leaks collects garbage at every trace, among all objects of the tests before
    try:
        with setting():
            assert fn.verify.custom_vjp(build(), plain, X, W).ok
    finally:
        gc.unfreeze()


def test_a_nan_in_float32_does_not_pass_where_float64_agrees_up_to_rounding():
    """A variance as E[x²] − E[x]² of numbers near 3000: negative in float32, and its root not a number."""

    def normalised(x):
        c = x - x.mean(0)
        return c / jnp.sqrt((c * c).mean(0) + 1e-3)

    def backward(x, d_y):
        r = 1 / jnp.sqrt((x * x).mean(0) - x.mean(0) * x.mean(0) + 1e-3)
        n = (x - x.mean(0)) * r
        return (r * (d_y - d_y.mean(0) - n * (d_y * n).mean(0)),)

    f = jax.custom_vjp(normalised)
    f.defvjp(lambda x: (normalised(x), x), backward)
    x = jnp.asarray(3000 + np.random.default_rng(2).normal(size=(6, 3)), jnp.float32)
    report = fn.verify.custom_vjp(f, normalised, x)
    assert report.verdict == "wrong"
    assert "not finite in float32: explicit nan" in report.table()

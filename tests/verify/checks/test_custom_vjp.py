"""`verify.custom_vjp`: functions with derivatives of their own, against plain ones."""

import jax
import jax.numpy as jnp
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
    assert [row.where for row in report.rows] == ["gradient z", "gradient args[0]", "gradient args[1]"]


@pytest.mark.parametrize(
    ("faults", "where"),
    [
        ({"slope": lambda y: 1 - y}, "gradient z"),
        ({"d_w": lambda x, d_z: 2 * x.T @ d_z}, "gradient args[1]"),
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

"""What `verify.gradient` takes: arguments by position, auxiliary values, trees with other leaves, names, settings.

All gradients are derived by hand here, from d/dw Σ w² = 2w, d/dw Σ sin w = cos w and d/dx of least squares.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

W = jnp.array([[0.4, -1.2], [0.7, 0.3], [-0.5, 1.1]])
X = jnp.array([[0.2, -0.4, 1.0], [1.3, 0.1, -0.6], [0.5, 0.8, 0.9], [-1.1, 0.6, 0.2]])
Y = jnp.array([[0.3, 0.1], [-0.2, 0.9], [0.4, -0.8], [1.2, 0.5]])


def least_squares(w, x, y):
    return 0.5 * jnp.sum((x @ w - y) ** 2)


def by_w(w, x, y):
    return x.T @ (x @ w - y)


def by_x(w, x, y):
    return (x @ w - y) @ w.T


def named(report):
    return {row.where: row.verdict for row in report.rows}


@pytest.mark.parametrize(
    ("argnums", "gradient", "rows"),
    [
        (0, by_w, ["w"]),
        (1, by_x, ["x"]),
        (-2, by_x, ["x"]),
        ((0, 1), lambda *args: (by_w(*args), by_x(*args)), ["w", "x"]),
        ([1, 0], lambda *args: (by_x(*args), by_w(*args)), ["x", "w"]),
        ((1,), lambda *args: (by_x(*args),), ["x"]),
    ],
)
def test_argnums_are_those_of_jax_grad(argnums, gradient, rows):
    report = fn.verify.gradient(least_squares, gradient, W, X, Y, argnums=argnums)
    assert named(report) == {f"gradient {row}": "ok" for row in rows}


def test_the_wrong_one_of_two_arguments_is_named():
    report = fn.verify.gradient(least_squares, lambda *args: (by_w(*args), 1.01 * by_x(*args)), W, X, Y, argnums=(0, 1))
    assert named(report) == {"gradient w": "ok", "gradient x": "wrong"}


@pytest.mark.parametrize(
    ("argnums", "kind", "message"),
    [
        (3, ValueError, r"argnums is 3, but 3 arguments are given.*give an int in \[-3, 3\)"),
        (-4, ValueError, "argnums is -4"),
        ((0, 5), ValueError, r"argnums is \(0, 5\)"),
        ((0, -3), ValueError, "expected each argument once"),
        ((), ValueError, "argnums is empty"),
        (1.0, TypeError, "argnums is 1.0 of type float, expected whole numbers"),
        (True, TypeError, "argnums is True"),
        ("w", TypeError, "argnums is 'w'"),
        (2, TypeError, r"^n, which argnums=2 names, is an array of dtype int32, expected floating numbers"),
    ],
)
def test_argnums_that_name_nothing_are_refused_in_one_line(argnums, kind, message):
    with pytest.raises(kind, match=message) as caught:
        fn.verify.gradient(lambda w, x, n: jnp.sum(w * n), lambda w, x, n: w, W, X, jnp.arange(2), argnums=argnums)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gives_pair", [False, True])
def test_auxiliary_values_are_left_out(gives_pair):
    def cost(w, x, y):
        return least_squares(w, x, y), {"error": x @ w - y, "name": "least squares"}

    def gradient(w, x, y):
        return (by_w(w, x, y), "beside") if gives_pair else by_w(w, x, y)

    assert fn.verify.gradient(cost, gradient, W, X, Y, has_aux=True).ok
    both = fn.verify.gradient(
        cost, lambda *args: ((by_w(*args), by_x(*args)), 1), W, X, Y, argnums=(0, 1), has_aux=True
    )
    assert named(both) == {"gradient w": "ok", "gradient x": "ok"}
    with pytest.raises(TypeError, match=r"cost returns .*, expected a pair"):
        fn.verify.gradient(least_squares, by_w, W, X, Y, has_aux=True)
    with pytest.raises(TypeError, match="cost returns a tuple of"):
        fn.verify.gradient(lambda *args: (least_squares(*args), 1), by_w, W, X, Y)


OTHERS = {"w": W, "steps": jnp.int32(3), "key": jax.random.key(0), "name": "plain", "f": jnp.sin, "none": None}


def of_others(p):
    return jnp.sum(p["f"](p["w"])) + p["steps"].astype(p["w"].dtype) if p["name"] == "plain" else jnp.nan


def zeros(p):
    return {**p, "w": jnp.cos(p["w"]), "steps": np.zeros((), jax.dtypes.float0)}


@pytest.mark.parametrize(
    "gradient",
    [
        lambda p: p | {"w": jnp.cos(p["w"])},
        lambda p: {"w": jnp.cos(p["w"])},
        lambda p: dict.fromkeys(p) | {"w": jnp.cos(p["w"])},
        lambda p: {"w": jnp.cos(p["w"]), "steps": jnp.int32(0)},
        zeros,
    ],
    ids=["themselves", "left out", "None", "integer zero", "float0"],
)
def test_leaves_that_are_no_floats_are_held(gradient):
    report = fn.verify.gradient(of_others, gradient, OTHERS)
    assert named(report) == {"gradient p['w']": "ok"}
    [remark] = report.remarks
    assert "p['steps']" in remark
    assert remark.endswith("are no floating arrays and were not compared")


def test_faults_beside_other_leaves_are_found():
    wrong = fn.verify.gradient(of_others, lambda p: p | {"w": 1.01 * jnp.cos(p["w"])}, OTHERS)
    assert named(wrong) == {"gradient p['w']": "wrong"}
    missing = fn.verify.gradient(of_others, lambda p: {"steps": None}, OTHERS)
    assert "no leaf ['w']" in missing.first_wrong.note
    more = fn.verify.gradient(of_others, lambda p: {"w": jnp.cos(p["w"]), "u": jnp.ones(2)}, OTHERS)
    assert "an extra leaf ['u']" in more.first_wrong.note


def test_empty_leaves_pass():
    params = {"a": W, "none": jnp.zeros((0, 4))}
    report = fn.verify.gradient(
        lambda p: jnp.sum(p["a"] ** 2) + jnp.sum(p["none"]), lambda p: {"a": 2 * p["a"], "none": p["none"]}, params
    )
    assert report.ok
    assert not report.remarks


def test_equinox_modules_are_parted():
    eqx = pytest.importorskip("equinox")
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))

    def cost(model, x):
        return jnp.sum(jax.vmap(model)(x) ** 2)

    report = fn.verify.gradient(cost, eqx.filter_grad(cost), model, X)
    assert set(named(report).values()) == {"ok"}
    assert "gradient model.layers[0].weight" in named(report)

    def wrong(model, x):
        return eqx.tree_at(lambda m: m.layers[1].bias, eqx.filter_grad(cost)(model, x), jnp.ones(2))

    assert fn.verify.gradient(cost, wrong, model, X).first_wrong.where == "gradient model.layers[1].bias"


def test_nnx_modules_and_states_are_parted():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.line, self.drop = nnx.Linear(3, 2, rngs=rngs), nnx.Dropout(0.5, deterministic=True, rngs=rngs)

        def __call__(self, x):
            return self.drop(jnp.tanh(self.line(x)))

    def cost(model, x):
        return jnp.sum(model(x) ** 2)

    model = Model(nnx.Rngs(0))
    graph, state = nnx.split(model)
    of_state = lambda state, x: cost(nnx.merge(graph, state), x)  # noqa: E731
    by_state = lambda state, x: nnx.grad(cost)(nnx.merge(graph, state), x)  # noqa: E731
    assert fn.verify.gradient(of_state, by_state, state, X).ok
    if jax.tree.leaves(model)[0] is model:  # in older releases a module is no tree
        with pytest.raises(TypeError, match=r"nnx.split"):
            fn.verify.gradient(cost, nnx.grad(cost), model, X)
    else:
        assert fn.verify.gradient(cost, nnx.grad(cost), model, X).ok


def scaled(factor, w, x):
    return factor * jnp.sum(jnp.sin(x @ w))


@pytest.mark.parametrize(
    ("cost", "rows"),
    [
        (lambda weights, x: jnp.sum(jnp.sin(x @ weights)), ["gradient weights"]),
        (lambda *args: jnp.sum(jnp.sin(args[1] @ args[0])), ["gradient params"]),
        (functools.partial(scaled, 1.0), ["gradient w"]),
        (jax.jit(lambda w, x: jnp.sum(jnp.sin(x @ w))), ["gradient w"]),
    ],
    ids=["lambda", "no names", "partial", "jit"],
)
def test_rows_have_the_names_of_the_cost(cost, rows):
    report = fn.verify.gradient(cost, lambda *args: args[1].T @ jnp.cos(args[1] @ args[0]), W, X)
    assert list(named(report)) == rows


def test_names_of_library_functions_are_not_taken():
    assert list(named(fn.verify.gradient(jnp.sum, jnp.ones_like, W))) == ["gradient params"]


@pytest.mark.parametrize(
    "setting",
    [
        lambda: jax.numpy_rank_promotion("raise"),
        jax.disable_jit,
        lambda: jax.debug_nans(True),
        lambda: jax.debug_infs(True),
        lambda: jax.numpy_dtype_promotion("strict"),
        jax.checking_leaks,
        lambda: jax.transfer_guard("disallow"),
    ],
    ids=["rank promotion", "no jit", "nans", "infs", "strict", "leaks", "transfers"],
)
def test_the_settings_of_the_caller_hold_for_the_caller_alone(setting):
    with setting():
        assert fn.verify.gradient(least_squares, by_w, W, X, Y).ok
        assert not fn.verify.gradient(least_squares, lambda *args: 1.01 * by_w(*args), W, X, Y).ok
    with jax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match=r"line \d+, in cost: .*rank_promotion"):
        fn.verify.gradient(lambda w: jnp.sum(w + jnp.ones(2)), jnp.ones_like, W)

"""Functions that JAX cannot trace: NumPy code and branches on values, on either side; hidden state; exceptions.

The gradients are derived by hand: d/dw of Σ tanh(xw) is xᵀ(1 − tanh²(xw)).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

W = jnp.array([[0.4, -1.2], [0.7, 0.3], [-0.5, 1.1]])
X = jnp.array([[0.2, -0.4, 1.0], [1.3, 0.1, -0.6], [0.5, 0.8, 0.9], [-1.1, 0.6, 0.2]])


def cost(w, x):
    return jnp.sum(jnp.tanh(x @ w))


def in_numpy(w, x):
    return np.sum(np.tanh(np.dot(x, w)))


def gradient(w, x):
    return x.T @ (1 - jnp.tanh(x @ w) ** 2)


def loops(w, x):
    g = np.zeros_like(w)
    for n in range(len(x)):
        for j in range(w.shape[1]):
            g[:, j] += (1 - np.tanh(x[n] @ w[:, j]) ** 2) * x[n]
    return g


def in_place(w, x):
    w -= 0  # NumPy's own array is changed in place
    x[0] = x[0]
    return loops(w, x)


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("explicit", [loops, in_place, lambda w, x: np.dot(x.T, 1 - np.tanh(x @ w) ** 2).tolist()])
def test_a_gradient_in_numpy_is_checked(explicit, x64):
    if explicit not in (loops, in_place):  # a list of lists has another structure
        explicit = lambda w, x: np.dot(np.asarray(x).T, 1 - np.tanh(x @ w) ** 2)  # noqa: E731
    report = fn.verify.gradient(cost, explicit, W, X, x64=x64)
    assert report.ok
    assert "ran on the host" in report.remarks[-1]
    assert "second order" not in [row.where for row in report.properties]
    wrong = fn.verify.gradient(cost, lambda w, x: explicit(w, x) * np.float32(1.01), W, X, x64=x64)
    assert wrong.first_wrong.where == "gradient w"


def test_a_gradient_in_numpy_gets_the_precision_that_decides():
    seen = set()

    def explicit(w, x):
        seen.add(np.asarray(w).dtype.name)
        return loops(w, x)

    assert fn.verify.gradient(cost, explicit, W, X).ok
    assert {"float32", "float64"} <= seen


def test_a_tree_of_numpy_gradients_and_other_leaves():
    params = {"w": np.asarray(W), "b": np.float32(0.3), "steps": 3}
    report = fn.verify.gradient(
        lambda p, x: jnp.sum(jnp.tanh(x @ p["w"] + p["b"])),
        lambda p, x: {"w": loops_of(p, x)[0], "b": loops_of(p, x)[1]},
        params, X,
    )  # fmt: skip
    assert report.ok
    assert {row.where for row in report.rows} == {"gradient p['w']", "gradient p['b']"}


def loops_of(p, x):
    slope = 1 - np.tanh(np.dot(x, p["w"]) + p["b"]) ** 2
    return np.dot(np.asarray(x).T, slope), slope.sum()


@pytest.mark.parametrize("explicit", [gradient, loops])
def test_a_cost_in_numpy_is_differentiated_by_differences(explicit):
    report = fn.verify.gradient(in_numpy, explicit, W, X)
    assert report.ok
    assert any("differences that resolve" in remark for remark in report.remarks)
    wrong = fn.verify.gradient(in_numpy, lambda w, x: 1.0001 * explicit(w, x), W, X)
    assert wrong.verdict == "wrong"


def branchy(w):
    return jnp.sum(w**2) if w[0, 0] > 0 else jnp.sum(jnp.sin(w))


def by_branch(w):
    return 2 * w if w[0, 0] > 0 else jnp.cos(w)


@pytest.mark.parametrize("w", [W, -W])
def test_branches_on_values_run_on_the_host(w):
    report = fn.verify.gradient(branchy, by_branch, w)
    assert report.ok
    assert any("operation by operation" in remark for remark in report.remarks)
    assert fn.verify.gradient(branchy, lambda w: 2 * w if w[0, 0] < 0 else jnp.cos(w), w).verdict == "wrong"


def test_scalars_of_python_on_the_host():
    def sines(w):
        return sum(math.sin(float(each)) for each in w)

    assert fn.verify.gradient(sines, lambda w: np.array([math.cos(float(each)) for each in w]), W[:, 0]).ok
    assert fn.verify.gradient(sines, jnp.sin, W[:, 0]).verdict == "wrong"


def test_a_key_reaches_the_host():
    def kept(key, x):
        return jax.random.bernoulli(key, 0.5, np.shape(x))

    report = fn.verify.gradient(
        lambda w, key: jnp.sum(jnp.where(kept(key, w), jnp.sin(w), 0)),
        lambda w, key: np.where(np.asarray(kept(key, w)), np.cos(w), 0),
        W, jax.random.key(3),
    )  # fmt: skip
    assert report.ok


@pytest.mark.parametrize(
    ("explicit", "message"),
    [
        (lambda w, x: loops(w, x)[0], r"gradient returns shape \(2,\) for w, expected \(3, 2\)"),
        (lambda w, x: {"w": loops(w, x)}, "gradient: the gradient has another structure"),
    ],
)
def test_a_numpy_gradient_of_another_form_is_one_sentence(explicit, message):
    with pytest.raises(ValueError, match=message) as caught:
        fn.verify.gradient(cost, explicit, W, X)
    assert "\n" not in str(caught.value)


def test_costs_on_the_host_that_no_difference_resolves_are_refused():
    with pytest.raises(ValueError, match="has 5000 parameters, expected at most 4096"):
        fn.verify.gradient(lambda w: np.sum(np.sin(w)), jnp.cos, jnp.linspace(0, 1, 5000))
    with pytest.raises(ValueError, match="differences resolve its derivative to"):
        fn.verify.gradient(lambda w: np.sum(np.asarray(w, np.float16) + np.float16(1000)), jnp.ones_like, W)


def test_hidden_state_is_named():
    memory = {}

    def remembers(w, x):
        memory["g"] = memory["g"] + gradient(w, x) if "g" in memory else gradient(w, x)
        return memory["g"]

    with pytest.raises(ValueError, match=r"gradient is another function each time that it is traced.*hidden state"):
        fn.verify.gradient(cost, remembers, W, X)

    total = [0.0]

    def counts(w, x):
        total[0] += 1
        return cost(w, x) * total[0]

    with pytest.raises(ValueError, match=r"cost is another function each time that it is traced.*hidden state"):
        fn.verify.gradient(counts, gradient, W, X)
    sums = np.zeros((3, 2), np.float32)

    def accumulates(w, x):
        nonlocal sums
        sums = sums + loops(w, x)
        return sums

    with pytest.raises(ValueError, match=r"gradient is another function each time that it is called.*hidden state"):
        fn.verify.gradient(cost, accumulates, W, X)


class OwnError(Exception):
    """An exception with arguments of its own."""

    def __init__(self, number, words):
        super().__init__(number, words)


def raises_own(w, x):
    raise OwnError(3, "words")


def test_exceptions_begin_with_the_line_of_the_caller():
    with pytest.raises(
        TypeError, match=r"^test_gradient_host.py, line \d+, in gradient: dot_general requires"
    ) as caught:
        fn.verify.gradient(cost, lambda w, x: x @ w @ x, W, X)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("cost takes the same arguments without an error")
    frames = [each for each in caught.traceback if "site-packages" in str(each.path)]
    assert not frames
    with pytest.raises(ZeroDivisionError, match=r"^test_gradient_host.py, line \d+, in cost: division by zero"):
        fn.verify.gradient(lambda w, x: 1 / 0, gradient, W, X)
    with pytest.raises(KeyError, match=r"in cost: 'missing'"):
        fn.verify.gradient(lambda w, x: {}["missing"], gradient, W, X)
    with pytest.raises(OwnError) as caught:
        fn.verify.gradient(cost, raises_own, W, X)
    assert caught.value.args == (3, "words")
    assert "in gradient" in caught.value.__notes__[0]


def test_an_exception_within_a_callback_is_the_callers():
    def narrow(w, x):
        w = np.asarray(w)
        if w.dtype == np.float64:
            raise RuntimeError("float32 alone")
        return loops(w, x)

    with pytest.raises(RuntimeError, match="in gradient: float32 alone"):
        fn.verify.gradient(cost, narrow, W, X)


def test_what_cannot_be_differentiated_is_one_line():
    def looped(w, x):
        return jnp.sum(jax.lax.while_loop(lambda c: jnp.sum(c) < 100, lambda c: 2 * c, jnp.exp(w)))

    with pytest.raises(ValueError, match=r"^in cost: Reverse-mode") as caught:
        fn.verify.gradient(looped, gradient, W, X)
    assert "\n" not in str(caught.value)

"""Threshold and stochastic binary units as layers: the neurons of section 1, and what is passed back through them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

THRESHOLD, STOCHASTIC, SIGMOID = fn.layers.threshold, fn.layers.stochastic, fn.activations.sigmoid
KINDS = {"threshold": THRESHOLD, "stochastic": STOCHASTIC}
KEY = jax.random.key(5)
X = jax.random.normal(jax.random.key(1), (6, 3))
D_Y = jax.random.normal(jax.random.key(2), (6, 4))
BATCH = fn.Batch(X, jnp.array([0, 2, 1, 2, 2, 0]), dataset_size=60)


def drawn(layer):
    return layer.init(jax.random.key(0), (3,))[0]


def network(layer, l2=0.1):
    last = fn.layers.dense(3)
    net = fn.network(fn.chain(layer, last), fn.objectives.softmax_log_likelihood, (3,), l2)
    return net, net.init(jax.random.key(3))


@pytest.mark.parametrize("backward", ["zero", "straight_through"])
def test_a_threshold_layer_is_the_neurons_of_section_1(backward):
    layer = THRESHOLD(4, backward)
    params = drawn(layer)
    y, _ = layer.forward(params, X, fn.Context())
    np.testing.assert_array_equal(y, fn.neurons.threshold(params.weights, params.biases, X))
    assert set(np.unique(y)) == {0.0, 1.0}  # exactly: what is added for the derivative is 0
    at_threshold, _ = layer.forward(params._replace(biases=jnp.zeros(4)), jnp.zeros((1, 3)), fn.Context())
    assert at_threshold.tolist() == [[1.0] * 4]  # z = 0 is on


@pytest.mark.parametrize("backward", ["zero", "straight_through"])
def test_stochastic_units_fire_with_probability_sigmoid(backward):
    layer, x = STOCHASTIC(2, backward), jnp.full((20_000, 1), 0.7)
    params = layer.init(KEY, (1,))[0]._replace(weights=jnp.array([[1.0], [-2.0]]), biases=jnp.array([0.5, 0.0]))
    draws, _ = layer.forward(params, x, fn.Context(KEY))
    assert set(np.unique(draws)) == {0.0, 1.0}
    p = 1 / (1 + np.exp(-np.array([1.2, -1.4])))  # z = 0.7 + 0.5 and −1.4
    assert np.all(np.abs(draws.mean(axis=0) - p) < 4 * np.sqrt(p * (1 - p) / 20_000))  # four standard errors
    again, _ = layer.forward(params, x, fn.Context(KEY))
    np.testing.assert_array_equal(again, draws)
    mean, _ = layer.forward(params, x, fn.Context())  # prediction: no randomness
    np.testing.assert_allclose(mean[0], p, rtol=1e-6)


def test_zero_passes_nothing_back():
    for layer, context in ((THRESHOLD(4), fn.Context()), (STOCHASTIC(4), fn.Context(KEY))):
        _, trace = layer.forward(drawn(layer), X, context)
        assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(layer.backward(drawn(layer), trace, D_Y)))


@pytest.mark.parametrize(
    ("layer", "context", "same"),
    [
        (THRESHOLD(4, "straight_through"), fn.Context(), fn.activations.identity),
        (STOCHASTIC(4, "straight_through"), fn.Context(KEY), SIGMOID),
        (STOCHASTIC(4, "straight_through"), fn.Context(), SIGMOID),
        (STOCHASTIC(4, "zero"), fn.Context(), SIGMOID),
    ],
    ids=["threshold", "draws", "mean", "mean, zero"],
)
def test_what_is_passed_straight_through_is_the_gradient_of_a_dense_layer(layer, context, same):
    """A threshold goes back as linear units do, a draw as its mean does: sigmoid units."""
    params, dense = drawn(layer), fn.layers.dense(4, same)
    explicit = layer.backward(params, layer.forward(params, X, context)[1], D_Y)
    expected = dense.backward(params, dense.forward(params, X, fn.Context())[1], D_Y)
    jax.tree.map(lambda e, a: np.testing.assert_allclose(e, a, rtol=1e-6, atol=1e-6), explicit, expected)


def test_the_mean_over_draws_of_a_linear_cost_is_what_a_draw_passes_back():
    """E Σ d ⊙ a = Σ d ⊙ σ(z), so for such a cost the straight-through gradient is that of the expected cost."""
    layer = STOCHASTIC(4, "straight_through")
    params = drawn(layer)
    expected = jax.grad(lambda p: jnp.sum(D_Y * jax.nn.sigmoid(X @ p.weights.T + p.biases)))(params)
    d_params, _ = layer.backward(params, layer.forward(params, X, fn.Context(KEY))[1], D_Y)
    np.testing.assert_allclose(d_params.weights, expected.weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "backward"), [(k, b) for k in KINDS for b in ("zero", "straight_through")])
def test_the_gradient_and_jax_grad_are_one(kind, backward):
    net, params = network(KINDS[kind](4, backward))
    explicit, automatic = net.gradient(params, BATCH, key=KEY), jax.grad(net.cost)(params, BATCH, key=KEY)
    jax.tree.map(lambda e, a: np.testing.assert_allclose(e, a, rtol=1e-5, atol=1e-6), explicit, automatic)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("threshold", "as if the threshold were the identity"), ("stochastic", "as if a draw were its mean")],
)
def test_the_verifier_calls_straight_through_an_approximation(kind, text):
    net, params = network(KINDS[kind](4, "straight_through"))
    report = fn.verify.network(net, params, BATCH, key=KEY)
    report.assert_ok()
    assert {row.verdict for row in report.rows if row.where.startswith("layer 0")} == {"approximation"}
    assert {row.verdict for row in report.rows if row.where.startswith("layer 1")} <= {"ok", "rounding"}
    assert text in " ".join(report.table().split())


@pytest.mark.parametrize("kind", KINDS)
def test_straight_through_that_is_not_declared_is_not_passed(kind):
    net, params = network(KINDS[kind](4, "straight_through")._replace(approximation=""))
    assert fn.verify.network(net, params, BATCH, key=KEY).verdict == "inconclusive"


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_the_derivative_and_no_approximation(kind):
    net, params = network(KINDS[kind](4))
    report = fn.verify.network(net, params, BATCH, key=KEY)
    report.assert_ok()
    assert {row.verdict for row in report.rows} <= {"ok", "rounding"}


def test_the_mean_of_prediction_is_proven_by_central_differences():
    layer = STOCHASTIC(4, "straight_through")
    report = fn.verify.layer(layer, drawn(layer), X)
    report.assert_ok()
    assert {row.verdict for row in report.rows} <= {"ok", "rounding"}
    draws = fn.verify.layer(layer, drawn(layer), X, fn.Context(KEY))
    assert {row.verdict for row in draws.rows} == {"approximation"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_behind_an_approximation_is_named(kind):
    layer = KINDS[kind](4, "straight_through")

    def backward(params, trace, d_y):
        d_params, d_x = layer.backward(params, trace, d_y)
        return d_params._replace(biases=1.01 * d_params.biases), d_x

    net, params = network(layer._replace(backward=backward))
    assert fn.verify.network(net, params, BATCH, key=KEY).first_wrong.where == f"layer 0 {kind} .biases"


def test_straight_through_learns_what_no_layer_of_zero_can():
    """The or of two inputs, from units that are on for all of them: with "zero" none of the lower weights moves."""
    corners = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    batch = fn.Batch(corners, jnp.array([[0.0], [1.0], [1.0], [1.0]]))
    correct = {}
    for backward in ("zero", "straight_through"):
        layer = fn.chain(THRESHOLD(8, backward), fn.layers.dense(1))
        net = fn.network(layer, fn.objectives.sigmoid_cross_entropy, (2,))
        params = start = net.init(jax.random.key(0))
        params = params[0]._replace(biases=params[0].biases + 4), params[1]
        step = jax.jit(lambda p, net=net: jax.tree.map(lambda w, d: w - 0.5 * d, p, net.gradient(p, batch)))
        for _ in range(300):
            params = step(params)
        correct[backward] = int(jnp.sum((net.predict(params, corners) > 0.5) == (batch.targets > 0.5)))
        assert bool(jnp.all(params[0].weights == start[0].weights)) == (backward == "zero")
    assert correct["straight_through"] == 4
    assert correct["zero"] <= 3  # constant hidden units: one answer for all corners


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda layer: layer(0), ValueError, "units is 0"),
        (lambda layer: layer(2.5), TypeError, "units is 2.5"),
        (lambda layer: layer(2, "straight"), ValueError, "backward is 'straight', expected 'zero' or"),
        (lambda layer: layer(2, initializer=None), TypeError, "initializer is None"),
        (lambda layer: layer(2).forward(drawn(layer(2)), jnp.ones((2, 5)), fn.Context()), ValueError, r"x has shape"),
    ],
)
@pytest.mark.parametrize("name", KINDS)
def test_bad_settings_are_refused(name, make, kind, message):
    with pytest.raises(kind, match=f"{name}: {message}"):
        make(KINDS[name])

"""Statement (1) of each objective against jax.grad, stable values, and custom objectives that equal the package's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import TOLERANCE
from tests.contract.table import ACTIVATIONS, OWN_OBJECTIVES
from tests.contract.table import OBJECTIVES as PACKAGE_OBJECTIVES

OBJECTIVES = {**PACKAGE_OBJECTIVES, **OWN_OBJECTIVES}


def probe(name, key):
    z = jax.random.normal(key, (6, 4)) * 3
    if name.endswith("labels"):
        return z, jnp.array([0, 1, 2, 3, 3, 0])
    return z, jax.random.uniform(jax.random.fold_in(key, 1), (6, 4))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_delta_is_the_derivative_of_the_value(name, key, dtype):
    objective, (z, y) = OBJECTIVES[name], probe(name, key)
    automatic = jax.grad(lambda z: objective.value(z, y).sum())(z)
    error = jnp.abs(objective.delta(z, y) - automatic).max() / jnp.abs(automatic).max()
    assert error < TOLERANCE[dtype]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_delta_off_by_a_thousandth_would_fail(name, key, dtype):
    objective, (z, y) = OBJECTIVES[name], probe(name, key)
    automatic = jax.grad(lambda z: objective.value(z, y).sum())(z)
    error = jnp.abs(1.001 * objective.delta(z, y) - automatic).max() / jnp.abs(automatic).max()
    assert error > TOLERANCE[dtype]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_saturated_outputs_and_targets_of_0_and_1_are_finite(name):
    objective = OBJECTIVES[name]
    z = jnp.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])
    y = jnp.array([0, 2]) if name.endswith("labels") else jnp.array([[1.0, 0, 0], [1, 0, 1]])
    assert jnp.isfinite(objective.value(z, y)).all()
    assert jnp.isfinite(objective.delta(z, y)).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_empty_batches_give_empty_values(name):
    z, y = jnp.zeros((0, 3)), jnp.zeros((0,), int) if name.endswith("labels") else jnp.zeros((0, 3))
    assert OBJECTIVES[name].value(z, y).shape == (0,)
    assert OBJECTIVES[name].delta(z, y).shape == (0, 3)


def test_cross_entropy_of_a_wrong_saturated_unit_is_its_weighted_input():
    # softplus(z) − y z = z for y = 0 and large z, where −log(1 − σ(z)) would be infinite in float32
    assert fn.objectives.sigmoid_cross_entropy.value(jnp.array([[1000.0]]), jnp.zeros((1, 1)))[0] == 1000


def test_labels_equal_one_hot_rows(key):
    objective, z = fn.objectives.softmax_log_likelihood, jax.random.normal(key, (5, 3))
    labels = jnp.array([0, 2, 1, 1, 0])
    rows = jax.nn.one_hot(labels, 3)
    np.testing.assert_allclose(objective.value(z, labels), objective.value(z, rows), rtol=1e-6)
    np.testing.assert_allclose(objective.delta(z, labels), objective.delta(z, rows), rtol=1e-6)


def test_value_of_equal_scores_is_log_of_the_number_of_classes():
    value = fn.objectives.softmax_log_likelihood.value(jnp.zeros((1, 7)), jnp.array([3]))
    np.testing.assert_allclose(value, np.log(7), rtol=1e-6)


def test_another_activation_is_refused():
    with pytest.raises(TypeError, match=r"squared_error: activation.*expected Activation"):
        fn.objectives.squared_error(jax.nn.sigmoid)


def test_the_cross_entropy_has_its_true_slope_where_z_is_zero():
    """max(z, 0) and |z| have kinks at 0, the cost has none: ∂c/∂z = σ(0) − y = 1/2 − y."""
    y = jnp.array([[0.2, 1.0, 0.0]])
    slope = jax.grad(lambda z: jnp.sum(fn.objectives.sigmoid_cross_entropy.value(z, y)))(jnp.zeros((1, 3)))
    np.testing.assert_allclose(slope, 0.5 - y, rtol=1e-6)


SQUARED = (lambda a, y: 0.5 * jnp.sum((a - y) ** 2, axis=-1), lambda a, y: a - y)
LIKELIHOOD = (lambda a, y: -jnp.sum(y * jnp.log(a), axis=-1), lambda a, y: -y / a)
CROSS_ENTROPY = (
    lambda a, y: -jnp.sum(y * jnp.log(a) + (1 - y) * jnp.log1p(-a), axis=-1),
    lambda a, y: (a - y) / (a * (1 - a)),
)
SIGMOID, SOFTMAX, IDENTITY = fn.activations.sigmoid, fn.activations.softmax, fn.activations.identity


def of_label(a, y):
    """−log a of the label, and −1/a there: the likelihood as it is written for labels."""
    return -jnp.log(jnp.take_along_axis(a, y[..., None], axis=-1)[..., 0])


INSTANCES = {
    **{
        f"squared error, {name}": (fn.objectives.squared_error(activation), (*SQUARED, activation))
        for name, activation in ACTIVATIONS.items()
    },
    "linear squared error": (fn.objectives.linear_squared_error, (*SQUARED, IDENTITY)),
    "sigmoid cross-entropy": (fn.objectives.sigmoid_cross_entropy, (*CROSS_ENTROPY, SIGMOID)),
    "softmax log-likelihood": (fn.objectives.softmax_log_likelihood, (*LIKELIHOOD, SOFTMAX)),
    "softmax log-likelihood, labels": (
        fn.objectives.softmax_log_likelihood,
        (of_label, lambda a, y: -jax.nn.one_hot(y, 4, dtype=a.dtype) / a, SOFTMAX, "of labels", True),
    ),
    "difference": (
        fn.objectives.difference,
        (lambda a, y: jnp.sum(y * a, axis=-1), lambda a, y: jnp.broadcast_to(y, a.shape), IDENTITY),
    ),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_the_packages_objectives_are_custom_ones_of_their_costs(name, key):
    """Sections 2 and 3: each is the notes' c(a, y) with ∇ₐc, at weighted inputs where no digits are lost."""
    objective, settings = INSTANCES[name]
    with jax.enable_x64(True):
        z = 2 * jax.random.normal(key, (3, 5, 4), jnp.float64)
        y = jax.random.uniform(jax.random.fold_in(key, 1), z.shape, jnp.float64)
        y = y.argmax(-1) if name.endswith("labels") else y
        own = fn.objectives.custom(*settings)
        for made, expected in zip(
            *((o.predict(z), o.value(z, y), o.delta(z, y)) for o in (own, objective)), strict=True
        ):
            np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-12)
        for made, expected in ((own.value(z, y), objective.value(z, y)), (own.delta(z, y), objective.delta(z, y))):
            assert np.abs(1.001 * np.asarray(made) - expected).max() > 1e-6  # what a wrong cost would look like
        assert own.labels == objective.labels or not name.endswith("labels")


def test_all_objectives_of_the_package_are_among_them():
    exported = [each for each in vars(fn.objectives).values() if isinstance(each, fn.Objective)]
    instances = [objective for objective, _ in INSTANCES.values()]
    assert all(any(each is one for one in instances) for each in exported)
    assert len(exported) == 4


def test_a_saturated_output_is_what_a_custom_objective_does_not_see():
    """σ(40) is 1 in float32, so that ∇ₐc is 1/0; the package's own δ is computed from z and is 1."""
    z, y = jnp.array([[40.0]]), jnp.zeros((1, 1))
    assert not np.isfinite(fn.objectives.custom(*CROSS_ENTROPY, SIGMOID).delta(z, y)).all()
    assert fn.objectives.sigmoid_cross_entropy.delta(z, y).tolist() == [[1.0]]


def test_softmax_pullback_is_that_of_the_notes_matrix(key):
    """Section 3: ∂a_h/∂z_j = a_h (1 − a_j) where h = j, −a_h a_j elsewhere; δ_j is its sum with ∇ₐc over h."""
    z, d_a = jax.random.normal(key, (4,)), jax.random.normal(jax.random.fold_in(key, 1), (4,))
    a = np.asarray(SOFTMAX.value(z))
    matrix = [[a[h] * (1 - a[j]) if h == j else -a[h] * a[j] for j in range(4)] for h in range(4)]
    np.testing.assert_allclose(SOFTMAX.pullback(z, d_a), np.asarray(d_a) @ np.array(matrix), rtol=1e-5, atol=1e-6)
    elementwise = d_a * a * (1 - a)  # statement (1) as it stands, which the notes say is invalid here
    assert np.abs(np.asarray(SOFTMAX.pullback(z, d_a)) - elementwise).max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, SQUARED[1], SIGMOID), "custom: cost is 3 of type int, expected a function"),
        ((SQUARED[0], None, SIGMOID), "custom: cost_gradient is None of type NoneType, expected a function"),
        ((*SQUARED, jax.nn.sigmoid), r"custom: activation is .* expected Activation; write fnnets.activations.sigmoid"),
    ],
)
def test_settings_that_are_no_functions_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        fn.objectives.custom(*arguments)


BAD_RESULTS = {
    "cost of the whole batch": (
        (lambda a, y: jnp.mean((a - y) ** 2), SQUARED[1]), ValueError,
        r"cost returns shape \(\), expected \(6,\); sum over the last axis alone",
    ),
    "cost of each output": ((lambda a, y: (a - y) ** 2, SQUARED[1]), ValueError, r"cost returns shape \(6, 3\)"),
    "cost of whole numbers": (
        (lambda a, y: jnp.sum(a > y, axis=-1), SQUARED[1]), TypeError, "cost returns dtype int.*, expected float32"
    ),
    "cost that is a pair": ((lambda a, y: (a, y), SQUARED[1]), TypeError, "cost returns tuple, expected an array"),
    "gradient summed": (
        (SQUARED[0], lambda a, y: jnp.sum(a - y, axis=-1)), ValueError,
        r"cost_gradient returns shape \(6,\), expected \(6, 3\); give a derivative for each output",
    ),
    "gradient of truth values": (
        (SQUARED[0], lambda a, y: a > y), TypeError, "cost_gradient returns dtype bool, expected float32"
    ),
    "gradient of another precision": (
        (SQUARED[0], lambda a, y: (a - y).astype("bfloat16")), TypeError, "cost_gradient returns dtype bfloat16"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_RESULTS)
def test_results_of_another_kind_are_refused_before_anything_is_computed(name):
    (cost, cost_gradient), kind, message = BAD_RESULTS[name]
    objective = fn.objectives.custom(cost, cost_gradient, SIGMOID)
    z, y = (jax.ShapeDtypeStruct((6, 3), jnp.float32) for _ in range(2))
    use = objective.delta if cost is SQUARED[0] else objective.value
    with pytest.raises(kind, match=f"custom: {message}"):
        jax.eval_shape(use, z, y)
    net = fn.network(fn.layers.dense(3), objective, (2,))
    with pytest.raises(kind, match=f"custom: {message}"):
        net.cost_and_gradient(net.init(jax.random.key(0)), fn.Batch(jnp.ones((6, 2)), jnp.ones((6, 3))))


def test_an_activation_of_another_shape_is_refused():
    last = fn.Activation(lambda z: z[..., :1], lambda z: jnp.ones_like(z))
    with pytest.raises(ValueError, match=r"custom: activation.value returns shape \(6, 1\), expected \(6, 3\)"):
        fn.objectives.custom(*SQUARED, last).value(jnp.ones((6, 3)), jnp.ones((6, 3)))


@pytest.mark.parametrize("name", ["uint8", "int16", "uint32"])
def test_labels_of_few_bits_name_classes_beyond_them(name, standard_promotion):
    """300 classes, of which uint8 names 256: against the definition in NumPy."""
    softmax = fn.objectives.softmax_log_likelihood
    z, labels = np.linspace(-2, 3, 5 * 300, dtype=np.float32).reshape(5, 300), np.array([0, 1, 127, 128, 255])
    exponentials = np.exp(z.astype(np.float64))
    a = exponentials / exponentials.sum(axis=-1, keepdims=True)
    value, delta = -np.log(a[range(5), labels]), a - np.eye(300)[labels]
    for y in (labels.astype(name), jnp.asarray(labels, name)):
        np.testing.assert_allclose(softmax.value(jnp.asarray(z), jnp.asarray(y)), value, rtol=1e-5)
        np.testing.assert_allclose(softmax.delta(jnp.asarray(z), jnp.asarray(y)), delta, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["value", "delta"])
def test_targets_that_would_broadcast_or_name_no_class_are_refused(name):
    z = jnp.zeros((3, 4))
    objectives = fn.objectives
    for objective, z_, y, message in (
        (
            objectives.linear_squared_error,
            z[:, :1],
            jnp.zeros(3),
            r"y has shape \(3,\) .* expected \(3, 1\) as z",
        ),
        (
            objectives.sigmoid_cross_entropy,
            z[:, :1],
            jnp.zeros(3),
            r"y has shape \(3,\) .* expected \(3, 1\) as z",
        ),
        (
            objectives.squared_error(fn.activations.tanh),
            z,
            z[:1],
            r"y has shape \(1, 4\) .* expected \(3, 4\) as z",
        ),
        (
            objectives.softmax_log_likelihood,
            z,
            jnp.array([0, 1, 4]),
            "y holds labels from 0 to 4, expected 0 to 3",
        ),
        (
            objectives.softmax_log_likelihood,
            z,
            jnp.array([-1, 1, 0]),
            "y holds labels from -1 to 1, expected 0 to 3",
        ),
        (
            objectives.softmax_log_likelihood,
            z,
            jnp.array([0, 1]),
            r"expected \(3, 4\) as z, or integer labels",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{objective.name.split('(')[0]}.*: {message}|^softmax.*{message}"):
            getattr(objective, name)(z_, y)
    with pytest.raises(TypeError, match=r"y is \[0, 1, 2\], expected an array; write jnp.asarray\(y\)"):
        getattr(objectives.softmax_log_likelihood, name)(z, [0, 1, 2])


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"name": 3}, "custom: name is 3 of type int, expected str; give what reports"),
        ({"labels": 1}, "custom: labels is 1 of type int, expected True or False; True takes"),
        ({"domain": (1.0, 0.0)}, r"custom: domain is \(1.0, 0.0\), expected None or the lowest .*; write \(0.0, 1.0\)"),
        ({"domain": 1}, "custom: domain is 1, expected None or"),
    ],
)
def test_options_of_custom_objectives_are_checked(named, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fn.objectives.custom(lambda a, y: a, lambda a, y: a, fn.activations.identity, **named)

"""The network's own rules: the penalty's n, targets, keys, and messages at the boundary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

SOFTMAX, CROSS_ENTROPY = fn.objectives.softmax_log_likelihood, fn.objectives.sigmoid_cross_entropy


def small(objective=SOFTMAX, l2=0.0):
    net = fn.feedforward([3, 2], objective=objective, l2=l2)
    return net, net.init(jax.random.key(0))


def test_penalty_divides_by_the_data_set_and_spares_the_biases(key):
    net, params = small(l2=5.0)
    plain, _ = small()
    batch = fn.Batch(jax.random.normal(key, (4, 3)), jnp.array([0, 1, 1, 0]), dataset_size=200)
    weights = params[0].weights
    difference = net.cost(params, batch) - plain.cost(params, batch)
    np.testing.assert_allclose(difference, 5.0 / (2 * 200) * jnp.sum(weights**2), rtol=1e-4)  # λ/2n Σ w²
    explicit, without = net.gradient(params, batch)[0], plain.gradient(params, batch)[0]
    np.testing.assert_allclose(explicit.weights - without.weights, 5.0 / 200 * weights, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(explicit.biases, without.biases)


def test_without_a_data_set_the_batch_is_the_data_set(key):
    net, params = small(l2=5.0)
    batch = fn.Batch(jax.random.normal(key, (4, 3)), jnp.array([0, 1, 1, 0]))
    assert net.cost(params, batch) == net.cost(params, batch._replace(dataset_size=4))
    assert net.cost(params, batch) != net.cost(params, batch._replace(dataset_size=5))


def test_a_key_makes_dropout_random_and_none_makes_it_prediction(key):
    net = fn.feedforward([3, 50, 2], objective=SOFTMAX, dropout=0.5)
    params, batch = net.init(key), fn.Batch(jnp.ones((4, 3)), jnp.zeros(4, int))
    keys = jax.random.split(key, 2)
    assert net.cost(params, batch, key=keys[0]) == net.cost(params, batch, key=keys[0])
    assert net.cost(params, batch, key=keys[0]) != net.cost(params, batch, key=keys[1])
    assert net.cost(params, batch) == net.cost(params, batch)


@pytest.mark.parametrize(
    ("objective", "targets", "message"),
    [
        (SOFTMAX, [0, 1, 2, 0], r"labels from 0 to 2, expected 0 to 1"),
        (SOFTMAX, [0, -1, 1, 0], r"labels from -1 to 1, expected 0 to 1"),
        (SOFTMAX, [0.0, 1.0, 1.0, 0.0], r"expected integer labels.*astype\(int\)"),
        (SOFTMAX, [[0, 1], [1, 0], [1, 0], [1, 0]], r"one-hot rows of integers.*argmax"),
        (SOFTMAX, [[0.0, 1.0, 0.0]] * 4, r"shape \(4, 3\).*or floats of shape \(4, 2\)"),
        (CROSS_ENTROPY, [0, 1, 1, 0], r"labels, but this objective takes floats.*one_hot\(targets, 2\)"),
        (CROSS_ENTROPY, [[0.0, 1.0]] * 3, r"holds 3 targets, expected 4"),
        (CROSS_ENTROPY, [[0.0, np.nan]] * 4, r"targets holds 4 values that are NaN"),
    ],
)
def test_targets_that_do_not_fit_are_refused(objective, targets, message):
    net, params = small(objective)
    with pytest.raises(ValueError, match=message):
        net.gradient(params, fn.Batch(jnp.ones((4, 3)), jnp.asarray(targets)))


def test_shapes_are_refused_while_jax_traces():
    net, params = small()
    with pytest.raises(ValueError, match="examples of shape"):
        jax.jit(net.cost)(params, fn.Batch(jnp.ones((4, 5)), jnp.zeros(4, int)))


def test_examples_may_be_constants_of_a_traced_function():
    net, params = small()
    batch = fn.Batch(jnp.ones((4, 3)), jnp.array([0, 1, 1, 0]))
    np.testing.assert_allclose(jax.jit(lambda p: net.cost(p, batch))(params), net.cost(params, batch), rtol=1e-6)
    wrong = batch._replace(inputs=batch.inputs.at[2, 1].set(jnp.inf))
    with pytest.raises(ValueError, match=r"first inf at \(2, 1\)"):
        jax.jit(lambda p: net.cost(p, wrong))(params)


def test_large_finite_inputs_whose_sum_overflows_are_taken():
    net, params = small()
    batch = fn.Batch(jnp.full((4, 3), 3e38), jnp.array([0, 1, 1, 0]))
    net.predict(params, batch.inputs)
    net.predict(params, np.full((4, 3), 3e38, np.float32))


def test_one_example_without_a_batch_axis_is_told_the_remedy():
    net, params = small()
    with pytest.raises(ValueError, match=r"inputs\[None\]"):
        net.predict(params, jnp.ones(3))


def test_parameters_of_another_network_are_refused_by_path():
    net, params = small()
    wrong = (params[0]._replace(weights=jnp.ones((2, 4))),)
    with pytest.raises(ValueError, match=r"params\[0\].weights has shape \(2, 4\), expected \(2, 3\)"):
        net.predict(wrong, jnp.ones((1, 3)))


@pytest.mark.parametrize("key", [0, None, "seed"])
def test_init_wants_a_key(key):
    with pytest.raises(TypeError, match=r"init: key.*jax\.random\.key\(0\)"):
        small()[0].init(key)


def test_parts_of_the_wrong_type_are_refused():
    with pytest.raises(TypeError, match="network: layer"):
        fn.network(jax.nn.relu, SOFTMAX, (3,))
    with pytest.raises(TypeError, match="network: objective"):
        fn.network(fn.layers.dense(2), "softmax", (3,))
    with pytest.raises(TypeError, match=r"write \(3,\)"):
        fn.network(fn.layers.dense(2), SOFTMAX, 3)
    with pytest.raises(TypeError, match=r"fnnets\.Batch"):
        small()[0].cost(small()[1], (jnp.ones((1, 3)), jnp.zeros(1, int)))


def test_plain_lists_and_numpy_arrays_are_taken():
    net, params = small()
    as_lists = net.cost(params, fn.Batch([[1.0, 2.0, 3.0]], [1]))
    assert as_lists == net.cost(params, fn.Batch(np.array([[1, 2, 3]], np.uint8), np.array([1], np.uint8)))


def test_a_users_own_layer_is_three_functions(key):
    def forward(params, x, context):
        return 2 * x, ()

    double = fn.Layer(lambda key, shape: ((), shape), forward, lambda params, trace, d_y: ((), 2 * d_y))
    net = fn.network(fn.chain(double, fn.layers.dense(2)), SOFTMAX, (3,))
    params, batch = net.init(key), fn.Batch(jnp.ones((4, 3)), jnp.zeros(4, int))
    np.testing.assert_allclose(
        net.gradient(params, batch)[1].weights, jax.grad(net.cost)(params, batch)[1].weights, rtol=1e-6
    )


def test_import_leaves_x64_alone():
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("name", ["cost", "gradient", "cost_and_gradient"])
def test_a_positional_key_is_refused_in_one_sentence(name, key):
    net = fn.feedforward([2, 1], objective=fn.objectives.linear_squared_error)
    batch = fn.Batch(jnp.ones((3, 2)), jnp.ones((3, 1)))
    with pytest.raises(TypeError, match=f"^{name}: key is given by its position, expected by name; write key=…$"):
        getattr(net, name)(net.init(key), batch, key)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, params, batch: net.init(), r"^init: key is missing, expected a value for it; write init\(key\)"),
        (lambda net, params, batch: net.cost(params), r"^cost: batch is missing, .* write cost\(params, batch\)"),
        (lambda net, params, batch: net.predict(params, batch.inputs, msk=0), "^predict: msk is no argument, .*; w"),
        (lambda net, params, batch: net.gradient(params, batch, seed=0), "^gradient: seed is no argument, expected"),
        (lambda net, params, batch: net.step(params, ()), r"^step: inputs is missing, .*\(params, state, inputs\)"),
        (lambda net, params, batch: net.cost(batch, params), r"^cost: params is of type Batch and batch holds this"),
        (lambda net, params, batch: net.predict(batch.inputs, params), "^predict: params is of type .* and inputs"),
    ],
)  # fmt: skip
def test_a_call_with_other_arguments_is_refused_in_one_sentence(call, message, key):
    net, params = small()
    with pytest.raises(TypeError, match=message) as caught:
        call(net, params, fn.Batch(jnp.ones((2, 3)), jnp.array([0, 1])))
    assert "<locals>" not in str(caught.value)


def test_the_functions_of_a_network_have_their_names():
    net, _ = small()
    for name in ("init", "predict", "cost", "gradient", "cost_and_gradient", "start", "step", "run", "sample"):
        assert (getattr(net, name).__name__, getattr(net, name).__qualname__) == (name, name)


def test_a_mask_for_a_network_that_reads_no_sequences_is_refused():
    net, params = small()
    with pytest.raises(ValueError, match="predict: mask is given, but this network reads no sequences, expected None"):
        net.predict(params, jnp.ones((2, 3)), jnp.ones((2, 3), bool))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.ma.masked_array(np.ones((2, 3)), [[True, False, False]] * 2), "inputs is a masked array, .*; drop those"),
        (fn.Batch(np.ones((2, 3))), "inputs is of type Batch, expected an array; give its inputs, inputs.inputs"),
        ({"x": np.ones((2, 3))}, "inputs is of type dict, expected an array; give one of its values"),
    ],
)
def test_what_holds_arrays_is_no_array(inputs, message):
    net, params = small()
    with pytest.raises(TypeError, match=f"^predict: {message}"):
        net.predict(params, inputs)
    net.predict(params, np.ma.masked_array(np.ones((2, 3))))  # nothing is masked


def test_inputs_and_targets_one_by_one_are_to_be_a_batch(key):
    net, params = small()
    for name in ("cost", "gradient", "cost_and_gradient"):
        with pytest.raises(
            TypeError, match=rf"^{name}: inputs and targets are given one by one, .*write {name}\(params, "
        ):
            getattr(net, name)(params, np.ones((2, 3)), np.array([0, 1]))


def test_parameters_in_another_container_are_named_by_it():
    net, params = small()
    with pytest.raises(ValueError, match="predict: params is of type list, expected tuple; take the parameters"):
        net.predict(list(params), jnp.ones((2, 3)))


def test_a_layer_of_several_outputs_is_no_network():
    with pytest.raises(
        ValueError, match=r"network: layer gives several outputs of shapes \(\(2,\), \(4,\)\), expected one"
    ):
        fn.network(fn.layers.with_inputs(fn.layers.dense(2)), SOFTMAX, (4,))

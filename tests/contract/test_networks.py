"""Every law over every network of the table, and explicit against automatic for every feedforward combination."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, assert_type_of, scaled_leaves
from tests.contract.table import ACTIVATIONS, NETWORKS, OBJECTIVES, examples

rows = pytest.mark.parametrize("name", NETWORKS)
N = 5


class Probe:
    """Parameters and a batch in generic position, the key where the network draws, and both derivations."""

    def __init__(self, row, key, size=N):
        keys = jax.random.split(key, 3)
        self.net, self.params, self.batch = row.net, row.net.init(keys[0]), row.batch(keys[1], size)
        self.key = keys[2] if row.with_key else None
        self.arguments = (self.params, self.batch, self.key)

    @functools.cached_property
    def explicit(self):
        return self.net.gradient(*self.arguments)

    @functools.cached_property
    def automatic(self):
        return jax.jit(jax.grad(self.net.cost))(*self.arguments)

    @functools.cached_property
    def jitted(self):
        return jax.jit(self.net.cost_and_gradient)


@functools.cache
def shared_probe(name, dtype, size=N):
    """One probe for all tests of a network in one precision: most of their time is compilation."""
    return Probe(NETWORKS[name], jax.random.key(20), size)


@pytest.fixture
def probe(name, dtype):
    return shared_probe(name, dtype)


@rows
def test_explicit_equals_automatic(probe, dtype):
    assert_equal_leaves(probe.explicit, probe.automatic, dtype)


@rows
def test_every_scaled_leaf_fails_the_comparison(probe, dtype):
    for wrong in scaled_leaves(probe.explicit):
        with pytest.raises(AssertionError):
            assert_equal_leaves(wrong, probe.automatic, dtype)


@rows
def test_gradient_has_the_type_of_the_parameters(probe, dtype):
    assert_type_of(probe.explicit, probe.params)


@rows
def test_cost_and_gradient_agree_with_each_alone(probe, dtype):
    cost, gradient = probe.net.cost_and_gradient(*probe.arguments)
    assert cost.shape == ()
    assert cost == probe.net.cost(*probe.arguments)
    assert_equal_leaves(gradient, probe.explicit, dtype)


@rows
def test_batch_is_the_mean_of_its_examples(probe, dtype):
    inputs, targets = np.asarray(probe.batch.inputs), np.asarray(probe.batch.targets)
    parts = [fn.Batch(inputs[i : i + 1], targets[i : i + 1], dataset_size=50) for i in range(N)]
    singles = [probe.jitted(probe.params, part)[1] for part in parts]
    mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *singles)
    whole = probe.jitted(probe.params, fn.Batch(inputs, targets, dataset_size=50))[1]
    assert_equal_leaves(whole, mean, dtype)


@rows
def test_jitted_equals_eager(probe, dtype):
    assert_equal_leaves(probe.jitted(*probe.arguments), (probe.net.cost(*probe.arguments), probe.explicit), dtype)


@rows
def test_two_updates_in_a_row_go_downhill(probe, dtype):
    descent = optax.sgd(1e-3)

    @jax.jit
    def update(params, state):
        cost, gradient = probe.net.cost_and_gradient(params, probe.batch, probe.key)
        updates, state = descent.update(gradient, state, params)
        return cost, optax.apply_updates(params, updates), state

    params, state, costs = probe.params, descent.init(probe.params), []
    for _ in range(3):
        cost, params, state = update(params, state)
        costs.append(cost)
    assert costs[2] < costs[1] < costs[0]


@rows
def test_one_example(name, dtype):
    probe = shared_probe(name, dtype, 1)
    assert_equal_leaves(probe.explicit, probe.automatic, dtype)


@rows
def test_prediction_of_no_examples_is_empty(probe, dtype):
    assert probe.net.predict(probe.params, probe.batch.inputs[:0]).shape == (0, *probe.net.output_shape)


@rows
def test_saturated_units_give_finite_right_answers(probe, dtype):
    arguments = (jax.tree.map(lambda leaf: 1e3 * leaf, probe.params), probe.batch, probe.key)
    cost, gradient = probe.jitted(*arguments)
    assert np.isfinite(cost)
    # weighted inputs of order 1e3, rounded, move an exponential by a thousand times the rounding
    assert_equal_leaves(gradient, jax.jit(jax.grad(probe.net.cost))(*arguments), dtype, condition=1e3)


@rows
def test_bfloat16_stays_bfloat16(name):
    probe = shared_probe(name, "float32")
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), probe.params)
    cost, gradient = jax.jit(probe.net.cost_and_gradient)(params, probe.batch, probe.key)
    assert cost.dtype == jnp.bfloat16
    assert_type_of(gradient, params)
    automatic = jax.jit(jax.grad(probe.net.cost))(params, probe.batch, probe.key)
    assert_equal_leaves(gradient, automatic, "bfloat16")


@rows
def test_float64_data_do_not_change_float32_parameters(name):
    probe = shared_probe(name, "float32")
    with jax.enable_x64(True):
        wide = probe.batch._replace(inputs=jnp.asarray(probe.batch.inputs, jnp.float64))
        assert_type_of(jax.jit(probe.net.gradient)(probe.params, wide, probe.key), probe.params)


@rows
def test_bad_batches_are_refused(name):
    probe = shared_probe(name, "float32")
    params, batch, draw = probe.arguments
    bad = {
        "axes": batch._replace(inputs=batch.inputs[:, None, None]),
        "batch axis first": batch._replace(inputs=batch.inputs[0]),
        "examples of shape": batch._replace(inputs=batch.inputs[:, 1:]),
        "one for each": batch._replace(targets=batch.targets[1:]),
        "no examples": batch._replace(inputs=batch.inputs[:0], targets=batch.targets[:0]),
        "NaN": batch._replace(inputs=batch.inputs.at[1, 0].set(jnp.nan)),
        "no sequences": batch._replace(mask=jnp.ones(N)),
    }
    for message, wrong in bad.items():
        for function in (probe.net.cost, probe.net.gradient, probe.net.cost_and_gradient):
            with pytest.raises(ValueError, match=message):
                function(params, wrong, draw)
    with pytest.raises(ValueError, match="structure"):
        probe.net.gradient((params,), batch, draw)


COMBINATIONS = list(itertools.product(ACTIVATIONS, OBJECTIVES))


@pytest.mark.parametrize(("activation", "objective"), COMBINATIONS, ids=map(" + ".join, COMBINATIONS))
def test_every_combination(activation, objective, key, dtype):
    """2-4 layers, with and without L2 and dropout, for each activation and objective."""
    for layers, l2, keep in itertools.product((2, 3, 4), (0.0, 0.7), (None, 0.5)):
        sizes = [*[6, 5, 4, 3][4 - layers :], 3]
        net = fn.feedforward(sizes, ACTIVATIONS[activation], objective=OBJECTIVES[objective], dropout=keep, l2=l2)
        params = net.init(key)
        batch = examples((sizes[0],), 3, objective.endswith("labels"), 20)(jax.random.fold_in(key, 1), N)
        draw = None if keep is None else jax.random.fold_in(key, 2)
        assert_equal_leaves(net.gradient(params, batch, draw), jax.grad(net.cost)(params, batch, draw), dtype)

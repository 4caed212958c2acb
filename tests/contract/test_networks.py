"""Every invariant over every network of the table, in float64 and float32, eager and jitted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from fnnets.core import sequences
from tests.contract.laws import assert_equal_leaves, assert_type_of, scaled_leaves
from tests.contract.table import NETWORKS

rows = pytest.mark.parametrize("name", NETWORKS)
KEY = jax.random.key(20)
N = 5


class Probe:
    """Parameters and a batch in generic position, the key where the network draws, and both derivations."""

    def __init__(self, row):
        self.net, self.params, self.batch = row.net, row.net.init(KEY), row.batch(1, N)
        self.key = KEY if row.with_key else None
        self.arguments = (self.params, self.batch)

    def part(self, i):
        """The i-th example alone, out of the same data set."""
        return sequences.take(self.net.layer.time, self.batch, np.array([i]))

    @functools.cached_property
    def explicit(self):
        return self.net.gradient(*self.arguments, key=self.key)

    @functools.cached_property
    def eager(self):
        return self.net.cost_and_gradient(*self.arguments, key=self.key)

    @functools.cached_property
    def both(self):
        """`(params, batch, key=…) -> ((C, the gradient by hand), the automatic one)`, one program."""

        def both(params, batch, *, key=None):
            found = self.net.cost_and_gradient(params, batch, key=key)
            return found, jax.grad(self.net.cost)(params, batch, key=key)

        return jax.jit(both)

    @functools.cached_property
    def automatic(self):
        return self.both(*self.arguments, key=self.key)[1]

    def jitted(self, params, batch, key=None):
        return self.both(params, batch, key=key)[0]


@functools.cache
def shared_probe(name, dtype):
    """One probe for all tests of a network in one precision: most of their time is compilation."""
    return Probe(NETWORKS[name])


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
    cost, gradient = probe.eager
    assert cost.shape == ()
    assert cost == probe.net.cost(*probe.arguments, key=probe.key)
    assert_equal_leaves(gradient, probe.explicit, dtype)


@pytest.mark.parametrize("name", [name for name, row in NETWORKS.items() if row.additive])
def test_batch_is_the_mean_of_its_examples(probe, dtype):
    singles = [probe.jitted(probe.params, probe.part(i))[1] for i in range(N)]
    mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *singles)
    assert_equal_leaves(probe.jitted(probe.params, probe.batch)[1], mean, dtype)


@rows
def test_weights_are_repetitions_and_shares_add_up(name):
    """Of each network in float64: whole weights against the examples repeated, two shares against the whole.

    The gradients of both shares are held against `jax.grad` of their own costs, weights of 0 included.
    """
    with jax.enable_x64(True):
        probe, row = shared_probe(name, "float64"), NETWORKS[name]
        weights, samples = np.array([1.0, 0.0, 2.0, 1.0, 3.0]), probe.net.targets == "samples"
        repeated = repetition(probe, weights, samples)
        weighted = probe.batch._replace(weights=jnp.asarray(weights))
        (cost, gradient), automatic = probe.both(probe.params, weighted, key=probe.key)
        assert_equal_leaves(gradient, automatic, "float64")
        if probe.key is None:
            assert_equal_leaves((cost, gradient), probe.jitted(probe.params, repeated), "float64")
        if row.additive:
            parts = [shared(weighted, np.arange(N) < 2, samples), shared(weighted, np.arange(N) >= 2, samples)]
            found = [probe.both(probe.params, part, key=probe.key) for part in parts]
            for (_, explicit), automatic in found:
                assert_equal_leaves(explicit, automatic, "float64")
            total = jax.tree.map(jnp.add, *[both for both, _ in found])
            if samples:  # in the shares they have the weights of their data
                weighted = weighted._replace(weights=jnp.concatenate([weighted.weights] * 2))
                cost, gradient = probe.jitted(probe.params, weighted)
            assert_equal_leaves(total, (cost, gradient), "float64")


def repetition(probe, weights, samples):
    """The batch with each example as often as its weight says; samples are left as they are."""
    rows = np.repeat(np.arange(N), weights.astype(int))
    batch = sequences.take(probe.net.layer.time, probe.batch, rows)
    return batch._replace(targets=probe.batch.targets) if samples else batch


def shared(batch, chosen, samples):
    """A share of the batch: all examples, of which those that are not chosen have the weight 0."""
    own = jnp.where(chosen, batch.weights, 0)
    return batch._replace(
        weights=jnp.concatenate([own] * 2) if samples else own, total_weight=float(np.sum(batch.weights))
    )


@rows
def test_jitted_equals_eager(probe, dtype):
    assert_equal_leaves(probe.jitted(*probe.arguments, key=probe.key), probe.eager, dtype)


@rows
def test_two_updates_in_a_row_go_downhill(probe, dtype):
    descent = optax.sgd(1e-3)

    @jax.jit
    def update(params, gradient, state):
        updates, state = descent.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params, state, costs = probe.params, descent.init(probe.params), []
    for _ in range(3):
        cost, gradient = probe.jitted(params, probe.batch, key=probe.key)
        params, state = update(params, gradient, state)
        costs.append(cost)
    assert costs[2] < costs[1] < costs[0]


@rows
def test_one_example(probe, dtype):
    arguments = (probe.params, probe.part(2))
    (_, gradient), automatic = probe.both(*arguments)
    assert_equal_leaves(gradient, automatic, dtype)


@rows
def test_prediction_of_no_examples_is_empty(probe, dtype):
    axis = sequences.axes(probe.net.layer.time)
    empty = np.take(probe.batch.inputs, [], axis.inputs)
    steps = empty.shape[: axis.targets]
    assert probe.net.predict(probe.params, empty).shape == (*steps, 0, *probe.net.output_shape)


@rows
def test_saturated_units_give_finite_right_answers(name, probe, dtype):
    arguments = (jax.tree.map(lambda leaf: 1e3 * leaf, probe.params), probe.batch)
    (cost, gradient), automatic = probe.both(*arguments, key=probe.key)
    assert np.isfinite(cost)
    if NETWORKS[name].gated:  # all leaves are judged by the largest
        gradient, automatic = (ravel_pytree(tree)[0] for tree in (gradient, automatic))
    # weighted inputs of order 1e3, rounded, move an exponential by a thousand times the rounding
    assert_equal_leaves(gradient, automatic, dtype, condition=1e3)


@rows
def test_bfloat16_stays_bfloat16(name):
    probe = shared_probe(name, "float32")
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), probe.params)
    (cost, gradient), automatic = probe.both(params, probe.batch, key=probe.key)
    assert cost.dtype == jnp.bfloat16
    assert_type_of(gradient, params)
    assert_equal_leaves(gradient, automatic, "bfloat16")


@rows
def test_float64_data_do_not_change_float32_parameters(name):
    probe = shared_probe(name, "float32")
    with jax.enable_x64(True):
        wide = probe.batch._replace(inputs=jnp.asarray(probe.batch.inputs, jnp.float64))
        assert_type_of(jax.eval_shape(probe.net.gradient, probe.params, wide, key=probe.key), probe.params)


@rows
def test_bad_batches_are_refused(name):
    probe = shared_probe(name, "float32")
    (params, batch), draw = probe.arguments, probe.key
    for message, spoil in NETWORKS[name].bad_batches.items():
        for function in (probe.net.cost, probe.net.gradient, probe.net.cost_and_gradient):
            with pytest.raises(ValueError, match=message):
                function(params, spoil(batch), key=draw)
    with pytest.raises(ValueError, match="structure"):
        probe.net.gradient((params,), batch, key=draw)

"""Inputs beside outputs: both terms of the cotangent, each of which a check must miss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, derivations, drawn

INNER = fn.layers.dense(2, fn.activations.tanh)
LAYER = fn.layers.with_inputs(INNER)


def test_outputs_come_first_and_then_the_inputs():
    params, x, _, _ = drawn(LAYER, 4)
    (y, t), _ = LAYER.forward(params, x, fn.Context())
    np.testing.assert_array_equal(y, INNER.forward(params, x, fn.Context())[0])
    np.testing.assert_array_equal(t, x)


def test_both_terms_are_summed_and_neither_may_be_missing():
    with jax.enable_x64(True):
        params, x, d_y, _ = drawn(LAYER, 4)
        _, explicit, automatic = derivations(LAYER, params, x, d_y)
        assert_equal_leaves(explicit, automatic, "float64")
        _, trace = LAYER.forward(params, x, fn.Context())
        through_the_layer, beside_it = INNER.backward(params, trace, d_y[0])[1], d_y[1]
        for one_term in (through_the_layer, beside_it):
            with pytest.raises(AssertionError, match="relative error"):
                assert_equal_leaves(one_term, automatic[1], "float64", condition=1e9)


def test_the_key_reaches_the_layer(key):
    layer = fn.layers.with_inputs(fn.layers.dropout(0.5))
    (y, t), _ = layer.forward((), jnp.ones((2, 50)), fn.Context(key))
    assert set(np.unique(y)) == {0.0, 1.0}
    np.testing.assert_array_equal(t, 1.0)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="with_inputs: layer is 'dense'"):
        fn.layers.with_inputs("dense")
    with pytest.raises(ValueError, match="layer is last_step, which gives one answer for a sequence"):
        fn.layers.with_inputs(fn.layers.last_step())

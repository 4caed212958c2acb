"""Both directions: two layers of their own, the second on the sequence from its end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import assert_equal_leaves, derivations, drawn


def test_it_is_two_layers_the_second_of_them_reversed():
    with jax.enable_x64(True):
        one = fn.layers.gru(2)
        both = fn.layers.bidirectional(one)
        params, x, d_y, _ = drawn(both, 5)
        y, (d_params, d_x), _ = derivations(both, params, x, d_y)
        ahead, (d_ahead, d_x_ahead), _ = derivations(one, params.forward, x, d_y[..., :2])
        behind, (d_behind, d_x_behind), _ = derivations(one, params.backward, x[::-1], d_y[::-1, :, 2:])
        np.testing.assert_allclose(y, np.concatenate([ahead, behind[::-1]], axis=-1), rtol=1e-12)
        assert_equal_leaves(tuple(d_params), (d_ahead, d_behind), "float64")
        assert_equal_leaves(d_x, d_x_ahead + d_x_behind[::-1], "float64")
        with pytest.raises(AssertionError, match="relative error"):  # directions in the wrong order
            assert_equal_leaves(tuple(d_params), (d_behind, d_ahead), "float64", condition=1e9)


def test_the_reversed_half_begins_at_the_last_real_step():
    layer = fn.layers.bidirectional(fn.layers.recurrent(2))
    params, x, _, _ = drawn(layer, 5, n=1)
    mask = jnp.array([[True], [True], [True], [False], [False]])
    forward = jax.jit(lambda x, mask: layer.forward(params, x, fn.Context(mask=mask))[0])
    np.testing.assert_allclose(forward(x, mask)[:3], forward(x[:3], None), rtol=1e-6)


def test_each_direction_has_weights_of_its_own():
    params, shape = fn.layers.bidirectional(fn.layers.lstm(3)).init(jax.random.key(0), (2,))
    assert shape == (6,)
    assert not np.allclose(params.forward.candidate.weights, params.backward.candidate.weights)


def test_a_chain_of_layers_with_dropout_runs_both_ways(key):
    layer = fn.layers.bidirectional(fn.chain(fn.layers.dropout(0.5), fn.layers.gru(2)))
    params, x, _, _ = drawn(layer, 4)
    first, again, none = (layer.forward(params, x, fn.Context(k))[0] for k in (key, key, None))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, none)


def test_what_is_no_layer_of_sequences_is_refused():
    for layer in (fn.layers.dense(3), fn.layers.lstm(3, return_sequences=False), fn.layers.last_step()):
        with pytest.raises(ValueError, match=f"layer is {layer.name}, which does not answer at every step"):
            fn.layers.bidirectional(layer)
    with pytest.raises(TypeError, match="bidirectional: layer"):
        fn.layers.bidirectional("lstm")


def test_a_state_is_refused():
    layer = fn.layers.bidirectional(fn.layers.gru(2))
    assert layer.step is layer.start is None
    params, x, _, _ = drawn(layer, 4)
    with pytest.raises(ValueError, match=r"bidirectional: a state is handed on.*give whole sequences"):
        layer.forward(params, x, fn.Context(state=(jnp.zeros((3, 2)),)))

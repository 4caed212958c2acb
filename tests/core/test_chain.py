"""Chains: what they do with time, states and keys, and which layers they refuse to put together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn

GRU, LSTM, DENSE = fn.layers.gru, fn.layers.lstm, fn.layers.dense
SOFTMAX = fn.objectives.softmax_log_likelihood


def test_parts_of_the_wrong_type_are_refused():
    with pytest.raises(TypeError, match="chain: part 1"):
        fn.chain(DENSE(2), jax.nn.relu)


def test_nothing_comes_back_as_it_was():
    empty = fn.chain()
    y, trace = empty.forward((), jnp.ones((2, 3)), fn.Context())
    assert empty.init(jax.random.key(0), (3,)) == ((), (3,))
    np.testing.assert_array_equal(empty.backward((), trace, y)[1], y)


def test_what_a_chain_does_with_time():
    assert fn.chain(DENSE(2)).time == "pointwise"
    assert fn.chain(DENSE(2), GRU(3), fn.layers.dropout(0.5)).time == "sequence to sequence"
    assert fn.chain(GRU(3), LSTM(2, return_sequences=False), DENSE(2)).time == "sequence to vector"
    assert fn.chain(fn.chain(GRU(3), fn.layers.last_step()), DENSE(2)).time == "sequence to vector"


@pytest.mark.parametrize(
    "first", [GRU(3, return_sequences=False), fn.layers.last_step(), fn.chain(GRU(2, return_sequences=False))]
)
def test_time_that_was_dropped_does_not_come_back(first):
    with pytest.raises(ValueError, match=r"part 2, lstm, reads sequences, but a part before it gives one answer"):
        fn.chain(first, DENSE(3), LSTM(2))
    with pytest.raises(ValueError, match="part 1, last_step"):
        fn.chain(first, fn.layers.last_step())


def test_layers_without_an_axis_of_time_are_refused_inside_a_network():
    remedy = "one of its parts reads examples without a time axis: leave it out"
    for layer, shape in (
        (fn.chain(GRU(3), fn.layers.flatten(), DENSE(2)), (3,)),  # flattens (N, h) of each step
        (fn.chain(GRU(3), fn.layers.flatten()), (3,)),
        (fn.chain(fn.layers.convolution(2, 2), fn.layers.flatten(), GRU(3), DENSE(2)), (4, 4, 1)),
    ):
        with pytest.raises(ValueError, match=rf"sequences \(T, N, …\) = \(1, 2, .*{remedy}"):
            fn.network(layer, SOFTMAX, shape)


def test_flatten_behind_the_last_step_is_taken():
    net = fn.network(fn.chain(GRU(3, return_sequences=False), fn.layers.flatten(), DENSE(2)), SOFTMAX, (3,))
    assert net.predict(net.init(jax.random.key(0)), jnp.ones((4, 5, 3))).shape == (5, 2)


def test_each_part_has_its_own_state():
    chain = fn.chain(GRU(3), DENSE(4), LSTM(2))
    params, _ = chain.init(jax.random.key(0), (2,))
    x = jax.random.normal(jax.random.key(1), (5, 2, 2))
    state = chain.start(params, 2)
    assert [None if part is None else len(part) for part in state] == [1, None, 2]
    for x_t in x[:2]:
        state, _ = chain.step(params, state, x_t)
    went_on = chain.forward(params, x[2:], fn.Context(state=state))[0]
    np.testing.assert_allclose(went_on, chain.forward(params, x, fn.Context())[0][2:], rtol=1e-5, atol=1e-6)


def test_a_chain_streams_where_all_its_parts_of_time_do():
    both = fn.layers.bidirectional(GRU(3))
    assert fn.chain(GRU(3), both).step is fn.chain(GRU(3), both).start is None
    assert fn.chain(GRU(3), fn.layers.last_step()).step is not None


def test_the_mask_reaches_every_part():
    chain = fn.chain(GRU(3), DENSE(3), fn.chain(LSTM(2), fn.layers.last_step()))
    params, _ = chain.init(jax.random.key(0), (2,))
    x, mask = jax.random.normal(jax.random.key(1), (5, 1, 2)), jnp.arange(5)[:, None] < 3
    padded, cut = (chain.forward(params, *given)[0] for given in ((x, fn.Context(mask=mask)), (x[:3], fn.Context())))
    np.testing.assert_allclose(padded, cut, rtol=1e-6)


def test_the_key_is_split_among_the_parts(key):
    chain = fn.chain(fn.layers.dropout(0.5), fn.layers.dropout(0.5))
    y, _ = chain.forward(((), ()), jnp.ones((3, 50)), fn.Context(key))
    first, second = (chain.parts[0].forward((), jnp.ones((3, 50)), fn.Context(k))[0] for k in jax.random.split(key))
    np.testing.assert_array_equal(y, first * second)

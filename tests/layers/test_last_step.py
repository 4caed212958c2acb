"""The last real step of each sequence, and for both ends the first."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn

X = jnp.arange(24.0).reshape(4, 3, 2)  # step t of sequence n is 6t + 2n, 6t + 2n + 1
MASK = jnp.array([[1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 0, 0]], bool)


def both(layer, mask):
    y, trace = layer.forward((), X, fn.Context(mask=mask))
    return y.tolist(), layer.backward((), trace, 1 + jnp.arange(6.0).reshape(3, 2))[1]


def test_the_last_real_step():
    assert both(fn.layers.last_step(), None)[0] == X[-1].tolist()
    y, d_x = both(fn.layers.last_step(), MASK)
    assert y == [[18.0, 19.0], [8.0, 9.0], [16.0, 17.0]]
    assert (d_x[3, 0].tolist(), d_x[1, 1].tolist(), d_x[2, 2].tolist()) == ([1, 2], [3, 4], [5, 6])
    assert float(jnp.abs(d_x).sum()) == 21


def test_both_ends():
    """The second feature at the first real step: the third sequence begins at step 1."""
    assert both(fn.layers.last_step(both_ends=True), None)[0] == [[18.0, 1.0], [20.0, 3.0], [22.0, 5.0]]
    y, d_x = both(fn.layers.last_step(both_ends=True), MASK)
    assert y == [[18.0, 1.0], [8.0, 3.0], [16.0, 11.0]]
    assert [float(d_x[t, n, 1]) for t, n in ((0, 0), (0, 1), (1, 2))] == [2, 4, 6]
    assert float(jnp.abs(d_x).sum()) == 21


def test_steps_may_have_any_axes():
    x = jnp.arange(24.0).reshape(3, 2, 2, 2)
    y, trace = fn.layers.last_step().forward((), x, fn.Context())
    assert y.tolist() == x[-1].tolist()
    d_x = fn.layers.last_step().backward((), trace, y)[1]
    assert d_x[-1].tolist() == y.tolist()
    assert not d_x[:-1].any()


def test_behind_a_layer_it_is_every_step_false():
    with jax.enable_x64(True):
        direct = fn.layers.gru(3, return_sequences=False)
        params, x = direct.init(jax.random.key(0), (2,))[0], jax.random.normal(jax.random.key(1), (4, 3, 2))
        taken = fn.chain(fn.layers.gru(3), fn.layers.last_step()).forward((params, ()), x, fn.Context(mask=MASK))[0]
        assert taken.tolist() == direct.forward(params, x, fn.Context(mask=MASK))[0].tolist()


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="last_step: both_ends is 1"):
        fn.layers.last_step(1)
    with pytest.raises(ValueError, match=r"steps have shape \(3,\), expected an even number"):
        fn.layers.last_step(both_ends=True).init(jax.random.key(0), (3,))

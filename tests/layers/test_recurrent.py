"""The simple recurrent layer by hand and against PyTorch, and what all cells share: steps, states, messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from fnnets.layers.recurrent import RecurrentParams
from tests.contract.laws import assert_equal_leaves, derivations, drawn
from tests.layers.parity import against_torch

CELLS = {
    "recurrent": fn.layers.recurrent(4, learn_initial_state=True),
    "lstm": fn.layers.lstm(4, learn_initial_state=True),
    "lstm with peepholes": fn.layers.lstm_peepholes(4, learn_initial_state=True),
    "lstm of 1997": fn.layers.lstm_1997(3, learn_initial_state=True),
    "gru": fn.layers.gru(4, learn_initial_state=True),
}
cells = pytest.mark.parametrize("name", CELLS)


def test_two_steps_of_one_unit_by_hand():
    """z = 2x + a/2 + 1 and a = z: a[1] = 2 + 2 + 1 = 5, a[2] = 6 + 5/2 + 1 = 9.5; δ[2] = 1, δ[1] = 1/2."""
    layer = fn.layers.recurrent(1, fn.activations.identity, learn_initial_state=True)
    params = layer.init(jax.random.key(0), (1,))[0]._replace(
        weights=jnp.array([[2.0]]), recurrent_weights=jnp.array([[0.5]]), biases=jnp.array([1.0]),
        initial_state=(jnp.array([4.0]),),
    )  # fmt: skip
    x, d_y = jnp.array([[[1.0]], [[3.0]]]), jnp.array([[[0.0]], [[1.0]]])
    y, (d_params, d_x), _ = derivations(layer, params, x, d_y)
    assert y.ravel().tolist() == [5.0, 9.5]
    assert d_params.weights.tolist() == [[3.5]]  # δ[2]·3 + δ[1]·1
    assert d_params.recurrent_weights.tolist() == [[7.0]]  # δ[2]·5 + δ[1]·4
    assert d_params.biases.tolist() == [1.5]
    assert d_params.initial_state[0].tolist() == [0.25]  # δ[1]/2
    assert d_x.ravel().tolist() == [1.0, 2.0]


def test_zero_weights_of_a_sigmoid_layer():
    """σ(0) = 1/2 and σ' = 1/4 at every step; δ does not travel, so db = T/4 for cotangents of one."""
    layer = fn.layers.recurrent(2)
    params = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), (3,))[0])
    y, (d_params, d_x), _ = derivations(layer, params, jnp.ones((6, 1, 3)), jnp.ones((6, 1, 2)))
    assert bool((y == 0.5).all())
    assert d_params.biases.tolist() == [1.5, 1.5]
    assert d_params.recurrent_weights.tolist() == [[0.625] * 2] * 2  # five steps of 1/4 · 1/2
    assert not d_x.any()


def test_statements_are_those_of_the_notes():
    """Section 6 numbers biases (9, 12), W (10, 13) and ω (11, 14), of a pair and of the mean; s[0] has none."""
    layer = fn.layers.recurrent(2, learn_initial_state=True)
    assert layer.statements == RecurrentParams("10, 13", "11, 14", "9, 12", ("ds[0]",))


def test_pytorch_agrees():
    def stacked(params, is_gradient):
        biases = params.biases if is_gradient else 0 * params.biases
        return params.weights, params.recurrent_weights, params.biases, biases

    against_torch("RNN", fn.layers.recurrent(4, fn.activations.tanh), stacked)


@cells
def test_steps_equal_the_whole(name):
    layer = CELLS[name]
    with jax.enable_x64(True):
        params, x, _, _ = drawn(layer, 5)
        y, trace = jax.jit(lambda x: layer.forward(params, x, fn.Context()))(x)
        state, outputs = jax.lax.scan(lambda s, x: layer.step(params, s, x), layer.start(params, 3), x)
        np.testing.assert_allclose(outputs, y, rtol=1e-12)
        assert_equal_leaves(state, tuple(part[-1] for part in trace.states), "float64")


@cells
def test_a_state_that_is_handed_on_is_gone_on_from_and_counts_as_a_constant(name):
    layer = CELLS[name]
    with jax.enable_x64(True):
        params, x, d_y, _ = drawn(layer, 7)
        whole, trace = jax.jit(lambda x: layer.forward(params, x, fn.Context()))(x)
        state = tuple(part[2] for part in trace.states)
        y, explicit, automatic = derivations(layer, params, x[3:], d_y[3:], None, state)
        np.testing.assert_allclose(y, whole[3:], rtol=1e-12)
        assert_equal_leaves(explicit, automatic, "float64")
        assert not any(part.any() for part in explicit[0].initial_state)


@cells
def test_wrong_steps_masks_and_states_are_refused(name):
    layer = CELLS[name]
    params, x, _, _ = drawn(layer, 5)
    state = layer.start(params, 3)
    for message, wrong, context in (
        (r"expected \(T, N, m\).*x\[:, None\]", x[:, 0], fn.Context()),
        ("no steps, expected T >= 1", x[:0], fn.Context()),
        (r"mask has shape \(3, 5\)", x, fn.Context(mask=jnp.ones((3, 5), bool))),
        (r"dtype float32, expected \(5, 3\) of bool", x, fn.Context(mask=jnp.ones((5, 3)))),
        ("state has the structure", x, fn.Context(state=state[0])),
        (r"state holds float32 of shape \(2, [34]\)", x, fn.Context(state=layer.start(params, 2))),
        (
            "state holds float16",
            x,
            fn.Context(state=jax.tree.map(lambda part: part.astype(jnp.float16), state)),
        ),
    ):
        with pytest.raises(ValueError, match=message):
            layer.forward(params, wrong, context)


OPTIONS = [
    ({"units": 0}, ValueError, "units is 0"),
    ({"units": 2.5}, TypeError, "units is 2.5"),
    ({"truncate": 0}, ValueError, "truncate is 0"),
    ({"truncate": 1.5}, TypeError, "truncate is 1.5.*give a number of steps, or None"),
    ({"checkpoint_every": -1}, ValueError, "checkpoint_every is -1"),
    ({"checkpoint_every": True}, TypeError, "checkpoint_every is True"),
    ({"learn_initial_state": 1}, TypeError, "learn_initial_state is 1.*write True or False"),
    ({"return_sequences": "last"}, TypeError, "return_sequences is 'last'"),
    ({"initializer": "he"}, TypeError, "initializer is 'he'"),
]


@pytest.mark.parametrize("make", ["recurrent", "lstm", "gru"])
@pytest.mark.parametrize(("options", "error", "message"), OPTIONS)
def test_wrong_options_are_refused(make, options, error, message):
    with pytest.raises(error, match=f"{make}: {message}"):
        getattr(fn.layers, make)(**{"units": 3, **options})


def test_an_activation_of_another_type_is_refused():
    with pytest.raises(TypeError, match="recurrent: activation"):
        fn.layers.recurrent(3, jnp.tanh)

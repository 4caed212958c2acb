"""Long short-term memory by hand and against PyTorch: zero weights, the form of 1997, what its gates remember."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from tests.contract.laws import derivations
from tests.layers.parity import against_torch


def zeros(layer, state):
    """Parameters that are all zero, but begin with that state, in float64."""
    params = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), (2,))[0])
    return params._replace(
        initial_state=tuple(jnp.full_like(p, s) for p, s in zip(params.initial_state, state, strict=True))
    )


def test_zero_weights_halve_the_cell_at_every_step():
    """i = f = o = 1/2 and g = 0: c = 1, 1/2, 1/4 and h[2] = tanh(1/4)/2; back, d_c[2] = (1 − tanh² 1/4)/2."""
    with jax.enable_x64(True):
        layer = fn.layers.lstm(1, learn_initial_state=True, return_sequences=False)
        y, (d_params, d_x), _ = derivations(layer, zeros(layer, (0, 1)), jnp.ones((2, 1, 2)), jnp.ones((1, 1)))
        d_c = (1 - np.tanh(0.25) ** 2) / 2
        np.testing.assert_allclose(y, [[np.tanh(0.25) / 2]], rtol=1e-14)
        np.testing.assert_allclose(d_params.initial_state[1], [d_c / 4], rtol=1e-14)
        np.testing.assert_allclose(d_params.candidate.biases, [d_c / 2 + d_c / 4], rtol=1e-14)  # i γ'(0) = 1/2
        np.testing.assert_allclose(d_params.output_gate.biases, [np.tanh(0.25) / 4], rtol=1e-14)  # σ' = 1/4, step 2
        # d_c[t] c[t−1] σ': d_c · 1/2 · 1/4 of step 2, and d_c/2 · 1 · 1/4 of step 1
        np.testing.assert_allclose(d_params.forget_gate.biases, [d_c / 8 + d_c / 8], rtol=1e-14)
        assert d_params.input_gate.biases.tolist() == [0.0]  # its partner g is 0
        assert d_params.initial_state[0].tolist() == [0.0]
        assert not d_x.any()


def test_the_form_of_1997_keeps_its_cell():
    """Without a forget gate c stays 1; h = (2σ(1) − 1)/2, and ∂h/∂c[0] = σ'(1) after any number of steps."""
    with jax.enable_x64(True):
        layer = fn.layers.lstm_1997(1, learn_initial_state=True, return_sequences=False)
        params = zeros(layer, (0, 1, 0, 0))
        y, (d_params, _), _ = derivations(layer, params, jnp.ones((9, 1, 2)), jnp.ones((1, 1)))
        s = 1 / (1 + np.exp(-1.0))
        np.testing.assert_allclose(y, [[s - 0.5]], rtol=1e-14)
        np.testing.assert_allclose(d_params.initial_state[1], [s * (1 - s)], rtol=1e-14)
        np.testing.assert_allclose(d_params.candidate.biases, [9 * s * (1 - s) / 2], rtol=1e-14)  # i γ'(0) = 1/2
        assert params.input_gate.recurrent_weights.shape == (1, 3)  # h, i and o of the step before
        assert params._fields == d_params._fields == ("input_gate", "candidate", "output_gate", "initial_state")


def test_peepholes_by_hand():
    """All weights zero but p_o: o = σ(p_o c) with c = 1/2, and ∂h/∂p_o = tanh(c) o(1−o) c."""
    with jax.enable_x64(True):
        layer = fn.layers.lstm_peepholes(1, learn_initial_state=True)
        params = zeros(layer, (0, 1))
        params = params._replace(output_gate=params.output_gate._replace(peephole_weights=jnp.array([3.0])))
        y, (d_params, _), _ = derivations(layer, params, jnp.ones((1, 1, 2)), jnp.ones((1, 1, 1)))
        o = 1 / (1 + np.exp(-1.5))
        np.testing.assert_allclose(y.ravel(), [o * np.tanh(0.5)], rtol=1e-14)
        np.testing.assert_allclose(d_params.output_gate.peephole_weights, [np.tanh(0.5) * o * (1 - o) / 2], rtol=1e-14)
        assert d_params.candidate.peephole_weights is None


def test_an_open_forget_gate_carries_the_gradient_over_a_thousand_steps():
    """With i shut and f = 1 the cell at the end is that at the beginning, and so is its gradient."""
    with jax.enable_x64(True):
        layer = fn.layers.lstm(1, learn_initial_state=True, return_sequences=False)
        params = zeros(layer, (0, 1))
        opened = {
            name: getattr(params, name)._replace(biases=jnp.array([bias]))
            for name, bias in (("forget_gate", 50.0), ("input_gate", -50.0))
        }
        _, (d_params, _), _ = derivations(layer, params._replace(**opened), jnp.ones((1000, 1, 2)), jnp.ones((1, 1)))
        np.testing.assert_allclose(d_params.initial_state[1], [(1 - np.tanh(1.0) ** 2) / 2], rtol=1e-12)


def test_the_forget_gate_begins_open_and_peepholes_begin_as_zeros():
    params, _ = fn.layers.lstm_peepholes(3, forget_bias=2.0).init(jax.random.key(0), (2,))
    assert params.forget_gate.biases.tolist() == [2.0] * 3
    assert params.input_gate.biases.tolist() == [0.0] * 3
    assert params.input_gate.peephole_weights.tolist() == [0.0] * 3
    assert fn.layers.lstm(3).init(jax.random.key(0), (2,))[0].initial_state is None


def test_pytorch_agrees():
    def stacked(params, is_gradient):
        gates = (params.input_gate, params.forget_gate, params.candidate, params.output_gate)
        weights, recurrent, biases = (jnp.concatenate([gate[i] for gate in gates]) for i in range(3))
        return weights, recurrent, biases, biases if is_gradient else 0 * biases

    against_torch("LSTM", fn.layers.lstm(4), stacked)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learn_initial_state": 1}, TypeError, "learn_initial_state is 1.*write True or False"),
        ({"return_sequences": "yes"}, TypeError, "return_sequences is 'yes'"),
        ({"implementation": "quick"}, ValueError, 'implementation is \'quick\', expected "fast".*or "plain"'),
        (
            {"implementation": "plain", "checkpoint_every": 3},
            ValueError,
            'checkpoint_every is 3 with implementation="plain".*fnnets/kernels/scan.py keeps checkpoints',
        ),
        ({"forget_bias": "one"}, TypeError, "forget_bias is 'one'"),
        ({"forget_bias": float("nan")}, ValueError, "forget_bias is nan"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=f"lstm: {message}"):
        fn.layers.lstm(3, **options)

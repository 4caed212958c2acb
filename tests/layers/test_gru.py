"""The gated recurrent unit by hand and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np

import fnnets as fn
from tests.contract.laws import derivations
from tests.layers.parity import against_torch


def test_zero_weights_halve_the_state_at_every_step():
    """r = u = 1/2 and n = 0: h = 8, 4, 2; ∂h[2]/∂h[0] = 1/4, δ_u = (h[t−1] − 0)/4 · d_h, δ_n = d_h/2."""
    layer = fn.layers.gru(1, learn_initial_state=True)
    params = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), (2,))[0])
    params = params._replace(initial_state=(jnp.array([8.0]),))
    d_y = jnp.array([[[0.0]], [[1.0]]])
    y, (d_params, d_x), _ = derivations(layer, params, jnp.ones((2, 1, 2)), d_y)
    assert y.ravel().tolist() == [4.0, 2.0]
    assert d_params.initial_state[0].tolist() == [0.25]
    assert d_params.update_gate.biases.tolist() == [4 / 4 + 8 / 4 * 0.5]
    assert d_params.candidate.biases.tolist() == [1 / 2 + 0.5 / 2]
    assert d_params.recurrent_biases.tolist() == [0.375]  # ∂C/∂q = δ_n r
    assert d_params.reset_gate.biases.tolist() == [0.0]  # q = 0
    assert not d_x.any()


def test_the_reset_gate_stands_behind_the_product():
    """Zero weights but b'_n = 2: n = tanh(r · 2) with r = 1/2, and h = n/2 from h[0] = 0."""
    with jax.enable_x64(True):
        layer = fn.layers.gru(1)
        params = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), (2,))[0])
        params = params._replace(recurrent_biases=jnp.array([2.0]))
        y, (d_params, _), _ = derivations(layer, params, jnp.ones((1, 1, 2)), jnp.ones((1, 1, 1)))
        slope = (1 - np.tanh(1.0) ** 2) / 2  # δ_n
        np.testing.assert_allclose(y.ravel(), [np.tanh(1.0) / 2], rtol=1e-14)
        np.testing.assert_allclose(d_params.reset_gate.biases, [slope * 2 / 4], rtol=1e-14)  # δ_n q r(1−r)
        np.testing.assert_allclose(d_params.recurrent_biases, [slope / 2], rtol=1e-14)


def test_pytorch_agrees():
    def stacked(params, is_gradient):
        gates = params[:3]
        weights, recurrent, biases = (jnp.concatenate([gate[i] for gate in gates]) for i in range(3))
        others = biases[:8] if is_gradient else jnp.zeros(8)
        return weights, recurrent, biases, jnp.concatenate([others, params.recurrent_biases])

    against_torch("GRU", fn.layers.gru(4), stacked)

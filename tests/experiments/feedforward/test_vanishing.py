import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.feedforward import vanishing
from experiments.feedforward.vanishing import Options

SEEDS = (0, 1, 2, 3, 4)


def test_the_chain_agrees_with_the_product_and_the_printed_formula_in_float64():
    assert vanishing.chain_error(SEEDS) < vanishing.ROUNDING


def test_the_product_holds_for_longer_chains():
    assert vanishing.chain_error(SEEDS, length=9) < vanishing.ROUNDING


@pytest.mark.parametrize("name", ["chain_by_product", "chain_as_printed", "chain_by_backward"])
def test_a_formula_off_by_a_ten_billionth_is_found(name, monkeypatch):
    right = getattr(vanishing, name)
    monkeypatch.setattr(vanishing, name, lambda w, b: right(w, b) * (1 + 1e-10))
    assert vanishing.chain_error(SEEDS) > vanishing.ROUNDING


def test_a_derivative_at_the_wrong_place_is_found(monkeypatch):
    monkeypatch.setattr(vanishing, "_slope", lambda z: np.exp(-z) / (1 + np.exp(-z)))
    assert vanishing.chain_error(SEEDS) > 1e-3


def test_the_mean_of_the_deltas_is_the_gradient_of_the_biases(key):
    net = fn.feedforward([5, 4, 3, 2], fn.activations.tanh, objective=fn.objectives.linear_squared_error)
    params = net.init(key)
    batch = fn.Batch(jax.random.normal(key, (7, 5)), jnp.ones((7, 2)))
    expected = jax.jit(jax.grad(net.cost))(params, batch)
    deltas = jax.jit(vanishing.deltas, static_argnums=0)(net, params, batch)
    for delta, layer in zip(deltas, expected, strict=True):
        np.testing.assert_allclose(delta.mean(0), layer.biases, rtol=2e-5, atol=1e-7)


def test_delta_vanishes_with_sigmoids_and_explodes_with_large_rectified_weights():
    options = Options(seeds=(0,), layers=3)
    ratio = {}
    for name in ("sigmoid, default init", "rectified, large init"):
        norms = vanishing.norms_by_layer(*vanishing.NETWORKS[name], options)
        assert norms.shape == (3, 1)
        ratio[name] = norms[0, 0] / norms[-1, 0]
    assert ratio["sigmoid, default init"] < 0.1
    assert ratio["rectified, large init"] > 10

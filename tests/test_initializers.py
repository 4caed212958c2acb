"""Means and variances of each scheme, within four standard errors at a fixed key."""

import numpy as np
import pytest

import fnnets as fn

P, Q = 400, 300
SCHEMES = {  # standard deviations of weights and biases, from the formulas of the module
    "default": (P**-0.5, 1.0),
    "large": (1.0, 1.0),
    "glorot": ((2 / (P + Q)) ** 0.5, 0.0),
    "he": ((2 / P) ** 0.5, 0.0),
    "zeros": (0.0, 0.0),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_scheme_has_its_moments(name, key):
    params, _ = fn.layers.dense(Q, initial=getattr(fn.initializers, name)).init(key, (P,))
    for drawn, deviation in zip(params, SCHEMES[name], strict=True):
        assert abs(np.std(drawn) - deviation) <= 4 * deviation / np.sqrt(2 * drawn.size)
        assert abs(np.mean(drawn)) <= 4 * deviation / np.sqrt(drawn.size)


def test_layers_of_a_network_differ(key):
    net = fn.feedforward([5, 5, 5, 5], objective=fn.objectives.linear_squared_error)
    weights = [layer.weights for layer in net.init(key)]
    assert not np.allclose(weights[0], weights[1])
    assert not np.allclose(weights[1], weights[2])

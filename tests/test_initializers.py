"""Means and variances of each scheme, within four standard errors at a fixed key."""

from pathlib import Path

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
    params, _ = fn.layers.dense(Q, initializer=getattr(fn.initializers, name)).init(key, (P,))
    for drawn, deviation in zip(params, SCHEMES[name], strict=True):
        assert abs(np.std(drawn) - deviation) <= 4 * deviation / np.sqrt(2 * drawn.size)
        assert abs(np.mean(drawn)) <= 4 * deviation / np.sqrt(drawn.size)


def deviation_of_sums(scheme, key, p):
    """The standard deviation over 4000 neurons of Σ_k w_jk, over p inputs that are all 1 and without the bias."""
    params, _ = fn.layers.dense(4000, initializer=scheme).init(key, (p,))
    return float(np.std(np.asarray(params.weights).sum(axis=1)))


@pytest.mark.parametrize("p", [4, 100])
def test_the_sum_of_a_neurons_weights_is_as_the_notes_say(p, key):
    """N(0, 1) for the default, whatever p, and N(0, p) for standard Gaussian weights; four standard errors."""
    error = 4 / np.sqrt(2 * 4000)
    assert abs(deviation_of_sums(fn.initializers.default, key, p) - 1) < error
    assert abs(deviation_of_sums(fn.initializers.large, key, p) / np.sqrt(p) - 1) < error


def test_standardised_inputs_and_default_weights_do_not_saturate_and_standard_gaussian_ones_do(key):
    """σ'(z) is at most 1/4; z ~ N(0, 1 + 1) for the default, with the bias, and N(0, 401) for the other."""
    x = np.random.default_rng(0).uniform(0, 255, (50, P)).astype(np.float32)  # bytes of pixels
    scaled = fn.data.standardisation(x).apply(x)

    def slope(scheme, x):
        layer = fn.layers.dense(Q, initializer=scheme)
        z, _ = layer.forward(layer.init(key, (P,))[0], x, fn.Context())
        return float(fn.activations.sigmoid.derivative(z).mean())

    assert slope(fn.initializers.default, scaled) > 0.15
    assert slope(fn.initializers.large, scaled) < 0.03
    assert slope(fn.initializers.default, x) < 0.03


def test_layers_of_a_network_differ(key):
    net = fn.feedforward([5, 5, 5, 5], objective=fn.objectives.linear_squared_error)
    weights = [layer.weights for layer in net.init(key)]
    assert not np.allclose(weights[0], weights[1])
    assert not np.allclose(weights[1], weights[2])


def test_the_pages_list_every_initializer():
    named = [name for name, value in vars(fn.initializers).items() if isinstance(value, fn.initializers.Initializer)]
    folder = Path(__file__).parents[1] / "docs"
    guide, api = ((folder / page).read_text(encoding="utf-8") for page in ("guides/networks.md", "api/initializers.md"))
    assert [name for name in named if f"| `{name}` |" not in guide] == []
    assert [name for name in named if f"fnnets.initializers.{name}\n" not in api] == []

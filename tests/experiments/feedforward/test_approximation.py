import json

import jax
import numpy as np
import pytest

from experiments.feedforward import approximation
from experiments.feedforward.approximation import Options


@pytest.fixture(autouse=True)
def standard_promotion(strict_promotion):
    """optax.adam mixes int32 with float32."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def test_a_network_fits_and_its_figures_are_written(tmp_path, capsys):
    options = Options(out=tmp_path, seeds=(0, 1), widths=(16,), epochs=40)
    assert approximation.run(options) == 0
    content = json.loads((tmp_path / "approximation" / "approximation.json").read_text())
    [figure] = content["figures"]
    assert len(figure["values"]) == 2
    assert figure["mean"] < approximation.target(np.linspace(0, 1, 1000)).std() / 3
    assert (tmp_path / "approximation" / "approximation.png").exists()


def test_the_claim_fails_where_the_wide_layer_is_not_trained(tmp_path, monkeypatch, capsys):
    def untrained(width, options):
        return approximation.Fit(np.array([float(width)]), np.zeros(10 * approximation.POINTS))

    monkeypatch.setattr(approximation, "fit", untrained)
    options = Options(out=tmp_path, seeds=(0,), widths=(1, 2), epochs=1)
    assert approximation.run(options) == 1


def test_the_steps_of_the_hidden_units_lie_in_the_interval(key):
    (hidden, _) = approximation.network(200).init(jax.random.key(0))
    places = -np.asarray(hidden.biases / hidden.weights[:, 0])
    assert places.min() >= 0
    assert places.max() <= 1
    assert abs(places.mean() - 0.5) < 0.1

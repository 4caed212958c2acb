import json
import math

import numpy as np
import pytest

from experiments.feedforward import saturation
from experiments.feedforward.saturation import OBJECTIVES, Options

NAMES = tuple(OBJECTIVES)


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize(("weight", "bias"), saturation.STARTS.values())
def test_the_slopes_at_the_start_are_those_of_the_formulas(weight, bias):
    z = weight + bias
    a = sigmoid(z)
    expected = dict(zip(NAMES, (a * a * (1 - a), a, z), strict=True))
    for name, objective in OBJECTIVES.items():
        assert saturation.slope(objective, weight, bias) == pytest.approx(expected[name], rel=1e-5)


def test_descent_is_that_of_ten_lines_of_python():
    weight, bias, expected = 2.0, 2.0, []
    for _ in range(51):
        a = sigmoid(weight + bias)
        expected.append(a)
        weight, bias = weight - 0.15 * a * a * (1 - a), bias - 0.15 * a * a * (1 - a)
    errors = saturation.descend(OBJECTIVES[NAMES[0]], 2.0, 2.0, Options(steps=50))
    np.testing.assert_allclose(errors, expected, rtol=1e-5)


def test_an_objective_that_never_learns_takes_infinitely_long():
    assert saturation.steps_to_learn(np.array([1.0, 0.9])) == math.inf


def test_the_claim_holds_and_its_figures_are_written(tmp_path, capsys):
    assert saturation.run(Options(out=tmp_path)) == 0
    content = json.loads((tmp_path / "saturation" / "saturation.json").read_text())
    verdicts = [figure["verdict"] for figure in content["figures"] if figure["published"] is not None]
    assert verdicts == ["reached", "reached"]
    assert (tmp_path / "saturation" / "saturation.png").stat().st_size > 10_000


def test_the_claim_fails_where_squared_error_learns_as_fast(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(saturation.OBJECTIVES, NAMES[0], OBJECTIVES[NAMES[1]])
    assert saturation.run(Options(out=tmp_path)) == 1

import json
import platform

import numpy as np
import pytest

from experiments.harness import results
from experiments.harness.results import Figure, Record


def test_mean_and_spread():
    figure = Figure("accuracy", (1.0, 2.0, 6.0))
    assert figure.mean == 3.0
    assert figure.spread == pytest.approx(np.std((1.0, 2.0, 6.0), ddof=1))
    assert Figure("accuracy", (1.0,)).spread is None


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (1.0, None, None, ""),
        (1.0, 1.0, None, "reached"),
        (0.999, 1.0, None, "missed"),
        (1.001, None, 1.0, "missed"),
        (1.0, 1.0, 1.0, "reached"),
        (float("nan"), 1.0, None, "missed"),
    ],
)
def test_verdicts_at_the_bar(value, low, high, verdict):
    assert Figure("accuracy", (value,), low=low, high=high).verdict == verdict


def test_a_file_that_fails_half_way_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        results.replace(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_strict_and_holds_no_name_of_machine_or_folder(tmp_path):
    figure = Figure("steps", (float("inf"),))
    record = Record("a", "b", "c", {"out": 1.0}, (figure,), curves={"x": np.array([1.0, np.nan])})
    text = results.save(record, tmp_path / "deep").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["figures"][0]["values"] == [None]
    assert content["curves"]["x"] == [1.0, None]
    assert str(tmp_path) not in text
    assert platform.node() == "" or platform.node() not in text
    assert content["versions"]["python"] == platform.python_version()

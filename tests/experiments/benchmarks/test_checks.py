"""The cost of checks: the same parameters with and without, values that are looked at or not, a page with the ratio."""

import json

import numpy as np
import pytest

import fnnets as fn
from experiments.benchmarks import checks, table


def test_both_are_compared_and_timed_and_the_page_has_the_ratio(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checks, "EXAMPLES", 40)
    assert checks.main(["--pairs", "1", "--out", str(tmp_path)]) == 0
    assert "with/without" in capsys.readouterr().out
    content = json.loads((tmp_path / "checks.json").read_text())
    assert set(content["rows"]) == {"new arrays", "arrays", "stream"}
    assert all(row["agreement"] == 0 for row in content["rows"].values())
    assert f"| arrays | {content['rows']['arrays']['ratio']:.4f} |" in table.markdown([content])


def test_without_checks_no_value_is_looked_at():
    spoilt = np.array([[np.nan]])
    with checks.unchecked():
        checks.arrays.inputs(spoilt, (1,), "x")
        checks.arrays.targets(np.array([9]), (1,), (2,), fn.objectives.softmax_log_likelihood, "y")
    with pytest.raises(ValueError, match="x holds 1 values that are NaN"):
        checks.arrays.inputs(spoilt, (1,), "x")


@pytest.mark.parametrize(
    ("words", "message"), [(["--work", "array"], "write 'arrays'"), (["--pairs", "0"], "pairs is 0")]
)
def test_bad_options_are_one_line(words, message, capsys):
    assert checks.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

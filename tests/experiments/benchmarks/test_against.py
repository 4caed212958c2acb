"""The comparison of two checkouts: its verdict, its refusals, and a checkout against itself."""

from pathlib import Path

import pytest

from experiments.benchmarks import against

ROOT = Path(__file__).parents[3]


def rounds(new, spread):
    return [{"new": new, "old": 1.0, "again": 1.0 + spread * (-1) ** i} for i in range(15)]


@pytest.mark.parametrize(
    ("new", "spread", "is_within"),
    [(1.04, 0.0, True), (1.06, 0.0, False), (0.94, 0.0, False), (1.06, 0.08, True), (1.1, 0.08, False)],
)
def test_a_difference_is_within_five_per_cent_or_the_spread_of_the_control(new, spread, is_within):
    row = against.compared(rounds(new, spread))
    assert row["within"] == is_within
    assert row["ratio"] == pytest.approx(new)
    assert ("OUTSIDE" in against.line(row)) != is_within


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--other", "nowhere"], "other is nowhere, expected a checkout"),
        (["--other", str(ROOT), "--pairs", "0"], "pairs is 0, expected at least 1"),
        (["--other", str(ROOT), "--share", "0"], "share is 0.0, expected more than 0 and at most 1"),
        (["--other", str(ROOT), "--work", "gru"], "work is 'gru', expected one of feedforward"),
    ],
)
def test_bad_options_are_one_line(words, message, capsys):
    assert against.main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_checkout_against_itself_computes_the_same(tmp_path, capsys):
    """One pair of the shortest work: the verdict on so few times may be either, the parameters must agree."""
    options = against.Options(ROOT, pairs=1, work=("convolutional",), share=0.02, out=tmp_path)
    assert against.run(options) in (0, 1)
    assert "convolutional  new/old" in capsys.readouterr().out
    assert (tmp_path / "against.json").exists()

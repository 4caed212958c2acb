import json

import jax
import numpy as np
import pytest

import fnnets as fn
from experiments.harness.options import OptionError, parse
from experiments.sequences import sequence_digits
from experiments.sequences.sequence_digits import ROWS, Options


@pytest.mark.parametrize("reading", ["rows", "pixels"])
def test_the_first_half_trains_and_the_second_tests_each_image_in_reading_order(reading):
    train, test = sequence_digits.data(reading)
    digits = fn.data.digits()
    images, labels = np.asarray(digits.inputs), np.asarray(digits.targets)
    for part, wanted in ((train, slice(0, 898)), (test, slice(898, 1797))):
        read = np.moveaxis(np.asarray(part.inputs), 1, 0).reshape(-1, 64)
        np.testing.assert_array_equal(read, images[wanted])
        np.testing.assert_array_equal(part.targets, labels[wanted])


def test_rows_have_names_of_their_own_and_are_what_they_say():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        net = sequence_digits.network(row, 4)
        first = net.layer.parts[0].name
        cell = {"simple": "recurrent"}.get(row.cell, row.cell)
        assert first == ("bidirectional" if row.bidirectional else cell)
        assert (net.input_shape, net.output_shape) == ((8 if row.reading == "rows" else 1,), (10,))
        assert net.layer.time == "sequence to vector"
        assert (row.cell in row.name, row.reading in row.name) == (True, True)


def test_an_unknown_row_is_a_bad_option():
    with pytest.raises(OptionError, match="columns-lstm"):
        parse(Options, ["--rows", "columns-lstm"], "sequence_digits")


def test_a_small_network_learns_something_and_is_written(tmp_path, standard_promotion, monkeypatch, capsys):
    whole = sequence_digits.data("rows")
    few = [part._replace(inputs=part.inputs[:, :60], targets=part.targets[:60]) for part in whole]
    monkeypatch.setattr(sequence_digits, "data", lambda reading: (few[0], few[0]))
    options = Options(
        out=tmp_path, progress=False, rows=("rows-simple",), seeds=(0, 1), units=16, epochs=30, learning_rate=0.02
    )
    assert sequence_digits.run(options) == 0
    content = json.loads((tmp_path / "sequence_digits" / "sequence_digits.json").read_text())
    [figure] = content["figures"]
    assert figure["name"] == "rows, simple"
    assert min(figure["values"]) > 50  # of what it was trained with; chance is 10
    assert content["command"] == (
        "python -m experiments sequence_digits --rows rows-simple --units 16 --epochs 30 --learning-rate 0.02 "
        "--seeds 0 1"
    )
    assert (tmp_path / "sequence_digits" / "learning.png").exists()
    assert "96.89 %" in capsys.readouterr().out


def test_accuracy_is_that_of_the_test_digits(monkeypatch, standard_promotion):
    train, test = sequence_digits.data("rows")
    few = [part._replace(inputs=part.inputs[:, :40], targets=part.targets[:40]) for part in (train, test)]
    monkeypatch.setattr(sequence_digits, "data", lambda reading: few)
    row, options = ROWS[1], Options(progress=False, seeds=(0,), units=4, epochs=1)
    result, accuracies = sequence_digits.measure(row, options)
    net, params = sequence_digits.network(row, 4), jax.tree.map(lambda leaf: leaf[0], result.params)
    right = np.asarray(net.predict(params, few[1].inputs)).argmax(-1) == np.asarray(few[1].targets)
    assert accuracies == pytest.approx([100 * right.mean()])

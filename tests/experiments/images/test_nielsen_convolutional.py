import json

import jax
import numpy as np
import pytest

import fnnets as fn
from experiments.harness.options import find
from experiments.images import nielsen_convolutional, nielsen_convolutional_rows
from experiments.images.nielsen_convolutional import Options
from experiments.images.nielsen_convolutional_rows import ROWS, build


def test_rows_have_different_names_and_their_bars_below_what_is_published():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all((row.low or 0) <= row.published for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_builds_its_network(row):
    net = build(row)
    names = [part.name for part in net.layer.parts]
    assert names[:3] == ["convolution", "max_pooling", "activate"]
    assert (names.count("convolution"), names.count("dropout")) == {
        "one": (1, 0), "one-short": (1, 0), "two": (2, 0), "rectified": (2, 0), "expanded": (2, 0), "dropout": (2, 3)
    }[row.name]  # fmt: skip
    assert net.l2 == row.l2
    last = jax.eval_shape(net.init, jax.random.key(0))[-1]
    assert last.weights.shape == (10, 1000 if row.name == "dropout" else 100)


def test_parameters_begin_as_in_chapter_6(key):
    """Deviations √(4/25K) for K filters and 1/√q for q units; the layers of the network have just these beginnings."""
    scheme = nielsen_convolutional_rows.CHAPTER_6
    filters = scheme.weights(-2, -1)(key, (5, 5, 20, 40), np.float32)
    assert np.std(filters) == pytest.approx((4 / (25 * 40)) ** 0.5, rel=0.05)
    assert np.std(scheme.weights(-1, -2)(key, (100, 640), np.float32)) == pytest.approx(0.1, rel=0.05)
    convolution, *_, softmax = build(find(("one",), ROWS)[0]).layer.parts
    params, _ = convolution.init(key, (28, 28, 1))
    assert np.std(params.weights) == pytest.approx((4 / (25 * 20)) ** 0.5, rel=0.15)
    assert np.std(params.biases) > 0.5
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(softmax.init(key, (100,))[0]))


def test_the_penalty_is_the_books():
    """Its λ over the number of minibatches is ours over the number of images."""
    assert find(("rectified",), ROWS)[0].l2 / 50_000 == pytest.approx(0.1 / 5_000)
    assert find(("expanded",), ROWS)[0].l2 / 250_000 == pytest.approx(0.1 / 25_000)


def test_finished_runs_are_taken_from_their_files(tmp_path, bars, monkeypatch, capsys):
    measured = []

    def measure_seed(row, images, seed, epochs, options):
        measured.append(seed)
        value = 97.0 + seed
        return {"selected": value, "last": value, "best_epoch": 1, "validation_accuracy": [value] * epochs,
                "stopped": "", "seconds": 1.0}  # fmt: skip

    monkeypatch.setattr(nielsen_convolutional, "measure_seed", measure_seed)
    monkeypatch.setattr(nielsen_convolutional.plots, "save", lambda picture, path: path)

    def run(**chosen):
        measured.clear()
        assert nielsen_convolutional.run(Options(out=tmp_path, data_dir=bars, **chosen)) == 0
        return list(measured)

    monkeypatch.setattr(nielsen_convolutional, "DEFAULT_ROWS", ("one",))
    assert run(seeds=(0, 1)) == [0, 1]
    assert run(seeds=(0, 1, 2)) == [2]
    assert run(seeds=(0, 1), again=True) == [0, 1]
    assert run(seeds=(0,), epochs=3) == [0]
    assert run(seeds=(0,), examples=50) == [0]
    # the row for 10 epochs is already there
    assert run(seeds=(0,), rows=("one-short",)) == [0]
    assert run(seeds=(0,), full=True) == [0] * (len(ROWS) - 1)
    name = "nielsen_convolutional-one-10-epochs-100-images.json"
    content = json.loads((tmp_path / "nielsen_convolutional" / name).read_text())
    assert content["figures"][0]["published"] == 98.78
    assert content["figures"][0]["mean"] == 97.5
    assert content["seeds"] == [0, 1]
    assert content["command"] == "python -m experiments nielsen_convolutional --rows one --seeds 0 1"


def test_other_settings_in_a_file_are_not_taken(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"settings": {"l2": 1.0}, "selected": 99.0}))
    assert nielsen_convolutional.finished(path, {"l2": 1.0})["selected"] == 99.0
    assert nielsen_convolutional.finished(path, {"l2": 0.0}) is None


def test_a_run_reports_the_best_and_the_last_epoch(bars, monkeypatch):
    row = find(("one",), ROWS)[0]._replace(table="conv5-2 maxpool2 | fc-10", expanded=True)
    options = Options(seeds=(0,), examples=30, data_dir=bars, progress=False)
    images = nielsen_convolutional.load(options)
    images = images._replace(validation=fn.Batch(images.validation.inputs[:40], images.validation.targets[:40]))
    given = []
    fit = fn.fit
    monkeypatch.setattr(fn, "fit", lambda *args, **how: given.append(args[2]) or fit(*args, **how))
    found = nielsen_convolutional.measure_seed(row, images, 0, 2, options)
    assert len(given[0].inputs) == 150
    assert len(found["validation_accuracy"]) == 2
    assert found["best_epoch"] == 1 + int(np.argmax(found["validation_accuracy"]))
    assert 0 <= found["last"] <= 100
    if found["best_epoch"] == 2:
        assert found["selected"] == found["last"]
    assert find((), ROWS) == ROWS

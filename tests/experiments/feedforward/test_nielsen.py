import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnets as fn
from experiments.feedforward import nielsen
from experiments.feedforward.nielsen import Options
from experiments.feedforward.nielsen_rows import ROWS
from experiments.harness import training
from experiments.harness.options import find


def test_rows_have_different_names_and_published_figures_inside_their_bars():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        low, high = (row.low or 0), (row.high or 100)
        assert low <= row.published <= high


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_builds_its_network(row):
    net, _ = nielsen.build(row)
    shapes = [layer.weights.shape for layer in jax.eval_shape(net.init, jax.random.key(0))]
    assert shapes == list(zip(row.sizes[1:], row.sizes[:-1], strict=True))
    assert net.l2 == row.l2


@pytest.mark.parametrize(
    ("name", "deviation"), [("chapter-3-tuned", 1.0), ("chapter-5-depth-1", 1 / 28), ("chapter-6-shallow", 0.1)]
)
def test_weights_begin_as_the_row_says(name, deviation):
    net, _ = nielsen.build(find((name,), ROWS)[0])
    assert float(net.init(jax.random.key(0))[0].weights.std()) == pytest.approx(deviation, rel=0.05)


def test_chapter_6_begins_with_a_softmax_layer_of_zeros():
    net, _ = nielsen.build(find(("chapter-6-shallow",), ROWS)[0])
    params = net.init(jax.random.key(0))
    assert float(jnp.abs(params[-1].weights).max()) == 0
    assert float(jnp.abs(params[-1].biases).max()) == 0
    assert float(params[0].biases.std()) > 0.5


def test_a_step_is_the_books_weights_decay_by_the_size_of_the_data_set_and_biases_do_not(key):
    row = find(("chapter-3-tuned",), ROWS)[0]._replace(sizes=(3, 2))
    net, optimizer = nielsen.build(row)
    params = net.init(key)
    batch = fn.Batch(jax.random.normal(key, (10, 3)), jnp.eye(2)[jnp.arange(10) % 2], dataset_size=50_000)
    gradient = jax.jit(net.gradient)(params, batch)
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    [(weights, biases)] = jax.tree.map(lambda p, u: p + u, params, updates)
    error = jax.nn.sigmoid(batch.inputs @ params[0].weights.T + params[0].biases[None]) - batch.targets
    kept = 1 - row.learning_rate * row.l2 / 50_000
    expected = kept * params[0].weights - row.learning_rate / 10 * error.T @ batch.inputs
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(biases, params[0].biases - row.learning_rate / 10 * error.sum(0), rtol=1e-5)


def test_figures_come_from_the_epochs_that_they_name():
    accuracies = np.array([[90.0, 80.0], [95.0, 85.0], [94.0, 86.0]])
    row = find(("chapter-1-30",), ROWS)[0]
    run, best, last = nielsen._figures(row, accuracies)
    assert (run.values, run.published) == ((95.0,), 95.42)
    assert (best.values, best.published) == ((95.0, 86.0), None)
    assert last.values == (94.0, 86.0)
    assert nielsen._figures(row, np.arange(8.0)[None])[0].values == (2.0, 5.0)  # two whole threes


def test_a_row_is_measured_and_written_with_the_command_that_repeats_it(tmp_path, bars, capsys):
    name = "chapter-6-shallow"
    options = Options(out=tmp_path, rows=(name,), seeds=(3, 5), epochs=2, data_dir=bars, progress=False)
    assert nielsen.run(options) == 0
    content = json.loads((tmp_path / "nielsen" / f"nielsen-{name}.json").read_text())
    assert content["command"] == f"python -m experiments nielsen --rows {name} --epochs 2 --seeds 3 5"
    assert content["seeds"] == [3, 5]
    [published] = [figure for figure in content["figures"] if figure["published"] is not None]
    assert published["published"] == find((name,), ROWS)[0].published
    assert len(published["values"]) == 2
    assert (tmp_path / "nielsen" / f"nielsen-{name}.png").exists()


def test_training_uses_as_many_images_as_the_row_says(bars):
    images = fn.data.mnist(bars)
    assert len(training.first(images.train, 10).inputs) == 10
    row = find(("chapter-3-1000",), ROWS)[0]
    assert nielsen._targets(row, images.test).targets.shape == (200, 10)
    assert nielsen.settings(row, Options())["examples"] == 1000

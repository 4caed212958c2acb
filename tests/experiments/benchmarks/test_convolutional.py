import json

import jax
import numpy as np
import pytest

import fnnets as fn
from experiments.benchmarks import convolutional, convolutional_peers, peers
from experiments.benchmarks.convolutional_peers import Work


@pytest.fixture(scope="module")
def small():
    """The smallest network of the first one's form."""
    objective = fn.objectives.softmax_log_likelihood
    net = fn.convolutional((6, 6, 1), "conv3-2 maxpool2 | fc-3 fc-2", objective=objective, pool_first=True)
    random = np.random.default_rng(0)
    images, labels = random.random((3, 6, 6, 1), np.float32), random.integers(0, 2, 3, np.int32)
    batch = fn.Batch(jax.numpy.asarray(images), jax.numpy.asarray(labels))
    return Work("nielsen-3", net, jax.nn.sigmoid, net.init(jax.random.key(0)), batch)


def test_all_have_the_same_gradient_and_what_is_written_says_so(small, monkeypatch, tmp_path):
    monkeypatch.setattr(convolutional, "work", lambda name: small)
    monkeypatch.setattr(convolutional, "_steps", lambda one: 2)
    assert convolutional.main(["--nets", "nielsen-10", "--rounds", "1", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "convolutional.json").read_text())
    (net,) = content["nets"]
    assert set(net["agreement"]) >= {"automatic", "textbook"}
    assert max(net["agreement"].values()) < 1e-4
    assert len(net["samples"]) == (8 if peers.has_torch() else 7)
    text = convolutional.markdown(content)
    assert "| textbook in a call / explicit | nielsen-3 |" in text
    assert "| explicit in a scan |" in text


def test_another_gradient_is_found(small, monkeypatch, tmp_path, capsys):
    def wrong(one):
        return lambda params, batch: jax.tree.map(lambda leaf: 1.01 * leaf, one.net.cost_and_gradient(params, batch))

    monkeypatch.setattr(convolutional, "work", lambda name: small)
    monkeypatch.setattr(convolutional, "_steps", lambda one: 1)
    monkeypatch.setattr(convolutional_peers, "textbook", wrong)
    monkeypatch.setattr(peers, "has_torch", lambda: False)
    assert convolutional.main(["--nets", "nielsen-10", "--rounds", "1", "--out", str(tmp_path)]) == 1
    assert "textbook has another gradient" in capsys.readouterr().err


def test_bad_options_are_refused(capsys):
    assert convolutional.main(["--nets", "alexnet"]) == 2
    assert "nets name 'alexnet', expected some of nielsen-10" in capsys.readouterr().err


def test_flops_are_counted_by_hand(small):
    """4 x 4 positions of 9 weights, 2 filters; then 8 x 3 and 3 x 2; the first layer's third product is not needed."""
    assert convolutional.flops(small) == 2 * 3 * (3 * (16 * 9 * 2 + 24 + 6) - 16 * 9 * 2)

import json

import jax
import numpy as np
import pytest

from experiments.benchmarks import peers, rbm
from experiments.benchmarks import rbm_peers as loops


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(rbm, "SIZES", (6, 5, 4))
    monkeypatch.setattr(rbm, "HIDDEN", 5)
    monkeypatch.setattr(rbm, "BATCH", 10)
    monkeypatch.setattr(rbm, "CHAINS", 10)
    monkeypatch.setattr(rbm, "GEMM_SIZE", 16)


def options(folder, *more):
    return ["--examples", "40", "--temperatures", "20", "--rounds", "1", "--out", str(folder), *more]


def test_all_are_compared_and_timed_and_what_is_written_says_so(tmp_path, capsys):
    assert rbm.main(options(tmp_path)) == 0
    content = json.loads((tmp_path / "rbm.json").read_text())
    torch = {"PyTorch"} if peers.has_torch() else set()
    assert {row["name"]: set(row["samples"]) - {"GEMM"} for row in content["works"]} == {
        "cd": {"explicit", "automatic"} | torch,
        "pcd": {"explicit", "automatic", "scikit-learn"} | torch,
        "annealing": {"explicit"} | torch,
        "autoencoder": {"explicit", "automatic"} | torch,
    }
    assert all(value < rbm.TOLERANCE for row in content["works"] for value in row["agreement"].values())
    assert "| scikit-learn / explicit | pcd |" in rbm.markdown(content)
    assert "scikit-learn / explicit" in capsys.readouterr().out


def test_a_peer_that_computes_something_else_is_found(tmp_path, monkeypatch, capsys):
    honest = loops.scikit_gradient

    def wrong(params, v):
        gradient, samples = honest(params, v)
        return jax.tree.map(lambda leaf: 1.001 * leaf, gradient), samples

    monkeypatch.setattr(loops, "scikit_gradient", wrong)
    monkeypatch.setattr(peers, "has_torch", lambda: False)
    assert rbm.main(options(tmp_path, "--works", "pcd")) == 1
    assert "pcd: scikit-learn computes something else" in capsys.readouterr().err


def test_scikit_learns_step_is_the_difference_of_statistics_of_the_samples_it_drew():
    random = np.random.default_rng(0)
    params = loops.Arrays(random.normal(size=(3, 4)), random.normal(size=4), random.normal(size=3))
    v = (random.random((5, 4)) < 0.5).astype(float)
    gradient, samples = loops.scikit_gradient(params, v)

    def means(x):
        h = 1 / (1 + np.exp(-(x @ params.weights.T + params.hidden_biases)))
        return h.T @ x / len(x), x.mean(axis=0), h.mean(axis=0)

    for found, model, data in zip(gradient, means(samples), means(v), strict=True):
        np.testing.assert_allclose(found, model - data, rtol=1e-10)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["--works", "dbm"], "works name 'dbm'"),
        (["--examples", "3"], "examples is 3"),
        (["--rounds", "0"], "rounds is 0"),
    ],
)
def test_bad_options_are_refused(bad, message, capsys):
    assert rbm.main(bad) == 2
    assert message in capsys.readouterr().err

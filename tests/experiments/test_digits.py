import json

import jax
import pytest

import fnnets as fn
from experiments import digits
from experiments.digits import Options


class Proof:
    """What stands in for a report where the proof is not what is tested."""

    ok = True

    def table(self):
        return "the table"

    def to_json(self):
        return "{}"


def options(folder):
    return Options(out=folder, seeds=(0,), epochs=2, hidden=5, progress="silent")


@pytest.fixture(scope="module")
def compiled():
    return digits.network(Options(hidden=5))


@pytest.fixture(autouse=True)
def compile_once(compiled, monkeypatch):
    monkeypatch.setattr(digits, "network", lambda chosen: compiled)


def once(function):
    """Each proof takes seconds to compile; the second one is the first again."""
    found = []

    def call(*args):
        found.extend([] if found else [function(*args)])
        return found[0]

    return call


def test_the_demo_proves_trains_compares_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fn.verify, "network", once(fn.verify.network))
    assert digits.run(options(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "float64" in said
    assert "the same parameters to rounding" in said
    names = {path.name for path in (tmp_path / "digits").iterdir()}
    pictures = {"learning-curves.png", "filters.png", "confusion.png"}
    assert names == pictures | {"digits.json", "verification-initial.json", "verification-trained.json"}
    content = json.loads((tmp_path / "digits" / "digits.json").read_text())
    assert "SVC, 96.89 %" in said
    assert content["figures"][0]["values"] == content["figures"][1]["values"]


def test_gradients_that_part_are_found(tmp_path, monkeypatch, capsys):
    right = digits._train

    def wrong(net, optimizer, train, validation, gradient, seed, options):
        run = right(net, optimizer, train, validation, gradient, seed, options)
        factor = 1.01 if gradient == "explicit" else 1.0
        return run._replace(result=run.result._replace(params=jax.tree.map(lambda p: factor * p, run.result.params)))

    monkeypatch.setattr(digits, "_train", wrong)
    monkeypatch.setattr(fn.verify, "network", lambda *args: Proof())
    assert digits.run(options(tmp_path)) == 1
    assert "DIFFERENT parameters" in capsys.readouterr().out


def test_a_gradient_that_is_not_proven_is_a_failure(tmp_path, monkeypatch, capsys):
    proof = Proof()
    proof.ok = False
    monkeypatch.setattr(fn.verify, "network", lambda *args: proof)
    assert digits.run(options(tmp_path)) == 1

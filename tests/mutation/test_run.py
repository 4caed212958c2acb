"""A family is killed and named; survivors have a reason; a user's own network is tried as ours are."""

import json

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets import mutation
from fnnets.mutation import probes

FEW = [
    "σ′ at a instead of z", "W for Wᵀ in the backward walk", "missing 1/m everywhere", "L2 on biases",
    "dropout mask missing in the backward", "σ′ taken from another layer",
]  # fmt: skip


@pytest.fixture(scope="module")
def outcome():
    return mutation.run("dense", names=FEW)


def test_all_are_killed_and_named(outcome):
    assert sorted(result.name for result in outcome.results) == sorted(FEW)
    assert [result.name for result in outcome.results if not result.named] == []
    assert outcome.survivors == ()


def test_places(outcome):
    """Where each fault is, from the statements of the notes, not from a run."""
    where = {result.name: result.where for result in outcome.results}
    assert where["σ′ at a instead of z"] == "layer 0 dense z"  # the layer above is linear, so (2) cannot fail there
    assert where["W for Wᵀ in the backward walk"].endswith("dense d_x")
    assert where["missing 1/m everywhere"] == "output"
    assert where["L2 on biases"] == "penalty [0].biases"
    assert where["dropout mask missing in the backward"] == "layer 1 dropout d_x"
    assert where["σ′ taken from another layer"].startswith("gradient ")


def test_table_and_json(outcome):
    lines = outcome.table().splitlines()
    assert max(map(len, lines)) <= 110
    assert lines[-1].startswith("dense: 6 of 6 mutants killed, 6 named at first hit, in float64, ")
    content = json.loads(outcome.to_json())
    assert (content["schema"], content["mutants"], content["killed"], content["named"]) == (1, 6, 6, 6)
    assert tuple(content["results"][0]) == mutation.Result._fields


def test_float32_alone():
    outcome = mutation.run("dense", names=["λ/m for λ/n"], x64=False)
    assert len(outcome.named) == 1
    assert "in float32" in outcome.summary()


def test_a_degenerate_probe_is_the_reason_why_they_survive():
    outcome = mutation.run("dense", batch=1, names=["missing 1/m everywhere"])
    assert outcome.killed == ()
    assert outcome.survivors[0].reason == "equivalent here: it needs a batch of more than one"


def test_a_fault_that_is_not_found_is_missed(monkeypatch):
    """A verifier that passes everything: the planted fault of this test."""
    blind = fn.verify.Report("network", "float64", (fn.verify.Row("2", "layer", "ok"),))
    monkeypatch.setattr("fnnets.verify.checks.network.compared", lambda net, known: blind)
    seen = []
    outcome = mutation.run("dense", names=["db zero"], progress=seen.append)
    assert [result.name for result in seen] == ["db zero"]
    assert outcome.survivors[0].reason == "missed: it differs by 1.0e+00, relatively"  # |0 − db| / |db|


def test_a_fault_at_another_place_is_killed_and_not_named(monkeypatch):
    elsewhere = fn.verify.Report("network", "float64", (fn.verify.Row("2", "layer 0 dense z", "wrong"),))
    monkeypatch.setattr("fnnets.verify.checks.network.compared", lambda net, known: elsewhere)
    (result,) = mutation.run("dense", names=["db zero"]).results
    assert result.killed
    assert not result.named
    assert result.reason == "expected at dense .biases 3, 5"


def test_conventions_pass_and_have_a_row():
    outcome = mutation.run("pooling", names=["the last among ties"])
    assert outcome.named[0].where == "layer 0 max_pooling d_x"


def test_samplers_have_their_own_check():
    outcome = mutation.run("rbm", names=["persistent chain reset at each step"])
    assert outcome.named[0].where == "memory"


def _network():
    net = fn.network(fn.layers.recurrent(2, fn.activations.tanh), fn.objectives.linear_squared_error, (3,))
    x, y = (jax.random.normal(jax.random.key(seed), (4, 3, size)) for seed, size in ((1, 3), (2, 2)))
    return net, net.init(jax.random.key(0)), fn.Batch(x, y)


def test_a_network_of_ones_own():
    names = ["ω for ωᵀ in the carry", "padded steps carried like real ones", "v₀ for v_k"]
    outcome = mutation.of(_network, "mine", names=names)
    reasons = {result.name: result.reason for result in outcome.survivors}
    assert [result.where for result in outcome.named] == ["layer recurrent a[t]"]
    assert reasons[names[1]] == (
        "does not apply: the changed line of fnnets.kernels.scan:_scan_backward never runs here; it needs padded steps"
    )
    assert reasons[names[2]].startswith("does not apply: ")
    assert outcome.subject == "mine"


def test_samplers_that_cannot_be_verified_are_named_so():
    def make():
        rbm = fn.rbm(3, 2, visible_units="gaussian")
        return rbm, rbm.init(jax.random.key(0)), fn.Batch(jnp.ones((4, 3)))

    (result,) = mutation.of(make, names=["v₀ for v_k"]).survivors
    assert result.reason.startswith("not verified: sampler: ")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mutation.run("nothing"), r"^mutation: family is 'nothing', expected 'dense', .* or 'all'"),
        (lambda: mutation.run("dense", names=["db"]), r"^mutation: names holds 'db', expected names of the catalogue"),
        (lambda: mutation.run("dense", batch=0), r"^mutation: batch is 0"),
        (lambda: mutation.run("dense", sizes=(3, 2)), r"^mutation: sizes is \(3, 2\), expected at least three"),
        (lambda: probes.settings("nothing"), r"^mutation: family is 'nothing'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("family", probes.FAMILIES)
def test_settings_are_in_general_position(family):
    for setting in probes.settings(family):
        probe = setting.make()
        for leaf in jax.tree.leaves(probe.params):
            assert float(jnp.abs(leaf).min()) > 0, setting.name
        n = probe.batch.dataset_size
        assert n is None or n not in probe.batch.inputs.shape[:2], setting.name
        if probe.batch.mask is not None:
            mask = probe.batch.mask
            within = (~mask[:-1] & mask[1:]).any()
            assert mask.any(axis=0).all()
            assert within
            assert (~mask[-1]).any()


def test_settings_take_the_users_shapes():
    probe = probes.settings("lstm", batch=2, steps=9, sizes=(6, 3, 2))[0].make()
    assert probe.batch.inputs.shape == (9, 2, 6)
    assert probe.params[0].candidate.weights.shape == (3, 6)

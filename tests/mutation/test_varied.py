"""Probes of other seeds: other shapes and numbers, on which the faults are found as well."""

import jax
import numpy as np
import pytest

from fnnets import mutation
from fnnets.mutation import probes, varied

FAMILIES = [family for family in probes.FAMILIES if family != "convolution"]


def arrays(probe):
    return [np.asarray(leaf) for leaf in jax.tree.leaves((probe.params, probe.batch)) if np.ndim(leaf)]


def test_seed_0_is_the_probe_itself():
    one, other = probes.settings("dense"), probes.settings("dense", seed=0)
    assert all(np.array_equal(*pair) for pair in zip(arrays(one[0].make()), arrays(other[0].make()), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_takes_the_numbers_of_another_seed(family):
    """A cost is defined, and masks, inputs and targets are such as the network takes: `cost` checks them."""
    for setting in probes.settings(family, seed=3):
        net, params, batch, key = setting.make()
        assert np.isfinite(net.cost(params, batch, key=key))


def test_shapes_and_numbers_differ_among_seeds():
    drawn = [varied.shapes(probes.Shapes(), seed) for seed in range(12)]
    assert len(set(drawn)) > 9
    assert all(3 <= each.batch <= 7 and 4 <= each.steps <= 7 for each in drawn)
    assert {len(set(each.sizes)) for each in drawn[1::2]} == {1}
    given = [probes.settings("dense", batch=5, sizes=(4, 3, 2), seed=seed)[0].make() for seed in (1, 2, 2)]
    assert {each.batch.inputs.shape for each in given} == {(5, 4)}
    one, other, same = map(arrays, given)
    assert not any(np.array_equal(*pair) for pair in zip(one, other, strict=True))
    assert all(np.array_equal(*pair) for pair in zip(other, same, strict=True))


def test_what_a_family_relies_on_stays():
    """Rows of a softmax sum to what they did, ties stay ties, and a key is another key."""
    before, after = (probes.settings("dense", seed=seed, batch=6, sizes=(5, 4, 3))[0].make() for seed in (0, 4))
    np.testing.assert_allclose(after.batch.targets.sum(axis=-1), before.batch.targets.sum(axis=-1), rtol=1e-6)
    ties = probes.settings("pooling", seed=5)[-1].make().batch.inputs
    assert set(np.unique(ties)) <= {0.0, 1.0, 2.0}
    keys = [probes.settings("dense", seed=seed)[2].make().key for seed in (0, 1)]
    assert not np.array_equal(*map(jax.random.key_data, keys))


def test_lengths_are_of_every_kind():
    mask = np.asarray(varied.lengths(np.random.default_rng(0), 6, 5)).sum(axis=0)
    assert mask.min() == 1
    assert (mask >= 1).all()
    assert varied.lengths(np.random.default_rng(0), 4, 1).shape == (4, 1)


def test_faults_are_found_at_another_seed():
    names = ["W for Wᵀ in the backward walk", "missing 1/m everywhere", "L2 on biases"]
    outcome = mutation.run("dense", names=names, seed=2)
    assert [result.name for result in outcome.results if not result.named] == []

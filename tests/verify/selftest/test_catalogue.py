"""A share of the self-test: each family once right, every other one with a fault; `fnnets selftest` tries all.

What the verdicts must be follows from how the families are made: right code by the calculus, faults by their change.
"""

import zlib

import jax
import numpy as np
import pytest

from fnnets.verify.selftest import FAMILIES
from fnnets.verify.selftest.trying import RIGHT, Trial, tried

SEEDS = 20
FAULTY = [family for family in FAMILIES if family.faults][::2]  # the others would take half a minute more


def chosen(family):
    """A seed and one of the faults, which depend on nothing but the family's name."""
    number = zlib.crc32(family.name.encode())
    return number % SEEDS, number // SEEDS % max(1, len(family.faults))


def named(families):
    return pytest.mark.parametrize("family", families, ids=[each.name for each in families])


@named(FAMILIES)
def test_right_code_passes(family):
    result = tried(Trial(family, RIGHT, chosen(family)[0]))
    assert result.verdict == "pass", f"{result.where}: {result.detail}"


@named(FAULTY)
def test_a_fault_is_found_and_named(family):
    seed, index = chosen(family)
    fault = family.faults[index]
    result = tried(Trial(family, fault, seed))
    assert result.expected, f"{fault.name}: {result.verdict} {result.where} {result.detail}"
    assert result.named, f"{fault.name}: named {result.where}, expected one of {fault.places}"


def test_the_catalogue_is_large_and_each_name_is_there_once():
    assert len(FAMILIES) >= 60
    assert sum(family.is_unusual for family in FAMILIES) >= 25
    assert sum(len(family.faults) for family in FAMILIES) >= 80
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(place for family in FAMILIES for fault in family.faults for place in fault.places)


def numbers(family, seed):
    """The arrays among a call's arguments."""
    leaves = [leaf for leaf in jax.tree.leaves(family.call(seed).arguments[2:]) if isinstance(leaf, jax.Array)]
    is_key = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [jax.random.key_data(leaf) if key else leaf for leaf, key in zip(leaves, is_key, strict=True)]


def alike(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def test_draws_depend_on_the_seed_alone():
    for family in FAMILIES:
        assert alike(numbers(family, 3), numbers(family, 3)), family.name
        assert not alike(numbers(family, 3), numbers(family, 4)) or "NumPy" in family.name, family.name


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="fault is 'none such', expected one of"):
        FAMILIES[0].call(0, "none such")

"""The families, a file a kind: `KINDS` has them by kind, `FAMILIES` in order."""

from fnnets.verify.selftest.catalogue import (
    attention,
    declared,
    dense,
    images,
    kinks,
    likelihoods,
    matrices,
    precision,
    rules,
    sequences,
    unusual,
)
from fnnets.verify.selftest.family import Family

FILES = (dense, images, sequences, attention, likelihoods, matrices, kinks, precision, rules, declared, unusual)
KINDS: dict[str, tuple[Family, ...]] = {
    each.__name__.rpartition(".")[2]: tuple(each.CATALOGUE.families) for each in FILES
}
FAMILIES: tuple[Family, ...] = tuple(family for families in KINDS.values() for family in families)

__all__ = ["FAMILIES", "KINDS"]

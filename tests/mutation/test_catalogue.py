"""The catalogue as data: every change fits its source, and every mutant has a setting and a place."""

import pytest

from fnnets.mutation import CATALOGUE
from fnnets.mutation.mutant import CONVENTION, FAULT, SAMPLER, is_named
from fnnets.mutation.patch import code, found
from fnnets.mutation.probes import FAMILIES

ALL = [(family, mutant) for family, mutants in CATALOGUE.items() for mutant in mutants]

# Each line of the published catalogue, by a part of a mutant's name.
PUBLISHED = {
    "dense": [
        "σ′ at a instead of z", "σ′ omitted in a hidden layer", "σ′ kept with the cross-entropy",
        "σ′ dropped with the quadratic", "δ(L) with its sign flipped", "W for Wᵀ in the backward walk",
        "a(l) for a(l−1) in dW", "missing 1/m, dW only", "missing 1/m everywhere", "db zero", "db averaged",
        "L2 on biases", "λ/m for λ/n", "L2 missing a layer", "L2 off by 2", "dropout mask missing",
        "ReLU derivative inverted", "σ′ taken from another layer", "softmax Jacobian's diagonal only",
    ],
    "autoencoder": ["decoder's term not transposed", "sparsity term missing from δ"],
    "recurrent": [
        "ω for ωᵀ in the carry", "carry not propagated", "a[t] for a[t−1] in dω", "last step's δ dropped",
        "t = 1 left out of the sums", "truncation one step early", "missing 1/T", "double 1/T",
        "cost mask not applied", "activation slope taken at the previous step",
        "backward half's gradient never added", "outputs not re-reversed by length", "clipping inside the carry",
    ],
    "lstm": [
        "forget path missing in δc", "tanh′ at c instead of tanh(c)", "input gate's σ′ missing",
        "forget gate's σ′ missing", "output gate's σ′ missing", "input gate and candidate swapped",
    ],
    "convolution": [
        "kernel not flipped in the input gradient", "input and output channels not transposed",
        "stride dilation forgotten", "db not summed over height and width", "correlation for convolution in dW",
    ],
    "pooling": ["mean-pool missing its 1/(hw)", "split among ties"],
    "rbm": [
        "phases swapped", "h₀ for h_k in the negative phase", "chain differentiated through",
        "persistent chain reset at each step", "normalised by units instead of examples",
    ],
}  # fmt: skip


def test_names_are_unique():
    names = [mutant.name for _, mutant in ALL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("family", CATALOGUE)
def test_changes_fit_their_source(family):
    for mutant in CATALOGUE[family]:
        assert code(mutant).co_name == found(mutant).__name__


@pytest.mark.parametrize("family", CATALOGUE)
def test_mutants_have_a_setting_a_place_and_a_kind(family):
    for mutant in CATALOGUE[family]:
        assert mutant.setting in FAMILIES[family], mutant.name
        assert mutant.where, mutant.name
        assert all(mutant.where), mutant.name
        assert mutant.needs, mutant.name
        assert mutant.kind in (FAULT, CONVENTION, SAMPLER)


@pytest.mark.parametrize("family", PUBLISHED)
def test_every_published_line_is_a_mutant(family):
    names = [mutant.name for mutant in CATALOGUE[family]]
    missing = [line for line in PUBLISHED[family] if not any(line in name for name in names)]
    assert not missing


def test_a_row_names_a_mutant_by_place_and_statement():
    omitted = next(mutant for _, mutant in ALL if mutant.name == "σ′ omitted in a hidden layer")
    assert is_named(omitted, "layer 1 dense z", "2")
    assert not is_named(omitted, "layer 1 dense .weights", "4, 6")
    assert not is_named(omitted, "layer 1 dense z", "8")

"""Restricted Boltzmann machines: energies, samplers, the partition function and the likelihood.

`fnnets.rbm(visible, hidden, …)` makes one. The functions here take it, its parameters and states.
"""

from fnnets.boltzmann.energies import (
    energy,
    free_energy,
    free_energy_gap,
    hidden_given_visible,
    statistics,
    visible_given_hidden,
)
from fnnets.boltzmann.likelihood import log_likelihood, pseudo_log_likelihood
from fnnets.boltzmann.partition import Estimate, annealed_importance_sampling, exact_samples, log_partition
from fnnets.boltzmann.sampling import (
    contrastive_divergence,
    gibbs_step,
    parallel_tempering,
    persistent_contrastive_divergence,
    sample,
)
from fnnets.core import units

__all__ = [
    "Estimate",
    "annealed_importance_sampling",
    "contrastive_divergence",
    "energy",
    "exact_samples",
    "free_energy",
    "free_energy_gap",
    "gibbs_step",
    "hidden_given_visible",
    "log_likelihood",
    "log_partition",
    "parallel_tempering",
    "persistent_contrastive_divergence",
    "pseudo_log_likelihood",
    "sample",
    "statistics",
    "units",
    "visible_given_hidden",
]

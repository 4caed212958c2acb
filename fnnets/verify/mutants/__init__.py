"""Faults planted on purpose: how a verifier knows that its checks can fail.

run(family)                 every mutant of a family, at networks of ours of the given shapes
of(make)                    every mutant that meets a network of one's own
with applied(mutant): …     one mutant

mutant      one small, named change to the source of a correct backward pass
applying    the change made and undone
families    networks at which mutants are tried, in general position
dense, convolution, pooling, recurrent, lstm, autoencoder, boltzmann    the catalogue, as data
run, table  each mutant tried: killed, named, or why it survived
"""

from fnnets.verify.mutants.applying import applied
from fnnets.verify.mutants.mutant import Mutant
from fnnets.verify.mutants.run import CATALOGUE, of, run
from fnnets.verify.mutants.table import Outcome, Result

__all__ = ["CATALOGUE", "Mutant", "Outcome", "Result", "applied", "of", "run"]

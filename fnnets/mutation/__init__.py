"""Faults planted on purpose, which the verifier must find and name.

run(family)                 every mutant of a family, at networks of ours of the given shapes
of(make)                    every mutant that applies to a network of one's own
with applied(mutant): …     one mutant

mutant      one small, named change to the source of a correct backward pass
patch       the change made and undone
probes      networks at which mutants are tried, in general position
catalogue   the mutants of each family, as data
run, table  each mutant tried: killed, named, or the reason why it survived
"""

from fnnets.mutation.mutant import Mutant
from fnnets.mutation.patch import applied
from fnnets.mutation.run import CATALOGUE, of, run
from fnnets.mutation.table import Outcome, Result

__all__ = ["CATALOGUE", "Mutant", "Outcome", "Result", "applied", "of", "run"]

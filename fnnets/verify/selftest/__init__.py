"""The verifier held against code whose verdict is known: families of right code, and each with one fault.

`run()` tries them and returns an `Outcome`; `FAMILIES` has all, `KINDS` the same by kind. The command is
`fnnets selftest`.

    family      what a family is, and what it draws
    catalogue   the families, a file a kind
    trying      trials and their results
    table       their counts, table and JSON
"""

from fnnets.verify.selftest.catalogue import FAMILIES, KINDS
from fnnets.verify.selftest.table import Outcome, Result
from fnnets.verify.selftest.trying import run

__all__ = ["FAMILIES", "KINDS", "Outcome", "Result", "run"]

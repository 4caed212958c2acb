"""How a gradient is proven: hand-written against automatic, leaf by leaf, judged in float64, with a third witness.

`verify.network` walks a network statement by statement, `verify.layer` checks one forward/backward pair,
`verify.gradient` any cost with a gradient of one's own; each returns a `Report`.

    of_*.py     the doors; named so that `verify.network` is the function and not a module
    oracle      a network taken apart; walk: one layer of it; guard: what is asked of arguments
    examine     the course of a check: evidence, precision, witness, compare, judge, report, table
"""

from fnnets.verify.of_gradient import gradient
from fnnets.verify.of_layer import layer
from fnnets.verify.of_network import network
from fnnets.verify.report import Report, Row

__all__ = ["Report", "Row", "gradient", "layer", "network"]

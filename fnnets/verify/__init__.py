"""How a gradient is proven: hand-written against automatic, mark by mark, leaf by leaf, judged in float64.

`verify.network` walks a network statement by statement, `verify.layer` checks one forward/backward pair,
`verify.activation` a derivative beside its value, `verify.gradient` any cost with a gradient of one's own,
`verify.custom_vjp` any function with a derivative of its own, `verify.sampler` the chains of a small Boltzmann machine;
each returns a `Report`. `verify.tap` and `verify.delta` name quantities inside one's own passes.

    of_*.py     the doors; named so that `verify.network` is the function and not a module
    sites       where passes mark quantities; marks: which delta belongs to which tap
    oracle      a network taken apart; walk: one layer of it; guard: what is asked of arguments
    examine     the order of a check; course: the oracle's side and the accused's; hearing: from values to rows
    precision   float32 and float64; pieces: large gradients leaf by leaf
    compare, judge, witness, noise, slopes, kinks                     who is right
    explain, places, diagnose                                         where, and what went wrong
    properties  what every gradient is, whatever its values
    chains, statistics                                                small machines, enumerated
    report, table, console, pictures                                  what is shown
    mutants     faults planted on purpose
"""

from fnnets.taps import delta, tap
from fnnets.verify.of_activation import activation
from fnnets.verify.of_custom_vjp import custom_vjp
from fnnets.verify.of_gradient import gradient
from fnnets.verify.of_layer import layer
from fnnets.verify.of_network import network
from fnnets.verify.of_sampler import sampler
from fnnets.verify.report import Report, Row

__all__ = ["Report", "Row", "activation", "custom_vjp", "delta", "gradient", "layer", "network", "sampler", "tap"]

"""The verifier: hand-written gradients against automatic ones, mark by mark, leaf by leaf, decided in float64.

`verify.network` checks a network statement by statement, `verify.layer` one forward and backward pass,
`verify.activation` a derivative beside its value, `verify.gradient` any cost with a gradient of one's own,
`verify.custom_vjp` any function with a derivative of its own, `verify.sampler` the chains of a small Boltzmann machine;
each returns a `Report`. `verify.tap` and `verify.delta` name quantities inside one's own passes.

    checks      what users call, one file a check; `run` takes a case to its report, `decompose` a network to its layers
    markov      checks of samplers against enumerated chains
    judging     verdicts, finite differences, rounding, Taylor tests, properties
    diagnosis   where a gradient is wrong, and what its values are instead
    reference   what is checked, and its trusted values
    report      rows, their text, terminal and figure
    tracing     what is read from traced programs: marks, precision, kinks, dependence
"""

from fnnets.core.taps import delta, tap
from fnnets.verify.checks.activation import activation
from fnnets.verify.checks.custom_vjp import custom_vjp
from fnnets.verify.checks.gradient import gradient
from fnnets.verify.checks.layer import layer
from fnnets.verify.checks.network import network
from fnnets.verify.markov.check import sampler
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report

__all__ = ["Report", "Row", "activation", "custom_vjp", "delta", "gradient", "layer", "network", "sampler", "tap"]

"""The verifier: hand-written gradients against automatic ones, mark by mark, leaf by leaf, decided in float64.

`verify.network` checks a network statement by statement, `verify.layer` one forward and backward pass,
`verify.activation` a derivative beside its value, `verify.gradient` any cost with a gradient of one's own,
`verify.custom_vjp` any function with a derivative of its own, `verify.sampler` the chains of a small Boltzmann machine;
each returns a `Report`. `verify.tap` and `verify.delta` name quantities inside one's own passes.
`verify.nan_origin` finds where a NaN begins, in any function. `verify.audit` checks every derivative rule in any
function of any JAX library, and returns an `AuditReport`.

    checks      what users call, one file a check; `run` takes a case to its report, `decompose` a network to its layers
    auditing    the audit of the derivative rules in a program
    markov      checks of samplers against enumerated chains
    judging     verdicts and what excuses a difference: rounding, kinks; finite differences, Taylor tests, properties
    diagnosis   where a gradient is wrong, and what its values are instead
    reference   what is checked, its trusted values, and a second point near the given one
    report      rows, their text, terminal and figure
    tracing     what is read from traced programs: marks, precision, rules, choices; programs compiled and kept
    selftest    families of right and wrong code, by which the verifier itself is measured
"""

from fnnets.core.taps import delta, tap
from fnnets.verify.auditing.audit import audit
from fnnets.verify.auditing.report import AuditReport, AuditRow
from fnnets.verify.checks.activation import activation
from fnnets.verify.checks.custom_vjp import custom_vjp
from fnnets.verify.checks.gradient import gradient
from fnnets.verify.checks.layer import layer
from fnnets.verify.checks.nan_origin import nan_origin
from fnnets.verify.checks.network import network
from fnnets.verify.markov.check import sampler
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing.nans import Origin

__all__ = [
    "AuditReport", "AuditRow", "Origin", "Report", "Row", "activation", "audit", "custom_vjp", "delta", "gradient",
    "layer", "nan_origin", "network", "sampler", "tap",
]  # fmt: skip

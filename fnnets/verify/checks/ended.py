"""The end of a check of the caller's own functions: one sentence in place of what JAX raises, and all remarks.

A function that cannot be differentiated is met when its derivative is first traced, deep in a check. The derivative is
then traced alone, so that the exception begins with the caller's line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import jax

from fnnets.verify.checks import run as checks
from fnnets.verify.checks.case import Case
from fnnets.verify.reference import raised
from fnnets.verify.reference.host import Host
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import PyTree


def run(case: Case, x64: bool, functions: Mapping[str, Callable[..., PyTree]], hosts: Sequence[Host] = ()) -> Report:
    """The report on a case with its remarks.

    Args:
        case: the case.
        x64: whether float64 decides.
        functions: by name, what is traced again where JAX raises, with the case's inputs.
        hosts: functions on the host, which keep what they have raised.

    Raises:
        TypeError, ValueError: what a check raises, or what JAX does, in one sentence.
        Exception: what the caller's functions raise, their line first.
    """
    try:
        report = checks.run(case, x64)
    except Exception as error:
        _raise_kept(hosts)
        if not raised.is_of_jax(error):
            raise
        for name, function in functions.items():
            _traced(function, name, case, x64)
        message = f"{case.name}: {type(error).__name__}: {raised.first_line(error)}"
        kind = type(error) if isinstance(error, TypeError | ValueError) else ValueError
        raise (TypeError if issubclass(kind, TypeError) else ValueError)(message) from None
    _raise_kept(hosts)
    remarks = (*report.remarks, *(each for each in case.remarks if each not in report.remarks))
    return dataclasses.replace(report, remarks=remarks)


def _traced(function: Callable[..., PyTree], name: str, case: Case, x64: bool) -> None:
    """Trace a function alone, in both precisions, so that its exceptions begin with the caller's line."""
    with raised.located(name):
        jax.eval_shape(function, *case.inputs)
        if x64:
            with precision.double():
                jax.eval_shape(function, *precision.to_double(case.inputs))


def _raise_kept(hosts: Sequence[Host]) -> None:
    for host in hosts:
        host.again()

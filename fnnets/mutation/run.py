"""The run of a catalogue: each mutant is applied, the network built and verified, and the first wrong row recorded.

    reference   once for each setting, from correct code
    candidate   the changed network, for each mutant
    survivors   "does not apply"       the changed statement never ran
                "equivalent here"      it ran, and the gradient is the same to rounding at this probe
                "missed"               the gradient differs, and the report passes

| symbol | name in code | shape |
|---|---|---|
| largest relative difference of gradients and d_x, leaf by leaf | `_apart` | () |

Source: the catalogue is that of `fnnets.mutation`; mutation analysis is [DeMillo1978].
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import batches, calls, validate
from fnnets.core.types import Context, Network
from fnnets.mutation import probes
from fnnets.mutation.catalogue import (
    autoencoder,
    convolution,
    dense,
    lstm,
    lstm_page,
    pooling,
    rbm,
    recurrent,
    recurrent_page,
)
from fnnets.mutation.mutant import CONVENTION, SAMPLER, Mutant, is_named
from fnnets.mutation.patch import Reached, applied
from fnnets.mutation.probes import Probe, Setting
from fnnets.mutation.table import Outcome, Result
from fnnets.verify.checks import network
from fnnets.verify.markov import check
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import PyTree

EQUAL, REFUSED = 1e-12, "refused"
"""Two gradients in float64 that are as close as that, relative to a leaf's largest element, are the same."""
CATALOGUE: dict[str, tuple[Mutant, ...]] = {
    "dense": dense.MUTANTS,
    "convolution": convolution.MUTANTS,
    "pooling": pooling.MUTANTS,
    "recurrent": recurrent_page.MUTANTS + recurrent.MUTANTS,
    "lstm": lstm_page.MUTANTS + lstm.MUTANTS,
    "autoencoder": autoencoder.MUTANTS,
    "rbm": rbm.MUTANTS,
}


def _silent(result: Result) -> None:
    """Show nothing."""


class _Known(NamedTuple):
    """The probe of correct code at a setting, and the reference values of its network, None for samplers alone."""

    family: str
    setting: Setting
    probe: Probe
    reference: References | None
    x64: bool


@calls.strict("run")
def run(
    family: str,
    *,
    x64: bool = True,
    batch: int | None = None,
    steps: int | None = None,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    names: Iterable[str] | None = None,
    progress: Callable[[Result], None] = _silent,
) -> Outcome:
    """Try a family's mutants, each at the setting that shows it.

    Args:
        family: "dense", "convolution", "pooling", "recurrent", "lstm", "autoencoder", "rbm", or "all".
        x64: compare in float64; False compares as a process does that has float32 alone.
        batch, steps, sizes: N, T, and units from features to outputs; None for small ones.
        seed: of the numbers and, where none are given, of the shapes; each mutant is found and named at 0, and may
            change nothing at another one.
        names: the mutants to be tried; None for all.
        progress: called with each result as it comes.

    Raises:
        TypeError, ValueError: a family or a name that is none, shapes that are no ints ≥ 1.

    >>> outcome = run("dense", names=["db zero"])
    >>> outcome.named[0].where, outcome.summary()[:52]
    ('layer 1 dense .biases', 'dense: 1 of 1 mutants killed, 1 named at first hit, ')
    """
    validate.choice(family, (*CATALOGUE, "all"), "mutation: family")
    _check(x64, progress)
    began, results = time.perf_counter(), []
    chosen = list(CATALOGUE) if family == "all" else [family]
    wanted = _named([mutant for each in chosen for mutant in CATALOGUE[each]], names)
    for each in chosen:
        for setting in probes.settings(each, batch=batch, steps=steps, sizes=sizes, seed=seed):
            mutants = [mutant for mutant in CATALOGUE[each] if mutant in wanted and mutant.setting == setting.name]
            results += _tried(each, setting, mutants, x64, progress)
    return Outcome(family, _decider(x64), tuple(results), time.perf_counter() - began)


@calls.strict("of")
def of(
    make: Callable[[], Sequence[PyTree]],
    name: str = "network",
    *,
    x64: bool = True,
    names: Iterable[str] | None = None,
    progress: Callable[[Result], None] = _silent,
) -> Outcome:
    """Try all mutants at a network of one's own.

    Args:
        make: `() -> (net, params, batch)` or `(net, params, batch, key)`, called anew for each mutant: a network that
            was made before may hold correct code.
        name: the network's name in reports.
        x64, names, progress: as for `run`.

    Raises:
        TypeError, ValueError: a name that is none; what `make` gives does not fit together.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> def make():
    ...     net = fn.network(fn.layers.dense(2), fn.objectives.linear_squared_error, (3,))
    ...     x, y = (jax.random.normal(jax.random.key(seed), (4, size)) for seed, size in ((1, 3), (2, 2)))
    ...     return net, net.init(jax.random.key(0)), fn.Batch(x, y)
    >>> outcome = of(make, names=["db zero", "σ′ omitted in a hidden layer", "ω for ωᵀ in the carry"])
    >>> [result.reason for result in outcome.survivors][0]
    'equivalent here: it needs a hidden layer whose activation is no identity'
    """
    validate.is_function(make, "mutation: make", "write a function that returns (net, params, batch)")
    validate.text(name, "mutation: name", "write the network's name in reports")
    _check(x64, progress)
    began = time.perf_counter()
    wanted = _named([mutant for mutants in CATALOGUE.values() for mutant in mutants], names)
    results = _tried(name, Setting("", make), wanted, x64, progress)
    return Outcome(name, _decider(x64), tuple(results), time.perf_counter() - began)


def _check(x64: bool, progress: Callable[[Result], None]) -> None:
    validate.flag(x64, "mutation: x64", "True compares in float64")
    validate.is_function(progress, "mutation: progress", "write a function of one result, such as print")


def _probe(make: Callable[[], Sequence[PyTree]]) -> Probe:
    """What `make` gives, which begins with a network."""
    made = make()
    if isinstance(made, tuple | list) and len(made) in (3, 4) and isinstance(made[0], Network):
        return Probe(*made)
    came = [type(each).__name__ for each in made] if isinstance(made, tuple | list) else type(made).__name__
    shown = f"({', '.join(came)})" if isinstance(came, list) else came
    raise TypeError(
        f"mutation: make returns {shown}, expected (net, params, batch), or with a key; return these in this order"
    )


def _named(mutants: list[Mutant], names: Iterable[str] | None) -> list[Mutant]:
    if names is None:
        return mutants
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"mutation: names is {names!r}, expected names of the catalogue; write ['db zero']")
    names = list(names)
    known = {mutant.name for mutant in mutants}
    unknown = [name for name in names if not isinstance(name, str) or name not in known]
    if unknown:
        raise ValueError(
            f"mutation: names holds {unknown[0]!r}, expected names of the catalogue; see mutation.CATALOGUE"
        )
    return [mutant for mutant in mutants if mutant.name in names]


def _decider(x64: bool) -> str:
    return "float64" if x64 else "float32"


def _tried(
    family: str, setting: Setting, mutants: Sequence[Mutant], x64: bool, progress: Callable[[Result], None]
) -> list[Result]:
    """Results of mutants that share a network, and so a reference."""
    if not mutants:
        return []
    probe, reference = _probe(setting.make), None
    if any(mutant.kind != SAMPLER for mutant in mutants):
        reference = network.reference(probe.net, probe.params, probe.batch, key=probe.key, x64=x64, is_quick=True)
    known, results = _Known(family, setting, probe, reference, x64), []
    for mutant in mutants:
        results.append(_result(known, mutant))
        progress(results[-1])
    return results


def _result(known: _Known, mutant: Mutant) -> Result:
    began = time.perf_counter()
    chosen = known.family, known.setting.name or mutant.setting, mutant.name, mutant.kind
    with applied(mutant) as reached:
        probe = _probe(known.setting.make)
        report = _report(known, mutant, probe, reached)
        row = None if report is None else _found(report, mutant, known.x64)
        reason = "" if row is not None else _reason(known, mutant, probe, reached, report)
    seconds = time.perf_counter() - began
    if row is None:
        return Result(*chosen, False, False, reason=reason, seconds=seconds)
    is_right = is_named(mutant, row.where, row.statement)
    reason = "" if is_right else f"expected at {' or '.join(mutant.where)} {mutant.statement}".rstrip()
    diagnosis = row.diagnosis or row.note or row.decided
    return Result(*chosen, True, is_right, row.where, diagnosis, reason, seconds)


def _report(known: _Known, mutant: Mutant, probe: Probe, reached: Reached) -> Report | None:
    """The verifier's report on the changed network; None where there is nothing to verify."""
    if mutant.kind == SAMPLER:
        return _of_sampler(probe) if probe.net.sampler is not None else None
    _attempted(probe)
    return network.compared(probe.net, known.reference) if reached and known.reference else None


def _of_sampler(probe: Probe) -> Report:
    """The report on the network's sampler; an inconclusive one where its exact distribution cannot be enumerated."""
    try:
        return check.sampler(probe.net, probe.params, key=jax.random.key(6), k=1)
    except (TypeError, ValueError) as error:
        return Report("sampler", "float32", (Row("", REFUSED, "inconclusive", note=str(error)),))


def _attempted(probe: Probe) -> None:
    """Trace the gradient, so that the changed statement runs if it ever does; a failure is left to the verifier."""
    try:
        jax.eval_shape(lambda params: probe.net.gradient(params, probe.batch, key=probe.key), probe.params)
    except Exception:
        return


def _found(report: Report, mutant: Mutant, x64: bool) -> Row | None:
    """The row that shows the mutant; without float64 a convention is lost in the rounding of ties, as it should be."""
    if mutant.kind != CONVENTION:
        return report.first_wrong
    if not x64:
        here = (row for row in report.rows if is_named(mutant, row.where, row.statement))
        return next(here, None) if report.ok else None
    return next((row for row in report.rows if row.verdict == "convention"), None) if report.ok else None


def _reason(known: _Known, mutant: Mutant, probe: Probe, reached: Reached, report: Report | None) -> str:
    """The reason why the mutant survived."""
    if report is not None and report.rows[0].where == REFUSED:
        return f"not verified: {report.rows[0].note}"
    if not reached:
        return f"does not apply: the changed line of {mutant.target} never runs here; it needs {mutant.needs}"
    if mutant.kind == SAMPLER:
        return f"missed: the sampler's draws do not differ enough; it needs {mutant.needs}"
    apart = _apart(known, probe)
    if apart <= EQUAL:
        return f"equivalent here: it needs {mutant.needs}"
    return f"missed: it differs by {apart:.1e}, relatively"


def _apart(known: _Known, probe: Probe) -> float:
    """The largest relative difference of the changed gradient and d_x from those of `jax.grad` and `jax.vjp`."""
    net, right = probe.net, known.probe.net
    with precision.double():
        params, batch = precision.to_double((probe.params, probe.batch))
        x, context = batches.cast(batch.inputs, params), Context(probe.key, batch.mask)

        def changed(params, x):
            y, trace = net.layer.forward(params, x, context)
            return net.gradient(params, batch, key=probe.key), net.layer.backward(params, trace, jnp.cos(y))[1]

        def correct(params, x):
            y, pull = jax.vjp(lambda x: right.layer.forward(params, x, context)[0], x)
            return jax.grad(right.cost)(params, batch, key=probe.key), pull(jnp.cos(y))[0]

        pairs = zip(*(jax.tree.leaves(jax.jit(each)(params, x)) for each in (changed, correct)), strict=True)
    return max(_relative(np.asarray(one), np.asarray(other)) for one, other in pairs)


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    largest = float(np.abs(other).max(initial=0.0)) or 1.0
    return float(np.abs(one - other).max(initial=0.0)) / largest

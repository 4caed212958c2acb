"""The catalogue against the verifier: each family right and with each of its faults, at several seeds.

    right   passed                                  false alarm where it is not
    fault   killed: the verdict that it must have   survivor where it is not
            named:  the first row that is not right is one of the fault's places

An exception is an answer that is neither: of right code a false alarm, of a fault a survivor.
"""

from __future__ import annotations

import difflib
import inspect
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fnnets.core import calls, validate
from fnnets.verify.checks.activation import activation
from fnnets.verify.checks.custom_vjp import custom_vjp
from fnnets.verify.checks.gradient import gradient
from fnnets.verify.reference import arguments
from fnnets.verify.report.data import Row
from fnnets.verify.report.report import Report
from fnnets.verify.selftest.catalogue import FAMILIES, KINDS
from fnnets.verify.selftest.family import Call, Family, Fault
from fnnets.verify.selftest.table import Outcome, Result

CHECKS: dict[str, Callable[..., Report]] = {"gradient": gradient, "custom_vjp": custom_vjp, "activation": activation}
RIGHT = Fault("", (), "pass")
SEEN = ("ok", "rounding", "convention", "approximation")


class Trial(NamedTuple):
    """One verdict to come: a family, one of its faults or `RIGHT`, and a seed."""

    family: Family
    fault: Fault
    seed: int


def trials(names: Sequence[str] | None = None, seeds: int = 1) -> list[Trial]:
    """What a run tries, family by family."""
    return [
        Trial(family, fault, seed)
        for kind, families in KINDS.items()
        for family in families
        if names is None or kind in names or family.name in names
        for fault in (RIGHT, *family.faults)
        for seed in range(seeds)
    ]


@calls.strict("run")
def run(
    names: Iterable[str] | None = None,
    *,
    seeds: int = 1,
    x64: bool = True,
    progress: Callable[[Result], None] | None = None,
) -> Outcome:
    """Try families of right code, and their faults.

    Args:
        names: names of families, or of kinds of them; None for all.
        seeds: each is drawn with seeds 0 to seeds − 1.
        x64: let float64 decide; False judges by the rounding of the parameters' own precision.
        progress: is called with each result.

    Raises:
        TypeError, ValueError: a name that is no family's and no kind's, a number of seeds below one.

    >>> outcome = run(["cumulative sum"])
    >>> len(outcome.false_alarms), len(outcome.survivors), len(outcome.named)
    (0, 0, 1)
    """
    names = checked(names)
    seeds = validate.count(seeds, "run: seeds")
    validate.flag(x64, "run: x64", arguments.DECIDES)
    if progress is not None:
        validate.is_function(progress, "run: progress", "give a function of one result, such as print")
    start = time.perf_counter()
    results = []
    for trial in trials(names, seeds):
        results.append(tried(trial, x64))
        if progress is not None:
            progress(results[-1])
    return Outcome("float64" if x64 else "float32", tuple(results), time.perf_counter() - start)


def checked(names: Iterable[str] | None, name: str = "run: names") -> list[str] | None:
    """The names as a list; `name` is what messages call the argument.

    Raises:
        TypeError, ValueError: no names, or one that is no family's and no kind's; the message has the nearest one.
    """
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{name} is {validate.shown(names)}, expected names of families; write ['cumulative sum']")
    known = [*KINDS, *(family.name for family in FAMILIES)]
    names = list(names)
    for each in names:
        if not isinstance(each, str) or each not in known:
            near = next(iter(difflib.get_close_matches(str(each), known, 1)), "cumulative sum")
            kinds = ", ".join(KINDS)
            raise ValueError(f"{name} has {each!r}, expected names of families, or of {kinds}; write {near!r}")
    return names


def tried(trial: Trial, x64: bool = True) -> Result:
    """The result of one trial."""
    start = time.perf_counter()
    verdict, where, detail, is_named = _answer(trial, x64)
    family, fault, seed = trial
    return Result(
        family.name, fault.name, seed, verdict == fault.verdict, verdict == fault.verdict and is_named, verdict, where,
        detail, time.perf_counter() - start,
    )  # fmt: skip


def _answer(trial: Trial, x64: bool) -> tuple[str, str, str, bool]:
    """Verdict, place, sentence, and whether the place is right."""
    family, fault, seed = trial
    call = family.call(seed, fault.name)
    try:
        report = CHECKS[call.check](*call.arguments, **call.options, x64=x64)
    except Exception as error:
        return "raised", "", f"{type(error).__name__}: {' '.join(str(error).split())}", False
    row = next(_shown(report), None)
    if row is None:
        return report.verdict, "", "", not fault.places
    return report.verdict, row.where, row.diagnosis or row.note, _is_named(call, fault, row)


def _shown(report: Report) -> Iterator[Row]:
    """Rows in the order in which they are shown to be wrong or undecided."""
    rows = (*report.rows, *report.properties)
    if report.first_wrong is not None:
        yield report.first_wrong
    yield from (row for row in rows if row.verdict not in SEEN)


def _is_named(call: Call, fault: Fault, row: Row) -> bool:
    """Whether a row has one of the fault's places for a word; the leaf's, not that of the tap behind "via"."""
    where = row.where.partition(" via ")[0]
    words = [each for place in fault.places for each in _spellings(call, place)]
    return not words or any(re.search(rf"(?<!\w){re.escape(word)}s?(?!\w)", where) for word in words)


def _spellings(call: Call, place: str) -> list[str]:
    """A place, and for an argument its number as well."""
    names = list(inspect.signature(call.arguments[0 if call.check == "gradient" else 1]).parameters)
    if place not in names:
        return [place]
    return [place, f"args[{names.index(place)}]", *(["params"] if place == names[0] else [])]

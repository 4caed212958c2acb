"""What an audit finds, rule by rule: visits are judged as they come, and the worst of a rule makes its row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.auditing import elements, judge, second, sites, whole
from fnnets.verify.auditing.candidates import Equation
from fnnets.verify.auditing.judge import Element
from fnnets.verify.auditing.record import Recorder, Visit
from fnnets.verify.auditing.report import AGREES, SKIPPED, UNSEEN, AuditRow
from fnnets.verify.auditing.sites import Site
from fnnets.verify.auditing.whole import Whole
from fnnets.verify.reference import raised
from fnnets.verify.tracing import places

ORDER = (judge.DIFFERS, *judge.MEANT, judge.UNDECIDED, SKIPPED, AGREES, UNSEEN)
DEPTH = 3
ESCAPED = "its tracers escape: it uses values of a trace that has ended; eager=True checks it"


@dataclass
class Entry:
    """The rule of one function, over all its sites and visits."""

    site: Site
    verdicts: dict[tuple[str, str], tuple[Element, str]] = field(default_factory=dict)
    calls: dict[str, None] = field(default_factory=dict)
    visits: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    dtypes: tuple[str, ...] = ()
    notes: dict[str, None] = field(default_factory=dict)
    second_order: str = ""


class Collector:
    """The rules that were met, and what was found of each."""

    def __init__(self, accept: Sequence[str], seed: int):
        self.accept, self.seed = tuple(accept), seed
        self.entries: dict[tuple[str, str, int], Entry] = {}
        self.remarks: list[str] = []
        self._equations: dict[Any, Equation] = {}
        self._nested: dict[Any, Recorder] = {}
        self._whole: Whole | None = None
        self._seen: set[Any] = set()

    def recorder(self, program: jaxprs.Body, args: Sequence[Any], moving: Sequence[int], within=()) -> Recorder:
        """A recorder of a program, whose rules are entered in the order in which they stand."""
        recorder = Recorder(program, args, moving, within)
        for site in recorder.sites:
            self._entry(site)
        if recorder.error is not None and not within:
            error = recorder.error
            self.remarks.append(
                f"the backward pass of the function raises {type(error).__name__}: {raised.first_line(error)}; its "
                "rules are checked at drawn cotangents"
            )
        return recorder

    def at_point(
        self, recorder: Recorder, args: Sequence[Any], point: str, cotangents: Sequence[Any] | None = None
    ) -> None:
        """Judge every rule that a program meets at a point."""
        if not recorder.sites:
            return
        outs = [v.aval for v in recorder.program.jaxpr.outvars if sites.is_moved(v.aval)]
        given = self._drawn(outs, len(outs) == 1 and outs[0].shape == ()) if cotangents is None else cotangents
        visits = recorder.visits(args, given)
        for n, (site, carrying) in enumerate(zip(recorder.sites, recorder.carrying, strict=True)):
            is_open = recorder.error is not None or site.is_looped
            first = site.equation.params.get("num_consts", 0)  # what a rule closes over is not differentiated
            every = {j for j, v in enumerate(site.equation.invars) if j >= first and sites.is_moved(v.aval)}
            for visit in visits[n]:
                error = recorder.error if is_open else None
                moved = every if is_open and not (site.is_looped and carrying) else carrying
                self._visit(site, sorted(moved), visit, point, is_open, error)

    def whole(
        self, function: Callable[..., Any], name: str, leaves: list[Any], args: list[Any], moving: list[int]
    ) -> None:
        """Hold the gradient of the whole function against differences, along one direction for each argument.

        `leaves` are the arguments as they were given, `args` the same as arrays.
        """
        if not whole.is_finite(args, moving):
            self.remarks.append("the whole function was not differenced: an argument is not finite")
            return
        self._whole = whole.examined(function, name, leaves, args, moving, self._drawn)

    def rows(self) -> tuple[AuditRow, ...]:
        """The rows of the report."""
        found = [self._row(entry) for entry in self.entries.values()]
        if self._whole is not None:
            found.append(whole.row(self._whole, found, self.accept))
        return tuple(found)

    def remark_on(self, jaxpr: Any) -> None:
        """Say what a program has beside rules: primitives of other libraries, and no rule at all."""
        for name, line in sites.foreign(jaxpr).items():
            self.remarks.append(
                f"the primitive {name}{f' at {line}' if line else ''} is not JAX's own: its rules were not looked at"
            )
        if not any(sites.is_rule(each) for each in jaxprs.equations(jaxpr)):
            names = sorted({each.primitive.name for each in jaxprs.equations(jaxpr)})
            shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            count = sum(1 for _ in jaxprs.equations(jaxpr))
            self.remarks.append(
                f"no derivative rule was met in the {count} operations of the function: {shown or 'none'}"
            )

    def remark_on_missing(self, called: Iterable[str]) -> None:
        """Say which rules were called and stand in no program that is looked at."""
        known = {name for name, _, _ in self.entries}
        missing = [name for name in called if name and name not in known]
        if missing:
            self.remarks.append(
                f"called, and not looked at: {', '.join(missing)}; the function differentiates them itself, or calls "
                "them in shard_map, pmap or custom_vmap: audit the inner function"
            )

    def _visit(
        self, site: Site, moved: list[int], visit: Visit, point: str, is_open: bool, error: Exception | None
    ) -> None:
        entry = self._entry(site)
        entry.calls.setdefault(places.shown(site.call)) if site.call else None
        if not entry.shapes:
            entry.shapes = tuple(np.shape(x) for x in visit.inputs)
            entry.dtypes = tuple(str(v.aval.dtype) for v in site.equation.invars)
        if not moved:
            return
        key = (id(site.equation), tuple(moved), _bytes(visit))
        if key in self._seen:
            return
        self._seen.add(key)
        try:
            equation = self._equation(site, moved, visit.inputs)
            element = self._judged(equation, visit, entry)
            own = equation.failures.get("rule")
            if "rule" not in equation.traced and (site.within or (is_open and str(own) != str(error))):
                # it raises here alone, where more is differentiated than in the function
                element = Element(SKIPPED, reason=element.reason)
            if visit.cotangents is None and not is_open and element.verdict != SKIPPED:
                element = self._of_nothing(equation, visit, element, entry)
        except jax.errors.UnexpectedTracerError:
            element = Element(SKIPPED, reason=ESCAPED)
        except NotImplementedError as error:
            element = Element(SKIPPED, reason=str(error).partition("\n")[0])
        except jax.errors.JaxRuntimeError as error:
            element = Element(SKIPPED, reason=f"it raises {type(error).__name__} when it runs")
        if point and element.verdict == judge.DIFFERS and sites.iterates(site.equation):
            # a solver is no better than its tolerance, and special points are badly conditioned
            element = element._replace(verdict=judge.UNDECIDED)
        entry.visits += 1
        if not (point and element.verdict == judge.UNDECIDED):  # at special points it counts for nothing
            entry.verdicts.setdefault((element.verdict, element.kind), (element, point))
        if len(site.within) < DEPTH:
            self._within(site, moved, visit, point)

    def _judged(self, equation: Equation, visit: Visit, entry: Entry) -> Element:
        if isinstance(equation.failures.get("rule"), jax.errors.UnexpectedTracerError):
            return Element(SKIPPED, reason=ESCAPED)
        if "values" in equation.failures:
            raise equation.failures["values"]
        drawn = self._drawn(equation.outputs, False)
        arriving = None if visit.cotangents is None else equation.arriving(visit.cotangents)
        if arriving is not None and not all(np.all(np.isfinite(np.asarray(x, float))) for x in arriving):
            arriving = None
        element = judge.judged(equation, visit.inputs, drawn if arriving is None else arriving)
        if arriving is not None and element.verdict == AGREES:
            other = judge.judged(equation, visit.inputs, drawn)
            if other.verdict != AGREES and sites.iterates(equation.site.equation):
                entry.notes.setdefault(f"at drawn cotangents, which do not arrive here: {other.verdict}")
            elif other.verdict == judge.DIFFERS:
                element = other._replace(reason=f"{other.reason}; for drawn cotangents, at those that arrive it agrees")
        if element.verdict == AGREES and not entry.second_order:
            entry.second_order = second.order(equation, visit.inputs, drawn)
            if entry.second_order == "departs":
                entry.notes.setdefault("its second derivative departs from that of its function")
        return element

    def _of_nothing(self, equation: Equation, visit: Visit, element: Element, entry: Entry) -> Element:
        """The verdict where zero arrives at a rule: only a zero that it turns into another number counts."""
        zeros = [np.zeros(aval.shape, aval.dtype) for aval in equation.outputs]
        found = equation.run(visit.inputs, zeros, False) if "rule" in equation.traced else {}
        if found and any(np.any(x.astype(np.float64)) for x in found["rule"].gradients):
            return element
        if element.verdict == judge.DIFFERS:
            entry.notes.setdefault("no cotangent arrives at it; at drawn ones it differs")
        return Element(UNSEEN)

    def _within(self, site: Site, moved: list[int], visit: Visit, point: str) -> None:
        """The rules in the body of a rule, at the values that reach them there."""
        body = sites.inner(site.equation)
        if body is None or not sites.has_rule(site.equation):
            return
        key = (id(site.equation), tuple(moved))
        within = (*site.within, site.rule.name)
        if key not in self._nested:
            self._nested[key] = self.recorder(body, visit.inputs, moved, within)
        recorder = self._nested[key]
        cotangents = visit.cotangents
        if cotangents is not None:
            cotangents = [x for x, v in zip(cotangents, site.equation.outvars, strict=True) if sites.is_moved(v.aval)]
        self.at_point(recorder, visit.inputs, point, cotangents)

    def _equation(self, site: Site, moved: list[int], inputs: list[Any]) -> Equation:
        key = id(site.equation), tuple(moved)
        if key not in self._equations:
            self._equations[key] = Equation(site, moved, inputs)
        return self._equations[key]

    def _entry(self, site: Site) -> Entry:
        return self.entries.setdefault((site.rule.name, site.rule.file, site.rule.line), Entry(site))

    def _drawn(self, avals: Sequence[Any], is_one: bool) -> list[np.ndarray]:
        random = np.random.default_rng(self.seed + 5)
        draw = lambda aval: np.ones(aval.shape) if is_one else random.normal(size=aval.shape)  # noqa: E731
        return [np.asarray(jnp.asarray(draw(aval), aval.dtype)) for aval in avals]

    def _row(self, entry: Entry) -> AuditRow:
        rule, notes = entry.site.rule, list(entry.notes)
        found = sorted(entry.verdicts.values(), key=lambda each: _rank(each[0]))
        worst, point = found[0] if found else (Element(UNSEEN), "")
        for element, where in found[1:]:
            if element.verdict == judge.DIFFERS:
                shown = AuditRow("", verdict=judge.DIFFERS, point=where, **_values(element)).detail
                notes.append(f"it differs too: {shown}")
        if not entry.shapes:
            notes.insert(0, "it was not reached, as in a branch that is not taken")
        if entry.site.within:
            notes.insert(0, f"within the rule of {entry.site.within[-1]}")
        return AuditRow(
            rule.name, rule.file, rule.line, tuple(entry.calls), entry.visits, entry.shapes, entry.dtypes,
            worst.verdict, point=point, note="; ".join(notes), second_order=entry.second_order,
            is_accepted=rule.name in self.accept, **_values(worst),
        )  # fmt: skip


def _rank(element: Element) -> tuple[int, int]:
    """The worst comes first."""
    return ORDER.index(element.verdict), elements.KINDS.index(element.kind)


def _values(element: Element) -> dict[str, Any]:
    names = ("place", "rule", "automatic", "expected", "reason")
    return {name: getattr(element, name) for name in names}


def _bytes(visit: Visit) -> Any:
    kept = [x.tobytes() if isinstance(x, np.ndarray | np.generic) else id(x) for x in visit.inputs]
    return tuple(kept), None if visit.cotangents is None else tuple(x.tobytes() for x in visit.cotangents)

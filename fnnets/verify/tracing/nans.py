"""Where a NaN begins: the first equation with a NaN among its results and none among its inputs.

    from a result that holds a NaN backwards, along the inputs that hold one
    jit, checkpoint, custom rules       through their body
    cond, switch                        through the branch that is taken
    scan, while                         through the step at which it begins
    anything else                       one equation

Where an infinite number enters that equation, the search goes on to where that number begins: log(0) · 0 is a NaN of
the product, and its cause is the logarithm. Only what reaches a result counts: `where` may leave a NaN out.

| symbol | name in code | shape |
|---|---|---|
| inputs of an equation or of a body | `args` | |
| position of a result | `position` | () |
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import places

if TYPE_CHECKING:
    from jaxtyping import Array

STEPS = 10_000
ARGUMENT, CONSTANT = "argument", "constant"
Values = Callable[[jaxprs.Atom], "Array"]
"""The value of each variable of a body, and of each number that stands in it."""


class Origin(NamedTuple):
    """Where a NaN, or an infinite number, begins; `str` of it is a sentence.

    Attributes:
        primitive: JAX's name of the operation; "argument" where an argument holds it already, "constant" where it
            stands in the function itself.
        file, line, function: the line of source that the operation was traced from; "" and 0 where it is not known.
        step: of the loops around it, the outermost first, counted from 0; a reversed scan by the index of its slices.
        is_backward: whether it stands in the backward pass of that line, as JAX derives it.
        is_infinite: whether an input of it is infinite.
        cause: where that infinite number begins, None if there is none.
        argument: which one, "" for none.
        kind: "NaN" or "infinity".
    """

    primitive: str
    file: str = ""
    line: int = 0
    function: str = ""
    step: tuple[int, ...] = ()
    is_backward: bool = False
    is_infinite: bool = False
    cause: Origin | None = None
    argument: str = ""
    kind: str = "NaN"

    def __str__(self) -> str:
        if self.primitive == ARGUMENT:
            return f"{self.kind} stands in the arguments already: {self.argument}"
        found = places.shown(jaxprs.Line(self.file, self.line, self.function)) if self.file else ""
        steps = f", step {', step '.join(map(str, self.step))} of the loop (counted from 0)" if self.step else ""
        way = "in the backward pass of" if self.is_backward else "at"
        place = f" {way} {found}{steps}" if found else f" of a backward pass{steps}" if self.is_backward else steps
        what = "with a constant" if self.primitive == CONSTANT else f"in {self.primitive}"
        sentence = f"{self.kind} begins {what}{place}"
        if self.cause is not None:
            return f"{sentence}, which an infinite number enters; {self.cause}"
        return f"{sentence}, which an infinite number enters" if self.is_infinite else sentence


def origin_of(closed: core.ClosedJaxpr, args: Sequence[Array]) -> Origin | None:
    """Where the first NaN among the results of a traced function begins, None where no result holds one.

    Args:
        closed: what `jax.make_jaxpr` returns.
        args: an array for each of its inputs.

    >>> import jax, jax.numpy as jnp
    >>> origin_of(jax.make_jaxpr(lambda x: 2 * jnp.sqrt(x))(-1.0), [-1.0]).primitive
    'sqrt'
    """
    body, search = jaxprs.opened(closed), _Search()
    values = _values(body, list(args))
    position = next((i for i, atom in enumerate(body.jaxpr.outvars) if search.holds(values(atom))), None)
    if position is None:
        return None
    outside = search.inside(body, values, position)
    if outside is not None:
        search.found.append(Origin(ARGUMENT, argument=f"array {outside}", kind=search.kind))
    first, *others = search.found
    return first._replace(cause=others[0]) if others else first


@dataclass
class _Search:
    """A walk from a result backwards: for a NaN first, for an infinite number once the NaN's equation is found."""

    found: list[Origin] = field(default_factory=list)
    steps: tuple[int, ...] = ()
    is_backward: bool = False
    line: jaxprs.Line | None = None
    is_of_jax: bool = False
    slice: int = -1
    """Of the loop that was left last by one of its slices: the loop that made them is entered there."""

    @property
    def kind(self) -> str:
        return "infinity" if self.found else "NaN"

    def holds(self, value: object) -> bool:
        """Whether a value has what is searched for."""
        return _holds(value, np.isinf if self.found else np.isnan)

    def inside(self, body: jaxprs.Body, values: Values, position: int) -> int | None:
        """The position of the input that has it already; None where it begins inside, which `found` then tells."""
        makers = {out: (equation, n) for equation in body.jaxpr.eqns for n, out in enumerate(equation.outvars)}
        inputs, atom = list(body.jaxpr.invars), body.jaxpr.outvars[position]
        while True:
            if not jaxprs.is_literal(atom) and atom in inputs:
                return inputs.index(atom)
            if jaxprs.is_literal(atom) or atom not in makers:
                self._ends(Origin(CONSTANT))
                return None
            equation, n = makers[atom]
            given = [values(each) for each in equation.invars]
            before = self.is_backward, self.line, self.is_of_jax
            self.is_backward = self.is_backward or "transpose" in str(equation.source_info.name_stack)
            self.line = (None if self.is_of_jax else places.line(equation)) or self.line
            through = self._through(equation, given, n)
            if through is None:
                return None
            following = self._following(equation, given) if through < 0 else through
            if following < 0:
                following = self._begins(equation, given)
            if following < 0:
                return None
            atom = equation.invars[following]
            if jaxprs.is_literal(atom) or not (atom in makers or atom in inputs):
                self._ends(self._described(equation)._replace(primitive=CONSTANT))
                return None
            self.is_backward, self.line, self.is_of_jax = before

    def _following(self, equation: core.JaxprEqn, values: list[Array]) -> int:
        """The input of an equation that has what its result has, -1 for none."""
        if equation.primitive.name == "select_n":
            which, *cases = values
            chosen = [np.broadcast_to(np.asarray(which) == i, np.shape(case)) for i, case in enumerate(cases)]
            reach = [self.holds(np.asarray(case)[here]) for case, here in zip(cases, chosen, strict=True)]
            return reach.index(True) + 1 if True in reach else -1
        return next((i for i, value in enumerate(values) if self.holds(value)), -1)

    def _begins(self, equation: core.JaxprEqn, values: list[Array]) -> int:
        """Write down where it begins; the input where the search for an infinite number goes on, -1 for none."""
        infinite = [] if self.found else [i for i, value in enumerate(values) if _holds(value, np.isinf)]
        self._ends(self._described(equation)._replace(is_infinite=bool(infinite)))
        return infinite[0] if infinite else -1

    def _ends(self, origin: Origin) -> None:
        self.found.append(origin._replace(kind=self.kind))

    def _described(self, equation: core.JaxprEqn) -> Origin:
        """The record of an equation at the present step."""
        place = (self.line.file, self.line.number, self.line.function) if self.line else ("", 0, "")
        return Origin(equation.primitive.name, *place, step=self.steps, is_backward=self.is_backward)

    def _through(self, equation: core.JaxprEqn, values: list[Array], n: int) -> int | None:
        """The input from which an equation with a body takes it; None where it begins inside, -1 without a body."""
        name = equation.primitive.name
        if name == "scan":
            return self._through_scan(jaxprs.loop(equation), values, n)
        if name == "while":
            return self._through_while(equation, values, n)
        if name == "cond":
            branches = equation.params["branches"]
            taken = jaxprs.opened(branches[int(np.clip(int(values[0]), 0, len(branches) - 1))])
            found = self._of_body(taken, values[1:], n)
            return found if found is None or found < 0 else found + 1
        if name in (*jaxprs.INLINED, *places.CUSTOM):
            return self._of_body(jaxprs.inlined(equation), values, n)
        return -1

    def _of_body(self, body: jaxprs.Body, args: list[Array], n: int) -> int | None:
        """As `inside`; -1 where the body, run by itself, does not show it."""
        defined = places.defined(body.jaxpr)
        # JAX keeps what it has traced of its own functions, with the lines of whoever called them first
        self.is_of_jax = self.is_of_jax or (defined is not None and places.is_of_jax(defined.file))
        values = _values(body, args)
        return self.inside(body, values, n) if self.holds(values(body.jaxpr.outvars[n])) else -1

    def _through_scan(self, loop: jaxprs.Loop, values: list[Array], n: int) -> int | None:
        consts, _, xs = (values[i:j] for i, j in _bounds(loop, len(values)))
        starts, ys = _states(loop, values)
        order = range(loop.length)[::-1] if loop.settings["reverse"] else range(loop.length)
        if n < loop.carries:
            at = loop.length - 1
        else:
            wanted = sorted(range(loop.length), key=lambda k: order[k] != self.slice)
            at = next((k for k in wanted if self.holds(ys[n - loop.carries][order[k]])), -1)
        while at >= 0:
            t = order[at]
            args = [*consts, *(each[t] for each in (*starts, *xs))]
            before, self.steps = self.steps, (*self.steps, t)
            found = self._of_body(loop.body, args, n)
            self.steps = before
            if found is None or found < 0 or not loop.consts <= found < loop.consts + loop.carries:
                self.slice = t if found is not None and found >= loop.consts + loop.carries else -1
                return found
            at, n = self._first(lambda k, n: starts[n][order[k]], at, found - loop.consts), found - loop.consts
        return loop.consts + n if n < loop.carries else -1

    def _first(self, before: Callable[[int, int], Array], at: int, n: int) -> int:
        """The step that makes the carry which has it before step `at`, and in all steps between; −1 for none."""
        while at > 0 and self.holds(before(at - 1, n)):
            at -= 1
        return at - 1

    def _through_while(self, equation: core.JaxprEqn, values: list[Array], n: int) -> int | None:
        conditions, count = equation.params["cond_nconsts"], equation.params["body_nconsts"]
        goes_on, body = (jaxprs.opened(equation.params[name]) for name in ("cond_jaxpr", "body_jaxpr"))
        kept, consts, carry = values[:conditions], values[conditions : conditions + count], values[conditions + count :]
        run = [jax.jit(lambda *args, part=part: jaxprs.evaluate(part, args, jaxprs.bind)) for part in (goes_on, body)]
        starts: list[list[Array]] = []
        while len(starts) < STEPS and bool(run[0](*kept, *carry)[0]):
            starts.append(carry)
            carry = run[1](*consts, *carry)
        at = len(starts) - 1 if len(starts) < STEPS else -1
        while at >= 0:
            before, self.steps = self.steps, (*self.steps, at)
            found = self._of_body(body, [*consts, *starts[at]], n)
            self.steps = before
            if found is None or found < 0:
                return found
            if found < count:
                return conditions + found
            n = found - count
            at = self._first(lambda k, n: starts[k][n], at, n)
        return conditions + count + n if len(starts) < STEPS else -1


def _values(body: jaxprs.Body, args: list[Array]) -> Values:
    """All values of a body, one operation after the other: a program of all of them takes longer to compile."""
    found: dict[jaxprs.Atom, Array] = dict(
        zip([*body.jaxpr.constvars, *body.jaxpr.invars], [*body.consts, *args], strict=True)
    )
    for equation in body.jaxpr.eqns:
        params = equation.params
        if any(params.get("donated_invars", ())):  # what it is given is looked at afterwards
            kept = equation.replace(params=params | {"donated_invars": (False,) * len(equation.invars)})
        else:
            kept = equation
        outs = jaxprs.bind(kept, [jaxprs.read(atom, found) for atom in equation.invars])
        found.update(zip(equation.outvars, outs, strict=True))
    return lambda atom: jaxprs.read(atom, found)


def _states(loop: jaxprs.Loop, values: list[Array]) -> tuple[list[Array], list[Array]]:
    """The carries before each step, by the index of its slices, and what each step gives."""

    def states(values):
        consts, carry, xs = (values[i:j] for i, j in _bounds(loop, len(values)))

        def step(carry, x):
            outs = jaxprs.evaluate(loop.body, [*consts, *carry, *x], jaxprs.bind)
            return outs[: loop.carries], (carry, outs[loop.carries :])

        return lax.scan(step, carry, xs, length=loop.length, reverse=loop.settings["reverse"])[1]

    return jax.jit(states)(values)


def _bounds(loop: jaxprs.Loop, count: int) -> list[tuple[int, int]]:
    """First and last position of a scan's constants, carries and slices."""
    return list(itertools.pairwise([0, loop.consts, loop.consts + loop.carries, count]))


def _holds(value: object, test: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether an array of floating or complex numbers has an element of a kind."""
    if not jnp.issubdtype(getattr(value, "dtype", type(value)), jnp.inexact):
        return False
    array = np.asarray(value)
    return bool(np.any(test(array if array.dtype.kind in "fc" else array.astype(np.float32))))

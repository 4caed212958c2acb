"""What reaches each rule of a program: its inputs, and in the backward pass the cotangents of its outputs.

    forward     the inputs of a rule are results of the program
    backward    a zero is added to each output of a rule; the derivative with respect to it is the cotangent there
    scan        every step is recorded, a few are kept
    while       the first steps are computed beside the loop, which itself stays as it is; no cotangent comes back
    cond        a branch that is not taken gives nothing

A first trace of the backward pass finds the inputs that carry a derivative, so that none is asked for where the program
asks for none.

| symbol | name in code | shape |
|---|---|---|
| inputs of a rule, at each step of the loops around it | `inputs` | (*lengths, …) |
| zeros that are added, and the cotangents | `taps` | (*lengths, …) |
| whether a step is taken | `taken` | lengths |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from fnnets.core import jaxprs
from fnnets.verify.auditing import sites
from fnnets.verify.auditing.sites import Site
from fnnets.verify.tracing import interpreter, widening

if TYPE_CHECKING:
    from jaxtyping import Array

FIRST, VISITS = 3, 4
Change = Callable[[Site, "list[Array]", Any], "tuple[Sequence[Array], Any]"]


class Visit(NamedTuple):
    """One time that a rule is reached.

    Attributes:
        inputs: the equation's inputs, NumPy arrays; keys as they are.
        cotangents: one for each output, None where none is known.
    """

    inputs: list[Any]
    cotangents: list[np.ndarray] | None


class Recorder:
    """The rules of a program, and what reaches them; compiled once, run at many points."""

    def __init__(self, program: jaxprs.Body, args: Sequence[Any], moving: Sequence[int], within: tuple[str, ...] = ()):
        """Trace the program; `moving` are the positions of the inputs that are differentiated."""
        self.program, self.moving = program, list(moving)
        self.sites, self._lengths = found(program.jaxpr, within)
        # one body may be called in several places: its equations are then the same
        shared: dict[int, set[int]] = {}
        self.carrying = [shared.setdefault(id(site.equation), set()) for site in self.sites]
        self.error: Exception | None = None
        self.escaping: set[int] = set()
        self._keys: dict[tuple[int, int], Any] = {}
        if self.sites:
            self._trace_backward(args)
            if isinstance(self.error, jax.errors.UnexpectedTracerError):
                self.escaping = {id(site.equation) for site in self.sites if _escapes(site)}
                self._trace_backward(args)
            self._run = jax.jit(self._record)

    def visits(self, args: Sequence[Any], cotangents: Sequence[Any]) -> list[list[Visit]]:
        """A few visits of each site, at a point and for cotangents of the program's floating outputs."""
        if not self.sites:
            return []
        seen, gradients = jax.device_get(self._run(list(args), list(cotangents)))
        return [self._chosen(n, taken, inputs, gradients[n]) for n, (taken, inputs) in enumerate(seen)]

    def _chosen(self, n: int, taken: Any, inputs: list[Any], taps: list[Any] | None) -> list[Visit]:
        taken = np.asarray(taken) > 0
        steps = [tuple(step) for step in np.argwhere(taken)]
        spread = sorted(set(np.linspace(0, len(steps) - 1, VISITS).astype(int))) if steps else []
        chosen = [steps[i] for i in spread]
        site, made = self.sites[n], []
        for step in chosen:
            key = [self._keys.get((id(site.equation), j)) for j in range(len(inputs))]
            here = [_unpacked(np.asarray(each)[step], kind) for each, kind in zip(inputs, key, strict=True)]
            back = None if taps is None or site.is_looped else [np.asarray(each)[step] for each in taps]
            made.append(Visit(here, back if back is not None and any(map(np.any, back)) else None))
        return made

    def _trace_backward(self, args: Sequence[Any]) -> None:
        """Which inputs of the rules carry a derivative, and whether the backward pass can be traced."""
        carrying = {id(site.equation): each for site, each in zip(self.sites, self.carrying, strict=True)}

        def change(site, inputs, _):
            here = carrying[id(site.equation)]
            marked = [_marked(x, here, j) if sites.is_moved(x) else x for j, x in enumerate(inputs)]
            return self._bound(site, marked), ()

        def backward(args):
            outs, back = jax.vjp(lambda at: self._outs(args, at, [None] * len(self.sites), change), self._at(args))
            return back([jnp.ones(out.shape, out.dtype) for out in outs])

        self.error = None
        try:
            sites.traced(backward, list(args))
        except Exception as error:  # a rule may raise anything; the report says what
            self.error = error

    def _bound(self, site: Site, inputs: list[Array]) -> Sequence[Array]:
        """The outputs of a rule; where its tracers escape, those of its function, which has no rule then."""
        if id(site.equation) in self.escaping:
            return sites.plain(site.equation, inputs, jaxprs.bind)
        return jaxprs.bind(site.equation, inputs)

    def _record(self, args: list[Any], cotangents: list[Array]) -> tuple[list[Any], list[Any]]:
        def seen(site, inputs, _):
            here = id(site.equation)
            self._keys.update({(here, j): jax.random.key_impl(x) for j, x in enumerate(inputs) if _is_key(x)})
            packed = [jax.random.key_data(x) if _is_key(x) else jnp.asarray(x) for x in inputs]
            return self._bound(site, inputs), (jnp.ones(()), packed)

        def tapped(site, inputs, taps):
            outs = self._bound(site, inputs)
            return outs if taps is None else [_added(out, tap) for out, tap in zip(outs, taps, strict=True)], ()

        none: list[Any] = [None] * len(self.sites)
        records = walk(self.program, args, none, seen)[1]
        taps = [
            [jnp.zeros((*lengths, *v.aval.shape), _tap_dtype(v)) for v in site.equation.outvars] if carrying else None
            for site, lengths, carrying in zip(self.sites, self._lengths, self.carrying, strict=True)
        ]
        if self.error is not None or not any(each is not None for each in taps):
            return records, none
        _, back = jax.vjp(lambda taps, at: self._outs(args, at, taps, tapped), taps, self._at(args))
        return records, back(list(cotangents))[0]

    def _outs(self, args: Sequence[Any], at: list[Array], given: Sequence[Any], change: Change) -> list[Array]:
        filled = list(args)
        for i, value in zip(self.moving, at, strict=True):
            filled[i] = value
        return [out for out in walk(self.program, filled, given, change)[0] if sites.is_moved(out)]

    def _at(self, args: Sequence[Any]) -> list[Any]:
        return [jnp.asarray(args[i]) for i in self.moving]


def found(jaxpr: jaxprs.Jaxpr, within: tuple[str, ...] = ()) -> tuple[list[Site], list[tuple[int, ...]]]:
    """The rules of a program in the order in which `walk` reaches them, and the lengths of the loops around each."""
    sites_found: list[Site] = []
    lengths: list[tuple[int, ...]] = []

    def go(jaxpr, around, is_looped):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            if sites.is_rule(equation):
                sites_found.append(sites.of(equation, within, is_looped))
                lengths.append(around)
            elif name == "while":
                go(jaxprs.opened(equation.params["body_jaxpr"]).jaxpr, (*around, FIRST), True)
            else:
                deeper = (*around, jaxprs.loop(equation).length) if name == "scan" else around
                for body in _bodies(equation):
                    go(body.jaxpr, deeper, is_looped)

    go(jaxpr, (), False)
    return sites_found, lengths


def walk(
    program: jaxprs.Body, args: Sequence[Any], given: Sequence[Any], change: Change
) -> tuple[list[Array], list[Any]]:
    """The results of a program with `change` at each rule, and what is seen there."""
    seen: list[Any] = []

    def at(equation, inputs):
        if sites.is_rule(equation):
            # a rule may index a NumPy array among its inputs with what is traced
            inputs = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
            outs, here = change(sites.of(equation), inputs, given[len(seen)])
            seen.append(here)
            return outs
        counts = [len(found(each.jaxpr)[0]) for each in _bodies(equation)]
        if sum(counts) == 0:
            return jaxprs.bind(equation, inputs)
        part = list(given[len(seen) : len(seen) + sum(counts)])
        outs, new = _within(equation, inputs, part, counts, lambda body, args, here: walk(body, args, here, change))
        seen.extend(new)
        return outs

    return jaxprs.evaluate(program, args, at), seen


def _bodies(equation: jaxprs.Equation) -> list[jaxprs.Body]:
    """The bodies of an equation that the walk enters."""
    name = equation.primitive.name
    if name == "while":
        return [jaxprs.opened(equation.params["body_jaxpr"])]
    if name == jaxprs.OPAQUE:
        return [jaxprs.expanded(equation)]
    return interpreter.bodies(equation) if interpreter.is_followed(equation) else []


def _within(equation, inputs, given, counts, step) -> tuple[list[Array], list[Any]]:
    name = equation.primitive.name
    if name == "scan":
        return interpreter.looped(equation, inputs, given, step)
    if name == "cond":
        return interpreter.branched(equation, inputs, given, counts, step)
    if name == "while":
        return jaxprs.bind(equation, inputs), _first_steps(equation, inputs, given, step)
    return step(_bodies(equation)[0], inputs, given)


def _first_steps(equation: jaxprs.Equation, inputs: list[Array], given: list[Any], step: Any) -> list[Any]:
    """What is seen in the first steps of a while loop, beside the loop itself."""
    (ends, of_end), (body, of_body), carry = widening.while_parts(equation, inputs)

    def one(carry, here):
        outs, seen = step(body, [*of_body, *carry], here)
        return list(outs), seen

    def trial(state, here):
        is_going, carry = state
        is_going = is_going & jnp.any(jaxprs.evaluate(ends, [*of_end, *carry], jaxprs.bind)[0])
        shapes = jax.eval_shape(one, carry, here)[1]
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        carry, seen = jax.lax.cond(is_going, one, lambda carry, _: (carry, zeros), carry, here)
        return (is_going, carry), seen

    return jax.lax.scan(trial, (jnp.asarray(True), [jnp.asarray(x) for x in carry]), given, length=FIRST)[1]


def _escapes(site: Site) -> bool:
    """Whether a rule, differentiated by itself, uses values of a trace that has ended."""
    atoms = site.equation.invars
    like = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in atoms]
    moved = [j for j, atom in enumerate(atoms) if sites.is_moved(atom.aval)]

    def backward(inputs):
        def function(at):
            filled = list(inputs)
            for j, x in zip(moved, at, strict=True):
                filled[j] = x
            return [out for out in jaxprs.bind(site.equation, filled) if sites.is_moved(out)]

        outs, back = jax.vjp(function, [inputs[j] for j in moved])
        return back(outs)

    try:
        sites.traced(backward, like)
    except jax.errors.UnexpectedTracerError:
        return True
    except Exception:  # of another kind: the report says what
        return False
    return False


def _marked(x: Array, carrying: set[int], position: int) -> Array:
    """The value, whose derivative notes that there is one."""
    mark = jax.custom_jvp(lambda x: x)

    def rule(primals, tangents):
        if not isinstance(tangents[0], SymbolicZero):
            carrying.add(position)
        return primals[0], tangents[0]

    mark.defjvp(rule, symbolic_zeros=True)
    return mark(x)


def _added(out: Array, tap: Array) -> Array:
    return out + tap if sites.is_moved(out) else out


def _tap_dtype(variable: Any) -> Any:
    return variable.aval.dtype if sites.is_moved(variable.aval) else jnp.float32


def _is_key(x: Any) -> bool:
    return bool(jax.dtypes.issubdtype(getattr(x, "dtype", None), jax.dtypes.prng_key))


def _unpacked(value: np.ndarray, key: Any) -> Any:
    return value if key is None else jax.random.wrap_key_data(jnp.asarray(value), impl=key)

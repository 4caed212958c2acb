"""The derivative that a rule gives, and those it is held against, as compiled programs of one equation.

    rule    jax.vjp of the equation as it is bound, so that JAX runs the forward and the backward function of the rule
    body    jax.vjp of the function that the rule belongs to
    bare    the same with every rule within it removed; left out where there is none

Each is traced in the dtypes that the program has, and evaluated both as it is and in float64. Where a program has no
reverse mode, its derivative along one direction for each input stands for it. An input that stands in several places
of the equation is moved in all of them.

| symbol | name in code | shape |
|---|---|---|
| inputs that are moved | `at` | a list, each once |
| all inputs of the equation | `inputs` | a list |
| cotangents of the floating outputs | `cotangents` | a list, as the outputs |
| directions, where a derivative is along one | `ways` | as `at` |
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.auditing import sites
from fnnets.verify.auditing.sites import Site
from fnnets.verify.auditing.slopes import EPSILON
from fnnets.verify.tracing import compiled, identity, precision, widening

if TYPE_CHECKING:
    from jaxtyping import Array


class Derivative(NamedTuple):
    """Values and derivatives of one candidate.

    Attributes:
        outs: the floating outputs.
        gradients: one array for each input that is moved; one number where they are along a direction.
        is_along: whether they are.
    """

    outs: list[np.ndarray]
    gradients: list[np.ndarray]
    is_along: bool


class Traced(NamedTuple):
    """A candidate as a program of (at, inputs, cotangents), and whether its derivative is along a direction."""

    program: jaxprs.Body
    is_along: bool


class Equation:
    """The function of one site, and its candidates."""

    def __init__(
        self, site: Site, moved: Sequence[int], inputs: Sequence[Any], whole: Callable[..., Any] | None = None
    ):
        """`moved` are the positions of the inputs that carry a derivative; `inputs` an example of them all.

        The derivative of a `whole` function, which has no rule itself, is held against differences alone.
        """
        self.site = site
        self.is_coarse = False  # whether it fails in float64, as a solver may whose tolerance is that of float32
        self._compiled: dict[tuple[str, bool], Any] = {}
        atoms = site.equation.invars
        names = list(dict.fromkeys(atoms[j] for j in moved if not jaxprs.is_literal(atoms[j])))
        self.places = [[j for j, atom in enumerate(atoms) if atom is name] for name in names]
        self.outs = [n for n, v in enumerate(site.equation.outvars) if sites.is_moved(v.aval)]
        self.failures: dict[str, Exception] = {}
        functions = {"rule": jaxprs.bind, "body": lambda equation, inputs: sites.plain(equation, inputs, jaxprs.bind)}
        if whole is not None:
            functions = {"rule": lambda _, inputs: whole(*inputs)}
        elif sites.has_rule(site.equation):
            functions["bare"] = lambda equation, inputs: sites.plain(equation, inputs, sites.bare)
        self.functions = {name: self._of_moved(each) for name, each in functions.items()}
        self.traced: dict[str, Traced] = {}
        self._like = self.at(inputs), list(inputs), self._cotangents()
        for name, function in self.functions.items():
            self._trace(name, function)
        self.own = jaxprs.opened(jax.make_jaxpr(self.functions["rule"])(*self._like[:2]))
        try:
            function = self.functions.get("body", self.functions["rule"])
            self.plain = jaxprs.opened(jax.make_jaxpr(function)(*self._like[:2]))
        except NotImplementedError as error:  # a linear system that is too large
            self.failures["values"] = error

    def at(self, inputs: Sequence[Any]) -> list[Any]:
        """The inputs that are moved, complex ones as their two parts."""
        return [_parts(inputs[places[0]]) for places in self.places]

    def near(self, inputs: Sequence[Any]) -> list[Any]:
        """The inputs with all that are moved a little away."""
        found, random = list(inputs), np.random.default_rng(3)
        for places in self.places:
            x = np.asarray(inputs[places[0]])
            moved = (x * 1.125 + 0.1 * random.normal(size=x.shape)).astype(x.dtype)
            for j in places:
                found[j] = moved
        return found

    def named(self, n: int, index: tuple[int, ...]) -> str:
        """An element of the n-th input that is moved, counted as the function itself counts its arguments."""
        position = self.places[n][0] - self.site.equation.params.get("num_consts", 0)
        name = f"input {position}" if position >= 0 else "a value that it closes over"
        return f"{name} {list(index)}" if index else name

    def arriving(self, cotangents: Sequence[Any]) -> list[np.ndarray]:
        """The cotangents of the floating outputs among all that arrive, of complex ones those of the two parts."""
        found = [np.asarray(cotangents[n]) for n in self.outs]
        return [_parts(np.conj(each)) if np.iscomplexobj(each) else each for each in found]

    def run(self, inputs: Sequence[Any], cotangents: Sequence[Any], is_wide: bool) -> dict[str, Derivative]:
        """Every candidate at a point, in float64 or as the program is."""
        programs = [each.program for each in self.traced.values()]
        run = lambda programs, *args: [self._evaluated(each, args, is_wide) for each in programs]  # noqa: E731
        found = self._call("derivatives", programs, run, is_wide, self.at(inputs), list(inputs), list(cotangents))
        split = len(self.outs)
        return {
            name: Derivative(outs[:split], outs[split:], each.is_along)
            for (name, each), outs in zip(self.traced.items(), found, strict=True)
        }

    def values(self, inputs: Sequence[Any], is_wide: bool) -> list[np.ndarray]:
        """The floating outputs of the equation as it is, where nothing is differentiated."""
        run = lambda programs, *args: self._evaluated(programs[0], args, is_wide)  # noqa: E731
        return self._call("values", [self.own], run, is_wide, self.at(inputs), list(inputs))

    def along(
        self, inputs: Sequence[Any], cotangents: Sequence[Any], ways: Sequence[np.ndarray], offsets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ cotangent · (output − output at 0) at each offset along a direction, and the sizes of the terms."""

        def run(programs, at, inputs, cotangents, ways, offsets):
            def outs(offset):
                moved = [x + offset * way for x, way in zip(at, ways, strict=True)]
                return self._evaluated(programs[0], (moved, inputs), True)

            def one(offset):
                # differences term by term: one large output does not drown the others
                pairs = list(zip(outs(offset), base, cotangents, strict=True))
                sizes = [jnp.where(out == here, 0, jnp.abs(ct * here)) for out, here, ct in pairs]
                terms = [jnp.where(ct == 0, 0, ct * (out - here)) for out, here, ct in pairs]
                return sum(map(jnp.sum, terms)), sum(map(jnp.sum, sizes))

            base = outs(jnp.zeros_like(offsets[0]))
            return jax.lax.map(one, offsets)

        args = _wide(self.at(inputs)), list(inputs), _wide(cotangents), _wide(ways), np.asarray(offsets, np.float64)
        values, sizes = self._call("along", [self.plain], run, True, *args)
        return np.asarray(values), np.asarray(sizes) * self.coarseness

    def changes(self, name: str, inputs: Sequence[Any], cotangents: Sequence[Any]) -> list[np.ndarray]:
        """How the gradients of a candidate change along the drawn direction, in float64."""
        split, ways = len(self.outs), self.directions()

        def run(programs, at, inputs, cotangents):
            def gradients(at):
                return self._evaluated(programs[0], (at, inputs, cotangents), True)[split:]

            return jax.jvp(gradients, (list(at),), ([jnp.asarray(way) for way in ways],))[1]

        args = _wide(self.at(inputs)), list(inputs), _wide(cotangents)
        return self._call(f"second {name}", [self.traced[name].program], run, True, *args)

    @functools.cached_property
    def is_quantised(self) -> bool:
        """Whether the rule passes numbers through a dtype of fewer digits than its inputs and outputs have."""
        atoms = (*self.site.equation.invars, *self.site.equation.outvars)
        outer = [_digits(atom) for atom in atoms if sites.is_moved(atom.aval)]
        inside = (v for each in jaxprs.equations(self.traced["rule"].program.jaxpr) for v in each.outvars)
        return any(_digits(v) < min(outer) for v in inside if sites.is_moved(v.aval))

    @functools.cached_property
    def coarseness(self) -> float:
        """The rounding of what the program computes in its own dtype, in units of float64's."""
        inside = [each for each in jaxprs.equations(self.plain.jaxpr) if self.is_coarse or widening.is_fixed(each)]
        numbers = [v.aval for each in inside for v in (*each.invars, *each.outvars) if sites.is_moved(v.aval)]
        return max((float(jnp.finfo(each.dtype).eps) for each in numbers), default=EPSILON) / EPSILON

    @functools.cached_property
    def outputs(self) -> list[Any]:
        """Shapes and dtypes of the floating outputs, of complex ones with an axis for the two parts."""
        avals = [self.site.equation.outvars[n].aval for n in self.outs]
        return [jax.eval_shape(_parts, jax.ShapeDtypeStruct(each.shape, each.dtype)) for each in avals]

    @property
    def is_scalar(self) -> bool:
        """Whether there is one output, a number."""
        return len(self.outs) == 1 and self.outputs[0].shape == ()

    def directions(self) -> list[np.ndarray]:
        """A drawn direction for each input that is moved."""
        random = np.random.default_rng(11)
        return [random.normal(size=np.shape(x)) for x in self._like[0]]

    def _call(self, name: str, programs: list[jaxprs.Body], run: Callable[..., Any], is_wide: bool, *args: Any) -> Any:
        """`run(programs, *args)`, compiled once for all programs that are the same but for what they close over."""

        def evaluate(consts, args):
            bodies = [jaxprs.Body(each.jaxpr, held) for each, held in zip(programs, consts, strict=True)]
            return run(bodies, *args)

        consts = [list(each.consts) for each in programs]
        wide = is_wide and not self.is_coarse
        try:
            with precision.double() if wide else contextlib.nullcontext(), _silence():
                if (name, wide) not in self._compiled:
                    key = ("audit", name, wide, *(identity.identity(each.jaxpr) for each in programs))
                    self._compiled[name, wide] = compiled.compile_for(evaluate, key, consts, list(args)).result()
                return jax.device_get(self._compiled[name, wide](consts, list(args)))
        except jax.errors.JaxRuntimeError:
            if not wide:
                raise
        self.is_coarse = True
        self.__dict__.pop("coarseness", None)
        return self._call(name, programs, run, is_wide, *args)

    def _evaluated(self, program: jaxprs.Body, args: Sequence[Any], is_wide: bool) -> list[Array]:
        flat = jax.tree.leaves(args)
        if is_wide and not self.is_coarse:
            return widening.evaluate(program, flat)
        own = [widening.own(x, v.aval.dtype) for x, v in zip(flat, program.jaxpr.invars, strict=True)]
        return jaxprs.evaluate(program, own, jaxprs.bind)

    def _of_moved(self, step: Callable[..., Any]) -> Callable[..., list[Array]]:
        def function(at, inputs):
            filled = list(inputs)
            for value, places in zip(at, self.places, strict=True):
                for j in places:
                    is_whole = np.ndim(value) == len(self.site.equation.invars[j].aval.shape)
                    filled[j] = value if is_whole else jax.lax.complex(value[..., 0], value[..., 1])
            outs = step(self.site.equation, filled)
            return [_parts(outs[n]) for n in self.outs]

        return function

    def _cotangents(self) -> list[Any]:
        return [jnp.ones(each.shape, each.dtype) for each in self.outputs]

    def _trace(self, name: str, function: Callable[..., list[Array]]) -> None:
        def backward(at, inputs, cotangents):
            outs, back = jax.vjp(lambda at: function(at, inputs), at)
            return outs, back(list(cotangents))[0]

        def forward(at, inputs, cotangents):
            ways, outs, found = self.directions(), [], []
            for n, way in enumerate(ways):
                tangents = [jnp.asarray(way, x.dtype) if k == n else jnp.zeros_like(x) for k, x in enumerate(at)]
                outs, changes = jax.jvp(lambda at: function(at, inputs), (at,), (tangents,))
                found.append(sum(jnp.sum(ct * change) for ct, change in zip(cotangents, changes, strict=True)))
            return outs, found

        for is_along, derivative in ((False, backward), (True, forward)):
            try:
                program = sites.traced(derivative, *self._like)
                if any(each.primitive.name == "custom_lin" for each in jaxprs.equations(program.jaxpr)):
                    raise TypeError("a custom_vjp has no derivative along a direction")
            except Exception as error:  # a rule may raise anything; the report says what
                self.failures.setdefault(name, error)
            else:
                self.traced[name] = Traced(program, is_along)
                return


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """A scope in which JAX does not log callbacks that fail: the exception is caught."""
    logger = logging.getLogger("jax._src.callback")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _digits(variable: Any) -> int:
    return int(jnp.finfo(variable.aval.dtype).nmant)


def _parts(x: Any) -> Any:
    """A complex array as real and imaginary part along a last axis, any other as it is."""
    if not jnp.issubdtype(jnp.result_type(x), jnp.complexfloating):
        return x
    stack = np.stack if isinstance(x, np.ndarray | np.generic) else jnp.stack
    return stack([x.real, x.imag], axis=-1)


def _wide(arrays: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(each, np.float64) for each in arrays]

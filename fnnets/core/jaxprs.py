"""Jaxprs: the one module that reads the program that JAX traces from a function.

    program     what `jax.make_jaxpr` returns: equations, and the arrays that they close over
    equation    primitive, inputs, outputs, parameters; some parameters are programs themselves: bodies
    evaluate    the results of a program, equation by equation, with any function in place of `bind`

JAX changed the form in which programs are kept, so everything here goes by the parts that a program has:

| JAX | constants and carries of a scan | a body |
|---|---|---|
| 0.10 | `num_consts`, `num_carry` | a ClosedJaxpr: `.jaxpr`, `.consts` |
| 0.11, 0.12 | `ft_in`, of three parts: constants, carries, slices | a Jaxpr with `.consts`; its `.jaxpr` is itself |

The primitive `call_hi_primitive` stands for an object that has its operation as a method `expand`: in JAX 0.12 for
`searchsorted`, `nonzero`, `ldexp` and others, and under the flags `jax_custom_vjp3` and `jax_custom_jvp3` for a
function with a derivative rule of its own, whose body stands in a traced function.

An equation of another form is refused by name; no verdict is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.extend import core

if TYPE_CHECKING:
    from jaxtyping import Array

# Equations that stand for their body: the same inputs, the same outputs.
INLINED = ("jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "remat2")
OPAQUE = "call_hi_primitive"
WIDE = ("float64", "int64", "uint64", "complex128")
# JAX has no public types for these that hold from 0.10 to 0.12.
Program: TypeAlias = Any
Jaxpr: TypeAlias = Any
Equation: TypeAlias = Any
Atom: TypeAlias = Any
ADDRESS = re.compile(r"0x[0-9a-f]+")


class UnknownEquationError(NotImplementedError):
    """An equation of a form that this release of fnnets cannot read; the message names it and JAX's version."""


class Body(NamedTuple):
    """A program within an equation: its jaxpr, and the values of `jaxpr.constvars`."""

    jaxpr: Jaxpr
    consts: Sequence[Array]


class Loop(NamedTuple):
    """A scan's equation: its inputs are `consts` constants, then `carries` carries, then slices of `length` steps."""

    body: Body
    consts: int
    carries: int
    length: int
    settings: dict[str, Any]


class Line(NamedTuple):
    """A line of source: file, number, and the function that it stands in, as Python names it."""

    file: str
    number: int
    function: str


def opened(program: Program) -> Body:
    """The jaxpr of a program, and the arrays that it closes over.

    >>> import jax, numpy as np
    >>> body = opened(jax.make_jaxpr(lambda x: x + 1)(1.0))
    >>> len(body.jaxpr.eqns), len(body.consts)
    (1, 0)
    """
    return Body(getattr(program, "jaxpr", program), getattr(program, "consts", ()))


def body(equation: Equation) -> Body:
    """The body of an equation that has just one: a scan, a call.

    Raises:
        UnknownEquationError: the equation has none, or not in a parameter where it is looked for.
    """
    found = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    if not hasattr(found, "eqns") and not hasattr(found, "jaxpr"):
        raise unknown(equation, "a parameter jaxpr or call_jaxpr")
    return opened(found)


def inlined(equation: Equation) -> Body:
    """The body of an equation that stands for it.

    Raises:
        UnknownEquationError: the body has other inputs or outputs than the equation.
    """
    found = body(equation)
    sizes = [(len(each.invars), len(each.outvars)) for each in (equation, found.jaxpr)]
    if sizes[0] != sizes[1]:
        wanted, came = (f"{inputs} inputs and {outputs} outputs" for inputs, outputs in sizes)
        raise unknown(equation, f"a body of {wanted}, as the equation has, in place of {came}")
    return found


def loop(equation: Equation) -> Loop:
    """The parts of a scan's equation.

    Raises:
        UnknownEquationError: its counts of constants and carries are missing.
    """
    p = equation.params
    if "num_consts" in p and "num_carry" in p:
        counts = p["num_consts"], p["num_carry"]
    elif hasattr(p.get("ft_in"), "unpack"):
        parts = p["ft_in"].unpack()
        if len(parts) != 3 or sum(map(len, parts)) != len(equation.invars):
            raise unknown(equation, "a parameter ft_in of three parts, constants, carries and slices")
        counts = len(parts[0]), len(parts[1])
    else:
        raise unknown(equation, "parameters num_consts and num_carry, or ft_in")
    missing = {"length", "reverse", "unroll"} - p.keys()
    if missing:
        raise unknown(equation, f"a parameter {min(missing)}")
    settings = {name: p[name] for name in ("length", "reverse", "unroll")}
    return Loop(body(equation), *counts, p["length"], settings)


def inner(equation: Equation) -> list[Jaxpr]:
    """The jaxprs of all bodies of an equation, those of its branches and custom derivative rules included.

    Raises:
        UnknownEquationError: the equation is opaque, and its operation cannot be read.

    >>> import jax
    >>> [equation] = jax.make_jaxpr(jax.jit(lambda x: x + 1))(1.0).jaxpr.eqns
    >>> len(inner(equation))
    1
    """
    found = [each.jaxpr for value in equation.params.values() for each in _bodies(value)]
    return [expanded(equation).jaxpr] if not found and equation.primitive.name == OPAQUE else found


def expanded(equation: Equation) -> Body:
    """The program of an opaque equation, with its inputs and outputs.

    Raises:
        UnknownEquationError: it holds no object with a method `expand`.
    """
    operation = equation.params.get("_prim")
    if not all(hasattr(operation, name) for name in ("expand", "in_tree", "out_tree")):
        raise unknown(equation, "a traced function in it")

    def flat(*inputs):
        return operation.out_tree.flatten_up_to(operation.expand(*operation.in_tree.unflatten(inputs)))

    avals = [each.aval for each in (*equation.invars, *equation.outvars)]
    with jax.enable_x64(any(str(each.dtype) in WIDE for each in avals)):
        like = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in avals[: len(equation.invars)]]
        return opened(jax.make_jaxpr(flat)(*like))


def constants(program: Program) -> Iterator[Array]:
    """The arrays that a program, and those within it, close over.

    >>> import jax, numpy as np
    >>> [each.shape for each in constants(jax.make_jaxpr(jax.jit(lambda x: x + np.arange(3.0)))(1.0))]
    [(3,)]
    """
    jaxpr, consts = opened(program)
    yield from consts
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for each in _bodies(value):
                yield from constants(each)


def text(program: Program) -> str:
    """A program as JAX prints it, without the addresses of this process, and the bodies that JAX does not print."""
    jaxpr, _ = opened(program)
    hidden = [each for equation in equations(jaxpr) if equation.primitive.name == OPAQUE for each in inner(equation)]
    return "\n".join(ADDRESS.sub("", str(each)) for each in (program, *hidden))


def read(atom: Atom, values: dict[Atom, Array]) -> Array:
    """The value of an equation's input: a literal's own, or that of its variable."""
    return atom.val if isinstance(atom, core.Literal) else values[atom]


def is_literal(atom: Atom) -> bool:
    """Whether an equation's input is a number that stands in the program."""
    return isinstance(atom, core.Literal)


def evaluate(
    program: Body, args: Sequence[Array], step: Callable[[Equation, list[Array]], Sequence[Array]]
) -> list[Array]:
    """The results of a program where `step(equation, inputs)` gives the outputs of each equation.

    Args:
        program: jaxpr and constants.
        args: a value for each input of the program.
        step: what is done at an equation; `bind` computes it as it is.

    >>> import jax
    >>> program = opened(jax.make_jaxpr(lambda x: 2 * x + 1)(1.0))
    >>> [float(each) for each in evaluate(program, [3.0], bind)]
    [7.0]
    """
    jaxpr, consts = program
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    for equation in jaxpr.eqns:
        outs = step(equation, [read(atom, values) for atom in equation.invars])
        values.update(zip(equation.outvars, outs, strict=True))
    return [read(atom, values) for atom in jaxpr.outvars]


def bind(equation: Equation, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of one equation, as it is.

    Raises:
        UnknownEquationError: its parameters cannot be bound again.
    """
    try:
        parameters = equation.primitive.get_bind_params(equation.params)
    except (AttributeError, KeyError, TypeError) as error:
        raise unknown(equation, "parameters that can be bound again") from error
    with equation.ctx.manager:
        outs = equation.primitive.bind(*inputs, **parameters)
    return list(outs) if equation.primitive.multiple_results else [outs]


def same(one: Program, other: Program) -> bool:
    """Whether two programs have the same equations and close over the same numbers.

    >>> import jax
    >>> trace = lambda c: jax.make_jaxpr(lambda x: x + c)(1.0)
    >>> same(trace(1.0), trace(1.0)), same(trace(1.0), trace(2.0))
    (True, False)
    """
    (jaxpr, consts), (other_jaxpr, other_consts) = opened(one), opened(other)
    if str(jaxpr) != str(other_jaxpr) or len(consts) != len(other_consts):
        return False
    return all(_equal(x, y) for x, y in zip(consts, other_consts, strict=True))


def unknown(equation: Equation, expected: str) -> UnknownEquationError:
    """The error for an equation of another form than expected."""
    return UnknownEquationError(
        f"the equation {equation.primitive.name!r} of JAX {jax.__version__} has the parameters "
        f"{', '.join(sorted(equation.params)) or 'none'}, expected {expected}; this release of fnnets cannot read it: "
        "take a release of JAX that docs/guides/installing.md names, or report it"
    )


def lines(equation: Equation, folder: str) -> list[Line]:
    """The lines below `folder` that an equation was traced from, the innermost first."""
    frames = equation.source_info.traceback.frames
    return [Line(f.file_name, f.line_num, f.function_name) for f in frames if f.file_name.startswith(folder)]


def equations(jaxpr: Jaxpr) -> Iterator[Equation]:
    """All equations of a jaxpr, those within their bodies included."""
    for equation in jaxpr.eqns:
        yield equation
        for within in inner(equation):
            yield from equations(within)


def _bodies(value: Program) -> Iterator[Body]:
    """The programs in a parameter of an equation."""
    if isinstance(value, tuple | list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _bodies(each)
    elif hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        yield opened(value)
    elif hasattr(getattr(value, "traced", None), "jaxpr"):
        yield opened(value.traced.jaxpr)


def _equal(x: object, y: object) -> bool:
    is_number = hasattr(x, "dtype") and jax.numpy.issubdtype(x.dtype, jax.numpy.number)
    return not is_number or np.array_equal(np.asarray(x), np.asarray(y), equal_nan=True)

"""Float64 for programs that fix fewer digits: every narrower number of a traced program is kept in float64.

    traced      f: (…, float32) → float32, with casts, carries and accumulators of float32, bfloat16, float16
    widened     the same equations on float64; casts between floating dtypes leave the numbers as they are
    as it is    callbacks, kernels and bits of random numbers: computed in their own dtype, and then widened

Derivatives are taken before: what is widened is the program of a derivative, so that every rule in it is the one that
the code itself would use.

| symbol | name in code | shape |
|---|---|---|
| what is done to the results of an equation | `how.after(equation, inputs, outs, is_own)` | |
| what is done to a number that the program holds | `how.held(value, dtype)` | |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.tracing import primitives

if TYPE_CHECKING:
    from jaxtyping import Array


RULES = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")
AS_IT_IS = (
    "bitcast_convert_type", "pure_callback", "io_callback", "debug_callback", "ffi_call", "pallas_call", "custom_call",
    "random_bits", "random_seed", "random_wrap", "random_unwrap", "random_fold_in", "random_split", "random_gamma_grad",
    "nextafter", "shard_map", "linear_call", "run_state", "xla_pmap", "tpu_custom_call",
)  # fmt: skip
"""Primitives that are computed in their own dtype."""


class How(NamedTuple):
    """How a program is evaluated.

    Attributes:
        after: `(equation, inputs, outputs, is_own)` -> the outputs that go on; `is_own` where they have the equation's
            dtype.
        held: `(value, dtype)` -> the number that is taken in place of one that the program holds.
        is_wide: in float64, else as the program has it.
    """

    after: Callable[[Any, list[Any], list[Any], bool], list[Any]] | None = None
    held: Callable[[Any, Any], Any] = lambda value, dtype: value
    is_wide: bool = True


Run = Callable[[jaxprs.Body, "list[Any]"], "list[Array]"]
DTYPES = ("new_dtype", "dtype", "preferred_element_type", "accumulate_dtype", "out_dtype")


def is_wide(dtype: object) -> bool:
    """Whether a dtype holds no floating numbers narrower than float64.

    >>> is_wide(np.float32), is_wide(np.int32), is_wide(np.float64)
    (False, True, True)
    """
    return _wider(dtype) == dtype


def narrows(program: Any) -> bool:
    """Whether any equation of a program, or of one within it, gives a number narrower than float64."""
    jaxpr = getattr(program, "jaxpr", program)
    if not all(is_wide(_dtype(atom)) for atom in jaxpr.outvars):
        return True
    return any(
        not all(is_wide(_dtype(out)) for out in equation.outvars) or any(map(narrows, jaxprs.inner(equation)))
        for equation in jaxpr.eqns
    )


def evaluate(program: jaxprs.Body, args: Sequence[Array], how: How | None = None) -> list[Array]:
    """The results of a program in float64, or as `how` has it."""
    how = How() if how is None else how
    take = wide if how.is_wide else (lambda value: value)
    jaxpr, consts = program
    values: dict[Any, Any] = {}
    for variable, const in zip(jaxpr.constvars, consts, strict=True):
        values[variable] = take(how.held(const, _dtype(variable)))
    values.update((variable, take(_given(arg, variable))) for variable, arg in zip(jaxpr.invars, args, strict=True))

    def read(atom):
        return take(how.held(number(atom), _dtype(atom))) if jaxprs.is_literal(atom) else values[atom]

    for equation in jaxpr.eqns:
        outs = _step(equation, [read(atom) for atom in equation.invars], how)
        values.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def wide(value: Any) -> Any:
    """The value with its floating numbers in float64, complex ones in complex128."""
    dtype = getattr(value, "dtype", None)
    if dtype is None and isinstance(value, float):
        return np.float64(value)
    if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended) or is_wide(dtype):
        return value
    return lax.convert_element_type(value, _wider(dtype)) if isinstance(value, jax.Array) else _on_host(value)


def number(literal: Any) -> Any:
    """A number that stands in a program, in its own dtype."""
    value = literal.val
    return value if hasattr(value, "dtype") else np.asarray(value, literal.aval.dtype)


def own(value: Any, dtype: Any) -> Any:
    """The value in the dtype that the program has for it."""
    came = getattr(value, "dtype", None)
    return value if came is None or came == dtype else lax.convert_element_type(value, dtype)


def _on_host(value: Any) -> np.ndarray:
    return np.asarray(value).astype(_wider(np.asarray(value).dtype))


def _step(equation: Any, inputs: list[Any], how: How) -> list[Array]:
    name = equation.primitive.name
    if name in RULES:
        return evaluate(jaxprs.body(equation), inputs, how)
    if name in jaxprs.INLINED:
        return evaluate(jaxprs.inlined(equation), inputs, how)
    if name == jaxprs.OPAQUE:
        return evaluate(jaxprs.expanded(equation), inputs, how)
    if name == "custom_linear_solve":
        return evaluate(*solver(equation, inputs), how)
    if name in LOOPS:
        return LOOPS[name](equation, inputs, how)
    is_narrow = not all(is_wide(_dtype(atom)) for atom in [*equation.invars, *equation.outvars])
    is_own = is_fixed(equation) or not how.is_wide
    if is_narrow and how.is_wide:
        outs = _as_it_is(equation, inputs) if is_own else _widened(equation, inputs)
    else:
        outs = jaxprs.bind(equation, inputs)
    return outs if how.after is None else how.after(equation, inputs, outs, is_own)


def solver(equation: Any, inputs: list[Any]) -> tuple[jaxprs.Body, list[Any]]:
    """The program that solves a linear system, and its inputs."""
    lengths, solve = equation.params["const_lengths"], jaxprs.opened(equation.params["jaxprs"].solve)
    first = lengths.matvec + lengths.vecmat
    return solve, [*inputs[first : first + lengths.solve], *inputs[sum(lengths) :]]


def is_fixed(equation: Any) -> bool:
    """Whether an equation is computed in its own dtype: so are all of other libraries."""
    return equation.primitive.name in AS_IT_IS or not primitives.is_of_jax(equation.primitive)


def _given(arg: Any, variable: Any) -> Any:
    """An argument in the program's dtype where that is one of whole numbers, which may be narrower."""
    dtype, came = _dtype(variable), getattr(arg, "dtype", None)
    is_whole = came is not None and jnp.issubdtype(came, jnp.integer) and came != dtype
    return lax.convert_element_type(arg, dtype) if is_whole else arg


def _as_it_is(equation: Any, inputs: list[Any]) -> list[Array]:
    given = [own(value, _dtype(atom)) for value, atom in zip(inputs, equation.invars, strict=True)]
    return list(map(wide, jaxprs.bind(equation, given)))


def _widened(equation: Any, inputs: list[Any]) -> list[Array]:
    """The outputs of one equation whose numbers are float64 in place of its own dtype."""
    name = equation.primitive.name
    if name == "reduce_precision":
        return inputs
    parameters = {key: _parameter(key, value) for key, value in equation.params.items()}
    if name == "convert_element_type":
        return [lax.convert_element_type(inputs[0], parameters["new_dtype"])]
    outs = jaxprs.bind(equation.replace(params=parameters), inputs)
    return list(map(wide, outs))


def _parameter(key: str, value: Any) -> Any:
    if key in DTYPES and value is not None:
        return _wider(value)
    return _program(value) if hasattr(value, "eqns") or isinstance(value, core.ClosedJaxpr) else value


def _program(value: Any) -> Any:
    """A program in a parameter, such as the sum of a scatter, on float64."""
    body = jaxprs.opened(value)
    like = [jax.ShapeDtypeStruct(v.aval.shape, _wider(v.aval.dtype)) for v in body.jaxpr.invars]
    closed = jax.make_jaxpr(lambda *args: evaluate(body, args))(*like)
    return closed if isinstance(value, core.ClosedJaxpr) else closed.jaxpr


def _scan(equation: Any, inputs: list[Any], how: How) -> list[Array]:
    loop = jaxprs.loop(equation)
    consts, carry = inputs[: loop.consts], inputs[loop.consts : loop.consts + loop.carries]

    def body(carry, x):
        outs = evaluate(loop.body, [*consts, *carry, *x], how)
        return outs[: loop.carries], outs[loop.carries :]

    carry, ys = lax.scan(body, list(carry), list(inputs[loop.consts + loop.carries :]), **loop.settings)
    return [*carry, *ys]


def while_loop(equation: Any, inputs: list[Any], step: Run, ends: Run | None = None) -> list[Array]:
    """What a while loop gives if `step(body, args)` evaluates its body, and `ends`, or `step`, its condition."""
    (condition, of_condition), (body, of_body), carry = while_parts(equation, inputs)
    ends = step if ends is None else ends

    def is_going(carry):
        return ends(condition, [*of_condition, *carry])[0]

    def one(carry):
        moved = step(body, [*of_body, *carry])
        if condition.jaxpr.outvars[0].aval.shape == ():
            return moved
        # several loops that were batched: those that have ended keep their values
        going = is_going(carry)
        return [
            lax.select(lax.broadcast_in_dim(going, new.shape, range(going.ndim)), new, old)
            for new, old in zip(moved, carry, strict=True)
        ]

    return list(lax.while_loop(lambda carry: jnp.any(is_going(carry)), one, list(carry)))


def while_parts(equation: Any, inputs: list[Any]) -> tuple[tuple[jaxprs.Body, list], tuple[jaxprs.Body, list], list]:
    """Condition and body of a while loop, each with its constants, and the carry."""
    p = equation.params
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    condition = jaxprs.opened(p["cond_jaxpr"]), inputs[:first]
    return condition, (jaxprs.opened(p["body_jaxpr"]), inputs[first:second]), inputs[second:]


def _while(equation: Any, inputs: list[Any], how: How) -> list[Array]:
    return while_loop(
        equation,
        inputs,
        lambda body, args: evaluate(body, args, how),
        lambda body, args: evaluate(body, args, how._replace(after=None)),
    )


def _cond(equation: Any, inputs: list[Any], how: How) -> list[Array]:
    branches = [jaxprs.opened(each) for each in equation.params["branches"]]
    index, *operands = inputs
    of = [lambda *args, each=each: evaluate(each, args, how) for each in branches]
    return list(lax.switch(index, of, *operands)) if len(of) > 1 else of[0](*operands)


LOOPS: dict[str, Callable[..., list[Array]]] = {"scan": _scan, "while": _while, "cond": _cond}


def _wider(dtype: Any) -> Any:
    if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return dtype
    dtype = jnp.dtype(dtype)
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.dtype(np.float64)
    return jnp.dtype(np.complex128) if jnp.issubdtype(dtype, jnp.complexfloating) else dtype


def _dtype(atom: Any) -> Any:
    return getattr(atom.aval, "dtype", None)

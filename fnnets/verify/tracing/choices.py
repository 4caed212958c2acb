"""Choices of a traced program: which ways its numbers take, and where its smooth functions bend.

    cond, switch        which branches
    where, max, min     whether some element takes either side
    sigmoid, tanh, erf  the largest magnitude that they are given

The program is run once more, equation by equation, and a few numbers are kept of each choice. Inside a scan they are
taken over all steps. Code of JAX's own that chooses by itself, and what stands inside other functions than jit and
scan, is passed over: the line is that of the caller's own code.

| symbol | name in code | shape |
|---|---|---|
| whether each way is taken, 0 or 1 | `counts` | (ways,) for each choice |
| max abs z | `counts` | () for each smooth function |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.tracing import interpreter

if TYPE_CHECKING:
    from jaxtyping import Array

INLINED = (*jaxprs.INLINED, "custom_jvp_call")
FOREIGN = ("site-packages", "dist-packages", "<frozen", "contextlib.py")
OURS = tuple(str(Path(__file__).parents[2] / part) for part in ("verify", "core"))
SIDES, BENT = ("select_n", "max", "min", "cond"), ("logistic", "tanh", "erf")
KNOWN = {
    "where", "_where", "select", "select_n", "relu", "relu6", "leaky_relu", "elu", "maximum", "minimum", "max", "min",
    "clip", "cond", "switch", "__call__", "sigmoid", "silu", "tanh", "hard_tanh", "logistic", "erf",
}  # fmt: skip
"""Functions of JAX whose choices are those of whoever calls them; `__call__` is that of `jnp.maximum` and its kind."""
CALLING = "reraise_with_filtered_traceback"


class Choice(NamedTuple):
    """A place where numbers take one of several ways, or where a smooth function bends.

    Attributes:
        kind: the primitive.
        line: where it is called, "" where that is not known.
        ways: how many there are.
        is_zero: of `max` and `min`, whether one of the two is zero.
    """

    kind: str
    line: str
    ways: int = 2
    is_zero: bool = False


def choices(program: jaxprs.Body, line: str | None = None) -> list[Choice]:
    """The choices of a program, in the order of execution; `line` is that of the call that it is the body of."""
    found: list[Choice] = []
    for equation in program.jaxpr.eqns:
        here = _line(equation) if line is None else line
        if here is not None and _is_choice(equation):
            name, literals = equation.primitive.name, [each.val for each in equation.invars if jaxprs.is_literal(each)]
            ways = len(equation.params["branches"]) if name == "cond" else 2
            found.append(Choice(name, here, ways, any(np.ndim(each) == 0 and each == 0 for each in literals)))
        inner = _within(equation, line)
        if inner is not None:
            found += choices(*inner)
    return found


def measured(program: jaxprs.Body, args: Sequence[Array], line: str | None = None) -> tuple[list[Array], list[Array]]:
    """The results of a program, and what its choices were: in the order of `choices`."""
    counts: list[Array] = []

    def at(equation, inputs):
        if (line is not None or _line(equation) is not None) and _is_choice(equation):
            counts.append(_count(equation, inputs))
        inner = _within(equation, line)
        if inner is None:
            return jaxprs.bind(equation, inputs)
        if equation.primitive.name != "scan":
            outs, seen = measured(inner[0], inputs, inner[1])
            counts.extend(seen)
            return outs
        outs, seen = interpreter.looped(equation, inputs, None, lambda body, args, _: measured(body, args, inner[1]))
        counts.extend(each.max(axis=0) for each in seen)
        return outs

    return jaxprs.evaluate(program, args, at), counts


def _is_choice(equation: jaxprs.Equation) -> bool:
    """Whether an equation chooses between floating numbers, or bends them."""
    name, out = equation.primitive.name, equation.outvars[0].aval if equation.outvars else None
    if name == "cond":
        return True
    dtype = getattr(out, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        return False
    return name in BENT or (name in SIDES and (name != "select_n" or len(equation.invars) == 3))


def _count(equation: jaxprs.Equation, inputs: list[Array]) -> Array:
    """Of a choice whether each way was taken; of a smooth function the largest magnitude that it is given."""
    name = equation.primitive.name
    if name == "cond":
        ways = len(equation.params["branches"])
        return (jnp.arange(ways, dtype=inputs[0].dtype) == jnp.clip(inputs[0], 0, ways - 1)).astype(jnp.float32)
    if name in BENT:
        return jnp.abs(inputs[0]).max(initial=0).astype(jnp.float32)
    if name == "select_n":
        taken = [jnp.any(jnp.logical_not(inputs[0])), jnp.any(inputs[0])]
    else:
        taken = [jnp.any(inputs[0] < inputs[1]), jnp.any(inputs[0] > inputs[1])]
    return jnp.stack(taken).astype(jnp.float32)


def _within(equation: jaxprs.Equation, line: str | None) -> tuple[jaxprs.Body, str | None] | None:
    """The body of a loop or a call and the line that it stands for; None for a body of JAX's own, and where is none."""
    name = equation.primitive.name
    if name != "scan" and name not in INLINED:
        return None
    body = jaxprs.body(equation)
    if not any(map(_is_choice, jaxprs.equations(body.jaxpr))):
        return None
    function, _, place = str(getattr(getattr(body.jaxpr, "debug_info", None), "func_src_info", "")).partition(" at ")
    if name == "scan" or "jax" not in Path(place).parts:
        return body, line
    here = _line(equation) if line is None else line
    return (body, here) if function in KNOWN and here is not None else None


def _line(equation: jaxprs.Equation) -> str | None:
    """The innermost line of the caller's own code, None where a function of JAX stands between that chooses itself."""
    frames, before = equation.source_info.traceback.frames, ""
    for frame in frames:
        if not any(part in frame.file_name for part in FOREIGN) and not frame.file_name.startswith(OURS):
            is_known = CALLING in before or before.rpartition(".")[2] in KNOWN
            return f"{Path(frame.file_name).name}, line {frame.line_num}" if is_known or not before else None
        before = frame.function_name
    return None

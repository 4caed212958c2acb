"""Rounding of a gradient, measured: every operation is rounded anew, and what moves is what rounding may explain.

    v' = v (1 + ε u) for each number v that an operation gives,   u uniform in [−1, 1]
    noise = 4 · max over draws of abs(g' − g), for each element, of either side

ε is that of the dtype of the operation: a cast to bfloat16 in the middle shakes what passes through it by bfloat16's,
and nothing else. Operations that only move, choose or negate numbers do not round, nor does what is made of numbers in
the code alone. Sums that cancel, saturated units and casts show themselves: a unit of tanh at z = 18 has σ' = 1 − tanh²
z = 9.3e-16, while tanh z is rounded to a multiple of 1.1e-16, so that two right programs may differ there in the first
digit.

Numbers that the code holds, or is given, as float32 may satisfy an identity to float32's rounding only, such as rows
that sum to one, or a product that was computed before. Where a gradient counts on it, what it is off by grows with
those numbers' rounding; what a fault is off by does not:

    data' = data (1 + δ u),  δ = 2⁻¹³          off(0) ≤ 8 ε/δ · off(δ)          an identity of the data

| symbol | name in code | shape |
|---|---|---|
| ε | `finfo(dtype).eps` | () |
| draws | `DRAWS` | |
| δ | `COARSE` | () |

Source: Monte Carlo arithmetic [Parker1997].
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Failure, Subject, problems
from fnnets.verify.tracing import compiled, precision, widening
from fnnets.verify.tracing.widening import How

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

DRAWS, FACTOR = 8, 4
COARSE, SLACK, COARSE_DRAWS = 2.0**-13, 8, 3
"""δ of float32 data, how far the equality reaches, and how often δ is drawn; coarser dtypes have a larger δ."""
EXACT = (
    "reshape", "broadcast_in_dim", "transpose", "slice", "dynamic_slice", "dynamic_update_slice", "gather", "select_n",
    "neg", "max", "min", "abs", "sign", "copy", "copy_p", "concatenate", "pad", "rev", "squeeze", "expand_dims",
    "reduce_max", "reduce_min", "argmax", "argmin", "stop_gradient", "name", "iota", "scatter", "split", "sort",
    "scatter_max", "scatter_min", "scatter-max", "scatter-min", "argsort", "top_k",
    "clamp", "floor", "ceil", "round", "real", "imag", "optimization_barrier", "reduce_window_max", "cummax", "cummin",
    "convert_element_type_exact", "pjit", "squeeze", "is_finite", "eq", "ne", "lt", "le", "gt", "ge",
)  # fmt: skip
"""Primitives whose results are numbers that were there before."""
UNSEEN, AS_MANY = ("pure_callback", "io_callback", "ffi_call", "pallas_call", "custom_call", "tpu_custom_call"), 256
"""Primitives whose own operations are not seen: they may round as often, relative to the largest of their results."""


def both_sides(subject: Subject, reference: Reference, candidate: Candidate) -> Callable[..., PyTree]:
    """(automatic δ, automatic leaves, explicit δ, explicit leaves) as a function of (θ, rest).

    The explicit ones are the automatic ones where they have another structure or shape.
    """
    is_usable = not isinstance(candidate.explicit, Failure)
    is_usable = is_usable and not isinstance(problems(candidate.explicit, reference.automatic), str)

    def both(at, rest):
        tree, cotangents, *_ = evaluate.differentiated(subject, reference.forward, at, rest)
        true = evaluate.true_deltas(reference.forward, cotangents, candidate.matches)
        automatic = jax.tree.leaves(tree)
        if not is_usable:
            return true, automatic, true, automatic
        deltas, explicit = evaluate.evaluated(subject, candidate, reference.forward, (at, rest), cotangents)
        leaves = jax.tree.leaves(explicit)
        same = [e if e.shape == a.shape else a for e, a in zip(leaves, automatic, strict=True)]
        return true, automatic, deltas, same

    return both


def noise(subject: Subject, reference: Reference, candidate: Candidate) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What rounding moves each element by, of either side: ([marks], [leaves]), in the precision of this scope."""
    both = both_sides(subject, reference, candidate)
    program = compiled.closed(both, *reference.point)
    leaves = jax.tree.leaves(reference.point)
    is_wide = precision.is_double()

    def measure(consts, args):
        body = program.program._replace(consts=consts)
        base = widening.evaluate(body, args, How(is_wide=is_wide))

        def farther(farthest, draw):
            there = widening.evaluate(body, args, How(_shaking(draw), is_wide=is_wide))
            moved = [_distance(x, y) for x, y in zip(there, base, strict=True)]
            return [jnp.maximum(*pair) for pair in zip(farthest, moved, strict=True)], None

        zeros = [jnp.zeros(each.shape, each.dtype) for each in base]
        farthest, _ = lax.scan(farther, zeros, jnp.arange(1, DRAWS + 1, dtype=jnp.uint32))
        return farthest

    found = _run("noise", program, measure, leaves, is_wide)
    true, automatic, deltas, explicit = jax.tree.unflatten(program.structure, found)
    return _sums(true, deltas), _sums(automatic, explicit)


def off(subject: Subject, reference: Reference, candidate: Candidate, column: str) -> tuple[list[float], list[float]]:
    """How far both sides are apart where data of a dtype are rounded coarsely, δ in place of ε: ([marks], [leaves]).

    Data are the arrays beside θ, and numbers that the code holds; equal ones move alike.
    """
    both = both_sides(subject, reference, candidate)
    at, rest = reference.point
    held = compiled.closed(both, at, rest)
    size, body = _coarseness(column), held.program

    def measure(consts, args):
        return widening.evaluate(body._replace(consts=consts), args, How(held=held_coarsely))

    def held_coarsely(value, dtype):
        is_literal = np.ndim(value) == 0 and not isinstance(value, jax.core.Tracer)
        return _coarse(value, dtype, size) if is_literal else value

    found: list[tuple[list[float], list[float]]] = []
    for draw in range(COARSE_DRAWS):
        moved = jax.tree.map(lambda leaf, draw=draw: _coarse(leaf, np.float32, size, draw), rest)
        pairs = zip(body.jaxpr.constvars, body.consts, strict=True)
        consts = [_coarse(const, _dtype(variable), size, draw) for variable, const in pairs]
        program = held._replace(program=body._replace(consts=consts))
        values = _run("off", program, measure, jax.tree.leaves((at, moved)), True)
        true, automatic, deltas, explicit = jax.tree.unflatten(held.structure, values)
        found.append((_apart(true, deltas), _apart(automatic, explicit)))
    marks, leaves = ([max(each) for each in zip(*part, strict=True)] for part in zip(*found, strict=True))
    return marks, leaves


def is_identity(difference: float, coarse: float, dtype: Any) -> bool:
    """Whether a difference is that of an identity of float32 data: as small beside `coarse` as their rounding is."""
    return difference <= SLACK * precision.epsilon(dtype) / _coarseness(dtype) * coarse


def _coarseness(dtype: Any) -> float:
    return max(COARSE, 16 * precision.epsilon(dtype))


def _run(name: str, program: compiled.Closed, measure: Callable[..., Any], leaves: list[Any], is_wide: bool) -> Any:
    key = name, compiled.key(program), is_wide
    consts = list(program.program.consts)
    return jax.device_get(compiled.compile_for(measure, key, consts, leaves).result()(consts, leaves))


def _shaking(draw: Array) -> Callable[..., list[Any]]:
    count = itertools.count(1)

    fixed: dict[int, Any] = {}  # what is made of numbers in the code alone, such as a place, kept while it is known

    def after(equation, inputs, outs, is_own):
        if all(not isinstance(each, jax.core.Tracer) or id(each) in fixed for each in inputs):
            fixed.update((id(each), each) for each in outs)
            return outs
        if equation.primitive.name in EXACT or (
            equation.primitive.name == "convert_element_type" and not _is_rounding(equation, is_own)
        ):
            return outs
        dtypes = [out.dtype if not is_own else _dtype(var) for out, var in zip(outs, equation.outvars, strict=True)]
        if equation.primitive.name in UNSEEN:
            return [
                _shaken_by_largest(each, draw, next(count), dtype) for each, dtype in zip(outs, dtypes, strict=True)
            ]
        return [_shaken(each, draw, next(count), dtype) for each, dtype in zip(outs, dtypes, strict=True)]

    return after


def _is_rounding(equation: Any, is_own: bool) -> bool:
    """Whether a cast loses digits: in its own dtype, and to a narrower one."""
    before, after = _dtype(equation.invars[0]), _dtype(equation.outvars[0])
    if not is_own or not jnp.issubdtype(after, jnp.floating) or not jnp.issubdtype(before, jnp.floating):
        return False
    return jnp.finfo(after).eps > jnp.finfo(before).eps


def _shaken(value: Array, draw: Array, place: int, dtype: Any) -> Array:
    """The value, each of its numbers rounded anew: a hash of its place, of the equation and of the draw decides."""
    if not precision.is_floating(value) or not value.size:
        return value
    seed = jnp.uint32(place * 2654435761 % 2**32) + draw * jnp.uint32(0x9E3779B9)
    bits = (lax.iota(jnp.uint32, value.size) + seed) * jnp.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> jnp.uint32(13))) * jnp.uint32(0xC2B2AE35)
    bits = bits ^ (bits >> jnp.uint32(16))
    wide = jnp.float64 if value.dtype == jnp.float64 else jnp.float32  # half precision does not hold such numbers
    u = (bits >> jnp.uint32(8)).astype(wide) * wide(2.0**-23) - wide(1)
    eps = wide(float(jnp.finfo(dtype).eps))
    return (value.astype(wide) * (1 + eps * u.reshape(value.shape))).astype(value.dtype)


def _shaken_by_largest(value: Array, draw: Array, place: int, dtype: Any) -> Array:
    if not precision.is_floating(value) or not value.size:
        return value
    largest = AS_MANY * jnp.max(jnp.abs(value))
    return value + (_shaken(jnp.broadcast_to(largest, value.shape), draw, place, dtype) - largest)


def _coarse(value: Any, dtype: Any, size: float, draw: int = 0) -> Any:
    """A number or array of data that was rounded to float32, rounded coarsely; short numbers as they are."""
    if isinstance(value, jax.core.Tracer) or not (precision.is_floating(value) or isinstance(value, float)):
        return value
    if dtype is None or widening.is_wide(dtype):
        return value
    array = np.asarray(value, np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        return value
    seed = zlib.crc32(np.ascontiguousarray(array).tobytes()) + draw
    u = np.random.default_rng(seed).uniform(-1, 1, array.shape)
    return np.where(array * 256 == np.round(array * 256), array, array * (1 + size * u))


def _sums(one: Sequence[Array], other: Sequence[Array]) -> list[np.ndarray]:
    return [FACTOR * (np.asarray(x, np.float64) + np.asarray(y, np.float64)) for x, y in zip(one, other, strict=True)]


def _apart(one: Sequence[Array], other: Sequence[Array]) -> list[float]:
    pairs = [(np.asarray(x, np.float64), np.asarray(y, np.float64)) for x, y in zip(one, other, strict=True)]
    return [float(np.abs(x - y).max(initial=0.0)) if x.shape == y.shape else 0.0 for x, y in pairs]


def _distance(there: Array, base: Array) -> Array:
    wide = there.dtype if there.dtype == jnp.float64 else jnp.float32
    moved = jnp.abs(there.astype(wide) - base.astype(wide)).astype(there.dtype)
    return jnp.nan_to_num(moved, nan=0.0, posinf=0.0)


def _dtype(atom: Any) -> Any:
    return getattr(atom.aval, "dtype", None)

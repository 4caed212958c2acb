"""Rounding of a gradient, measured: where there is no float64 to decide, and within float64 itself.

    θ' = θ + 2ε u (abs θ + rms θ),  rest' likewise,  u uniform in [−1, 1]       as if the inputs had been rounded anew
    moved = 16 · max over draws of max abs(g(θ') − g(θ)), of either side, + 8 ε · max abs a + 2 ε · scale

What a computation does with rounded inputs is what it does with its own rounding: sums that cancel and units near
their kinks show themselves. An explicit leaf that is farther from the automatic one than that is wrong.

In float64 the results of all operations are rounded anew, and not the inputs alone:

    v' = v (1 + ε u) for each number v on the way,  u uniform in [−1, 1]
    rounding = 4 · max over draws of abs(g' − g), for each element

A unit of tanh at z = 18 has σ' = 1 − tanh² z = 9.3e-16, while tanh z is rounded to a multiple of 1.1e-16: two right
programs may differ there in the first digit. Central differences cannot tell them apart; this can.

| symbol | name in code | shape |
|---|---|---|
| ε | `precision.epsilon(column)` | () |
| draws | `DRAWS` | |

Source: Monte Carlo arithmetic [Parker1997].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.reference import evaluate
from fnnets.verify.reference.evaluate import Candidate, Reference
from fnnets.verify.reference.subject import Failure, Subject, problems
from fnnets.verify.tracing import compiled, interpreter, precision
from fnnets.verify.tracing.compiled import Programs
from fnnets.verify.tracing.matching import Match

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

DRAWS, DRAWS_OF_ROUNDING = 4, 8


def spreads(
    subject: Subject, reference: Reference, candidate: Candidate, epsilon: float, is_full: bool
) -> list[list[float]]:
    """The largest movement of each mark and of each leaf, as [[…], […]]; of the reference alone where not `is_full`."""
    is_usable = is_full and not isinstance(candidate.explicit, Failure)
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

    def measure(at, rest):
        def moved(base, draw):
            is_base, key = draw
            keys = jax.random.split(key)
            there = both(_moved(keys[0], at, epsilon, is_base), _moved(keys[1], rest, epsilon, is_base))
            base = jax.tree.map(lambda x, y: jnp.where(is_base, x, y), there, base)
            return base, jax.tree.map(_distance, there, base)

        # the point itself is a draw of the same loop, so that both sides are compiled once
        none = jax.tree.map(lambda each: jnp.zeros(each.shape, each.dtype), jax.eval_shape(both, at, rest))
        keys = jax.random.split(jax.random.key(0), DRAWS)
        base, found = jax.lax.scan(moved, none, (jnp.arange(DRAWS + 1) == 0, jnp.concatenate([keys[:1], keys])))
        largest = jax.tree.map(lambda each: each.max(), found)
        true, automatic, deltas, leaves = (jnp.stack(part) if part else jnp.zeros(0) for part in largest)
        sizes = [jnp.stack([_size(leaf) for leaf in part]) if part else jnp.zeros(0) for part in base[:2]]
        pairs = ((true, deltas, sizes[0]), (automatic, leaves, sizes[1]))
        floor = 2 * epsilon * reference.scale
        return [16 * jnp.maximum(one, other) + 8 * epsilon * size + floor for one, other, size in pairs]

    found = compiled.call(("moved", subject.name, is_full), measure, *reference.point)
    return [np.asarray(part, float).tolist() for part in found]


def rounding(
    subject: Subject, reference: Reference, matches: tuple[Match, ...], programs: Programs
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What float64 rounds away of each element of the automatic side: ([marks], [leaves]), arrays like them.

    It is measured once for all candidates, and then kept among the programs.
    """
    key = "rounding", subject.name, matches
    if key not in programs:
        with precision.double():
            programs[key] = _rounding(subject, reference, matches)
    return programs[key]


def _rounding(
    subject: Subject, reference: Reference, matches: tuple[Match, ...]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    def values(at, rest):
        automatic, cotangents, *_ = evaluate.differentiated(subject, reference.forward, at, rest)
        return evaluate.true_deltas(reference.forward, cotangents, matches), jax.tree.leaves(automatic)

    program = jax.make_jaxpr(values)(*reference.point)
    structure = jax.tree.structure(jax.eval_shape(values, *reference.point))

    def measure(at, rest):
        leaves = jax.tree.leaves((at, rest))
        base = jaxprs.evaluate(jaxprs.opened(program), leaves, jaxprs.bind)

        def farther(farthest, key):
            there = _rounded_anew(jaxprs.opened(program), leaves, key)
            return [jnp.maximum(far, jnp.abs(x - y)) for far, x, y in zip(farthest, there, base, strict=True)], None

        draws = jax.random.split(jax.random.key(0), DRAWS_OF_ROUNDING)
        farthest, _ = jax.lax.scan(farther, [jnp.zeros_like(each) for each in base], draws)
        return jax.tree.unflatten(structure, [4 * each for each in farthest])

    return jax.device_get(compiled.call(("rounding", subject.name, matches), measure, *reference.point))


def _rounded_anew(program: jaxprs.Body, args: Sequence[Array], key: Array) -> list[Array]:
    """The results of a program whose operations are each followed by a rounding; whole loops count as operations."""
    count = itertools.count()

    def at(equation, inputs):
        name = equation.primitive.name
        if name in jaxprs.INLINED:
            return _rounded_anew(jaxprs.inlined(equation), inputs, jax.random.fold_in(key, next(count)))
        if name == "scan":
            here = jax.random.fold_in(key, next(count))
            return interpreter.looped(
                equation, inputs, None, lambda body, args, _: (_rounded_anew(body, args, here), ())
            )[0]
        return [_shaken(jax.random.fold_in(key, next(count)), each) for each in jaxprs.bind(equation, inputs)]

    return jaxprs.evaluate(program, args, at)


def _shaken(key: Array, value: Array) -> Array:
    if not precision.is_floating(value):
        return value
    u = jax.random.uniform(key, value.shape, jnp.float32, -1, 1).astype(value.dtype)
    return value * (1 + jnp.finfo(value.dtype).eps.astype(value.dtype) * u)


def _moved(key: Array, tree: PyTree, epsilon: float, is_base: Array) -> PyTree:
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, max(len(leaves), 1))
    moved = [_rounded(*each, epsilon, is_base) for each in zip(keys, leaves, strict=False)]
    return jax.tree.unflatten(structure, moved)


def _rounded(key: Array, leaf: Array, epsilon: float, is_base: Array) -> Array:
    if not precision.is_floating(leaf) or leaf.size == 0:
        return leaf
    typical = jnp.sqrt(jnp.mean(jnp.square(leaf.astype(jnp.float32))))
    size = jnp.abs(leaf) + jnp.where(typical > 0, typical, 1).astype(leaf.dtype)
    u = jax.random.uniform(key, leaf.shape, jnp.float32, -1, 1)
    return jnp.where(is_base, leaf, (leaf + (2 * epsilon * u).astype(leaf.dtype) * size).astype(leaf.dtype))


def _distance(there: Array, base: Array) -> Float[Array, ""]:
    difference = jnp.abs(there.astype(jnp.float32) - base.astype(jnp.float32))
    return jnp.nan_to_num(difference, nan=0.0, posinf=0.0).max(initial=0.0)


def _size(leaf: Array) -> Float[Array, ""]:
    return jnp.abs(leaf.astype(jnp.float32)).max(initial=0.0)

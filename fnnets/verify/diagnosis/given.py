"""The arrays that are at hand for a diagnosis: arguments by name, marked values and true cotangents, and their sizes.

    taps                      values and true cotangents, without the scopes that lead to them
    a layer                   x and d_y
    a cost's arguments        values by name; integer ones as indices; the sizes of their axes
    what is differentiated    the leaf's own value

| symbol | name in code | shape |
|---|---|---|
| arguments, by name | `arrays` | any |
| N, T by position | `shape(arrays, known)` | |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax.extend import core

from fnnets.core import jaxprs
from fnnets.verify.diagnosis.location import Shape
from fnnets.verify.reference.evaluate import Reference
from fnnets.verify.reference.subject import Subject
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import PyTree

MOST, LARGEST, KEPT = 12, 1_000_000, 8
Arrays = dict[str, np.ndarray]


def names_of(args: PyTree, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The name of each array among arguments: that of its argument, and its path therein.

    Args:
        args: a tuple of arguments, each a pytree.
        names: of the arguments; "args[0]", … for those without.

    >>> names_of((np.ones(3), {"y": np.ones(3)}, "kind"), ("x", "batch"))
    ('x', "batch['y']")
    """
    found = []
    for i, each in enumerate(args):
        called = names[i] if i < len(names) else f"args[{i}]"
        leaves = jax.tree_util.tree_leaves_with_path(each)
        found += [f"{called}{jax.tree_util.keystr(path)}" for path, leaf in leaves if hasattr(leaf, "shape")]
    return tuple(found)


def sizes_of(args: PyTree, names: Sequence[str] = ()) -> dict[str, float]:
    """The sizes of the axes of all arrays among arguments, by name: what a ratio may be named after.

    >>> sizes_of((np.ones((5, 3)), np.ones(5)), ("x", "y"))
    {'x.shape[0]': 5.0, 'x.shape[1]': 3.0, 'y.shape[0]': 5.0, 'x.size': 15.0}
    """
    leaves = [leaf for leaf in jax.tree.leaves(args) if hasattr(leaf, "shape")]
    return named_sizes(dict(zip(names_of(args, names), leaves, strict=True)))


def named_sizes(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The sizes of arrays' axes, of the first few different ones, and how many numbers they have."""
    axes = {f"{n}.shape[{i}]": float(size) for n, each in arrays.items() for i, size in enumerate(each.shape)}
    whole = {f"{name}.size": float(each.size) for name, each in arrays.items() if each.ndim > 1}
    found: dict[str, float] = {}
    for name, size in {**axes, **whole}.items():
        if size > 1 and (size in found.values() or len(set(found.values())) < MOST):
            found[name] = size
    return found


def arguments(subject: Subject, known: Reference, names: tuple[str, ...]) -> Arrays:
    """The arrays among a cost's arguments, by name; none for a layer or a network, whose rest is of another form."""
    rest = known.point[1]
    if isinstance(rest, tuple) and len(rest) == 2 and all(isinstance(each, list) for each in rest):
        rest = rest[0]
    if subject.pull is not None or not isinstance(rest, list) or any(not hasattr(each, "shape") for each in rest):
        return {}
    called = names if len(names) == len(rest) else [f"args[{i}]" for i in range(len(rest))]
    plain = [not jax.dtypes.issubdtype(each.dtype, jax.dtypes.prng_key) for each in rest]
    return {name: np.asarray(each) for name, each, is_plain in zip(called, rest, plain, strict=True) if is_plain}


def indices(arrays: Arrays) -> Arrays:
    """The integers among arguments."""
    return {name: each for name, each in arrays.items() if each.dtype.kind in "iu" and each.ndim}


def values(where: str, subject: Subject, known: Reference, arrays: Arrays) -> tuple[Arrays, Arrays, str]:
    """Forward values and true cotangents by name, and the name of that which the leaf is the gradient of."""
    found: Arrays = {}
    deltas: Arrays = {}
    shown = _names([site.tag.name for site in known.forward.sites])
    for site, seen, cotangent in zip(known.forward.sites, known.seen, known.cotangents, strict=True):
        if cotangent is not None and len(site.lengths) < 2:
            name = shown[site.tag.name]
            found[name], deltas[name] = precision.numbers(seen), precision.numbers(cotangent)
    if subject.pull is not None:
        x, _, d_y = known.point[1]
        deltas.update(zip(("d_y", "d_t"), map(precision.numbers, jax.tree.leaves(d_y)), strict=False))
        if precision.is_floating(x):
            found["x"] = precision.numbers(x)
    elif isinstance(known.point[1], tuple) and arrays:
        cotangents = [precision.numbers(each) for each in known.point[1][1] if precision.is_floating(each)]
        called = ["d_y"] if len(cotangents) == 1 else [f"d_y[{i}]" for i in range(len(cotangents))]
        deltas.update(zip(called, cotangents, strict=True))
    for name, each in arrays.items():
        if precision.is_floating(each) and each.size <= LARGEST:
            found.setdefault(name, precision.numbers(each))
    own = _own_name(where) if where in subject.where else ""
    leaves = jax.tree.leaves(known.point[0])
    if own and len(leaves) == len(subject.where):
        found[own] = precision.numbers(leaves[subject.where.index(where)])
    return found, deltas, own


def _names(tapped: Sequence[str]) -> dict[str, str]:
    """Taps without their scopes; where two have one name, with that of the layer: "z of layer 0.1"."""
    last = {name: name.rpartition("/")[2] for name in tapped}
    shared = {name for name in last.values() if list(last.values()).count(name) > 1}
    return {name: _scoped(name) if last[name] in shared else last[name] for name in last}


def _scoped(name: str) -> str:
    """A name and its scope in words.

    >>> _scoped("0/1/z"), _scoped("forward/z"), _scoped("z")
    ('z of layer 0.1', 'z of forward', 'z')
    """
    *scope, last = name.split("/")
    numbers = [each for each in scope if each.isdigit()]
    others = [each for each in scope if not each.isdigit()]
    words = [*(["layer " + ".".join(numbers)] if numbers else []), *others]
    return f"{last} of {', '.join(words)}" if words else last


def _own_name(where: str) -> str:
    """What a row's leaf is called in a sentence.

    >>> _own_name("gradient ['cell']['w']"), _own_name("layer 0 dense .weights"), _own_name("delta of squared_error")
    ('w', 'weights', 'z')
    """
    if where.startswith(("delta of ", "derivative of ")):  # of an objective or an activation: by its weighted input
        return "z"
    last = where.partition(" ")[2] or where
    words = re.findall(r"\w+", last.rpartition(" ")[2])
    return last if not words or words[-1].isdigit() else words[-1]


def kernel(shape: tuple[int, ...], known: Reference) -> tuple[str, ...]:
    """The names of the axes of a leaf that has the shape of a convolution's kernel, () where there is no such."""
    return _kernels(jaxprs.opened(known.forward.closed).jaxpr).get(shape, ())


def shape(arrays: Arrays, known: Reference) -> Shape:
    """How many examples and steps the arguments have, and where: steps are what a scan goes over."""
    sequence = next((each for each in arrays.values() if each.ndim == 3), None)
    if sequence is None:
        sequence = next((each for each in arrays.values() if each.ndim == 2 and each.dtype.kind in "iu"), None)
    loops = _loops(jaxprs.opened(known.forward.closed).jaxpr)
    plain = next((each for each in arrays.values() if each.ndim in (2, 4)), None)
    if sequence is None:
        first = 0 if plain is None else plain.shape[0]
        is_image = plain is not None and plain.ndim == 4
        return Shape(0, first) if first in loops and not is_image else Shape(first, is_image=is_image)
    first, second = sequence.shape[:2]
    in_front = [each.shape[0] for each in arrays.values() if each.ndim == 1]
    is_batch_first = second in loops or (first not in loops and (first in in_front or second not in in_front))
    if first in loops and (second not in loops or first == second):
        is_batch_first = False
    return Shape(first, second, True) if is_batch_first else Shape(second, first)


@functools.lru_cache(maxsize=KEPT)
def _loops(program: core.Jaxpr) -> frozenset[int]:
    """The numbers of steps of a program's scans."""
    scans = (each for each in jaxprs.equations(program) if each.primitive.name == "scan")
    return frozenset(jaxprs.loop(each).length for each in scans)


@functools.lru_cache(maxsize=KEPT)
def _kernels(program: core.Jaxpr) -> dict[tuple[int, ...], tuple[str, ...]]:
    """The names of the axes of each kernel of a program's convolutions, by its shape."""
    found: dict[tuple[int, ...], tuple[str, ...]] = {}
    for equation in jaxprs.equations(program):
        shape = equation.invars[1].aval.shape if equation.primitive.name == "conv_general_dilated" else ()
        if len(shape) == 4:
            spec = equation.params["dimension_numbers"].rhs_spec
            names = dict(zip(spec, ("filter", "channel", "row", "column"), strict=True))
            found.setdefault(shape, tuple(names[i] for i in range(4)))
    return found

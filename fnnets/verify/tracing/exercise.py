"""What the given numbers did not exercise: faults there would not be seen at this point.

    zeros       every gradient is zero
    choices     a branch of `cond`, a side of `where`, `max` or `relu` that no element takes; with the line
    masks       full ones
    sizes       one example, one step
    numbers     biases of zero, parameters and arguments that are all equal
    activations weighted inputs at which σ is all but linear: abs z < 0.1

The forward program is run once more for its choices: see `choices`.

| symbol | name in code | shape |
|---|---|---|
| θ and the rest | `point` | pytrees |
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.tracing import choices, compiled, interpreter, precision

if TYPE_CHECKING:
    from jaxtyping import PyTree

MOST, LINEAR = 6, 0.1
SHOWN = {"select_n": "where", "logistic": "sigmoid"}


def remarks(
    traced: interpreter.Traced,
    point: tuple[PyTree, PyTree],
    where: Sequence[str] = (),
    names: Sequence[str] = (),
    automatic: PyTree = None,
    is_moved: bool = False,
) -> tuple[str, ...]:
    """Sentences on what a probe did not exercise, the most telling first, at most six.

    Args:
        traced: f, as `Reference.forward` has it.
        point: θ and the rest, as `Reference.point` has them.
        where: the name of each leaf of θ; the names of rows will do.
        names: of the arrays among the rest, in the order of their leaves.
        automatic: the gradient by θ; None where it is not known.
        is_moved: whether θ was checked at a second point as well, so that its own zeros hide nothing.

    >>> import jax.numpy as jnp
    >>> point = jnp.array([1.0, 2.0]), [jnp.ones((1, 2)), jnp.ones((1, 2), bool)]
    >>> f = lambda w, rest: jnp.sum(rest[0] * w)
    >>> for remark in remarks(interpreter.trace(f, *point), point, ["w"], ["x", "mask"]):
    ...     print(remark)
    mask is true everywhere: what it would leave out was not seen
    x and mask have one row (axis 0): sums and means over it were not seen
    x is the same number everywhere
    """
    shown = [_short(name) for name in where]
    telling, guarded = _choices(traced, point)
    found = [
        *_zero(automatic, shown), *_masks(point[1], names), *telling, *_sizes(traced, point[1], names),
        *(() if is_moved else _alike(point[0], shown, is_parameter=True)),
        *_alike(point[1], names, is_parameter=False), *guarded,
    ]  # fmt: skip
    return tuple(dict.fromkeys(found))[:MOST]


def _choices(traced: interpreter.Traced, point: tuple[PyTree, PyTree]) -> tuple[list[str], list[str]]:
    """Sentences on choices; apart from them those on comparisons with a number other than zero, such as a guard."""
    program = jaxprs.opened(traced.closed)
    known = choices.choices(program)
    if not known:
        return [], []
    is_double = any(getattr(leaf, "dtype", None) == np.float64 for leaf in jax.tree.leaves(point))
    with precision.double() if is_double else contextlib.nullcontext():
        found = compiled.call("exercise", lambda *flat: choices.measured(program, flat)[1], *jax.tree.leaves(point))
    # a line may be run more than once: what one of its runs takes was taken
    most: dict[choices.Choice, np.ndarray] = {}
    for choice, counts in zip(known, jax.device_get(found), strict=True):
        most[choice] = np.maximum(most.get(choice, 0), counts)
    ranked = sorted(most, key=lambda choice: (choice.kind != "cond", choice.kind in choices.BENT))
    said = [(choice, sentence) for choice in ranked for sentence in _of_choice(choice, most[choice])]
    is_guard = [choice.kind in ("max", "min") and not choice.is_zero for choice, _ in said]
    sentences = [sentence for _, sentence in said]
    return [s for s, guard in zip(sentences, is_guard, strict=True) if not guard], [
        s for s, guard in zip(sentences, is_guard, strict=True) if guard
    ]


def _of_choice(choice: choices.Choice, counts: np.ndarray) -> Iterator[str]:
    """What a choice did not take."""
    name, at = SHOWN.get(choice.kind, choice.kind), f"at {choice.line}"
    if choice.kind in choices.BENT:
        if 0 < counts < LINEAR:
            yield f"{name} {at} was given |z| < {LINEAR} alone, where it is all but linear"
        return
    missing = [way for way in range(choice.ways) if not counts[way]]
    if not missing or len(missing) == choice.ways:
        return
    if choice.kind == "cond" and choice.ways > 2:
        yield f"branches {_listed([str(way) for way in missing])} of switch {at} were not taken"
    elif choice.kind in ("cond", "select_n"):
        yield f"the condition of {name} {at} was never {'true' if missing == [1] else 'false'}"
    elif choice.is_zero:
        yield f"{name} with zero {at} was given no number {'above' if missing == [1] else 'below'} zero"
    else:
        yield f"{name} {at} took the same one of its two numbers everywhere"


def _zero(automatic: PyTree, where: Sequence[str]) -> Iterator[str]:
    """Leaves with a gradient of zero, where not all have one."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(automatic)]
    zero = [_name(where, i) for i, leaf in enumerate(leaves) if leaf.size and not leaf.any()]
    if zero:
        yield f"the gradient by {_listed(zero)} is zero everywhere: a factor that is wrong there was not seen"


def _masks(rest: PyTree, names: Sequence[str]) -> Iterator[str]:
    """Masks that leave nothing out, or everything."""
    for name, leaf in _arrays(rest, names):
        if leaf.dtype == bool and leaf.size > 1 and (leaf.all() or not leaf.any()):
            value = "true" if leaf.all() else "false"
            what = "leave out" if leaf.all() else "keep"
            yield f"{name} is {value} everywhere: what it would {what} was not seen"
        elif leaf.dtype != bool and leaf.size > 1 and "mask" in name and (leaf == 1).all():
            yield f"{name} is 1 everywhere: what it would leave out was not seen"


def _sizes(traced: interpreter.Traced, rest: PyTree, names: Sequence[str]) -> Iterator[str]:
    """Axes of one example or one step, and loops of one step."""
    arrays = list(_arrays(rest, names))
    for axis, called in enumerate(("row", "column")):
        single = [name for name, leaf in arrays if leaf.ndim > max(axis, 2 * axis) and leaf.shape[axis] == 1]
        if single:
            have = "has" if len(single) == 1 else "have"
            yield f"{_listed(single)} {have} one {called} (axis {axis}): sums and means over it were not seen"
    loops = [each for each in jaxprs.equations(traced.closed.jaxpr) if each.primitive.name == "scan"]
    if any(jaxprs.loop(each).length == 1 for each in loops):
        yield "a scan has one step: what goes from step to step was not seen"


def _alike(tree: PyTree, names: Sequence[str], is_parameter: bool) -> Iterator[str]:
    """Parameters of zero, and what is the same number everywhere."""
    arrays = [(name, leaf) for name, leaf in _arrays(tree, names) if precision.is_floating(leaf) and leaf.size]
    zero = [name for name, leaf in arrays if not leaf.any()]
    if zero and is_parameter:
        yield f"{_listed(zero)} {_are(zero)} zero everywhere: a fault that is multiplied by {_it(zero)} was not seen"
    same = [name for name, leaf in arrays if leaf.size > 1 and (leaf == leaf.flat[0]).all() and name not in zero]
    same += [] if is_parameter else [name for name, leaf in arrays if leaf.size > 1 and name in zero]
    same = [name for name in same if is_parameter or "mask" not in name]
    if same:
        yield f"{_listed(same)} {_are(same)} the same number everywhere"


def _arrays(tree: PyTree, names: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """The arrays of a tree by name, without PRNG keys."""
    leaves = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if hasattr(leaf, "dtype")]
    called = names if len(names) == len(leaves) else [_path(path, tree) for path, _ in leaves]
    pairs = zip(called, (leaf for _, leaf in leaves), strict=True)
    return [(name, np.asarray(leaf)) for name, leaf in pairs if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]


def _path(path: Any, tree: PyTree) -> str:
    """A path in a tree as a name."""
    found = jax.tree_util.keystr(path)
    return f"args{found}" if isinstance(tree, list) else found.lstrip(".") or "params"


def _short(where: str) -> str:
    """A row's name without the word before it."""
    return where.partition(" ")[2] if where.startswith("gradient ") else where


def _name(names: Sequence[str], i: int) -> str:
    return names[i] if i < len(names) else f"leaf {i}"


def _listed(names: Sequence[str]) -> str:
    """Names in one phrase, of many the first few."""
    few = list(names[:4]) if len(names) <= 4 else [*names[:3], f"{len(names) - 3} others"]
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"

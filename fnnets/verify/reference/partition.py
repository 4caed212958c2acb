"""Arguments parted into what is differentiated by and what is held, and gradients of them collected by path.

    differentiated   floating leaves of the arguments that `argnums` names                              θ
    held             their other leaves (integers, PRNG keys, functions, strings, None, nothing), all other arguments
    collected        a gradient's leaves at the paths of θ; at a held leaf's path it may have anything, or nothing

| symbol | name in code | shape |
|---|---|---|
| θ | `parts.leaves`, named by `parts.where` | a list |
| arrays that are held | `parts.held` | a list |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from fnnets.core import validate
from fnnets.verify.reference import arguments, raised
from fnnets.verify.reference.subject import Failure, problems
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

SHOWN = 4
"""The most names of leaves in one sentence."""


class Parts(NamedTuple):
    """What is differentiated by, and what is held.

    Attributes:
        leaves: θ.
        where: the name of each, as "w['a']".
        held: all other arrays.
        rebuild: `(θ, held) -> arguments`.
        collect: `(gradient) -> ∂/∂θ`, a list like θ, or a `Failure`.
        left_out: names of the leaves of the differentiated arguments that are not compared.
        held_where: the name of each array that is held.
    """

    leaves: list[Array]
    where: tuple[str, ...]
    held: list[Array]
    rebuild: Callable[[Sequence[Array], Sequence[Array]], tuple[Any, ...]]
    collect: Callable[[PyTree], PyTree]
    left_out: tuple[str, ...]
    held_where: tuple[str, ...] = ()

    def is_like(self, found: PyTree) -> bool:
        """Whether a tree is of the structure and shapes of a gradient."""
        leaves = self.collect(found)
        if isinstance(leaves, Failure):
            return False
        return all(np.shape(leaf) == by.shape for leaf, by in zip(leaves, self.leaves, strict=True))

    def remarks(self) -> tuple[str, ...]:
        """A sentence on what is not compared, where there is something."""
        if not self.left_out:
            return ()
        more = ", …" if len(self.left_out) > SHOWN else ""
        are = "is no floating array and was" if len(self.left_out) == 1 else "are no floating arrays and were"
        return (f"{', '.join(self.left_out[:SHOWN])}{more} {are} not compared",)


def positions(argnums: object, count: int, check: str) -> tuple[int, ...]:
    """The arguments that `argnums` names, as `jax.grad` counts them."""
    remedy = f"give an int in [{-count}, {count}), or a tuple of such"
    several = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if not several:
        raise ValueError(f"{check}: argnums is empty, expected at least one argument; {remedy}")
    for each in several:
        if isinstance(each, bool) or not isinstance(each, int | np.integer):
            raise TypeError(f"{check}: argnums is {validate.shown(argnums)}, expected whole numbers; {remedy}")
        if not -count <= each < count:
            have = "argument is" if count == 1 else "arguments are"
            raise ValueError(f"{check}: argnums is {argnums}, but {count} {have} given, expected one of them; {remedy}")
    found = tuple(int(each) % count for each in several)
    if len(set(found)) < len(found):
        raise ValueError(f"{check}: argnums is {argnums}, expected each argument once; {remedy}")
    return found


def parted(
    args: tuple[Any, ...],
    argnums: object,
    names: Sequence[str],
    check: str,
    is_held: Callable[[str], bool] = lambda where: False,
) -> Parts:
    """The parts of the arguments, of which those that `argnums` names are differentiated, but for what `is_held`."""
    chosen = positions(argnums, len(args), check)
    args = tuple(_native(each, name) for each, name in zip(args, names, strict=True))
    found = [_leaves(args[i], names[i]) for i in range(len(args))]
    for i in chosen:
        _require(args[i], names[i], found[i], check, argnums)
    flat, structure = jax.tree.flatten(args)
    of = [(i, *leaf) for i, leaves in enumerate(found) for leaf in leaves]
    is_by = [i in chosen and _is_differentiated(leaf) and not is_held(where) for i, where, leaf in of]
    order = sorted((n for n, by in enumerate(is_by) if by), key=lambda n: chosen.index(of[n][0]))
    others = [n for n, leaf in enumerate(flat) if not is_by[n] and arguments.is_array(leaf)]

    def rebuild(leaves, held):
        filled = list(flat)
        for n, leaf in (*zip(order, leaves, strict=True), *zip(others, held, strict=True)):
            filled[n] = leaf
        return jax.tree.unflatten(structure, filled)

    selected = args[chosen[0]] if not isinstance(argnums, tuple | list) else tuple(args[i] for i in chosen)
    left = [
        (where, leaf) for n, (i, where, leaf) in enumerate(of) if i in chosen and not is_by[n] and not is_held(where)
    ]
    return Parts(
        [_on_device(flat[n]) for n in order], tuple(of[n][1] for n in order), [flat[n] for n in others], rebuild,
        _collector(selected), tuple(where for where, leaf in left if np.size(leaf) or not arguments.is_array(leaf)),
        tuple(of[n][1] for n in others),
    )  # fmt: skip


def _leaves(tree: PyTree, name: str) -> list[tuple[str, Any]]:
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [(f"{name}{jax.tree_util.keystr(path)}", leaf) for path, leaf in found]


def _native(tree: PyTree, name: str) -> PyTree:
    """The tree with NumPy's arrays in the machine's byte order, which JAX needs."""

    def ordered(leaf):
        is_foreign = isinstance(leaf, np.ndarray) and not leaf.dtype.isnative
        return leaf.astype(leaf.dtype.newbyteorder("=")) if is_foreign else leaf

    try:
        return jax.tree.map(ordered, tree)
    except ValueError as error:
        message = raised.first_line(error)
        raise ValueError(f"{name} is no tree that JAX can read: {message}; give a dict keys of one type") from None


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, float) or (arguments.is_array(leaf) and precision.is_floating(leaf))


def _is_differentiated(leaf: Any) -> bool:
    return _is_floating(leaf) and np.size(leaf) > 0


def _on_device(leaf: Any) -> Array:
    # `jnp.asarray` compiles a program for NumPy's arrays, and more is to be checked
    return leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf)


def _require(tree: PyTree, name: str, leaves: list[tuple[str, Any]], check: str, argnums: object) -> None:
    """Raise unless an argument has something to differentiate by, all of it finite and real."""
    if not leaves:
        raise ValueError(f"{name} holds no arrays, expected at least one to differentiate by; give the parameters")
    for where, leaf in leaves:
        if isinstance(leaf, jax.core.Tracer):
            raise TypeError(
                f"{where} is traced by jax.jit, grad or vmap, expected an array; call {check} outside of them"
            )
        if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), np.complexfloating):
            raise TypeError(
                f"{where} is an array of dtype {leaf.dtype}, complex, expected floating numbers; give real and "
                "imaginary parts as arrays of their own, and join them inside the function"
            )
        if _is_floating(leaf):
            validate.array(leaf, where)  # none wider than JAX has them
            values = leaf if arguments.is_array(leaf) else np.asarray(leaf)
            validate.finite(values, where, "give parameters at which the cost is finite")
    if any(_is_differentiated(leaf) for _, leaf in leaves):
        return
    if any(_is_floating(leaf) for _, leaf in leaves):
        raise ValueError(f"{name} holds no numbers, expected at least one to differentiate by; give the parameters")
    where, leaf = leaves[0]
    came = f"an array of dtype {leaf.dtype}" if hasattr(leaf, "dtype") else validate.shown(leaf)
    of = "" if argnums == 0 else f", which argnums={argnums} names,"
    raise TypeError(f"{where}{of} is {came}, expected floating numbers; {_remedy(leaf)}")


def _remedy(leaf: Any) -> str:
    """What to do with an argument that holds no floating numbers."""
    if any(kind.__module__.startswith("flax.nnx") for kind in type(leaf).__mro__):
        return "split it, graph, state = nnx.split(model), give the state, and join them by nnx.merge(graph, state)"
    if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
        return f"register its class: jax.tree_util.register_dataclass({type(leaf).__name__})"
    if isinstance(leaf, bool) or not (hasattr(leaf, "dtype") or isinstance(leaf, int)):
        return "name another argument by argnums, or pass what is no parameter behind the parameters"
    return "convert it to float32, or name another argument by argnums"


def _collector(selected: PyTree) -> Callable[[PyTree], PyTree]:
    """A function that takes from a gradient what belongs to the differentiated leaves of `selected`."""
    structure: PyTree = jax.tree.structure(selected)
    known = [(_plain(path), jax.tree_util.keystr(path), leaf) for path, leaf in _with_none(selected)]
    kept = [_is_differentiated(leaf) for leaf in jax.tree.leaves(selected)]
    is_nnx = any(kind.__module__.startswith("flax.nnx") for kind in type(selected).__mro__)

    def collect(found):
        if jax.tree.structure(found) == structure:
            return _numbers([leaf for leaf, keep in zip(jax.tree.leaves(found), kept, strict=True) if keep])
        if all(kept) and not is_nnx:
            sentence = problems(found, selected)
            return Failure(sentence if isinstance(sentence, str) else "the gradient has another structure")
        return _by_path(found, known)

    return collect


def _by_path(found: PyTree, known: list[tuple[tuple[str, ...], str, Any]]) -> list[Array] | Failure:
    """The leaves of a gradient at the paths of differentiated leaves."""
    came = {_plain(path): (jax.tree_util.keystr(path), leaf) for path, leaf in _with_none(found) if leaf is not None}
    wanted = [(path, shown) for path, shown, leaf in known if _is_differentiated(leaf)]
    shown = ", ".join(name or "a single array" for _, name in wanted[:6]) + (", …" if len(wanted) > 6 else "")
    for path, name in wanted:
        if path not in came:
            return Failure(f"the gradient has another structure: no leaf {name or 'at the root'}, expected {shown}")
    allowed = {path for path, _, _ in known}
    for path, (name, _) in came.items():
        if path not in allowed:
            return Failure(
                f"the gradient has another structure: an extra leaf {name or 'at the root'}, expected {shown}"
            )
    return _numbers([came[path][1] for path, _ in wanted])


def _numbers(leaves: list[Any]) -> list[Array] | Failure:
    """The leaves, or what is wrong where one is JAX's own zero of an integer's derivative."""
    if any(getattr(leaf, "dtype", None) == jax.dtypes.float0 for leaf in leaves):
        return Failure("the gradient has dtype float0, expected that of what it is the gradient of")
    return leaves


def _with_none(tree: PyTree) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda leaf: leaf is None)


def _plain(path: Sequence[Any]) -> tuple[str, ...]:
    """A path by its names alone: `.layers[0]` of a module is ['layers'][0] of a dict."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)

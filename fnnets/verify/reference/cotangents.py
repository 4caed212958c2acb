"""Arguments for which a `jax.custom_vjp` returns no cotangent: None in their place declares them not differentiated.

The forward and backward rules are traced once, with the arguments that are given; nothing is computed. Seen are a
`jax.custom_vjp`, one within `jax.jit`, and one with some arguments given by `functools.partial`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


def absent(
    f: Callable[..., PyTree], rebuild: Callable[..., tuple[Any, ...]], arrays: Sequence[Array], names: Sequence[str]
) -> tuple[str, ...]:
    """The names of arguments, or of parts of them, for which the backward rule of f returns None.

    >>> f = jax.custom_vjp(lambda x, m: m * x)
    >>> f.defvjp(lambda x, m: (m * x, m), lambda m, d_y: (m * d_y, None))
    >>> absent(f, lambda arrays: tuple(arrays), [jnp.ones(2), jnp.ones(2)], ["x", "m"])
    ('m',)
    """
    found: list[tuple[int, PyTree]] = []

    def rules(arrays):
        rule, args = _rule(f, rebuild(arrays))
        if rule is not None:
            found.extend(_cotangents(rule, args))
        return ()

    try:
        jax.eval_shape(rules, list(arrays))
    except Exception:  # the check itself meets what the rules raise
        return ()
    shift = len(_rule(f, ())[1])
    return tuple(
        f"{names[i - shift]}{jax.tree_util.keystr(path)}"
        for i, tree in found if i >= shift
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda leaf: leaf is None)
        if leaf is None
    )  # fmt: skip


def is_within(where: str, names: Sequence[str]) -> bool:
    """Whether a leaf is one of these arguments, or in one of them.

    >>> is_within("x['a']", ["x"]), is_within("x2", ["x"])
    (True, False)
    """
    return any(where.startswith(name) and where[len(name) : len(name) + 1] in ("", "[", ".") for name in names)


def _rule(f: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The `jax.custom_vjp` in f and its arguments by position; None for it where there is none to be seen."""
    named: dict[str, Any] = {}
    while True:
        if isinstance(f, functools.partial):
            args, named, f = (*f.args, *args), f.keywords | named, f.func
        elif hasattr(f, "lower") and hasattr(f, "__wrapped__"):
            f = f.__wrapped__
        else:
            break
    if not isinstance(f, jax.custom_vjp):
        return None, args
    if named and args:
        bound = inspect.signature(f.fun).bind(*args, **named)
        bound.apply_defaults()
        args = bound.args
    return f, args


def _cotangents(rule: Any, args: tuple[Any, ...]) -> list[tuple[int, PyTree]]:
    """(position, cotangent) of each argument that the rule differentiates by."""
    count = len(args)
    static = sorted(i % count for i in rule.nondiff_argnums)
    by = [i for i in range(count) if i not in static]
    given = list(args)
    if rule.symbolic_zeros:
        for i in by:
            given[i] = jax.tree.map(lambda leaf: jax.custom_derivatives.CustomVJPPrimal(leaf, True), given[i])
    outputs, kept = rule.fwd(*given)
    back = rule.bwd(*(args[i] for i in static), kept, jax.tree.map(_one, outputs))
    return list(zip(by, back, strict=True))


def _one(leaf: Any) -> Any:
    has_derivative = jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    return jnp.ones_like(leaf) if has_derivative else np.zeros(jnp.shape(leaf), jax.dtypes.float0)

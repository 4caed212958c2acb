"""Rules of a function that cannot be traced: it is run as it is, and what is passed to each rule is recorded.

JAX's `custom_vjp` and `custom_jvp` are called by name in Python; while the function runs, with compilation off, each
call is noted with its arguments. A rule is then traced and checked by itself, at drawn cotangents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import jaxprs
from fnnets.verify.auditing import sites
from fnnets.verify.auditing.collect import Collector

KINDS = (jax.custom_vjp, jax.custom_jvp)
MOST = 64


def audit(collector: Collector, function: Callable[..., Any], leaves: list[Any], points: Iterator) -> int:
    """Check the rules that the function calls at each point; returns the number of points."""
    collector.remarks.append("the function was run as it is: rules are checked at drawn cotangents alone")
    count = 0
    for shown, args in points:
        count += 1
        calls: list[tuple[Any, tuple, dict]] = []
        with _recording(calls), jax.disable_jit():
            function(*(jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in args))
        for rule, given, named in calls[:MOST]:
            arrays, structure = jax.tree.flatten((given, named))
            where = [n for n, x in enumerate(arrays) if isinstance(x, jax.Array | float)]

            def of_arrays(*moved, rule=rule, arrays=arrays, structure=structure, where=where):
                filled = list(arrays)
                for n, x in zip(where, moved, strict=True):
                    filled[n] = x
                args, named = jax.tree.unflatten(structure, filled)
                return rule(*args, **named)

            inputs = [arrays[n] for n in where]
            program = jaxprs.opened(jax.make_jaxpr(of_arrays)(*inputs))
            moving = [n for n, x in enumerate(inputs) if sites.is_moved(x)]
            if moving:
                collector.at_point(collector.recorder(program, inputs, moving), inputs, shown)
    return count


@contextlib.contextmanager
def _recording(calls: list[tuple[Any, tuple, dict]]) -> Iterator[None]:
    with noting(lambda *call: None if _is_traced(call[1:]) else calls.append(call)):
        yield


def _is_traced(call: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(call))


@contextlib.contextmanager
def noting(note: Callable[..., Any]) -> Iterator[None]:
    """A scope in which `note(rule, args, named)` is called for each call of a rule."""
    own = [kind.__call__ for kind in KINDS]

    def noted(original):
        def call(self, *args, **named):
            note(self, args, named)
            return original(self, *args, **named)

        return call

    for kind, original in zip(KINDS, own, strict=True):
        kind.__call__ = noted(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, original in zip(KINDS, own, strict=True):
            kind.__call__ = original  # type: ignore[method-assign]

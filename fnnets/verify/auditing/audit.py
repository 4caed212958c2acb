"""The audit of a function: its program is walked, and every derivative rule in it checked where it stands.

report = audit(function, *args)              at the given arguments
report = audit(function, *args, sweep=True)  and at special values of them, one or two at a time
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import calls, jaxprs, validate
from fnnets.verify.auditing import eagerly, sites
from fnnets.verify.auditing import sweep as sweeping
from fnnets.verify.auditing.collect import Collector
from fnnets.verify.auditing.report import AuditReport
from fnnets.verify.reference import arguments, raised

if TYPE_CHECKING:
    from jaxtyping import PyTree

REMEDY = "give the function itself and its arguments after it, as verify.audit(cost, params, x)"


@calls.strict("audit")
def audit(
    function: Callable[..., PyTree],
    *args: PyTree,
    sweep: bool = False,
    accept: Sequence[str] = (),
    seed: int = 0,
    eager: bool = False,
) -> AuditReport:
    """Check every `custom_vjp`, `custom_jvp` and `custom_linear_solve` in a function, at the values that reach it.

    The function may be of any library that JAX can trace. Each rule is held against automatic differentiation of the
    function that it belongs to, with and without the rules within, and against differences in float64 where these
    disagree: for the cotangents that arrive at it in the function's own backward pass, and for drawn ones. The
    function as a whole is differenced once. `fnnets.verify.auditing.report` lists the verdicts.

    Args:
        function: what is audited; it returns arrays, or a tree of them.
        args: its arguments. Arrays and Python's floats are traced, and differentiated where they are floating; other
            numbers, strings and functions arrive as they are.
        sweep: also at 0, ±1, ±inf, ties, whole numbers, very large and very small values of the arguments.
        accept: names of rules that are meant as they are.
        seed: of the cotangents that are drawn.
        eager: for functions that cannot be traced, such as those that branch on values: the function is run as it is,
            the rules that it calls are checked at drawn cotangents.

    Returns:
        A report with one row for each rule: `.table()`, `.to_json()`, `.assert_ok()`.

    Raises:
        TypeError: something that is no function, no floating argument, a function that cannot be traced.
        ValueError: a name in `accept` that no rule has.
        Exception: whatever the function itself raises, its line first.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> report = fn.verify.audit(lambda x: jnp.sum(jax.nn.relu(x) ** 2), jnp.array([-1.0, 0.0, 2.0]))
    >>> report.ok, report.row("relu").verdict
    (True, 'agrees')
    """
    validate.is_function(function, "verify.audit: function", REMEDY)
    for value, given in ((sweep, "sweep"), (eager, "eager")):
        validate.flag(value, f"verify.audit: {given}")
    validate.count(seed, "verify.audit: seed", least=0)
    accept = _names_of(accept)
    name = getattr(function, "__name__", type(function).__name__)
    leaves, rebuild = arguments.separate(args, _is_traced)
    _require_floating(leaves, args)
    _refuse_tracers(leaves)
    of_arrays = lambda *arrays: function(*rebuild(arrays))  # noqa: E731
    of_arrays.__name__ = name
    collector = Collector(accept, seed)
    with jax.debug_nans(False), jax.debug_infs(False), jax.disable_jit(False):
        if eager:
            points = eagerly.audit(collector, of_arrays, leaves, _points(leaves, _names(args), sweep))
        else:
            points = _traced(collector, of_arrays, name, leaves, _points(leaves, _names(args), sweep))
    report = AuditReport(name, collector.rows(), points, tuple(collector.remarks))
    _require_known(accept, report)
    return report


def _traced(collector: Collector, function: Callable[..., Any], name: str, leaves: list[Any], points: Iterator) -> int:
    called: dict[str, None] = {}
    with eagerly.noting(lambda rule, *_: called.setdefault(getattr(rule, "__name__", ""))):
        closed = _program(function, name, leaves)
    program = jaxprs.opened(closed)
    _require_outputs(program, name)
    collector.remark_on(program.jaxpr)
    moving = [n for n, x in enumerate(leaves) if sites.is_moved(x)]
    recorder = collector.recorder(program, leaves, moving)
    count = 0
    for count, (shown, args) in enumerate(points, 1):
        collector.at_point(recorder, args, shown)
        if count == 1:
            collector.whole(function, name, leaves, args, moving)
    collector.remark_on_missing(called)
    return count


def _refuse_tracers(leaves: list[Any]) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        raise TypeError(
            "verify.audit: args hold traced values, expected arrays with numbers; call it outside of jit, grad and vmap"
        )


def _require_outputs(program: jaxprs.Body, name: str) -> None:
    if not any(sites.is_moved(variable.aval) for variable in program.jaxpr.outvars):
        raise TypeError(
            f"verify.audit: {name} returns no floating number, expected at least one, which is differentiated; return "
            "the cost or an array"
        )


def _program(function: Callable[..., Any], name: str, leaves: list[Any]) -> Any:
    try:
        with raised.located(name):
            return jax.make_jaxpr(function)(*leaves)
    except jax.errors.UnexpectedTracerError:
        raise
    except Exception as error:
        if "returned a value of type" in str(error):
            arguments.shapes(function, name, *leaves)
        if not raised.is_untraceable(error):
            raise
        place = raised.line(error)
        raise TypeError(
            f"verify.audit: {name} raised {type(error).__name__}: {raised.first_line(error)}"
            f"{f' ({place})' if place else ''}, expected a function that JAX can trace; pass eager=True, which runs it "
            "as it is, or leave out what it branches on: functools.partial(function, …)"
        ) from None


def _points(leaves: list[Any], names: list[str], sweep: bool) -> Iterator[tuple[str, list[Any]]]:
    given = [x if _is_key(x) else np.asarray(x, _dtype(x)) for x in leaves]
    yield "", given
    if sweep:
        yield from sweeping.points(given, names)


def _names(args: PyTree) -> list[str]:
    """The path of each traced leaf, as "args[1]['w']"."""
    leaves = jax.tree_util.tree_leaves_with_path(args)
    return [f"args{jax.tree_util.keystr(path)}" for path, leaf in leaves if _is_traced(leaf)]


def _require_floating(leaves: list[Any], args: PyTree) -> None:
    if not any(map(sites.is_moved, leaves)):
        came = "hold no floating number" if args else "are missing"
        raise TypeError(
            f"verify.audit: args {came}, expected at least one floating number or array, with respect to which the "
            f"function is differentiated; {REMEDY}"
        )


def _require_known(accept: Sequence[str], report: AuditReport) -> None:
    known = [row.name for row in report.rows]
    for name in accept:
        if name not in known:
            raise ValueError(
                f"verify.audit: accept has {name!r}, expected the name of a rule that was met: "
                f"{', '.join(map(repr, known)) or 'none was'}; leave it out"
            )


def _names_of(accept: object) -> tuple[str, ...]:
    names = (accept,) if isinstance(accept, str) else accept
    if not isinstance(names, Sequence | set | frozenset) or not all(isinstance(each, str) for each in names):
        raise TypeError(
            f"verify.audit: accept is {validate.shown(accept)}, expected names of rules; write accept=['name']"
        )
    return tuple(names)


def _is_traced(leaf: Any) -> bool:
    is_array = isinstance(leaf, jax.Array | np.ndarray | np.generic) and getattr(leaf.dtype, "kind", "f") not in "OSU"
    return isinstance(leaf, float) or is_array


def _is_key(leaf: Any) -> bool:
    return bool(jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.extended))


def _dtype(leaf: Any) -> Any:
    return jnp.asarray(leaf).dtype

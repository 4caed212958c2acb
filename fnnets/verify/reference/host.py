"""Functions that JAX cannot trace, run on the host with the arrays that arrive: NumPy code, branches on values.

    gradient    `jax.pure_callback` of it: checked like any other, but for what needs its derivative
    cost        `jax.pure_callback` of it, with a derivative that is taken on the host as well:
                  branches on values     `jax.grad` there, operation by operation
                  NumPy                  central differences, extrapolated, of the cost in float64

A function gets NumPy arrays where it is NumPy code, else JAX's. What it raises on its way is kept, for an exception
within a callback would come as one of the runtime; the values are NaN then.

| symbol | name in code | shape |
|---|---|---|
| θ, arrays that are held | `at`, `held` | lists |
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import validate
from fnnets.verify.reference import arguments, extrapolation, raised
from fnnets.verify.reference.extrapolation import MOST
from fnnets.verify.reference.raised import UNTRACEABLE
from fnnets.verify.reference.settings import allowing
from fnnets.verify.reference.subject import Failure, size
from fnnets.verify.tracing import precision

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Arrays = Sequence["Array | np.ndarray"]
KEPT, RESOLVED = 64, 1e-2
NEEDS = "write it with jax.numpy, and without Python branches on the values of arrays"


class Host:
    """A function `(at, held) -> tree` that runs on concrete arrays.

    Attributes:
        function, name: what runs, and what messages call it.
        takes: makes of an array what the function takes.
        raised: the first exception within a callback, None for none.
    """

    def __init__(self, function: Callable[..., PyTree], name: str, error: Exception, point: tuple[Arrays, Arrays]):
        """Find at a point whether the function takes NumPy's arrays or JAX's; `error` is why it cannot be traced."""
        self.function, self.name = function, name
        self.raised: Exception | None = None
        is_numpy = not isinstance(error, UNTRACEABLE) or isinstance(error, jax.errors.TracerArrayConversionError)
        kinds = (np.array, jnp.asarray) if is_numpy else (jnp.asarray, np.array)
        self.takes: Callable[..., Any] = kinds[0]
        try:
            first = self(*point)
        except Exception as problem:
            self.takes = kinds[1]
            try:
                first = self(*point)
            except Exception:
                is_traced = raised.is_untraceable(problem)
                raise (arguments.untraceable(name, problem) if is_traced else problem) from None
        arguments.same_twice(first, self(*point), name)
        self.first = first

    def __call__(self, at: Arrays, held: Arrays) -> PyTree:
        """The function's result, of the precision of `at`."""
        with self.scope(at), raised.located(self.name):
            return self.function([self.takes(each) for each in at], [self._held(each) for each in held])

    @contextlib.contextmanager
    def scope(self, at: Arrays) -> Iterator[None]:
        """The precision of the arrays that arrive: a callback may run in a thread of other settings."""
        is_double = any(each.dtype == np.float64 for each in at)
        with jax.enable_x64(is_double), allowing(), np.errstate(all="ignore"):
            yield

    def _held(self, each: Array | np.ndarray) -> Any:
        return each if jnp.issubdtype(each.dtype, jax.dtypes.prng_key) else self.takes(each)

    def within(self, function: Callable[..., PyTree], shapes: PyTree, at: Arrays, held: Arrays) -> PyTree:
        """`function(at, held)` of JAX's arrays, by a callback; NaN where it raises."""
        keys = [jax.random.key_impl(each) if _is_key(each) else None for each in held]

        def call(at, data):
            try:
                with jax.enable_x64(any(each.dtype == np.float64 for each in at)):
                    pairs = zip(data, keys, strict=True)
                    whole = [x if impl is None else jax.random.wrap_key_data(x, impl=impl) for x, impl in pairs]
                found = function([np.asarray(each) for each in at], whole)
                return jax.tree.map(
                    lambda each, shape: np.asarray(each, shape.dtype).reshape(shape.shape), found, shapes
                )
            except Exception as error:
                self.raised = self.raised or error
                return jax.tree.map(lambda shape: np.full(shape.shape, np.nan, shape.dtype), shapes)

        data = [jax.random.key_data(each) if _is_key(each) else each for each in held]
        return jax.pure_callback(call, shapes, list(at), data, vmap_method="sequential")

    def again(self) -> None:
        """Raise what the function has raised within a callback."""
        if self.raised is not None:
            raise self.raised from None


def gradient(
    host: Host, collect: Callable[[PyTree], PyTree], where: Sequence[str], like: Arrays
) -> Callable[..., PyTree]:
    """A hand-written gradient that runs on the host, as a function that JAX traces.

    Raises:
        ValueError: it returns another structure or other shapes than the parameters have.
    """
    found = collect(host.first)
    if isinstance(found, Failure):
        raise ValueError(f"gradient: {found.message}")
    for leaf, name, expected in zip(found, where, like, strict=True):
        if not jnp.issubdtype(np.asarray(leaf).dtype, np.number):
            raise TypeError(f"gradient returns {validate.shown(leaf)} for {name}, expected numbers; return those alone")
        if np.shape(leaf) != expected.shape:
            raise ValueError(
                f"gradient returns shape {np.shape(leaf)} for {name}, expected {expected.shape}, that of {name}; "
                "return one number for each"
            )

    def explicit(at, held):
        shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in at]
        return host.within(lambda at, held: collect(host(at, held)), shapes, at, held)

    return explicit


def cost(host: Host, at: Arrays, held: Arrays) -> tuple[Callable[..., Array], float, str]:
    """A cost that runs on the host, as a function that JAX differentiates, its tolerance, and a sentence on both.

    Raises:
        ValueError: NumPy code of more parameters than differences can be taken at, or too coarse for them.
    """
    try:
        with raised.located(host.name):
            _eager(host, at, held)
        slopes: Callable[..., PyTree] = lambda at, held: _eager(host, at, held)  # noqa: E731
        tolerance, how = 0.0, "it is differentiated there operation by operation"
    except Exception:  # NumPy code raises anything where it gets a tracer
        if size(at) > MOST:
            raise ValueError(
                f"{host.name} runs on the host, where its derivative is taken by differences, and has {size(at)} "
                f"parameters, expected at most {MOST}; {NEEDS}"
            ) from None
        kept: dict[bytes, extrapolation.Slopes] = {}
        slopes = lambda at, held: _differences(host, at, held, kept).values  # noqa: E731
        resolution = _differences(host, at, held, kept).resolution
        if resolution > RESOLVED:
            raise ValueError(
                f"{host.name} runs on the host, and differences resolve its derivative to {resolution:.0e} only, "
                f"expected {RESOLVED:.0e}; compute it in the dtype of the arrays that arrive, or {NEEDS}"
            ) from None
        tolerance, how = 8 * resolution, f"its derivative is taken there by differences that resolve {resolution:.0e}"
    return (
        _differentiable(host, slopes),
        tolerance,
        f"{host.name} is no code that JAX traces and ran on the host; {how}",
    )


def _differentiable(host: Host, slopes: Callable[..., PyTree]) -> Callable[..., Array]:
    """The function of JAX's arrays, with the derivative by the first of them that `slopes` gives on the host."""

    @jax.custom_jvp
    def value(at, held):
        kind = jnp.result_type(*(each.dtype for each in at))
        return host.within(host, jax.ShapeDtypeStruct((), kind), at, held)

    @value.defjvp
    def rule(primals, tangents):
        at, held = primals
        found = host.within(slopes, [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in at], at, held)
        y = value(at, held)
        moved = sum(jnp.sum(slope * way) for slope, way in zip(found, tangents[0], strict=True))
        return y, jnp.asarray(moved, y.dtype)

    return value


def _eager(host: Host, at: Arrays, held: Arrays) -> list[np.ndarray]:
    """`jax.grad` of a function at concrete arrays, outside of `jax.jit`."""
    with host.scope(at):
        found = jax.grad(lambda at: host.function(at, [host._held(each) for each in held]))(
            [jnp.asarray(x) for x in at]
        )
        return [np.asarray(each) for each in found]


def _differences(host: Host, at: Arrays, held: Arrays, kept: dict[bytes, extrapolation.Slopes]) -> extrapolation.Slopes:
    """Extrapolated differences in float64, those of the last points kept."""
    wide, others = precision.to_double(list(at)), precision.to_double(list(held))
    point = b"".join(np.asarray(each).tobytes() for each in (*wide, *map(_numbers, others)))
    if point not in kept:
        if len(kept) >= KEPT:
            kept.clear()
        kept[point] = extrapolation.slopes(lambda at: np.asarray(host(at, others)), wide)
    return kept[point]


def _is_key(each: Any) -> bool:
    return jnp.issubdtype(each.dtype, jax.dtypes.prng_key)


def _numbers(each: Any) -> Any:
    return jax.random.key_data(each) if _is_key(each) else each

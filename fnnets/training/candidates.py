"""Candidates of a search: all combinations of given values, or random draws.

    grid(rate=[0.1, 0.3], hidden=[10, 30])                      four candidates
    sample(key, 20, rate=log_uniform(1e-3, 1), hidden=[10, 30])     twenty

Source: [Bergstra2012].
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from fnnets.core import calls, validate

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree

Candidate = dict[str, Any]  # the arguments of a user's function


@calls.strict("grid")
def grid(**values: Iterable[object]) -> list[Candidate]:
    """Every combination of the given values, of which arrays give Python's numbers.

    Args:
        values: for each hyperparameter what it may be: a list, tuple, range, generator or array of one axis.

    Raises:
        TypeError, ValueError: a hyperparameter whose values are no such thing, none at all, or NaN.

    >>> grid(rate=[0.1, 0.3], hidden=[30])
    [{'rate': 0.1, 'hidden': 30}, {'rate': 0.3, 'hidden': 30}]
    """
    options = [_options(given, f"grid: {name}") for name, given in values.items()]
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*options)]


@calls.strict("sample")
def sample(key: Array, count: int, **values: Iterable[object] | Callable[[Array], float]) -> list[Candidate]:
    """`count` random candidates, each hyperparameter drawn by itself [Bergstra2012].

    Args:
        key: PRNG key.
        count: how many.
        values: for each hyperparameter values to choose from, as for `grid`, or a function `key -> number` such as
            `uniform(low, high)` and `log_uniform(low, high)`.

    Raises:
        TypeError, ValueError: no key, no count, values that `grid` refuses; a function that gives no finite number.

    >>> import jax
    >>> drawn = sample(jax.random.key(0), 3, rate=log_uniform(1e-3, 1.0), hidden=[10, 30])
    >>> all(1e-3 <= one["rate"] <= 1.0 and one["hidden"] in (10, 30) for one in drawn)
    True
    """
    validate.is_key(key, "sample: key")
    count = validate.count(count, "sample: count", "give the number of candidates")
    given = {
        name: _drawing(options, name) if callable(options) else _options(options, f"sample: {name}")
        for name, options in values.items()
    }

    def draw(key, options):
        return options(key) if callable(options) else options[int(jax.random.randint(key, (), 0, len(options)))]

    keys = jax.random.split(key, (count, max(1, len(values))))
    return [
        {name: draw(one, options) for one, (name, options) in zip(row, given.items(), strict=False)} for row in keys
    ]


@calls.strict("uniform")
def uniform(low: float, high: float) -> Callable[[Array], float]:
    """Numbers between `low` and `high`, each as likely as another.

    Raises:
        TypeError, ValueError: ends that are no finite numbers, or `high` below `low`.

    >>> 2 <= uniform(2, 3)(jax.random.key(0)) <= 3
    True
    """
    low, high = _ends(low, high, "uniform")
    # float32, in which JAX draws, holds neither 1e-50 nor 1e50
    return lambda key: min(high, max(low, low + float(jax.random.uniform(key)) * (high - low)))


@calls.strict("log_uniform")
def log_uniform(low: float, high: float) -> Callable[[Array], float]:
    """Numbers between `low` > 0 and `high`, each order of magnitude as likely as another.

    Raises:
        TypeError, ValueError: ends that are no finite numbers > 0, or `high` below `low`.

    >>> 1e-4 <= log_uniform(1e-4, 1.0)(jax.random.key(0)) <= 1
    True
    """
    validate.above(low, 0.0, "log_uniform: low", "a logarithm needs a positive number")
    validate.above(high, 0.0, "log_uniform: high", "a logarithm needs a positive number")
    low, high = _ends(low, high, "log_uniform")
    logs = math.log(low), math.log(high)
    of_share = uniform(*logs)
    return lambda key: min(high, max(low, math.exp(of_share(key))))


def _ends(low, high, user: str) -> tuple[float, float]:
    for value, name in ((low, "low"), (high, "high")):
        validate.number(value, f"{user}: {name}", "give an end of the interval")
        if not math.isfinite(value):
            raise ValueError(f"{user}: {name} is {value}, expected a finite number; give an end of the interval")
    if low > high:
        raise ValueError(f"{user}: low is {low} and high is {high}, expected low <= high; swap them")
    return float(low), float(high)


def _options(given, name: str) -> list[object]:
    """Values to choose from as a list, of which those that are numbers of NumPy or JAX are Python's."""
    remedy = "write [value] for one value"
    if isinstance(given, np.ndarray | jax.Array):
        if given.ndim != 1:
            raise ValueError(f"{name} is an array of shape {given.shape}, expected one axis; {remedy}")
        given = given.tolist() if given.dtype.kind == "U" else validate.array(given, name).tolist()
    is_one = isinstance(given, str | bytes | Mapping | Set) or hasattr(given, "_fields")  # an activation, a network
    if is_one or not isinstance(given, Iterable):
        came = f"{given!r} of type" if isinstance(given, str | bytes | int | float) or given is None else "of type"
        raise ValueError(f"{name} is {came} {type(given).__name__}, expected a list of at least one value; {remedy}")
    options = [_as_python(value) for value in given]
    if not options:
        raise ValueError(f"{name} is empty, expected at least one value; {remedy}")
    for value in options:
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"{name} holds NaN, expected values to choose from; leave it out")
    return options


def _as_python(value: PyTree) -> PyTree:
    """A number of NumPy or JAX as Python's; anything else as it is."""
    is_array = isinstance(value, np.generic | np.ndarray | jax.Array)
    return value.item() if is_array and value.shape == () and value.dtype.kind in "fiub" else value


def _drawing(function: Callable[[Array], float], name: str) -> Callable[[Array], float]:
    """The function, whose numbers are checked to be finite, and are Python's."""
    remedy = "give a function key -> number, or a list to choose from"
    try:
        inspect.signature(function).bind(None)
    except ValueError:  # a function that has no signature to read
        pass
    except TypeError as error:
        raise TypeError(
            f"sample: {name} is a function of other arguments ({error}), expected a key alone; {remedy}"
        ) from None

    def draw(key):
        value = function(key)
        validate.number(value, f"sample: {name}(key)", remedy)
        if not math.isfinite(value):
            raise ValueError(f"sample: {name}(key) is {value}, expected a finite number; {remedy}")
        return _as_python(value)

    return draw

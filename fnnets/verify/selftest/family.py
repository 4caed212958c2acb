"""Families of code whose verdict is known: right calls of a check, and the same with one fault.

A family is a function of a draw and of a fault's name, "" for right code; it returns the call of a check. Sizes, values
and modes come from the draw, which a seed determines.

    right     verdict pass
    fault     verdict wrong, and the first wrong row is where the fault is
    doubtful  verdict inconclusive: the reference itself is wrong, and the gradient by hand must not be blamed

| symbol | name in code | shape |
|---|---|---|
| N(0, 1) | `draw(*shape)` | shape, float32 |
| rows that sum to one | `draw.shares(rows, columns)` | (rows, columns), float32 |
| QᵀQ = I | `draw.rotation(size)` | (size, size), float32 |
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array

Option = TypeVar("Option")


class Call(NamedTuple):
    """One call of a check.

    Attributes:
        check: "gradient", "custom_vjp" or "activation".
        arguments: what it takes by position.
        options: what it takes by name.
    """

    check: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = {}


class Fault(NamedTuple):
    """One fault of a family.

    Attributes:
        name: what is wrong, as people would call it.
        places: marks, leaves or properties, one of which the first wrong row must name; empty for any.
        verdict: "wrong", or "inconclusive" where the automatic side is.
    """

    name: str
    places: tuple[str, ...]
    verdict: str = "wrong"


class Family(NamedTuple):
    """Right code, and its faults.

    Attributes:
        name: what the code computes.
        make: `(draw, fault) -> call`.
        faults: those that `make` can plant.
        is_unusual: whether verifiers are known to err on such code.
    """

    name: str
    make: Callable[[Draw, str], Call]
    faults: tuple[Fault, ...] = ()
    is_unusual: bool = False

    def call(self, seed: int, fault: str = "") -> Call:
        """The call for one seed; the same values with a fault and without.

        Raises:
            ValueError: a fault that is none of the family's.
        """
        known = [each.name for each in self.faults]
        if fault and fault not in known:
            raise ValueError(f"fault is {fault!r}, expected one of {known}; the family is {self.name!r}")
        return self.make(Draw(self.name, seed), fault)


class Draw:
    """Sizes, values and modes of one family at one seed."""

    def __init__(self, name: str, seed: int) -> None:
        self.random = np.random.default_rng([zlib.crc32(name.encode()), seed])

    def __call__(self, *shape: int, scale: float = 1.0) -> Array:
        """Numbers from N(0, scale²), float32."""
        return jnp.asarray(scale * self.random.normal(size=shape), jnp.float32)

    def double(self, *shape: int) -> np.ndarray:
        """NumPy's own numbers from N(0, 1), float64."""
        return self.random.normal(size=shape)

    def positive(self, *shape: int, least: float = 0.3) -> Array:
        """Numbers from `least` upwards, float32."""
        return jnp.asarray(least + np.abs(self.random.normal(size=shape)), jnp.float32)

    def between(self, low: float, high: float, *shape: int) -> Array:
        """Uniform numbers, float32."""
        return jnp.asarray(self.random.uniform(low, high, shape), jnp.float32)

    def number(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self.random.uniform(low, high))

    def size(self, low: int = 2, high: int = 5) -> int:
        """A size from low to high."""
        return int(self.random.integers(low, high + 1))

    def sizes(self, count: int, low: int = 2, high: int = 7) -> list[int]:
        """Sizes of which no two are equal."""
        return [int(each) for each in self.random.permutation(np.arange(low, high + 1))[:count]]

    def one_of(self, *options: Option) -> Option:
        """One of the options."""
        return options[int(self.random.integers(len(options)))]

    def whole(self, low: int, high: int, *shape: int) -> Array:
        """Whole numbers from low to high, int32."""
        return jnp.asarray(self.random.integers(low, high + 1, shape), jnp.int32)

    def ternary(self, *shape: int) -> Array:
        """−1, 0 and 1, float32."""
        return jnp.asarray(self.random.integers(-1, 2, shape), jnp.float32)

    def shares(self, rows: int, columns: int) -> Array:
        """Rows that sum to one as far as float32 goes."""
        return jnp.asarray(self.random.dirichlet(np.ones(columns), rows), jnp.float32)

    def rotation(self, size: int) -> Array:
        """An orthogonal matrix, as far as float32 goes."""
        return jnp.asarray(np.linalg.qr(self.random.normal(size=(size, size)))[0], jnp.float32)

    def mask(self, rows: int, steps: int) -> Array:
        """Ones up to a length of its own in each row, (rows, steps), float32; one row is full and one is short."""
        lengths = self.random.permutation(np.r_[steps, 1, self.random.integers(1, steps + 1, max(0, rows - 2))][:rows])
        return jnp.asarray(np.arange(steps) < lengths[:, None], jnp.float32)

    def permutation(self, size: int) -> np.ndarray:
        """An order of `size` things."""
        return self.random.permutation(size)

    def key(self) -> Array:
        """A PRNG key."""
        return jax.random.key(int(self.random.integers(2**31)))


Places = str | Sequence[str]


class Catalogue:
    """Families in the order in which they were entered, each name once."""

    def __init__(self) -> None:
        self.families: list[Family] = []

    def family(
        self,
        name: str,
        faults: Mapping[str, Places] | None = None,
        doubtful: Mapping[str, Places] | None = None,
        is_unusual: bool = False,
    ) -> Callable[[Callable[[Draw, str], Call]], Callable[[Draw, str], Call]]:
        """Enter the decorated function; `faults` and `doubtful` give each fault the places that are right for it."""

        def enter(make: Callable[[Draw, str], Call]) -> Callable[[Draw, str], Call]:
            listed = [Fault(each, _places(places)) for each, places in (faults or {}).items()]
            listed += [Fault(each, _places(places), "inconclusive") for each, places in (doubtful or {}).items()]
            self.families.append(Family(name, make, tuple(listed), is_unusual))
            return make

        return enter


def gradient(cost: Callable[..., Any], by_hand: Callable[..., Any], *args: Any, **options: Any) -> Call:
    """A call of `verify.gradient`."""
    return Call("gradient", (cost, by_hand, *args), options)


def custom_vjp(f: Callable[..., Any], reference: Callable[..., Any], *args: Any, **options: Any) -> Call:
    """A call of `verify.custom_vjp`."""
    return Call("custom_vjp", (f, reference, *args), options)


def _places(places: Places) -> tuple[str, ...]:
    return (places,) if isinstance(places, str) else tuple(places)

"""What one seed draws beside its numbers: sizes and kinds of arguments every few seeds, values and masks with each.

    programs    are compiled for shapes and kinds, so `EVERY` seeds in a row share these, and all values differ
    seed 0      nothing is zero, symmetric or convenient, nor is it with any other seed of its `EVERY` but for values

| drawn anew | what |
|---|---|
| every `EVERY` seeds | N and T in 2..7, of no size that occurs elsewhere or equal to one; float or integer inputs; |
| | labels or shares; weights of examples, of steps, or none; mask or none; samples or none; a state or none |
| with each seed | parameters, inputs, targets, weights, keys; lengths, of which one is 1 and one is T; gaps; values: |
| | general, repeated examples, small, saturated, exact zeros, ties, parameters as they begin |

| symbol | name in code | shape |
|---|---|---|
| x | `values(...)` | (N, …), or (T, N, …) |
| mask | `mask(...)` | (T, N) bool, each sequence with at least one real step |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

EVERY = 5
"""Seeds in a row that share shapes and kinds of arguments, and so compiled programs."""
LEAST, MOST = 2, 7
VALUES = ("general", "repeated", "small", "saturated", "zeros", "ties", "begin")
MASKS = ("lengths", "within", "front", "full")
SMALL, LARGE, TIED = 0.02, 6.0, 2.0

Range = tuple[float, float]


class Draw(NamedTuple):
    """A seed.

    Attributes:
        seed: its number.
        group: which of the sets of shapes and kinds it has; 0 is the first.
        values: the kind of its values, one of `VALUES`.
        mask: the kind of its mask, one of `MASKS`.
    """

    seed: int
    group: int
    values: str
    mask: str

    def has(self, share: int, offset: int) -> bool:
        """Whether the group is the `offset`-th of every `share`."""
        return self.group % share == offset


def draw(seed: int) -> Draw:
    """The draw of a seed.

    >>> draw(0)
    Draw(seed=0, group=0, values='general', mask='lengths')
    >>> [draw(seed).group for seed in (4, 5, 10)], draw(3).values
    ([0, 1, 2], 'saturated')
    """
    return Draw(seed, seed // EVERY, VALUES[seed % len(VALUES)], MASKS[seed % len(MASKS)])


def leading(drawn: Draw, taken: tuple[int, ...], is_sequential: bool) -> tuple[int, ...]:
    """(N,) or (T, N): sizes that occur nowhere among `taken`, or in every other group sizes that do.

    >>> leading(draw(0), (4, 2), True), leading(draw(0), (3,), False)
    ((6, 5), (4,))
    """
    if drawn.group == 0:
        n = next(size for size in range(4, 99) if size not in taken)
        steps = next(size for size in range(6, 99) if size not in (n, *taken))
        return (steps, n) if is_sequential else (n,)
    random, sizes = np.random.default_rng([drawn.group, 1]), range(LEAST, MOST + 1)
    alike = [size for size in sizes if size in taken] if drawn.has(2, 1) else []
    apart = [size for size in sizes if size not in taken]
    found = [int(random.choice(alike or apart or sizes)) for _ in range(1 + is_sequential)]
    return tuple(found)


def mask(drawn: Draw, shape: tuple[int, ...]) -> Bool[np.ndarray, "t n"] | None:
    """(T, N) bool: padding behind each sequence, also within it, in front of it, or none; None in every third group."""
    if drawn.has(3, 2):
        return None
    random, (steps, n) = np.random.default_rng([drawn.seed, 2]), shape
    lengths = random.integers(1, steps + 1, n)
    lengths[random.permutation(n)[:2]] = (1, steps)[-n:]
    found = np.arange(steps)[:, None] < lengths
    if drawn.mask == "full":
        return np.ones((steps, n), bool)
    if drawn.mask == "front":
        return found[::-1].copy()
    if drawn.mask == "within":
        longest = int(lengths.argmax())
        found[1:-1, longest] = random.uniform(size=max(0, steps - 2)) < 0.5
    return found


def values(drawn: Draw, shape: tuple[int, ...], axis: int, within: Range | None) -> Float[np.ndarray, ...]:
    """Inputs of the draw's kind, in a range where there is one; `axis` is that of the examples."""
    random = np.random.default_rng([drawn.seed, 3])
    lowest, highest = (-np.inf, np.inf) if within is None else within
    x = 0.2 + random.standard_normal(shape) if within is None else random.uniform(*inner(within), shape)
    examples = np.moveaxis(x, axis, 0)  # a view
    if drawn.values == "repeated":
        examples[1] = examples[0]
    elif drawn.values in ("small", "saturated"):
        x *= SMALL if drawn.values == "small" else LARGE
    elif drawn.values == "zeros":
        x[random.uniform(size=shape) < 0.3] = 0.0
        examples[0] = 0.0
    elif drawn.values == "ties":
        x = np.round(TIED * x) / TIED
    return np.clip(x, lowest, highest)


def inner(within: Range) -> Range:
    """A range without a tenth at either end.

    >>> inner((0.0, 10.0))
    (1.0, 9.0)
    """
    share = 0.1 * (within[1] - within[0])
    return within[0] + share, within[1] - share


def weights(drawn: Draw, shape: tuple[int, ...], may_be_steps: bool) -> Float[np.ndarray, ...] | None:
    """How much examples count, (N,), or steps, (T, N): one of them nothing; None in two groups of three."""
    if not drawn.has(3, 1):
        return None
    whole = shape if may_be_steps and drawn.has(2, 0) else shape[-1:]
    found = np.random.default_rng([drawn.seed, 4]).uniform(0.2, 2.0, whole)
    found[..., -1] = 0.0
    return found


def shapes(drawn: Draw, outputs: int | None) -> tuple[tuple[int, ...], ...]:
    """Shapes of one example to try at a layer: features, as many as its outputs in every other group; then images."""
    random = np.random.default_rng([drawn.group, 5])
    features = outputs if outputs and drawn.has(2, 1) else int(random.integers(LEAST, MOST + 1))
    height, width = (int(size) for size in random.integers(7, 11, 2))
    return (features,), (height, height if drawn.has(2, 1) else width, int(random.integers(1, 4)))

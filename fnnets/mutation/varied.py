"""Probes of other seeds: other sizes, lengths, masks, keys and values, so that no fault is found by one draw alone.

    seed 0        the probes as `fnnets.mutation.probes` has them, at which every mutant is found and named
    other seeds   N in 3..7, T in 4..7, units in 2..6, all of one size with odd seeds; parameters with other noise,
                  inputs and targets in another order, lengths drawn, one of them 1 and one T, and gaps

A mutant may change nothing at the numbers of another seed, such as a mean at one example; it survives with that
reason.

| symbol | name in code | shape |
|---|---|---|
| seed | `seed` | () int ≥ 0 |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Array, Bool

    from fnnets.mutation.probes import Probe, Shapes

NOISE = 0.1


def shapes(standard: Shapes, seed: int) -> Shapes:
    """The sizes of a seed, as many as the standard ones."""
    if seed == 0:
        return standard
    random = np.random.default_rng([seed, 1])
    drawn = [int(size) for size in random.integers(2, 7, len(standard.sizes))]
    sizes = [drawn[0]] * len(drawn) if seed % 2 else drawn
    return standard._replace(
        batch=int(random.integers(3, 8)), steps=int(random.integers(4, 8)), sizes=tuple(sizes)
    )  # fmt: skip


def made(make: Callable[[Shapes], Probe], shapes: Shapes, seed: int) -> Probe:
    """The probe that `make` gives at these shapes, with the numbers of a seed."""
    return probe(make(shapes), seed)


def probe(standard: Probe, seed: int) -> Probe:
    """A probe with the numbers of a seed; its network and its shapes are the same."""
    if seed == 0:
        return standard
    random, batch = np.random.default_rng([seed, 2]), standard.batch
    moved = [leaf + jnp.asarray(NOISE * random.standard_normal(leaf.shape), leaf.dtype)
             for leaf in jax.tree.leaves(standard.params)]  # fmt: skip
    batch = batch._replace(
        inputs=_permuted(random, batch.inputs), targets=_turned(random, batch.targets),
        mask=None if batch.mask is None else lengths(random, *batch.mask.shape),
    )  # fmt: skip
    key = None if standard.key is None else jax.random.fold_in(standard.key, seed)
    return standard._replace(
        params=jax.tree.unflatten(jax.tree.structure(standard.params), moved), batch=batch, key=key
    )


def padding(steps: int, n: int) -> Bool[Array, "t n"]:
    """(T, N) bool: the first sequence whole, others padded at the end, within, or both.

    >>> padding(5, 4).astype(int).T.tolist()
    [[1, 1, 1, 1, 1], [1, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0]]
    """
    mask = np.ones((steps, n), bool)
    for i in range(1, n):
        if i % 3 != 1:
            mask[max(1, steps - 1 - (i - 1) % 3 % 2) :, i] = False
        if i % 2 and steps > 2:
            mask[1, i] = False
    return jnp.asarray(mask)


def lengths(random: np.random.Generator, steps: int, n: int) -> Bool[Array, "t n"]:
    """(T, N) bool: the first sequence whole but for a gap, the second one of one step, others of any length."""
    drawn = random.integers(1, steps + 1, n)
    drawn[:2] = (steps, 1)[:n]
    mask = np.arange(steps)[:, None] < drawn
    mask[1 : max(1, steps - 2), 0] = random.uniform(size=max(0, steps - 3)) < 0.5
    return jnp.asarray(mask)


def _permuted(random: np.random.Generator, values: Array) -> Array:
    """The same numbers in another order, so that their domain and their ties stay."""
    return jnp.asarray(random.permutation(np.asarray(values).ravel()).reshape(values.shape))


def _turned(random: np.random.Generator, values: Array | None) -> Array | None:
    """Outputs in another order, the same for all, so that rows keep their sums."""
    return None if values is None else values[..., random.permutation(values.shape[-1])]

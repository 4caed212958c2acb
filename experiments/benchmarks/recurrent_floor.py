"""The floor of a recurrent network's cost and gradient: its matrix products alone, each jitted and timed by itself.

    forward recurrence    h ← h Rᵀ              T times, each waiting for the last       (N, H) (H, G)
    backward recurrence   δ ← δ R               T times, each waiting for the last       (N, G) (G, H)
    projection            x Wᵀ                                                           (TN, m) (m, G)
    weight contraction    δᵀ [h x]                                                       (G, TN) (TN, H + m)
    output layer          h Vᵀ, δᵀ h, δ V                                                (TN, H) (H, d), …

| symbol | name in code | shape |
|---|---|---|
| R | `R` | (G, H), its first H rows orthogonal: states neither grow nor die |
| floor | `total(samples)` | the sum of the seven times of a round |

The products that wait for each other hand on H of their G columns, so that there is nothing else to compute.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from experiments.benchmarks.recurrent_setting import CELLS, Work
from experiments.benchmarks.timing import Contestant

FLOOR = "floor"


def contestants(one: Work) -> list[Contestant]:
    """The seven products of one work, each a jitted call."""
    (T, N, m, H, d), random = one.sizes, np.random.default_rng(0)
    G = CELLS[one.cell] * H

    def drawn(*shape):
        return jnp.asarray(random.standard_normal(shape, np.float32))

    orthogonal = jnp.linalg.qr(drawn(H, H))[0]
    R = jnp.concatenate([orthogonal, drawn(G - H, H) * H**-0.5])
    x, h, delta, d_z = drawn(T * N, m), drawn(T * N, H), drawn(T * N, G), drawn(T * N, d)
    parts: Mapping[str, tuple[Callable[..., Any], Sequence[Any]]] = {
        "forward recurrence": (functools.partial(forward, T), (drawn(N, G), R.T.copy())),
        "backward recurrence": (functools.partial(backward, T), (drawn(N, G), R)),
        "projection": (lambda x, W: x @ W.T, (x, drawn(G, m))),
        "weight contraction": (lambda delta, joined: delta.T @ joined, (delta, jnp.concatenate([h, x], axis=1))),
        "output": (lambda h, V: h @ V.T, (h, drawn(d, H))),
        "output, weights": (lambda delta, h: delta.T @ h, (d_z, h)),
        "output, backward": (lambda delta, V: delta @ V, (d_z, drawn(d, H))),
    }
    return [Contestant(name, functools.partial(jax.jit(part), *given)) for name, (part, given) in parts.items()]


def forward(steps: int, z, R):
    """`steps` products (N, H) (H, G), the states being the first H columns of the last product.

    >>> forward(2, jnp.array([[1.0, 9.0]]), jnp.array([[2.0, 3.0]])).tolist()
    [[4.0, 6.0]]
    """
    return lax.fori_loop(0, steps, lambda _, z: z[:, : len(R)] @ R, z)


def backward(steps: int, delta, R):
    """`steps` products (N, G) (G, H), each written over the first H columns.

    >>> backward(2, jnp.array([[1.0, 1.0]]), jnp.array([[2.0], [3.0]])).tolist()
    [[13.0, 1.0]]
    """
    return lax.fori_loop(0, steps, lambda _, delta: lax.dynamic_update_slice(delta, delta @ R, (0, 0)), delta)


def total(samples: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    """The floor of each round.

    >>> total({"a": (1.0, 2.0), "b": (0.5, 0.25)})
    (1.5, 2.25)
    """
    return tuple(map(sum, zip(*samples.values(), strict=True)))

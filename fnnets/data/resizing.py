"""Parts of images, and images of another size, on the host.

    out[i] = Σ_j r_ij in[j],   r_ij ∝ max(0, 1 − |(i + ½) f − ½ − j| / max(f, 1)),   f = n_in / n_out

| symbol | name in code | shape |
|---|---|---|
| r | `_weights(n_in, n_out)`: linear, with antialiasing where an image shrinks | (n_out, n_in) |
"""

from __future__ import annotations

import numpy as np


def cut(image: np.ndarray, edges: np.ndarray, size: int) -> np.ndarray:
    """The part of an image (H, W) within edges of whole pixels, (size, size).

    >>> cut(np.eye(4), np.array([1, 0, 3, 2]), 2).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    top, left, bottom, right = edges
    return resized(image[top:bottom, left:right], (size, size))


def resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An image (H, W) of another size, linear between pixels and antialiased, as by `jax.image.resize`.

    >>> resized(np.array([[0.0, 4.0]]), (1, 4)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    down, across = (_weights(*sides) for sides in zip(image.shape, shape, strict=True))
    return (down @ image @ across.T).astype(image.dtype)


def _weights(n_in, n_out):
    f = n_in / n_out
    distance = np.abs((np.arange(n_out)[:, None] + 0.5) * f - 0.5 - np.arange(n_in))
    r = np.maximum(0.0, 1.0 - distance / max(f, 1.0))
    return r / r.sum(axis=1, keepdims=True)

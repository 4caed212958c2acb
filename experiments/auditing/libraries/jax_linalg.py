"""Calls of `jax.numpy.linalg` and `jax.scipy.linalg` that reach rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call


def calls() -> list[Call]:
    """One call of each, at well-conditioned matrices."""
    return [*determinants(), *solutions(), *functions_of_matrices()]


def _matrix(size: int):
    import jax.numpy as jnp

    rows = [[2.0, 0.3, 0.1, -0.2], [0.2, 1.5, 0.4, 0.1], [0.3, 0.1, 1.8, 0.5], [-0.4, 0.2, 0.6, 1.3]]
    return jnp.array(rows)[:size, :size]


def determinants() -> list[Call]:
    """Determinants, by each of their methods."""
    import jax.numpy as jnp
    from jax import scipy
    from jax.numpy import linalg

    found = [
        Call(f"jax.numpy.linalg.slogdet, {n} x {n}", lambda a: linalg.slogdet(a)[1], (_matrix(n),)) for n in (1, 2, 3)
    ]
    return [
        *found,
        Call("jax.numpy.linalg.slogdet, qr", lambda a: linalg.slogdet(a, method="qr")[1], (_matrix(3),)),
        *(Call(f"jax.numpy.linalg.det, {n} x {n}", linalg.det, (_matrix(n),)) for n in (2, 3, 4)),
        Call("jax.numpy.linalg.det, singular", linalg.det, (jnp.arange(16.0).reshape(4, 4) + 1,)),
        Call("jax.scipy.linalg.det, 4 x 4", scipy.linalg.det, (_matrix(4),)),
    ]


def solutions() -> list[Call]:
    """Solutions of linear systems, and inverses."""
    import jax.numpy as jnp
    from jax import scipy
    from jax.numpy import linalg

    matrix, vector = _matrix(3), jnp.array([0.3, -0.7, 1.2])
    tall = jnp.concatenate([matrix, matrix[:1] + 1])
    symmetric = matrix @ matrix.T
    low = jnp.array([0.3, 0.7, 1.1])
    return [
        Call("jax.numpy.linalg.solve", linalg.solve, (matrix, vector)),
        Call("jax.numpy.linalg.inv", linalg.inv, (matrix,)),
        Call("jax.numpy.linalg.pinv, square", linalg.pinv, (matrix,)),
        Call("jax.numpy.linalg.pinv, tall", linalg.pinv, (tall,)),
        Call("jax.numpy.linalg.pinv, wide", linalg.pinv, (tall.T,)),
        Call("jax.numpy.linalg.pinv, rank 1", linalg.pinv, (jnp.outer(vector, low),)),
        Call("jax.numpy.linalg.pinv, hermitian", lambda a: linalg.pinv(a, hermitian=True), (symmetric,)),
        Call("jax.numpy.linalg.tensorsolve", linalg.tensorsolve, (matrix, vector)),
        Call("jax.numpy.linalg.tensorinv", lambda a: linalg.tensorinv(a, ind=1), (matrix,)),
        Call("jax.numpy.linalg.matrix_power", lambda a: linalg.matrix_power(a, -2), (matrix,)),
        Call("jax.scipy.linalg.solve", scipy.linalg.solve, (matrix, vector)),
        Call(
            "jax.scipy.linalg.solve, positive",
            lambda a, b: scipy.linalg.solve(a, b, assume_a="pos"),
            (symmetric, vector),
        ),
        Call("jax.scipy.linalg.inv", scipy.linalg.inv, (matrix,)),
    ]


def functions_of_matrices() -> list[Call]:
    """Matrix exponentials and the like."""
    from jax import scipy

    matrix = _matrix(3)
    return [
        Call("jax.scipy.linalg.expm", scipy.linalg.expm, (0.3 * matrix,)),
        Call("jax.scipy.linalg.expm, squarings", scipy.linalg.expm, (4 * matrix,)),
        Call(
            "jax.scipy.linalg.expm_frechet",
            lambda a, e: scipy.linalg.expm_frechet(a, e, compute_expm=False),
            (0.3 * matrix, matrix.T),
        ),
    ]

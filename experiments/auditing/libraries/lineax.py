"""Calls of `lineax`: norms, and solutions of linear systems by each kind of solver."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    import jax.numpy as jnp
    import lineax as lx
    from lineax import internal

    vector = jnp.array([0.3, -0.7, 1.2])
    norms = ("two_norm", "rms_norm", "max_norm")
    return [
        *named("lineax.internal", internal, dict.fromkeys(norms, (vector,))),
        Call("lineax.internal.two_norm, one element", internal.two_norm, (0.3,)),
        Call("lineax.internal.two_norm, a pytree", internal.two_norm, ({"a": vector, "b": jnp.float32(0.4)},)),
        Call("lineax.internal.max_norm, one element", internal.max_norm, (0.3,)),
        *solutions(lx),
    ]


def solutions(lx) -> list[Call]:
    """Solutions of A x = b, as functions of both."""
    import jax.numpy as jnp

    matrix = jnp.array([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.3, 0.1, 1.8]])
    vector = jnp.array([0.3, -0.7, 1.2])
    tall, four = jnp.concatenate([matrix, matrix[:1] + 1]), jnp.array([0.3, -0.7, 1.2, 0.4])
    symmetric = matrix @ matrix.T
    tags = lx.positive_semidefinite_tag
    found = {
        "LU": (lx.LU(), (), matrix, vector),
        "QR": (lx.QR(), (), tall, four),
        "SVD": (lx.SVD(), (), tall, four),
        "Cholesky": (lx.Cholesky(), tags, symmetric, vector),
        "CG": (lx.CG(1e-6, 1e-6), tags, symmetric, vector),
        "GMRES": (lx.GMRES(1e-6, 1e-6), (), matrix, vector),
    }
    return [
        Call(f"lineax.linear_solve, {name}", _solution(lx, solver, tags), (a, b))
        for name, (solver, tags, a, b) in found.items()
    ]


def _solution(lx, solver, tags):
    return lambda a, b: lx.linear_solve(lx.MatrixLinearOperator(a, tags), b, solver).value

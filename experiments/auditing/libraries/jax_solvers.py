"""Calls of JAX's iterative solvers, of `jax.lax.custom_root` and of `jax.experimental.ode`."""

from __future__ import annotations

from experiments.auditing.libraries import Call


def calls() -> list[Call]:
    """One call of each solver, of a few unknowns."""
    return [*linear(), *roots(), *equations()]


def linear() -> list[Call]:
    """Krylov methods for linear systems."""
    import jax.numpy as jnp
    from jax.scipy.sparse import linalg

    matrix = jnp.array([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.3, 0.1, 1.8]])
    vector = jnp.array([0.3, -0.7, 1.2])
    found = [
        Call(f"jax.scipy.sparse.linalg.{name}", _solution(getattr(linalg, name)), (matrix, vector))
        for name in ("bicgstab", "gmres")
    ]
    incremental = _solution(lambda a, b: linalg.gmres(a, b, solve_method="incremental"))
    preconditioned = _solution(lambda a, b: linalg.cg(a, b, M=lambda x: x / 2))
    return [
        *found,
        Call("jax.scipy.sparse.linalg.cg", _solution(linalg.cg), (matrix @ matrix.T, vector)),
        Call("jax.scipy.sparse.linalg.cg, preconditioned", preconditioned, (matrix @ matrix.T, vector)),
        Call("jax.scipy.sparse.linalg.gmres, incremental", incremental, (matrix, vector)),
    ]


def _solution(solver):
    return lambda matrix, vector: solver(lambda x: matrix @ x, vector)[0]


def roots() -> list[Call]:
    """Square roots and solutions of linear systems by the two functions that take a user's solver."""
    import jax.numpy as jnp
    from jax import lax

    def newton(f, start):
        return lax.fori_loop(0, 8, lambda _, x: x - f(x) / (2 * x), start)

    def root(a):
        return lax.custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))

    def symmetric(d, b):
        return lax.custom_linear_solve(lambda x: d * x, b, lambda _, y: y / d, symmetric=True)

    diagonal, vector = jnp.array([2.0, 1.5, 3.0]), jnp.array([0.3, -0.7, 1.2])
    return [
        Call("jax.lax.custom_root", root, (2.3,)),
        Call("jax.lax.custom_linear_solve", symmetric, (diagonal, vector)),
    ]


def equations() -> list[Call]:
    """Ordinary differential equations."""
    import jax.numpy as jnp
    from jax.experimental import ode

    def decay(start, rate, end):
        times = jnp.stack([jnp.zeros_like(end), end])
        return ode.odeint(lambda y, t, k: -k * y * (1 + 0.1 * t), start, times, rate)[-1]

    return [
        Call("jax.experimental.ode.odeint", decay, (jnp.float32(0.7), jnp.float32(1.3), jnp.float32(0.4))),
    ]

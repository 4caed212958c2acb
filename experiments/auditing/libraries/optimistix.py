"""Calls of `optimistix`: norms, and roots, minima, least squares and fixed points, differentiated implicitly or not."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    import jax.numpy as jnp
    import optimistix as optx

    vector = jnp.array([0.3, -0.7, 1.2])
    return [
        *named("optimistix", optx, dict.fromkeys(("two_norm", "rms_norm", "max_norm"), (vector,))),
        *roots(optx),
        *minima(optx),
    ]


def roots(optx) -> list[Call]:
    """Roots of y² + y/2 = a, and the fixed point of y = cos(a y)."""
    import jax.numpy as jnp

    def by_roots(solver, **options):
        def function(a):
            return optx.root_find(lambda y, a: y * y + 0.5 * y - a, solver, jnp.float32(1.0), a, **options).value

        return function

    def fixed(solver, **options):
        def function(a):
            return optx.fixed_point(lambda y, a: jnp.cos(a * y), solver, jnp.float32(0.5), a, **options).value

        return function

    a = (jnp.float32(1.3),)
    newton, through = optx.Newton(1e-6, 1e-6), optx.RecursiveCheckpointAdjoint()
    bracket = {"options": {"lower": jnp.float32(0.0), "upper": jnp.float32(3.0)}}
    return [
        Call("optimistix.root_find, Newton", by_roots(newton), a),
        Call("optimistix.root_find, Newton, differentiated through", by_roots(newton, adjoint=through), a),
        Call("optimistix.root_find, Chord", by_roots(optx.Chord(1e-6, 1e-6)), a),
        Call("optimistix.root_find, Bisection", by_roots(optx.Bisection(1e-6, 1e-6), **bracket), a),
        Call("optimistix.root_find, Dogleg", by_roots(optx.Dogleg(1e-6, 1e-6)), a),
        Call("optimistix.fixed_point", fixed(optx.FixedPointIteration(1e-6, 1e-6)), (jnp.float32(0.6),)),
    ]


def minima(optx) -> list[Call]:
    """The minimum of a convex function of two unknowns, and least squares."""
    import jax.numpy as jnp

    def lowest(solver):
        def function(a):
            def cost(y, a):
                return (y[0] - a) ** 2 + jnp.cosh(y[1] - 0.5 * y[0])

            return optx.minimise(cost, solver, jnp.array([0.2, 0.3]), a).value

        return function

    def fitted(solver):
        times = jnp.array([0.0, 0.5, 1.0])

        def function(values):
            def residuals(y, values):
                return y[0] * jnp.exp(-y[1] * times) - values

            return optx.least_squares(residuals, solver, jnp.array([1.0, 0.5]), values).value

        return function

    a, values = (jnp.float32(1.3),), (jnp.array([1.1, 0.8, 0.55]),)
    return [
        Call("optimistix.minimise, BFGS", lowest(optx.BFGS(1e-6, 1e-6)), a),
        Call("optimistix.minimise, NonlinearCG", lowest(optx.NonlinearCG(1e-6, 1e-6)), a),
        Call("optimistix.least_squares, LevenbergMarquardt", fitted(optx.LevenbergMarquardt(1e-6, 1e-6)), values),
        Call("optimistix.least_squares, GaussNewton", fitted(optx.GaussNewton(1e-6, 1e-6)), values),
    ]

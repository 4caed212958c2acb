"""Calls of `ott`: its functions with rules, roots of matrices, costs and Sinkhorn's iterations."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    return [*functions(), *matrices(), *costs(), *transport()]


def functions() -> list[Call]:
    """Norms, sums of exponentials and the like."""
    import jax.numpy as jnp
    from ott.math import utils

    vector = jnp.array([0.3, -0.7, 1.2])
    rows = jnp.array([[0.3, -0.7, 1.2], [0.5, 0.9, -0.4]])
    weights = jnp.array([[0.2, 0.5, 0.3], [0.7, 0.4, 0.6]])

    def signed(x, b):
        return utils.logsumexp(x, axis=1, b=b, return_sign=True)[0]

    return [
        *named("ott.math.utils", utils, {"norm": (vector,), "logsumexp": (vector,), "gen_ent": (vector**2,)}),
        Call("ott.math.utils.norm, one element", lambda x: utils.norm(x[None]), (jnp.float32(0.3),)),
        Call("ott.math.utils.norm, rows", lambda x: utils.norm(x, None, 1), (rows,)),
        Call("ott.math.utils.norm, 3", lambda x: utils.norm(x, 3), (vector,)),
        Call("ott.math.utils.logsumexp, rows", lambda x: utils.logsumexp(x, 1), (rows,)),
        Call("ott.math.utils.logsumexp, keepdims", lambda x: utils.logsumexp(x, 1, True), (rows,)),
        Call("ott.math.utils.logsumexp, weights", lambda x, b: utils.logsumexp(x, 1, False, b), (rows, weights)),
        Call("ott.math.utils.logsumexp, signs", signed, (rows, weights)),
        Call("ott.math.utils.softmin", lambda x: utils.softmin(x, 0.7), (vector,)),
        Call("ott.math.utils.softmin, rows", lambda x: utils.softmin(x, 0.7, 1), (rows,)),
        Call("ott.math.utils.lambertw", utils.lambertw, (jnp.float32(0.3),)),
        Call("ott.math.utils.lambertw, below 0", utils.lambertw, (jnp.float32(-0.2),)),
    ]


def matrices() -> list[Call]:
    """Square roots of matrices, and a fixed point in blocks of steps."""
    import jax.numpy as jnp
    from ott.math import fixed_point_loop, matrix_square_root

    matrix = jnp.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.4], [0.1, 0.4, 1.8]])

    def halved(x, rate):
        def step(i, rate, y, compute_error):
            return y - 0.3 * (rate * y - jnp.cos(y))

        return fixed_point_loop.fixpoint_iter_backprop(lambda i, c, y: True, step, 4, 8, 2, rate, x)

    return [
        Call("ott.math.matrix_square_root.sqrtm", lambda a: matrix_square_root.sqrtm(a)[:2], (matrix,)),
        Call("ott.math.matrix_square_root.sqrtm_only", lambda a: matrix_square_root.sqrtm_only(a), (matrix,)),
        Call("ott.math.matrix_square_root.inv_sqrtm_only", lambda a: matrix_square_root.inv_sqrtm_only(a), (matrix,)),
        Call("ott.math.fixed_point_loop.fixpoint_iter_backprop", halved, (jnp.float32(0.7), jnp.float32(1.3))),
    ]


def costs() -> list[Call]:
    """Costs of moving a point, and one's Legendre transform."""
    import jax.numpy as jnp
    from ott.geometry import costs as cost
    from ott.geometry import regularizers

    one, other = jnp.array([0.3, -0.7, 1.2]), jnp.array([1.2, 0.4, -0.3])
    bures = cost.Bures(2)
    gaussians = [
        jnp.array([0.3, -0.7, 2.0, 0.3, 0.3, 1.5]),
        jnp.array([0.9, 0.2, 1.2, -0.2, -0.2, 0.8]),
    ]
    dynamic = cost.SoftDTW(0.7)
    regularized = cost.RegTICost(regularizers.L1(), 0.3)
    return [
        Call("ott.geometry.costs.Euclidean", cost.Euclidean(), (one, other)),
        Call("ott.geometry.costs.EuclideanP", cost.EuclideanP(1.5), (one, other)),
        Call("ott.geometry.costs.PNormP.h_legendre", cost.PNormP(1.5).h_legendre, (one,)),
        Call("ott.geometry.costs.SqPNorm.h_legendre", cost.SqPNorm(1.5).h_legendre, (one,)),
        Call("ott.geometry.costs.RegTICost.h_legendre", regularized.h_legendre, (one,)),
        Call("ott.geometry.costs.Bures", bures, tuple(gaussians)),
        Call("ott.geometry.costs.SoftDTW", dynamic, (one, other)),
    ]


def transport() -> list[Call]:
    """Sinkhorn's iterations over a few points, differentiated implicitly and through blocks of steps."""
    import jax.numpy as jnp
    from ott.geometry import pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import implicit_differentiation, sinkhorn

    implicit = implicit_differentiation.ImplicitDiff()

    def solved(rule, **options):
        def function(x, y, weights):
            geometry = pointcloud.PointCloud(x, y, epsilon=0.5)
            problem = linear_problem.LinearProblem(geometry, a=weights)
            solver = sinkhorn.Sinkhorn(
                implicit_diff=rule, threshold=1e-4, min_iterations=0, max_iterations=40, inner_iterations=10, **options
            )
            return solver(problem).matrix

        return function

    x, y = jnp.array([[0.3], [-0.7], [1.2]]), jnp.array([[0.5], [0.1], [-0.9]])
    at = (x, y, jnp.array([0.2, 0.5, 0.3]))
    return [
        Call("ott.solvers.linear.sinkhorn.Sinkhorn, implicit", solved(implicit), at),
        Call("ott.solvers.linear.sinkhorn.Sinkhorn, unrolled", solved(None), at),
    ]

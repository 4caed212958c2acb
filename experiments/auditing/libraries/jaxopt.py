"""Calls of `jaxopt`: projections, proximal operators, losses, perturbations, and solvers differentiated implicitly."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    return [*projections(), *proximal(), *losses(), *perturbed(), *solvers(), *programs()]


def projections() -> list[Call]:
    """Projections onto simplices, balls and polytopes of transport."""
    import jax.numpy as jnp
    from jaxopt import projection

    point = jnp.array([0.3, -0.7, 1.2])
    matrix = jnp.array([[0.3, 0.7], [0.9, 0.2]])
    sides = (jnp.array([0.4, 0.6]), jnp.array([0.5, 0.5]))
    row, bound = jnp.array([1.4, 1.2, 0.5]), jnp.float32(0.3)
    points = {
        "projection_non_negative": (0.3,),
        "projection_simplex": (point, 1.3),
        "projection_l1_sphere": (point, 1.1),
        "projection_l1_ball": (point, 1.1),
    }
    others = {
        "projection_sparse_simplex": (2, point),
        "projection_transport": (sides, matrix),
        "kl_projection_transport": (sides, matrix),
        "projection_box_section": ((0.0, 1.0, row, bound), point),
    }
    found = [
        Call(f"jaxopt.projection.{name}", _onto(getattr(projection, name), where), (x,))
        for name, (where, x) in others.items()
    ]
    return [*named("jaxopt.projection", projection, points), *found]


def _onto(project, where):
    return lambda x: project(x, where)


def proximal() -> list[Call]:
    """Proximal operators."""
    from jaxopt import prox

    points = {
        "prox_lasso": (0.9, 0.3),
        "prox_non_negative_lasso": (0.9, 0.3),
        "prox_non_negative_ridge": (0.9, 0.3),
        "prox_elastic_net": (0.9, (0.3, 0.7)),
    }
    return named("jaxopt.prox", prox, points)


def losses() -> list[Call]:
    """Losses and isotonic regression."""
    import jax.numpy as jnp
    from jaxopt import isotonic, loss

    vector = jnp.array([0.3, -0.7, 1.2])
    return [
        Call("jaxopt.loss.binary_logistic_loss", lambda z: loss.binary_logistic_loss(1, z), (0.3,)),
        Call("jaxopt.loss.multiclass_sparsemax_loss", lambda z: loss.multiclass_sparsemax_loss(1, z), (vector,)),
        Call("jaxopt.isotonic.isotonic_l2_pav", isotonic.isotonic_l2_pav, (vector,)),
    ]


def perturbed() -> list[Call]:
    """Perturbed maxima, whose rules are estimates of the derivative of a mean."""
    import jax
    import jax.numpy as jnp
    from jaxopt import perturbations

    def largest(x):
        return jax.nn.one_hot(jnp.argmax(x), 3)

    options = {"num_samples": 8, "sigma": 0.5}
    argmax = perturbations.make_perturbed_argmax(largest, **options)
    maximum = perturbations.make_perturbed_max(largest, **options)
    function = perturbations.make_perturbed_fun(lambda x: jnp.sum(jnp.sin(x)), **options)
    key, vector = jax.random.PRNGKey(0), jnp.array([0.3, -0.7, 1.2])
    return [
        Call("jaxopt.perturbations.make_perturbed_argmax", lambda x: argmax(x, key), (vector,)),
        Call("jaxopt.perturbations.make_perturbed_max", lambda x: maximum(x, key), (vector,)),
        Call("jaxopt.perturbations.make_perturbed_fun", lambda x: function(x, key), (vector,)),
    ]


def solvers() -> list[Call]:
    """Minima, roots and fixed points, as functions of what they depend on."""
    import jax.numpy as jnp
    import jaxopt

    features = jnp.array([[1.0, 0.3], [0.4, -0.7], [-0.2, 1.2]])

    def cost(w, penalty, targets):
        return jnp.mean((features @ w - targets) ** 2) + penalty * jnp.sum(w**2)

    def lowest(make):
        solver = make(cost, maxiter=200, tol=1e-5)
        return lambda penalty, targets: solver.run(jnp.zeros(2), penalty, targets).params

    def lasso(penalty, targets):
        solver = jaxopt.ProximalGradient(lambda w, y: cost(w, 0.1, y), jaxopt.prox.prox_lasso, maxiter=200, tol=1e-5)
        return solver.run(jnp.ones(2), penalty, targets).params

    def root(a):
        solver = jaxopt.Bisection(lambda x, a: x**3 + x - a, lower=0.0, upper=3.0, check_bracket=False)
        return solver.run(None, a).params

    def fixed(a):
        return jaxopt.FixedPointIteration(lambda x, a: jnp.cos(a * x), tol=1e-6).run(jnp.float32(0.5), a).params

    at = (jnp.float32(0.2), jnp.array([0.6, 1.1, -0.4]))
    return [
        Call("jaxopt.GradientDescent", lowest(jaxopt.GradientDescent), at),
        Call("jaxopt.LBFGS", lowest(jaxopt.LBFGS), at),
        Call("jaxopt.ProximalGradient", lasso, at),
        Call("jaxopt.Bisection", root, (jnp.float32(1.3),)),
        Call("jaxopt.FixedPointIteration", fixed, (jnp.float32(0.6),)),
    ]


def programs() -> list[Call]:
    """A quadratic program under one equation."""
    import jax.numpy as jnp
    import jaxopt

    square, row = jnp.array([[2.0, 0.3], [0.3, 1.5]]), jnp.array([[1.0, 0.7]])

    def constrained(linear, right):
        solver = jaxopt.EqualityConstrainedQP()
        return solver.run(params_obj=(square, linear), params_eq=(row, right)).params.primal

    return [Call("jaxopt.EqualityConstrainedQP", constrained, (jnp.array([0.3, -0.7]), jnp.array([0.4])))]

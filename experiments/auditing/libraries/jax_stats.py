"""Calls of `jax.scipy.stats`: densities, distribution functions and quantiles that reach rules of their own."""

from __future__ import annotations

from typing import Any

from experiments.auditing.libraries import Call, named

CONTINUOUS: dict[str, Any] = {
    "beta": {"logpdf": (0.3, 0.7, 1.2), "pdf": (0.3, 1.7, 1.2)},
    "chi2": {"logpdf": (0.3, 0.7)},
    "expon": {"logcdf": (0.9, 0.2, 1.3)},
    "gamma": {"logpdf": (0.3, 0.7), "pdf": (0.3, 1.7)},
    "gumbel_l": {"logpdf": (0.3, 0.2, 1.3), "pdf": (0.3, 0.2, 1.3), "ppf": (0.3, 0.2, 1.3)},
    "gumbel_r": {
        "logpdf": (0.3, 0.2, 1.3),
        "pdf": (0.3, 0.2, 1.3),
        "ppf": (0.3, 0.2, 1.3),
        "logsf": (0.3, 0.2, 1.3),
    },
    "logistic": {"logpdf": (0.3, 0.2, 1.3), "pdf": (0.3, 0.2, 1.3), "ppf": (0.3, 0.2, 1.3), "isf": (0.3, 0.2, 1.3)},
    "norm": {"logcdf": (0.3, 0.2, 1.3), "logsf": (0.3, 0.2, 1.3), "ppf": (0.3, 0.2, 1.3), "isf": (0.3, 0.2, 1.3)},
    "truncnorm": {
        "logpdf": (0.3, -0.7, 1.2),
        "pdf": (0.3, -0.7, 1.2),
        "logcdf": (0.3, -0.7, 1.2),
        "cdf": (0.3, -0.7, 1.2),
        "logsf": (0.3, -0.7, 1.2),
        "sf": (0.3, -0.7, 1.2),
    },
}
DISCRETE: dict[str, Any] = {
    "bernoulli": {"logpmf": (1, 0.3), "pmf": (1, 0.3)},
    "binom": {"logpmf": (2, 5, 0.3), "pmf": (2, 5, 0.3)},
    "geom": {"logpmf": (3, 0.3), "pmf": (3, 0.3)},
    "nbinom": {"logpmf": (2, 4, 0.3), "pmf": (2, 4, 0.3)},
    "poisson": {"logpmf": (2, 0.7), "pmf": (2, 0.7)},
}


def calls() -> list[Call]:
    """One call of each; those of discrete distributions as functions of the parameter alone."""
    import jax.numpy as jnp
    from jax.scipy import stats

    found = []
    for name, points in CONTINUOUS.items():
        found += named(f"jax.scipy.stats.{name}", getattr(stats, name), points)
    for name, points in DISCRETE.items():
        for method, (*counts, parameter) in points.items():
            function = getattr(getattr(stats, name), method)
            found.append(Call(f"jax.scipy.stats.{name}.{method}", _of_last(function, counts), (parameter,)))
    shares, draws = jnp.array([0.2, 0.5, 0.3]), jnp.array([1, 2, 1])
    return [
        *found,
        Call("jax.scipy.stats.multinomial.logpmf", lambda p: stats.multinomial.logpmf(draws, 4, p), (shares,)),
        Call("jax.scipy.stats.dirichlet.logpdf", stats.dirichlet.logpdf, (shares, jnp.array([0.7, 1.4, 2.1]))),
        Call("jax.scipy.stats.poisson.entropy", stats.poisson.entropy, (0.7,)),
    ]


def _of_last(function, counts):
    return lambda parameter: function(*counts, parameter)

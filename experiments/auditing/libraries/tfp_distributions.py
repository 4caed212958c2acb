"""Calls of `tfp.distributions` and `tfp.bijectors` on JAX that reach rules of their own."""

from __future__ import annotations

from typing import Any

from experiments.auditing.libraries import Call, methods

CONTINUOUS: dict[str, Any] = {
    "Beta": ((0.7, 1.4), {"log_prob": (0.3,), "quantile": (0.3,)}),
    "Chi": ((2.7,), {"log_prob": (0.7,), "mean": (), "variance": ()}),
    "ContinuousBernoulli": ((0.7,), {"log_prob": (0.4,), "quantile": (0.4,)}),
    "Exponential": ((0.7,), {"log_prob": (0.4,)}),
    "ExponentiallyModifiedGaussian": ((0.2, 1.3, 0.8), {"log_prob": (0.4,), "cdf": (0.4,)}),
    "Gamma": ((0.7, 1.4), {"log_prob": (0.3,), "quantile": (0.3,)}),
    "GeneralizedNormal": ((0.2, 1.3, 2.1), {"quantile": (0.3,)}),
    "HalfStudentT": ((3.7, 0.1, 1.3), {"log_prob": (0.7,), "mean": ()}),
    "Horseshoe": ((0.7,), {"log_prob": (0.4,)}),
    "JohnsonSU": ((0.7, 1.3, 0.2, 0.8), {"log_prob": (0.4,)}),
    "Kumaraswamy": ((0.7, 1.4), {"log_prob": (0.3,), "mean": ()}),
    "LambertWNormal": ((0.2, 1.3, 0.4), {"log_prob": (0.3,), "cdf": (0.3,)}),
    "Logistic": ((0.2, 1.3), {"log_prob": (0.3,), "log_cdf": (0.3,)}),
    "NoncentralChi2": ((2.7, 1.3), {"log_prob": (0.7,), "cdf": (0.7,)}),
    "Normal": ((0.2, 1.3), {"log_cdf": (0.3,), "log_cdf left": (-8.3,)}),
    "NormalInverseGaussian": ((0.2, 1.3, 2.1, 0.4), {"log_prob": (0.3,)}),
    "PERT": ((0.1, 0.7, 2.1), {"log_prob": (0.6,)}),
    "SigmoidBeta": ((0.7, 1.3), {"log_prob": (0.4,)}),
    "StudentT": ((2.7, 0.2, 1.3), {"log_prob": (0.4,), "cdf": (0.4,), "quantile": (0.3,), "entropy": ()}),
    "TruncatedNormal": ((0.2, 1.3, -0.7, 1.2), {"log_prob": (0.4,), "log_cdf": (0.4,), "mean": (), "variance": ()}),
    "TwoPieceNormal": ((0.2, 1.3, 0.8), {"quantile": (0.3,)}),
    "VonMises": ((0.2, 1.3), {"cdf": (0.4,), "log_cdf": (0.4,)}),
    "Weibull": ((0.7, 1.3), {"log_prob": (0.4,)}),
}
DISCRETE: dict[str, Any] = {
    "BetaBinomial": ((0.7, 1.4), "total_count"),
    "Binomial": ((0.3,), "total_count"),
    "NegativeBinomial": ((0.3,), "total_count"),
    "Bernoulli": ((0.3,), None),
    "Geometric": ((0.3,), None),
    "Poisson": ((0.7,), None),
    "ProbitBernoulli": ((0.3,), None),
    "Skellam": ((0.7, 1.4), None),
    "Zipf": ((2.7,), None),
}
DRAWN = {
    "Gamma": (0.7, 1.4),
    "Beta": (0.7, 1.4),
    "ExpGamma": (0.7, 1.4),
    "InverseGaussian": (0.7, 1.4),
    "StudentT": (2.7, 0.2, 1.3),
    "TwoPieceNormal": (0.2, 1.3, 0.8),
    "TwoPieceStudentT": (2.7, 0.2, 1.3, 0.8),
    "VonMises": (0.2, 1.3),
}
BIJECTORS = {
    "GeneralizedExtremeValueCDF": ((0.2, 1.3, 0.4), {"inverse_log_det_jacobian": (0.4,)}),
    "KumaraswamyCDF": ((0.7, 1.4), {"forward_log_det_jacobian": (0.3,), "inverse_log_det_jacobian": (0.3,)}),
    "Power": ((0.7,), {"forward_log_det_jacobian": (0.3,)}),
    "ShiftedGompertzCDF": ((0.7, 1.3), {"inverse": (0.4,)}),
    "Sigmoid": ((), {"forward_log_det_jacobian": (0.3,)}),
    "Sinh": ((), {"forward_log_det_jacobian": (0.3,)}),
    "SinhArcsinh": ((0.3, 1.2), {"forward_log_det_jacobian": (0.3,)}),
    "Softfloor": ((0.7,), {"forward": (0.3,), "inverse": (0.3,)}),
    "Softplus": ((0.7,), {"forward": (0.3,), "forward_log_det_jacobian": (0.3,)}),
    "Tanh": ((), {"forward_log_det_jacobian": (0.3,)}),
    "WeibullCDF": ((0.7, 1.3), {"forward_log_det_jacobian": (0.3,)}),
}


def calls() -> list[Call]:
    """One call of each."""
    return [*continuous(), *discrete(), *draws(), *vectors(), *bijectors()]


def continuous() -> list[Call]:
    """Densities and the like, as functions of the value and of the parameters."""
    from tensorflow_probability.substrates.jax import distributions

    found = []
    for name, (params, points) in CONTINUOUS.items():
        found += methods(f"tfp.distributions.{name}", getattr(distributions, name), params, points)
    return found


def discrete() -> list[Call]:
    """Probabilities of the count 1, as functions of the parameters alone."""
    from tensorflow_probability.substrates.jax import distributions

    def mass(make, total):
        options = {} if total is None else {total: 4.0}

        def function(*params):
            if make in (distributions.Binomial, distributions.NegativeBinomial, distributions.Geometric):
                return make(**options, logits=params[0]).log_prob(1.0)
            return make(**options, **dict(zip(NAMES[make.__name__], params, strict=True))).log_prob(1.0)

        return function

    return [
        Call(f"tfp.distributions.{name}.log_prob", mass(getattr(distributions, name), total), params)
        for name, (params, total) in DISCRETE.items()
    ]


NAMES = {
    "BetaBinomial": ("concentration1", "concentration0"),
    "Bernoulli": ("logits",),
    "Poisson": ("log_rate",),
    "ProbitBernoulli": ("probits",),
    "Skellam": ("log_rate1", "log_rate2"),
    "Zipf": ("power",),
}


def draws() -> list[Call]:
    """Draws by one key, as functions of the parameters, whose derivatives are implicit."""
    import jax
    from tensorflow_probability.substrates.jax import distributions

    def draw(make):
        return lambda *params: make(*params).sample(seed=jax.random.key(3))

    return [
        Call(f"tfp.distributions.{name}.sample", draw(getattr(distributions, name)), params)
        for name, params in DRAWN.items()
    ]


def vectors() -> list[Call]:
    """Distributions of vectors, and of a mixture."""
    import jax
    import jax.numpy as jnp
    from tensorflow_probability.substrates.jax import distributions as tfd

    shares, vector = jnp.array([0.2, 0.5, 0.3]), jnp.array([0.7, 1.4, 2.1])
    direction = jnp.array([0.6, 0.0, 0.8])

    def mixture(logits, means):
        parts = tfd.Normal(means, 0.7)
        mixed = tfd.MixtureSameFamily(tfd.Categorical(logits), parts, reparameterize=True)
        return mixed.sample(seed=jax.random.key(3))

    def on_sphere(make):
        return lambda sharpness: make(direction, sharpness).log_prob(jnp.array([0.0, 0.6, 0.8]))

    return [
        Call("tfp.distributions.Dirichlet.log_prob", lambda a, p: tfd.Dirichlet(a).log_prob(p), (vector, shares)),
        Call("tfp.distributions.MixtureSameFamily.sample", mixture, (vector, jnp.array([0.3, -0.7, 1.2]))),
        Call("tfp.distributions.PowerSpherical.log_prob", on_sphere(tfd.PowerSpherical), (1.3,)),
        Call("tfp.distributions.VonMisesFisher.log_prob", on_sphere(tfd.VonMisesFisher), (1.3,)),
    ]


def bijectors() -> list[Call]:
    """Bijectors, their inverses and determinants, as functions of the value and of the parameters."""
    from tensorflow_probability.substrates.jax import bijectors as tfb

    found = []
    for name, (params, points) in BIJECTORS.items():
        make = getattr(tfb, name)
        found += methods(f"tfp.bijectors.{name}", make, params, points)
    return found

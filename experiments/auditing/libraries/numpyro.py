"""Calls of `numpyro`: distributions, transforms and functions of its `util` that reach rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, methods, named

SHAPE = (0.7, 1.4)
LOGISTIC = (0.2, 1.3)
POWER = (0.6, 1.3, 2.4)


def calls() -> list[Call]:
    """One call of each."""
    return [*functions(), *continuous(), *power_laws(), *discrete(), *transforms()]


def functions() -> list[Call]:
    """Functions that the distributions are made of."""
    from numpyro.distributions import util

    points = {
        "log1mexp": (-0.3,),
        "logdiffexp": (0.7, 0.3),
        "betainc": (0.7, 1.4, 0.3),
        "betaincinv": (0.7, 1.4, 0.3),
        "gammaincinv": (0.7, 0.3),
    }
    return named("numpyro.distributions.util", util, {name: at for name, at in points.items() if hasattr(util, name)})


def continuous() -> list[Call]:
    """Densities, distribution functions and quantiles, as functions of the value and of the parameters."""
    import numpyro.distributions as dist

    place = "numpyro.distributions"
    every = {"log_prob": (0.3,), "cdf": (0.3,), "icdf": (0.3,)}
    relaxed = (0.6, 0.4)
    return [
        *methods(f"{place}.Beta", dist.Beta, SHAPE, every),
        *methods(f"{place}.BetaProportion", dist.BetaProportion, (0.4, 3.2), {"log_prob": (0.3,)}),
        *methods(f"{place}.Gamma", dist.Gamma, SHAPE, {"icdf": (0.3,)}),
        *methods(f"{place}.InverseGamma", dist.InverseGamma, SHAPE, {"icdf": (0.3,)}),
        *methods(f"{place}.StudentT", dist.StudentT, (2.7, 0.2, 1.3), {"cdf": (0.3,), "icdf": (0.3,)}),
        *methods(f"{place}.Kumaraswamy", dist.Kumaraswamy, SHAPE, {"log_prob": (0.3,)}),
        *methods(f"{place}.Logistic", dist.Logistic, LOGISTIC, {"log_prob": (0.3,), "icdf": (0.3,)}),
        *methods(f"{place}.SoftLaplace", dist.SoftLaplace, LOGISTIC, {"log_prob": (0.3,)}),
        *methods(f"{place}.Normal", dist.Normal, LOGISTIC, {"log_cdf": (0.3,)}),
        *methods(f"{place}.RelaxedBernoulliLogits", dist.RelaxedBernoulliLogits, relaxed, every),
        *methods(f"{place}.Dagum", dist.Dagum, (0.7, 1.3, 2.1), {"log_prob": (0.3,), "cdf": (0.3,)})
        * hasattr(dist, "Dagum"),
        Call(f"{place}.Gompertz.mean", lambda a, b: dist.Gompertz(a, b).mean, SHAPE),
    ]


def power_laws() -> list[Call]:
    """The power law between two bounds, at an ordinary exponent and at −1."""
    import numpyro.distributions as dist

    place, make = "numpyro.distributions.DoublyTruncatedPowerLaw", dist.DoublyTruncatedPowerLaw
    points = {"log_prob": (1.7,), "cdf": (1.7,), "icdf": (0.3,)}
    inverse = {f"{name} at -1": at for name, at in points.items()}
    return [*methods(place, make, POWER, points), *methods(place, make, (-1.0, *POWER[1:]), inverse)]


def discrete() -> list[Call]:
    """Probabilities of counts and classes, as functions of the parameters alone."""
    import jax.numpy as jnp
    import numpyro.distributions as dist

    shares, counts = jnp.array([0.2, 0.5, 0.3]), jnp.array([1, 2, 1])
    found: dict[str, tuple] = {
        "BernoulliProbs.log_prob": (lambda p: dist.BernoulliProbs(p).log_prob(1), (0.3,)),
        "BernoulliProbs.entropy": (lambda p: dist.BernoulliProbs(p).entropy(), (0.3,)),
        "BinomialProbs.log_prob": (lambda p: dist.BinomialProbs(p, 5).log_prob(2), (0.3,)),
        "BinomialLogits.log_prob": (lambda z: dist.BinomialLogits(z, 5).log_prob(2), (0.3,)),
        "CategoricalProbs.entropy": (lambda p: dist.CategoricalProbs(p).entropy(), (shares,)),
        "GammaPoisson.log_prob": (lambda a, b: dist.GammaPoisson(a, b).log_prob(2), SHAPE),
        "GeometricLogits.log_prob": (lambda z: dist.GeometricLogits(z).log_prob(2), (0.3,)),
        "MultinomialProbs.log_prob": (lambda p: dist.MultinomialProbs(p, 4).log_prob(counts), (shares,)),
        "NegativeBinomial2.log_prob": (lambda m, c: dist.NegativeBinomial2(m, c).log_prob(2), SHAPE),
        "NegativeBinomialLogits.log_prob": (lambda z: dist.NegativeBinomialLogits(3.0, z).log_prob(2), (0.3,)),
        "Poisson.log_prob": (lambda rate: dist.Poisson(rate).log_prob(2), (0.7,)),
        "ZeroInflatedPoisson.log_prob": (lambda g, r: dist.ZeroInflatedPoisson(g, r).log_prob(2), (0.3, 0.7)),
    }
    if hasattr(dist, "HurdlePoisson"):
        found["HurdlePoisson.log_prob"] = (lambda g, r: dist.HurdlePoisson(g, r).log_prob(2), (0.3, 0.7))
    return [Call(f"numpyro.distributions.{name}", *function) for name, function in found.items()]


def transforms() -> list[Call]:
    """Transforms, their inverses and determinants."""
    import jax.numpy as jnp
    from numpyro.distributions import transforms as maps

    place, vector = "numpyro.distributions.transforms", jnp.array([0.3, -0.7, 1.2])

    def determinant(transform):
        return lambda x: transform.log_abs_det_jacobian(x, transform(x))

    sigmoid, softplus = maps.SigmoidTransform(), maps.SoftplusTransform()
    return [
        Call(f"{place}.SigmoidTransform.inv", lambda y: sigmoid.inv(y), (0.3,)),
        Call(f"{place}.SigmoidTransform.log_abs_det_jacobian", determinant(sigmoid), (0.3,)),
        Call(f"{place}.SoftplusTransform", softplus, (0.3,)),
        Call(f"{place}.SoftplusTransform.log_abs_det_jacobian", determinant(softplus), (0.3,)),
        Call(
            f"{place}.StickBreakingTransform.log_abs_det_jacobian",
            determinant(maps.StickBreakingTransform()),
            (vector,),
        ),
        Call(
            f"{place}.CorrCholeskyTransform.log_abs_det_jacobian", determinant(maps.CorrCholeskyTransform()), (vector,)
        ),
        Call(f"{place}.L1BallTransform.log_abs_det_jacobian", determinant(maps.L1BallTransform()), (vector,)),
        Call(f"{place}.SoftplusLowerCholeskyTransform", maps.SoftplusLowerCholeskyTransform(), (vector,)),
        Call(f"{place}.ScaledUnitLowerCholeskyTransform", maps.ScaledUnitLowerCholeskyTransform(), (vector,)),
    ]

"""Calls of `distrax`: distributions and bijectors that reach rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, methods


def calls() -> list[Call]:
    """One call of each."""
    import distrax

    scale = (0.2, 1.3)
    return [
        *methods("distrax.Logistic", distrax.Logistic, scale, {"log_prob": (0.3,), "log_cdf": (0.3,)}),
        *methods("distrax.Normal", distrax.Normal, scale, {"log_cdf": (0.3,), "log_survival_function": (0.3,)}),
        *methods("distrax.VonMises", distrax.VonMises, scale, {"cdf": (0.3,), "log_cdf": (0.3,), "cdf far": (7.3,)}),
        *methods("distrax.VonMises", distrax.VonMises, (0.2, 14.3), {"cdf sharp": (0.3,)}),
        *clipped(distrax),
        *discrete(distrax),
        *bijectors(distrax),
    ]


def clipped(distrax) -> list[Call]:
    """Distributions cut to an interval, as functions of the location and the scale; and a draw."""
    import jax
    import jax.numpy as jnp

    def mass(make):
        return lambda loc, scale: make(loc, scale, -0.7, 1.2).log_prob(jnp.array([-0.7, 0.3, 1.2]))

    def draw(concentration):
        return distrax.VonMises(0.2, concentration).sample(seed=jax.random.key(3), sample_shape=(2,))

    return [
        Call("distrax.ClippedNormal.log_prob", mass(distrax.ClippedNormal), (0.2, 1.3)),
        Call("distrax.ClippedLogistic.log_prob", mass(distrax.ClippedLogistic), (0.2, 1.3)),
        Call("distrax.VonMises.sample", draw, (1.3,)),
    ]


def discrete(distrax) -> list[Call]:
    """Probabilities of counts and classes, as functions of logits or of probabilities."""
    import jax.numpy as jnp

    logits, shares = jnp.array([0.3, -0.7, 1.2]), jnp.array([0.2, 0.5, 0.3])
    chosen, counts = jnp.array([0, 1, 0]), jnp.array([1.0, 2.0, 1.0])
    mixed = distrax.Multinomial
    return [
        Call("distrax.Bernoulli.log_prob, logits", lambda z: distrax.Bernoulli(logits=z).log_prob(1), (0.3,)),
        Call("distrax.Bernoulli.log_prob, probs", lambda p: distrax.Bernoulli(probs=p).log_prob(0), (0.3,)),
        Call("distrax.Bernoulli.entropy", lambda p: distrax.Bernoulli(probs=p).entropy(), (0.3,)),
        Call("distrax.Categorical.log_prob, logits", lambda z: distrax.Categorical(z).log_prob(1), (logits,)),
        Call("distrax.Categorical.log_prob, probs", lambda p: distrax.Categorical(probs=p).log_prob(1), (shares,)),
        Call("distrax.Categorical.cdf", lambda p: distrax.Categorical(probs=p).cdf(1), (shares,)),
        Call("distrax.OneHotCategorical.log_prob", lambda z: distrax.OneHotCategorical(z).log_prob(chosen), (logits,)),
        Call("distrax.Softmax.log_prob", lambda z: distrax.Softmax(z, 0.7).log_prob(1), (logits,)),
        Call("distrax.EpsilonGreedy.log_prob", lambda z: distrax.EpsilonGreedy(z, 0.1).log_prob(1), (logits,)),
        Call("distrax.Multinomial.log_prob", lambda p: mixed(4, probs=p).log_prob(counts), (shares,)),
        Call("distrax.Multinomial.entropy", lambda p: mixed(4, probs=p).entropy(), (shares,)),
    ]


def bijectors(distrax) -> list[Call]:
    """Bijectors, forward and backward, and their determinants."""
    points = {"forward": (0.3,), "inverse": (0.4,), "forward_log_det_jacobian": (0.3,)}
    return [
        *methods("distrax.Sigmoid", distrax.Sigmoid, (), points),
        *methods("distrax.Tanh", distrax.Tanh, (), points),
    ]

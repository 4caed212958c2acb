"""Negative log-likelihoods, and costs of samples drawn with a key.

| symbol | name in code | shape |
|---|---|---|
| mean and log variance | `mean`, `log_var` | (n, d) |
| responsibilities of components | `shares` | (n, k) |
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from fnnets.core.taps import delta, tap
from fnnets.verify.selftest.family import Call, Catalogue, Draw, gradient

CATALOGUE = Catalogue()
family = CATALOGUE.family


@family(
    "Gaussian likelihood with learnt variance",
    {"the normaliser forgotten": "log_var", "the variance not in the mean's": "mean"},
)
def _gaussian(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 2, 5)

    def cost(p, y):
        return 0.5 * jnp.mean(p["log_var"] + (y - p["mean"]) ** 2 * jnp.exp(-p["log_var"]))

    def by_hand(p, y):
        error, precision = p["mean"] - y, jnp.exp(-p["log_var"])
        d_mean = error if "variance not" in fault else error * precision
        one = 0.0 if "normaliser" in fault else 1.0
        return {"mean": d_mean / y.size, "log_var": 0.5 * (one - error**2 * precision) / y.size}

    return gradient(cost, by_hand, {"mean": draw(n, d), "log_var": draw(n, d)}, draw(n, d))


MIXTURE = {
    "responsibilities by the prior alone": "mean",
    "the prior not subtracted": "logits",
    "widths' normaliser missing": "log_width",
}


@family("mixture of Gaussians", MIXTURE)
def _mixture(draw: Draw, fault: str) -> Call:
    n, k = draw.sizes(2, 2, 6)

    def joint(p, y):
        z = (y[:, None] - p["mean"]) * jnp.exp(-p["log_width"])
        return jax.nn.log_softmax(p["logits"]) - p["log_width"] - 0.5 * z * z, z

    def by_hand(p, y):
        terms, z = joint(p, y)
        shares, prior = jax.nn.softmax(terms), jax.nn.softmax(p["logits"])
        used = prior + 0 * shares if "prior alone" in fault else shares
        one = 0.0 if "normaliser" in fault else 1.0
        return {
            "mean": -(used * z * jnp.exp(-p["log_width"])).sum(0), "log_width": (shares * (one - z * z)).sum(0),
            "logits": (0.0 if "subtracted" in fault else n * prior) - shares.sum(0),
        }  # fmt: skip

    p = {"mean": draw(k), "log_width": draw(k, scale=0.3), "logits": draw(k)}
    return gradient(lambda p, y: -jnp.sum(jax.nn.logsumexp(joint(p, y)[0], -1)), by_hand, p, draw(n))


VAE = {
    "the noise's path missing": "v",
    "the divergence's term missing": "m",
    "other noise than in the cost": ("v", "m", "out"),
}


@family("variational autoencoder with a key", VAE, is_unusual=True)
def _variational(draw: Draw, fault: str) -> Call:
    n, d, k = draw.sizes(3, 2, 5)

    def parts(p, x, key):
        mean, log_var = x @ p["m"], x @ p["v"]
        noise = jax.random.normal(key, mean.shape, mean.dtype)
        return mean, log_var, noise, mean + jnp.exp(0.5 * log_var) * noise

    def cost(p, x, key):
        mean, log_var, _, z = parts(p, x, key)
        divergence = 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - 1 - log_var)
        return 0.5 * jnp.sum((z @ p["out"] - x) ** 2) + divergence

    def by_hand(p, x, key):
        mean, log_var, noise, z = parts(p, x, jax.random.split(key)[0] if "other noise" in fault else key)
        error = z @ p["out"] - x
        d_z = error @ p["out"].T
        d_mean = d_z + (0.0 if "divergence" in fault else mean)
        path = 0.0 if "path" in fault else 0.5 * d_z * jnp.exp(0.5 * log_var) * noise
        return {"m": x.T @ d_mean, "v": x.T @ (path + 0.5 * (jnp.exp(log_var) - 1)), "out": z.T @ error}

    p = {"m": draw(d, k), "v": draw(d, k, scale=0.3), "out": draw(k, d)}
    return gradient(cost, by_hand, p, draw(n, d), draw.key())


@family(
    "dropout with a key, marked",
    {"the mask missing in the backward pass": "z", "kept units not scaled": ("z", "v")},
    is_unusual=True,
)
def _dropout(draw: Draw, fault: str) -> Call:
    n, d, h = draw.size(4, 6), draw.size(2, 4), draw.size(3, 5)
    rate = draw.number(0.3, 0.6)

    def kept(key, like):
        return jax.random.bernoulli(key, 1 - rate, like.shape).astype(like.dtype) / (1 - rate)

    def cost(p, x, key):
        z = tap("z", x @ p["w"])
        return 0.5 * jnp.sum(((jnp.tanh(z) * kept(key, z)) @ p["v"]) ** 2)

    def by_hand(p, x, key):
        z = x @ p["w"]
        mask = kept(key, z)
        error = (jnp.tanh(z) * mask) @ p["v"]
        used = jnp.ones_like(z) if "missing" in fault else mask * (1 - rate) if "scaled" in fault else mask
        d_z = delta("z", jnp.outer(error, p["v"]) * used * (1 - jnp.tanh(z) ** 2))
        return {"w": x.T @ d_z, "v": (jnp.tanh(z) * mask).T @ error}

    return gradient(cost, by_hand, {"w": draw(d, h), "v": draw(h)}, draw(n, d), draw.key())


@family("focal loss", {"the modulating factor's derivative missing": "z", "targets of zero forgotten": "z"})
def _focal(draw: Draw, fault: str) -> Call:
    n, power = draw.size(4, 8), draw.one_of(1.5, 2.0, 3.0)

    def cost(z, y):
        signed = jnp.where(y > 0, z, -z)
        return jnp.sum((1 - jax.nn.sigmoid(signed)) ** power * -jax.nn.log_sigmoid(signed))

    def by_hand(z, y):
        sign = jnp.where(y > 0, jnp.ones_like(z), -jnp.ones_like(z))
        p = jax.nn.sigmoid(sign * z)
        modulated = 0.0 if "modulating" in fault else power * p * jnp.log(p)
        d = sign * (1 - p) ** power * (modulated - (1 - p))
        return d * (y > 0).astype(z.dtype) if "zero" in fault else d

    return gradient(cost, by_hand, draw(n), jnp.asarray(draw.permutation(n) % 2, jnp.int32))


@family(
    "negative binomial likelihood", {"digamma of the shape missing": "log_r", "the mean's own term missing": "log_mean"}
)
def _binomial(draw: Draw, fault: str) -> Call:
    n = draw.size(3, 6)

    def cost(p, y):
        r, mean = jnp.exp(p["log_r"]), jnp.exp(p["log_mean"])
        logs = gammaln(y + r) - gammaln(r) + r * jnp.log(r / (r + mean)) + y * jnp.log(mean / (r + mean))
        return -jnp.sum(logs)

    def by_hand(p, y):
        r, mean = jnp.exp(p["log_r"]), jnp.exp(p["log_mean"])
        own = 0.0 if "digamma" in fault else digamma(r)
        d_r = digamma(y + r) - own + jnp.log(r / (r + mean)) + 1 - (r + y) / (r + mean)
        d_mean = y - (0.0 if "own" in fault else (r + y) * mean / (r + mean))
        return {"log_r": -jnp.sum(d_r) * r, "log_mean": -d_mean}

    p = {"log_r": draw(), "log_mean": draw(n)}
    return gradient(cost, by_hand, p, draw.whole(0, 6, n).astype(jnp.float32))


@family(
    "proportional hazards",
    {"those at risk in the other direction": "w", "censored examples counted": "w"},
    is_unusual=True,
)
def _hazards(draw: Draw, fault: str) -> Call:
    n, d = draw.sizes(2, 3, 7)
    happened = jnp.asarray(_happened(draw, n), jnp.float32)

    def cost(w, x):
        z = x @ w  # sorted by time, the last first
        return -jnp.sum(happened * (z - jnp.log(jnp.cumsum(jnp.exp(z)))))

    def by_hand(w, x):
        e = jnp.exp(x @ w)
        seen = jnp.ones_like(happened) if "censored" in fault else happened
        rates = seen / jnp.cumsum(e)
        sums = jnp.cumsum(rates) if "direction" in fault else jnp.cumsum(rates[::-1])[::-1]
        return -x.T @ (seen - e * sums)

    return gradient(cost, by_hand, draw(d), draw(n, d))


def _happened(draw: Draw, n: int) -> list[int]:
    """Ones for examples that are not censored, as the first two are; both kinds are there."""
    return [1, 1, *(int(each) for each in draw.random.integers(0, 2, n - 3)), 0]


@family(
    "conditional random field",
    {"the labels' own scores missing": "scores", "expected moves of the other direction": "moves"},
)
def _field(draw: Draw, fault: str) -> Call:
    t, k = 3, draw.size(2, 3)

    def total(p):  # over all paths of three steps
        s = p["scores"]
        pairs = s[0][:, None, None] + p["moves"][:, :, None] + s[1][None, :, None] + p["moves"][None] + s[2]
        return pairs

    def cost(p, y):
        own = p["scores"][jnp.arange(t), y].sum() + p["moves"][y[:-1], y[1:]].sum()
        return jax.nn.logsumexp(total(p)) - own

    def by_hand(p, y):
        joint = jax.nn.softmax(total(p).ravel()).reshape(k, k, k)
        hot = jax.nn.one_hot(y, k, dtype=joint.dtype)
        each = jnp.stack([joint.sum((1, 2)), joint.sum((0, 2)), joint.sum((0, 1))])
        moves = joint.sum(2) + joint.sum(0)
        moves = moves.T if "direction" in fault else moves
        return {"scores": each - (0.0 if "own" in fault else hot), "moves": moves - hot[:-1].T @ hot[1:]}

    return gradient(cost, by_hand, {"scores": draw(t, k), "moves": draw(k, k)}, draw.whole(0, k - 1, t))

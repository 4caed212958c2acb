"""Programs for the verifiers: losses from weighted inputs, and functions with a derivative rule of their own.

    cross-entropy   C = 1/N Σ (logsumexp z − Σ y z)                   ∂C/∂z = (softmax z − y) / N
    logistic        C = Σ (1 − y) softplus(z) + ω y softplus(−z)      ∂C/∂z = (1 − y) σ(z) − ω y σ(−z)
    softplus        log(1 + eᶻ)                                       σ(z)
    logsumexp       log Σ eᶻ                                          softmax z

| symbol | name in code | shape |
|---|---|---|
| ω | `weight`, of positive examples | () |
| y | `targets` | as z |
"""

from __future__ import annotations

import numpy as np

from experiments.benchmarks.verifiers_programs import Draw, family

CROSS_ENTROPY = {
    "1/N missing": "z", "the exponentials not divided": "z", "the sign": "z", "z times 1.001": "z",
    "float32 alone: no maximum taken off large logits": "z",
}  # fmt: skip
LOGISTIC = {
    "the weight forgotten": "z", "σ(z) in place of σ(−z)": "z", "the targets shifted by one example": "z",
    "large logits alone: no slope beyond 15": "z", "float32 alone: eᶻ / (1 + eᶻ) at large logits": "z",
}  # fmt: skip
SOFTPLUS = {
    "the sign": "z", "the incoming gradient ignored": "z", "the incoming gradient clipped to ±1": "z",
    "large inputs alone: no slope beyond 20": "z", "float32 alone: eᶻ / (1 + eᶻ) at large inputs": "z",
}  # fmt: skip
LOGSUMEXP = {
    "not divided by the sum": "z", "the sum of another axis": "z", "the largest counted twice": "z",
    "the weights of the example before": "z", "times 1.001": "z",
}  # fmt: skip


def _positive(xp, z, is_naive):
    """σ(z), or eᶻ / (1 + eᶻ), which overflows."""
    return xp.exp(z) / (1 + xp.exp(z)) if is_naive else xp.sigmoid(z)


def _shares(xp, z, peak=None):
    e = xp.exp(z - (xp.amax(z, -1) if peak is None else peak))
    return e / e.sum(-1, keepdims=True)


def _logsumexp(xp, z):
    peak = xp.amax(z, -1)
    return (peak + xp.log(xp.exp(z - peak).sum(-1, keepdims=True)))[:, 0]


@family("losses", "softmax cross-entropy", CROSS_ENTROPY, ("", "large logits"))
def cross_entropy(draw: Draw, fault: str):
    """The mean over five examples of four classes."""
    targets = np.eye(4)[[0, 2, 1, 3, 2]]

    def forward(xp, z):
        return (_logsumexp(xp, z) - (xp.like(targets, z) * z).sum(-1)).mean()

    def backward(xp, d_y, z):
        shares = _shares(xp, z, 0.0 if "no maximum" in fault else None)
        shares = xp.exp(z - xp.amax(z, -1)) if "divided" in fault else shares
        factor = {"1/N missing": 5.0, "the sign": -1.0, "z times 1.001": 1.001}.get(fault, 1.0)
        return (factor * d_y * (shares - xp.like(targets, z)) / 5,)

    return forward, backward, {"z": 60 * draw(5, 4) + 100 if "large" in fault else draw(5, 4)}


@family("losses", "logistic loss", LOGISTIC, ("", "large logits"))
def logistic(draw: Draw, fault: str):
    """Five examples of three labels, the positive ones with a weight."""
    targets, weight = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1]], np.float64), 2.5

    def forward(xp, z):
        y, none = xp.like(targets, z), xp.zeros_like(z)
        return ((1 - y) * xp.logaddexp(z, none) + weight * y * xp.logaddexp(-z, none)).sum(-1)

    def backward(xp, d_y, z):
        y = xp.like(np.roll(targets, 1, 0) if "shifted" in fault else targets, z)
        positive = _positive(xp, z, "1 + eᶻ" in fault)
        negative = xp.sigmoid(z) if "in place" in fault else 1 - positive if "1 + eᶻ" in fault else xp.sigmoid(-z)
        d_z = (1 - y) * positive - (1.0 if "forgotten" in fault else weight) * y * negative
        if "beyond" in fault:
            d_z = xp.where(abs(z) > 15, xp.zeros_like(z), d_z)
        return (d_y[:, None] * d_z,)

    z = draw(5, 3)
    if "large" in fault:
        z[0], z[1] = (-20.0, 18.0, 120.0), (25.0, -30.0, -17.0)
    return forward, backward, {"z": z}


@family("custom rules", "softplus", SOFTPLUS, ("", "large inputs"))
def softplus(draw: Draw, fault: str):
    """Element by element."""

    def forward(xp, z):
        return xp.logaddexp(z, xp.zeros_like(z))

    def backward(xp, d_y, z):
        d_y = xp.zeros_like(d_y) + 1.0 if "ignored" in fault else d_y
        if "clipped" in fault:
            d_y = xp.where(d_y > 1, xp.zeros_like(d_y) + 1.0, xp.where(d_y < -1, xp.zeros_like(d_y) - 1.0, d_y))
        slope = _positive(xp, -z if "sign" in fault else z, "1 + eᶻ" in fault)
        return (d_y * (xp.where(z > 20, xp.zeros_like(z), slope) if "beyond" in fault else slope),)

    z = draw(4, 3)
    if "large" in fault:
        z[1] = (25.0, -30.0, 110.0)
    return forward, backward, {"z": z}


@family("custom rules", "logsumexp", LOGSUMEXP)
def logsumexp(draw: Draw, fault: str):
    """Over the last axis."""

    def forward(xp, z):
        return _logsumexp(xp, z)

    def backward(xp, d_y, z):
        if "divided" in fault:
            shares = xp.exp(z - xp.amax(z, -1))
        elif "axis" in fault:
            shares = xp.exp(z) / xp.exp(z).sum(0)
        else:
            shares = _shares(xp, xp.roll(z, 1, 0) if "before" in fault else z)
        if "twice" in fault:
            shares = shares + xp.where(z == xp.amax(z, -1), shares, xp.zeros_like(z))
        return (d_y[:, None] * shares * (1.001 if "1.001" in fault else 1.0),)

    return forward, backward, {"z": draw(4, 4)}

"""Gradient descent with momentum where rate or momentum follow a schedule; every other optimiser is optax's own.

    v ← μ v − η ∂C
    w ← w + v                            Nesterov: w ← w + μ v − η ∂C, with the v just found

| symbol | name in code | shape |
|---|---|---|
| η | `learning_rate` | () |
| μ | `decay` | () |
| v | the state of `optax.trace` | as the parameters |

Source: [Rauber], section 4.
"""

from __future__ import annotations

import optax

from fnnets.core import validate
from fnnets.core.construction import constructor


@constructor
def momentum(
    learning_rate: float | optax.Schedule, decay: float | optax.Schedule = 0.0, nesterov: bool = False
) -> optax.GradientTransformation:
    """Gradient descent with a schedule of the momentum coefficient: exactly v ← μv − η∂C, w ← w + v.

    With constant η and μ, `optax.sgd(η, momentum=μ)` gives the same parameters to rounding. Equal arguments give the
    same object, so that `fit` compiles nothing anew.

    RBMs are mostly trained with a μ that rises: `lambda step: jnp.where(step < 3000, 0.5, 0.9)` switches after
    3000 steps, which are five epochs of 60 000 examples in minibatches of 100 ([Hinton2010], section 9).

    Args:
        learning_rate: η > 0, or an optax schedule.
        decay: μ in [0, 1), or an optax schedule.
        nesterov: look ahead, in the form of [Sutskever2013] as optax has it.

    Raises:
        TypeError, ValueError: η ≤ 0, μ outside [0, 1), or `nesterov` neither True nor False.

    Source: [Rauber], section 4; [Polyak1964]; with a schedule, η and μ are those of the step in which ∂C enters v.

    >>> import jax.numpy as jnp, fnnets as fn
    >>> descent = fn.training.momentum(0.1, lambda step: jnp.where(step < 1, 0.0, 0.5))
    >>> state = descent.init(jnp.array(1.0))
    >>> v, state = descent.update(jnp.array(2.0), state)              # 0·0 − 0.1·2
    >>> v, state = descent.update(jnp.array(3.0), state)              # 0.5·(−0.2) − 0.1·3
    >>> round(float(v), 6)
    -0.4
    """
    validate.flag(nesterov, "momentum: nesterov", "True looks ahead")
    if not callable(learning_rate):
        validate.above(learning_rate, 0.0, "momentum: learning_rate", "0.1 is a common beginning")
    descent = optax.scale_by_learning_rate(learning_rate)
    if callable(decay):
        return optax.chain(descent, optax.inject_hyperparams(optax.trace, "nesterov")(decay, nesterov=nesterov))
    validate.at_least(decay, 0.0, "momentum: decay", "0 is plain descent, 0.9 is common")
    if validate.is_concrete(decay) and decay >= 1:
        raise ValueError(f"momentum: decay is {decay}, expected less than 1; 0.9 is common")
    if isinstance(decay, int | float) and decay == 0:
        return descent
    return optax.chain(descent, optax.trace(decay, nesterov))

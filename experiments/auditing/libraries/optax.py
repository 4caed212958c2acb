"""Calls of `optax`: losses, projections and a scaled gradient."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    import jax.numpy as jnp
    import optax

    x, logits, shares = jnp.float32(0.3), jnp.array([0.3, -0.7, 1.2]), jnp.array([0.2, 0.5, 0.3])
    label = jnp.array([1])

    def sparsemax(scores):
        return optax.losses.multiclass_sparsemax_loss(scores[None], label)

    return [
        *named("optax", optax, {"log_cosh": (x, 0.9), "sigmoid_binary_cross_entropy": (x, 0.6)}),
        Call("optax.sigmoid_focal_loss", lambda z: optax.sigmoid_focal_loss(z, 1.0), (x,)),
        Call("optax.safe_softmax_cross_entropy", optax.safe_softmax_cross_entropy, (logits, shares)),
        Call("optax.losses.multiclass_sparsemax_loss", sparsemax, (logits,)),
        Call("optax.scale_gradient", lambda x: optax.scale_gradient(x, 0.5), (0.3,)),
        *projections(),
    ]


def projections() -> list[Call]:
    """Projections onto simplices, and balls."""
    import jax.numpy as jnp
    from optax import projections as projection

    point = jnp.array([0.3, -0.7, 1.2])
    points = {
        "projection_non_negative": (0.3,),
        "projection_simplex": (point, 1.3),
        "projection_l1_sphere": (point, 1.1),
        "projection_l1_ball": (point, 1.1),
    }
    return named("optax.projections", projection, points)

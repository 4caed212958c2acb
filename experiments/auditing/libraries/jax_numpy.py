"""Calls of `jax.numpy` that reach rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    import jax
    import jax.numpy as jnp

    scalar = {
        "logaddexp": (0.3, 0.7),
        "logaddexp2": (0.3, 0.7),
        "sinc": (0.3,),
        "i0": (0.3,),
        "hypot": (0.3, 0.7),
    }
    return [
        *named("jax.numpy", jnp, scalar),
        Call("jax.numpy.frexp", lambda x: jnp.frexp(x)[0], (0.3,)),
        Call("jax.numpy.ldexp", lambda x: jnp.ldexp(x, 2), (0.3,)),
        Call("jax.numpy.logaddexp.accumulate", jnp.logaddexp.accumulate, (jnp.array([0.3, 0.7, 1.2]),)),
        Call("jax.numpy.kaiser", lambda beta: jnp.kaiser(4, beta), (1.3,)),
        Call("jax.numpy.sinc, second", jax.grad(jnp.sinc), (0.3,)),
    ]

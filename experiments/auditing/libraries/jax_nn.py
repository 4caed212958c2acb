"""Calls of `jax.nn`: activation functions with rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named

SCALAR = ("relu", "relu6", "hard_sigmoid", "hard_silu", "softplus", "log_sigmoid", "mish", "log1mexp")


def calls() -> list[Call]:
    """One call of each."""
    import jax

    return named("jax.nn", jax.nn, dict.fromkeys(SCALAR, (0.7,)))

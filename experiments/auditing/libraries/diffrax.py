"""Calls of `diffrax`: solutions of differential equations, by each way of differentiating them."""

from __future__ import annotations

from experiments.auditing.libraries import Call


def calls() -> list[Call]:
    """One call of each."""
    import diffrax
    import jax.numpy as jnp

    at = (jnp.float32(0.7), jnp.float32(1.3))
    chosen = diffrax.PIDController(1e-2, 1e-2)
    return [
        Call("diffrax.diffeqsolve, RecursiveCheckpointAdjoint", solved(diffrax.RecursiveCheckpointAdjoint()), at),
        Call("diffrax.diffeqsolve, DirectAdjoint", solved(diffrax.DirectAdjoint()), at),
        Call("diffrax.diffeqsolve, BacksolveAdjoint", solved(diffrax.BacksolveAdjoint()), at),
        Call("diffrax.diffeqsolve, PIDController", solved(diffrax.RecursiveCheckpointAdjoint(), chosen), at),
        Call("diffrax.diffeqsolve, ImplicitAdjoint", steady, at[1:]),
    ]


def solved(adjoint, controller=None):
    """The state at 1 of y' = −k y (1 + t/10), as a function of the initial state and of k."""
    import diffrax

    steps = {} if controller is None else {"stepsize_controller": controller}

    def function(start, rate):
        term = diffrax.ODETerm(lambda t, y, k: -k * y * (1 + 0.1 * t))
        found = diffrax.diffeqsolve(
            term, diffrax.Heun(), 0.0, 1.0, 0.25, start, args=rate, adjoint=adjoint, max_steps=64, **steps
        )
        return found.ys

    return function


def steady(rate):
    """The y at which cos y = k y, found as the state at which y' is 0."""
    import diffrax
    import jax.numpy as jnp

    term = diffrax.ODETerm(lambda t, y, k: jnp.cos(y) - k * y)
    found = diffrax.diffeqsolve(
        term, diffrax.Tsit5(), 0.0, jnp.inf, 0.5, jnp.float32(0.2), args=rate, max_steps=256,
        stepsize_controller=diffrax.PIDController(1e-4, 1e-4), adjoint=diffrax.ImplicitAdjoint(),
        event=diffrax.Event(diffrax.steady_state_event()),
    )  # fmt: skip
    return found.ys

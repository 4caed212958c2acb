"""Calls of `equinox`: checkpointed loops, errors that are looked for, a layer, and rules by its decorators."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named


def calls() -> list[Call]:
    """One call of each."""
    return [*small(), *loops(), *rules(), *layers()]


def small() -> list[Call]:
    """Functions that hand their argument on, or nearly."""
    import equinox as eqx
    import equinox.internal as eqxi
    import jax.numpy as jnp

    x = jnp.float32(0.3)

    def checked(x):
        return eqx.error_if(x, x < -1e30, "below everything") * 2

    def branched(x):
        return eqxi.branched_error_if(x, x < -1e30, jnp.int32(0), ["one", "two"]) * 2

    return [
        *named("equinox.internal", eqxi, {"nextafter": (x,), "prevbefore": (x,)}),
        Call("equinox.error_if", checked, (x,)),
        Call("equinox.internal.branched_error_if", branched, (x,)),
    ]


def loops() -> list[Call]:
    """Checkpointed loops over an ordinary step, with and without a buffer."""
    import equinox.internal as eqxi
    import jax.numpy as jnp

    def stepped(kind, **options):
        def function(x, rate):
            def step(carry):
                i, y = carry
                return i + 1, y + 0.1 * jnp.sin(rate * y)

            begin = (jnp.int32(0), x)
            return eqxi.while_loop(lambda c: c[0] < 4, step, begin, kind=kind, **options)[1]

        return function

    def buffered(x, rate):
        def step(carry):
            i, y, seen = carry
            return i + 1, y * rate, seen.at[i].set(jnp.sin(y))

        begin = (jnp.int32(0), x, jnp.zeros(4))
        last = eqxi.while_loop(
            lambda c: c[0] < 3, step, begin, max_steps=4, kind="checkpointed", buffers=lambda c: c[2], checkpoints=2
        )
        return last[1:]

    def scanned(x, rate):
        def step(carry, each):
            return carry * rate + each, jnp.tanh(carry)

        return eqxi.scan(step, x, jnp.array([0.2, 0.5, 0.9]), kind="checkpointed", checkpoints=2)

    at = (jnp.float32(0.7), jnp.float32(1.3))
    return [
        Call("equinox.internal.while_loop, checkpointed", stepped("checkpointed", max_steps=6, checkpoints=2), at),
        Call("equinox.internal.while_loop, unbounded", stepped("checkpointed", checkpoints=3), at),
        Call("equinox.internal.while_loop, buffers", buffered, at),
        Call("equinox.internal.scan, checkpointed", scanned, at),
    ]


def rules() -> list[Call]:
    """A sine with a rule given through each of Equinox's decorators, of one argument and of a pytree."""
    import equinox as eqx
    import jax.numpy as jnp

    @eqx.filter_custom_vjp
    def by_vjp(pair, scale):
        return scale * jnp.sin(pair[0]) * pair[1]

    @by_vjp.def_fwd
    def _(perturbed, pair, scale):
        return by_vjp(pair, scale), None

    @by_vjp.def_bwd
    def _(residuals, g, perturbed, pair, scale):
        return g * scale * jnp.cos(pair[0]) * pair[1], g * scale * jnp.sin(pair[0])

    @eqx.filter_custom_jvp
    def by_jvp(x, scale):
        return scale * jnp.sin(x)

    @by_jvp.def_jvp
    def _(primals, tangents):
        (x, scale), (t, _) = primals, tangents
        return by_jvp(x, scale), scale * jnp.cos(x) * t

    x, y = jnp.float32(0.3), jnp.float32(1.2)
    return [
        Call("equinox.filter_custom_vjp", lambda x, y: by_vjp((x, y), 2.0), (x, y)),
        Call("equinox.filter_custom_jvp", lambda x: by_jvp(x, 2.0), (x,)),
    ]


def layers() -> list[Call]:
    """A layer whose activation function has a rule."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    key, x = jax.random.key(0), jnp.array([0.3, -0.7])
    layer = eqx.nn.MLP(2, "scalar", 3, 1, activation=jax.nn.softplus, key=key)
    arrays, rest = eqx.partition(layer, eqx.is_inexact_array)
    return [Call("equinox.nn.MLP", lambda a, x: eqx.combine(a, rest)(x), (arrays, x))]

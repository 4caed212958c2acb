"""Rules that depart from the derivative on purpose, with the verdict that says how."""

import functools

import jax
import jax.numpy as jnp

from tests.verify.auditing.programs import Meant, mlp, rnn


def straight_through_round():
    @jax.custom_vjp
    def rounded(x):
        return jnp.round(x)

    rounded.defvjp(lambda x: (jnp.round(x), None), lambda _, g: (g,))
    return mlp(lambda x: rounded(4 * jnp.tanh(x)) / 4)


def straight_through_tangent():
    @jax.custom_jvp
    def quantised(x):
        return jnp.floor(8 * x) / 8

    quantised.defjvp(lambda primals, tangents: (quantised(*primals), tangents[0]))
    return mlp(lambda x: quantised(jnp.sin(x)))


def surrogate_spike():
    """A step whose rule is the slope of a fast sigmoid, in a recurrent network."""

    @jax.custom_jvp
    def spike(x):
        return (x > 0).astype(x.dtype)

    spike.defjvp(lambda primals, tangents: (spike(*primals), tangents[0] / (1 + 5 * jnp.abs(primals[0])) ** 2))
    return rnn(spike)


def binarised_weights():
    """The sign, with the gradient of a hard tanh."""

    @jax.custom_vjp
    def binarised(x):
        return jnp.sign(x)

    binarised.defvjp(lambda x: (jnp.sign(x), x), lambda x, g: (jnp.where(jnp.abs(x) <= 1, g, 0),))
    return mlp(lambda x: binarised(0.5 * jnp.tanh(x)))


def clipped_gradient():
    @jax.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, g: (jnp.clip(g, -1e-3, 1e-3),))
    return mlp(lambda x: jnp.tanh(clipped(x)))


def normed_gradient():
    """The gradient's norm is bounded, by a static argument."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
    def bounded(x, largest):
        return x

    def backward(largest, _, g):
        norm = jnp.sqrt(jnp.sum(jnp.square(g)))
        return (g * jnp.minimum(1, largest / (norm + 1e-12)),)

    bounded.defvjp(lambda x, largest: (x, None), backward)
    return rnn(lambda x: jnp.tanh(bounded(x, 1e-3)))


def reversed_gradient():
    @jax.custom_vjp
    def reverse(x):
        return x

    reverse.defvjp(lambda x: (x, None), lambda _, g: (-g,))
    return mlp(lambda x: jnp.tanh(reverse(x)))


def scaled_gradient():
    @jax.custom_jvp
    def slowed(x):
        return x

    slowed.defjvp(lambda primals, tangents: (primals[0], 0.1 * tangents[0]))
    return mlp(lambda x: jnp.tanh(slowed(x)))


def stopped_tangent():
    @jax.custom_jvp
    def stopped(x):
        return jnp.cos(x)

    stopped.defjvp(lambda primals, tangents: (jnp.cos(*primals), jnp.zeros_like(tangents[0])))
    return mlp(lambda x: jnp.tanh(x) + stopped(x))


def stopped_cotangent():
    @jax.custom_vjp
    def frozen(x):
        return jnp.exp(-(x**2))

    frozen.defvjp(lambda x: (frozen(x), None), lambda _, g: (jnp.zeros_like(g),))
    return mlp(lambda x: jnp.tanh(x) + frozen(x))


MEANT = (
    Meant("rounded", straight_through_round, "flat primal"),
    Meant("quantised", straight_through_tangent, "flat primal"),
    Meant("spike", surrogate_spike, "flat primal"),
    Meant("binarised", binarised_weights, "flat primal"),
    Meant("clipped", clipped_gradient, "identity primal"),
    Meant("bounded", normed_gradient, "identity primal"),
    Meant("reverse", reversed_gradient, "identity primal"),
    Meant("slowed", scaled_gradient, "identity primal"),
    Meant("stopped", stopped_tangent, "rule gives zero"),
    Meant("frozen", stopped_cotangent, "rule gives zero"),
)

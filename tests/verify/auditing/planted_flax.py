"""A fault in a rule inside a block of Flax; Flax is imported where the block is made."""

import jax
import jax.numpy as jnp

from tests.verify.auditing.programs import Planted, numbers


def transformer(is_wrong):
    from flax import linen

    @jax.custom_vjp
    def gelu_by_hand(x):
        return 0.5 * x * (1 + jax.scipy.special.erf(x / 2**0.5))

    def backward(x, g):
        cumulative = 0.5 * (1 + jax.scipy.special.erf(x / 2**0.5))
        return (g * (cumulative + (0 if is_wrong else x * jnp.exp(-(x**2) / 2) / (2 * jnp.pi) ** 0.5)),)

    gelu_by_hand.defvjp(lambda x: (gelu_by_hand(x), x), backward)

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = x + linen.MultiHeadDotProductAttention(num_heads=2)(linen.LayerNorm()(x))
            h = gelu_by_hand(linen.Dense(4)(linen.LayerNorm()(x)))
            return x + linen.Dense(4)(h)

    block = Block()
    x, target = numbers((3, 4), (3, 4), seed=13)

    def loss(params, x, target):
        return jnp.mean(jnp.square(block.apply(params, x) - target))

    return loss, (block.init(jax.random.key(0), x), x, target)


def recurrent(is_wrong):
    from flax import nnx

    @jax.custom_jvp
    def cell_tanh(x):
        return jnp.tanh(x)

    @cell_tanh.defjvp
    def rule(primals, tangents):
        y = jnp.tanh(*primals)
        return y, tangents[0] * (1 - (y if is_wrong else y**2))

    class Cell(nnx.Module):
        def __init__(self, rngs):
            self.of_input, self.of_state = nnx.Linear(2, 3, rngs=rngs), nnx.Linear(3, 3, rngs=rngs)
            self.norm = nnx.LayerNorm(3, rngs=rngs)

        def __call__(self, h, x):
            h = cell_tanh(self.of_input(x) + self.of_state(self.norm(h)))
            return h, h

    graph, params = nnx.split(Cell(nnx.Rngs(0)))
    (xs,) = numbers((4, 2), seed=14)

    def loss(params, xs):
        _, hs = jax.lax.scan(nnx.merge(graph, params), xs[0, 0] * jnp.arange(3, dtype=xs.dtype), xs)
        return jnp.mean(jnp.square(hs - 0.5)) + jnp.mean(jnp.sin(hs))

    return loss, (params, xs)


FLAX = (Planted("gelu_by_hand", transformer, "flax"), Planted("cell_tanh", recurrent, "flax"))

"""A Flax model with a layer whose derivative is its author's own: `fnnets verify examples/flax_model.py:check`.

    forward:   y = γ x / √(mean x² + ε)                    root mean square normalisation
    backward:  dx = (γ d_y − x̂ mean(γ d_y x̂)) / r         r = √(mean x² + ε),  x̂ = x / r
               dγ = Σ d_y x̂

The fault: the mean over features has become a sum, so that dx is wrong along x. `check` gives the function and its
plain primal; `whole` gives the cost of the model, in which no quantity is named.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

EPSILON = 1e-6


def plain(x, scale):
    """The primal: (N, p) and (p,) to (N, p)."""
    return scale * x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + EPSILON)


normalise = jax.custom_vjp(plain)


def _forward(x, scale):
    return plain(x, scale), (x, scale)


def _backward(saved, d_y):
    x, scale = saved
    r = jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + EPSILON)
    x_hat = x / r
    d = scale * d_y
    d_x = (d - x_hat * jnp.sum(d * x_hat, axis=-1, keepdims=True)) / r  # the fault
    return d_x, jnp.sum(d_y * x_hat, axis=0)


normalise.defvjp(_forward, _backward)


class Model(nn.Module):
    """Two dense layers with the normalisation between them."""

    @nn.compact
    def __call__(self, x):
        """(N, 5) to (N, 2)."""
        scale = self.param("scale", nn.initializers.normal(1.0), (4,))
        return nn.Dense(2)(normalise(jnp.tanh(nn.Dense(4)(x)), scale))


def check():
    """The function, its primal, and arguments in general position."""
    keys = jax.random.split(jax.random.key(0))
    return normalise, plain, jax.random.normal(keys[0], (6, 4)), jax.random.normal(keys[1], (4,))


def whole():
    """The model's cost and its gradient by `jax.grad`, which runs the author's backward pass."""
    model, x = Model(), jax.random.normal(jax.random.key(2), (6, 5))
    params = model.init(jax.random.key(3), x)

    def cost(params, x):
        return jnp.mean(model.apply(params, x) ** 2)

    return cost, jax.grad(cost), params, x

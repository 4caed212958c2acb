"""An LSTM written by hand without fnnets, with a fault in its backward pass: `fnnets verify examples/my_lstm.py:check`.

    u = (x[t], h[t−1])       z = u Wᵀ + b       i, f, g, o = σ(z_i), σ(z_f), tanh(z_g), σ(z_o)
    c[t] = f c[t−1] + i g    h[t] = o tanh(c[t])       C = mean of (h[T] v − y)²

`tap` names what is computed on the way forward, `delta` its gradient on the way back; neither does anything outside a
verification. The fault: d_c takes tanh′ at c[t] itself, 1 − c², in place of 1 − tanh²(c).
"""

import jax
import jax.numpy as jnp

from fnnets.verify import delta, tap

T, N, M, H = 6, 5, 3, 4


def forward(params, x):
    """h and c of all steps, gates before their activations; (T, N, H) each, z (T, N, 4H)."""

    def step(state, x_t):
        h, c = state
        z = tap("z", jnp.concatenate([x_t, h], axis=-1) @ params["weights"].T + params["biases"])
        i, f, g, o = _gates(z)
        c = tap("c", f * c + i * g)
        h = tap("h", o * jnp.tanh(c))
        return (h, c), (h, c, z)

    start = jnp.zeros((x.shape[1], H), x.dtype), jnp.zeros((x.shape[1], H), x.dtype)
    return jax.lax.scan(step, start, x)[1]


def cost(params, x, y):
    """The mean squared error of the last step, a scalar."""
    h, _, _ = forward(params, x)
    return jnp.mean((h[-1] @ params["readout"] - y) ** 2)


def gradient(params, x, y):
    """∂C/∂params, by hand."""
    h, c, z = forward(params, x)
    error = 2 * (h[-1] @ params["readout"] - y) / len(y)
    before = [jnp.concatenate([jnp.zeros_like(s[:1]), s[:-1]]) for s in (h, c)]
    u = jnp.concatenate([x, before[0]], axis=-1)

    def back(carry, saved):
        d_h, d_c = carry
        z, c, c_before = saved
        i, f, g, o = _gates(z)
        d_h = delta("h", d_h, "d_h")
        d_c = delta("c", d_c + d_h * o * (1 - c**2), "d_c")  # the fault
        parts = (
            d_c * g * i * (1 - i),
            d_c * c_before * f * (1 - f),
            d_c * i * (1 - g**2),
            d_h * jnp.tanh(c) * o * (1 - o),
        )
        d_z = delta("z", jnp.concatenate(parts, axis=-1), "d_z")
        return ((d_z @ params["weights"])[:, M:], d_c * f), d_z

    last = jnp.outer(error, params["readout"]), jnp.zeros_like(c[0])
    _, d_z = jax.lax.scan(back, last, (z, c, before[1]), reverse=True)
    return {
        "weights": jnp.einsum("tnk,tnu->ku", d_z, u),
        "biases": d_z.sum((0, 1)),
        "readout": h[-1].T @ error,
    }


def check():
    """Arguments of `fnnets verify`: cost, gradient, parameters and data in general position."""
    keys = jax.random.split(jax.random.key(0), 5)
    params = {
        "weights": 0.5 * jax.random.normal(keys[0], (4 * H, M + H)),
        "biases": 0.5 * jax.random.normal(keys[1], (4 * H,)),
        "readout": jax.random.normal(keys[2], (H,)),
    }
    return cost, gradient, params, jax.random.normal(keys[3], (T, N, M)), jax.random.normal(keys[4], (N,))


def _gates(z):
    i, f, g, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)

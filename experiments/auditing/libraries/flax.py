"""Calls of `flax`: layers and products of matrices in eight bits, and the activation functions that it hands on."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named

SCALAR = ("relu", "relu6", "hard_sigmoid", "hard_silu", "log_sigmoid", "softplus")


def calls() -> list[Call]:
    """One call of each."""
    import jax
    import jax.numpy as jnp
    from flax import linen

    cell, inputs = linen.OptimizedLSTMCell(2), jnp.array([[0.3, -0.7]])
    carry = cell.initialize_carry(jax.random.key(0), inputs.shape)
    gated = linen.OptimizedLSTMCell(2, gate_fn=linen.hard_sigmoid, activation_fn=linen.relu)
    params = gated.init(jax.random.key(1), carry, inputs)
    return [
        *named("flax.linen", linen, dict.fromkeys(SCALAR, (0.7,))),
        Call("flax.linen.OptimizedLSTMCell", lambda p, x: gated.apply(p, carry, x)[1], (params, inputs)),
        *lifted(),
        *eight_bits(),
    ]


def lifted() -> list[Call]:
    """The two functions that give a module a rule of the user's; here the one that JAX would derive."""
    import jax
    import jax.numpy as jnp
    from flax import linen, nnx

    class Slope(linen.Module):
        """A dense layer whose gradient is handed on as it is."""

        @linen.compact
        def __call__(self, x):
            def forward(module, x):
                return linen.vjp(lambda m, x: m(x), module, x)

            dense = linen.Dense(2)
            rule = linen.custom_vjp(lambda m, x: m(x), forward, lambda back, g: back(g))
            return rule(dense, x)

    x = jnp.array([0.3, -0.7])
    params = Slope().init(jax.random.key(0), x)

    @nnx.custom_vjp(graph_updates=False)
    def tripled(x):
        return jnp.sin(x) * 3

    tripled.defvjp(lambda x: (tripled(x), x), lambda x, g: (3 * jnp.cos(x) * g,))
    return [
        Call("flax.linen.custom_vjp", lambda p, x: Slope().apply(p, x), (params, x)),
        Call("flax.nnx.custom_vjp", lambda x: tripled(x), (x,)),
    ]


def eight_bits() -> list[Call]:
    """Quantisation and products in eight bits, whose rules round where their functions do."""
    import jax.numpy as jnp
    from flax.linen import fp8_ops

    left, right = jnp.array([[0.3, -0.7], [1.2, 0.4]]), jnp.array([[0.5, 0.25], [-1.5, 2.0]])
    scale, history = jnp.ones((1,)), jnp.zeros((4,))
    axes = (((1,), (0,)), ((), ()))
    small, wide = jnp.float8_e4m3fn, jnp.float32

    def product(x, y):
        return fp8_ops.dot_general_with_precision(x, y, axes)

    def product_of_eight(x, y):
        return fp8_ops.fp8_scaled_dot_general(
            x, y, axes, preferred_element_type=wide, lhs_scale=scale, rhs_scale=scale, grad_scale=scale,
            lhs_amax_history=history, rhs_amax_history=history, grad_amax_history=history,
        )  # fmt: skip

    return [
        Call("flax.linen.fp8_ops.in_qdq", lambda x: fp8_ops.in_qdq(wide, small, x, scale, history), (left,)),
        Call("flax.linen.fp8_ops.out_qdq", lambda x: fp8_ops.out_qdq(wide, small, x, scale, history), (left,)),
        Call("flax.linen.fp8_ops.out_dq", lambda x: fp8_ops.out_dq(wide, scale, scale, x), (left,)),
        Call("flax.linen.fp8_ops.dot_general_with_precision", product, (left, right)),
        Call("flax.linen.fp8_ops.fp8_scaled_dot_general", product_of_eight, (left, right)),
    ]

"""Faults in rules that stand inside scan, cond, while, jit, vmap, remat, and inside other rules."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.verify.auditing.programs import Planted, attention, dense, mlp, numbers, rnn


def in_scan(is_wrong):
    @jax.custom_vjp
    def recurrent_tanh(x):
        return jnp.tanh(x)

    recurrent_tanh.defvjp(lambda x: (jnp.tanh(x),) * 2, lambda y, g: (g * (1 - y if is_wrong else 1 - jnp.square(y)),))
    return rnn(recurrent_tanh)


def in_scan_forward(is_wrong):
    @jax.custom_jvp
    def recurrent_sine(x):
        return jnp.sin(x)

    slope = jnp.sin if is_wrong else jnp.cos
    recurrent_sine.defjvp(lambda primals, tangents: (jnp.sin(*primals), slope(*primals) * tangents[0]))
    return rnn(recurrent_sine)


def at_a_late_step(is_wrong):
    """The rule knows the step, and is wrong at the last two alone."""

    @jax.custom_vjp
    def decayed(h, step):
        return h / (1.5 + step.astype(h.dtype))

    def backward(step, g):
        extra = jnp.where(step >= 3, 0.5, 0).astype(g.dtype) if is_wrong else 0
        return g / (1.5 + step.astype(g.dtype) + extra), None

    decayed.defvjp(lambda h, step: (decayed(h, step), step), backward)

    def loss(w, u, xs):
        def step(h, given):
            i, x = given
            h = decayed(jnp.tanh(h @ w + x @ u), i) + 0.1 * h
            return h, jnp.sum(jnp.square(h - 1))

        h, errors = lax.scan(step, jnp.zeros_like(w[0]), (jnp.arange(5, dtype=jnp.int32), xs))
        return jnp.mean(errors) + jnp.sum(jnp.cos(h)) + 1e-2 * jnp.sum(u**2)

    return loss, tuple(numbers((3, 3), (2, 3), (5, 2), seed=6))


def in_fori(is_wrong):
    @jax.custom_vjp
    def damped(x):
        return x * jnp.exp(-(x**2))

    damped.defvjp(
        lambda x: (damped(x), x),
        lambda x, g: (g * jnp.exp(-(x**2)) * (1 - (1 if is_wrong else 2) * x**2),),
    )
    return mlp(lambda x: lax.fori_loop(0, 3, lambda _, h: h + 0.3 * damped(h), x))


def in_cond(is_wrong):
    @jax.custom_vjp
    def branch_exp(x):
        return jnp.exp(x)

    branch_exp.defvjp(lambda x: (jnp.exp(x), x if is_wrong else jnp.exp(x)), lambda y, g: (g * y,))
    return mlp(lambda x: lax.cond(jnp.sum(x**2) > 0, lambda x: 0.3 * branch_exp(x), jnp.cos, x))


def in_switch(is_wrong):
    @jax.custom_jvp
    def branch_cosine(x):
        return jnp.cos(x)

    sign = 1 if is_wrong else -1
    branch_cosine.defjvp(lambda primals, tangents: (jnp.cos(*primals), sign * jnp.sin(*primals) * tangents[0]))
    branches = (jnp.tanh, branch_cosine, jnp.sin)
    return mlp(lambda x: lax.switch(jnp.int32(1) + (jnp.sum(x) > 1e6).astype(jnp.int32), branches, x))


def in_jit_in_jit(is_wrong):
    @jax.custom_vjp
    def compiled_square(x):
        return jnp.square(x)

    compiled_square.defvjp(lambda x: (jnp.square(x), x), lambda x, g: ((1 if is_wrong else 2) * g * x,))

    @jax.jit
    def inner(x):
        return compiled_square(jnp.sin(x))

    network, args = mlp(jax.jit(lambda x: x + inner(x)), place=jax.jit)
    return jax.jit(network), args


def nested(is_wrong):
    """The outer rule is right, and takes the inner one's word."""

    @jax.custom_vjp
    def inner_rule(x):
        return jnp.arctan(x)

    inner_rule.defvjp(
        lambda x: (jnp.arctan(x), x), lambda x, g: (g / (1 + (jnp.abs(x) if is_wrong else jnp.square(x))),)
    )

    @jax.custom_vjp
    def outer_rule(x):
        return jnp.tanh(2 * inner_rule(x))

    def forward(x):
        y, pull = jax.vjp(inner_rule, x)
        return jnp.tanh(2 * y), (jnp.tanh(2 * y), pull)

    outer_rule.defvjp(forward, lambda saved, g: saved[1](2 * g * (1 - saved[0] ** 2)))
    return mlp(outer_rule)


def nested_forward(is_wrong):
    @jax.custom_jvp
    def inner_jvp(x):
        return jnp.log1p(x**2)

    def slope(x):
        return 2 * x / (1 + (jnp.abs(x) if is_wrong else x**2))

    inner_jvp.defjvp(lambda primals, tangents: (jnp.log1p(primals[0] ** 2), slope(*primals) * tangents[0]))

    @jax.custom_jvp
    def outer_jvp(x):
        return inner_jvp(x) ** 2

    @outer_jvp.defjvp
    def rule(primals, tangents):
        y, t = jax.jvp(inner_jvp, primals, tangents)
        return y**2, 2 * y * t

    return mlp(outer_jvp)


def in_vmap(is_wrong):
    """The rule is of one row; the weights are no part of the batch."""

    @jax.custom_vjp
    def neuron(w, x):
        return jnp.tanh(w @ x)

    def backward(saved, g):
        w, x, y = saved
        d = g if is_wrong else g * (1 - y**2)
        return jnp.outer(d, x), w.T @ d

    neuron.defvjp(lambda w, x: (y := jnp.tanh(w @ x), (w, x, y)), backward)

    def loss(w, v, xs, ys):
        h = jax.vmap(neuron, in_axes=(None, 0))(w, xs)
        out = jax.vmap(lambda h: jnp.sin(v @ h))(h)
        return jnp.mean(jnp.square(out - ys)) + 1e-2 * jnp.sum(w**2)

    return loss, tuple(numbers((3, 2), (2, 3), (4, 2), (4, 2), seed=7))


def in_remat(is_wrong):
    @jax.custom_vjp
    def rematerialised(x):
        return jax.nn.sigmoid(x)

    rematerialised.defvjp(
        lambda x: (jax.nn.sigmoid(x),) * 2, lambda y, g: (g * y * ((1 + y) if is_wrong else (1 - y)),)
    )
    return mlp(rematerialised, place=jax.checkpoint)


def in_vmap_of_scan(is_wrong):
    @jax.custom_vjp
    def leaky_step(h, x):
        return 0.9 * h + 0.1 * x * h

    def backward(saved, g):
        h, x = saved
        return g * (0.9 if is_wrong else 0.9 + 0.1 * x), 0.1 * g * h

    leaky_step.defvjp(lambda h, x: (leaky_step(h, x), (h, x)), backward)

    def loss(w, h, xs):
        def one(h, xs):
            def step(h, x):
                h = leaky_step(jnp.tanh(w @ h), x)
                return h, jnp.sum(h**3)

            h, ys = lax.scan(step, h, xs)
            return jnp.sum(jnp.sin(h)) + jnp.mean(ys)

        return jnp.mean(jax.vmap(one)(h, xs)) + 1e-2 * jnp.sum(w**2)

    return loss, tuple(numbers((3, 3), (2, 3), (2, 4, 3), seed=8))


def in_remat_of_scan(is_wrong):
    @jax.custom_jvp
    def stepped(x):
        return x / jnp.sqrt(1 + x**2)

    power = 1.0 if is_wrong else 1.5
    stepped.defjvp(
        lambda primals, tangents: (
            primals[0] / jnp.sqrt(1 + primals[0] ** 2),
            tangents[0] / (1 + primals[0] ** 2) ** power,
        )
    )
    return rnn(stepped, place=jax.checkpoint)


def in_while(is_wrong):
    """Reverse mode does not go through the loop."""

    @jax.custom_jvp
    def relaxed(x):
        return 0.5 * jnp.sin(x)

    slope = 0.4 if is_wrong else 0.5
    relaxed.defjvp(lambda primals, tangents: (0.5 * jnp.sin(*primals), slope * jnp.cos(*primals) * tangents[0]))

    def loss(params, x):
        def step(carry):
            i, h = carry
            return i + 1, relaxed(h @ params["w0"] + params["b0"]) + x

        _, h = lax.while_loop(lambda carry: carry[0] < 4, step, (jnp.int32(0), x))
        return jnp.sum(jnp.square(h)) + jnp.mean(jnp.cos(h)) + 1e-2 * jnp.sum(params["w0"] ** 2)

    return loss, (dense(2, 2, seed=9), numbers((3, 2), seed=10)[0])


def in_softmax_of_map(is_wrong):
    """The rule is wrong inside `lax.map`, over the heads."""

    @jax.custom_vjp
    def head_weights(scores):
        return jax.nn.softmax(scores, -1)

    axis = 0 if is_wrong else -1
    head_weights.defvjp(
        lambda scores: (jax.nn.softmax(scores, -1),) * 2,
        lambda y, g: (y * (g - jnp.sum(g * y, axis, keepdims=True)),),
    )
    return attention(lambda scores: jnp.mean(lax.map(head_weights, jnp.stack([scores, 2 * scores])), 0))


LOOPS = (
    Planted("recurrent_tanh", in_scan, "scan"),
    Planted("recurrent_sine", in_scan_forward, "scan"),
    Planted("decayed", at_a_late_step, "scan"),
    Planted("damped", in_fori, "scan"),
    Planted("branch_exp", in_cond, "cond"),
    Planted("branch_cosine", in_switch, "cond"),
    Planted("compiled_square", in_jit_in_jit, "jit"),
    Planted("inner_rule", nested, "nested"),
    Planted("inner_jvp", nested_forward, "nested"),
    Planted("neuron", in_vmap, "vmap"),
    Planted("rematerialised", in_remat, "remat"),
    Planted("leaky_step", in_vmap_of_scan, "vmap of scan"),
    Planted("stepped", in_remat_of_scan, "remat of scan"),
    Planted("relaxed", in_while, "forward only"),
    Planted("head_weights", in_softmax_of_map, "map"),
)

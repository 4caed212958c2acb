"""Faults in the rules of elementwise functions, reductions and layers, inside small networks."""

import jax
import jax.numpy as jnp

from tests.verify.auditing.programs import Planted, attention, mlp, pairs, rnn


def sign(is_wrong):
    @jax.custom_vjp
    def tanh_by_hand(x):
        return jnp.tanh(x)

    factor = -1 if is_wrong else 1
    tanh_by_hand.defvjp(lambda x: (jnp.tanh(x),) * 2, lambda y, g: (factor * g * (1 - y**2),))
    return mlp(tanh_by_hand)


def double(is_wrong):
    @jax.custom_jvp
    def squared(x):
        return x**2

    factor = 4 if is_wrong else 2
    squared.defjvp(lambda primals, tangents: (primals[0] ** 2, factor * primals[0] * tangents[0]))
    return mlp(squared)


def half(is_wrong):
    @jax.custom_vjp
    def gaussian(x):
        return jnp.exp(-(x**2))

    factor = -1 if is_wrong else -2
    gaussian.defvjp(lambda x: (jnp.exp(-(x**2)), x), lambda x, g: (factor * g * x * jnp.exp(-(x**2)),))
    return mlp(gaussian)


def one_percent(is_wrong):
    @jax.custom_vjp
    def sigmoid_nearly(x):
        return jax.nn.sigmoid(x)

    factor = 1.01 if is_wrong else 1.0
    sigmoid_nearly.defvjp(lambda x: (jax.nn.sigmoid(x),) * 2, lambda y, g: (factor * g * y * (1 - y),))
    return mlp(sigmoid_nearly)


def missing_term(is_wrong):
    @jax.custom_vjp
    def swish(x):
        return x * jax.nn.sigmoid(x)

    def backward(x, g):
        s = jax.nn.sigmoid(x)
        return (g * s if is_wrong else g * (s + x * s * (1 - s)),)

    swish.defvjp(lambda x: (swish(x), x), backward)
    return mlp(swish)


def wrong_residual(is_wrong):
    @jax.custom_vjp
    def softsign(x):
        return x / (1 + jnp.abs(x))

    def forward(x):
        y = x / (1 + jnp.abs(x))
        return y, y if is_wrong else x

    softsign.defvjp(forward, lambda x, g: (g / (1 + jnp.abs(x)) ** 2,))
    return mlp(softsign)


def swapped(is_wrong):
    @jax.custom_vjp
    def product(x, y):
        return x * y

    def backward(saved, g):
        x, y = saved
        return (g * x, g * y) if is_wrong else (g * y, g * x)

    product.defvjp(lambda x, y: (x * y, (x, y)), backward)
    return pairs(product)


def swapped_leaves(is_wrong):
    @jax.custom_vjp
    def affine(params, x):
        return x * params["scale"] + params["shift"]

    def backward(saved, g):
        params, x = saved
        scale, shift = jnp.sum(g * x, 0), jnp.sum(g, 0)
        names = ("shift", "scale") if is_wrong else ("scale", "shift")
        return dict(zip(names, (scale, shift), strict=True)), g * params["scale"]

    affine.defvjp(lambda params, x: (affine(params, x), (params, x)), backward)
    return pairs(lambda a, b: affine({"scale": b[0], "shift": a[1]}, a * b))


def changed_value(is_wrong):
    @jax.custom_vjp
    def softplus_by_hand(x):
        return jnp.log1p(jnp.exp(x))

    factor = 1.05 if is_wrong else 1.0
    softplus_by_hand.defvjp(lambda x: (factor * jnp.log1p(jnp.exp(x)), x), lambda x, g: (g * jax.nn.sigmoid(x),))
    return mlp(softplus_by_hand)


def changed_value_in_jvp(is_wrong):
    @jax.custom_jvp
    def dropped(x, keep):
        return x * keep

    def rule(primals, tangents):
        (x, keep), (t, s) = primals, tangents
        scale = 1.25 if is_wrong else 1.0
        return x * keep * scale, t * keep + x * s

    dropped.defjvp(rule)
    return mlp(lambda x: jnp.tanh(dropped(x, jnp.where(jnp.arange(x.shape[-1]) % 2 == 0, 1, 0).astype(x.dtype))))


def cancellation(is_wrong):
    @jax.custom_vjp
    def log_complement(h):
        return jnp.log(-jnp.expm1(-h))

    def backward(h, g):
        return (g * jnp.exp(-h) / ((1 - jnp.exp(-h)) if is_wrong else -jnp.expm1(-h)),)

    log_complement.defvjp(lambda h: (log_complement(h), h), backward)

    def loss(params, x, times):
        rate = jnp.exp(jnp.tanh(x @ params["w0"] + params["b0"]) @ params["w1"] + params["b1"])
        likelihood = 0.1 * log_complement(rate[:, 0] * times) - 0.3 * jnp.log(1 + rate[:, 0])
        return -jnp.mean(likelihood) + 1e-2 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))

    _, (params, x, _) = mlp(jnp.tanh)
    params = {"w0": params["w0"], "b0": params["b0"], "w1": params["w1"][:, :1], "b1": params["b1"][:1]}
    return loss, (params, x, jnp.array([3.1e-7, 2.3e-7, 7.7e-7]))


def epsilon(is_wrong):
    @jax.custom_vjp
    def length(x):
        return jnp.sqrt(jnp.sum(x**2, -1, keepdims=True))

    def backward(x, g):
        small = jnp.sqrt(jnp.finfo(x.dtype).eps) if is_wrong else 0.0
        return (g * x / (length(x) + jnp.asarray(small, x.dtype)),)

    length.defvjp(lambda x: (length(x), x), backward)
    loss, (params, x) = attention(jnp.tanh, lambda h: h / length(h))
    return loss, (params, 5e-3 * x)


def none_returned(is_wrong):
    @jax.custom_vjp
    def scaled(x, w):
        return x * w

    def backward(saved, g):
        x, w = saved
        return g * w, (None if is_wrong else g * x)

    scaled.defvjp(lambda x, w: (x * w, (x, w)), backward)
    return pairs(scaled)


def zeros_returned(is_wrong):
    @jax.custom_vjp
    def centred(x, mean):
        return jnp.exp(-jnp.square(x - mean))

    def backward(saved, g):
        x, mean = saved
        slope = -2 * g * (x - mean) * jnp.exp(-jnp.square(x - mean))
        return slope, (jnp.zeros_like(mean) if is_wrong else -slope)

    centred.defvjp(lambda x, mean: (centred(x, mean), (x, mean)), backward)
    return pairs(centred)


def mean_for_sum(is_wrong):
    @jax.custom_vjp
    def biased(x, b):
        return x + b

    reduce = jnp.mean if is_wrong else jnp.sum
    biased.defvjp(lambda x, b: (x + b, None), lambda _, g: (g, reduce(g, 0)))
    return pairs(lambda a, b: biased(a, b[0]))


def one_for_sum(is_wrong):
    @jax.custom_vjp
    def per_row(x, scale):
        return x * scale

    def backward(saved, g):
        x, scale = saved
        return g * scale, (g * x)[:, :1] if is_wrong else jnp.sum(g * x, 1, keepdims=True)

    per_row.defvjp(lambda x, scale: (x * scale, (x, scale)), backward)
    return pairs(lambda a, b: per_row(a, b[:, :1]))


def forgotten_mask(is_wrong):
    @jax.custom_vjp
    def masked_weights(scores, mask):
        return jnp.where(mask, jnp.exp(scores), 0)

    def backward(saved, g):
        scores, mask = saved
        return g * jnp.exp(scores) if is_wrong else jnp.where(mask, g * jnp.exp(scores), 0), None

    masked_weights.defvjp(lambda scores, mask: (masked_weights(scores, mask), (scores, mask)), backward)
    causal = jnp.tril(jnp.ones((4, 4), bool))
    return attention(lambda scores: (w := masked_weights(scores, causal)) / jnp.sum(w, -1, keepdims=True))


def held_in_vjp(is_wrong):
    @jax.custom_vjp
    def self_gated(x):
        return x * jax.nn.sigmoid(x)

    hold = jax.lax.stop_gradient if is_wrong else jnp.asarray
    self_gated.defvjp(lambda x: jax.vjp(lambda x: x * hold(jax.nn.sigmoid(x)), x), lambda pull, g: pull(g))
    return mlp(self_gated)


def held_in_jvp(is_wrong):
    @jax.custom_jvp
    def weighted(x):
        return x * jnp.cos(x)

    hold = jax.lax.stop_gradient if is_wrong else jnp.asarray
    weighted.defjvp(lambda primals, tangents: jax.jvp(lambda x: x * jnp.cos(hold(x)), primals, tangents))
    return rnn(weighted)


def softmax_diagonal(is_wrong):
    @jax.custom_vjp
    def softmax_by_hand(scores):
        return jax.nn.softmax(scores, -1)

    def backward(y, g):
        return (y * (g - (0 if is_wrong else jnp.sum(g * y, -1, keepdims=True))),)

    softmax_by_hand.defvjp(lambda scores: (jax.nn.softmax(scores, -1),) * 2, backward)
    return attention(softmax_by_hand)


def norm_without_mean(is_wrong):
    @jax.custom_vjp
    def layer_norm(x):
        return (x - jnp.mean(x, -1, keepdims=True)) / jnp.sqrt(jnp.var(x, -1, keepdims=True) + 1e-3)

    def backward(x, g):
        y, deviation = layer_norm(x), jnp.sqrt(jnp.var(x, -1, keepdims=True) + 1e-3)
        mean = 0 if is_wrong else jnp.mean(g, -1, keepdims=True)
        return ((g - mean - y * jnp.mean(g * y, -1, keepdims=True)) / deviation,)

    layer_norm.defvjp(lambda x: (layer_norm(x), x), backward)
    return attention(jax.nn.softmax, layer_norm)


PLANTED = (
    Planted("tanh_by_hand", sign, "sign"),
    Planted("squared", double, "factor"),
    Planted("gaussian", half, "factor"),
    Planted("sigmoid_nearly", one_percent, "factor"),
    Planted("swish", missing_term, "term"),
    Planted("softsign", wrong_residual, "residual"),
    Planted("product", swapped, "swap"),
    Planted("affine", swapped_leaves, "swap"),
    Planted("softplus_by_hand", changed_value, "value"),
    Planted("dropped", changed_value_in_jvp, "value"),
    Planted("log_complement", cancellation, "float32"),
    Planted("length", epsilon, "float32"),
    Planted("scaled", none_returned, "zero"),
    Planted("centred", zeros_returned, "zero"),
    Planted("biased", mean_for_sum, "broadcast"),
    Planted("per_row", one_for_sum, "broadcast"),
    Planted("masked_weights", forgotten_mask, "mask"),
    Planted("self_gated", held_in_vjp, "stop_gradient"),
    Planted("weighted", held_in_jvp, "stop_gradient"),
    Planted("softmax_by_hand", softmax_diagonal, "term"),
    Planted("layer_norm", norm_without_mean, "term"),
)

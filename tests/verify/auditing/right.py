"""Right programs: rules of JAX, of optax and of users, at ordinary points, at kinks and at ties."""

import functools

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import optax
from jax import lax
from jax.experimental.ode import odeint

from tests.verify.auditing.programs import Right, attention, dense, mlp, numbers, rnn


def activations():
    nn = jax.nn
    smooth = (nn.gelu, nn.silu, nn.softplus, nn.selu, nn.elu, nn.celu, nn.mish, nn.squareplus, nn.soft_sign)
    kinked = (nn.relu, nn.relu6, nn.leaky_relu, nn.hard_tanh, nn.hard_sigmoid, nn.hard_silu)
    return mlp(lambda x: sum(f(x) for f in smooth + kinked) / 10)


def relu_at_zero():
    loss, (params, x, targets) = mlp(jax.nn.relu)
    params["w0"] = params["w0"].at[:, 0].set(0)
    params["b0"] = jnp.zeros_like(params["b0"])
    return loss, (params, x.at[0].set(0), targets)


def kinks():
    """Absolute values, cuts and maxima exactly where they turn."""

    def loss(x):
        cut = jnp.clip(x, -1, 1) + jax.nn.relu6(6 * x) + jax.nn.hard_tanh(x)
        return jnp.sum(cut * jnp.abs(x)) + jnp.sum(jnp.maximum(x, 0) ** 2) + jnp.sum(jax.nn.leaky_relu(x))

    return loss, (jnp.array([-1.0, 0.0, 1.0, 0.5]),)


def ties():
    """Maxima, a pooling and an order of equal numbers."""

    def loss(x, w):
        pooled = lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID")
        order = jnp.sum(jnp.sort(x.ravel()) * w)
        return jnp.sum(jnp.tanh(pooled)) + jnp.max(x) ** 2 + order + jnp.sum(jnp.max(x, 0) * jnp.min(x, 1))

    x = jnp.array([[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 2.0], [0.5, 0.0, 3.0, 3.0], [0.5, 0.5, 3.0, -1.0]])
    return loss, (x, numbers((16,), seed=1)[0])


def softmaxes():
    def weights(scores):
        masked = jnp.where(jnp.tril(jnp.ones(scores.shape, bool)), scores, -jnp.inf)
        by_sum = jnp.exp(masked - jax.nn.logsumexp(masked, -1, keepdims=True))
        by_log = jnp.exp(jax.nn.log_softmax(scores))
        return (by_sum + by_log + jax.nn.softmax(scores) + jax.nn.softmax(scores, where=scores > -9, axis=0)) / 4

    return attention(weights, functools.partial(jax.nn.standardize, epsilon=1e-3))


def dot_product_attention():
    def loss(q, k, v):
        out = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        return jnp.sum(jnp.sin(out)) + jnp.mean(jax.nn.glu(out) ** 2)

    return loss, tuple(numbers((3, 2, 4), (3, 2, 4), (3, 2, 4), seed=2))


def symmetric(a):
    """A positive definite matrix with well separated eigenvalues."""
    return a @ a.T + jnp.diag(jnp.arange(1, 4).astype(a.dtype))


def linear_algebra():
    def loss(a, b):
        s, inverse = symmetric(a), jnp.linalg.inv(a + 4 * jnp.eye(3, dtype=a.dtype))
        solved = jnp.linalg.solve(s, b) + jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(s), True), b)
        values, vectors = jnp.linalg.eigh(s)
        sign, logarithm = jnp.linalg.slogdet(a)
        return (
            jnp.sum(solved**2) + jnp.sum(jnp.log(values) * (vectors**2)[0]) + sign * logarithm + jnp.linalg.det(a)
        ) + jnp.sum(inverse**3)

    return loss, tuple(numbers((3, 3), (3,), seed=3))


def decompositions():
    def loss(a, t):
        q, r = jnp.linalg.qr(a)
        u, s, v = jnp.linalg.svd(a, full_matrices=False)
        nearest = jnp.linalg.pinv(a) @ t + jnp.linalg.lstsq(a, t)[0]
        exponential = jax.scipy.linalg.expm(0.3 * a[:3])
        return jnp.sum(q**3) + jnp.sum(r**2) + jnp.sum((u * s) @ v) + jnp.sum(nearest**2) + jnp.sum(exponential)

    return loss, tuple(numbers((4, 3), (4,), seed=4))


def special_functions():
    def loss(x, p):
        at_positive = special.gammaln(x), special.digamma(x), special.i0e(x), special.i1(x), special.entr(x)
        at_share = special.logit(p), special.ndtri(p), special.erfinv(p), special.log_ndtr(p), special.erfc(p)
        of_both = special.xlogy(x, p), special.xlog1py(x, p), special.betaln(x, p), special.kl_div(x, p)
        further = jnp.sinc(x), jnp.logaddexp(x, p), jnp.i0(x), special.expi(x), special.exp1(x)
        return sum(jnp.sum(jnp.sin(y)) for y in at_positive + at_share + of_both + further)

    return loss, (jnp.array([0.7, 1.6, 2.3]), jnp.array([0.2, 0.45, 0.8]))


def special_at_zero():
    """Where a rule is there to keep NaN away."""

    def loss(x):
        return jnp.sum(special.xlogy(x, x + 1)) + jnp.sum(jnp.sinc(x)) + jnp.sum(special.entr(x + 0.5)) + jnp.sum(x)

    return loss, (jnp.array([0.0, 0.5]),)


def optax_losses():
    def loss(logits, targets, labels):
        each = (
            optax.softmax_cross_entropy(logits, jax.nn.softmax(targets)),
            optax.softmax_cross_entropy_with_integer_labels(logits, labels),
            optax.sigmoid_binary_cross_entropy(logits, jax.nn.sigmoid(targets)),
            optax.huber_loss(logits, targets),
            optax.log_cosh(logits, targets),
            optax.cosine_similarity(logits, targets, epsilon=1e-6),
            optax.hinge_loss(logits, jnp.sign(targets)),
            optax.kl_divergence(jax.nn.log_softmax(logits), jax.nn.softmax(targets)),
            optax.safe_norm(logits, 1e-3)[None],
        )
        return sum(jnp.mean(value) for value in each)

    return loss, (*numbers((3, 4), (3, 4), seed=5), jnp.array([0, 3, 1], jnp.int32))


def optax_ctc():
    def loss(logits, labels):
        padding = jnp.zeros((1, 4), logits.dtype), jnp.zeros((1, 2), logits.dtype)
        return jnp.mean(optax.ctc_loss(logits, padding[0], labels, padding[1]))

    return loss, (numbers((1, 4, 3), seed=6)[0], jnp.array([[1, 2]], jnp.int32))


def integers_and_masks():
    """A user's rule with tokens and a mask, both without a cotangent."""

    @jax.custom_vjp
    def embedded(table, tokens, mask):
        return jnp.where(mask[:, None], table[tokens], 0)

    def backward(saved, g):
        shape, tokens, mask = saved
        return jnp.zeros(shape.shape, g.dtype).at[tokens].add(jnp.where(mask[:, None], g, 0)), None, None

    embedded.defvjp(lambda table, *rest: (embedded(table, *rest), (table, *rest)), backward)

    def loss(params, table, tokens, mask):
        h = jnp.tanh(embedded(table, tokens, mask) @ params["w0"] + params["b0"])
        h = jnp.sum(h * mask.astype(h.dtype)[:, None], 0) / jnp.sum(mask.astype(h.dtype))
        return jnp.sum(jnp.square(h @ params["w1"] - 1))

    tokens, mask = jnp.array([0, 2, 2, 4], jnp.int32), jnp.array([True, True, True, False])
    return loss, (dense(3, 3, 2, seed=7), numbers((5, 3), seed=8)[0], tokens, mask)


def low_precision():
    """A layer in bfloat16, with a right rule in it."""

    @jax.custom_jvp
    def low_tanh(x):
        return jnp.tanh(x)

    low_tanh.defjvp(lambda primals, tangents: (y := jnp.tanh(*primals), tangents[0] * (1 - y * y)))
    return mlp(lambda x: low_tanh(jax.nn.silu(x.astype(jnp.bfloat16))).astype(x.dtype))


def conjugate_gradients():
    def loss(a, b):
        x, _ = jax.scipy.sparse.linalg.cg(lambda v: symmetric(a) @ v, b, tol=1e-6)
        y, _ = jax.scipy.sparse.linalg.bicgstab(lambda v: symmetric(a) @ v, jnp.sin(b), tol=1e-6)
        return jnp.sum(jnp.square(x)) + jnp.sum(jnp.cos(y))

    return loss, tuple(numbers((3, 3), (3,), seed=9))


def ordinary_differential_equation():
    def loss(w, start):
        ys = odeint(lambda y, t, w: jnp.tanh(w @ y) * jnp.cos(t), start, jnp.array([0.0, 0.4, 1.0], w.dtype), w)
        return jnp.sum(jnp.square(ys[1:]))

    return loss, tuple(numbers((2, 2), (2,), seed=10))


def samples():
    """Draws through which gradients go, of keys that are fixed."""

    def loss(a, b):
        keys = jax.random.split(jax.random.key(3), 4)
        gamma = jax.random.gamma(keys[0], a, dtype=a.dtype)
        log_gamma = jax.random.loggamma(keys[1], b, dtype=a.dtype)
        dirichlet = jax.random.dirichlet(keys[2], a, dtype=a.dtype)
        normal = a + b * jax.random.normal(keys[3], a.shape, a.dtype)
        return jnp.sum(jnp.log(gamma)) + jnp.sum(jnp.sin(log_gamma)) + jnp.sum(dirichlet * b) + jnp.sum(normal**2)

    return loss, (jnp.array([0.8, 1.5, 3.0]), jnp.array([1.2, 0.6, 2.0]))


def implicit_root():
    def loss(a, b):
        def solved(f, y):
            return lax.fori_loop(0, 30, lambda _, y: y - f(y) / (3 * y**2 + a), y)

        y = lax.custom_root(lambda y: y**3 + a * y - b, jnp.zeros_like(b), solved, lambda g, y: y / g(jnp.ones_like(y)))
        return jnp.sum(jnp.sin(y)) + jnp.sum(y**2)

    return loss, (jnp.array([0.7, 1.5]), jnp.array([1.0, -0.4]))


def every_transform():
    """One right rule under jit, remat, vmap, scan and cond at once."""

    @jax.custom_vjp
    def stable_softplus(x):
        return jnp.logaddexp(x, jnp.zeros_like(x))

    stable_softplus.defvjp(lambda x: (stable_softplus(x), x), lambda x, g: (g * jax.nn.sigmoid(x),))

    def activation(x):
        one = jax.checkpoint(jax.vmap(jax.jit(stable_softplus)))
        return lax.cond(jnp.sum(x) > -1e6, one, jnp.tanh, x) - 0.5

    return rnn(activation)


def convolution():
    def loss(x, kernel, scale):
        h = lax.conv_general_dilated(x, kernel, (1, 1), "SAME")
        h = jax.nn.relu(scale[:, None, None] * (h - jnp.mean(h, (0, 2, 3), keepdims=True)))
        pooled = lax.reduce_window(h, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jnp.sum(jnp.square(pooled)) + jnp.sum(jnp.abs(jnp.fft.rfft(pooled[..., 0])))

    return loss, tuple(numbers((1, 2, 4, 4), (2, 2, 3, 3), (2,), seed=11))


def cumulations():
    def loss(x):
        products = lax.associative_scan(jnp.multiply, jnp.cos(x))
        return jnp.sum(products * lax.cumlogsumexp(x)) + jnp.sum(jnp.cumsum(x) ** 2) + jnp.sum(lax.cummax(x) * x)

    return loss, tuple(numbers((6,), seed=12))


def safe_norm():
    """The gradient of a norm at zero, kept finite by two selections."""

    def loss(x, w):
        square = jnp.sum(jnp.square(x), -1)
        norm = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
        return jnp.sum(norm * w) + jnp.sum(jnp.log1p(square))

    x, w = numbers((3, 2), (3,), seed=13)
    return loss, (x.at[1].set(0), w)


MAKERS = (
    activations, relu_at_zero, kinks, ties, softmaxes, dot_product_attention, linear_algebra, decompositions,
    special_functions, special_at_zero, optax_losses, optax_ctc, integers_and_masks, low_precision,
    conjugate_gradients, ordinary_differential_equation, samples, implicit_root, every_transform, convolution,
    cumulations, safe_norm,
)  # fmt: skip
RIGHT = tuple(Right(make.__name__, make) for make in MAKERS)

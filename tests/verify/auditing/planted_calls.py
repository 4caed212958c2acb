"""Faults in rules of every signature: several arguments and outputs, symbolic zeros, static arguments, solvers."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from tests.verify.auditing.programs import Planted, mlp, numbers, pairs


def negative_alone(is_wrong):
    @jax.custom_vjp
    def leaky_relu(x):
        return jnp.where(x > 0, x, 0.2 * x)

    slope = 0.02 if is_wrong else 0.2
    leaky_relu.defvjp(lambda x: (leaky_relu(x), x > 0), lambda is_on, g: (jnp.where(is_on, g, slope * g),))
    return mlp(leaky_relu)


def large_alone(is_wrong):
    """The rule is wrong where the value is cut, which few units reach."""

    @jax.custom_jvp
    def capped(x):
        return jnp.minimum(x, 0.8)

    @capped.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return capped(x), jnp.where(x < (1e9 if is_wrong else 0.8), t, 0)

    return mlp(lambda x: capped(jnp.sin(x) + 0.3 * x))


def second_output(is_wrong):
    @jax.custom_vjp
    def polar(x, y):
        return jnp.sqrt(x**2 + y**2), jnp.arctan2(y, x)

    def backward(saved, g):
        x, y, r = saved
        g_r, g_angle = g
        turn = g_angle / (r if is_wrong else r**2)
        return g_r * x / r - turn * y, g_r * y / r + turn * x

    def forward(x, y):
        r, angle = polar(x, y)
        return (r, angle), (x, y, r)

    polar.defvjp(forward, backward)
    return pairs(lambda a, b: sum(polar(a, b)))


def one_tangent(is_wrong):
    @jax.custom_jvp
    def hypotenuse(x, y):
        return jnp.sqrt(x**2 + y**2)

    hypotenuse.defjvps(lambda t, r, x, y: t * x / r, lambda t, r, x, y: t * (x if is_wrong else y) / r)
    return pairs(hypotenuse)


def symbolic_zeros(is_wrong):
    @jax.custom_vjp
    def blended(x, y, share):
        return share * x + (1 - share) * jnp.square(y)

    def forward(x, y, share):
        saved = x.value, y.value, share.value
        return blended(*saved), (*saved, share.perturbed)

    def backward(saved, g):
        x, y, share, is_perturbed = saved
        if isinstance(g, jax.custom_derivatives.SymbolicZero):
            return None, None, None
        to_share = jnp.sum(g * (x - y if is_wrong else x - jnp.square(y)))
        return g * share, 2 * g * (1 - share) * y, to_share if is_perturbed else None

    blended.defvjp(forward, backward, symbolic_zeros=True)
    return pairs(lambda a, b: blended(a, b, jax.nn.sigmoid(a[0, 0])) + blended(b, a, 0.3 * jnp.ones_like(a[0, 0])))


def symbolic_zeros_forward(is_wrong):
    @jax.custom_jvp
    def ratio(x, y):
        return x / y

    def rule(primals, tangents):
        (x, y), (s, t) = primals, tangents
        zero = jax.custom_derivatives.SymbolicZero
        out = jnp.zeros_like(x)
        if type(s) is not zero:
            out = out + s / y
        if type(t) is not zero:
            out = out - t * x / (y if is_wrong else y**2)
        return x / y, out

    ratio.defjvp(rule, symbolic_zeros=True)
    return pairs(lambda a, b: ratio(a, b) + ratio(jnp.ones_like(a), b))


def static_argument(is_wrong):
    @functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
    def raised(x, power):
        return x**power

    def backward(power, x, g):
        return (g * (1 if is_wrong else power) * x ** (power - 1),)

    raised.defvjp(lambda x, power: (x**power, x), backward)
    return mlp(lambda x: jnp.tanh(raised(x, 3) + 0.5 * x))


def static_function(is_wrong):
    @functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
    def twice(f, x):
        return f(f(x))

    @twice.defjvp
    def rule(f, primals, tangents):
        y, t = jax.jvp(f, primals, tangents)
        return jax.jvp(f, (y,), (tangents[0] if is_wrong else t,))

    return mlp(lambda x: twice(jnp.sin, x) + 0.2 * x)


def by_custom_gradient(is_wrong):
    @jax.custom_gradient
    def cube(x):
        return x**3, lambda g: (g * (2 if is_wrong else 3) * x**2,)

    return mlp(lambda x: jnp.tanh(cube(x)))


def flipped_kernel(is_wrong):
    def convolved(x, kernel):
        return jnp.stack([jnp.convolve(row, kernel, "same") for row in x])

    @jax.custom_vjp
    def smoothed(x, kernel):
        return convolved(x, kernel)

    def backward(saved, g):
        to_x, to_kernel = jax.vjp(convolved, *saved)[1](g)
        return to_x, to_kernel[::-1] if is_wrong else to_kernel

    smoothed.defvjp(lambda x, kernel: (smoothed(x, kernel), (x, kernel)), backward)
    return pairs(lambda a, b: smoothed(a, b[0]))


def conjugated(is_wrong):
    """The rule of a product of complex numbers, with the convention of another library."""

    @jax.custom_vjp
    def spectral(z, k):
        return z * k

    def backward(saved, g):
        z, k = map(jnp.conj, saved) if is_wrong else saved
        return g * k, g * z

    spectral.defvjp(lambda z, k: (z * k, (z, k)), backward)
    return pairs(lambda a, b: jnp.fft.irfft(spectral(jnp.fft.rfft(a), jnp.fft.rfft(b)), n=3))


def not_averaged(is_wrong):
    """A loss with integer labels, whose cotangent is None as it must be."""

    @jax.custom_vjp
    def cross_entropy(logits, labels):
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))

    def backward(saved, g):
        logits, labels = saved
        d = jax.nn.softmax(logits) - jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype)
        return g * d / (1 if is_wrong else len(labels)), None

    cross_entropy.defvjp(lambda logits, labels: (cross_entropy(logits, labels), (logits, labels)), backward)

    def loss(w, v, b, x, labels):
        h = jnp.tanh(x @ w + b)
        h = h / jnp.sqrt(jnp.mean(jnp.square(h), 0) + 1e-2)
        return cross_entropy(h @ v, labels) + 1e-2 * (jnp.sum(w**2) + jnp.sum(v**2))

    return loss, (*numbers((2, 3), (3, 4), (3,), (3, 2), seed=11), jnp.array([0, 3, 1], jnp.int32))


def transposed_solve(is_wrong):
    def loss(a, b, target):
        a = a + 4 * jnp.eye(3, dtype=a.dtype)

        def system(x):
            return a @ x

        def solved(_, b):
            return jnp.linalg.solve(a, b)

        def solved_transposed(_, b):
            return jnp.linalg.solve(a if is_wrong else a.T, b)

        x = lax.custom_linear_solve(system, jnp.tanh(b), solved, solved_transposed)
        return jnp.mean(jnp.square(jnp.sin(x) - target)) + 1e-3 * jnp.sum(jnp.cos(a))

    return loss, tuple(numbers((3, 3), (3,), (3,), seed=12, scale=1.5))


def implicit(is_wrong):
    @jax.custom_vjp
    def root(a, b):
        """y with y³ + a y = b, by Newton's method, for a > 0."""

        def is_moving(carry):
            i, _, step = carry
            return (i < 50) & jnp.any(jnp.abs(step) > 8 * jnp.finfo(b.dtype).eps)

        def newton(carry):
            i, y, _ = carry
            step = (y**3 + a * y - b) / (3 * y**2 + a)
            return i + 1, y - step, step

        return lax.while_loop(is_moving, newton, (jnp.int32(0), b, jnp.ones_like(b)))[1]

    def forward(a, b):
        y = root(a, b)
        return y, (a, y)

    def backward(saved, g):
        a, y = saved
        d = g if is_wrong else g / (3 * y**2 + a)
        return -d * y, d

    root.defvjp(forward, backward)
    return pairs(lambda a, b: root(b + 0.5, a))


CALLS = (
    Planted("leaky_relu", negative_alone, "branch"),
    Planted("capped", large_alone, "branch"),
    Planted("polar", second_output, "second output"),
    Planted("hypotenuse", one_tangent, "one tangent"),
    Planted("blended", symbolic_zeros, "symbolic zeros"),
    Planted("ratio", symbolic_zeros_forward, "symbolic zeros"),
    Planted("raised", static_argument, "static argument"),
    Planted("twice", static_function, "static argument"),
    Planted("cube", by_custom_gradient, "custom_gradient"),
    Planted("smoothed", flipped_kernel, "kernel"),
    Planted("spectral", conjugated, "complex"),
    Planted("cross_entropy", not_averaged, "factor"),
    Planted("solved_transposed", transposed_solve, "linear solve"),
    Planted("root", implicit, "implicit"),
)

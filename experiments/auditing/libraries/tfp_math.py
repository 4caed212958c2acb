"""Calls of `tfp.math` on JAX: special functions, scans and functions of matrices with rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named

POINTS = {
    "bessel_iv_ratio": (1.3, 0.7),
    "bessel_ive": (1.3, 0.7),
    "bessel_kve": (1.3, 0.7),
    "betainc": (0.7, 1.4, 0.3),
    "betaincinv": (0.7, 1.4, 0.3),
    "dawsn": (0.3,),
    "erfcx": (0.3,),
    "igammacinv": (0.7, 0.3),
    "igammainv": (0.7, 0.3),
    "lambertw": (0.3,),
    "lbeta": (0.7, 1.4),
    "log_add_exp": (0.3, 0.7),
    "log_bessel_ive": (1.3, 0.7),
    "log_bessel_kve": (1.3, 0.7),
    "log_cosh": (0.3,),
    "log_gamma_difference": (0.7, 1.4),
    "log_sub_exp": (0.7, 0.3),
    "logerfc": (0.3,),
    "logerfcx": (0.3,),
    "owens_t": (0.3, 0.7),
    "soft_threshold": (0.9, 0.3),
}


def calls() -> list[Call]:
    """One call of each, and more where a function has branches."""
    from tensorflow_probability.substrates.jax import math

    return [*named("tfp.math", math, POINTS), *branches(math), *matrices(math), *approximations()]


def branches(math) -> list[Call]:
    """Points on other branches of the same functions, and sums along an axis."""
    import jax.numpy as jnp

    vector = jnp.array([0.3, -0.7, 1.2])
    return [
        Call("tfp.math.bessel_ive, large", math.bessel_ive, (1.3, 70.7)),
        Call("tfp.math.bessel_kve, large", math.bessel_kve, (1.3, 70.7)),
        Call("tfp.math.bessel_iv_ratio, large order", math.bessel_iv_ratio, (60.3, 12.7)),
        Call("tfp.math.lbeta, large", math.lbeta, (12.7, 31.4)),
        Call("tfp.math.lambertw, below 0", math.lambertw, (-0.2,)),
        Call("tfp.math.erfcx, below 0", math.erfcx, (-1.3,)),
        Call("tfp.math.dawsn, large", math.dawsn, (6.3,)),
        Call("tfp.math.log_gamma_difference, large", math.log_gamma_difference, (0.7, 21.4)),
        Call("tfp.math.betaincinv, upper", math.betaincinv, (3.7, 1.4, 0.8)),
        Call("tfp.math.owens_t, a > 1", math.owens_t, (0.3, 1.7)),
        Call("tfp.math.log_cumsum_exp", math.log_cumsum_exp, (vector,)),
        Call("tfp.math.reduce_kahan_sum", lambda x: math.reduce_kahan_sum(x).total, (vector,)),
    ]


def matrices(math) -> list[Call]:
    """Solutions and determinants of positive definite matrices."""
    import jax.numpy as jnp

    matrix = jnp.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.4], [0.1, 0.4, 1.8]])
    vector = jnp.array([0.3, -0.7, 1.2])
    points = {
        "hpsd_logdet": (matrix,),
        "hpsd_solve": (matrix, vector[:, None]),
        "hpsd_solvevec": (matrix, vector),
        "hpsd_quadratic_form_solve": (matrix, jnp.stack([vector, vector**2], -1)),
        "hpsd_quadratic_form_solvevec": (matrix, vector),
    }
    return named("tfp.math", math, points)


def approximations() -> list[Call]:
    """Exponentials and logarithms by Padé approximants, and other functions outside of `tfp.math`."""
    from tensorflow_probability.substrates.jax.experimental.math import manual_special_functions as manual
    from tensorflow_probability.substrates.jax.math.psd_kernels.internal import util

    points = {
        "exp_pade_4_4": (0.3,),
        "expm1_pade_4_4": (0.3,),
        "log_pade_4_4": (1.3,),
        "log1p_pade_4_4": (0.3,),
    }
    found = {name: at for name, at in points.items() if hasattr(manual, name)}

    return [
        *named("tfp.experimental.math", manual, found),
        Call("tfp.math.psd_kernels.internal.util.sqrt_with_finite_grads", util.sqrt_with_finite_grads, (0.3,)),
    ]

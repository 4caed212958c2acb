"""Calls of `jax.scipy.special`: special functions with rules of their own."""

from __future__ import annotations

from experiments.auditing.libraries import Call, named

POINTS = {
    "dawsn": (0.3,),
    "entr": (0.3,),
    "erfcinv": (0.3,),
    "erfcx": (0.3,),
    "exp1": (0.3,),
    "expi": (0.3,),
    "fresnel": (0.3,),
    "hyp1f1": (0.3, 0.7, 1.2),
    "hyp2f1": (0.3, 0.7, 1.2, 0.4),
    "i0": (0.3,),
    "i1": (0.3,),
    "kl_div": (0.3, 0.7),
    "log_ndtr": (0.3,),
    "logit": (0.3,),
    "ndtri": (0.3,),
    "owens_t": (0.3, 0.7),
    "poch": (0.3, 0.7),
    "rel_entr": (0.3, 0.7),
    "sici": (0.3,),
    "xlog1py": (0.3, 0.7),
    "xlogy": (0.3, 0.7),
    "zeta": (2.3, 0.7),
}


def calls() -> list[Call]:
    """One call of each, and more where a function has branches."""
    from jax.scipy import special

    known = {name: args for name, args in POINTS.items() if hasattr(special, name)}
    return [*named("jax.scipy.special", special, known), *branches(), *optional()]


def branches() -> list[Call]:
    """Points on other branches of the same functions."""
    from jax.scipy import special

    return [
        Call("jax.scipy.special.expn, order 1", lambda x: special.expn(1, x), (0.3,)),
        Call("jax.scipy.special.expn, order 3", lambda x: special.expn(3, x), (1.4,)),
        Call("jax.scipy.special.expi, below 0", special.expi, (-0.7,)),
        Call("jax.scipy.special.expi, above 10", special.expi, (12.5,)),
        Call("jax.scipy.special.log_ndtr, left", special.log_ndtr, (-12.5,)),
        Call("jax.scipy.special.log_ndtr, right", special.log_ndtr, (6.5,)),
        Call("jax.scipy.special.owens_t, a > 1", special.owens_t, (0.3, 1.7)),
        Call("jax.scipy.special.fresnel, far", special.fresnel, (3.3,)),
        Call("jax.scipy.special.sici, far", special.sici, (7.3,)),
        Call("jax.scipy.special.hyp1f1, below 0", special.hyp1f1, (0.3, 1.7, -1.2)),
        Call("jax.scipy.special.poch, m < 0", special.poch, (2.3, -0.7)),
    ]


def optional() -> list[Call]:
    """Functions of a complex number, as those of its two parts, and others that not every JAX has."""
    from jax import lax
    from jax.scipy import special

    found = []
    if hasattr(special, "wofz"):

        def faddeeva(x, y):
            value = special.wofz(lax.complex(x * 1.0, y * 1.0))
            return value.real, value.imag

        import jax.numpy as jnp

        found.append(Call("jax.scipy.special.wofz", faddeeva, (jnp.float32(0.3), jnp.float32(0.7))))
    if hasattr(special, "voigt_profile"):
        found.append(Call("jax.scipy.special.voigt_profile", special.voigt_profile, (0.3, 0.7, 0.4)))
    return found

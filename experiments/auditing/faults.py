"""The faults that the audit found in public libraries: the smallest program of each, what it gives, what is right."""

from __future__ import annotations

import importlib.metadata
import warnings
from typing import Any, NamedTuple

import jax


class Fault(NamedTuple):
    """A fault of a library.

    Attributes:
        title: the function, in words.
        distribution: the library.
        program: code that leaves what it gives in `got`.
        right: what is right.
        source: where that comes from.
    """

    title: str
    distribution: str
    program: str
    right: str
    source: str


FAULTS = (
    Fault(
        "jax.numpy.logaddexp at infinity",
        "jax",
        """
import jax, jax.numpy as jnp
got = jax.grad(jnp.logaddexp, 1)(jnp.inf, 1.0)
""",
        "0",
        "e^(y − log(eˣ + e^y)) goes to 0 as x grows; at x = 1e30 the rule gives 0 too. logaddexp2 has the same fault.",
    ),
    Fault(
        "jax.scipy.special.xlogy at (0, 0)",
        "jax",
        """
import jax
got = jax.grad(jax.scipy.special.xlogy, 1)(0.0, 0.0)
""",
        "0",
        "x log y is 0 for x = 0 and every y; the rule computes x / y. The docstring promises a derivative there.",
    ),
    Fault(
        "jax.scipy.stats.binom.logpmf at p = 1",
        "jax",
        """
import jax
got = jax.grad(jax.scipy.stats.binom.logpmf, 2)(7.0, 7.0, 1.0)
""",
        "7",
        "log p⁷ = 7 log p; the NaN is that of xlog1py at (0, −1), of the term 0 log(1 − p).",
    ),
    Fault(
        "jax.scipy.special.xlogy of a whole number",
        "jax",
        """
import jax
got = jax.grad(lambda y: jax.scipy.special.xlogy(2, y))(0.5)
""",
        "4",
        "2 / y; the rule multiplies JAX's zero tangent of a whole number. jax.scipy.stats.gumbel_r raises it too.",
    ),
    Fault(
        "jax.scipy.special.log_ndtr far to the left, in float32",
        "jax",
        """
import jax
got = jax.grad(jax.scipy.special.log_ndtr)(-1e4)
""",
        "10000.0001",
        "−x − 1/x + …; the rule takes the exponential of a difference of two numbers near 5e7.",
    ),
    Fault(
        "jax.scipy.special.hyp1f1 at a = 0",
        "jax",
        """
import jax
got = jax.grad(jax.scipy.special.hyp1f1)(0.0, 0.7, 1.2)
""",
        "2.553",
        "central differences in float64; in the rule a term 0 meets an infinite digamma.",
    ),
    Fault(
        "jax.scipy.special.poch at z = 0",
        "jax",
        """
import jax
got = jax.grad(jax.scipy.special.poch)(0.0, 0.7)
""",
        "1.298",
        "Γ(0.7), as (z)_m = z Γ(z + m) / Γ(z + 1).",
    ),
    Fault(
        "jax.scipy.special.dawsn at infinity",
        "jax",
        """
import jax, jax.numpy as jnp
got = jax.grad(jax.scipy.special.dawsn)(jnp.inf)
""",
        "0",
        "1 − 2 x F(x) goes to −1 / (2x²).",
    ),
    Fault(
        "ott.geometry.costs.Euclidean at a tie",
        "ott-jax",
        """
import jax, jax.numpy as jnp
from ott.geometry import costs
x = jnp.zeros(2)
got = jax.value_and_grad(costs.Euclidean())(x, x)[0]
""",
        "0",
        "the distance of a point to itself; it is 0 where nothing is differentiated.",
    ),
    Fault(
        "numpyro DoublyTruncatedPowerLaw.log_prob",
        "numpyro",
        """
import jax, jax.numpy as jnp
import numpyro.distributions as dist
alpha, low, x = jnp.array([0.6, 1.3, 1.7])
got = jax.grad(lambda high: dist.DoublyTruncatedPowerLaw(alpha, low, high).log_prob(x))(2.4)
""",
        "-1.0666",
        "central differences of log_prob in float64; the rule differentiates p in place of log p, with the other sign.",
    ),
    Fault(
        "tfp.math.betainc of whole numbers",
        "tfp-nightly",
        """
import jax
from tensorflow_probability.substrates.jax import math
got = jax.grad(math.betainc, 1)(3.0, 1.0, 0.6)
""",
        "0.26237",
        "central differences of scipy.special.betainc; the rule's series ends too early.",
    ),
    Fault(
        "tfp.math.bessel_ive by the order",
        "tfp-nightly",
        """
import jax
from tensorflow_probability.substrates.jax import math
got = jax.grad(math.bessel_ive)(1.3, 0.7)
""",
        "-0.1917",
        "central differences; the source says that it is not written yet, and nothing is raised.",
    ),
    Fault(
        "distrax Multinomial.entropy",
        "distrax",
        """
import jax, jax.numpy as jnp
import distrax
p = jnp.array([0.2, 0.5, 0.3])
got = jax.grad(lambda p: distrax.Multinomial(4, probs=p).entropy())(p)
""",
        "a gradient",
        "the entropy is smooth in p; the rule multiplies JAX's zero tangent of a whole number.",
    ),
    Fault(
        "distrax Bernoulli.log_prob at p = 0",
        "distrax",
        """
import jax
import distrax
got = jax.grad(lambda p: distrax.Bernoulli(probs=p).log_prob(0))(0.0)
""",
        "-1",
        "log(1 − p).",
    ),
    Fault(
        "jaxopt projection_transport",
        "jaxopt",
        """
import jax, jax.numpy as jnp
from jaxopt import projection
m = jnp.array([[0.3, 0.4], [0.5, 0.2]])
s = jnp.array([0.4, 0.6]), jnp.array([0.5, 0.5])
got = jax.grad(lambda m: projection.projection_transport(m, s)[0, 0])(m)[0, 0]
""",
        "0.25",
        "central differences.",
    ),
)


def content() -> dict[str, Any]:
    """The faults of the libraries that are installed, each with what its program gives now."""
    return {"faults": [each for each in map(_content, FAULTS) if each is not None]}


def _content(fault: Fault) -> dict[str, Any] | None:
    try:
        version = importlib.metadata.version(fault.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    names = dict.fromkeys(("jax", fault.distribution))
    versions = ", ".join(f"{name} {version if name == fault.distribution else jax.__version__}" for name in names)
    return {**fault._asdict(), "versions": versions, "got": gives(fault)}


def gives(fault: Fault) -> str:
    """What the program of a fault gives, or the error that it raises."""
    scope: dict[str, Any] = {}
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        try:
            exec(fault.program, scope)
        except Exception as error:  # which is what it gives
            return f"{type(error).__name__}: {error}".partition(".")[0]
    return str(scope["got"])

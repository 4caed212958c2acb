"""What each verdict of the audit on a public library was found to be, when it was looked at by hand."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """A fault is a rule that gives something else than the derivative of its function where that has one, and whose
authors do not say that it is meant. Each is shown by its smallest program, with what it gives and what is right.
"""
OPEN = "not settled"


class Settled(NamedTuple):
    """A verdict that was looked at.

    Attributes:
        rule: name of the rule, or of the call where the whole function differs.
        place: what the file ends with; "" for any.
        kinds: where it was found: "ordinary", "special", "whole"; () for any.
        reason: what it is.
    """

    rule: str
    place: str
    kinds: tuple[str, ...]
    reason: str


SETTLED = (
    Settled("_scale_gradient", "", (), "meant: it scales the gradient"),
    Settled("quantized_dot", "fp8", (), "meant: the gradient passes the cast to 8 bits straight through"),
    Settled("out_dq", "fp8", (), "meant: the gradient of a scale is set elsewhere"),
    Settled("in_qdq", "fp8", (), "meant: a clipped cast to 8 bits, passed straight through"),
    Settled("out_qdq", "fp8", (), "meant: a clipped cast to 8 bits, passed straight through"),
    Settled(
        "_sinc_maclaurin",
        "",
        (),
        "meant: a helper of sinc whose value is a constant and whose derivatives are a series",
    ),
    Settled("logaddexp", "", (), "fault: at an infinite input"),
    Settled("logaddexp2", "", (), "fault: at an infinite input, as logaddexp"),
    Settled("xlogy", "", (), "fault: NaN at (0, 0), and a TypeError for a whole number"),
    Settled("xlog1py", "", (), "fault: NaN at (0, −1), and a TypeError for a whole number"),
    Settled("_erfcx", "", (), "fault: far to the right the difference of two large terms is left"),
    Settled("log_ndtr", "", (), "fault: far to the left, in float32"),
    Settled("zeta", "", (), "fault: the rule's own series is not the value of the function"),
    Settled("hyp1f1", "", (), "fault: at whole a ≤ 0, where a term 0 meets an infinite digamma"),
    Settled("hyp2f1", "", (), "fault: at whole a ≤ 0, as hyp1f1"),
    Settled("poch", "", (), "fault: NaN at z = 0"),
    Settled(
        "fresnel", "", ("special",), "none: at 1e30 no number of float32 is near enough to resolve the oscillation"
    ),
    Settled("_wofz", "", ("special",), "fault: far out, where the difference of two near numbers is left in float32"),
    Settled(
        "jax.scipy.linalg.solve, positive", "", (), "meant: the matrix is taken as symmetric, and the direction is not"
    ),
    Settled(
        "lineax.linear_solve, Cholesky", "", (), "meant: the matrix is taken as symmetric, and the direction is not"
    ),
    Settled("_zero_grad_at_zero", "", (), "meant: the derivative of a norm at 0 is set to 0"),
    Settled("_von_mises_sample", "", (), "the rule uses the key of an outer trace; it cannot be called by itself"),
    Settled("_slogdet_qr", "", ("special",), "none: a singular matrix, whose sign is that of rounding"),
    Settled("_slogdet_lu", "", (), "none: the derivative is infinite at a singular matrix"),
    Settled("_slogdet_small", "", ("special",), "none: an infinite matrix"),
    Settled("_det", "", ("special",), "none: an infinite matrix"),
    Settled("_xlogx", "", (), "none: the derivative is infinite at 0"),
    Settled("_von_mises_cdf", "", ("special",), "none: rounding near 0, and a concentration of 1e30"),
    Settled("f", "truncated.py:1216", (), "fault: it differentiates p in place of log p, with the other sign"),
    Settled("f", "truncated.py:1337", (), "fault: the sign of the derivative by high at α = −1"),
    Settled("f", "truncated.py:1475", (), "none: at α = −1 the function has a branch of its own, which has no slope"),
    Settled("fresnel", "", (), "none: at 1e30 no number of float32 is near enough to resolve the oscillation"),
    Settled("_dawsn", "", ("special",), "fault: NaN at infinity, and 0 far out in float32"),
    Settled("_dawsn_custom_gradient", "", ("special",), "fault: NaN at infinity"),
    Settled("sici", "", ("special",), "fault: NaN at infinity"),
    Settled("_owens_t_impl", "", ("special",), "fault: NaN at infinity"),
    Settled("norm", "ott", (), "fault: the value at 0 changes when it is differentiated"),
    Settled("logsumexp", "ott", (), "fault: a TypeError with keepdims, and infinite numbers"),
    Settled("softmin", "ott", (), "fault: NaN at an infinite number"),
    Settled("iterations", "sinkhorn", (), "meant: potentials are defined up to a constant"),
    Settled("_custom_root", "", ("special",), "none: the solver of the catalogue has not converged at 0"),
    Settled("jax.scipy.sparse.linalg.cg", "", (), "meant: the matrix is taken as symmetric, and the direction is not"),
    Settled("_hpsd_solve_custom_gradient", "", (), "meant: the matrix is taken as symmetric"),
    Settled("_hpsd_quadratic_form_solve_custom_gradient", "", (), "meant: the matrix is taken as symmetric"),
    Settled(
        "_log_bessel_ive_custom_gradient", "", (), "fault: the derivative by the order is 0, and nothing is raised"
    ),
    Settled(
        "_log_bessel_kve_custom_gradient", "", (), "fault: the derivative by the order is 0, and nothing is raised"
    ),
    Settled(
        "_bessel_iv_ratio_custom_gradient", "", (), "fault: the derivative by the order is 0, and nothing is raised"
    ),
    Settled("_bessel_ive_custom_gradient", "", (), "fault: the derivative by the order is 0, and nothing is raised"),
    Settled("_bessel_kve_custom_gradient", "", (), "fault: the derivative by the order is 0, and nothing is raised"),
    Settled("_nc2_cdf_naive", "", (), "fault: the derivative by the degrees of freedom is 0, and nothing is raised"),
    Settled("_erfcx_custom_gradient", "", (), "fault: far to the right the difference of two large terms is left"),
    Settled("_log_gamma_difference_custom_gradient", "", ("special",), "none: rounding at 1e30"),
    Settled("_lbeta_custom_gradient", "", ("special",), "none: rounding where the value is 0"),
    Settled("tfp.distributions.GeneralizedNormal.quantile", "", (), "fault: NaN of a branch that is not taken"),
    Settled(
        "wrapped_fun",
        "custom_derivatives",
        (),
        "meant: the draw is held fixed while its distribution is differentiated",
    ),
    Settled("forward_pert", "", (), "meant: the derivative of a mean over draws"),
    Settled("prevbefore", "", (), "none: an infinite input"),
    Settled(
        "solver_fun_flat", "jaxopt", (), "none: the tolerance of the solver; what it closes over is not differentiated"
    ),
    Settled("fn_wrapped", "equinox", (), "none: within a rule whose function is not differentiated; a buffer is moved"),
    Settled("jaxopt.projection.projection_box_section", "", (), "none: the tolerance of its bisection"),
    Settled("_nondifferentiable", "equinox", (), "meant: it raises where a derivative arrives, and none does here"),
    Settled("fn_wrapper", "equinox", ("special",), "meant: it raises on purpose"),
    Settled("fixpoint_iter", "ott", (), "none: within a rule whose function is not differentiated"),
    Settled(
        "jax.scipy.sparse.linalg.cg, preconditioned",
        "",
        (),
        "meant: the matrix is taken as symmetric, and the direction is not",
    ),
    Settled("power_no_nan", "distrax", (), "fault: a TypeError for a whole number"),
)


def reason(rule: str, at: str, verdict: str, kind: str, detail: str) -> str:
    """What a verdict was settled as."""
    if "limit of the derivatives" in detail and kind == "special":
        default = "at an infinite input, where the rule gives no limit"
    else:
        default = "meant: the derivative of a sample" if verdict.startswith("implicit") else OPEN
    for each in SETTLED:
        if each.rule == rule and each.place in at and (not each.kinds or kind in each.kinds):
            return each.reason
    return default

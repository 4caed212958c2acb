"""Mutants of the pages of recurrent layers: the plain scan, the simple layer and the gated unit, equation by equation.

| what is changed | where it must be found |
|---|---|
| δ[t] = (d_a[t] + δ[t+1] ω) ⊙ σ'(z[t]) | "recurrent z", statement 8 |
| dW, dω, db, dx, da[0] | "recurrent .weights", …, "recurrent d_x" |
| what padded steps hand on, truncation | "recurrent z" |
| d_h, δ_n, δ_u, δ_r, δ_q of the gated unit | "gru h", "gru z_n", "gru z_u", "gru z_r" |
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

SIMPLE, SCAN, GRU = "fnnets.layers.recurrent", "fnnets.layers.cell:backward", "fnnets.layers.gru"
BACK, GRADIENT = f"{SIMPLE}:back", f"{SIMPLE}:gradient"
GRU_BACK, GRU_GRADIENT, GRU_BEFORE = f"{GRU}:back", f"{GRU}:gradient", f"{GRU}:to_h"

THROUGH, SLOPE = "after @ params.recurrent_weights", "activation.derivative(trace.z)"
INNER = 'jnp.einsum("tnh,tnm->hm", delta, trace.x)'
OUTER, BIASES = 'jnp.einsum("tnh,tnk->hk", delta, trace.a_before)', "jnp.sum(delta, axis=(0, 1))"
REAL = "*_where(is_real[:, None], (d_a, after), zeros)"
HANDED = "_where(is_real[:, None], (zeros[0], delta), (d_a, after))"
N, U, R = "d_h * (1 - u) * (1 - n**2)", "d_h * (h_before - n) * u * (1 - u)", "delta_n * q * r * (1 - r)"

HERE = "simple, plain"
Z, STATES = ("recurrent z",), ("recurrent z", "recurrent .initial_state")
LONG, PADDED, CELLS = "the page, over more than one step", "the page, and padded steps", "the page of a GRU"

RECURRENT = (
    Mutant("plain: δ[t+1] by ωᵀ", BACK, THROUGH, f"{THROUGH}.T", Z, "8", HERE, LONG),
    Mutant("plain: δ[t+1] missing", BACK, THROUGH, f"0 * {THROUGH}", Z, "8", HERE, LONG),
    Mutant("plain: δ[t+1] with its sign flipped", BACK, f"d_a + {THROUGH}", f"d_a - {THROUGH}", Z, "8", HERE, LONG),
    Mutant("plain: d_a[t] counted twice", BACK, "(d_a +", "(2 * d_a +", Z, "8", HERE),
    Mutant("plain: σ′ omitted", BACK, f" * {SLOPE}", "", Z, "8", HERE),
    Mutant("plain: σ′ at a instead of z", BACK, SLOPE, "activation.derivative(activation.value(trace.z))", Z, "8",
           HERE),
    Mutant("plain: σ′ for d_a[t] alone", BACK, f"(d_a + {THROUGH}) * {SLOPE}", f"d_a * {SLOPE} + {THROUGH}", Z, "8",
           HERE, LONG),
    Mutant("plain: a[t] for a[t−1] in dω", GRADIENT, "trace.a_before", "jnp.roll(trace.a_before, -1, axis=0)",
           ("recurrent .recurrent_weights",), "11, 14", HERE, LONG),
    Mutant("plain: dω transposed", GRADIENT, OUTER, f"{OUTER}.T", ("recurrent .recurrent_weights",), "11, 14", HERE),
    Mutant("plain: t = 1 left out of dω", GRADIENT, OUTER, OUTER.replace("delta,", "delta.at[0].set(0),"),
           ("recurrent .recurrent_weights",), "11, 14", HERE, "the page, and a first state that is not zero"),
    Mutant("plain: dW averaged over time", GRADIENT, INNER, f"{INNER} / len(delta)", ("recurrent .weights",), "10, 13",
           HERE, LONG),
    Mutant("plain: the last step left out of dW", GRADIENT, INNER, INNER.replace("delta,", "delta.at[-1].set(0),"),
           ("recurrent .weights",), "10, 13", HERE),
    Mutant("plain: db of the last step alone", GRADIENT, BIASES, "jnp.sum(delta[-1], axis=0)", ("recurrent .biases",),
           "9, 12", HERE, LONG),
    Mutant("plain: db averaged over the batch", GRADIENT, BIASES, "jnp.sum(jnp.mean(delta, axis=1), axis=0)",
           ("recurrent .biases",), "9, 12", HERE, "the page, and a batch of more than one"),
    Mutant("plain: dx of the step before", GRADIENT, "d_x = delta", "d_x = jnp.roll(delta, 1, axis=0)",
           ("recurrent d_x",), "8", HERE, LONG),
    Mutant("plain: da[0] by ωᵀ", GRADIENT, "first @ params.recurrent_weights", "first @ params.recurrent_weights.T",
           ("recurrent .initial_state",), "ds[0]", HERE, "the page, and an initial state that is learnt"),
    Mutant("plain: padded steps have a δ", SCAN, REAL, "d_a, after", ("recurrent z",), "", HERE, PADDED),
    Mutant("plain: padded steps hand on their own δ", SCAN, HANDED, "(zeros[0], delta)", STATES, "", HERE, PADDED),
    Mutant("plain: padded steps hand on no d_a", SCAN, HANDED, HANDED.replace("(d_a, after)", "(zeros[0], after)"),
           STATES, "", "last step, plain", f"{PADDED}, and one answer for each sequence"),
    Mutant("plain: padded steps hand on no δ", SCAN, HANDED, HANDED.replace("(d_a, after)", "(d_a, zeros[1])"), STATES,
           "", HERE, f"{PADDED} within a sequence"),
    Mutant("plain: what was handed on counts at real steps too", SCAN, HANDED, HANDED.replace("(zeros[0],", "(d_a,"),
           STATES, "", HERE, LONG),
    Mutant("plain: δ[1] of the last step", SCAN, "delta, first)", "delta, jax.tree.map(lambda d: d[-1], delta))",
           ("recurrent .initial_state",), "ds[0]", HERE, "the page, and an initial state that is learnt"),
    Mutant("plain: truncation that does not cut", SCAN, "_where(is_cut, zeros, carry)", "carry", Z, "",
           "truncated, plain", "the page of a layer that truncates"),
)  # fmt: skip

GATED = (
    Mutant("plain: GRU: reset gate missing in δ_q", GRU_BACK, "delta_q = delta_n * r", "delta_q = delta_n",
           ("gru h", "gru .candidate"), "", "gru, plain", CELLS),
    Mutant("plain: GRU: u for 1 − u", GRU_BACK, N, N.replace("(1 - u)", "u"), ("gru z_n",), "δ_n", "gru, plain", CELLS),
    Mutant("plain: GRU: tanh′ missing", GRU_BACK, N, "d_h * (1 - u)", ("gru z_n",), "δ_n", "gru, plain", CELLS),
    Mutant("plain: GRU: n − h for h − n", GRU_BACK, U, U.replace("(h_before - n)", "(n - h_before)"), ("gru z_u",),
           "δ_u", "gru, plain", CELLS),
    Mutant("plain: GRU: σ′ of the reset gate missing", GRU_BACK, R, "delta_n * q", ("gru z_r",), "δ_r", "gru, plain",
           CELLS),
    Mutant("plain: GRU: h for q in δ_r", GRU_BACK, R, R.replace("* q", "* h_before"), ("gru z_r",), "δ_r", "gru, plain",
           CELLS),
    Mutant("plain: GRU: the way through u ⊙ h missing", GRU_BACK, "d_h * u)", "0 * d_h * u)", ("gru h",), "d_h",
           "gru, plain", CELLS),
    Mutant("plain: GRU: the candidate's way missing in d_h", GRU_BEFORE, "(delta.r, delta.u, delta.q)",
           "(delta.r, delta.u, 0 * delta.q)", ("gru h",), "d_h", "gru, plain", CELLS),
    Mutant("plain: GRU: dR_n from δ_n", GRU_GRADIENT, 'delta.q, trace.h_before', "delta.n, trace.h_before",
           ("gru .candidate.recurrent_weights",), "dR_n", "gru, plain", CELLS),
    Mutant("plain: GRU: db′ from δ_n", GRU_GRADIENT, "jnp.sum(delta.q", "jnp.sum(delta.n", ("gru .recurrent_biases",),
           "db'_n", "gru, plain", CELLS),
)  # fmt: skip

MUTANTS = (*RECURRENT, *GATED)

"""Mutants of the pages of the LSTM, with peepholes and of 1997 as well, equation by equation.

| what is changed | where it must be found |
|---|---|
| d_h, d_c | "lstm h", "lstm c" |
| δ_o, δ_i, δ_f, δ_g | "lstm z_o", "lstm z_i", "lstm z_f", "lstm z_g" |
| dW_k, dR_k, db_k, dp_k, dx | "lstm .input_gate", …, "lstm d_x" |
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

LSTM, PEEPHOLES, OF_1997, GATES = (f"fnnets.layers.{name}" for name in ("lstm", "lstm_peepholes", "lstm_1997", "gates"))
BACK, PEEPING, EARLY = f"{LSTM}:back", f"{PEEPHOLES}:back", f"{OF_1997}:back"

OUTPUT, CELL = "d_h * jnp.tanh(c) * o * (1 - o)", "d_h * o * (1 - jnp.tanh(c) ** 2)"
INPUT, FORGET, CANDIDATE = "d_c * g * i * (1 - i)", "d_c * c_before * f * (1 - f)", "d_c * i * (1 - g**2)"
SEEN = "zip(delta[:4], seen, strict=True)"

HERE = "lstm, plain"
PAGE, LONG = "the page of an LSTM", "the page of an LSTM, over more than one step"
PEEPS, CLASSIC = "the page of an LSTM with peepholes", "the page of the LSTM of 1997"

COMMON = (
    Mutant("plain: LSTM: forget path missing in d_c", BACK, " + after.forgotten", "", ("lstm c",), "d_c", HERE, LONG),
    Mutant("plain: LSTM: d_c[t+1] without the forget gate", BACK, "d_c * f)", "d_c)", ("lstm c",), "d_c", HERE, LONG),
    Mutant("plain: LSTM: d_c[t+1] by the input gate", BACK, "d_c * f)", "d_c * i)", ("lstm c",), "d_c", HERE, LONG),
    Mutant("plain: LSTM: δ[t+1] missing in d_h", BACK, "d_h + to_h(params, after)", "d_h", ("lstm h",), "d_h", HERE,
           LONG),
    Mutant("plain: LSTM: the candidate's way missing in d_h", f"{LSTM}:to_h", "zip(delta[:4],",
           "zip(delta._replace(g=0 * delta.g)[:4],", ("lstm h",), "d_h", HERE, LONG),
    Mutant("plain: LSTM: tanh′ at c instead of tanh(c)", BACK, CELL, CELL.replace("jnp.tanh(c)", "c"), ("lstm c",),
           "d_c", HERE, PAGE),
    Mutant("plain: LSTM: tanh′ at c[t−1]", BACK, CELL, CELL.replace("(c)", "(c_before)"), ("lstm c",), "d_c", HERE,
           PAGE),
    Mutant("plain: LSTM: output gate missing in d_c", BACK, CELL, CELL.replace(" * o", ""), ("lstm c",), "d_c", HERE,
           PAGE),
    Mutant("plain: LSTM: σ′ of the output gate missing", BACK, OUTPUT, "d_h * jnp.tanh(c)", ("lstm z_o",), "δ_o", HERE,
           PAGE),
    Mutant("plain: LSTM: δ_o with c in place of tanh(c)", BACK, OUTPUT, OUTPUT.replace("jnp.tanh(c)", "c"),
           ("lstm z_o",), "δ_o", HERE, PAGE),
    Mutant("plain: LSTM: σ′ of the input gate missing", BACK, INPUT, "d_c * g", ("lstm z_i",), "δ_i", HERE, PAGE),
    Mutant("plain: LSTM: i for g in δ_i", BACK, INPUT, INPUT.replace("* g", "* i"), ("lstm z_i",), "δ_i", HERE, PAGE),
    Mutant("plain: LSTM: σ′ of the forget gate missing", BACK, FORGET, "d_c * c_before", ("lstm z_f",), "δ_f", HERE,
           PAGE),
    Mutant("plain: LSTM: f(1 + f) for f(1 − f)", BACK, FORGET, FORGET.replace("1 - f", "1 + f"), ("lstm z_f",), "δ_f",
           HERE, PAGE),
    Mutant("plain: LSTM: c[t] for c[t−1] in δ_f", BACK, FORGET, FORGET.replace("c_before", "c"), ("lstm z_f",), "δ_f",
           HERE, PAGE),
    Mutant("plain: LSTM: tanh′ of the candidate missing", BACK, CANDIDATE, "d_c * i", ("lstm z_g",), "δ_g", HERE,
           PAGE),
    Mutant("plain: LSTM: g for i in δ_g", BACK, CANDIDATE, CANDIDATE.replace("* i", "* g"), ("lstm z_g",), "δ_g", HERE,
           PAGE),
    Mutant("plain: LSTM: input and forget gate swapped in δ", BACK, "LstmDelta(delta_i, delta_f,",
           "LstmDelta(delta_f, delta_i,", ("lstm h", "lstm .input_gate", "lstm .forget_gate"), "", HERE, PAGE),
    Mutant("plain: LSTM: c[t−1] for h[t−1] in dR", f"{LSTM}:gradient", "trace.h_before", "trace.c_before",
           ("recurrent_weights",), "", HERE, PAGE),
    Mutant("plain: LSTM: dx without the forget gate", f"{LSTM}:to_x", "zip(delta[:4],",
           "zip(delta._replace(f=0 * delta.f)[:4],", ("lstm d_x",), "dx", HERE, PAGE),
    Mutant("plain: LSTM: dc[0] without the forget gate", f"{LSTM}:gradient", "first.forgotten", "0 * first.forgotten",
           (".initial_state[1]",), "ds[0]", HERE, "the page, and an initial state that is learnt"),
    Mutant("plain: gates: first step left out of the sums", f"{GATES}:gate_gradient", '"tnh,tnm->hm", delta,',
           '"tnh,tnm->hm", delta.at[0].set(0),', ("gate.", ".candidate"), "", HERE, PAGE),
    Mutant("plain: gates: db of the first sequence", f"{GATES}:gate_gradient", "jnp.sum(delta, axis=(0, 1))",
           "jnp.sum(delta[:, 0], axis=0)", (".biases",), "", HERE, "the page, and a batch of more than one"),
)  # fmt: skip

PEEPHOLE = (
    Mutant("plain: p_o missing in d_c", PEEPING, " + delta_o * p_o", "", ("lstm_peepholes c",), "d_c",
           "peepholes, plain", PEEPS),
    Mutant("plain: p_i and p_f missing in d_c", PEEPING, " + delta_i * p_i + delta_f * p_f", "", ("lstm_peepholes c",),
           "d_c", "peepholes, plain", PEEPS),
    Mutant("plain: p_i and p_f swapped", PEEPING, "delta_i * p_i + delta_f * p_f", "delta_i * p_f + delta_f * p_i",
           ("lstm_peepholes c",), "d_c", "peepholes, plain", PEEPS),
    Mutant("plain: peepholes: forget path missing", PEEPING, "d_c * f +", "0 * d_c * f +", ("lstm_peepholes c",), "d_c",
           "peepholes, plain", PEEPS),
    Mutant("plain: peepholes: σ′ of the output gate missing", PEEPING, OUTPUT, "d_h * jnp.tanh(c)",
           ("lstm_peepholes z_o",), "δ_o", "peepholes, plain", PEEPS),
    Mutant("plain: dp_o with c[t−1]", f"{PEEPHOLES}:gradient", "None, trace.c\n", "None, trace.c_before\n",
           (".output_gate.peephole_weights",), "dp_o", "peepholes, plain", PEEPS),
    Mutant("plain: dp_i with c[t]", f"{PEEPHOLES}:gradient", "seen = trace.c_before,", "seen = trace.c,",
           (".input_gate.peephole_weights",), "dp_i", "peepholes, plain", PEEPS),
)  # fmt: skip

CLASSICAL = (
    Mutant("plain: 1997: the gates' own connections missing in δ_o", EARLY, " + d_o)", ")", ("lstm_1997 z_o",), "δ_o",
           "1997, plain", CLASSIC),
    Mutant("plain: 1997: the gates' own connections missing in δ_i", EARLY, " + d_i)", ")", ("lstm_1997 z_i",), "δ_i",
           "1997, plain", CLASSIC),
    Mutant("plain: 1997: d_i and d_o swapped", EARLY, "through_h, d_i, d_o =", "through_h, d_o, d_i =",
           ("lstm_1997 z_o", "lstm_1997 z_i"), "", "1997, plain", CLASSIC),
    Mutant("plain: 1997: constant error carousel cut", EARLY, " + after.c", "", ("lstm_1997 c",), "d_c", "1997, plain",
           CLASSIC),
    Mutant("plain: 1997: η for η′", EARLY, "OUTPUT.derivative(c)", "OUTPUT.value(c)", ("lstm_1997 c",), "d_c",
           "1997, plain", CLASSIC),
    Mutant("plain: 1997: γ for γ′", EARLY, "INPUT.derivative(z_g)", "INPUT.value(z_g)", ("lstm_1997 z_g",), "δ_g",
           "1997, plain", CLASSIC),
    Mutant("plain: 1997: di[0] and do[0] swapped", f"{OF_1997}:gradient", "first.c, d_i, d_o)", "first.c, d_o, d_i)",
           (".initial_state",), "ds[0]", "1997, plain", CLASSIC),
    Mutant("plain: 1997: dR with the state of another step", f"{OF_1997}:gradient", "trace.seen",
           "jnp.roll(trace.seen, 1, axis=0)", ("recurrent_weights",), "", "1997, plain", CLASSIC),
)  # fmt: skip

MUTANTS = (*COMMON, *PEEPHOLE, *CLASSICAL)

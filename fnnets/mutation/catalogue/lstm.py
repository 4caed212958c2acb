"""Mutants of the LSTM: each line of its backward step, its sums, and the form in which its weights are packed.

| what is changed | where it must be found |
|---|---|
| δ_o, δ_i, δ_f, δ_g | "lstm z_o", "lstm z_i", "lstm z_f", "lstm z_g" |
| d_c at a step | "lstm c" |
| what is carried to the step before | "lstm h[t]", "lstm c[t]" |
| dW_k, db_k, dp_k | "lstm .input_gate", … |

A row "lstm c" stands within a step and a row "lstm c[t]" between steps.
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

LSTM = "fnnets.layers.lstm:lstm"

OUTPUT, INPUT = "(d_h * shown + d_o) * (o * (1 - o))", "(d_c * g + d_i) * (i * (1 - i))"
FORGET, CANDIDATE = "(d_c * previous[1] + d_f[0]) * (f * (1 - f))", "d_c * (i * _slope(input_activation, g, z_g))"
CELL, FORGOTTEN = (
    "d_c = d_c + d_h * (o * _slope(output_activation, shown, state[1]))",
    "d_c = d_c * f if forget_gate else d_c",
)
ORDER = "delta = jnp.concatenate([delta_i, *delta_f, delta_g, delta_o], axis=-1)"
CARRY, PEEPING = (
    "jnp.split(delta @ packed.recurrent_weights,",
    "zip(packed.peepholes, [delta_i, *delta_f], strict=False)",
)
WEIGH, SEEN = (
    "return (*contract_both(delta, x, seen(previous)), d_biases, d_peepholes)",
    "contract_both(delta, x, seen(previous))",
)
BIASES, HERE = "d_biases = jnp.sum(delta, axis=(0, 1))", "(d_o, states[1])]"
BEFORE = "pairs = [(d_i, previous[1]), *((d, previous[1]) for d in d_f),"

CELLS, LONG = "an LSTM", "an LSTM over more than one step"
FORGETS, PEEPHOLES = "an LSTM with a forget gate", "an LSTM with peepholes"
EARLY = "an LSTM of the form of 1997"

MUTANTS = (
    Mutant("forget path missing in δc", LSTM, FORGOTTEN, "d_c = 0 * d_c", ("lstm c[t]",), "", "plain", LONG),
    Mutant("δc carried without the forget gate", LSTM, FORGOTTEN, "d_c = d_c", ("lstm c[t]",), "", "plain", FORGETS),
    Mutant("δc carried by the input gate", LSTM, FORGOTTEN, FORGOTTEN.replace("* f if", "* i if"), ("lstm c[t]",), "",
           "plain", FORGETS),
    Mutant("tanh′ at c instead of tanh(c)", LSTM, CELL, CELL.replace("shown, ", "state[1], "), ("lstm c",), "d_c",
           "plain", CELLS),
    Mutant("η′ at the cell of the step before", LSTM, CELL,
           CELL.replace("shown, state[1]", "output_activation.value(previous[1]), previous[1]"), ("lstm c",), "d_c",
           "plain", LONG),
    Mutant("output gate missing in δc", LSTM, CELL, CELL.replace("o * ", ""), ("lstm c",), "d_c", "plain", CELLS),
    Mutant("way from h to c missing", LSTM, CELL, "d_c = d_c", ("lstm c",), "d_c", "plain", CELLS),
    Mutant("output gate's σ′ missing", LSTM, OUTPUT, "(d_h * shown + d_o)", ("lstm z_o",), "δ_o", "plain", CELLS),
    Mutant("input gate's σ′ missing", LSTM, INPUT, "(d_c * g + d_i)", ("lstm z_i",), "δ_i", "plain", CELLS),
    Mutant("forget gate's σ′ missing", LSTM, FORGET, "(d_c * previous[1] + d_f[0])", ("lstm z_f",), "δ_f", "plain",
           FORGETS),
    Mutant("candidate's tanh′ missing", LSTM, CANDIDATE, "d_c * i", ("lstm z_g",), "δ_g", "plain", CELLS),
    Mutant("f(1 + f) for f(1 − f)", LSTM, FORGET, FORGET.replace("1 - f", "1 + f"), ("lstm z_f",), "δ_f", "plain",
           FORGETS),
    Mutant("input gate and candidate swapped in δ_i", LSTM, INPUT, INPUT.replace("d_c * g", "d_c * i"), ("lstm z_i",),
           "δ_i", "plain", CELLS),
    Mutant("input gate and candidate swapped in δ_g", LSTM, CANDIDATE, CANDIDATE.replace("(i *", "(g *"),
           ("lstm z_g",), "δ_g", "plain", CELLS),
    Mutant("input gate and candidate swapped in δ", LSTM, ORDER,
           ORDER.replace("delta_i, *delta_f, delta_g", "delta_g, *delta_f, delta_i"),
           ("lstm h[t]", "lstm .input_gate", "lstm .candidate"), "", "plain", CELLS),
    Mutant("input and forget gate swapped in δ", LSTM, ORDER, ORDER.replace("delta_i, *delta_f", "*delta_f, delta_i"),
           ("lstm h[t]", "lstm .input_gate", "lstm .forget_gate"), "", "plain", FORGETS),
    Mutant("c[t] for c[t−1] in δ_f", LSTM, FORGET, FORGET.replace("previous[1]", "state[1]"), ("lstm z_f",), "δ_f",
           "plain", FORGETS),
    Mutant("δ_o with c in place of η(c)", LSTM, OUTPUT, OUTPUT.replace("shown", "state[1]"), ("lstm z_o",), "δ_o",
           "plain", CELLS),
    Mutant("δ_o with the cell of the step before", LSTM, OUTPUT,
           OUTPUT.replace("shown", "output_activation.value(previous[1])"), ("lstm z_o",), "δ_o", "plain", LONG),
    Mutant("carry to h missing", LSTM, CARRY, CARRY.replace("delta @", "0 * delta @"), ("lstm h[t]",), "", "plain",
           LONG),
    Mutant("carry through halved weights", LSTM, CARRY, "jnp.split(delta @ packed.halved.T[:, -sources:],",
           ("lstm h[t]",), "", "plain", LONG),
    Mutant("δ of halved weighted inputs", LSTM, WEIGH, f"delta = delta.at[..., :units].multiply(0.5)\n        {WEIGH}",
           ("lstm .input_gate",), "", "plain", CELLS),
    Mutant("h[t] for h[t−1] in dR", LSTM, SEEN, SEEN.replace("previous", "states"), ("recurrent_weights",), "",
           "plain", CELLS),
    Mutant("c[t−1] for h[t−1] in dR", LSTM, SEEN, SEEN.replace("seen(previous)", "previous[1]"),
           ("recurrent_weights",), "", "plain", CELLS),
    Mutant("LSTM: first step left out of dW", LSTM, WEIGH, WEIGH.replace("delta", "delta.at[0].set(0)"),
           ("gate.", ".candidate"), "", "plain", CELLS),
    Mutant("LSTM: db of the first sequence", LSTM, BIASES, "d_biases = jnp.sum(delta[:, 0], axis=0)", (".biases",),
           "", "plain", "a batch of more than one"),
    Mutant("peephole of the output gate missing in δc", LSTM, "d_c = d_c + packed.peepholes[-1] * delta_o",
           "d_c = d_c", ("lstm c",), "d_c", "plain", PEEPHOLES),
    Mutant("peepholes missing in the carry", LSTM, PEEPING, PEEPING.replace("[delta_i, *delta_f]", "[0 * delta_i]"),
           ("lstm c[t]",), "", "plain", PEEPHOLES),
    Mutant("peepholes of input and forget gate swapped", LSTM, PEEPING,
           PEEPING.replace("delta_i, *delta_f", "*delta_f, delta_i"), ("lstm c[t]",), "", "plain", PEEPHOLES),
    Mutant("dp_o with c[t−1]", LSTM, HERE, HERE.replace("states", "previous"), (".output_gate.peephole_weights",),
           "dp_o", "plain", PEEPHOLES),
    Mutant("dp_i with c[t]", LSTM, BEFORE, BEFORE.replace("(d_i, previous", "(d_i, states"),
           (".input_gate.peephole_weights",), "dp_i", "plain", PEEPHOLES),
    Mutant("LSTM: dx without the forget gate", LSTM, "d_input=lambda packed, delta: delta @ packed.weights",
           "d_input=lambda packed, delta: delta.at[..., units : 2 * units].set(0) @ packed.weights", ("lstm d_x",),
           "dx", "plain", FORGETS),
    Mutant("1997: the gates' own connections not carried", LSTM, "return (d_h, d_c, *d_gates), delta",
           "return (d_h, d_c, *(0 * d for d in d_gates)), delta", ("lstm i[t]", "lstm o[t]"), "", "1997", EARLY),
    Mutant("1997: a gate's own δ missing", LSTM, INPUT, INPUT.replace(" + d_i", ""), ("lstm z_i",), "δ_i", "1997",
           EARLY),
    Mutant("1997: constant error carousel cut", LSTM, FORGOTTEN, FORGOTTEN.replace("else d_c", "else 0 * d_c"),
           ("lstm c[t]",), "", "1997", EARLY),
)  # fmt: skip

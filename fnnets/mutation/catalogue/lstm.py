"""Mutants of the LSTM's kernel: each line of its backward step, its sums, and the form in which weights are packed.

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

KERNEL = "fnnets.kernels.lstm"
BACK, WEIGHED = f"{KERNEL}:back", f"{KERNEL}:weigh"

OUTPUT, INPUT = "(d_h * shown + d_o) * (o * (1 - o))", "(d_c * g + d_i) * (i * (1 - i))"
FORGET, CANDIDATE = "d_c * previous[1] * (f * (1 - f))", "d_c * (i * _slope(form.input_activation, g, z_g))"
CELL, FORGOTTEN = (
    "d_c = d_c + d_h * (o * _slope(form.output_activation, shown, state[1]))",
    "d_c = d_c if f is None else d_c * f",
)
ORDER = "delta = jnp.concatenate([delta_i, *delta_f, delta_g, delta_o], axis=-1)"
CARRY, PEEPING = (
    "jnp.split(delta @ packed.recurrent_weights,",
    "zip(packed.peepholes, [delta_i, *delta_f], strict=False)",
)
WEIGH, SEEN = (
    "return (*contract_both(delta, x, _seen(form, previous)), d_biases, d_peepholes)",
    "contract_both(delta, x, _seen(form, previous))",
)
BIASES, HERE = "d_biases = jnp.sum(delta, axis=(0, 1))", "(delta_o, states[1])]"
BEFORE = "pairs = [(delta_i, previous[1]),"

CELLS, LONG = "an LSTM", "an LSTM over more than one step"
FORGETS, PEEPHOLES = "an LSTM with a forget gate", "an LSTM with peepholes"
EARLY = "an LSTM of the form of 1997"

MUTANTS = (
    Mutant("forget path missing in δc", BACK, FORGOTTEN, "d_c = 0 * d_c", ("lstm c[t]",), "", "plain", LONG),
    Mutant("δc carried without the forget gate", BACK, FORGOTTEN, "d_c = d_c", ("lstm c[t]",), "", "plain", FORGETS),
    Mutant("δc carried by the input gate", BACK, FORGOTTEN, FORGOTTEN.replace("* f", "* i"), ("lstm c[t]",), "",
           "plain", FORGETS),
    Mutant("tanh′ at c instead of tanh(c)", BACK, CELL, CELL.replace("shown, ", "state[1], "), ("lstm c",), "d_c",
           "plain", CELLS),
    Mutant("η′ at the cell of the step before", BACK, CELL,
           CELL.replace("shown, state[1]", "form.output_activation.value(previous[1]), previous[1]"), ("lstm c",),
           "d_c", "plain", LONG),
    Mutant("output gate missing in δc", BACK, CELL, CELL.replace("o * ", ""), ("lstm c",), "d_c", "plain", CELLS),
    Mutant("way from h to c missing", BACK, CELL, "d_c = d_c", ("lstm c",), "d_c", "plain", CELLS),
    Mutant("output gate's σ′ missing", BACK, OUTPUT, "(d_h * shown + d_o)", ("lstm z_o",), "δ_o", "plain", CELLS),
    Mutant("input gate's σ′ missing", BACK, INPUT, "(d_c * g + d_i)", ("lstm z_i",), "δ_i", "plain", CELLS),
    Mutant("forget gate's σ′ missing", BACK, FORGET, "d_c * previous[1]", ("lstm z_f",), "δ_f", "plain",
           FORGETS),
    Mutant("candidate's tanh′ missing", BACK, CANDIDATE, "d_c * i", ("lstm z_g",), "δ_g", "plain", CELLS),
    Mutant("f(1 + f) for f(1 − f)", BACK, FORGET, FORGET.replace("1 - f", "1 + f"), ("lstm z_f",), "δ_f", "plain",
           FORGETS),
    Mutant("input gate and candidate swapped in δ_i", BACK, INPUT, INPUT.replace("d_c * g", "d_c * i"), ("lstm z_i",),
           "δ_i", "plain", CELLS),
    Mutant("input gate and candidate swapped in δ_g", BACK, CANDIDATE, CANDIDATE.replace("(i *", "(g *"),
           ("lstm z_g",), "δ_g", "plain", CELLS),
    Mutant("input gate and candidate swapped in δ", BACK, ORDER,
           ORDER.replace("delta_i, *delta_f, delta_g", "delta_g, *delta_f, delta_i"),
           ("lstm h[t]", "lstm .input_gate", "lstm .candidate"), "", "plain", CELLS),
    Mutant("input and forget gate swapped in δ", BACK, ORDER, ORDER.replace("delta_i, *delta_f", "*delta_f, delta_i"),
           ("lstm h[t]", "lstm .input_gate", "lstm .forget_gate"), "", "plain", FORGETS),
    Mutant("c[t] for c[t−1] in δ_f", BACK, FORGET, FORGET.replace("previous[1]", "state[1]"), ("lstm z_f",), "δ_f",
           "plain", FORGETS),
    Mutant("δ_o with c in place of η(c)", BACK, OUTPUT, OUTPUT.replace("shown", "state[1]"), ("lstm z_o",), "δ_o",
           "plain", CELLS),
    Mutant("δ_o with the cell of the step before", BACK, OUTPUT,
           OUTPUT.replace("shown", "form.output_activation.value(previous[1])"), ("lstm z_o",), "δ_o", "plain", LONG),
    Mutant("carry to h missing", BACK, CARRY, CARRY.replace("delta @", "0 * delta @"), ("lstm h[t]",), "", "plain",
           LONG),
    Mutant("carry through halved weights", BACK, CARRY,
           "jnp.split(delta @ packed.halved.T[:, -packed.recurrent_weights.shape[1] :],", ("lstm h[t]",), "", "plain",
           LONG),
    Mutant("δ of halved weighted inputs", WEIGHED, WEIGH,
           f"delta = delta.at[..., : form.units].multiply(0.5)\n    {WEIGH}", ("lstm .input_gate",), "", "plain",
           CELLS),
    Mutant("h[t] for h[t−1] in dR", WEIGHED, SEEN, SEEN.replace("previous", "states"), ("recurrent_weights",), "",
           "plain", CELLS),
    Mutant("c[t−1] for h[t−1] in dR", WEIGHED, SEEN, SEEN.replace("_seen(form, previous)", "previous[1]"),
           ("recurrent_weights",), "", "plain", CELLS),
    Mutant("LSTM: first step left out of dW", WEIGHED, WEIGH, WEIGH.replace("delta", "delta.at[0].set(0)"),
           ("gate.", ".candidate"), "", "plain", CELLS),
    Mutant("LSTM: db of the first sequence", WEIGHED, BIASES, "d_biases = jnp.sum(delta[:, 0], axis=0)", (".biases",),
           "", "plain", "a batch of more than one"),
    Mutant("peephole of the output gate missing in δc", BACK, "d_c = d_c + packed.peepholes[-1] * delta_o",
           "d_c = d_c", ("lstm_peepholes c",), "d_c", "peepholes", PEEPHOLES),
    Mutant("peepholes missing in the carry", BACK, PEEPING, PEEPING.replace("[delta_i, *delta_f]", "[0 * delta_i]"),
           ("lstm_peepholes c[t]",), "", "peepholes", PEEPHOLES),
    Mutant("peepholes of input and forget gate swapped", BACK, PEEPING,
           PEEPING.replace("delta_i, *delta_f", "*delta_f, delta_i"), ("lstm_peepholes c[t]",), "", "peepholes",
           PEEPHOLES),
    Mutant("dp_o with c[t−1]", WEIGHED, HERE, HERE.replace("states", "previous"), (".output_gate.peephole_weights",),
           "dp_o", "peepholes", PEEPHOLES),
    Mutant("dp_i with c[t]", WEIGHED, BEFORE, BEFORE.replace("(delta_i, previous", "(delta_i, states"),
           (".input_gate.peephole_weights",), "dp_i", "peepholes", PEEPHOLES),
    Mutant("LSTM: dx without the forget gate", f"{KERNEL}:cell", "lambda packed, delta: delta @ packed.weights",
           "lambda packed, delta: delta.at[..., form.units : 2 * form.units].set(0) @ packed.weights", ("lstm d_x",),
           "dx", "plain", FORGETS),
    Mutant("1997: the gates' own connections not carried", BACK, "return (d_h, d_c, *d_gates), delta",
           "return (d_h, d_c, *(0 * d for d in d_gates)), delta", ("lstm_1997 i[t]", "lstm_1997 o[t]"), "",
           "1997", EARLY),
    Mutant("1997: a gate's own δ missing", BACK, INPUT, INPUT.replace(" + d_i", ""), ("lstm_1997 z_i",), "δ_i", "1997",
           EARLY),
    Mutant("1997: constant error carousel cut", BACK, FORGOTTEN, FORGOTTEN.replace("d_c if", "0 * d_c if"),
           ("lstm_1997 c[t]",), "", "1997", EARLY),
)  # fmt: skip

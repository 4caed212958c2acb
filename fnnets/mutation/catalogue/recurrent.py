"""Mutants of the kernels of recurrent layers, and of both directions; those of the pages are in `recurrent_page`.

| what is changed | where it must be found |
|---|---|
| δ[t] = (d_a[t] + δ[t+1] ω) ⊙ σ'(z[t]) | "recurrent z", "recurrent a[t]", statement 8 |
| sums over time | "recurrent .weights", "recurrent .recurrent_weights", "recurrent .biases" |
| masks, cuts, checkpoints | "a[t]", "h[t]", the gradients of a segment |
| 1/N 1/T_n | "output" |
| gates of the GRU | "gru z_r", "gru z_u", "gru z_n", "gru h[t]" |
| both directions | "bidirectional" |

A carry that is wrong shows in the state that it is carried to, one step before.
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

RECURRENT, UNROLLING, RECURRENCE = (
    "fnnets.kernels.recurrent:cell",
    "fnnets.kernels.scan",
    "fnnets.layers.recurrence:layer",
)
BACK, WHOLE, SPREAD = f"{UNROLLING}:_scan_backward", f"{UNROLLING}:backward", "fnnets.core.averages:spread"
BOTH, LAST = "fnnets.layers.bidirectional:bidirectional", "fnnets.layers.last_step:last_step"
GRU, GRU_SUMS = "fnnets.kernels.gru:back", "fnnets.kernels.gru:weigh"

SLOPE = "activation.slope(state[0])"
DELTA, CARRY = "d_state[0] * slope", "return (delta @ packed.recurrent_weights,), delta"
WEIGH, PREVIOUS = "contract_both(delta, x, previous[0])", "return d_previous, delta"
BIASES, KEPT = "jnp.sum(delta, axis=(0, 1))", "d_previous = _where(mask_t[:, None], d_previous, d_state)"
LEARNT = "counted * jnp.sum(part, axis=0)"
MASKED, SHARE = "jnp.where(mask[..., None], delta, 0)", "* _share(delta, mask)[..., None]"
BEHIND = "layer.backward(params.backward, trace.backward, d_behind[::-1])"
AHEAD_GRU = "d_h * u + delta_recurrent @ packed.recurrent_weights"

STATES = ("recurrent a[t]", "a[t]", "h[t]")
SUMS = ("recurrent .weights", "recurrent .recurrent_weights")
LONG, PADDED = "more than one step", "padded steps"
PADDED_COST, LENGTHS = "an answer at every step, and padded steps", "sequences of different lengths, not of one step"
DIRECTIONS, CELLS = "a bidirectional layer", "a GRU"
LEARNS = "an initial state that is learnt"

SIMPLE = (
    Mutant("ω for ωᵀ in the carry", RECURRENT, CARRY, CARRY.replace("recurrent_weights", "ahead"), STATES, "8",
           "plain", LONG),
    Mutant("carry not propagated", BACK, PREVIOUS, "return tuple(map(jnp.zeros_like, d_previous)), delta", STATES, "8",
           "plain", LONG),
    Mutant("carry with its sign flipped", RECURRENT, CARRY, CARRY.replace("(delta", "(-delta"), STATES, "8", "plain",
           LONG),
    Mutant("carry of d_a instead of δ", RECURRENT, CARRY, CARRY.replace("(delta", "(d_state[0]"), STATES, "8", "plain",
           LONG),
    Mutant("clipping inside the carry", BACK, PREVIOUS,
           "return tuple(jnp.clip(part, -1e-2, 1e-2) for part in d_previous), delta", STATES, "8", "plain",
           "carries that reach the bound"),
    Mutant("activation slope taken at the previous step", RECURRENT, SLOPE, "activation.slope(previous[0])",
           ("recurrent z",), "8", "plain", "an activation whose slope is had from its value"),
    Mutant("σ′ at z as if it were a", RECURRENT, SLOPE, "activation.slope(activation.value(state[0]))",
           ("recurrent z",), "8", "plain", "an activation whose slope is had from its value"),
    Mutant("recurrent: σ′ omitted", RECURRENT, DELTA, "d_state[0]", ("recurrent z",), "8", "plain"),
    Mutant("d_y[t] counted twice", BACK, "d_state = (d_state[0] + d_y_t, *d_state[1:])",
           "d_state = (d_state[0] + 2 * d_y_t, *d_state[1:])", STATES, "8", "plain", "an answer at every step"),
    Mutant("a[t] for a[t−1] in dω", RECURRENT, WEIGH, WEIGH.replace("previous[0]", "states[0]"),
           ("recurrent .recurrent_weights",), "11, 14", "plain"),
    Mutant("the last step's δ dropped", RECURRENT, WEIGH, WEIGH.replace("delta", "delta.at[-1].set(0)"), SUMS, "",
           "plain"),
    Mutant("t = 1 left out of the sums", RECURRENT, WEIGH, WEIGH.replace("delta", "delta.at[0].set(0)"), SUMS, "",
           "plain"),
    Mutant("t = 1 left out of dω", RECURRENT, WEIGH, WEIGH.replace("previous[0]", "previous[0].at[0].set(0)"),
           ("recurrent .recurrent_weights",), "11, 14", "plain", "a first state that is not zero"),
    Mutant("dω transposed", RECURRENT, "d_recurrent_weights, jnp.sum", "d_recurrent_weights.T, jnp.sum",
           ("recurrent .recurrent_weights",), "11, 14", "plain"),
    Mutant("dW averaged over time", RECURRENT, "return d_weights,", "return d_weights / len(x),",
           ("recurrent .weights",), "10, 13", "plain", LONG),
    Mutant("db summed over time but averaged over the batch", RECURRENT, BIASES,
           "jnp.sum(jnp.mean(delta, axis=1), axis=0)", ("recurrent .biases",), "9, 12", "plain",
           "a batch of more than one"),
    Mutant("db of the last step alone", RECURRENT, BIASES, "jnp.sum(delta[-1], axis=0)", ("recurrent .biases",),
           "9, 12", "plain", LONG),
    Mutant("dx of the step before", RECURRENT, "return delta @", "return jnp.roll(delta, 1, axis=0) @",
           ("recurrent d_x",), "8", "plain", LONG),
)  # fmt: skip

UNROLLED = (
    Mutant("padded steps stop the carry", BACK, KEPT,
           "d_previous = _where(mask_t[:, None], d_previous, map(jnp.zeros_like, d_state))", STATES, "8", "plain",
           "padded steps within a sequence"),
    Mutant("padded steps carried like real ones", BACK, KEPT, "d_previous = d_previous", STATES, "8", "plain", PADDED),
    Mutant("padded steps keep their δ", BACK, "jnp.where(mask_t[:, None], part, 0)", "part", ("recurrent z", " z"),
           "", "plain", PADDED),
    Mutant("learnt initial state: no gradient", RECURRENCE, LEARNT, "0 * jnp.sum(part, axis=0)", (".initial_state",),
           "ds[0]", "plain", LEARNS),
    Mutant("learnt initial state: mean over the batch", RECURRENCE, LEARNT, "counted * jnp.mean(part, axis=0)",
           (".initial_state",), "ds[0]", "plain", LEARNS),
    Mutant("truncation one step early", f"{UNROLLING}:_cuts", "t % chosen.truncate == 0",
           "(t + 1) % chosen.truncate == 0", STATES, "", "truncated", "a layer that truncates"),
    Mutant("truncation that does not cut", BACK, "jnp.where(cut_t, jnp.zeros_like(part), part)", "part", STATES, "",
           "truncated", "a layer that truncates"),
    Mutant("checkpoints: a segment's carry dropped", WHOLE, "segment(d_state, inputs)\n",
           "segment(tuple(map(jnp.zeros_like, d_state)), inputs)\n", STATES, "", "checkpoints",
           "checkpoints, and more than two segments"),
    Mutant("checkpoints: only the first segment's dW", WHOLE, "jax.tree.map(jnp.add, total, d_packed)", "d_packed",
           ("recurrent .",), "", "checkpoints", "checkpoints, and more than one segment"),
    Mutant("checkpoints: segments begin at zero states", WHOLE, "_scan_forward(cell, packed, before,",
           "_scan_forward(cell, packed, tuple(map(jnp.zeros_like, before)),", ("recurrent",), "", "checkpoints",
           "checkpoints, and more than one segment"),
    Mutant("checkpoints: a[t−1] of a segment's first step is zero", WHOLE,
           "jnp.concatenate([s0[None], s[:-1]]), before, states)",
           "jnp.concatenate([0 * s0[None], s[:-1]]), before, states)", ("recurrent .recurrent_weights",), "11, 14",
           "checkpoints", "a state that is not zero before some segment"),
    Mutant("missing 1/T", SPREAD, SHARE, "/ mask.shape[1]", ("output",), "7, mean", "plain", PADDED_COST),
    Mutant("double 1/T", SPREAD, SHARE, f"* mask.shape[1] {SHARE} {SHARE}", ("output",), "7, mean", "plain",
           PADDED_COST),
    Mutant("1/T of the padded length", SPREAD, SHARE, "/ mask.size", ("output",), "7, mean", "plain", PADDED_COST),
    Mutant("mean over all real steps at once", SPREAD, SHARE, "/ jnp.sum(mask).astype(delta.dtype)", ("output",),
           "7, mean", "plain", f"{PADDED_COST}; {LENGTHS}"),
    Mutant("cost mask not applied", SPREAD, MASKED, "delta", ("output",), "7, mean", "plain", PADDED_COST),
    Mutant("missing 1/T, no mask", SPREAD, "return delta / (delta.size // delta.shape[-1])",
           "return delta / delta.shape[-2]", ("output",), "7, mean", "checkpoints",
           "an answer at every step, and no padding"),
    Mutant("last step of the array instead of the last real one", LAST, "t == trace.steps", "t == len(t) - 1",
           ("last_step d_x",), "", "bidirectional", "a last step behind padded sequences"),
)  # fmt: skip

DIRECTED = (
    Mutant("the backward half's d_x never added", BOTH, "d_x + d_reversed[::-1]", "d_x", ("bidirectional d_x",), "dx",
           "bidirectional", DIRECTIONS),
    Mutant("the backward half's gradient never added", BOTH, "BidirectionalParams(d_forward, d_backward)",
           "BidirectionalParams(d_forward, jax.tree.map(jnp.zeros_like, d_backward))", ("bidirectional .backward",),
           "", "bidirectional", DIRECTIONS),
    Mutant("the halves' gradients swapped", BOTH, "BidirectionalParams(d_forward, d_backward)",
           "BidirectionalParams(d_backward, d_forward)", ("bidirectional .",), "", "bidirectional", DIRECTIONS),
    Mutant("d_y not reversed for the backward half", BOTH, BEHIND, BEHIND.replace("[::-1]", ""),
           ("bidirectional backward/",), "", "bidirectional", DIRECTIONS),
    Mutant("outputs not re-reversed by length", BOTH, "d_x + d_reversed[::-1]", "d_x + d_reversed",
           ("bidirectional d_x",), "dx", "bidirectional", DIRECTIONS),
    Mutant("reversal by the padded length", BOTH, BEHIND,
           BEHIND.replace("trace.backward", "trace.backward._replace(mask=trace.forward.mask)"), ("bidirectional",),
           "", "bidirectional", f"{DIRECTIONS}, and {PADDED}"),
)  # fmt: skip

GATED = (
    Mutant("GRU: reset gate missing in the carry", GRU, "[delta_r, delta_u, delta_n * r]",
           "[delta_r, delta_u, delta_n]", ("gru h[t]",), "", "gru", CELLS),
    Mutant("GRU: u for 1 − u", GRU, "d_h * ((1 - u) * ((1", "d_h * (u * ((1", ("gru z_n",), "δ_n", "gru", CELLS),
    Mutant("GRU: tanh′ of the candidate missing", GRU, "(1 - u) * ((1 - n) * (1 + n))", "1 - u", ("gru z_n",), "δ_n",
           "gru", CELLS),
    Mutant("GRU: n − h for h − n", GRU, "(h - n)", "(n - h)", ("gru z_u",), "δ_u", "gru", CELLS),
    Mutant("GRU: the reset gate's σ′ missing", GRU, "(q * (r * (1 - r)))", "q", ("gru z_r",), "δ_r", "gru", CELLS),
    Mutant("GRU: δ_r with h in place of q", GRU, "(q * (r * (1 - r)))", "(h * (r * (1 - r)))", ("gru z_r",), "δ_r",
           "gru", CELLS),
    Mutant("GRU: the way through u ⊙ h missing", GRU, AHEAD_GRU, AHEAD_GRU.replace("d_h * u + ", ""), ("gru h[t]",),
           "", "gru", CELLS),
    Mutant("GRU: db′ of all of δ_n", GRU_SUMS, "of_candidate = delta_recurrent[", "of_candidate = delta[",
           ("gru .recurrent_biases",), "db'_n", "gru", CELLS),
    Mutant("GRU: dR from δ without the reset gate", GRU_SUMS, "contract(delta_recurrent, previous[0])",
           "contract(delta, previous[0])", ("gru .candidate.recurrent_weights",), "dR_n", "gru", CELLS),
)  # fmt: skip

MUTANTS = (*SIMPLE, *UNROLLED, *DIRECTED, *GATED)

"""Mutants of autoencoders: tied weights, corrupted inputs, the sparsity of a code; the layers' own are in `dense`.

| what is changed | where it must be found |
|---|---|
| dW(l) = ∂C/∂W(l) + (∂C/∂V(l))ᵀ | "tied .encoder" |
| δ of the sparsity cost | "delta of sparsity" |
| where it enters the walk | "output", "with_inputs d_x" |
| the corruption's mask | "corruption d_x" |
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

FOLDED, SPARSITY, CORE = "fnnets.layers.tied:folded", "fnnets.core.sparsity:activity", "fnnets.core.network:_totals"
BESIDE, CORRUPTION = "fnnets.layers.with_inputs:with_inputs", "fnnets.layers.corruption:corruption"

SUMMED, ENTERS = "first.weights + second.weights.T", "set(activity.delta(y[1][:n], *data))"
ON, OFF = "(1 - p) * jax.nn.sigmoid(t) * u", " - p * jax.nn.sigmoid(-t) * w"

MEANS = "q = jnp.mean(jax.nn.sigmoid(t), axis=0)"

TIED, SPARSE = "tied weights", "a sparsity target"
ENCODER, ACTIVITY = ("tied .encoder",), ("delta of sparsity",)

MUTANTS = (
    Mutant("the decoder's term not transposed", FOLDED, SUMMED, "first.weights + second.weights", ENCODER, "", "tied",
           f"{TIED}, as many units as inputs"),
    Mutant("the decoder's term missing", FOLDED, SUMMED, "first.weights", ENCODER, "", "tied", TIED),
    Mutant("the encoder's term missing", FOLDED, SUMMED, "second.weights.T", ENCODER, "", "tied", TIED),
    Mutant("mean of both terms instead of their sum", FOLDED, SUMMED, f"0.5 * ({SUMMED})", ENCODER, "", "tied", TIED),
    Mutant("decoder's layers not mirrored", FOLDED, "zip(encoder, decoder[::-1], strict=True)",
           "zip(encoder, decoder, strict=True)", ENCODER, "", "tied", f"{TIED} in two layers of the same sizes"),
    Mutant("decoder's biases in the encoder's order", FOLDED, "for part in decoder)", "for part in decoder[::-1])",
           ("tied .decoder_biases",), "", "tied", f"{TIED} in two layers of the same sizes"),
    Mutant("encoder's biases get the decoder's", FOLDED, ", first.biases)", ", second.biases)", ENCODER, "", "tied",
           f"{TIED}, as many units as inputs"),
    Mutant("sparsity term missing from δ", CORE, ENTERS, "set(0.0)", ("output",), "∂S/∂t", "sparse", SPARSE),
    Mutant("sparsity divided by N as well", CORE, ENTERS, f"{ENTERS[:-1]} / n)", ("output",), "∂S/∂t", "sparse",
           f"{SPARSE}, a batch of more than one"),
    Mutant("sparsity: units that are off not pushed", SPARSITY, OFF, "", ACTIVITY, "∂S/∂t", "sparse", SPARSE),
    Mutant("sparsity: σ′ missing", SPARSITY, f"weight * ({ON}{OFF})", "weight * ((1 - p) * u - p * w)", ACTIVITY,
           "∂S/∂t", "sparse", SPARSE),
    Mutant("sparsity: σ′ of the mean activity", SPARSITY, f"return weight * ({ON}{OFF})",
           f"{MEANS}\n        return jnp.broadcast_to(weight * (q - p) / len(t), t.shape)", ACTIVITY, "∂S/∂t",
           "sparse", f"{SPARSE}, examples that differ"),
    Mutant("sparsity: its weight missing", SPARSITY, f"weight * ({ON}", f"({ON}", ACTIVITY, "∂S/∂t", "sparse",
           f"{SPARSE} whose weight is not 1"),
    Mutant("sparsity: p and 1 − p swapped", SPARSITY, f"{ON}{OFF}",
           f"{ON.replace('(1 - p)', 'p')}{OFF.replace('p *', '(1 - p) *')}", ACTIVITY, "∂S/∂t", "sparse",
           f"{SPARSE} other than ½"),
    Mutant("sparsity's δ lost on its way into the walk", BESIDE, "d_x + d_t", "d_x",
           ("with_inputs d_x",), "dx", "sparse", SPARSE),
    Mutant("corruption's mask missing in the backward", CORRUPTION, "trace.scale * d_y", "d_y", ("corruption d_x",),
           "", "sparse", "masked inputs, with a key"),
)  # fmt: skip

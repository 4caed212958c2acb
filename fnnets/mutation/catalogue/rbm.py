"""Mutants of RBMs: the statistics of both phases, and the chains that draw the second one.

| what is changed | where it must be found |
|---|---|
| ∂F/∂t and the statistics | "free_energy" |
| how the phases are weighed | "output" |
| the chain | rows of `verify.sampler` |

A chain that is differentiated through gives the gradient a term more: what reaches the visible biases by the samples,
v' = b + h W + noise for Gaussian units.
"""

from __future__ import annotations

from fnnets.mutation.mutant import SAMPLER, Mutant

FREE_ENERGY, CORE = "fnnets.layers.free_energy:free_energy", "fnnets.core.network:_totals"
CONTRASTIVE, PERSISTENT, TEMPERING = (
    "fnnets.boltzmann.sampling:contrastive_divergence",
    "fnnets.boltzmann.sampling:persistent_contrastive_divergence",
    "fnnets.boltzmann.tempering:gibbs",
)

D_T, OUTER = "-d_f * hidden_units.mean(trace.t)", "jnp.tensordot(d_t, trace.v, axes=(axes, axes))"
VISIBLE, HIDDEN = "d_visible = -jnp.tensordot(d_f, trace.v, axes=(axes, axes))[0]", "jnp.sum(d_t, axis=axes)"
D_V, RESULT = (
    "d_f * (visible_units.curvature * trace.v - params.visible_biases)",
    "return BoltzmannParams(d_weights, d_visible,",
)
HALF = "trace.t.at[len(trace.t) // 2 :].set(trace.t[: len(trace.t) // 2])"
DRAWN = "return batch._replace(targets=drawn, weights=weights), memory"
MEANS = "if means:\n                drawn = kinds.visible.mean(energies.visible_inputs(params, h))"
GONE_ON = "return batch._replace(targets=v), v"

PARTS = "d_f, d_beside = d_y if with_inputs else (d_y, 0)"

RBM, SAMPLES = "an RBM", "samples of the model"
T, D_W, D_B = ("free_energy t",), ("free_energy .weights",), ("free_energy .visible_biases",)
CHAIN = ("mean", "stationary", "memory", "independen")

MUTANTS = (
    Mutant("phases swapped", FREE_ENERGY, PARTS, f"{PARTS}\n        d_f = -d_f", ("free_energy",), "", "plain",
           RBM),
    Mutant("phases swapped in δ(L)", CORE, "averages.spread(delta", "-averages.spread(delta", ("output",),
           "1, mean", "plain"),
    Mutant("h₀ for h_k in the negative phase", FREE_ENERGY, D_T, D_T.replace("trace.t", HALF), T, "∂F/∂t", "plain",
           f"{SAMPLES}, other ones than the data"),
    Mutant("negative phase missing", FREE_ENERGY, PARTS, f"{PARTS}\n        d_f = jnp.maximum(d_f, 0)",
           ("free_energy",), "", "plain", SAMPLES),
    Mutant("hidden states rounded in the statistics", FREE_ENERGY, D_T,
           "-d_f * jnp.round(hidden_units.mean(trace.t))", T, "∂F/∂t", "plain", RBM),
    Mutant("t for E[h] in the statistics", FREE_ENERGY, D_T, "-d_f * trace.t", T, "∂F/∂t", "plain",
           "binary hidden units"),
    Mutant("chain differentiated through", FREE_ENERGY, RESULT,
           RESULT.replace("d_visible,", "d_visible + jnp.sum(jnp.where(d_f < 0, d_v, 0), axis=axes),"), D_B, "⟨v⟩",
           "plain", SAMPLES),
    Mutant("statistics normalised by units instead of examples", FREE_ENERGY, f"d_weights = {OUTER}",
           f"d_weights = {OUTER} * len(trace.v) / trace.v.shape[-1]", D_W, "⟨h vᵀ⟩", "plain",
           "another number of examples than of units"),
    Mutant("statistics of visible biases missing the samples", FREE_ENERGY, VISIBLE,
           VISIBLE.replace("d_f,", "jnp.maximum(d_f, 0),"), D_B, "⟨v⟩", "plain", SAMPLES),
    Mutant("visible biases get E[v | h]", FREE_ENERGY, VISIBLE,
           VISIBLE.replace("trace.v", "visible_units.mean(hidden_units.mean(trace.t) @ params.weights)"), D_B, "⟨v⟩",
           "plain", RBM),
    Mutant("hidden biases: mean instead of sum", FREE_ENERGY, HIDDEN, "jnp.mean(d_t, axis=axes)",
           ("free_energy .hidden_biases",), "⟨h⟩", "plain", "more than one example"),
    Mutant("dv without the visible field", FREE_ENERGY, f" + {D_V}", "", ("free_energy d_x",), "dx", "plain", RBM),
    Mutant("dv with the field's sign flipped", FREE_ENERGY, f" + {D_V}", f" - {D_V}", ("free_energy d_x",), "dx",
           "plain", RBM),
    Mutant("κ v missing in dv", FREE_ENERGY, D_V, "-d_f * params.visible_biases", ("free_energy d_x",), "dx",
           "gaussian", "Gaussian visible units"),
    Mutant("sparsity over both phases", CORE, "jnp.zeros_like(y[1]).at[:n].set(activity.delta(y[1][:n], *data))",
           "activity.delta(y[1])", ("output",), "∂S/∂t", "sparse", f"a sparsity target, and {SAMPLES}"),
    Mutant("phases not of equal weight", CORE, "averages.spread(delta",
           "jnp.where(batch.targets > 0, 2, 1) * averages.spread(delta", ("output",), "1, mean", "plain"),
    Mutant("v₀ for v_k", CONTRASTIVE, DRAWN,
           DRAWN.replace("=drawn", "=batches.cast(batch.inputs, params)"), ("keys", *CHAIN), "", "contrastive",
           "contrastive divergence", SAMPLER),
    Mutant("reconstructions rounded instead of drawn", CONTRASTIVE, MEANS,
           f"if True:\n                drawn = jnp.round({MEANS.split(' = ')[1]})", CHAIN, "", "contrastive",
           "contrastive divergence", SAMPLER),
    Mutant("persistent chain reset at each step", PERSISTENT, GONE_ON,
           GONE_ON.replace(", v", ", memory"), CHAIN, "", "persistent", "persistent chains", SAMPLER),
    Mutant("persistent chain begins at the data", PERSISTENT, "_run(kinds, params, memory,",
           "_run(kinds, params, batches.cast(batch.inputs, params),", CHAIN, "", "persistent", "persistent chains",
           SAMPLER),
    Mutant("one key for hidden and visible units", TEMPERING, "hidden_key, visible_key = jax.random.split(key)",
           "hidden_key, visible_key = key, key", CHAIN, "", "contrastive", "Gibbs steps", SAMPLER),
    Mutant("visible units drawn from a field without biases", TEMPERING, "beta * visible_inputs(params, h)",
           "beta * (visible_inputs(params, h) - params.visible_biases)", CHAIN, "", "contrastive", "Gibbs steps",
           SAMPLER),
    Mutant("hidden units at half the field", TEMPERING, "hidden_key, beta * hidden", "hidden_key, beta / 2 * hidden",
           CHAIN, "", "contrastive", "Gibbs steps", SAMPLER),
    Mutant("E[h] drives the reconstruction", TEMPERING,
           "kinds.hidden.sample(hidden_key, beta * hidden_inputs(params, v))",
           "kinds.hidden.mean(beta * hidden_inputs(params, v))", CHAIN, "", "contrastive", "Gibbs steps", SAMPLER),
)  # fmt: skip

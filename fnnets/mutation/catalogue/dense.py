"""Mutants of the dense layer, of costs, of the mean over a batch, of the penalty and of the walk through a chain.

| what is changed | where it must be found |
|---|---|
| δ = d_a ⊙ σ'(z) | "dense z" |
| dW = δᵀ x, db = Σ δ, dx = δ W | "dense .weights", "dense .biases", "dense d_x" |
| δ(L) of a cost | "delta of" |
| 1/N | "output" |
| λ/n w | "penalty" |
| the walk from layer to layer | "gradient", as each layer by itself is right |
"""

from __future__ import annotations

from fnnets.mutation.mutant import Mutant

DENSE, OBJECTIVES, CORE = "fnnets.layers.dense:dense", "fnnets.objectives", "fnnets.core.network:_penalised"
PENALTY, SPREAD, CHAIN = "fnnets.core.penalty:gradient", "fnnets.core.averages:spread", "fnnets.core.chain:chain"
DROPOUT, RELU = "fnnets.layers.dropout:dropout", "fnnets.activations:_relu_derivative"
QUADRATIC, SIGMOID, SOFTMAX = (
    f"{OBJECTIVES}:{name}" for name in ("squared_error", "_cross_entropy_delta", "_log_likelihood_delta")
)

SLOPE, ADDED = "d_y * activation.derivative(trace.z)", "d_w + (decay * w).astype(d_w.dtype) if is_weight(path) else d_w"
OUTER, INNER = "jnp.tensordot(delta, trace.x, axes=(leading, leading))", "delta @ params.weights"
BIASES, MEAN = "jnp.sum(delta, axis=leading)", "return delta / (delta.size // delta.shape[-1])"
BACK = "part_d_params, d_y = part.backward(part_params, part_trace, d_y)"
ALIKE = 'all(hasattr(each, "z") and each.z.shape == part_trace.z.shape for each in (part_trace, trace.parts[0]))'
OF_SOFTMAX, OF_SIGMOID = "jax.nn.softmax(z) * total - _one_hot(z, y)", "jax.nn.sigmoid(z) - y"
OF_SQUARE = "(activation.value(z) - y) * activation.derivative(z)"

EXAMPLES, SQUARE, WIDTHS = "a batch of more than one", "square weights", "layers of the same width"
HIDDEN, SOFT = "a hidden layer whose activation is no identity", "a softmax with the log-likelihood"
CROSS, SQUARED = "sigmoid outputs with the cross-entropy", "the squared error of outputs that are not linear"
DECAY, OTHER_N, DROPS = "λ > 0", "λ > 0 and n other than N", "dropout with a key"
Z, WEIGHTS, BIAS, D_X = ("dense z",), ("dense .weights",), ("dense .biases",), ("dense d_x",)
OMEGA, UNEVEN = "jnp.where(share > 0, delta, 0) * share", "examples of different weights"
DELTA, OUTPUT, PENALISED, WALK = ("delta of",), ("output",), ("penalty",), ("gradient",)

LAYER = (
    Mutant("σ′ at a instead of z", DENSE, SLOPE, "d_y * activation.derivative(activation.value(trace.z))", Z, "2",
           needs=HIDDEN),
    Mutant("σ′ omitted in a hidden layer", DENSE, SLOPE, "d_y", Z, "2", needs=HIDDEN),
    Mutant("σ′ taken twice", DENSE, SLOPE, f"{SLOPE} * activation.derivative(trace.z)", Z, "2", needs=HIDDEN),
    Mutant("σ in place of σ′", DENSE, SLOPE, "d_y * activation.value(trace.z)", Z, "2", needs=HIDDEN),
    Mutant("σ′ of another example", DENSE, SLOPE, "d_y * activation.derivative(jnp.roll(trace.z, 1, axis=0))", Z, "2",
           needs=f"{HIDDEN}, {EXAMPLES}"),
    Mutant("W for Wᵀ in the backward walk", DENSE, INNER, f"{INNER}.T", D_X, "2", "square", SQUARE),
    Mutant("d_x from d_a in place of δ", DENSE, INNER, INNER.replace("delta", "d_y"), D_X, "2", needs=HIDDEN),
    Mutant("a(l) for a(l−1) in dW", DENSE, OUTER, OUTER.replace("trace.x", "activation.value(trace.z)"), WEIGHTS,
           "4, 6", "square", SQUARE),
    Mutant("z for a(l−1) in dW", DENSE, OUTER, OUTER.replace("trace.x", "trace.z"), WEIGHTS, "4, 6", "square",
           SQUARE),
    Mutant("dW transposed", DENSE, OUTER, f"{OUTER}.T", WEIGHTS, "4, 6", "square", SQUARE),
    Mutant("missing 1/m, dW only", DENSE, OUTER, f"len(delta) * {OUTER}", WEIGHTS, "4, 6", needs=EXAMPLES),
    Mutant("first example left out of dW", DENSE, OUTER,
           OUTER.replace("delta", "delta[1:]").replace("trace.x", "trace.x[1:]"), WEIGHTS, "4, 6"),
    Mutant("dW with the examples of x shifted", DENSE, OUTER,
           OUTER.replace("trace.x", "jnp.roll(trace.x, 1, axis=0)"), WEIGHTS, "4, 6", needs=EXAMPLES),
    Mutant("dW of the inputs' signs", DENSE, OUTER, OUTER.replace("trace.x", "jnp.sign(trace.x)"), WEIGHTS, "4, 6"),
    Mutant("dW off by one per cent", DENSE, OUTER, f"1.01 * {OUTER}", WEIGHTS, "4, 6"),
    Mutant("dW clipped", DENSE, OUTER, f"jnp.clip({OUTER}, -1e-3, 1e-3)", WEIGHTS, "4, 6",
           needs="gradients that reach the bound"),
    Mutant("dW clipped where it is not now", DENSE, OUTER, f"jnp.clip({OUTER}, -1e2, 1e2)",
           (*WEIGHTS, "linear in its cotangent")),
    Mutant("db zero", DENSE, BIASES, "jnp.zeros_like(params.biases)", BIAS, "3, 5"),
    Mutant("db averaged as well as summed", DENSE, BIASES, "jnp.mean(delta, axis=leading)", BIAS, "3, 5",
           needs=EXAMPLES),
    Mutant("db of the first example", DENSE, BIASES, "delta[0]", BIAS, "3, 5", needs=EXAMPLES),
    Mutant("db from d_a in place of δ", DENSE, BIASES, "jnp.sum(d_y, axis=leading)", BIAS, "3, 5", needs=HIDDEN),
    Mutant("ReLU derivative inverted", RELU, "(z > 0)", "(z <= 0)", Z, "2", "dropout", "ReLU units"),
    Mutant("ReLU derivative 1 throughout", RELU, "(z > 0)", "(z == z)", Z, "2", "dropout", "inactive ReLU units"),
    Mutant("ReLU derivative from −1 on", RELU, "(z > 0)", "(z > -1)", Z, "2", "dropout",
           "a ReLU unit between −1 and 0"),
    Mutant("dropout mask missing in the backward", DROPOUT, "trace.scale * d_y", "d_y", ("dropout d_x",), "dx",
           "dropout", DROPS),
    Mutant("dropout mask drawn anew", DROPOUT, "trace.scale * d_y",
           "jax.random.bernoulli(jax.random.key(7), keep, trace.scale.shape).astype(d_y.dtype) * d_y",
           ("dropout d_x",), "dx", "dropout", DROPS),
    Mutant("dropout mask of another example", DROPOUT, "trace.scale * d_y", "jnp.roll(trace.scale, 1, axis=0) * d_y",
           ("dropout d_x",), "dx", "dropout", f"{DROPS}, and a mask for each example"),
    Mutant("dropout scaled by 1/p in the backward", DROPOUT, "trace.scale * d_y", "trace.scale * d_y / keep",
           ("dropout d_x",), "dx", "dropout", "dropout"),
)  # fmt: skip

COSTS = (
    Mutant("σ′ kept with the cross-entropy output", SIGMOID, f"return {OF_SIGMOID}",
           f"return ({OF_SIGMOID}) * jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)", DELTA, "1", "dropout", CROSS),
    Mutant("δ(L) of the cross-entropy missing y", SIGMOID, OF_SIGMOID, "jax.nn.sigmoid(z)", DELTA, "1", "dropout",
           CROSS),
    Mutant("σ′ dropped with the quadratic cost", QUADRATIC, OF_SQUARE, "activation.value(z) - y", DELTA, "1",
           "square", SQUARED),
    Mutant("2 for ½ in the quadratic cost", QUADRATIC, OF_SQUARE, f"2 * {OF_SQUARE}", DELTA, "1", "square", SQUARED),
    Mutant("δ(L) with its sign flipped", SOFTMAX, f"return {OF_SOFTMAX}", f"return -({OF_SOFTMAX})", DELTA, "1",
           needs=SOFT),
    Mutant("softmax Jacobian's diagonal only", SOFTMAX, OF_SOFTMAX, "(jax.nn.softmax(z) - 1) * _one_hot(z, y)", DELTA,
           "1", needs=SOFT),
    Mutant("softmax over the batch", SOFTMAX, "jax.nn.softmax(z)", "jax.nn.softmax(z, axis=0)", DELTA, "1",
           needs=SOFT),
    Mutant("δ(L) of the softmax missing y", SOFTMAX, " - _one_hot(z, y)", "", DELTA, "1", needs=SOFT),
    Mutant("δ(L) of the softmax missing Σ y", SOFTMAX, "jax.nn.softmax(z) * total", "jax.nn.softmax(z)", DELTA, "1",
           needs="targets whose rows do not sum to one"),
    Mutant("missing 1/m everywhere", SPREAD, MEAN, "return delta", OUTPUT, "1, mean", needs=EXAMPLES),
    Mutant("1/m taken twice", SPREAD, MEAN, f"{MEAN} / (delta.size // delta.shape[-1])", OUTPUT, "1, mean",
           needs=EXAMPLES),
    Mutant("mean over units as well", SPREAD, MEAN, "return delta / delta.size", OUTPUT, "1, mean",
           needs="more than one output"),
    Mutant("1/(m − 1) for 1/m", SPREAD, MEAN, "return delta / (delta.size // delta.shape[-1] - 1)", OUTPUT, "1, mean",
           needs="a batch of at least two"),
    Mutant("λ/m for λ/n", CORE, "penalty.gradient(_decay(l2, found),",
           "penalty.gradient(l2 / len(found.batch.inputs),", PENALISED, "λ/n w", needs=OTHER_N),
    Mutant("weights of examples left out", SPREAD, OMEGA, "jnp.where(share > 0, delta, 0) / len(delta)", OUTPUT,
           "1, mean", setting="weighted", needs=UNEVEN),
    Mutant("weights of examples divided by N", SPREAD, OMEGA, f"{OMEGA} * jnp.sum(weights) / len(delta)", OUTPUT,
           "1, mean", setting="weighted", needs=f"{UNEVEN}, whose sum is not N"),
    Mutant("weights of examples squared", SPREAD, OMEGA, f"{OMEGA} * share", OUTPUT, "1, mean", setting="weighted",
           needs=UNEVEN),
    Mutant("L2 on biases", PENALTY, ADDED, "d_w + (decay * w).astype(d_w.dtype)", PENALISED, "none",
           needs="λ > 0 and biases that are not zero"),
    Mutant("L2 missing", PENALTY, ADDED, "d_w", PENALISED, "λ/n w", needs=DECAY),
    Mutant("L2 missing a layer", PENALTY, "if is_weight(path) else",
           'if is_weight(path) and getattr(path[0], "idx", 0) > 0 else', PENALISED, "λ/n w", needs=DECAY),
    Mutant("L2 off by 2", PENALTY, "(decay * w)", "(2 * decay * w)", PENALISED, "λ/n w", needs=DECAY),
    Mutant("L2 with its sign flipped", PENALTY, "d_w + (", "d_w - (", PENALISED, "λ/n w", needs=DECAY),
    Mutant("λ/n w² in the gradient", PENALTY, "(decay * w)", "(decay * w * w)", PENALISED, "λ/n w", needs=DECAY),
    Mutant("L1 for L2 in the gradient", PENALTY, "(decay * w)", "(decay * jnp.sign(w))", PENALISED, "λ/n w",
           needs=DECAY),
    Mutant("L2 averaged over units", PENALTY, "(decay * w)", "(decay * w / w.shape[0])", PENALISED, "λ/n w",
           needs=DECAY),
    Mutant("σ′ taken from another layer", CHAIN, BACK,
           BACK.replace("part_trace", f"part_trace._replace(z=trace.parts[0].z) if {ALIKE} else part_trace"), WALK,
           setting="square", needs=f"two {WIDTHS}"),
    Mutant("δ of the layer above handed on unchanged", CHAIN, BACK,
           f"{BACK.replace(', d_y =', ', d_x =')}\n            d_y = d_y if d_x.shape == d_y.shape else d_x", WALK,
           setting="square", needs=f"two {WIDTHS}"),
)  # fmt: skip

MUTANTS = (*LAYER, *COSTS)

"""The formulas of a forward pass, in the notes' letters; those of the backward pass are in the table of statements.

    forward("dense", "z")            z(l) = W(l) a(l−1) + b(l)
    a mark within another layer      by the end of its name: "0/1/z" of tied weights is that of a dense layer
    a layer of one's own             ""

l counts layers, t steps; σ is the activation of the layer, which the table of the network names.
"""

from __future__ import annotations

from fnnets.core.types import Layer, Objective

GATE = "z_{k} = W_{k} x[t] + R_{k} h[t−1] + b_{k}"
PEEPING = GATE + " + p_{k} ⊙ c[t{when}]"
SEEING = "z_{k} = W_{k} x[t] + R_{k} (h, i, o)[t−1] + b_{k}"
CELL = "c[t] = f ⊙ c[t−1] + i ⊙ g,  f = σ(z_f), i = σ(z_i), g = tanh(z_g)"
SHOWN = "h[t] = o ⊙ tanh(c[t]),  o = σ(z_o)"
KEPT = "a[t] = h[t], at padded steps a[t−1]"

FORWARD = {
    "dense": {"z": "z(l) = W(l) a(l−1) + b(l)", "a": "a(l) = σ(z(l))"},
    "threshold": {"z": "z(l) = W(l) a(l−1) + b(l)", "a": "a(l) = 1 where z(l) ≥ 0, else 0"},
    "stochastic": {"z": "z(l) = W(l) a(l−1) + b(l)", "a": "a(l) ~ Bernoulli(σ(z(l))), in prediction σ(z(l))"},
    "activate": {"a": "a = σ(z), of the layer before"},
    "dropout": {"a": "a = r ⊙ x, r ~ Bernoulli(1 − rate); in prediction (1 − rate) x"},
    "corruption": {"a": "a = r ⊙ x + s, r and s drawn; in prediction x"},
    "flatten": {"a": "a = x as a vector"},
    "convolution": {"z": "z = Σ W ⊙ x over the window + b", "a": "a = σ(z)"},
    "locally_connected": {"z": "z[p] = Σ W[p] ⊙ x over the window at p + b[p]", "a": "a = σ(z)"},
    "max_pooling": {"a": "a = the greatest x of the window"},
    "mean_pooling": {"a": "a = the mean of x over the window"},
    "recurrent": {
        "z": "z[t](2) = W(2) a[t](1) + ω(2) a[t−1](2) + b(2)",
        "a": "a[t](2) = σ(z[t](2)), at padded steps a[t−1](2)",
    },
    "lstm": {**{f"z_{k}": GATE.format(k=k) for k in "ifgo"}, "c": CELL, "h": SHOWN, "a": KEPT},
    "lstm_peepholes": {
        **{f"z_{k}": PEEPING.format(k=k, when="−1") for k in "if"},
        "z_g": GATE.format(k="g"), "z_o": PEEPING.format(k="o", when=""), "c": CELL, "h": SHOWN, "a": KEPT,
    },
    "lstm_1997": {
        **{f"z_{k}": SEEING.format(k=k) for k in "igo"}, "c": "c[t] = c[t−1] + i ⊙ γ(z_g),  i = σ(z_i)",
        "h": "h[t] = o ⊙ η(c[t]),  o = σ(z_o)", "a": KEPT,
    },
    "gru": {
        **{f"z_{k}": GATE.format(k=k) for k in "ru"},
        "z_n": "z_n = W_n x[t] + b_n + r ⊙ (R_n h[t−1] + b'_n),  r = σ(z_r)",
        "h": "h[t] = (1−u) ⊙ n + u ⊙ h[t−1],  u = σ(z_u), n = tanh(z_n)", "a": KEPT,
    },
    "bidirectional": {"a": "a[t] = (→[t], ←[t])"},
    "last_step": {"a": "a = a[T], at the last real step"},
    "free_energy": {"t": "t = W v + c"},
    "unfold": {"z": "z[t] = W x[t] + ω a[t−1] + b", "a": "a[t] = σ(z[t])"},
}  # fmt: skip
"""Of each layer's marks, and of its output a."""
WRAPPED = {"tied": "dense", "with_inputs": "dense"}
"""Layers that are made of others, and the kind of these."""
PARAMETERS = {
    "weights": "W", "recurrent_weights": "R", "peephole_weights": "p", "biases": "b", "visible_biases": "b",
    "hidden_biases": "c", "recurrent_biases": "b'_n",
}  # fmt: skip
GATES = {
    "input_gate": "_i", "forget_gate": "_f", "candidate": "_g", "output_gate": "_o", "reset_gate": "_r",
    "update_gate": "_u",
}  # fmt: skip
PREDICTIONS = {
    "sigmoid_cross_entropy": ("a(L) = σ(z(L))", "c = Σ softplus(z(L)) − y z(L)", "a(L) − y"),
    "softmax_log_likelihood": (
        "a(L) = exp z(L) / Σ exp z(L)", "c = Σ y (log Σ exp z(L) − z(L))", "a(L) Σ y − y"
    ),
    "linear_squared_error": ("a(L) = z(L)", "c = ½ Σ (a(L) − y)²", "a(L) − y"),
    "difference": ("", "c = F(v) of the example − F(v') of the model's sample", "1 of the example, −1 of the sample"),
}  # fmt: skip
"""Of each objective: a(L), the cost of one example, and what δ(L) comes to."""


def forward(layer: Layer, mark: str) -> str:
    """The formula of a mark of a layer, or of its output "a"; "" where it is not known.

    >>> import fnnets as fn
    >>> forward(fn.layers.gru(3), "z_r"), forward(fn.layers.bidirectional(fn.layers.lstm(3)), "forward/z_i")
    ('z_r = W_r x[t] + R_r h[t−1] + b_r', 'z_i = W_i x[t] + R_i h[t−1] + b_i')
    """
    last = mark.rpartition("/")[2].partition(" ")[0]
    inner = layer.detail.partition(",")[0] if layer.name == "bidirectional" else WRAPPED.get(layer.name, "")
    return FORWARD.get(inner if "/" in mark else layer.name, {}).get(last, "")


def parameter(layer: Layer, path: str) -> str:
    """The symbol of a parameter by its path, as ".input_gate.weights"; "" where it is not known.

    >>> import fnnets as fn
    >>> parameter(fn.layers.lstm(3), ".forget_gate.recurrent_weights"), parameter(fn.layers.recurrent(3), ".weights")
    ('R_f', 'W(2)')
    """
    *gates, leaf = path.lstrip(".").split(".")
    symbol = PARAMETERS.get(leaf, "")
    if layer.name in ("dense", "threshold", "stochastic"):
        return f"{symbol}(l)" if symbol else ""
    if layer.name == "recurrent":
        return {"recurrent_weights": "ω(2)", "weights": "W(2)", "biases": "b(2)"}.get(leaf, "")
    gate = GATES.get(gates[-1], "") if gates else ""
    return symbol + ("_n" if layer.name == "gru" and gate == "_g" else gate)


def objective(of: Objective) -> tuple[str, str, str]:
    """The formulas of the prediction, of the cost of one example, and of what δ(L) comes to, "" where it is not known.

    >>> import fnnets as fn
    >>> objective(fn.objectives.squared_error(fn.activations.tanh))[:2]
    ('a(L) = σ(z(L))', 'c = ½ Σ (a(L) − y)²')
    """
    if of.name.startswith("squared_error"):
        return "a(L) = σ(z(L))", "c = ½ Σ (a(L) − y)²", "(a(L) − y) ⊙ σ'(z(L))"
    return PREDICTIONS.get(of.name, ("a(L) = σ(z(L))", "c = c(a(L), y)", ""))


def delta(of: Objective, statement: str) -> str:
    """The formula of δ(L): the statement and what it comes to, or what replaces it.

    >>> import fnnets as fn
    >>> delta(fn.objectives.softmax_log_likelihood, "δ(L) = ∇ₐc ⊙ σ'(z(L))")
    "δ(L) = a(L) Σ y − y, in place of ∇ₐc ⊙ σ'(z(L))"
    """
    left, _, right = statement.partition(" = ")
    here = objective(of)[2]
    if of.is_distribution or of.name == "difference":
        return f"{left} = {here}, in place of {right}" if here else statement
    return f"{statement}, here {here}" if here else statement

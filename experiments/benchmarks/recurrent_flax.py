"""Flax's cost and gradient of a recurrent network: `RNN` of its cell, then a linear layer, time-major.

    nnx      `OptimizedLSTMCell` keeps its gates packed, linen keeps a kernel a gate and joins them in each step
    both     one bias a gate, i, f, g, o; the simple cell is tanh

| symbol | name in code | shape |
|---|---|---|
| W, R, b | `kernel` of inputs and state, `bias` | (m, G), (H, G), (G,); in linen's LSTM (m, H), (H, H), (H,) a gate |

Both are tried, with the scan unrolled once and more often; Flax runs as it is fastest.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.recurrent_peers import UNROLLS, by_grad, cross_entropy, transposed
from experiments.benchmarks.recurrent_setting import Parameters, Way, Work

FLAX = "Flax"
GATES = "ifgo"


def ways(one: Work) -> list[Way]:
    """linen and nnx, each with its scan unrolled once and more often."""
    return [each(one, unroll) for unroll in UNROLLS for each in (of_linen, of_nnx)]


def of_nnx(one: Work, unroll: int) -> Way:
    """`flax.nnx`, split into its graph and its parameters outside the jitted function."""
    from flax import nnx

    graph, params, rest = nnx.split(nnx_model(one, unroll), nnx.Param, ...)

    def cost(params, inputs, labels):
        return cross_entropy(nnx.merge(graph, params, rest, copy=True)(inputs), labels)

    return by_grad(FLAX, cost, params, one, functools.partial(from_nnx, one.cell), f"nnx, unroll {unroll}")


def nnx_model(one: Work, unroll: int = 1) -> Any:
    """The network as a module of nnx, with the parameters of the work."""
    from flax import nnx

    (_, _, m, H, d), given = one.sizes, transposed(one.params)
    rngs = nnx.Rngs(0)
    cell: Any = (nnx.OptimizedLSTMCell if one.cell == "lstm" else nnx.SimpleCell)(m, H, rngs=rngs)
    dense = nnx.Linear(H, d, rngs=rngs)
    cell.dense_i.kernel, cell.dense_h.kernel = nnx.Param(given.weights), nnx.Param(given.recurrent_weights)
    getattr(cell, _biased(one.cell)).bias = nnx.Param(given.biases)
    dense.kernel, dense.bias = nnx.Param(given.output_weights), nnx.Param(given.output_biases)
    return nnx.Sequential(nnx.RNN(cell, time_major=True, unroll=unroll), dense)


def from_nnx(cell: str, state: Any) -> Parameters:
    """A state of nnx, parameters or their gradient, in the setting's layout."""
    from flax import nnx

    recurrent, dense = (nnx.to_pure_dict(state)["layers"][number] for number in (0, 1))
    own = recurrent["cell"]
    found = own["dense_i"]["kernel"], own["dense_h"]["kernel"], own[_biased(cell)]["bias"]
    return transposed(Parameters(*found, dense["kernel"], dense["bias"]))


def _biased(cell: str) -> str:
    return "dense_h" if cell == "lstm" else "dense_i"


def of_linen(one: Work, unroll: int) -> Way:
    """`flax.linen`, whose parameters are a dictionary."""
    import flax.linen as nn

    H, d = one.sizes.units, one.sizes.classes
    cell = (nn.OptimizedLSTMCell if one.cell == "lstm" else nn.SimpleCell)(H)
    model = nn.Sequential([nn.RNN(cell, time_major=True, unroll=unroll), nn.Dense(d)])
    names = [("i" + gate, "h" + gate) for gate in GATES] if one.cell == "lstm" else [("i", "h")]

    def cost(params, inputs, labels):
        return cross_entropy(model.apply(params, inputs), labels)

    return by_grad(
        FLAX, cost, _as_linen(one, names), one, functools.partial(_from_linen, names), f"linen, unroll {unroll}"
    )


def _as_linen(one: Work, names):
    """The bias is the state's in the LSTM and the inputs' in the simple cell."""
    given, cell = transposed(one.params), {}
    parts = (jnp.split(leaf, len(names), axis=-1) for leaf in given[:3])
    for (of_inputs, of_state), W, R, b in zip(names, *parts, strict=True):
        biased = {"bias": b}
        cell[of_inputs] = {"kernel": W} | (biased if len(names) == 1 else {})
        cell[of_state] = {"kernel": R} | (biased if len(names) > 1 else {})
    dense = {"kernel": given.output_weights, "bias": given.output_biases}
    return {"params": {"layers_0": {"cell": cell}, "layers_1": dense}}


def _from_linen(names, gradient) -> Parameters:
    cell, dense = gradient["params"]["layers_0"]["cell"], gradient["params"]["layers_1"]
    biased = 1 if len(names) > 1 else 0
    W, R, b = (
        np.concatenate([np.asarray(cell[pair[which]][leaf]) for pair in names], axis=-1)
        for which, leaf in ((0, "kernel"), (1, "kernel"), (biased, "bias"))
    )
    return transposed(Parameters(W, R, b, dense["kernel"], dense["bias"]))

"""Re-use: the parameters up to the last fully connected layer, taken over for another task.

    z = h(x) Wᵀ + b              h: every layer but the last, which the first task has taught what to look for
    another task:                h as it is, W and b drawn afresh, as many rows as the task has outputs
    frozen                       w ← w + 0,  w in h;    W ← W + v_W,  b ← b + v_b       v: the optimiser's update
    fine-tuned                   every parameter moves: plain `fit`

While h is frozen nothing but W and b is learnt: the last layer is a linear classifier of the features h(x). ∂C/∂w of h
is then used by nobody, and under `jit` the compiler drops its part of the backward walk as dead code.

| symbol | name in code | shape |
|---|---|---|
| parameters of h | `params[:-1]` | the network's |
| W, b | `params[-1].weights`, `params[-1].biases` | (outputs, p) and (outputs,) |
| p | `params[-1].weights.shape[1]` | () |

Source: [Rauber], section 5, at its end; [Donahue2014]; [Yosinski2014].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import optax

from fnnets import initializers, layers
from fnnets.core import batches, calls, validate
from fnnets.core.chain import chain
from fnnets.core.network import check_outputs, network
from fnnets.core.types import Network, Objective
from fnnets.layers.dense import DenseParams
from fnnets.networks import arguments

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


@calls.strict("reuse")
def reuse(
    net: Network,
    params: PyTree,
    outputs: int,
    objective: Objective | None = None,
    *,
    key: Array,
    l2: float | None = None,
    initializer: initializers.Initializer = initializers.default,
) -> tuple[Network, PyTree]:
    """The network with a fresh last layer, and parameters for it: all others as they were.

    Args:
        net: a chain that ends in a dense layer: from `fn.feedforward`, `fn.convolutional` or by hand.
        params: its parameters, mostly trained ones; they are left as they are.
        outputs: units of the new last layer, which is linear, as the objective owns the output activation.
        key: PRNG key of the new layer's W and b.
        objective: output activation and cost of the new task; None for those of `net`.
        l2: λ of the new task; None for that of `net`.
        initializer: initial values of the new layer.

    Returns:
        `(new_net, new_params)`; the first for `fit`, the second for its argument `params`.

    Raises:
        TypeError, ValueError: a network that is no flat chain with a dense layer at its end, parameters of
            another network, `outputs` that is no int ≥ 1, an objective that is none.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([64, 30, 5], objective=fn.objectives.softmax_log_likelihood)
    >>> params = net.init(jax.random.key(0))
    >>> new_net, new_params = reuse(net, params, 3, key=jax.random.key(1))
    >>> new_net.output_shape, new_params[-1].weights.shape, new_params[0] is params[0]
    ((3,), (3, 30), True)
    """
    validate.is_instance(net, Network, "reuse: net", "make one with fnnets.convolutional or fnnets.feedforward")
    _check_chain(net)
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), "reuse: params")
    validate.finite_leaves(params, "reuse: params")
    outputs = validate.count(outputs, "reuse: outputs", "give the number of outputs of the new task")
    validate.is_key(key, "reuse: key")
    objective = net.objective if objective is None else objective
    arguments.objective(objective, "reuse")
    arguments.initializer(initializer, "reuse")
    check_outputs(objective, (outputs,), "reuse: outputs")
    if l2 is not None:
        validate.at_least(l2, 0.0, "reuse: l2", "λ = 0 switches the penalty off, None keeps that of net")
    old: DenseParams = params[-1]
    last = layers.dense(outputs, initializer=initializer)
    layer = chain(*net.layer.parts[:-1], last)
    fresh, _ = last.init(key, old.weights.shape[1:])
    fresh = jax.tree.map(lambda new, like: new.astype(like.dtype), fresh, old)
    made = network(layer, objective, net.input_shape, net.l2 if l2 is None else l2)
    return made, (*params[:-1], fresh)


@calls.strict("freeze")
def freeze(optimizer: optax.GradientTransformation, params: PyTree) -> optax.GradientTransformation:
    """The optimiser, for the last layer alone: every other parameter stays as it is, bit for bit.

    Args:
        optimizer: any optax transformation; only W and b of the last layer reach it.
        params: parameters of the network to be trained, from `reuse` or `net.init`; only their structure counts.

    Returns:
        An optax transformation for `fit(…, params=params)`.

    Raises:
        TypeError: `optimizer` is no optax transformation, `params` are not those of a flat chain with a dense
            layer at its end.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> params = fn.feedforward([3, 2, 2], objective=fn.objectives.linear_squared_error).init(jax.random.key(0))
    >>> last = freeze(fn.training.momentum(0.5), params)
    >>> updates, _ = last.update(jax.tree.map(jnp.ones_like, params), last.init(params))
    >>> updates[0].biases.tolist(), updates[1].biases.tolist()
    ([0.0, 0.0], [-0.5, -0.5])
    """
    validate.is_optimizer(optimizer, "freeze: optimizer")
    if not isinstance(params, tuple) or not params or not isinstance(params[-1], DenseParams):
        raise TypeError(
            f"freeze: params are of type {type(params).__name__}, expected a tuple that ends in the parameters of a "
            "dense layer; take them from transfer.reuse, or from init of fnnets.convolutional or fnnets.feedforward"
        )
    names = ["frozen"] * (len(params) - 1) + ["moving"]
    labels = tuple(jax.tree.map(lambda leaf, name=name: name, part) for part, name in zip(params, names, strict=True))
    return optax.multi_transform({"frozen": optax.set_to_zero(), "moving": optimizer}, labels)


def _check_chain(net: Network) -> None:
    """Raise unless the layer is a chain of plain layers, the last of them dense, and learns from given targets."""
    layer = net.layer
    if net.targets != batches.GIVEN:
        raise ValueError(
            f"reuse: net learns from its {net.targets}, expected a network that learns from given targets; write "
            "fnnets.autoencoders.classifier for an autoencoder"
        )
    names = [part.name for part in layer.parts]
    if any(part.parts for part in layer.parts):
        raise ValueError(
            f"reuse: net is a chain of {', '.join(names)}, expected no chain within it; "
            "give all layers to one fnnets.chain"
        )
    if not names or names[-1] != "dense":
        raise ValueError(
            f"reuse: net ends in {names[-1] if names else layer.name}, expected a chain that ends in a dense layer; "
            "make it with fnnets.convolutional, fnnets.feedforward or fnnets.chain(…, fnnets.layers.dense(outputs))"
        )

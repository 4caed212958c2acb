"""Networks: a layer joined to an objective, their cost and its gradient.

A *layer* is three pure functions over pytrees, an *objective* joins an output activation to its cost,
and a *network* is a layer and an objective:

    forward:   z = layer(x)                              weighted inputs of the output layer, shape (N, d)
               C = 1/N Σ c(z, y) + λ/2n Σ w²             the mean over the batch, and the weights' penalty
    weights:   C = Σ w c / Σ w + λ/2n Σ w²               how much each example counts; n counts examples all the same
    backward:  δ(L) = 1/N ∂c/∂z,  or w/Σw ∂c/∂z          (1), given by the objective
               δ(l), ∂C/∂w, ∂C/∂b                        (2)-(6), the layers' own `backward`
               ∂C/∂w ← ∂C/∂w + λ/n w                     weights, never biases

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (N, …) |
| y | `batch.targets` | (N, d), or (N,) integer labels |
| n | `batch.dataset_size` (the batch's own size where it is None) | () |
| λ | `l2` | () |
| w | `batch.weights` | (N,), or (T, N) at every step; None for 1 |
| δ(L) | `objective.delta(z, y)`, then divided by N | (N, d) |

Source: [Rauber], section 2, statements (1)-(6), and section 4 for λ; CONTRIBUTING.md has the invariants.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from fnnets.core import arrays, averages, batches, calls, penalty, sequences, stepping, taps, validate
from fnnets.core.construction import constructor
from fnnets.core.sparsity import Activity
from fnnets.core.types import Context, Layer, Network, Objective

if TYPE_CHECKING:
    from jaxtyping import PyTree


@constructor
def network(layer: Layer, objective: Objective, input_shape: tuple[int, ...], l2: float = 0.0) -> Network:
    """Join a layer to an objective: C = mean of c over the batch + λ/2n Σ w², and its gradient by hand.

    The layer's output is linear (it ends in weighted inputs z); the objective owns the output activation.
    Inputs and targets are cast to the parameters' dtype, which decides the precision of everything.
    Which leaves are weights, and so penalised, is said in `fnnets.core.penalty`.

    Args:
        layer: any layer, mostly a `chain`.
        objective: the pair of output activation and cost.
        input_shape: shape of one example, without the batch axis.
        l2: λ ≥ 0 of the penalty; n is `batch.dataset_size`, or the batch's size where that is None.

    Raises:
        TypeError: `layer` or `objective` is of another type.
        ValueError: λ < 0, or a shape that the layer does not take.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> net = fn.network(fn.layers.dense(1), fn.objectives.linear_squared_error, (2,))
    >>> params = net.init(jax.random.key(0))
    >>> batch = fn.Batch(jnp.ones((4, 2)), jnp.zeros((4, 1)))
    >>> bool(jnp.allclose(net.gradient(params, batch).weights, jax.grad(net.cost)(params, batch).weights))
    True
    """
    if isinstance(layer, Objective) and isinstance(objective, Layer):
        raise TypeError("network: layer is an Objective and objective a Layer, expected a Layer first; swap the two")
    validate.is_instance(layer, Layer, "network: layer", "make one with fnnets.layers or fnnets.chain")
    validate.is_instance(objective, Objective, "network: objective", "take one from fnnets.objectives")
    validate.at_least(l2, 0.0, "network: l2", "λ = 0 switches the penalty off")
    input_shape = validate.shape(input_shape, "network: input_shape")
    expected, output_shape = _shapes(layer, input_shape)
    if any(isinstance(size, tuple | list) for size in output_shape):
        raise ValueError(
            f"network: layer gives several outputs of shapes {output_shape}, expected one; give the objective's alone"
        )
    check_outputs(objective, output_shape, "network: layer")
    sequences.check_layer(layer, expected, input_shape, output_shape, Context())
    return assemble(layer, objective, input_shape, l2, expected, output_shape)


def check_outputs(objective: Objective, output_shape: tuple[int, ...], name: str) -> None:
    """Raise where a distribution has one output; `name` is the argument that has the number of outputs."""
    if objective.is_distribution and output_shape[-1:] == (1,):
        raise ValueError(
            f"{name} gives one output, and the objective {objective.name} is a distribution over the outputs: its "
            "probability is always 1; expected at least two; give one for each class, or use sigmoid_cross_entropy for "
            "a single output"
        )


def assemble(
    layer: Layer,
    objective: Objective,
    input_shape: tuple[int, ...],
    l2: float,
    expected: PyTree,
    output_shape: tuple[int, ...],
    *,
    targets: str = batches.GIVEN,
    activity: Activity | None = None,
    domain: tuple[float, float] | None = None,
) -> Network:
    """`network` of parts that are known to fit: `expected` are the parameters' shapes and dtypes.

    With an `activity` the layer gives a pair of outputs: those of the objective, and those that the activity reads.
    """
    l2 = float(l2) if isinstance(l2, np.ndarray | np.generic | jax.Array) and validate.is_concrete(l2) else l2
    raw_predict, *costs = _functions(layer, objective, l2, targets, activity)

    @calls.strict("init")
    def init(key):
        validate.is_key(key, "init: key")
        return layer.init(key, input_shape)[0]

    def checked(function):
        name = function.__name__

        @calls.strict(name, _one_by_one)
        def of_a_checked_batch(params, batch, *, key=None):
            _check_params(params, expected, name, "batch", batch)
            if key is not None:
                validate.is_key(key, f"{name}: key")
            return function(params, batches.checked(made, batch, f"{name}: batch"), key=key)

        return calls.twins(of_a_checked_batch, function)

    def stepwise(function):
        name, signature = function.__name__, inspect.signature(function)

        def of_checked_params(params, *args, **named):
            validate.like(params, expected, f"{name}: params")
            return function(made, params, *args, **named)

        own = list(signature.parameters.values())[1:]
        of_checked_params.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        return calls.strict(name)(of_checked_params)

    predict = _predicting(raw_predict, layer, input_shape, expected)
    steps = map(stepwise, (stepping.start, stepping.step, stepping.run, stepping.sample))
    made = Network(  # type: ignore[call-arg]
        init, predict, *map(checked, costs), *steps, layer, objective, input_shape, output_shape, l2,
        targets=targets, activity=activity, domain=objective.domain if domain is None else domain,
    )  # fmt: skip
    return made


def _one_by_one(name: str, args: tuple[PyTree, ...]) -> str | None:
    """The answer to inputs and targets that are given one by one in the place of a batch."""
    if len(args) == 3 and all(hasattr(each, "shape") and np.shape(each) for each in args[1:]):
        return (
            f"{name}: inputs and targets are given one by one, expected a batch of both; write "
            f"{name}(params, fnnets.Batch(inputs, targets))"
        )
    return None


def _predicting(raw: Callable, layer: Layer, input_shape: tuple[int, ...], expected: PyTree) -> Callable:
    """`predict` of parameters and inputs that are validated first."""

    @calls.strict("predict")
    def predict(params, inputs, mask=None):
        _check_params(params, expected, "predict", "inputs", inputs)
        if layer.is_sequential:
            inputs = sequences.inputs(inputs, input_shape, "predict: inputs")
            mask = sequences.mask(mask, inputs.shape[:2], "predict: mask")
        else:
            inputs = arrays.inputs(inputs, input_shape, "predict: inputs")
            arrays.no_mask(mask, "predict: mask")
        return raw(params, inputs, mask)

    return calls.twins(predict, raw)


def _check_params(params: PyTree, expected: PyTree, name: str, other: str, value: PyTree) -> None:
    """Raise unless `params` are those of the network; the remedy is another one where the next argument is."""
    try:
        validate.like(params, expected, f"{name}: params")
    except (TypeError, ValueError):
        structures: list[PyTree] = [jax.tree.structure(tree) for tree in (value, expected)]
        if structures[0] != structures[1]:
            raise
        raise TypeError(
            f"{name}: params is of type {type(params).__name__} and {other} holds this network's parameters, expected "
            f"them the other way; write {name}(params, {other})"
        ) from None


def _functions(
    layer: Layer, objective: Objective, l2: float, targets: str, activity: Activity | None
) -> tuple[Callable, ...]:
    """`predict`, `cost`, `gradient` and `cost_and_gradient` of batches that are known to fit."""
    total, d_total = _totals(layer, objective, l2, activity)
    prepare = batches.preparing(layer.time, targets, objective.labels)

    def predict(params, inputs, mask=None):
        y, _ = layer.forward(params, batches.cast(inputs, params), Context(None, mask))
        return objective.predict(y if activity is None else y[0])

    def forward(params, found, key):
        batch = found.batch
        return layer.forward(params, batch.inputs, Context(key, batch.mask, None, batch.weights, batch.total_weight))

    def forward_backward(params, found, key):
        y, trace = forward(params, found, key)
        d_params, _ = layer.backward(params, trace, d_total(found, y))
        return y, _penalised(l2, found, params, d_params)

    def cost(params, batch, *, key=None):
        found = prepare(batch, params)
        return total(params, found, forward(params, found, key)[0])

    def gradient(params, batch, *, key=None):
        return forward_backward(params, prepare(batch, params), key)[1]

    def cost_and_gradient(params, batch, *, key=None):
        found = prepare(batch, params)
        y, d_params = forward_backward(params, found, key)
        return total(params, found, y), d_params

    return predict, cost, gradient, cost_and_gradient


def _totals(layer: Layer, objective: Objective, l2: float, activity: Activity | None) -> tuple[Callable, Callable]:
    """C of a batch and of the layer's outputs, and ∂C/∂outputs; the penalty belongs to C alone."""
    value, delta = map(calls.unchecked, (objective.value, objective.delta))  # which know no mask: padding may be -1

    def averaged(batch):
        return batch.mask if layer.time == "sequence to sequence" else None, batch.weights, batch.total_weight

    def total(params, found, y):
        batch, n, portion, data = found
        z = taps.tap("output", y if activity is None else y[0])
        data_cost = averages.mean(value(z, batch.targets), *averaged(batch))
        if activity is not None:
            data_cost = data_cost + portion * activity.value(taps.tap("output activity", y[1])[:n], *data)
        return data_cost + penalty.value(_decay(l2, found), params) if _has_penalty(l2) else data_cost

    def d_total(found, y):
        batch, n, _, data = found
        z = y if activity is None else y[0]
        d_z = taps.delta("output", averages.spread(delta(z, batch.targets), *averaged(batch)), "1, mean")
        if activity is None:
            return d_z
        d_t = jnp.zeros_like(y[1]).at[:n].set(activity.delta(y[1][:n], *data))
        return d_z, taps.delta("output activity", d_t, "∂S/∂t")

    return total, d_total


def _penalised(l2, found, params, d_params):
    """∂C/∂w + λ/n w."""
    return penalty.gradient(_decay(l2, found), params, d_params) if _has_penalty(l2) else d_params


def _decay(l2, found):
    """λ/n, or the part of a share."""
    return found.portion * (l2 / found.batch.dataset_size)


def _has_penalty(l2: float) -> bool:
    return not (isinstance(l2, int | float) and l2 == 0)


def _shapes(layer: Layer, input_shape: tuple[int, ...]) -> tuple[PyTree, tuple[int, ...]]:
    """Shapes and dtypes of the parameters, and the output's shape, without computing anything."""
    output_shapes = []

    def init(key):
        params, shape = layer.init(key, input_shape)
        output_shapes.append(shape)
        return params

    try:
        expected = jax.eval_shape(init, jax.random.key(0))
    except ValueError as error:
        raise ValueError(f"network: layer does not take examples of input_shape {input_shape} ({error})") from None
    return expected, output_shapes[0]

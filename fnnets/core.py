"""The laws of the house: what a layer, an objective and a network are.

A *layer* is three pure functions over pytrees, an *objective* joins an output activation to its cost,
and a *network* is a layer and an objective:

    forward:   z = layer(x)                              weighted inputs of the output layer, shape (N, d)
               C = 1/N Σ c(z, y) + λ/2n Σ w²             the mean over the batch, and the weights' penalty
    backward:  δ(L) = 1/N ∂c/∂z                          (1), given by the objective
               δ(l), ∂C/∂w, ∂C/∂b                        (2)-(6), the layers' own `backward`
               ∂C/∂w ← ∂C/∂w + λ/n w                     weights, never biases

| symbol | name in code | shape |
|---|---|---|
| x | `batch.inputs` | (N, …) |
| y | `batch.targets` | (N, d), or (N,) integer labels |
| n | `batch.dataset_size` (the batch's own size where it is None) | () |
| λ | `l2` | () |
| δ(L) | `objective.delta(z, y)`, then divided by N | (N, d) |

Source: statements (1)-(6) of the notes; the network's laws are written out in CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import checks, penalty, sequences

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


class Context(NamedTuple):
    """What a forward pass may need beside parameters and input.

    Attributes:
        key: PRNG key for dropout and sampling; None asks for the deterministic network of prediction.
        mask: the (T, N) mask of a padded batch of sequences, True at real steps; None where nothing is padded.
        state: what recurrent layers go on from, as `layer.start` gives it: the end of the segment before. It counts as
            a constant. None for their own initial state.
    """

    key: Array | None = None
    mask: Array | None = None
    state: Any = None


class Batch(NamedTuple):
    """Examples that are used together: a minibatch, or a whole data set.

    Attributes:
        inputs: (N, …), one example a row; sequences are time-major, (T, N, …).
        targets: (N, d) of the inputs' kind, or (N,) integer labels where the objective takes them; with an answer at
            every step of a sequence (T, N, d) or (T, N).
        mask: (T, N) bool for padded sequences, True at real steps; else None.
        dataset_size: n of the penalty λ/2n Σ w²: the number of examples in the data set from which the
            batch was drawn. None means that the batch *is* the data set. `training.fit` fills it in.
    """

    inputs: Array
    targets: Array
    mask: Array | None = None
    dataset_size: int | None = None


class Layer(NamedTuple):
    """Three pure functions over pytrees; whoever reads one layer can guess every other.

    Attributes:
        init: `(key, shape) -> (params, output_shape)`; shapes are of one example, without the batch axis.
        forward: `(params, x, context) -> (y, trace)`; the trace is exactly what `backward` reads.
        backward: `(params, trace, d_y) -> (d_params, d_x)`: the vector-Jacobian product, derived by hand.
        name: what reports call the layer.
        statements: the notes' statement number (or another source) of each gradient, in a pytree like
            `params` with strings for leaves; None where nothing is known.
        parts: the layers of a `chain`; reports walk through them.
        window: the `fnnets.windows.Window` that a layer slides over images, by which it meets images of any size.
        time: what the layer does with sequences: "kept" (T, N, …) -> (T, N, …), "dropped" (T, N, …) -> (N, …), or ""
            for one that treats all leading axes alike.
        start: `(params, n) -> state` before the first step of n sequences; None where there is no state.
        step: `(params, state, x) -> (state, y)`, one step (N, …) of a stream: the same as `forward` on the whole.
        approximation: how `backward` departs from the gradient on purpose, in words; "" where it does not.
    """

    init: Callable[..., tuple[Any, tuple[int, ...]]]
    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[..., tuple[Any, Any]]
    name: str = "layer"
    statements: Any = None
    parts: tuple[Layer, ...] = ()
    window: Any = None
    time: str = ""
    start: Callable[..., Any] | None = None
    step: Callable[..., tuple[Any, Any]] | None = None
    approximation: str = ""


class Objective(NamedTuple):
    """An output activation and its cost, which belong together: the last layer is linear, this is the rest.

    Attributes:
        predict: `z -> a`, the output activation, (…, d) to (…, d).
        value: `(z, y) -> c` in nats or squared units, (…, d) to (…,): computed from z, never from log(a).
        delta: `(z, y) -> ∂c/∂z`, (…, d): statement (1) for this pair, one example's (not divided by N).
        name: what reports call the pair.
        labels: whether y may be integer labels of shape (…,) as well as (…, d) floats.
    """

    predict: Callable[[Any], Any]
    value: Callable[[Any, Any], Any]
    delta: Callable[[Any, Any], Any]
    name: str = "objective"
    labels: bool = False


class Network(NamedTuple):
    """A layer and an objective, with everything that training and proof need.

    `network.gradient` and `jax.grad(network.cost)` are interchangeable: same signature, same result.

    Attributes:
        init: `(key) -> params`.
        predict: `(params, inputs, mask=None) -> a`, shape (N, d), without randomness.
        cost: `(params, batch, key=None) -> C`, a scalar; the only function that `jax.grad` differentiates.
        gradient: `(params, batch, key=None) -> ∂C/∂params`, by hand, of the type of `params`.
        cost_and_gradient: `(params, batch, key=None) -> (C, ∂C/∂params)`, sharing one forward pass.
        layer, objective, input_shape, l2: what the network was made from.
        output_shape: shape of one example's output.
    """

    init: Callable[..., Any]
    predict: Callable[..., Any]
    cost: Callable[..., Any]
    gradient: Callable[..., Any]
    cost_and_gradient: Callable[..., Any]
    layer: Layer
    objective: Objective
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    l2: float


def network(layer: Layer, objective: Objective, input_shape: tuple[int, ...], l2: float = 0.0) -> Network:
    """Join a layer to an objective: C = mean of c over the batch + λ/2n Σ w², and its gradient by hand.

    The layer's output is linear (it ends in weighted inputs z); the objective owns the output activation.
    Inputs and targets are cast to the parameters' dtype, which decides the precision of everything.
    Which leaves are weights, and so penalised, is said in `fnnets.penalty`.

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
    checks.is_instance(layer, Layer, "network: layer", "make one with fnnets.layers or fnnets.chain")
    checks.is_instance(objective, Objective, "network: objective", "take one from fnnets.objectives")
    checks.at_least(l2, 0.0, "network: l2", "λ = 0 switches the penalty off")
    input_shape = checks.shape(input_shape, "network: input_shape")
    expected, output_shape = _shapes(layer, input_shape)
    if layer.time:
        sequences.check_layer(layer, expected, input_shape, output_shape, Context())
    return assemble(layer, objective, input_shape, l2, expected, output_shape)


def assemble(
    layer: Layer,
    objective: Objective,
    input_shape: tuple[int, ...],
    l2: float,
    expected: PyTree,
    output_shape: tuple[int, ...],
) -> Network:
    """`network` of parts that are known to fit: `expected` are the parameters' shapes and dtypes."""
    is_sequential = layer.time != ""
    penalised = not (isinstance(l2, int | float) and l2 == 0)

    def init(key):
        checks.is_key(key, "init: key")
        return layer.init(key, input_shape)[0]

    def predict(params, inputs, mask=None):
        checks.like(params, expected, "predict: params")
        if is_sequential:
            inputs = sequences.inputs(inputs, input_shape, "predict: inputs")
            mask = sequences.mask(mask, inputs.shape[:2], "predict: mask")
        else:
            inputs = checks.inputs(inputs, input_shape, "predict: inputs")
        z, _ = layer.forward(params, _cast(inputs, params), Context(None, mask))
        return objective.predict(z)

    def prepare(params, batch, key):
        checks.like(params, expected, "params")
        batch = checked(made, batch)
        if key is not None:
            checks.is_key(key, "key")
        return batch._replace(inputs=_cast(batch.inputs, params), targets=_cast_targets(batch.targets, params))

    def decay(batch):
        return l2 / (sequences.count(layer.time, batch) if batch.dataset_size is None else batch.dataset_size)

    def averaged(batch):
        return batch.mask if layer.time == "kept" else None

    def total(params, batch, z):
        data_cost = sequences.mean(objective.value(z, batch.targets), averaged(batch))
        return data_cost + penalty.value(decay(batch), params) if penalised else data_cost

    def forward_backward(params, batch, key):
        z, trace = layer.forward(params, batch.inputs, Context(key, batch.mask))
        d_z = sequences.spread(objective.delta(z, batch.targets), averaged(batch))
        d_params, _ = layer.backward(params, trace, d_z)
        return z, penalty.gradient(decay(batch), params, d_params) if penalised else d_params

    def cost(params, batch, key=None):
        batch = prepare(params, batch, key)
        z, _ = layer.forward(params, batch.inputs, Context(key, batch.mask))
        return total(params, batch, z)

    def gradient(params, batch, key=None):
        return forward_backward(params, prepare(params, batch, key), key)[1]

    def cost_and_gradient(params, batch, key=None):
        batch = prepare(params, batch, key)
        z, d_params = forward_backward(params, batch, key)
        return total(params, batch, z), d_params

    made = Network(init, predict, cost, gradient, cost_and_gradient, layer, objective, input_shape, output_shape, l2)
    return made


def checked(net: Network, batch: Batch, name: str = "batch") -> Batch:
    """The batch with inputs, targets and mask as arrays, after every check that the network's boundary makes.

    Raises:
        TypeError, ValueError: a batch that this network does not take.
    """
    shapes = net.input_shape, net.output_shape, net.objective.labels, name
    return sequences.batch(batch, *shapes, net.layer.time) if net.layer.time else checks.batch(batch, *shapes)


def _shapes(layer, input_shape) -> tuple[PyTree, tuple[int, ...]]:
    """Shapes and dtypes of the parameters, and the output's shape, without computing anything."""
    output_shapes = []

    def init(key):
        params, shape = layer.init(key, input_shape)
        output_shapes.append(shape)
        return params

    expected = jax.eval_shape(init, jax.random.key(0))
    return expected, output_shapes[0]


def _cast(inputs, params):
    leaves = jax.tree.leaves(params)
    return jnp.asarray(inputs, leaves[0].dtype) if leaves else jnp.asarray(inputs)


def _cast_targets(targets, params):
    return jnp.asarray(targets) if jnp.issubdtype(targets.dtype, jnp.integer) else _cast(targets, params)

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

Source: [Rauber], section 2, statements (1)-(6), and section 4 for λ; CONTRIBUTING.md has the invariants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from fnnets import batches, checks, penalty, sequences, taps

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
            every step of a sequence (T, N, d) or (T, N). None where a network needs none: autoencoders, machines.
        mask: (T, N) bool for padded sequences, True at real steps; else None.
        dataset_size: n of the penalty λ/2n Σ w²: the number of examples in the data set from which the
            batch was drawn. None means that the batch *is* the data set. `training.fit` fills it in.
    """

    inputs: Array
    targets: Any = None
    mask: Array | None = None
    dataset_size: int | None = None


class Layer(NamedTuple):
    """Three pure functions over pytrees; whoever reads one layer can guess every other.

    Attributes:
        init: `(key, shape) -> (params, output_shape)`; shapes are of one example, without the batch axis.
        forward: `(params, x, context) -> (y, trace)`; the trace is exactly what `backward` reads.
        backward: `(params, trace, d_y) -> (d_params, d_x)`: the vector-Jacobian product, derived by hand.
        name: what reports call the layer.
        statements: of each gradient the statement of the notes, or a label, in a pytree like `params`; None for none.
        parts: the layers of a `chain`; reports walk through them.
        window: the `fnnets.windows.Window` that a layer slides over images, by which it meets images of any size.
        time: what the layer does with sequences: "kept" (T, N, …) -> (T, N, …), "dropped" (T, N, …) -> (N, …), or ""
            for one that treats all leading axes alike.
        start: `(params, n) -> state` before the first step of n sequences; None where there is no state.
        step: `(params, state, x) -> (state, y)`, one step (N, …) of a stream: the same as `forward` on the whole.
        approximation: how `backward` departs from the gradient on purpose, in words; "" where it does not.
        input_statement: the statement of d_x, as `statements` has those of d_params.
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
    input_statement: str = "dx"


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


class Sampler(NamedTuple):
    """What gives a batch its samples of the model, where the gradient has no closed form: a Markov chain.

    Attributes:
        start: `(params, key) -> memory` before the first step.
        draw: `(params, memory, batch, key) -> (batch, memory)`, the batch with samples for targets.
        direct: `(memory, d_params) -> d_params`: the direction in which training goes, mostly the gradient itself.
    """

    start: Callable[..., Any]
    draw: Callable[..., tuple[Batch, Any]]
    direct: Callable[[Any, Any], Any] = lambda memory, d_params: d_params


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
        targets: where a batch's targets come from: "given"; "inputs", which are the targets where none are given; or
            "samples" of the model, which `sampler` draws in training (see `fnnets.batches`).
        activity: a cost of weighted inputs within the layer, `fnnets.sparsity.Activity`; None for none.
        domain: the lowest and the highest value that states or targets may have; None for all finite ones.
        sampler: what draws the samples; None where there are none.
        family: what the functions of the network's family read, such as the kinds of a machine's units.
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
    targets: str = batches.GIVEN
    activity: Any = None
    domain: tuple[float, float] | None = None
    sampler: Sampler | None = None
    family: Any = None


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
    *,
    targets: str = batches.GIVEN,
    activity: Any = None,
    domain: tuple[float, float] | None = None,
) -> Network:
    """`network` of parts that are known to fit: `expected` are the parameters' shapes and dtypes.

    An `activity` reads the last of the layer's outputs, which the objective does not see.
    """
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
        y, _ = layer.forward(params, batches.cast(inputs, params), Context(None, mask))
        return objective.predict(split(y)[0])

    def prepare(params, batch, key):
        checks.like(params, expected, "params")
        if key is not None:
            checks.is_key(key, "key")
        return batches.prepared(made, batch, params)

    def split(y):
        return (y, None) if activity is None else (y[..., : -activity.size], y[..., -activity.size :])

    def averaged(batch):
        return batch.mask if layer.time == "kept" else None

    def total(params, batch, n, y):
        z, kept = split(taps.tap("output", y))
        data_cost = sequences.mean(objective.value(z, batch.targets), averaged(batch))
        data_cost = data_cost if activity is None else data_cost + activity.value(kept[:n])
        return data_cost + penalty.value(l2 / batch.dataset_size, params) if penalised else data_cost

    def d_total(batch, n, y):
        z, kept = split(y)
        d_z = sequences.spread(objective.delta(z, batch.targets), averaged(batch))
        if activity is None:
            return d_z
        d_kept = jnp.zeros_like(kept).at[:n].set(activity.delta(kept[:n]))
        return jnp.concatenate([d_z, d_kept], axis=-1)

    def forward_backward(params, batch, n, key):
        y, trace = layer.forward(params, batch.inputs, Context(key, batch.mask))
        d_y = taps.delta("output", d_total(batch, n, y), "1, mean")
        d_params, _ = layer.backward(params, trace, d_y)
        return y, penalty.gradient(l2 / batch.dataset_size, params, d_params) if penalised else d_params

    def cost(params, batch, key=None):
        batch, n = prepare(params, batch, key)
        return total(params, batch, n, layer.forward(params, batch.inputs, Context(key, batch.mask))[0])

    def gradient(params, batch, key=None):
        batch, n = prepare(params, batch, key)
        return forward_backward(params, batch, n, key)[1]

    def cost_and_gradient(params, batch, key=None):
        batch, n = prepare(params, batch, key)
        y, d_params = forward_backward(params, batch, n, key)
        return total(params, batch, n, y), d_params

    whole = init, predict, cost, gradient, cost_and_gradient, layer, objective, input_shape, output_shape, l2
    made = Network(*whole, targets=targets, activity=activity, domain=domain)
    return made


def _shapes(layer, input_shape) -> tuple[PyTree, tuple[int, ...]]:
    """Shapes and dtypes of the parameters, and the output's shape, without computing anything."""
    output_shapes = []

    def init(key):
        params, shape = layer.init(key, input_shape)
        output_shapes.append(shape)
        return params

    expected = jax.eval_shape(init, jax.random.key(0))
    return expected, output_shapes[0]

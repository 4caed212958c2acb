"""The types of fnnets: what a layer, an objective, a network, a batch and a sampler are.

| type | what it is |
|---|---|
| `Layer` | three pure functions: `init`, `forward`, `backward` |
| `Objective` | an output activation and the cost that belongs to it |
| `Network` | a layer and an objective, with the functions that training and verification call |
| `Batch` | examples that are used together |
| `Context` | what a forward pass reads beside parameters and input |
| `Sampler` | what draws a batch's samples of the model |

This module imports nothing of fnnets but what has no need of these types.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import jax

from fnnets.core import calls, guards, shares, tables

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree


Time = Literal["pointwise", "sequence to sequence", "sequence to vector"]


@calls.record
class Context(NamedTuple):
    """The context of a forward pass: all that it reads beside parameters and input.

    Attributes:
        key: PRNG key for dropout and sampling; None for the deterministic network of prediction.
        mask: the (T, N) mask of a padded batch of sequences, True at real steps; None where nothing is padded.
        state: what recurrent layers go on from, as `layer.start` gives it: the end of the segment before. It counts as
            a constant. None for their own initial state.
        weights, total_weight: those of the batch, which `mean` reads.
    """

    key: Array | None = None
    mask: Array | None = None
    state: PyTree = None
    weights: Array | None = None
    total_weight: Array | float | None = None

    def mean(self, x: Array) -> Array:
        """The mean over all examples of the minibatch, as they count: (N, …) to (…).

        Where devices share the minibatch this is one more collective for each call, which a layer declares as
        `Layer.means`.

        >>> import jax.numpy as jnp, fnnets as fn
        >>> fn.Context().mean(jnp.array([[1.0], [3.0]])).tolist()
        [2.0]
        """
        return shares.mean(x, self.weights, self.total_weight)


@calls.record
class Batch(NamedTuple):
    """Examples that are used together: a minibatch, or a whole data set.

    Attributes:
        inputs: (N, …), one example a row; sequences are time-major, (T, N, …).
        targets: (N, d) of the inputs' kind, or (N,) integer labels where the objective takes them; with an answer at
            every step of a sequence (T, N, d) or (T, N). None where a network needs none: autoencoders, RBMs.
        mask: (T, N) bool for padded sequences, True at real steps; else None.
        dataset_size: n of the penalty λ/2n Σ w²: the number of examples in the data set from which the
            batch was drawn. None means that the batch *is* the data set. `training.fit` fills it in. It is a number
            of examples, whatever their weights are.
        weights: (N,) numbers w ≥ 0, how much each example counts: C is Σ w c / Σ w. With an answer at every step of a
            sequence also (T, N). For RBMs (N,) of the data, or (N + M,) of data and samples. None for 1.
        total_weight: W, the sum of the weights of the whole minibatch where this batch is a share of it: the costs of
            all shares add up to C, and so do their gradients (`fnnets.core.shares`). None where it is whole.
    """

    inputs: Array
    targets: PyTree = None
    mask: Array | None = None
    dataset_size: int | None = None
    weights: Array | None = None
    total_weight: Array | float | None = None


class _Fields(NamedTuple):
    """The fields of `Layer`, which are explained there."""

    init: Callable[..., tuple[PyTree, tuple[int, ...]]]
    forward: Callable[..., tuple[PyTree, PyTree]]
    backward: Callable[..., tuple[PyTree, PyTree]]
    name: str = "layer"
    statements: PyTree = None
    parts: tuple[Layer, ...] = ()
    window: Any = None
    time: Time = "pointwise"
    start: Callable[..., PyTree] | None = None
    step: Callable[..., tuple[PyTree, Array]] | None = None
    approximation: str = ""
    input_statement: str = "dx"
    expects: str = ""
    check: Callable[[PyTree, Array, Context], None] | None = None
    detail: str = ""
    trace: type | None = None
    answer: Callable[[PyTree, PyTree], tuple[int | None, ...] | None] | None = None
    means: int = 0
    plain: Layer | None = None
    within: Callable[[Callable[[Layer], Layer]], Layer] | None = None


SIGNATURE = inspect.signature(_Fields)


class Layer(_Fields):
    """Three pure functions over pytrees; whoever reads one layer can guess every other.

    The functions that it holds check their input as `expects` says, and that they give two values each, before they
    compute; the functions themselves are mathematics alone.

    Attributes:
        init: `(key, shape) -> (params, output_shape)`; shapes are of one example, without the batch axis.
        forward: `(params, x, context) -> (y, trace)`; the trace is exactly what `backward` reads.
        backward: `(params, trace, d_y) -> (d_params, d_x)`: the vector-Jacobian product, derived by hand.
        name: what reports call the layer.
        statements: of each gradient the statement of the notes, or a label, in a pytree like `params`; None for none.
        parts: the layers of a `chain`; reports walk through them.
        window: the `fnnets.kernels.windows.Window` that a layer slides over images of any size.
        time: "sequence to sequence" for (T, N, …) -> (T, N, …), "sequence to vector" for (T, N, …) -> (N, …),
            "pointwise" for a layer that treats all leading axes alike.
        start: `(params, n) -> state` before the first step of n sequences; None where there is no state.
        step: `(params, state, x) -> (state, y)`, one step (N, …) of a stream: the same as `forward` on the whole.
        approximation: how `backward` departs from the gradient on purpose, in words; "" where it does not.
        input_statement: the statement of d_x, as `statements` has those of d_params.
        expects: the shapes of x and of parameters in letters, as in "x (…, p), weights (q, p)"; see
            `fnnets.core.shapes`. "" for any.
        check: `(params, x, context)`, which raises where letters do not say all that is expected; None for nothing.
        detail: what tables print behind the name, such as the activation; "" for nothing.
        trace: the type of the trace, of which `backward` takes no other; None for any.
        answer: `(params, trace) -> shape` of y, which d_y has to have in `backward`; None for any, or for any size.
        means: how many means over the whole minibatch, `context.mean`, the two passes take: so many collectives in a
            step of several devices.
        plain: where a kernel runs, the layer of the same parameters that runs the page; None of any other.
        within: `(change) -> layer`, the layer with `change` of each layer that it is made of; None of any other.

    Raises:
        TypeError, ValueError: a field of another kind, `expects` that cannot be read; in each function other arguments
            than are expected, or other than two values that it gives.

    >>> import jax, jax.numpy as jnp, fnnets as fn
    >>> gain = fn.Layer(
    ...     lambda key, shape: (jnp.ones(shape), shape), lambda gain, x, context: (gain * x, x),
    ...     lambda gain, x, d_y: (jnp.sum(d_y * x, axis=0), d_y * gain), "gain", expects="x (N, p), params (p)")
    >>> gain.forward(jnp.ones(3), jnp.ones((4, 2)), fn.Context())
    Traceback (most recent call last):
    ValueError: gain: x has shape (4, 2), expected (N, 3); give it as many features as its params (p) have, 3
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **named: Any) -> Layer:
        """The layer, its functions with their checks."""
        given = calls.bound("Layer", SIGNATURE, args, named)
        return tuple.__new__(cls, guards.guarded(_Fields(*given.args, **given.kwargs), get_args(Time)))

    def _replace(self, **changes: Any) -> Layer:  # type: ignore[override]
        own = {name: getattr(getattr(self, name), "unchecked", None) for name in guards.SIGNATURES}
        if "forward" in changes:  # its trace and its answer may be others
            own |= {"trace": None, "answer": None}
        if not changes.keys().isdisjoint(guards.FUNCTIONS):  # what these make would not do what the new function does
            own |= {"plain": None, "within": None}
        return Layer(**{**self._asdict(), **own, **changes})

    def __str__(self) -> str:
        """A table: each layer, its parameters, and the statements that their gradients follow from."""
        return tables.table([("", "layer", "gradient by", "statement"), *tables.statements(self.leaves())])

    def __repr__(self) -> str:
        return str(self)

    @property
    def title(self) -> str:
        """What tables print: the name, and the detail."""
        return f"{self.name}, {self.detail}" if self.detail else self.name

    @property
    def is_sequential(self) -> bool:
        """Whether the layer reads sequences, (T, N, …)."""
        return self.time != "pointwise"

    def leaves(self, place: str = "") -> list[tuple[str, Layer]]:
        """The layers that are no chains, with their places: "0", "1.0", …."""
        if not self.parts:
            return [(place, self)]
        inner = [part.leaves(f"{place}.{i}".lstrip(".")) for i, part in enumerate(self.parts)]
        return [each for found in inner for each in found]


@calls.record
class Objective(NamedTuple):
    """An output activation and its cost, which belong together: the last layer is linear, this is the rest.

    Attributes:
        predict: `z -> a`, the output activation, (…, d) to (…, d).
        value: `(z, y) -> c` in nats or squared units, (…, d) to (…,): computed from z, never from log(a).
        delta: `(z, y) -> ∂c/∂z`, (…, d): statement (1) for this pair, one example's (not divided by N).
        name: what reports call the pair.
        labels: whether y may be integer labels of shape (…,) as well as (…, d) floats.
        domain: the lowest and the highest value of y; None for all finite ones.
        is_distribution: whether each row of y is one, so that it sums to 1.
    """

    predict: Callable[[Array], Array]
    value: Callable[[Array, Array], Array]
    delta: Callable[[Array, Array], Array]
    name: str = "objective"
    labels: bool = False
    domain: tuple[float, float] | None = None
    is_distribution: bool = False


@calls.record
class Sampler(NamedTuple):
    """A Markov chain that draws a batch's samples of the model, where the gradient has no closed form.

    Attributes:
        start: `(params, key) -> memory` before the first step.
        draw: `(params, memory, batch, key) -> (batch, memory)`, the batch with samples for targets.
        transform_gradient: `(memory, d_params) -> d_params`: what training descends; mostly the gradient itself.
        means: how many means over the whole minibatch `draw` takes, as `Layer.means`.
    """

    start: Callable[..., PyTree]
    draw: Callable[..., tuple[Batch, PyTree]]
    transform_gradient: Callable[[PyTree, PyTree], PyTree] = lambda memory, d_params: d_params
    means: int = 0


class Network(NamedTuple):
    """A layer and an objective, with everything that training and proof need.

    `network.gradient` and `jax.grad(network.cost)` are interchangeable: same signature, same result.

    Attributes:
        init: `(key) -> params`.
        predict: `(params, inputs, mask=None) -> a`, shape (N, d), without randomness.
        cost: `(params, batch, *, key=None) -> C`, a scalar; the only function that `jax.grad` differentiates.
        gradient: `(params, batch, *, key=None) -> ∂C/∂params`, by hand, of the type of `params`.
        cost_and_gradient: `(params, batch, *, key=None) -> (C, ∂C/∂params)`, sharing one forward pass.
        start: `(params, n) -> state` before the first step of n sequences.
        step: `(params, state, inputs) -> (state, a)`: one step, (N, m) to (N, d).
        run: `(params, inputs, state=None) -> (state, a)`: all steps of a segment, (T, N, m) to (T, N, d).
        sample: `(params, prompt, length, temperature=1.0, *, key) -> codes`: symbols drawn one after another.
        layer, objective, input_shape, l2: what the network was made from.
        output_shape: shape of one example's output.
        targets: where a batch's targets come from: "given"; "inputs", which are the targets where none are given; or
            "samples" of the model, which `sampler` draws in training (see `fnnets.core.batches`).
        activity: a cost of weighted inputs within the layer, `fnnets.core.sparsity.Activity`; None for none.
        domain: the lowest and the highest value that states or targets may have; None for all finite ones.
        sampler: what draws the samples; None where there are none.
        family: what the functions of the network's family read, such as the kinds of an RBM's units.
    """

    init: Callable[..., PyTree]
    predict: Callable[..., Array]
    cost: Callable[..., Array]
    gradient: Callable[..., PyTree]
    cost_and_gradient: Callable[..., tuple[Array, PyTree]]
    start: Callable[..., PyTree]
    step: Callable[..., tuple[PyTree, Array]]
    run: Callable[..., tuple[PyTree, Array]]
    sample: Callable[..., Array]
    layer: Layer
    objective: Objective
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    l2: float
    targets: str = "given"
    activity: Any = None
    domain: tuple[float, float] | None = None
    sampler: Sampler | None = None
    family: Any = None

    def __str__(self) -> str:
        """A table: each layer, the shape of its output and the number of its parameters."""
        rows, shape, key = [], self.input_shape, jax.random.key(0)
        layers = self.layer.leaves() if tables.is_walkable(self.layer) else [("", self.layer)]
        for place, part in layers:
            params, shape = tables.initial(part, key, shape)
            rows.append((place, part.title, str(shape), f"{tables.size(params):,}"))
        total = f"{tables.size(jax.eval_shape(self.init, key)):,} parameters"
        penalty = f", λ = {self.l2:g}" if isinstance(self.l2, int | float) and self.l2 else ""
        table = tables.table([("", "layer", "output shape", "parameters"), *rows])
        return f"{table}\n{total}, inputs {self.input_shape}, {self.objective.name}{penalty}"

    def __repr__(self) -> str:
        return str(self)
